"""The training cases of a fold as a source of label maps, and what is known about them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from rasd_nnu.errors import ConfigError, DatasetError
from rasd_nnu.nnunet.datasets import patients_of
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.nnunet.preprocessed import Fold, Preprocessed
from rasd_nnu.pretrain.cases.patches import target_places
from rasd_nnu.pretrain.cases.unlabelled import Unlabelled, open_unlabelled

#: Version of the samples: raised when sample k of a seed becomes another one.
CASES_VERSION = 1

#: Optimiser steps unless told otherwise, which the screen's starts from cases had.
ITERATIONS = 300

#: Where label maps come from: the engine's random fields, the training cases of a fold, or half of each.
Maps = Literal["fields", "cases", "mixed"]
MAPS: tuple[Maps, ...] = ("fields", "cases", "mixed")


@dataclass(frozen=True)
class CaseMaps:
    """Label maps of the training cases of a fold, for the network planned for them.

    Args:
        target: The planned network.
        data: Its preprocessed cases.
        fold: The fold; nothing but its training cases is read.
        mixed: Whether every other sample is the engine's instead.
        notes: What a person should know about these cases.
        unlabelled: Images without labels whose maps are learned from, too.
    """

    target: NetworkTarget
    data: Preprocessed
    fold: Fold
    mixed: bool
    notes: tuple[str, ...] = ()
    unlabelled: Unlabelled | None = None

    @property
    def maps(self) -> Maps:
        """``cases`` or ``mixed``."""
        return "mixed" if self.mixed else "cases"

    @property
    def classes(self) -> int:
        """Number of output channels that learn the targets; background is one."""
        return len(self.data.labels.all_labels)

    @cached_property
    def seen(self) -> dict[str, Any]:
        """What the checkpoint says of these cases: data set, fold, and the digests of each."""
        cases = {
            case: {"content": self.data.content_digest(case), "image": self.data.image_digest(case)}
            for case in self.fold.train
        }
        more = {} if self.unlabelled is None else {"unlabelled": self.unlabelled.digests}
        return {"dataset": self.data.dataset, "fold": self.fold.name, "cases": cases, **more}

    def describe(self) -> str:
        """Return the lines that a run says about its label maps."""
        half = "every other sample of " if self.mixed else ""
        more = "" if self.unlabelled is None else f", {len(self.unlabelled.names)} images without labels"
        source = f"{half}{len(self.fold.train)} training cases of fold {self.fold.name} of {self.data.dataset}{more}"
        return f"maps     {source}\n" + "".join(f"warning: {note}\n" for note in self.notes)

    def details(self) -> dict[str, Any]:
        """Return the entries of a checkpoint: ``maps``, ``seen`` and ``targets``."""
        return {"maps": self.maps, "seen": self.seen, "targets": self.target.labels}

    def identity(self) -> dict[str, Any]:
        """Return what decides a run's samples, as JSON values."""
        seen = {case: known["content"] for case, known in self.seen["cases"].items()}
        more = {name: known["content"] for name, known in self.seen.get("unlabelled", {}).items()}
        return {"maps": self.maps, "maps_version": CASES_VERSION, "seen": seen} | ({"unlabelled": more} if more else {})


def open_cases(
    target: NetworkTarget, fold: int | str, *, mixed: bool = False, unlabelled: Path | None = None
) -> CaseMaps:
    """Find the training cases of a fold and check what they can teach.

    Args:
        target: The planned network.
        fold: Number of the fold, or ``all``.
        mixed: Whether every other sample is the engine's instead.
        unlabelled: Folder of further images, without labels.

    Raises:
        PlansError: If the cases are not preprocessed.
        ConfigError: If there is no such fold, or the plan is of a kind that takes more than images.
        DatasetError: If no training case has a label, or the images without labels do not fit.
    """
    data = Preprocessed(target)
    if data.configuration.previous_stage_name is not None:
        raise ConfigError(
            f"{target.configuration} is the second stage of a cascade, which also reads the first one's segmentations. "
            "Pre-train it without --maps."
        )
    chosen = data.fold(fold)
    found = {key for case in chosen.train for key in target_places(data, case)}
    if not found:
        raise DatasetError(
            f"none of the {len(chosen.train)} training cases of fold {chosen.name} of {data.dataset} has a label other "
            "than background. Check the labels, or pre-train without --maps."
        )
    notes = [
        f"no training case of fold {chosen.name} has {name!r}: its output learns nothing from cases"
        for name, key in _targets(data).items()
        if key not in found
    ]
    if len(set(patients_of(data.dataset, list(chosen.train)).values())) == 1:
        notes.append("all training cases are of one patient: what is learned is this patient's anatomy, deformed")
    more = None if unlabelled is None else open_unlabelled(unlabelled, data)
    return CaseMaps(target, data, chosen, mixed, tuple(notes), more)


def _targets(data: Preprocessed) -> dict[str, Any]:
    """Return name -> target as nnU-Net's properties have them: a label, or a tuple of the labels of a region."""
    regions = data.labels.has_regions
    names = {}
    for name, value in data.dataset_json["labels"].items():
        plain = value[0] if isinstance(value, list) and len(value) == 1 else value
        if name != "ignore" and plain != 0:
            names[name] = tuple(plain) if isinstance(plain, list) and regions else plain
    return names
