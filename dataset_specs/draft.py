"""Draft a spec for a user's own folder: everything that is guessed is marked, nothing is hidden."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from rasd_nnu.dataset_specs.convert import read
from rasd_nnu.dataset_specs.formats.registry import FORMATS
from rasd_nnu.dataset_specs.layouts.index import FileIndex
from rasd_nnu.dataset_specs.source import Ref
from rasd_nnu.errors import DatasetError

LABEL_WORDS = ("label", "mask", "seg", "annotation", "groundtruth", "ground_truth", "gt", "truth", "manual")
SAMPLE = 5
MAX_LABELS = 20
FREE_IDS = range(700, 1000)
MARK = "GUESS"


@dataclass(frozen=True)
class Pairing:
    """Patterns that pair images with label maps.

    Args:
        image: Pattern with ``{case}``.
        label: Pattern with ``{case}``; None where no label maps were found.
        prefix: What all names of images begin with; part of the case id.
        cases: Case -> paths of image and label map (None without).
    """

    image: str
    prefix: str
    label: str | None
    cases: dict[str, tuple[str, str | None]]


def draft_spec(name: str, folder: Path, taken_ids: Sequence[int] = ()) -> str:
    """Return the YAML of a draft for the images in a folder.

    Args:
        name: Name of the data set, letters, digits, ``_`` and ``-``.
        folder: Holds images and, for a segmentation, label maps, in any sub-folders.
        taken_ids: Numbers of data sets that are not to be used.

    Raises:
        DatasetError: The name is unusable, or the folder holds no image of a known format.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise DatasetError(f"{name!r} cannot name a data set; use letters, digits, _ and -.")
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder; give the one with the images with --from.")
    pairing = _pair(FileIndex.of(folder))
    fields = _fields(name, folder, pairing)
    fields["id"] = next(number for number in FREE_IDS if number not in taken_ids)
    return _with_marks(yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=110))


def _pair(index: FileIndex) -> Pairing:
    endings = sorted((ending for entry in FORMATS.values() for ending in entry.endings), key=len, reverse=True)
    parts = [(path, next((e for e in endings if path.lower().endswith(e)), "")) for path in index.files]
    pictures = [(path, ending) for path, ending in parts if ending]
    if not pictures:
        raise DatasetError(f"{index.root} holds no image; known endings: {', '.join(sorted(set(endings)))}.")
    labels = {path: ending for path, ending in pictures if _is_label(path)}
    images = {path: ending for path, ending in pictures if path not in labels}
    if not images:
        raise DatasetError(f"{index.root}: every image looks like a label map ({next(iter(labels))}). Rename a folder.")
    image_pattern, prefix, image_keys = _pattern_of(images)
    if not labels:
        return Pairing(image_pattern, prefix, None, {key: (path, None) for path, key in image_keys.items()})
    label_pattern, _, label_keys = _pattern_of(labels)
    by_key = {key: path for path, key in label_keys.items()}
    return Pairing(
        image_pattern, prefix, label_pattern, {key: (path, by_key.get(key)) for path, key in image_keys.items()}
    )


def _is_label(path: str) -> bool:
    words = re.split(r"[^a-z]+", path.lower())
    return any(word.startswith(LABEL_WORDS) for word in words)


def _pattern_of(files: dict[str, str]) -> tuple[str, str, dict[str, str]]:
    """Return a pattern for the most common folder, ending and fixed words, its first word, and the cases that fit."""
    (folder, ending), _ = Counter((path.rpartition("/")[0], end) for path, end in files.items()).most_common(1)[0]
    own = [path for path, end in files.items() if (path.rpartition("/")[0], end) == (folder, ending)]
    stems = {path: path.rpartition("/")[2][: -len(ending)] for path in own}
    before, after = _common(list(stems.values()), 1), _common([stem[::-1] for stem in stems.values()], -1)[::-1]
    cases = {path: stem[len(before) : len(stem) - len(after)] for path, stem in stems.items()}
    prefix = f"{folder}/" if folder else ""
    actual = own[0][len(own[0]) - len(ending) :]
    return f"{prefix}{before}{{case}}{after}{actual}", before, cases


