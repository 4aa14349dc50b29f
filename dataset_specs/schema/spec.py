"""The schema of a whole dataset spec."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from rasd_nnu.dataset_specs.schema.annotation import Annotation, Boxes, Classes, LabelMap, Masks, Outlines
from rasd_nnu.dataset_specs.schema.base import LabelValue, SpecModel, Text
from rasd_nnu.dataset_specs.schema.layout import FilesLayout, Layout
from rasd_nnu.dataset_specs.schema.paper import PaperNumbers
from rasd_nnu.dataset_specs.schema.split import GroupRule, Split
from rasd_nnu.dataset_specs.schema.steps import Steps

FITTING: dict[str, tuple[type, ...]] = {
    "segmentation": (LabelMap, Masks, Outlines, Boxes),
    "detection": (Outlines, Boxes),
    "classification": (Classes,),
}


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
        """The checksum as ``algorithm:digest``, or None where none is known."""
        if self.sha256:
            return f"sha256:{self.sha256}"
        return f"md5:{self.md5}" if self.md5 else None


class Citation(SpecModel):
    """One publication to cite.

    Args:
        authors: As in BibTeX, parted by ``and``.
        title: Title.
        venue: Journal, proceedings or archive, with volume and pages where known.
        year: Year.
        doi: Digital object identifier without an address, or None where it was not established.
    """

    authors: Text
    title: Text
    venue: Text
    year: int = Field(ge=1980, le=2100)
    doi: str | None = Field(None, pattern=r"^10\.\S+/\S+$")

    def __str__(self) -> str:
        """Return one line of text."""
        doi = f", doi:{self.doi}" if self.doi else ""
        first, _, more = self.authors.partition(" and ")
        return f"{first}{' et al.' if more else ''}, {self.title}. {self.venue} ({self.year}){doi}"


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
    labels: dict[str, LabelValue | tuple[LabelValue, ...]] = {}
    regions_class_order: tuple[LabelValue, ...] | None = None
    homepage: str = Field(pattern=r"^https?://\S+$")
    also_at: tuple[Text, ...] = ()
    downloads: tuple[Download, ...] = ()
    access: Literal["open", "registration", "request"]
    licence: Text | None
    citation: tuple[Citation, ...] = Field(min_length=1)
    layout: Layout
    annotation: Annotation = Field(default_factory=lambda: LabelMap(kind="label_map"))
    steps: Steps = Field(default_factory=Steps)
    spacing: Literal["file", "pixel"] | None = None
    group: GroupRule
    split: Split = Field(default_factory=lambda: Split.model_validate({}))
    paper: PaperNumbers | None = None
    pitfalls: tuple[Text, ...] = ()
    unknown: dict[Text, Text] = {}
    sources: tuple[Text, ...] = ()

    @property
    def dataset_name(self) -> str:
        """Folder name in nnU-Net, ``DatasetNNN_Name``."""
        return f"Dataset{self.id:03d}_{self.name}"

    @property
    def file_ending(self) -> str:
        """``.png`` for pictures without a spacing, else ``.nii.gz``."""
        return ".png" if self.dims == 2 and self.spacing_policy == "pixel" else ".nii.gz"

    @property
    def spacing_policy(self) -> str:
        """``file``: as the file says. ``pixel``: 1 a pixel, because the spacing is unknown or not comparable."""
        return self.spacing or ("file" if self.dims == 3 else "pixel")

    @property
    def label_values(self) -> frozenset[int]:
        """All values that a voxel of a prepared label map may have."""
        values: set[int] = set()
        for value in self.labels.values():
            values.update(value if isinstance(value, tuple) else (value,))
        return frozenset(values)

    @property
    def class_columns(self) -> dict[str, dict[str, int]]:
        """Columns of ``cases.csv`` with classes -> name of the class -> number; empty for other tasks."""
        if not isinstance(self.annotation, Classes):
            return {}
        own = {name: value for name, value in self.labels.items() if isinstance(value, int)}
        return {name: dict(column.labels) or own for name, column in self.annotation.columns.items()}

    @model_validator(mode="after")
    def _nothing_twice(self) -> Self:
        values = [str(value) for value in self.labels.values() if isinstance(value, int)]
        names = [download.url.rsplit("/", 1)[1] for download in self.downloads]
        for what, found in (("labels of the value", values), ("downloads of the name", names)):
            if twice := sorted({item for item in found if found.count(item) > 1}):
                raise ValueError(f"there are two {what} {', '.join(twice)}, expected different ones")
        return self

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
        return self

    @model_validator(mode="after")
    def _annotation_fits(self) -> Self:
        if not isinstance(self.annotation, FITTING[self.task]):
            raise ValueError(f"annotation {self.annotation.kind!r} does not fit the task {self.task!r}")
        if self.task == "detection" and (self.steps.both or self.steps.label):
            raise ValueError("steps that move or map pixels of labels are not carried out on boxes")
        for name in _label_names(self.annotation):
            if name not in self.labels:
                raise ValueError(f"annotation leads to {name!r}, which 'labels' does not hold")
        for column, labels in self.class_columns.items():
            annotation = self.annotation
            assert isinstance(annotation, Classes)
            unknown = set(annotation.columns[column].names.values()) - set(labels)
            if unknown:
                raise ValueError(f"column {column!r} leads to {sorted(unknown)}, which its labels do not hold")
        for values in self.steps.label_results():
            if values - self.label_values:
                raise ValueError(f"steps lead to {sorted(values - self.label_values)}, which 'labels' does not hold")
        return self

    @model_validator(mode="after")
    def _tiles_fit(self) -> Self:
        if not isinstance(self.layout, FilesLayout) or self.layout.tiles is None:
            return self
        if not isinstance(self.annotation, LabelMap | Outlines | Boxes):
            raise ValueError(
                f"annotation {self.annotation.kind!r} does not fit tiles; label_map, outlines and boxes do"
            )
        if isinstance(self.annotation, LabelMap) and self.annotation.options:
            raise ValueError("label maps of tiles are read as slides, without options of a reader")
        if self.group.by == "case":
            raise ValueError("tiles of a slide must stay together: group by '{slide}', or by a field with the patient")
        return self

    @model_validator(mode="after")
    def _null_has_a_reason(self) -> Self:
        for name, value in (("licence", self.licence), ("cases", self.layout.cases)):
            if value is None and name not in self.unknown:
                raise ValueError(f"{name!r} is null; say why under unknown.{name}")
        return self


def _label_names(annotation: object) -> set[str]:
    if isinstance(annotation, Masks | Outlines | Boxes):
        return set(annotation.names.values())
    return set()
