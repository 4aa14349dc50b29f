"""Aperio ImageScope XML, as MoNuSAC has it."""

from __future__ import annotations

from pathlib import Path

from rasd_nnu.dataset_specs.formats.corners import corners_of
from rasd_nnu.dataset_specs.formats.safe_xml import root_of
from rasd_nnu.dataset_specs.formats.shapes import Outline


def read(path: Path) -> list[Outline]:
    """Read the regions of all annotations in pixels of the full image, in the order of the file.

    Their name is that of the first attribute of the annotation, else that of the annotation itself.

    Raises:
        DatasetError: The file is missing, damaged or of another kind.
    """
    outlines = []
    for annotation in root_of(path, "Annotations").iter("Annotation"):
        attribute = annotation.find("./Attributes/Attribute")
        name = (annotation if attribute is None else attribute).get("Name", "").strip()
        for region in annotation.iter("Region"):
            corners = [(vertex.get("X"), vertex.get("Y")) for vertex in region.iter("Vertex")]
            outlines.append(Outline(name, corners_of(path, corners)))
    return outlines