def _common(texts: Sequence[str], direction: int) -> str:
    """Return the common start without a digit or letter that could belong to the case; whole words only."""
    if len(texts) < 2:
        return ""
    length = next(
        (at for at, letters in enumerate(zip(*texts, strict=False)) if len(set(letters)) > 1), min(map(len, texts))
    )
    start = texts[0][:length]
    hit = re.match(r".*[^0-9A-Za-z]" if direction == 1 else r"[A-Za-z_.-]*", start)
    return hit[0] if hit else ""


def _fields(name: str, folder: Path, pairing: Pairing) -> dict[str, object]:
    sample = list(pairing.cases.items())[:: max(1, len(pairing.cases) // SAMPLE)][:SAMPLE]
    images = [read(Ref(folder / image)) for _, (image, _) in sample]
    first = images[0]
    colours = first.channels == 3
    paired = sum(label is not None for _, label in pairing.cases.values())
    values = _label_values(folder, pairing)
    group, why = _patients([pairing.prefix + case for case in pairing.cases])
    binary = len(values) == 2
    fields: dict[str, object] = {
        "key": re.sub(r"[^a-z0-9_-]", "_", name.lower()),
        "id": 0,
        "name": name,
        "title": name,
        "modality": f"{MARK} {'MR' if not first.is_2d else 'X-ray'}",
        "dims": 2 if first.is_2d else 3,
        "task": f"{MARK} segmentation",
        "region": f"{MARK} unknown",
        "target": f"{MARK} unknown",
        "channels": ["R", "G", "B"] if colours else [f"{MARK} gray" if first.is_2d else f"{MARK} MR"],
        "labels": {"background": 0, **{f"label_{at}": at for at in range(1, len(values))}},
        "homepage": f"{MARK} https://example.org",
        "access": f"{MARK} request",
        "licence": None,
        "citation": [{"authors": f"{MARK} unknown", "title": name, "venue": "unpublished", "year": 2025}],
        "layout": {
            "kind": "files",
            "folder": re.sub(r"[^\w .()-]", "_", folder.resolve().name),
            "cases": len(pairing.cases) if paired == len(pairing.cases) else paired,
            "image": pairing.image,
            "case": f"{pairing.prefix}{{case}}",
            "evidence": f"guessed from {folder.name}",
        },
        "annotation": {"kind": "label_map", "file": pairing.label or f"{MARK} labels/{{case}}.png", "missing": "skip"},
        "group": {"by": group, "why": why},
        "unknown": {"licence": "not stated yet"},
    }
    if pairing.label and values != list(range(len(values))):
        step = (
            {"kind": "above", "threshold": 0}
            if binary
            else {"kind": "remap", "values": {value: at for at, value in enumerate(values)}}
        )
        fields["steps"] = {"label": [step]}
    return fields


def _label_values(folder: Path, pairing: Pairing) -> list[int]:
    """Return all values in the label maps; of every one, because a rare label may be in one only."""
    values: set[int] = {0}
    for _, label in pairing.cases.values():
        if label is not None:
            values |= {int(value) for value in np.unique(read(Ref(folder / label)).array)}
        if len(values) > MAX_LABELS:
            raise DatasetError(
                f"{label} and others hold more than {MAX_LABELS} values; are they label maps of classes?"
            )
    return sorted(values)


def _patients(cases: Sequence[str]) -> tuple[str, str]:
    """Guess the patient from the case ids: the part before the last number, where it joins cases."""
    expression = r"^(.*?[0-9]+)[_-].*$"
    hits = [re.match(expression, case) for case in cases]
    groups = {hit[1] for hit in hits if hit}
    if all(hits) and 1 < len(groups) < len(cases):
        return expression, f"{MARK} {len(groups)} patients for {len(cases)} cases, from the first number in the names"
    return "case", f"{MARK} the names show no patients; if one has several images, say so here"


def _with_marks(text: str) -> str:
    """Turn guessed values into values with a comment."""
    lines = []
    for line in text.splitlines():
        if MARK in line:
            line = re.sub(rf"{MARK} ", "", line) + "  # guessed: check this"
        lines.append(line)
    head = (
        "# Draft made by `rasd_nnu tasks new`. Check every line marked with `guessed`, then the labels and the group."
    )
    return "\n".join([head, *lines]) + "\n"
