from __future__ import annotations

from pathlib import Path

import pytest

from rasd_nnu.errors import ConfigError
from rasd_nnu.tasks.curve import read_curve, write_curve


def test_a_curve_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_curve(tmp_path / "c.csv", [0.75, 1 / 3])
    assert read_curve(tmp_path / "c.csv") == {1: 0.75, 2: pytest.approx(1 / 3, rel=1e-8)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epoch,loss\n1,2\n", "has no column 'train_loss'"),
        ("epoch,train_loss\n1,0.5\n2,half\n", "line 3, has '2' and 'half'; expected an epoch and a loss"),
        ("epoch,train_loss\n1.5,0.5\n", "line 2, has '1.5' and '0.5'"),
        ("epoch,train_loss\n1\n", "has fewer cells"),
    ],
)
def test_a_damaged_curve_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(ConfigError, match=said) as error:
        read_curve(tmp_path / "c.csv")
    assert "\n" not in str(error.value)
