"""Split cases without parting a patient, or as the paper did."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rasd_nnu.dataset_specs.schema import DatasetSpec
from rasd_nnu.dataset_specs.schema.split import PaperSplit, Split
from rasd_nnu.dataset_specs.source import SourceCase
from rasd_nnu.errors import DatasetError

Kind = Literal["default", "paper"]
Fold = dict[str, list[str]]


@dataclass(frozen=True)
class SplitPlan:
    """Which case is on which side.

    Args:
        kind: ``default`` or ``paper``.
        groups: Case -> group.
        sides: Case -> ``train``, ``valid`` (the paper's split only) or ``test``.
        folds: Content of ``splits_final.json``.
        warnings: One line each.
    """

    kind: Kind
    groups: Mapping[str, str]
    sides: Mapping[str, str]
    folds: tuple[Fold, ...]
    warnings: tuple[str, ...] = ()


def plan_split(spec: DatasetSpec, cases: Sequence[SourceCase], kind: Kind = "default") -> SplitPlan:
    """Split the cases of a release.

    Args:
        spec: Holds the group rule and the splits.
        cases: All cases, in the order of their ids.
        kind: ``default``: cross-validation that keeps groups whole. ``paper``: the paper's split as far as known.

    Raises:
        DatasetError: A case fits no group, there are fewer groups than folds, or the paper states no split.
    """
    groups = {case.case: spec.group.group_of(case.case, case.fields) for case in cases}
    if kind == "paper":
        return _paper_plan(spec, cases, groups)
    held_out = spec.split.test
    sides = {case.case: "test" if held_out and held_out.holds(case.fields) else "train" for case in cases}
    rest = [case for case in cases if sides[case.case] == "train"]
    folds = _official_folds(spec.split, rest) or grouped_folds(
        {case.case: groups[case.case] for case in rest}, spec.split.folds, spec.split.seed
    )
    warnings = [_leak_warning(groups, _sides_of(fold), f"fold {at}") for at, fold in enumerate(folds)]
    warnings.append(_leak_warning(groups, sides, "the official test set"))
    return SplitPlan(kind, groups, sides, tuple(folds), tuple(text for text in warnings if text))


def _official_folds(split: Split, cases: Sequence[SourceCase]) -> list[Fold]:
    if split.field is None:
        return []
    values = sorted({case.fields[split.field] for case in cases})
    return [
        {
            "train": [case.case for case in cases if case.fields[split.field] != value],
            "val": [case.case for case in cases if case.fields[split.field] == value],
        }
        for value in values
    ]


def grouped_folds(groups: Mapping[str, str], folds: int = 5, seed: int = 12345) -> list[Fold]:
    """Split cases for cross-validation such that no group is on both sides.

    The groups are split as nnU-Net splits cases (`nnunetv2.utilities.crossval_split`, which would import torch).
    Where every case is its own group and the seed is 12345, the folds are the ones that nnU-Net makes by default.

    Args:
        groups: Case -> group.
        folds: Number of folds.
        seed: Seed of the shuffle.

    Returns:
        One ``{"train": [...], "val": [...]}`` a fold.

    Raises:
        DatasetError: There are fewer groups than folds.
    """
    from sklearn.model_selection import KFold

    members: dict[str, list[str]] = {}
    for case, group in groups.items():
        members.setdefault(group, []).append(case)
    if len(members) < folds:
        raise DatasetError(
            f"{len(groups)} cases in {len(members)} group(s) cannot be split into {folds} folds; "
            f"expected at least {folds} groups. Give more cases."
        )
    order = sorted(members)
    parts = KFold(n_splits=folds, shuffle=True, random_state=seed).split(order)
    return [
        {
            side: sorted(case for at in places for case in members[order[at]])
            for side, places in zip(("train", "val"), part, strict=True)
        }
        for part in parts
    ]


def _paper_plan(spec: DatasetSpec, cases: Sequence[SourceCase], groups: Mapping[str, str]) -> SplitPlan:
    paper = spec.split.paper
    if paper is None or paper.valid is None:
        raise DatasetError(f"no split of the paper is known for {spec.key}; use --split default.")
    warnings = []
    if paper.rule == "list":
        sides = _listed(paper, cases)
        absent = sorted({*paper.valid_cases, *paper.test_cases} - set(sides))
        if absent:
            warnings.append(f"{len(absent)} case(s) of the paper's list are not in the source, such as {absent[0]}")
    elif paper.rule == "field":
        sides = {case.case: _marked(paper, case) for case in cases}
    else:
        sides = _drawn(paper, groups, spec.split.seed)
        reason = spec.unknown.get("paper_split", paper.note).rstrip(".")
        warnings.append(
            f"the paper's own list is not known here ({reason}): cases were drawn by group in the proportions of the "
            "printed sizes"
        )
    if "valid" not in sides.values() or "train" not in sides.values():
        raise DatasetError(f"the source holds no case of one side of the paper's split of {spec.key}; is it complete?")
    warnings.append(_leak_warning(groups, sides, "the paper's split"))
    used = {case: side for case, side in sides.items() if side != "unused"}
    fold = {
        "train": sorted(case for case, side in used.items() if side == "train"),
        "val": sorted(case for case, side in used.items() if side == "valid"),
    }
    return SplitPlan("paper", groups, used, (fold,), tuple(text for text in warnings if text))


def _listed(paper: PaperSplit, cases: Sequence[SourceCase]) -> dict[str, str]:
    marked = [case.case for case in cases if paper.test_where and paper.test_where.holds(case.fields)]
    named = dict.fromkeys((*marked, *paper.test_cases), "test") | dict.fromkeys(paper.valid_cases, "valid")
    train = set(paper.train_cases)
    return {case.case: named.get(case.case, "train" if not train or case.case in train else "unused") for case in cases}


def _marked(paper: PaperSplit, case: SourceCase) -> str:
    assert paper.valid_where is not None
    if paper.valid_where.holds(case.fields):
        return "valid"
    return "test" if paper.test_where and paper.test_where.holds(case.fields) else "train"


def _drawn(paper: PaperSplit, groups: Mapping[str, str], seed: int) -> dict[str, str]:
    """Draw whole groups until each side has its share of the cases."""
    total = (paper.train or 0) + (paper.valid or 0) + (paper.test or 0)
    members: dict[str, list[str]] = {}
    for case, group in groups.items():
        members.setdefault(group, []).append(case)
    order = sorted(members)
    random.Random(seed).shuffle(order)
    wanted = {
        side: max(1, round((count or 0) * len(groups) / total))
        for side, count in (("test", paper.test), ("valid", paper.valid))
        if count
    }
    sides: dict[str, str] = {}
    for group in order:
        side = next((name for name, left in wanted.items() if left > 0), "train")
        if side in wanted:
            wanted[side] -= len(members[group])
        sides.update(dict.fromkeys(members[group], side))
    return sides


def _sides_of(fold: Fold) -> dict[str, str]:
    return dict.fromkeys(fold["train"], "train") | dict.fromkeys(fold["val"], "valid")


def leaking_groups(groups: Mapping[str, str], sides: Mapping[str, str]) -> tuple[set[str], set[str]]:
    """Return the groups of the held-out cases that also have training cases, and all groups of held-out cases."""
    training = {groups[case] for case, side in sides.items() if side == "train"}
    held_out = {groups[case] for case, side in sides.items() if side in ("valid", "test")}
    return training & held_out, held_out


def _leak_warning(groups: Mapping[str, str], sides: Mapping[str, str], what: str) -> str:
    leaking, held_out = leaking_groups(groups, sides)
    if not leaking:
        return ""
    return (
        f"{what} leaks: {len(leaking)} of {len(held_out)} held-out patients (groups) also have cases in training, "
        f"such as {min(leaking)}; scores on it are optimistic"
    )
