from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rasd_nnu.dataset_specs.formats.registry import read_picture
from rasd_nnu.errors import SetupError


def test_missing_library_names_the_command_that_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    (tmp_path / "a.dcm").write_bytes(b"")
    with pytest.raises(SetupError, match=r"DICOM needs pydicom, .* Run: pip install 'rasd-nnu\[data\]'"):
        read_picture(tmp_path / "a.dcm")
