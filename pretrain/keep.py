"""Which checkpoints of a run are kept besides the latest one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rasd_nnu.errors import ConfigError


@dataclass(frozen=True)
class Keep:
    """Extra checkpoints ``<stem>.iter<NNN>.pth`` beside ``<stem>.pth``.

    Args:
        every: Keep one every so many iterations for good, or None.
        last: Keep the last so many saves, or None.

    Raises:
        ConfigError: If a number is below 1.
    """

    every: int | None = None
    last: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("keep_every", self.every), ("keep_last", self.last)):
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}, expected at least 1 (leave it out to keep none).")

    def for_good(self, iteration: int) -> bool:
        """Tell whether the checkpoint of an iteration is kept for good, and hence to be saved."""
        return self.every is not None and iteration % self.every == 0

    def path(self, checkpoint: Path, iteration: int) -> Path | None:
        """Return where the checkpoint of an iteration, which is being saved, is kept; None if it is not."""
        if self.last is None and not self.for_good(iteration):
            return None
        return checkpoint.with_name(f"{checkpoint.stem}.iter{iteration:07d}.pth")

    def tidy(self, checkpoint: Path) -> None:
        """Remove those that are neither among the last ones nor kept for good."""
        if self.last is None:
            return
        pattern = re.compile(re.escape(checkpoint.stem) + r"\.iter([0-9]{7,12})\.pth")
        kept = sorted(
            (int(match[1]), path) for path in checkpoint.parent.iterdir() if (match := pattern.fullmatch(path.name))
        )
        for iteration, path in kept[: -self.last]:
            if not self.for_good(iteration):
                path.unlink(missing_ok=True)
