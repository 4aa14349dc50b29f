"""What a comparison found, as plain data."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Literal

from rasd_nnu.stats import (
    CrossedTest,
    EffectSizes,
    EquivalenceResult,
    Interval,
    McNemarResult,
    MeanTest,
    PairedScores,
    PigeonholeResult,
    SignedRankResult,
    SignFlipResult,
    Sizes,
)

FORMAT_VERSION = 2

Kind = Literal["segmentation", "classification", "detection"]
Better = Literal["higher", "lower"]


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

    ``p`` and ``interval`` are those of the primary analysis, which ``method`` names: ``mean`` (`MeanTest`, one training
    an arm or an average over seeds), ``crossed`` (`CrossedTest`, seeds x patients), ``delong`` or ``bootstrap``.

    Args:
        score: Name of the score.
        better: Whether a higher or a lower score is better.
        method: The primary analysis.
        n_cases: Cases that count.
        n_units: Independent units: groups, or cases when there are no groups.
        n_seeds: Seeds of each arm that are crossed with the units; 1 if they are not.
        mean_a: Score of arm A: the mean over the units, or that of the whole set.
        mean_b: Score of arm B.
        sd_a: Standard deviation of arm A over the units (n - 1); None for a score of the whole set.
        sd_b: The same for arm B.
        difference: A minus B.
        interval: Interval of that difference.
        p: Two-sided p-value.
        smallest_p: The smallest p that the design can reach; None where it has no such bound.
        wins: Units where A is better; None for a score of the whole set.
        ties: Units where both score the same.
        losses: Units where B is better.
        test: Test of the mean over units; of the average over seeds where there are several.
        signflip: Its sign-flip part: the plain permutation test.
        wilcoxon: Signed-rank test.
        effects: Effect sizes over the units.
        crossed: Crossed analysis of seeds and patients.
        pigeonhole: Two-way bootstrap of seeds and patients.
        whole: Second opinion on a score of the whole set.
        mcnemar: Exact test of right and wrong cases.
        sizes: Patients and seeds that it takes to see a difference.
        equivalence: Non-inferiority and equivalence with a margin, where one was given.
        p_holm: ``p`` corrected over the labels; None where it is not one of several.
        note: What limits the reliability; empty if nothing is known to.
    """

    score: str
    better: Better
    method: str
    n_cases: int
    n_units: int
    n_seeds: int
    mean_a: float
    mean_b: float
    sd_a: float | None
    sd_b: float | None
    difference: float
    interval: Interval
    p: float
    smallest_p: float | None
    wins: int | None = None
    ties: int | None = None
    losses: int | None = None
    test: MeanTest | None = None
    signflip: SignFlipResult | None = None
    wilcoxon: SignedRankResult | None = None
    effects: EffectSizes | None = None
    crossed: CrossedTest | None = None
    pigeonhole: PigeonholeResult | None = None
    whole: PairedScores | None = None
    mcnemar: McNemarResult | None = None
    sizes: Sizes | None = None
    equivalence: EquivalenceResult | None = None
    p_holm: float | None = None
    note: str = ""

    @property
    def favour(self) -> float:
        """The difference, positive where it favours arm A."""
        return self.difference if self.better == "higher" else -self.difference


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
class Collapsed:
    """A training that never found something that is there, or tells no case from another: it failed.

    That is not a lower quality.

    Args:
        arm: Name of the arm.
        seed: Its seed, None for a single run.
        source: File of its records.
        what: What it failed at, such as ``label 2 never found``.
        complete: True if it learned nothing at all, False if some label or class only was lost.
    """

    arm: str
    seed: int | None
    source: str
    what: str
    complete: bool = False


@dataclass(frozen=True)
class Comparison:
    """Paired comparison of arm A with arm B; where a higher score is better, positive differences favour A.

    Args:
        names: Names of arm A and arm B.
        kind: What the records are of.
        score: Name of the primary score.
        row_score: Name of the score of the rows: the primary one, or where that is one of the whole set, another.
        nan_rule: How a label that is absent from a case counts.
        grouped: True if the unit is the group, False if it is the case.
        rows: All paired cases.
        overall: Statistics of the primary score.
        labels: Label -> statistics of it; only labels that count in at least 2 units.
        others: Further scores, by name.
        label_names: Label -> name, where ``dataset.json`` gives one.
        false_positives: Labels that are absent from the reference of some cases.
        seeds: Mean score of each seed, sorted; empty for a single run an arm.
        collapsed: Trainings that failed, altogether or at a label.
        without_collapsed: Difference over the seeds whose trainings did not collapse; None where none or all did.
        failed: Arms all of whose trainings learned nothing at all: their quality is not compared.
        n_trainings: Files of records, both arms together.
        unmatched: Cases left out because only A or only B has them.
        recipe_differences: What differs between the arms besides the initial weights, as far as files tell.
        transfer: Arm's name -> share of parameters that came from the pre-training.
        warnings: What makes the result less trustworthy.
        sources: Arm's name -> files of records.
        verdict: The result in one sentence.
    """

    names: tuple[str, str]
    kind: Kind
    score: str
    row_score: str
    nan_rule: str
    grouped: bool
    rows: list[PairedRow]
    overall: PairedStatistics
    labels: dict[str, PairedStatistics]
    others: dict[str, PairedStatistics] = field(default_factory=dict)
    label_names: dict[str, str] = field(default_factory=dict)
    false_positives: list[FalsePositives] = field(default_factory=list)
    seeds: list[SeedMean] = field(default_factory=list)
    collapsed: list[Collapsed] = field(default_factory=list)
    without_collapsed: float | None = None
    failed: list[str] = field(default_factory=list)
    n_trainings: int = 2
    unmatched: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))
    recipe_differences: list[str] = field(default_factory=list)
    transfer: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    sources: dict[str, list[str]] = field(default_factory=dict)
    verdict: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return everything as strict-JSON types: NaN and infinity become None."""
        plain: dict[str, Any] = strict({"format_version": FORMAT_VERSION} | dataclasses.asdict(self))
        for row in plain["rows"]:
            row["difference"] = None if row["a"] is None else row["a"] - row["b"]
        return plain


def strict(value: Any) -> Any:
    """Return nested plain data with text keys, lists, and None for the numbers that JSON lacks."""
    if isinstance(value, dict):
        return {str(k): strict(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [strict(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
