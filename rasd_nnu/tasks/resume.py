"""What a classifier's or detector's training saves after each epoch, to go on exactly where it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from rasd_nnu.checkpoints.file import atomic_save, safe_load
from rasd_nnu.errors import CheckpointError


def save_epoch(
    state: Path, identity: dict[str, Any], network: nn.Module, optimizer: torch.optim.Optimizer, done: int
) -> None:
    """Write what the next epoch begins with.

    Args:
        state: The file.
        identity: What a training that goes on must share: recipe and cases.
        network: The network.
        optimizer: Its optimiser.
        done: Epochs that are done.
    """
    content = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "epoch": done}
    atomic_save(content | {"identity": identity}, state)


def resumed_epoch(state: Path, identity: dict[str, Any], network: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Load what `save_epoch` wrote and return the epochs that are done; 0 where there is no file.

    Raises:
        CheckpointError: If the file is of another recipe or other cases, or damaged.
    """
    if not state.is_file():
        return 0
    content = safe_load(state)
    if content.get("identity") != identity:
        raise CheckpointError(
            f"{state} belongs to a training with another recipe or other cases. Ask for the same, or give --overwrite."
        )
    network.load_state_dict(content["network"])
    optimizer.load_state_dict(content["optimizer"])
    return int(content["epoch"])
