from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers import TinyDataset, tiny_dataset


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyDataset:
    """A preprocessed data set of four small cases, in nnU-Net's folders."""
    return tiny_dataset(tmp_path, monkeypatch, preprocess=("3d_fullres", "2d"))
