"""Which cases belong together, and how they are split."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Self

from pydantic import Field, model_validator

from rasd_nnu.dataset_specs.schema.base import SpecModel, Text
from rasd_nnu.dataset_specs.template import fill, is_template
from rasd_nnu.errors import DatasetError


class GroupRule(SpecModel):
    """Which cases must never be parted by a split.

    Args:
        by: ``case`` where each case is its own group; a template with fields of the case, ``{patient}``; or a
            regular expression that is searched in the case id and whose only bracket is the group.
        consecutive: Where the bracket is a number that counts cases from 1: so many consecutive numbers
            form one group.
        why: What the rule rests on.
    """

    by: Text = "case"
    consecutive: int = Field(1, ge=1)
    why: Text

    @model_validator(mode="after")
    def _has_one_bracket(self) -> Self:
        if self.by == "case" or is_template(self.by):
            if self.consecutive != 1:
                raise ValueError("'consecutive' needs a regular expression in 'by' that finds the number")
            return self
        try:
            groups = re.compile(self.by).groups
        except re.error as error:
            raise ValueError(f"{self.by!r} is not a regular expression ({error})") from error
        if groups != 1:
            raise ValueError(f"{self.by!r} must hold exactly one bracket, the group; it holds {groups}")
        return self

    def group_of(self, case: str, fields: Mapping[str, str] | None = None) -> str:
        """Return the group of a case.

        Raises:
            DatasetError: The rule does not fit, so the group is unknown.
        """
        if self.by == "case":
            return case
        if is_template(self.by):
            group = fill(self.by, fields or {})
            if not group:
                raise DatasetError(f"case {case!r} has no group: {self.by!r} is empty in its row or path")
            return group
        match = re.search(self.by, case)
        found = match[1] if match else None
        if not found or (self.consecutive > 1 and not found.isdecimal()):
            raise DatasetError(f"case id {case!r} does not fit the group rule {self.by!r}")
        if self.consecutive == 1:
            return found
        return str((int(found) - 1) // self.consecutive + 1)


class Side(SpecModel):
    """Cases of one side of a split: those whose field has one of the values.

    Args:
        field: Field of the case.
        values: Regular expression that must fit the field completely.
    """

    field: Text
    values: Text

    def holds(self, fields: Mapping[str, str]) -> bool:
        """Whether a case is on this side."""
        return re.fullmatch(self.values, fields.get(self.field, "")) is not None


class PaperSplit(SpecModel):
    """The split that the paper used. ``prepare --split paper`` follows it as far as it is known.

    The first that is given decides: the lists; the fields; else the counts, and cases are drawn by group with the
    split's seed in the proportions of the counts, which is a stand-in and says so.

    Args:
        train: Number of training cases.
        valid: Number of validation cases, on which the paper also chose its checkpoint.
        test: Number of test cases, if there were any.
        train_cases: Case ids of the training list where it was published and is not simply all others.
        valid_cases: Case ids of the validation list where it was published.
        test_cases: Case ids of the test list where it was published.
        valid_where: Side that is the validation set where the release itself marks it.
        test_where: Likewise for the test set.
        leaks: Whether groups are on both sides; None where it cannot be known.
        note: Origin and doubts.
    """

    train: int | None = Field(None, ge=0)
    valid: int | None = Field(None, ge=0)
    test: int | None = Field(None, ge=0)
    train_cases: tuple[Text, ...] = ()
    valid_cases: tuple[Text, ...] = ()
    test_cases: tuple[Text, ...] = ()
    valid_where: Side | None = None
    test_where: Side | None = None
    leaks: bool | None = None
    note: str = ""

    @property
    def rule(self) -> str:
        """``list``, ``field`` or ``counts``."""
        if self.valid_cases:
            return "list"
        return "field" if self.valid_where else "counts"


class Split(SpecModel):
    """Cross-validation that keeps groups whole (the default), and the paper's split.

    Args:
        folds: Number of folds written to ``splits_final.json``.
        seed: Seed of the shuffle; 12345 is nnU-Net's own.
        field: Field that gives the folds where the release has official ones; each value is a fold.
        test: Side that is held out of the folds because the release marks it as its test set.
        paper: The split of the paper.
    """

    folds: int = Field(5, ge=2)
    seed: int = Field(12345, ge=0)
    field: Text | None = None
    test: Side | None = None
    paper: PaperSplit | None = None
