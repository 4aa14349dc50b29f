"""What was converted so far, one line a case, so that an interrupted preparation goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from rasd_nnu.dataset_specs.schema import DatasetSpec
from rasd_nnu.dataset_specs.source import SourceCase
from rasd_nnu.errors import DatasetError
from rasd_nnu.files import write_text
from rasd_nnu.reading import parse_json

NAME = "prepare.jsonl"
SHAPING = {"layout", "annotation", "steps", "labels", "channels", "dims", "task", "spacing", "regions_class_order"}


class _Entry(BaseModel):
    """A line, with whatever else its case leaves."""

    model_config = ConfigDict(extra="allow")

    case: str
    signature: str
    files: list[str]


class Journal:
    """Lines of JSON beside the tables; a line is added only when all files of its case are in place.

    Args:
        folder: Data set that the journal is about.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: dict[str, dict[str, Any]] = {}
        path = folder / NAME
        if path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                self._take(line)

    def _take(self, line: str) -> None:
        try:
            entry = _Entry.model_validate(parse_json(line, NAME, DatasetError))
        except (DatasetError, ValidationError):  # such as the last line of a run that was killed: converted again
            return
        self.entries[entry.case] = entry.model_dump()

    def has(self, case: str, signature: str) -> bool:
        """Whether this case was converted from these very files and its results are there."""
        entry = self.entries.get(case)
        return (
            entry is not None
            and entry["signature"] == signature
            and all((self.folder / name).is_file() for name in entry["files"])
        )

    def add(self, case: str, signature: str, result: dict[str, Any]) -> None:
        """Note that a case is complete."""
        self.entries[case] = {"case": case, "signature": signature, **result}
        with (self.folder / NAME).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(self.entries[case]) + "\n")

    def leave_out(self, case: str, signature: str, problem: str) -> None:
        """Note that a case could not be converted."""
        self.add(case, signature, {"files": [], "problem": problem})

    def is_left_out(self, case: str) -> bool:
        """Whether a case could not be converted."""
        return "problem" in self.entries.get(case, {})

    def keep_only(self, signatures: Mapping[str, str]) -> None:
        """Forget cases that are not of these signatures, and remove all files that belong to no remembered case."""
        self.entries = {case: self.entries[case] for case in signatures if self.has(case, signatures[case])}
        write_text(self.folder / NAME, "".join(json.dumps(entry) + "\n" for entry in self.entries.values()))
        known = {name for entry in self.entries.values() for name in entry["files"]}
        for path in self.folder.glob("*T[rs]/*"):
            if path.relative_to(self.folder).as_posix() not in known:
                path.unlink()


def signature_of(fingerprint: str, case: SourceCase) -> str:
    """Return what changes when the spec, a file's size or time, or a class of the case changes."""
    digest = hashlib.sha256(fingerprint.encode())
    for ref in case.files:
        paths = sorted(ref.path.iterdir()) if ref.path.is_dir() else [ref.path]
        for path in paths:
            state = path.stat() if path.exists() else None
            known = (state.st_size, state.st_mtime_ns) if state else None
            digest.update(f"{path.name} {known} {ref.array} {ref.index}\n".encode())
    digest.update(
        json.dumps([case.case, dict(case.classes), str(case.boxes), [name for name, _ in case.truth]]).encode()
    )
    return digest.hexdigest()[:32]


def fingerprint_of(spec: DatasetSpec) -> str:
    """Return a text that changes when the spec leads to other files."""
    return spec.model_dump_json(include=SHAPING)
