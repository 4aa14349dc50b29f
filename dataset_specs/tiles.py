"""Cut whole slides into tiles, each of which is a case; no more than one tile of a slide is ever in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rasd_nnu.dataset_specs.convert import read, with_label_steps
from rasd_nnu.dataset_specs.formats.slide import open_slide
from rasd_nnu.dataset_specs.schema import DatasetSpec
from rasd_nnu.dataset_specs.schema.annotation import Boxes, LabelMap, Outlines
from rasd_nnu.dataset_specs.schema.layout import Tiles
from rasd_nnu.dataset_specs.shapes import read_boxes, read_outlines
from rasd_nnu.dataset_specs.source import Ref, SourceCase
from rasd_nnu.dataset_specs.window import Window, extents_of
from rasd_nnu.errors import DatasetError


def cut_into_tiles(spec: DatasetSpec, tiles: Tiles, slides: Sequence[SourceCase]) -> list[SourceCase]:
    """Return one case for each tile.

    Args:
        spec: The task.
        tiles: How to cut.
        slides: One case for each slide, with its annotation.

    Raises:
        DatasetError: A slide or its annotation is damaged, the two differ in size, or no tile is left.
    """
    cases = [case for slide in slides for case in _tiles_of(spec, tiles, slide)]
    if slides and not cases:
        raise DatasetError(
            f"none of the tiles of {len(slides)} slide(s) is annotated; do images and annotations belong together, or "
            "is 'keep: all' meant?"
        )
    return cases


def _tiles_of(spec: DatasetSpec, tiles: Tiles, slide: SourceCase) -> Iterator[SourceCase]:
    extents = extents_of(slide.boxes or ())
    for window in _windows(spec, tiles, slide):
        options = (("level", tiles.level), ("part", (window.top, window.left, window.height, window.width)))
        case = replace(
            slide,
            case=f"{slide.case}_y{window.top:06d}_x{window.left:06d}",
            images=(Ref(slide.images[0].path, format="slide", options=options),),
            fields={**slide.fields, "slide": slide.case},
            boxes=None if slide.boxes is None else tuple(window.boxes(slide.boxes, extents)),
            window=window,
        )
        if isinstance(spec.annotation, LabelMap):
            case = replace(case, truth=(("", Ref(slide.truth[0][1].path, format="slide", options=options)),))
        if tiles.keep == "all" or _is_annotated(spec, case):
            yield case


def _windows(spec: DatasetSpec, tiles: Tiles, slide: SourceCase) -> list[Window]:
    image = slide.images[0].path
    with open_slide(image, tiles.level) as opened:
        size, windows = opened.size, list(opened.windows(tiles.size, tiles.overlap))
    if isinstance(spec.annotation, LabelMap):
        label = slide.truth[0][1].path
        with open_slide(label, tiles.level) as opened:
            if opened.size != size:
                raise DatasetError(
                    f"{label} has {opened.size} pixels (y, x) at level {tiles.level} but its image {image} {size}. "
                    "Check that they belong together, or take the slide out."
                )
    return windows


def _is_annotated(spec: DatasetSpec, tile: SourceCase) -> bool:
    annotation = spec.annotation
    if isinstance(annotation, LabelMap):
        return bool(with_label_steps(spec, read(tile.truth[0][1])).array.any())
    if isinstance(annotation, Outlines):
        return bool(read_outlines(annotation, tile))
    assert isinstance(annotation, Boxes)  # the schema allows no other kind
    return bool(read_boxes(annotation, tile))
