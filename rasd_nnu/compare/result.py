"""What a comparison found, as plain data."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from rasd_nnu.stats import Interval, SignedRankResult, SignFlipResult

FORMAT_VERSION = 1


@dataclass(frozen=True)
class PairedRow:
    """One case in both arms; a score is NaN where the NaN rule leaves it out, then in both arms.

    Args:
        case: Name of the case.
        group: Patient of the case, or None when no groups were given.
        a: Score of arm A, averaged over its seeds.
        b: Score of arm B, averaged over its seeds.
        labels_a: Label -> score of arm A.
        labels_b: Label -> score of arm B.
    """

    case: str
    group: str | None
    a: float
    b: float
    labels_a: dict[str, float]
    labels_b: dict[str, float]

    @property
    def difference(self) -> float:
        """Score of arm A minus score of arm B."""
        return self.a - self.b


@dataclass(frozen=True)
class PairedStatistics:
    """Statistics of one score in both arms; the unit is the group (patient) where there are groups.

    Args:
        n_cases: Cases that count.
        n_units: Independent units: groups, or cases when there are no groups.
        mean_a: Mean of arm A over the units.
        mean_b: Mean of arm B over the units.
        sd_a: Standard deviation of arm A over the units (n - 1).
        sd_b: Standard deviation of arm B over the units (n - 1).
        difference: Mean of A minus B over the units.
        interval: Bootstrap interval of that difference.
        signflip: Paired permutation test.
        wilcoxon: Signed-rank test.
        wins: Units where A scores higher.
        ties: Units where both score the same.
        losses: Units where B scores higher.
        p_holm: Permutation p corrected over the labels; None for the score over all labels.
    """

    n_cases: int
    n_units: int
    mean_a: float
    mean_b: float
    sd_a: float
    sd_b: float
    difference: float
    interval: Interval
    signflip: SignFlipResult
    wilcoxon: SignedRankResult
    wins: int
    ties: int
    losses: int
    p_holm: float | None = None


@dataclass(frozen=True)
class FalsePositives:
    """Cases whose reference lacks a label: how often, and how much of it, each arm predicts there.

    Args:
        label: The label.
        n_cases: Cases whose reference lacks it.
        share_a: Share of these cases where arm A predicts it all the same (mean over seeds).
        share_b: The same for arm B.
        voxels_a: Mean number of such voxels a case in arm A.
        voxels_b: The same for arm B.
    """

    label: str
    n_cases: int
    share_a: float
    share_b: float
    voxels_a: float
    voxels_b: float


@dataclass(frozen=True)
class SeedMean:
    """Mean score of one training run; None where the arm has no run with this seed.

    Args:
        seed: The seed.
        a: Mean score over the cases of arm A's run.
        b: Mean score over the cases of arm B's run.
    """

    seed: int
    a: float | None
    b: float | None


@dataclass(frozen=True)
class Comparison:
    """Paired comparison of arm A with arm B; positive differences favour A.

    Args:
        names: Names of arm A and arm B.
        score: Name of the score.
        nan_rule: How a label that is absent from a case counts.
        grouped: True if the unit is the group, False if it is the case.
        rows: All paired cases.
        overall: Statistics of the mean over the labels of each case.
        labels: Label -> statistics of it; only labels that count in at least 2 units.
        label_names: Label -> name, where ``dataset.json`` gives one.
        false_positives: Labels that are absent from the reference of some cases.
        seeds: Mean score of each seed, sorted; empty for a single run an arm.
        unmatched: Cases left out because only A or only B has them.
        recipe_differences: What differs between the arms besides the initial weights, as far as files tell.
        transfer: Arm's name -> share of parameters that came from the pre-training.
        warnings: What makes the result less trustworthy.
        sources: Arm's name -> summary files.
        verdict: The result in one sentence.
    """

    names: tuple[str, str]
    score: str
    nan_rule: str
    grouped: bool
    rows: list[PairedRow]
    overall: PairedStatistics
    labels: dict[str, PairedStatistics]
    label_names: dict[str, str]
    false_positives: list[FalsePositives]
    seeds: list[SeedMean]
    unmatched: tuple[list[str], list[str]]
    recipe_differences: list[str]
    transfer: dict[str, float]
    warnings: list[str]
    sources: dict[str, list[str]]
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """Return everything as strict-JSON types: NaN becomes None."""
        plain: dict[str, Any] = _strict({"format_version": FORMAT_VERSION} | dataclasses.asdict(self))
        for row in plain["rows"]:
            row["difference"] = None if row["a"] is None else row["a"] - row["b"]
        return plain


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _strict(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
