"""Draft a spec for a user's own folder: everything that is guessed is marked, nothing is hidden."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml

from rasd_nnu.dataset_specs.convert import read
from rasd_nnu.dataset_specs.layouts.index import FileIndex
from rasd_nnu.dataset_specs.pairing import PATIENT, Pairing, pair
from rasd_nnu.dataset_specs.source import Ref
from rasd_nnu.errors import DatasetError

MAX_LABELS = 20
FREE_IDS = range(700, 1000)
MARK = "GUESS"


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
    pairing = pair(FileIndex.of(folder))
    fields = _fields(name, folder, pairing)
    fields["id"] = next(number for number in FREE_IDS if number not in taken_ids)
    return _with_marks(yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=110))


def _fields(name: str, folder: Path, pairing: Pairing) -> dict[str, object]:
    first = read(
        Ref(
            folder
            / next((image for image, label in pairing.cases.values() if label), next(iter(pairing.cases.values()))[0])
        )
    )
    colours = first.channels == 3
    paired = sum(label is not None for _, label in pairing.cases.values())
    values = _label_values(folder, pairing)
    group, why = (PATIENT, f"{MARK} one folder a patient") if pairing.has_patients else _patients(list(pairing.cases))
    binary = len(values) == 2
    names = pairing.channels or ("gray" if first.is_2d else "MR",)
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
        "channels": ["R", "G", "B"] if colours else [f"{MARK} {name}" for name in names],
        "labels": {"background": 0, **{f"label_{at}": at for at in range(1, len(values))}},
        "homepage": f"{MARK} https://example.org",
        "access": f"{MARK} request",
        "licence": None,
        "citation": [{"authors": f"{MARK} unknown", "title": name, "venue": "unpublished", "year": 2025}],
        "layout": {
            "kind": "files",
            "folder": re.sub(r"[^\w .()-]", "_", folder.resolve().name),
            "cases": paired or len(pairing.cases),
            "image": list(pairing.images) if len(pairing.images) > 1 else pairing.images[0],
            "case": pairing.case,
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
