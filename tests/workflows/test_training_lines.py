from __future__ import annotations

from pathlib import Path

import pytest

from rasd_nnu.compare.classification import compare_predictions
from rasd_nnu.compare.design import Design, Entry
from rasd_nnu.compare.page import render_page
from rasd_nnu.compare.study import Study
from rasd_nnu.errors import UserError
from rasd_nnu.tasks.curve import CURVE, write_curve
from rasd_nnu.workflows.report import gather
from rasd_nnu.workflows.training_lines import training_lines
from tests.compare.records import classification


@pytest.fixture
def folds(tmp_path: Path) -> dict[str, dict[int, Path]]:
    """Arm -> seed -> folder of a fold with the records of a classifier."""
    folders = {arm: {seed: tmp_path / f"{arm}{seed}" / "fold_0" for seed in (0, 1)} for arm in ("rasd", "scratch")}
    for arm, runs in folders.items():
        for seed, folder in runs.items():
            classification(folder / "validation" / "predictions.csv", 1.0 + (arm == "rasd"), seed)
    return folders


def _entry(folds: dict[str, dict[int, Path]]) -> Entry:
    a, b = ({s: [f / "validation" / "predictions.csv"] for s, f in folds[arm].items()} for arm in folds)
    found = compare_predictions(a, b, names=("rasd", "scratch"))
    return Entry(Design("Dataset901_Tiny"), found, found.overall.p)


def test_every_classifier_has_its_curve(folds: dict[str, dict[int, Path]]) -> None:
    for k, runs in enumerate(folds.values()):
        for seed, folder in runs.items():
            write_curve(folder / CURVE, [1.0, 0.5 + k / 10 + seed / 100])
    entry = _entry(folds)
    losses, dice = training_lines(entry.comparison)
    assert dice == []
    assert [(line.name, line.style, line.dashed, list(line.x)) for line in losses] == [
        (name, style, False, [1, 2]) for name, style in (("scratch", "b"), ("rasd", "a")) for _ in range(2)
    ]
    assert [line.y[-1] for line in losses] == pytest.approx([0.6, 0.61, 0.5, 0.51])
    page = render_page(Study("scratch", [entry]), {0: gather(entry)}, "title")
    assert "Mean training loss of each epoch." in page
    assert page.count('class="curve a"') == page.count('class="curve b"') == 2


def test_what_is_missing_or_damaged_is_said_and_the_page_is_made(folds: dict[str, dict[int, Path]]) -> None:
    entry = _entry(folds)
    with pytest.raises(UserError, match=f"no {CURVE} of `rasd_nnu finetune` beside the records"):
        training_lines(entry.comparison)
    (folds["rasd"][0] / CURVE).write_text("epoch,train_loss\n1,x\n")
    (line,) = (line for line in gather(entry).missing if line.startswith("training curves"))
    assert "line 2, has '1' and 'x'" in line
