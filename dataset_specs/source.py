"""One labelled case of an official release, before it is converted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SourceCase:
    """Files of one case.

    Args:
        case: Identifier, unique in the data set; names the files in nnU-Net's folders.
        image: NIfTI file, 3D, or 4D with the channels last.
        label: NIfTI file, 3D, on the voxel grid of the image.
    """

    case: str
    image: Path
    label: Path
