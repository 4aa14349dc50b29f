"""How much of the variance comes from seeds, from patients, and from their interactions with the arm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rasd_nnu.stats.result import Result

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class VarianceComponents(Result):
    """Variance components of two arms x seeds x patients; estimates may be negative.

    Those of the difference A - B tell whether more seeds or more patients would help: the variance of its mean is
    ``seed / seeds + patient / patients + residual / (seeds * patients)``.

    Args:
        n_seeds: Seeds.
        n_patients: Patients.
        seed: Variance of the difference over seeds (twice Var(T*R)).
        patient: Variance of the difference over patients (twice Var(T*C)).
        residual: Variance of the difference over seed x patient, with the noise of one value.
        ms_seed: Variance of the seeds' differences: twice the mean square T*R of Obuchowski and Rockette.
        ms_patient: Variance over patients of the seeds' differences, plus (seeds - 1) times their covariance.
        ms_residual: Variance over patients of the seeds' differences, less their covariance.
        or_seed: Var(R) of Obuchowski and Rockette: what a seed does to both arms.
        or_seed_arm: Var(T*R): what a seed does to one arm.
        cov1: Covariance over patients of one seed in two arms.
        cov2: Covariance over patients of two seeds in one arm.
        cov3: Covariance over patients of two seeds in two arms.
        var_error: Variance over patients of one seed in one arm.
        dbm_patient: Var(C) of Dorfman, Berbaum and Metz: what a patient does to all trainings.
        dbm_patient_arm: Var(T*C): what a patient does to one arm.
        dbm_seed_patient: Var(R*C): what a patient does to one seed, in both arms.
        dbm_residual: Var(T*R*C) + Var(Error).
    """

    n_seeds: int
    n_patients: int
    seed: float
    patient: float
    residual: float
    ms_seed: float
    ms_patient: float
    ms_residual: float
    or_seed: float
    or_seed_arm: float
    cov1: float
    cov2: float
    cov3: float
    var_error: float
    dbm_patient: float
    dbm_patient_arm: float
    dbm_seed_patient: float
    dbm_residual: float

    @property
    def ms_common(self) -> float:
        """What patients add to the mean squares of the mean difference: seeds times their covariance, 0 or more."""
        return max(self.ms_patient - self.ms_residual, 0.0)

    def variance_of_mean(self, seeds: float, patients: float) -> float:
        """Return the variance of the mean difference with so many seeds and patients, components below 0 as 0."""
        seed, patient, residual = (max(x, 0.0) for x in (self.seed, self.patient, self.residual))
        return seed / seeds + patient / patients + residual / (seeds * patients)


def estimate_components(theta: FloatArray, sigma: FloatArray, n_patients: int) -> VarianceComponents:
    """Estimate the components from the scores and their covariance over patients.

    Args:
        theta: Score of each arm and seed, shape (2, seeds).
        sigma: Their covariance over patients, arm A's seeds first, shape (2 * seeds, 2 * seeds).
        n_patients: Patients behind it.
    """
    s, n = theta.shape[1], n_patients
    blocks = sigma.reshape(2, s, 2, s).transpose(0, 2, 1, 3)  # arm, arm, seed, seed
    same_arm, other_arm = (blocks[0, 0] + blocks[1, 1]) / 2, (blocks[0, 1] + blocks[0, 1].T) / 2
    var_error, cov2 = _diagonal_and_rest(same_arm)
    cov1, cov3 = _diagonal_and_rest(other_arm)
    ms_seed = float((theta[0] - theta[1]).var(ddof=1))
    ms_both = 2 * float(theta.mean(0).var(ddof=1))
    own, shared = var_error - cov1, cov2 - cov3
    or_seed_arm = ms_seed / 2 - own + shared
    return VarianceComponents(
        n_seeds=s,
        n_patients=n,
        seed=2 * or_seed_arm,
        patient=2 * n * shared,
        residual=2 * n * (own - shared),
        ms_seed=ms_seed,
        ms_patient=2 * (own + (s - 1) * shared),
        ms_residual=2 * (own - shared),
        or_seed=(ms_both - ms_seed / 2) / 2 - cov1 + cov3,
        or_seed_arm=or_seed_arm,
        cov1=cov1,
        cov2=cov2,
        cov3=cov3,
        var_error=var_error,
        dbm_patient=n * cov3,
        dbm_patient_arm=n * shared,
        dbm_seed_patient=n * (cov1 - cov3),
        dbm_residual=n * (own - shared),
    )


def _diagonal_and_rest(matrix: FloatArray) -> tuple[float, float]:
    """Return the mean of the diagonal and the mean of all other entries of a square matrix."""
    s = matrix.shape[0]
    diagonal = float(np.trace(matrix))
    return diagonal / s, float((matrix.sum() - diagonal) / (s * (s - 1)))
