"""Write a comparison to files: all of it as JSON, the paired cases as CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable
from pathlib import Path

from rasd_nnu.compare.result import Comparison
from rasd_nnu.errors import CompareError


def to_json(comparison: Comparison) -> str:
    """Return the comparison as strict JSON; NaN is null."""
    return json.dumps(comparison.to_dict(), indent=2, allow_nan=False) + "\n"


def to_csv(comparison: Comparison) -> str:
    """Return one line a case: case, group, score_a, score_b, difference, then each label's scores.

    An empty field is a score that the NaN rule leaves out.
    """
    labels = list(comparison.rows[0].labels_a)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    pairs = [f"label_{label}_{arm}" for label in labels for arm in "ab"]
    writer.writerow(["case", "group", "score_a", "score_b", "difference", *pairs])
    for row in comparison.rows:
        scores = [s for label in labels for s in (row.labels_a[label], row.labels_b[label])]
        numbers = [row.a, row.b, row.difference, *scores]
        writer.writerow([row.case, row.group or "", *("" if math.isnan(n) else f"{n:.10g}" for n in numbers)])
    return stream.getvalue()


def check_writable(paths: Iterable[Path], overwrite: bool) -> None:
    """Check output paths before anything is computed.

    Raises:
        CompareError: If a file exists and may not be replaced, or its folder does not exist.
    """
    for path in paths:
        if path.is_dir():
            raise CompareError(f"{path} is a folder, expected the name of a file to write")
        if path.exists() and not overwrite:
            raise CompareError(f"{path} exists; give another name, or replace it with --overwrite")
        if not path.absolute().parent.is_dir():
            raise CompareError(f"cannot write {path}: its folder does not exist. Make it, or give another name.")
