"""The losses of every iteration, kept on the device so that no step waits for them."""

from __future__ import annotations

import itertools

import torch
from lightning_fabric import Fabric
from torch import Tensor

from rasd_nnu.errors import UserError

COLUMNS = ("total", "separation", "clustering", "accuracy", "gradient_norm")


class DivergenceError(UserError):
    """The loss or the gradient is no longer a finite number."""


class History:
    """Table of iterations x `COLUMNS`, which grows as the run goes on.

    Args:
        fabric: A launched Fabric.
        known: Rows of the iterations that are done, or None.
    """

    def __init__(self, fabric: Fabric, known: Tensor | None = None) -> None:
        self._fabric = fabric
        self.settled = 0 if known is None else len(known)
        self._rows = torch.full((max(1024, self.settled), len(COLUMNS)), torch.nan, device=fabric.device)
        if known is not None:
            self._rows[: len(known)] = known

    def record(self, iteration: int, row: Tensor) -> None:
        """Store the row of an iteration without waiting for the device."""
        if iteration >= len(self._rows):
            self._rows = torch.cat([self._rows, torch.full_like(self._rows, torch.nan)])
        self._rows[iteration] = row

    def settle(self, done: int, *, gradient_may_overflow: bool = False) -> dict[str, float]:
        """Average the rows since the last call over all processes, and check them.

        Args:
            done: Number of iterations done.
            gradient_may_overflow: True in fp16, where the loss scaler skips such steps.

        Returns:
            The mean of each column since the last call.

        Raises:
            DivergenceError: If a value is not finite.
        """
        fresh = self._rows[self.settled : done]
        if self._fabric.world_size > 1:
            mean = self._fabric.all_reduce(fresh.clone(), reduce_op="mean")
            assert isinstance(mean, Tensor)
            fresh.copy_(mean)
        rows = fresh.cpu()
        checked = rows[:, :-1] if gradient_may_overflow else rows
        bad = (~checked.isfinite()).any(1).nonzero()
        if len(bad):
            values = ", ".join(f"{n} {v:g}" for n, v in zip(COLUMNS, rows[bad[0, 0]].tolist(), strict=True))
            raise DivergenceError(
                f"iteration {self.settled + int(bad[0, 0])} gave a value that is not finite ({values}). Nothing was "
                "saved since. Going on with the same recipe would end here again: start anew with --overwrite and a "
                "lower --lr, a longer --warmup, --clip 1 or --precision fp32."
            )
        self.settled = done
        return _means(rows)

    def final(self) -> dict[str, float]:
        """Return the means over the last 5 % of the settled iterations."""
        return _means(self._rows[self.settled - max(1, self.settled // 20) : self.settled].cpu())

    def curve(self, points: int = 200) -> dict[str, list[float]]:
        """Return at most ``points`` means over equal stretches, and the iteration at which each ends."""
        ends = torch.linspace(0, self.settled, min(points, self.settled) + 1).round().int().tolist()
        rows = self._rows[: self.settled].cpu()
        means = [_means(rows[a:b]) for a, b in itertools.pairwise(ends)]
        return {"iteration": ends[1:], **{name: [m[name] for m in means] for name in COLUMNS}}

    def state(self) -> Tensor:
        """Return the settled rows ``(n, 5)`` on the CPU."""
        return self._rows[: self.settled].cpu().clone()


def _means(rows: Tensor) -> dict[str, float]:
    return dict(zip(COLUMNS, rows.double().mean(0).tolist(), strict=True))
