"""Property lists with the regions of a mammogram of INbreast."""

from __future__ import annotations

import plistlib
import re
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from rasd_nnu.dataset_specs.formats.corners import corners_of
from rasd_nnu.dataset_specs.formats.guard import reading
from rasd_nnu.dataset_specs.formats.safe_xml import root_of
from rasd_nnu.dataset_specs.formats.shapes import Outline
from rasd_nnu.errors import DatasetError

POINT = re.compile(r"\(\s*([-+.\deE]+)\s*,\s*([-+.\deE]+)\s*\)")


def read(path: Path) -> list[Outline]:
    """Read ``Images / ROIs / Name, Point_px``, also regions of one or two points, in the order of the file.

    Raises:
        DatasetError: The file is missing, damaged or of another kind.
    """
    root_of(path, "plist")  # refuses entities and files of another kind before plistlib parses
    with reading(path, ExpatError, plistlib.InvalidFileException, AttributeError, KeyError, TypeError):
        content = plistlib.loads(path.read_bytes(), fmt=plistlib.FMT_XML)
        regions = [region for image in content["Images"] for region in image["ROIs"]]
        return [Outline(str(region.get("Name", "")).strip(), _corners(path, region)) for region in regions]


def _corners(path: Path, region: dict[str, Any]) -> Any:
    matches = [(text, POINT.fullmatch(str(text).strip())) for text in region.get("Point_px", [])]
    for text, match in matches:
        if match is None:
            raise DatasetError(f"{path}: the point {text!r} is not '(x, y)'. Correct the file, or get it again.")
    return corners_of(path, (match.groups() for _, match in matches if match))
