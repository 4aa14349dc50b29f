"""Shifted test images on a fixed grid of severities, made by TorchIO."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torchio
from tasks import TASKS, Case

#: Shift -> transform of an image in 0..1; drawn once a task, with the seed of the image's number.
_TRANSFORMS: dict[str, torchio.Transform | None] = {
    "gamma 0.5": torchio.RandomGamma(log_gamma=(np.log(0.5), np.log(0.5))),
    "gamma 2": torchio.RandomGamma(log_gamma=(np.log(2), np.log(2))),
    "inverted": None,
    "bias 0.5": torchio.RandomBiasField(coefficients=(0.5, 0.5)),
    "bias 1": torchio.RandomBiasField(coefficients=(1.0, 1.0)),
    "noise 0.05": torchio.RandomNoise(std=(0.05, 0.05)),
    "noise 0.1": torchio.RandomNoise(std=(0.1, 0.1)),
    "blur 1": torchio.RandomBlur(std=(1, 1)),
    "blur 2": torchio.RandomBlur(std=(2, 2)),
    "resolution 2": torchio.RandomAnisotropy(axes=(0, 1), downsampling=(2, 2)),
    "resolution 3": torchio.RandomAnisotropy(axes=(0, 1), downsampling=(3, 3)),
    "ghosts 0.5": torchio.RandomGhosting(num_ghosts=(4, 4), axes=(0,), intensity=(0.5, 0.5)),
    "ghosts 1": torchio.RandomGhosting(num_ghosts=(4, 4), axes=(0,), intensity=(1.0, 1.0)),
}


def fewer(cases: list[Case], most: int = 30) -> list[Case]:
    """Return at most ``most`` cases, evenly spread: what is tested often."""
    return [cases[i] for i in np.linspace(0, len(cases) - 1, min(most, len(cases))).round().astype(int)]


@lru_cache(maxsize=2)
def shifted(key: str) -> dict[str, list[np.ndarray]]:
    """Return the test images of a task under each shift, standardised again."""
    test = fewer(TASKS[key].cases()[1])
    state = torch.random.get_rng_state()
    try:
        return {name: [_shifted(name, case, i) for i, case in enumerate(test)] for name in _TRANSFORMS}
    finally:
        torch.random.set_rng_state(state)


def _shifted(name: str, case: Case, number: int) -> np.ndarray:
    axes = tuple(range(1, case.image.ndim))
    low, high = case.image.min(axes, keepdims=True), case.image.max(axes, keepdims=True)
    unit = (case.image - low) / np.maximum(high - low, 1e-8)
    transform = _TRANSFORMS[name]
    if transform is None:
        made = 1 - unit
    else:
        torch.manual_seed(number)
        flat = unit if unit.ndim == 4 else unit[..., None]
        made = np.asarray(transform(torch.from_numpy(flat))).reshape(unit.shape)
    mean, std = made.mean(axes, keepdims=True), made.std(axes, keepdims=True)
    return ((made - mean) / np.maximum(std, 1e-8)).astype(np.float32)
