"""Find the cases of a release, whatever its layout."""

from __future__ import annotations

from pathlib import Path

from rasd_nnu.dataset_specs.layouts import arrays, decathlon, files, row_cases
from rasd_nnu.dataset_specs.layouts.index import FileIndex
from rasd_nnu.dataset_specs.layouts.truth import attach_truth
from rasd_nnu.dataset_specs.schema import DatasetSpec
from rasd_nnu.dataset_specs.schema.layout import ArraysLayout, DecathlonLayout, FilesLayout, RowsLayout
from rasd_nnu.dataset_specs.source import SourceCase
from rasd_nnu.dataset_specs.tiles import cut_into_tiles
from rasd_nnu.errors import DatasetError


def release_folder(spec: DatasetSpec, source: Path) -> Path:
    """Accept the folder of the release itself or the one above it.

    Raises:
        DatasetError: There is no such folder.
    """
    inner = source / spec.layout.folder
    folder = inner if inner.is_dir() else source
    if not folder.is_dir():
        raise DatasetError(
            f"source {source} is not a folder; expected the unpacked release of {spec.key}. Get it from "
            f"{spec.homepage} and give its folder with --source DIR."
        )
    return folder


def find_cases(spec: DatasetSpec, source: Path) -> list[SourceCase]:
    """List the cases of a release with their annotation, in the order of their ids.

    Args:
        spec: The task.
        source: The unpacked release, or the folder above it.

    Raises:
        DatasetError: The layout does not fit, an annotation is missing, or two images make the same case id.
    """
    root = release_folder(spec, source)
    cases = _listed(spec, root)
    if isinstance(spec.layout, FilesLayout) and spec.layout.tiles:
        cases = cut_into_tiles(spec, spec.layout.tiles, cases)
    seen: dict[str, SourceCase] = {}
    for case in cases:
        if case.case in seen:
            first, second = (_place(one, root) for one in (seen[case.case], case))
            raise DatasetError(f"{first} and {second} both make the case {case.case!r}; remove one of them.")
        seen[case.case] = case
    return [seen[name] for name in sorted(seen)]


def _listed(spec: DatasetSpec, root: Path) -> list[SourceCase]:
    layout = spec.layout
    if isinstance(layout, DecathlonLayout):
        return decathlon.find_cases(spec, root)
    index = FileIndex.of(root)
    if isinstance(layout, FilesLayout):
        cases, wanted = files.find_cases(layout, index), layout.images[0]
    elif isinstance(layout, RowsLayout):
        cases, wanted = row_cases.find_cases(layout, index), layout.image
    else:
        assert isinstance(layout, ArraysLayout)
        cases, wanted = arrays.find_cases(layout, index), layout.file
    if not cases:
        raise DatasetError(
            f"source {root} holds nothing that fits {wanted} ({len(index.files)} files looked at); expected the "
            f"unpacked folder {layout.folder}. Get it from {spec.homepage} and give it with --source DIR."
        )
    return attach_truth(spec, cases, index)


def _place(case: SourceCase, root: Path) -> str:
    ref = case.images[0]
    inside = f" entry {ref.index}" if ref.index is not None else ""
    return f"{ref.path.relative_to(root).as_posix()}{inside}"
