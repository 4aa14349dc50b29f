"""Seed everything that nnU-Net draws from."""

from __future__ import annotations

import random

import numpy as np
import torch


def seed_everything(*entropy: int) -> None:
    """Seed python, numpy and torch (all devices) from one or several non-negative numbers, such as seed and epoch."""
    seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
