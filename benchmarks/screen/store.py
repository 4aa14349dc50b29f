"""Records: one JSON line a training, appended, and found again by what decides it."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any


class Store:
    """Records of a folder, one file a task.

    Args:
        folder: Where ``<task>.jsonl`` are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def records(self) -> list[dict[str, Any]]:
        """Return all records; a line that a kill cut off counts for nothing."""
        found = []
        for file in sorted(self.folder.glob("*.jsonl")):
            for line in file.read_text().splitlines():
                try:
                    found.append(json.loads(line))
                except json.JSONDecodeError:
                    continue
        return found

    def keys(self) -> set[str]:
        """Return the keys of what has been run."""
        return {record["key"] for record in self.records()}

    def add(self, record: dict[str, Any]) -> None:
        """Append a record in one write; what an earlier kill cut off is ended with a line break first."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{record['task']}.jsonl").open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - 1))
            whole = end == 0 or file.read(1) == b"\n"
            file.write((b"" if whole else b"\n") + json.dumps(record, separators=(",", ":")).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


class Claims:
    """Which jobs other workers on this machine are at, so that no two do the same.

    Args:
        folder: Of the files, named by the job and locked while it runs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, key: str) -> int | None:
        """Lock a job; return a descriptor to close when it is done, or None if another worker has it."""
        handle = os.open(self.folder / key, os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        return handle
