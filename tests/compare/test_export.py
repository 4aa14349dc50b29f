from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rasd_nnu.compare import compare_summaries, export
from rasd_nnu.errors import CompareError

Write = Callable[..., Path]


def test_csv_has_one_line_a_case_and_leaves_absent_scores_empty(write_summary: Write) -> None:
    a = write_summary("a.json", {"c2": {"1": 0.8, "2": 0.4}, "c1": {"1": 0.5, "2": None}})
    b = write_summary("b.json", {"c2": {"1": 0.6, "2": 0.4}, "c1": {"1": 0.5, "2": None}})
    rows = list(csv.DictReader(export.to_csv(compare_summaries(a, b)).splitlines()))
    assert [row["case"] for row in rows] == ["c1", "c2"]
    assert rows[0]["label_2_a"] == rows[0]["label_2_b"] == rows[0]["group"] == ""
    assert float(rows[1]["score_a"]) == pytest.approx(0.6)
    assert float(rows[1]["difference"]) == pytest.approx(0.1)


def test_json_is_strict_and_complete(write_summary: Write) -> None:
    a = write_summary("a.json", {"c1": 0.5, "c2": 0.8, "c3": None})
    b = write_summary("b.json", {"c1": 0.5, "c2": 0.6, "c3": None})
    content = json.loads(export.to_json(compare_summaries(a, b)), parse_constant=pytest.fail)
    assert content["format_version"] == 2
    assert content["names"] == ["A", "B"]
    assert content["nan_rule"] == "reference"
    assert content["overall"]["difference"] == pytest.approx(0.1)
    assert content["overall"]["signflip"] == {"p": 1.0, "smallest_p": 1.0, "exact": True}
    assert content["verdict"]


def test_files_that_exist_need_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    export.check_writable([path], overwrite=False)
    path.write_text("old")
    with pytest.raises(CompareError, match="--overwrite"):
        export.check_writable([path], overwrite=False)
    export.check_writable([path], overwrite=True)
    with pytest.raises(CompareError, match="its folder does not exist"):
        export.check_writable([tmp_path / "no" / "out.json"], overwrite=True)
    with pytest.raises(CompareError, match="is a folder"):
        export.check_writable([tmp_path], overwrite=True)
