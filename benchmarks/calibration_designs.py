"""Simulated comparisons in which the arms do not differ: what the tests have to say "no" to.

All numbers are in Dice points / 100.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], FloatArray]
PATIENT_SD = 0.05


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    return PATIENT_SD * rng.normal(size=shape)


def _heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    return PATIENT_SD * rng.standard_t(3, size=shape) / np.sqrt(3)


def _tied(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    return np.round(rng.normal(size=shape)) / 100


def _skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    return PATIENT_SD * (rng.exponential(size=shape) - 1)


def _very_skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    return PATIENT_SD * (rng.gamma(0.5, size=shape) - 0.5) / np.sqrt(0.5)


def _lognormal(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    return PATIENT_SD * (np.exp(rng.normal(size=shape)) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)


def _losses(rng: np.random.Generator, shape: tuple[int, ...], often: float, most: float) -> FloatArray:
    """Return the share of the Dice that is lost: in a share ``often`` of cases, up to ``most`` of it; mean below."""
    return np.where(rng.random(shape) < often, most * rng.beta(1, 3, size=shape), 0.0)


def _dice(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Both arms fail on other cases of the same kind: symmetric, bounded, heavy-tailed."""
    best = rng.beta(30, 4, size=shape)
    first, second = (rng.beta(1, 40, size=shape) + _losses(rng, shape, 0.1, 0.8) for _ in range(2))
    return best * (np.minimum(second, 1) - np.minimum(first, 1))


def _dice_skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Arm A loses up to 30 % of the Dice in 3 of 10 cases, arm B the same on average but evenly."""
    return rng.beta(30, 4, size=shape) * (0.3 * 0.3 / 4 - _losses(rng, shape, 0.3, 0.3))


def _dice_rare_failures(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Arm A loses up to 80 % of the Dice in 1 of 20 cases, arm B the same on average but evenly."""
    return rng.beta(30, 4, size=shape) * (0.05 * 0.8 / 4 - _losses(rng, shape, 0.05, 0.8))


SHAPES: dict[str, Draw] = {
    "normal": _normal,
    "heavy tails (t3)": _heavy,
    "tied (whole points, 38 % zeros)": _tied,
    "Dice, both arms fail": _dice,
    "skewed (exponential, 2.0)": _skewed,
    "more skewed (gamma, 2.8)": _very_skewed,
    "Dice, one arm fails in 30 %": _dice_skewed,
    "extremely skewed (lognormal, 6.2)": _lognormal,
    "Dice, one arm fails in 5 %": _dice_rare_failures,
}


def one_training(
    shape: str, n: int, clustered: bool, simulations: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
    """Draw null comparisons of one training an arm.

    Args:
        shape: Name of the distribution of a patient's difference, see `SHAPES`.
        n: Patients.
        clustered: Each patient has 1 to 5 cases, which vary about the patient with half of its spread.
        simulations: Comparisons.
        rng: Random numbers.

    Returns:
        Differences of the cases, shape (simulations, n, 5), their mean over each patient, shape (simulations, n), and
        which cases exist, shape (simulations, n, 5).
    """
    draw = SHAPES[shape]
    patients = draw(rng, (simulations, n))
    sizes = rng.integers(1, 6, (simulations, n)) if clustered else np.ones((simulations, n), int)
    exists = np.arange(5) < sizes[..., None]
    spread = 0.5 * patients.std() * rng.normal(size=exists.shape) if clustered else np.zeros(exists.shape)
    cases = np.where(exists, patients[..., None] + spread, 0.0)
    return cases, cases.sum(-1) / sizes, exists


#: Several seeds: distribution over patients, by what it is multiplied, and standard deviation of seed x patient. The
#: first two have small effects of seed x patient; the last has what trainings with few labels show (medians of
#: calibration_spreads.py).
SPREADS: dict[str, tuple[str, float, float]] = {
    "normal": ("normal", 1.0, 0.03),
    "skewed (exponential, 2.0)": ("skewed (exponential, 2.0)", 1.0, 0.03),
    "normal, spreads as measured": ("normal", 0.4, 0.095),
}


def crossed(spreads: str, seeds: int, n: int, seed_sd: float, simulations: int, rng: np.random.Generator) -> FloatArray:
    """Draw null comparisons of several trainings an arm: differences of shape (simulations, seeds, n)."""
    shape, scale, residual = SPREADS[spreads]
    of_seeds = seed_sd * rng.normal(size=(simulations, seeds, 1))
    rest = residual * rng.normal(size=(simulations, seeds, n))
    return of_seeds + scale * SHAPES[shape](rng, (simulations, 1, n)) + rest


def ratings(
    seeds: int, n: int, seed_sd: float, simulations: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Draw scores of a binary classification by the model of Roe and Metz (1997): the arms have the same AUC.

    Args:
        seeds: Trainings of each arm.
        n: Cases; 2 of 5 are positive.
        seed_sd: Standard deviation of the separation over seeds, in each arm.
        simulations: Comparisons.
        rng: Random numbers.

    Returns:
        Labels, shape (n,), and scores, shape (simulations, 2, seeds, n).
    """
    labels = (np.arange(n) < 2 * n // 5).astype(np.int64)
    separation = 1.5 + seed_sd * rng.normal(size=(simulations, 2, seeds, 1))
    case = np.sqrt(0.4) * rng.normal(size=(simulations, 1, 1, n))
    case_arm = np.sqrt(0.2) * rng.normal(size=(simulations, 2, 1, n))
    rest = np.sqrt(0.4) * rng.normal(size=(simulations, 2, seeds, n))
    return labels, separation * labels + case + case_arm + rest
