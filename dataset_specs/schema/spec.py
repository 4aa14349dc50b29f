"""The schema of a dataset spec: what a YAML file under ``dataset_specs`` may say."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field, model_validator

from rasd_nnu.dataset_specs.schema.base import LabelValue, SpecModel, Text
from rasd_nnu.dataset_specs.schema.layout import DecathlonLayout
from rasd_nnu.errors import DatasetError


class Download(SpecModel):
    """One archive of the official release.

    Args:
        url: Address without log-in; its last part names the file.
        md5: Checksum as 32 hexadecimal digits.
        sha256: Checksum as 64 hexadecimal digits; preferred where both are given.
        size_mb: Size in units of 1e6 bytes, for information.
    """

    url: str = Field(pattern=r"^https?://\S+/[^/\s?#]+$")
    md5: str | None = Field(None, pattern=r"^[0-9a-f]{32}$")
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    size_mb: float | None = Field(None, gt=0)

    @property
    def known_hash(self) -> str | None:
        """The checksum as pooch writes it (``algorithm:digest``), or None where none is known."""
        if self.sha256:
            return f"sha256:{self.sha256}"
        return f"md5:{self.md5}" if self.md5 else None


class LabelMapping(SpecModel):
    """How voxel values of the release become label values of the spec; exactly one of the two.

    Args:
        values: Every value of the release -> label. A value that is not listed is an error.
        above: Values greater than this become 1, all others 0.
    """

    values: dict[int, LabelValue] | None = None
    above: float | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.values is None) == (self.above is None):
            raise ValueError("give exactly one of 'values' and 'above'")
        return self


class GroupRule(SpecModel):
    """Which cases must never be parted by a split.

    Args:
        by: ``case`` where each case is its own group, else a regular expression that is searched in the
            case id and whose first bracket is the group (the patient).
        consecutive: Where the bracket is a number that counts cases from 1: so many consecutive numbers
            form one group.
        why: What the rule rests on.
    """

    by: Text = "case"
    consecutive: int = Field(1, ge=1)
    why: Text

    @model_validator(mode="after")
    def _has_one_bracket(self) -> Self:
        if self.by == "case":
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

    def group_of(self, case: str) -> str:
        """Return the group of a case id.

        Raises:
            DatasetError: The expression does not match, so the group is unknown.
        """
        if self.by == "case":
            return case
        match = re.search(self.by, case)
        found = match[1] if match else None
        if not found or (self.consecutive > 1 and not found.isdecimal()):
            raise DatasetError(f"case id {case!r} does not fit the group rule {self.by!r}")
        if self.consecutive == 1:
            return found
        return str((int(found) - 1) // self.consecutive + 1)


class PaperSplit(SpecModel):
    """The split that the paper used; kept as a fact, not as the default.

    Args:
        train: Number of training cases.
        valid: Number of validation cases, on which the paper also chose its checkpoint.
        test: Number of test cases, if there were any.
        valid_cases: Case ids of the validation list where it was published.
        leaks: Whether groups are on both sides; None where it cannot be known.
        note: Origin and doubts.
    """

    train: int | None = Field(None, ge=0)
    valid: int | None = Field(None, ge=0)
    test: int | None = Field(None, ge=0)
    valid_cases: tuple[Text, ...] = ()
    leaks: bool | None = None
    note: str = ""


class Split(SpecModel):
    """Cross-validation that keeps groups whole (the default), and the paper's split.

    Args:
        folds: Number of folds written to ``splits_final.json``.
        seed: Seed of the shuffle; 12345 is nnU-Net's own.
        paper: The split of the paper.
    """

    folds: int = Field(5, ge=2)
    seed: int = Field(12345, ge=0)
    paper: PaperSplit | None = None


class Score(SpecModel):
    """A result as printed in the paper, in per cent, with its 95 % confidence interval."""

    mean: float = Field(ge=0, le=100)
    ci_low: float | None = None
    ci_high: float | None = None


class PaperNumbers(SpecModel):
    """What the RaSD paper reports for the task.

    Args:
        name: Name of the task in the paper.
        tables: Tables that hold the numbers.
        classes: Number of classes it states.
        metric: Metric of `results`.
        results: Method -> score.
        p_vs_scratch: p-value of RaSD against scratch as printed.
        p_vs_best: p-value of RaSD against the best (or, where RaSD leads, second best) method as printed.
        confidence: How sure it is that the public data reproduce the task of the paper.
        notes: Contradictions and open questions.
    """

    name: Text
    tables: tuple[Text, ...] = ()
    classes: int | None = Field(None, ge=1)
    metric: Text
    results: dict[str, Score] = {}
    p_vs_scratch: str | float | None = None
    p_vs_best: str | float | None = None
    confidence: Literal["low", "medium", "high"] | None = None
    notes: tuple[Text, ...] = ()


class DatasetSpec(SpecModel):
    """Everything known about one task; the fields are described in ``docs/reference/dataset_spec.md``.

    Example:
        >>> from rasd_nnu.dataset_specs.registry import get_spec
        >>> get_spec("msd04_hippocampus").dataset_name
        'Dataset004_Hippocampus'
    """

    key: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    id: int = Field(ge=1, le=999)
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    title: Text
    modality: Literal["CT", "MR", "X-ray", "mammography", "ultrasound", "fundus", "pathology"]
    dims: Literal[2, 3]
    task: Literal["segmentation", "classification", "detection"]
    region: Text
    target: Text
    channels: tuple[Text, ...] = Field(min_length=1)
    labels: dict[str, LabelValue | tuple[LabelValue, ...]]
    regions_class_order: tuple[LabelValue, ...] | None = None
    homepage: str = Field(pattern=r"^https?://\S+$")
    downloads: tuple[Download, ...] = ()
    access: Literal["open", "registration", "request"]
    licence: Text
    citation: tuple[Text, ...] = Field(min_length=1)
    layout: DecathlonLayout
    label_mapping: LabelMapping | None = None
    group: GroupRule
    split: Split = Split.model_validate({})
    paper: PaperNumbers | None = None
    pitfalls: tuple[Text, ...] = ()
    sources: tuple[Text, ...] = ()

    @property
    def dataset_name(self) -> str:
        """Folder name in nnU-Net, ``DatasetNNN_Name``."""
        return f"Dataset{self.id:03d}_{self.name}"

    @property
    def label_values(self) -> frozenset[int]:
        """All values that a voxel of a prepared label map may have."""
        values: set[int] = set()
        for value in self.labels.values():
            values.update(value if isinstance(value, tuple) else (value,))
        return frozenset(values)

    @model_validator(mode="after")
    def _labels_fit_nnunet(self) -> Self:
        if self.task == "segmentation":
            if self.labels.get("background") != 0:
                raise ValueError("labels of a segmentation need 'background: 0'")
            values = sorted(self.label_values)
            if values != list(range(len(values))):
                raise ValueError(f"labels must be consecutive from 0 as nnU-Net asks, got {values}")
        has_regions = any(isinstance(value, tuple) for value in self.labels.values())
        if has_regions != (self.regions_class_order is not None):
            raise ValueError("'regions_class_order' is needed exactly where a label is a list of values")
        if self.label_mapping and self.label_mapping.values:
            unknown = set(self.label_mapping.values.values()) - self.label_values
            if unknown:
                raise ValueError(f"label_mapping leads to {sorted(unknown)}, which 'labels' does not hold")
        return self
