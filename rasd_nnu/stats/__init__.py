"""Paired statistics of two or more arms: one test set or many, one seed or several, clustered by patient.

Functions take plain numbers and return results with plain fields; `Result.to_dict` makes them data. Which one answers
which question:

* one training an arm, a score a case: `mean_test` (primary), `paired_wilcoxon`, `effect_sizes`, `mean_interval`;
* several seeds: `crossed_mean_test` (primary), `pigeonhole`;
* AUC and average precision: `delong_paired`, `bootstrap_paired`; with several seeds `obuchowski_rockette` on
  `auc_jackknife` or `auc_delong`; right or wrong: `mcnemar`;
* "no worse", and how much more data: `equivalence`, `paired_sizes`, `crossed_sizes`;
* several data sets: `across_datasets`; more than two arms: `friedman_nemenyi`; several tests: `holm`.
"""

from __future__ import annotations

from rasd_nnu.stats.auc import auc
from rasd_nnu.stats.auc_tests import PairedScores, bootstrap_paired, delong_paired
from rasd_nnu.stats.bootstrap import mean_interval
from rasd_nnu.stats.components import VarianceComponents
from rasd_nnu.stats.covariance import auc_delong, auc_jackknife, mean_covariance
from rasd_nnu.stats.crossed import CrossedTest, Reference, crossed_mean_test, obuchowski_rockette
from rasd_nnu.stats.datasets import AcrossDatasets, BayesianSignedRank, across_datasets, bayesian_signed_rank
from rasd_nnu.stats.effect import EffectSizes, effect_sizes, hodges_lehmann_interval
from rasd_nnu.stats.equivalence import EquivalenceResult, equivalence
from rasd_nnu.stats.holm import holm
from rasd_nnu.stats.mcnemar import McNemarResult, mcnemar
from rasd_nnu.stats.mean_test import MeanTest, mean_test
from rasd_nnu.stats.pigeonhole import PigeonholeResult, pigeonhole
from rasd_nnu.stats.power import Sizes, crossed_power, crossed_sizes, paired_power, paired_sizes
from rasd_nnu.stats.ranks import FriedmanNemenyi, friedman_nemenyi
from rasd_nnu.stats.result import Interval, Result
from rasd_nnu.stats.signed_rank import SignedRankResult, paired_wilcoxon
from rasd_nnu.stats.signflip import SignFlipResult, paired_signflip
from rasd_nnu.stats.units import unit_means

__all__ = [
    "AcrossDatasets",
    "BayesianSignedRank",
    "CrossedTest",
    "EffectSizes",
    "EquivalenceResult",
    "FriedmanNemenyi",
    "Interval",
    "McNemarResult",
    "MeanTest",
    "PairedScores",
    "PigeonholeResult",
    "Reference",
    "Result",
    "SignFlipResult",
    "SignedRankResult",
    "Sizes",
    "VarianceComponents",
    "across_datasets",
    "auc",
    "auc_delong",
    "auc_jackknife",
    "bayesian_signed_rank",
    "bootstrap_paired",
    "crossed_mean_test",
    "crossed_power",
    "crossed_sizes",
    "delong_paired",
    "effect_sizes",
    "equivalence",
    "friedman_nemenyi",
    "hodges_lehmann_interval",
    "holm",
    "mcnemar",
    "mean_covariance",
    "mean_interval",
    "mean_test",
    "obuchowski_rockette",
    "paired_power",
    "paired_signflip",
    "paired_sizes",
    "paired_wilcoxon",
    "pigeonhole",
    "unit_means",
]
