"""The files of a release, listed once, and what patterns find among them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rasd_nnu.dataset_specs.template import compile_pattern

# Left behind by operating systems; they double the count of a glob.
LITTER = ("__MACOSX", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Match:
    """A file or folder that fits a pattern.

    Args:
        path: Below the top folder, with ``/``.
        fields: What the pattern captured.
    """

    path: str
    fields: dict[str, str]


@dataclass(frozen=True)
class FileIndex:
    """All files and folders below a top folder, in the order of their names; hidden ones are left out.

    Args:
        root: Top folder.
        files: Relative paths of the files.
        folders: Relative paths of the folders, each with ``/`` at its end.
    """

    root: Path
    files: tuple[str, ...]
    folders: tuple[str, ...]

    @classmethod
    def of(cls, root: Path) -> FileIndex:
        """List a folder; links to folders are not followed."""
        files: list[str] = []
        folders: list[str] = []
        for parent, names, found in os.walk(root):
            names[:] = [name for name in names if not _is_litter(name)]
            prefix = "" if Path(parent) == root else Path(parent).relative_to(root).as_posix() + "/"
            folders += [f"{prefix}{name}/" for name in names]
            files += [prefix + name for name in found if not _is_litter(name)]
        return cls(root, tuple(sorted(files)), tuple(sorted(folders)))

    def find(self, pattern: str) -> list[Match]:
        """Return what fits a pattern; one that ends in ``/`` looks among the folders."""
        expression = compile_pattern(pattern)
        places = self.folders if pattern.endswith("/") else self.files
        hits = ((place, expression.fullmatch(place)) for place in places)
        return [Match(place, hit.groupdict()) for place, hit in hits if hit]

    def path_of(self, match: Match) -> Path:
        """Return the full path of a match."""
        return self.root / match.path


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name in LITTER


def by_fields(matches: Sequence[Match], names: Sequence[str]) -> dict[tuple[str, ...], list[Match]]:
    """Sort matches by the values of some of their fields."""
    groups: dict[tuple[str, ...], list[Match]] = defaultdict(list)
    for match in matches:
        groups[tuple(match.fields[name] for name in names)].append(match)
    return dict(groups)
