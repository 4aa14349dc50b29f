from __future__ import annotations

from pathlib import Path

import pytest

from rasd_nnu.files import atomic_file, write_text


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_while_writing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="disk"), atomic_file(tmp_path / "new" / "file") as file:
        file.write(b"half")
        raise RuntimeError("disk")
    assert not list((tmp_path / "new").iterdir())
