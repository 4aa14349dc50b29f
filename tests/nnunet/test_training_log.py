from __future__ import annotations

from pathlib import Path

import pytest

from rasd_nnu.nnunet.training_log import read_curves

LOG = """
2026-11-25 09:45:39.717815: Epoch {epoch}
2026-11-25 09:46:10.372745: train_loss {train}
2026-11-25 09:46:10.391958: val_loss {val}
2026-11-25 09:46:10.392159: Pseudo dice [np.float32(0.25), {second}]
"""


def test_reads_losses_and_the_mean_pseudo_dice(tmp_path: Path) -> None:
    text = LOG.format(epoch=0, train=1.1792, val=-0.5, second="np.float32(0.75)")
    text += LOG.format(epoch=1, train="1e-05", val="nan", second="np.float32(nan)")
    (tmp_path / "training_log_2026_1.txt").write_text(text + "2026-11-25 09:46:10.1: Epoch time: 30.66 s\n")
    found = read_curves(tmp_path)
    assert found.train_loss == {0: 1.1792, 1: 1e-05}
    assert found.val_loss[0] == -0.5
    assert found.dice == pytest.approx({0: 0.5, 1: 0.25})


def test_an_epoch_that_was_resumed_replaces_the_earlier_one(tmp_path: Path) -> None:
    for name, value in (("training_log_2026_1.txt", 1.0), ("training_log_2026_2.txt", 0.5)):
        (tmp_path / name).write_text(LOG.format(epoch=3, train=value, val=value, second="0.5"))
    assert read_curves(tmp_path).train_loss == {3: 0.5}


def test_a_folder_without_logs_has_no_curves(tmp_path: Path) -> None:
    assert read_curves(tmp_path).train_loss == {}
