"""Give each case of a release its annotation: label map, masks, outlines, boxes or classes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from rasd_nnu.dataset_specs.formats.shapes import Box
from rasd_nnu.dataset_specs.layouts.files import fill_known
from rasd_nnu.dataset_specs.layouts.index import FileIndex, Match, by_fields
from rasd_nnu.dataset_specs.layouts.many_boxes import boxes_by_case
from rasd_nnu.dataset_specs.schema import DatasetSpec
from rasd_nnu.dataset_specs.schema.annotation import Boxes, Classes, LabelMap, Masks, Outlines
from rasd_nnu.dataset_specs.shapes import read_boxes, read_outlines
from rasd_nnu.dataset_specs.source import Ref, SourceCase
from rasd_nnu.dataset_specs.template import fill
from rasd_nnu.errors import DatasetError

Attach = Callable[[SourceCase], SourceCase | None]


def attach_truth(spec: DatasetSpec, cases: Sequence[SourceCase], index: FileIndex) -> list[SourceCase]:
    """Return the cases with their annotation; those without one are left out where the spec says ``skip``.

    Raises:
        DatasetError: Annotations are missing, or a class is not one of the spec's. Names a few and their number.
    """
    attach = _rule(spec, cases, index)
    complete, problems = [], []
    for case in cases:
        try:
            with_truth = attach(case)
        except DatasetError as error:
            problems.append(f"{case.case}: {error}")
            continue
        if with_truth is not None:
            complete.append(with_truth)
    if problems:
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise DatasetError(
            f"{len(problems)} of {len(cases)} cases have no usable truth: {'; '.join(problems[:5])}{more}"
        )
    return complete


def _rule(spec: DatasetSpec, cases: Sequence[SourceCase], index: FileIndex) -> Attach:
    annotation = spec.annotation
    if isinstance(annotation, Classes):
        return lambda case: _with_classes(spec, annotation, case)
    if isinstance(annotation, LabelMap) and annotation.file is None:
        return lambda case: case
    if isinstance(annotation, Boxes) and annotation.format != "voc":
        boxes = boxes_by_case(annotation, cases, index)
        return lambda case: _with_boxes(annotation, case, boxes.get(case.case))
    files = _Files(index, annotation)
    return files.attach


class _Files:
    """Annotation files, joined to the images by the fields that both patterns capture."""

    def __init__(self, index: FileIndex, annotation: LabelMap | Masks | Outlines | Boxes) -> None:
        assert annotation.file is not None
        self.annotation = annotation
        self.pattern = annotation.file
        self.index = index
        self.matches = index.find(self.pattern)
        self.groups: dict[tuple[str, ...], dict[tuple[str, ...], list[Match]]] = {}
        self.format: str | None = None
        self.options: tuple[tuple[str, object], ...] = ()
        if isinstance(annotation, LabelMap | Masks):
            self.format, self.options = annotation.format, tuple(annotation.options.items())

    def attach(self, case: SourceCase) -> SourceCase | None:
        found = self._of(case)
        if not found:
            if self.annotation.missing == "skip":
                return None
            raise DatasetError(f"its annotation {fill_known(self.pattern, case.fields)} is missing")
        if isinstance(self.annotation, Masks):
            return replace(case, truth=tuple(self._named_masks(self.annotation, found)))
        if len(found) > 1:
            raise DatasetError(f"several annotations fit: {found[0].path} and {found[1].path}; remove one")
        complete = replace(case, truth=(("", self._ref(found[0])),))
        return complete if self._has_shapes(complete) else None

    def _ref(self, match: Match) -> Ref:
        return Ref(self.index.path_of(match), format=self.format, options=self.options)

    def _has_shapes(self, case: SourceCase) -> bool:
        """Whether a case stays; its file is only read where the spec does not keep cases without shapes."""
        annotation = self.annotation
        if not isinstance(annotation, Outlines | Boxes) or annotation.empty == "keep":
            return True
        shapes = read_outlines(annotation, case) if isinstance(annotation, Outlines) else read_boxes(annotation, case)
        if not shapes and annotation.empty == "error":
            raise DatasetError(f"{case.truth[0][1].path} holds no shape of {', '.join(annotation.names)}")
        return bool(shapes)

    def _named_masks(self, annotation: Masks, found: Sequence[Match]) -> Iterator[tuple[str, Ref]]:
        for match in found:
            mask = match.fields["mask"]
            labels = [label for expression, label in annotation.names.items() if re.fullmatch(expression, mask)]
            if not annotation.names:
                yield mask, self._ref(match)
            elif labels:
                yield labels[0], self._ref(match)
            elif annotation.others == "error":
                raise DatasetError(f"{match.path}: the spec has no label for the mask {mask!r}")

    def _of(self, case: SourceCase) -> list[Match]:
        if not self.matches:
            return []
        names = tuple(sorted(name for name in self.matches[0].fields if name in case.fields and name != "mask"))
        if names not in self.groups:
            self.groups[names] = by_fields(self.matches, names)
        return self.groups[names].get(tuple(case.fields[name] for name in names), [])


def _with_boxes(annotation: Boxes, case: SourceCase, boxes: list[Box] | None) -> SourceCase | None:
    if boxes is None and annotation.missing == "skip":
        return None
    if boxes is None:
        raise DatasetError(f"{annotation.file} does not mention it")
    if not boxes and annotation.empty == "skip":
        return None
    if not boxes and annotation.empty == "error":
        raise DatasetError("it has no box")
    return replace(case, boxes=tuple(boxes))


def _with_classes(spec: DatasetSpec, annotation: Classes, case: SourceCase) -> SourceCase:
    classes = {}
    for column, question in annotation.columns.items():
        text = fill(question.value, case.fields)
        if text not in question.names:
            known = ", ".join(map(repr, question.names))
            raise DatasetError(f"{column} is {text!r}, the spec knows {known}")
        classes[column] = spec.class_columns[column][question.names[text]]
    return replace(case, classes=classes)
