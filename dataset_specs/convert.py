"""Read one case of a release and carry out the steps of its spec."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rasd_nnu.dataset_specs.formats.picture import Geometry, Picture
from rasd_nnu.dataset_specs.formats.registry import read_picture
from rasd_nnu.dataset_specs.formats.shapes import Box
from rasd_nnu.dataset_specs.layouts.arrays import read_entry
from rasd_nnu.dataset_specs.schema import DatasetSpec
from rasd_nnu.dataset_specs.schema.annotation import Boxes, Classes, LabelMap, Masks, Outlines
from rasd_nnu.dataset_specs.shapes import fill_boxes, fill_outlines, read_boxes, read_outlines, usable_boxes
from rasd_nnu.dataset_specs.source import Ref, SourceCase, changed_ns
from rasd_nnu.dataset_specs.steps.geometry import MatchGeometry
from rasd_nnu.dataset_specs.values import foreign_values, listed
from rasd_nnu.errors import DatasetError

SQUARE_TOLERANCE = 0.01


@dataclass(frozen=True)
class ConvertedCase:
    """A case as it will be written.

    Args:
        image: All channels.
        label: Label map of one channel, uint8; None for classification and detection.
        boxes: Boxes inside the image; None for other tasks.
        dropped: How many boxes lay outside the image or covered nothing.
    """

    image: Picture
    label: Picture | None = None
    boxes: tuple[Box, ...] | None = None
    dropped: int = 0


def convert(spec: DatasetSpec, case: SourceCase) -> ConvertedCase:
    """Read a case, carry out all steps, and check that the result is what the spec says.

    Raises:
        DatasetError: A file is missing or damaged, or its content contradicts the spec.
    """
    image = _image(spec, case)
    if isinstance(spec.annotation, Classes):
        image, _ = _both_steps(spec, image, None)
        return ConvertedCase(_with_spacing_policy(spec, image))
    if spec.task == "detection":
        return _detection(spec, case, image)
    label = _label(spec, case, image)
    image, stepped = _both_steps(spec, image, label)
    assert stepped is not None
    label = stepped
    _check_label(spec, label)
    image = _with_spacing_policy(spec, image)
    return ConvertedCase(image, label.with_array(label.array.astype(np.uint8, copy=False), image.geometry))


def read(ref: Ref) -> Picture:
    """Read a file, a series or an entry of an array."""
    if ref.array is not None:
        return read_entry(ref)
    return _read_path(ref, changed_ns(ref.path))


@functools.lru_cache(maxsize=1)
def _read_path(ref: Ref, changed: int) -> Picture:
    """Read a picture; the last one is kept, because cases that are rows of a table share it."""
    return read_picture(ref.path, ref.format, **dict(ref.options))


def _image(spec: DatasetSpec, case: SourceCase) -> Picture:
    parts = []
    for ref in case.images:
        picture = read(ref)
        if spec.steps.patch is not None:
            picture = spec.steps.patch(picture, case.fields)
        for step in spec.steps.image:
            picture = step(picture)
        parts.append(picture)
    image = parts[0] if len(parts) == 1 else _stacked(parts)
    if image.channels != len(spec.channels):
        raise DatasetError(
            f"{image.source} has {image.channels} channel(s), expected {len(spec.channels)} "
            f"({', '.join(spec.channels)}). Is it the right file, or does the spec lack a step?"
        )
    if spec.dims == 2 and not image.is_2d:
        raise DatasetError(f"{image.source} has {image.shape[0]} slices, expected one for a 2D task.")
    if image.array.dtype.kind == "f" and not np.isfinite(image.array).all():
        count = image.array.size - int(np.isfinite(image.array).sum())
        raise DatasetError(f"{image.source} has {count} NaN or infinite voxel(s); correct the file or take it out.")
    return image


def _stacked(parts: Sequence[Picture]) -> Picture:
    """Join files to channels; each must lie on the grid of the first."""
    first = parts[0]
    match = MatchGeometry()
    aligned = [first, *(match(first, part)[1] for part in parts[1:])]
    return first.with_array(np.concatenate([part.array for part in aligned]))


def _label(spec: DatasetSpec, case: SourceCase, image: Picture) -> Picture:
    annotation = spec.annotation
    labels = {name: value for name, value in spec.labels.items() if isinstance(value, int)}
    if isinstance(annotation, LabelMap):
        return with_label_steps(spec, read(case.truth[0][1]))
    if isinstance(annotation, Masks):
        return _united(spec, annotation, labels, case, image)
    plane = image.shape[1:]
    if isinstance(annotation, Outlines):
        drawn = fill_outlines(read_outlines(annotation, case), labels, plane)
    else:
        assert isinstance(annotation, Boxes)
        drawn = fill_boxes(read_boxes(annotation, case), labels, plane, annotation.draw)
    return image.with_array(drawn[None, None])


def with_label_steps(spec: DatasetSpec, label: Picture) -> Picture:
    """Carry out the steps that a label map goes through on its own."""
    for step in spec.steps.label:
        label = step(label)
    return label


def _united(spec: DatasetSpec, annotation: Masks, labels: dict[str, int], case: SourceCase, image: Picture) -> Picture:
    """Unite binary masks; masks of larger label values are laid over those of smaller ones."""
    required = [name for name in labels if name != "background"] if annotation.required is None else annotation.required
    missing = [name for name in required if name not in {label for label, _ in case.truth}]
    if missing:
        raise DatasetError(f"it has no mask for {', '.join(missing[:3])}{' and more' if len(missing) > 3 else ''}")
    if annotation.count is not None and len(case.truth) != annotation.count:
        raise DatasetError(f"it has {len(case.truth)} mask(s), expected {annotation.count}")
    result: Picture | None = None
    for name, ref in sorted(case.truth, key=lambda entry: labels[entry[0]]):
        mask = with_label_steps(spec, read(ref))
        if annotation.same_size and mask.shape != image.shape:
            continue
        if result is None:
            result = mask.with_array(np.zeros((1, *mask.shape), np.uint8))
        _, mask = MatchGeometry()(result, mask)
        result.array[0][mask.label_map() > annotation.above] = labels[name]
    if result is None:
        raise DatasetError(f"none of its {len(case.truth)} masks has the size of the image {image.shape}")
    return result


def _both_steps(spec: DatasetSpec, image: Picture, label: Picture | None) -> tuple[Picture, Picture | None]:
    steps = list(spec.steps.both)
    if label is not None and not any(isinstance(step, MatchGeometry) for step in steps):
        steps.insert(0, MatchGeometry())
    for step in steps:
        image, label = step(image, label)
    return image, label


def _check_label(spec: DatasetSpec, label: Picture) -> None:
    unknown = foreign_values(label.label_map(), spec.label_values)
    if unknown:
        raise DatasetError(
            f"{label.source} has the label value(s) {listed(unknown)} outside the spec's {sorted(spec.label_values)}. "
            "Correct the file or take the case out."
        )


def _with_spacing_policy(spec: DatasetSpec, image: Picture) -> Picture:
    """Drop the geometry where the spec counts pixels; pixels that are not square are refused then."""
    if spec.spacing_policy == "file":
        return image
    x, y, _ = image.geometry.spacing_mm
    if image.spacing_known and spec.dims == 2 and abs(x / y - 1) > SQUARE_TOLERANCE:
        raise DatasetError(
            f"{image.source} has pixels of {x:g} x {y:g} mm, which are not square, but the spec counts pixels. "
            "Set 'spacing: file' in the spec to keep their size."
        )
    return image.with_array(image.array, Geometry())


def _detection(spec: DatasetSpec, case: SourceCase, image: Picture) -> ConvertedCase:
    annotation = spec.annotation
    if isinstance(annotation, Outlines):
        boxes = [outline.box() for outline in read_outlines(annotation, case)]
    else:
        assert isinstance(annotation, Boxes)
        boxes = read_boxes(annotation, case)
    usable = usable_boxes(boxes, image.shape[1:])
    return ConvertedCase(_with_spacing_policy(spec, image), None, tuple(usable), len(boxes) - len(usable))
