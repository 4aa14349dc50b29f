"""What the documentation tells a person to import is there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
NAME = re.compile(r"\brasd_nnu(?:\.[A-Za-z_]\w*)+")
IMPORT = re.compile(r"^\s*from (rasd_nnu[\w.]*) import \(?([\w, ]+)", re.MULTILINE)


def named(text: str) -> set[str]:
    """Return the dotted names of ours in a page."""
    imported = {f"{module}.{name.strip()}" for module, names in IMPORT.findall(text) for name in names.split(",")}
    return {name.removesuffix(".py") for name in set(NAME.findall(text)) | imported if not name.endswith(".")}


def resolved(name: str) -> Any:
    """Return the module, class or function of a dotted name.

    Raises:
        ImportError: If there is none.
        AttributeError: If its module has no such name.
    """
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        module = ".".join(parts[:end])
        try:
            found: Any = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not module.startswith(error.name):
                raise
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return found
    raise ImportError(name)


def pages() -> list[Path]:
    """Return the pages that name something of ours."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in found if named(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_names_of_ours_can_be_imported(page: Path) -> None:
    missing = []
    for name in sorted(named(page.read_text(encoding="utf-8"))):
        try:
            resolved(name)
        except (ImportError, AttributeError) as error:
            missing.append(f"{name}: {error}")
    assert not missing


def test_a_name_that_is_not_there_is_found() -> None:
    text = "`rasd_nnu.compare.nothing`, and\nfrom rasd_nnu.files import write_text, no_such\n"
    assert {"rasd_nnu.compare.nothing", "rasd_nnu.files.write_text", "rasd_nnu.files.no_such"} <= named(text)
    assert callable(resolved("rasd_nnu.files.write_text"))
    for name in ("rasd_nnu.compare.nothing", "rasd_nnu.files.no_such"):
        with pytest.raises((ImportError, AttributeError)):
            resolved(name)
