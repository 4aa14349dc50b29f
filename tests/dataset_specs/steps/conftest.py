from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rasd_nnu.dataset_specs.formats.picture import Geometry, Picture

Maker = Callable[..., Picture]


@pytest.fixture
def picture() -> Maker:
    """Make a picture of an array (Y, X), (Z, Y, X) or (C, Z, Y, X); its spacing is known unless said otherwise."""

    def make(array: Any, name: str = "a.png", geometry: Geometry | None = None, known: bool = True) -> Picture:
        voxels = np.asarray(array)
        while voxels.ndim < 4:
            voxels = voxels[None]
        return Picture(voxels, geometry or Geometry(), Path(name), spacing_known=known)

    return make
