from __future__ import annotations

import pytest
import torch
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler

from rasd_nnu.trainers.schedule import WarmupPoly, rate_factor


def _sgd(lr: float = 0.5) -> torch.optim.SGD:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr)


@pytest.mark.parametrize("epoch", [0, 3, 9])
def test_without_warmup_it_is_nnunets_poly(epoch: int) -> None:
    ours, theirs = _sgd(), _sgd()
    WarmupPoly(ours, 10, 0.0, 5).step(epoch)
    PolyLRScheduler(theirs, 0.5, 10).step(epoch)
    assert ours.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"])


def test_warmup_rises_linearly_from_above_zero_to_one() -> None:
    # 100 epochs of 4 iterations, of which 2 epochs (8 iterations) warm up.
    factors = [rate_factor(i / 4, 100, 2.0, 1 / 4) for i in range(8)]
    assert factors == pytest.approx([i / 8 for i in range(1, 9)], abs=2e-3)
    assert rate_factor(2.0, 100, 2.0, 1 / 4) == 1.0


def test_falls_to_zero_at_the_end_and_never_below() -> None:
    factors = [rate_factor(i / 10, 5, 0.25, 0.1) for i in range(51)]
    after = factors[3:]
    assert after == sorted(after, reverse=True)
    assert factors[-1] == 0.0
    assert rate_factor(6, 5, 0.25, 0.1) == 0.0


def test_rate_depends_on_the_epoch_alone() -> None:
    fresh, used = _sgd(), _sgd()
    resumed, whole = WarmupPoly(fresh, 10, 0.5, 2), WarmupPoly(used, 10, 0.5, 2)
    for i in range(9):
        whole.step(i / 2)
    resumed.step(4.0)
    assert fresh.param_groups[0]["lr"] == used.param_groups[0]["lr"]


def test_groups_keep_their_proportion() -> None:
    weights = [torch.zeros(1, requires_grad=True) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": weights[0], "lr": 1.0}, {"params": weights[1], "lr": 0.1}])
    WarmupPoly(optimizer, 10, 1.0, 10).step(5)
    rates = [group["lr"] for group in optimizer.param_groups]
    assert rates[1] == pytest.approx(0.1 * rates[0])
