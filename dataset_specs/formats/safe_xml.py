"""Parse XML from outside: no entities, no external files."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from rasd_nnu.dataset_specs.formats.guard import reading
from rasd_nnu.dataset_specs.libraries import require
from rasd_nnu.errors import DatasetError

MAX_XML_BYTES = 256 * 2**20


def root_of(path: Path, *expected: str, max_bytes: int = MAX_XML_BYTES) -> Element:
    """Return the root of an XML file.

    Args:
        path: File.
        expected: Names that the root may have.
        max_bytes: Largest file that is parsed.

    Raises:
        DatasetError: The file is missing, damaged, in an encoding that it does not declare, of another kind, or
            declares entities.
        SetupError: defusedxml is not installed.
    """
    elements: Any = require("defusedxml.ElementTree", "XML")
    common: Any = require("defusedxml.common", "XML")
    with reading(path, ParseError, LookupError):
        if path.stat().st_size > max_bytes:
            raise DatasetError(f"{path} has {path.stat().st_size} bytes; at most {max_bytes} are parsed. Take it out.")
        try:
            root: Element = elements.fromstring(path.read_bytes())
        except common.DefusedXmlException as error:
            raise DatasetError(
                f"{path} declares entities or names other files ({type(error).__name__}), which is refused because it "
                "can exhaust memory or read your files. Get the file from the official site."
            ) from error
    if root.tag not in expected:
        raise DatasetError(
            f"{path} starts with <{root.tag}>, expected <{'> or <'.join(expected)}>. Is it the right file?"
        )
    return root


def text_of(path: Path, element: Element, name: str) -> str:
    """Return the trimmed text of a child.

    Raises:
        DatasetError: There is no such child, or it is empty.
    """
    text = (element.findtext(name) or "").strip()
    if not text:
        raise DatasetError(f"{path}: <{element.tag}> has no <{name}>. Correct the file, or get it again.")
    return text


def number_of(path: Path, text: str | None, what: str) -> float:
    """Turn the text of a coordinate into a finite number.

    Raises:
        DatasetError: It is none.
    """
    try:
        number = float(text or "")
    except ValueError:
        number = float("nan")
    if not abs(number) < float("inf"):
        raise DatasetError(f"{path}: {what} is {text!r}, expected a number. Correct the file, or get it again.")
    return number
