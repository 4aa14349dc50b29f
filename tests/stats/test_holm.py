from __future__ import annotations

import numpy as np
import pytest

from rasd_nnu.stats import holm


def test_known_values() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]).shape == (0,)


@pytest.mark.parametrize("seed", range(3))
def test_equals_statsmodels(seed: int) -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p = np.random.default_rng(seed).beta(0.3, 2, 20)
    assert holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1])


@pytest.mark.parametrize("p", [[0.1, 1.2], [-0.1], [np.nan], 0.1])
def test_refuses_what_is_no_p_value(p: object) -> None:
    with pytest.raises(ValueError, match="numbers from 0 to 1"):
        holm(p)  # type: ignore[arg-type]
