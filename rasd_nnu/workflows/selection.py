"""What `rasd_nnu compare` and `rasd_nnu report` do: find the records of each arm and compare them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rasd_nnu.compare import provenance
from rasd_nnu.compare.design import Design, Unit
from rasd_nnu.compare.export import refuse_inputs
from rasd_nnu.compare.result import Comparison
from rasd_nnu.compare.scoring import parse_nan_rule
from rasd_nnu.compare.statistics import Request
from rasd_nnu.compare.study import Study, compare_study
from rasd_nnu.compare.surface import add_surface_metrics, parse_metrics
from rasd_nnu.workflows.units import Selection, find_units


def run_selection(asked: Selection, outputs: Iterable[Path] = ()) -> Study:
    """Find the records, compare them and return the result.

    Args:
        asked: What to compare.
        outputs: Files that the result will be written to.

    Raises:
        UserError: If the options contradict each other, records are missing or cannot be compared, or an output is one
            of the records.
    """
    nan_rule, metrics = parse_nan_rule(asked.nan_rule), parse_metrics(asked.metrics)
    units, control, skipped = find_units(asked)
    refuse_inputs(outputs, _files(units))

    def adjust(design: Design, found: Comparison) -> Comparison:
        if not asked.allow_recipe_diff:
            provenance.refuse_recipe_differences(design.title, found.recipe_differences)
        return add_surface_metrics(found, metrics, asked.tolerance_mm, asked.workers, request) if metrics else found

    request = Request(seed=asked.seed, margin=asked.margin, detect=asked.detect)
    return compare_study(
        units,
        control,
        nan_rule=nan_rule,
        allow_unmatched=asked.allow_unmatched,
        request=request,
        rope=asked.rope,
        skipped=skipped,
        adjust=adjust,
    )


def _files(units: Sequence[Unit]) -> list[Path]:
    """Return every file that the comparisons read."""
    groups = [unit.groups for unit in units if unit.groups is not None]
    return groups + [file for unit in units for runs in unit.arms.values() for files in runs.values() for file in files]
