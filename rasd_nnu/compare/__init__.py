"""Paired comparison of two arms from their per-case records."""

from __future__ import annotations

from rasd_nnu.compare.analyse import compare_summaries
from rasd_nnu.compare.result import Comparison

__all__ = ["Comparison", "compare_summaries"]
