"""Paired statistics on one number a case and arm, clustered by patient where there are groups."""

from __future__ import annotations

from rasd_nnu.stats.bootstrap import Interval, mean_interval
from rasd_nnu.stats.holm import holm
from rasd_nnu.stats.signed_rank import SignedRankResult, paired_wilcoxon
from rasd_nnu.stats.signflip import SignFlipResult, paired_signflip
from rasd_nnu.stats.units import unit_means

__all__ = [
    "Interval",
    "SignFlipResult",
    "SignedRankResult",
    "holm",
    "mean_interval",
    "paired_signflip",
    "paired_wilcoxon",
    "unit_means",
]
