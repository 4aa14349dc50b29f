"""One case of an official release, before it is converted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rasd_nnu.dataset_specs.formats.shapes import Box
from rasd_nnu.dataset_specs.window import Window


@dataclass(frozen=True)
class Ref:
    """Where an image or an annotation lies.

    Args:
        path: File, or folder of a series.
        array: Name of an array in a container file.
        index: Place along the first axis of that array.
        format: Format of the file where its ending does not tell it.
        options: Options of the reader, as pairs.
    """

    path: Path
    array: str | None = None
    index: int | None = None
    format: str | None = None
    options: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True)
class SourceCase:
    """Files and facts of one case.

    Args:
        case: Identifier, unique in the data set; names the files in nnU-Net's folders.
        images: One file for each channel, or one file with all.
        fields: What paths and tables say about the case.
        truth: Annotation files; for masks with the label that each stands for, else with an empty name.
        boxes: Boxes where a file that covers many cases gives them.
        classes: Column -> class.
        window: Part of the image that the case is, where a slide is cut into tiles. `boxes` lie in it already.
    """

    case: str
    images: tuple[Ref, ...]
    fields: Mapping[str, str] = field(default_factory=dict)
    truth: tuple[tuple[str, Ref], ...] = ()
    boxes: tuple[Box, ...] | None = None
    classes: Mapping[str, int] = field(default_factory=dict)
    window: Window | None = None

    @property
    def files(self) -> tuple[Ref, ...]:
        """All that is read for the case."""
        return (*self.images, *(ref for _, ref in self.truth))


def changed_ns(path: Path) -> int:
    """Return when a file or folder was changed last, 0 where it is missing, to tell what is kept of it from the new."""
    return path.stat().st_mtime_ns if path.exists() else 0
