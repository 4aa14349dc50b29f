"""Guess which files of a folder are images, which are label maps, and the patterns that pair them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rasd_nnu.dataset_specs.formats.registry import FORMATS
from rasd_nnu.dataset_specs.layouts.files import case_id
from rasd_nnu.dataset_specs.layouts.index import FileIndex, Match
from rasd_nnu.errors import DatasetError

LABEL_WORDS = ("label", "mask", "seg", "annotation", "groundtruth", "ground_truth", "gt", "truth", "manual")
PATIENT, CASE = "{patient}", "{case}"
FEWEST_PATIENTS = 3


@dataclass(frozen=True)
class Pairing:
    """Patterns that pair images with label maps.

    Args:
        images: Pattern with ``{case}``, ``{patient}`` or both; several where each patient's images are channels.
        case: Template of the case id.
        label: Pattern of the label maps; None where none were found.
        cases: Case -> paths of its first image and label map (None without).
        channels: What tells the images of a patient apart where they are channels, in the order of `images`.
    """

    images: tuple[str, ...]
    case: str
    label: str | None
    cases: dict[str, tuple[str, str | None]]
    channels: tuple[str, ...] = ()

    @property
    def has_patients(self) -> bool:
        """Whether each patient has a folder."""
        return PATIENT in self.images[0]


def pair(index: FileIndex) -> Pairing:
    """Guess the patterns.

    Raises:
        DatasetError: There is no image of a known format, or only label maps.
    """
    endings = sorted((ending for entry in FORMATS.values() for ending in entry.endings), key=len, reverse=True)
    parts = [(path, next((e for e in endings if path.lower().endswith(e)), "")) for path in index.files]
    pictures = [(path, ending) for path, ending in parts if ending]
    if not pictures:
        raise DatasetError(f"{index.root} holds no image; known endings: {', '.join(sorted(set(endings)))}.")
    labels = {path: ending for path, ending in pictures if _is_label(path)}
    images = {path: ending for path, ending in pictures if path not in labels}
    if not images:
        raise DatasetError(f"{index.root}: every image looks like a label map ({next(iter(labels))}). Rename a folder.")
    image, case = _pattern_of(images)
    label = _pattern_of(labels)[0] if labels else None
    channels = _channels(index, image, images) if label and CASE in image and CASE not in label else ()
    patterns = tuple(image.replace(CASE, channel) for channel in channels) or (image,)
    case = PATIENT if channels else case
    found = {_key(match): match.path for match in index.find(label)} if label else {}
    pairs = {
        case_id(case, match.fields): (match.path, found.get(_key(match)))
        for match in index.find(patterns[0])
        if match.path in images
    }
    return Pairing(patterns, case, label, pairs, channels)


def _channels(index: FileIndex, pattern: str, images: Collection[str]) -> tuple[str, ...]:
    """Return the texts that tell the images of a patient apart, where all patients have the same ones; else none."""
    names: dict[str, set[str]] = {}
    for match in index.find(pattern):
        if match.path in images:
            names.setdefault(match.fields.get("patient", ""), set()).add(match.fields["case"])
    first, *others = names.values()
    return tuple(sorted(first)) if others and all(other == first for other in others) else ()


def _key(match: Match) -> tuple[str, str]:
    return match.fields.get("patient", ""), match.fields.get("case", "")


def _is_label(path: str) -> bool:
    words = re.split(r"[^a-z]+", path.lower())
    return any(word.startswith(LABEL_WORDS) for word in words)


def _pattern_of(files: dict[str, str]) -> tuple[str, str]:
    """Return a pattern for the most common folders, ending and fixed words, and the template of the case id."""
    (folder, ending), count = Counter((path.rpartition("/")[0], end) for path, end in files.items()).most_common(1)[0]
    depth = folder.count("/") + bool(folder)
    alike = [path for path, end in files.items() if end == ending and path.count("/") == depth]
    place = _place_of_patients([path.split("/")[:-1] for path in alike]) if 2 * count < len(alike) else None
    own = [path for path in alike if place is not None or path.rpartition("/")[0] == folder]
    names = {_with_patient(path, place) for path in own}
    stem, case = _stem_of({name.rpartition("/")[2][: -len(ending)] for name in names}, place is not None)
    above = min(names).rpartition("/")[0]
    return f"{above}/{stem}".removeprefix("/") + own[0][-len(ending) :], case


def _place_of_patients(folders: Sequence[Sequence[str]]) -> int | None:
    """Return which part of the path is the patient's folder: the only one that differs, in some patients."""
    differing = [at for at, names in enumerate(zip(*folders, strict=True)) if len(set(names)) > 1]
    if len(differing) != 1 or len({folder[differing[0]] for folder in folders}) < FEWEST_PATIENTS:
        return None
    return differing[0]


def _with_patient(path: str, place: int | None) -> str:
    """Put ``{patient}`` for the patient's folder, and for its name in that of the file."""
    if place is None:
        return path
    *folders, name = path.split("/")
    patient = folders[place]
    folders[place] = PATIENT
    return "/".join([*folders, name.replace(patient, PATIENT)])


def _stem_of(stems: Collection[str], has_patients: bool) -> tuple[str, str]:
    """Return the pattern of names without their ending, and the template of the case id."""
    if len(stems) == 1 and has_patients:
        return min(stems), PATIENT
    before, after = _common(sorted(stems), 1), _common([stem[::-1] for stem in sorted(stems)], -1)[::-1]
    patient = f"{PATIENT}_" if has_patients and PATIENT not in before else ""
    return f"{before}{{case}}{after}", f"{patient}{before}{{case}}"


def _common(texts: Sequence[str], direction: int) -> str:
    """Return the common start without a digit or letter that could belong to the case; whole words only."""
    if len(texts) < 2:
        return ""
    length = next(
        (at for at, letters in enumerate(zip(*texts, strict=False)) if len(set(letters)) > 1), min(map(len, texts))
    )
    start = texts[0][:length]
    hit = re.match(r".*[^0-9A-Za-z]" if direction == 1 else r"[A-Za-z_.{}-]*", start)
    return hit[0] if hit else ""
