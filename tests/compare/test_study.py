from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from rasd_nnu.compare import export
from rasd_nnu.compare.design import Design, Unit
from rasd_nnu.compare.methods import methods_paragraph
from rasd_nnu.compare.render import print_study
from rasd_nnu.compare.statistics import Request, ScoreTable, each_label, paired_statistics
from rasd_nnu.compare.study import Study, compare_study
from rasd_nnu.errors import CompareError
from tests.compare.records import classification, detection

Write = Callable[..., Path]
EVIL = "<script>_&%{x}"


@pytest.fixture
def study(write_summary: Write) -> Study:
    rng = np.random.default_rng(0)
    units = []
    for i, name in enumerate(("Dataset001_A", "Dataset002_B", "Dataset003_C")):
        base = rng.uniform(0.5, 0.7, 8)
        shifts = {"rasd": 0.05 + i / 100, "voco": 0.01, "scratch": 0.0}
        files = {
            arm: {
                None: [
                    write_summary(
                        f"{name}_{arm}.json",
                        {f"{EVIL}{k}": float(v) for k, v in enumerate(base + shift + rng.normal(0, 0.01, 8))},
                    )
                ]
            }
            for arm, shift in shifts.items()
        }
        units.append(Unit(Design(name, configuration="2d"), files))
    return compare_study(units, "scratch", skipped=["Dataset009_Z has no arm rasd"])


def test_every_arm_is_compared_with_the_control(study: Study) -> None:
    assert [(e.design.dataset[-1], *e.comparison.names) for e in study.entries] == [
        (letter, arm, "scratch") for letter in "ABC" for arm in ("rasd", "voco")
    ]
    assert all(e.p_holm >= e.comparison.overall.p for e in study.entries)
    rasd, _ = study.across
    assert (rasd.names, rasd.result.n_datasets) == (("rasd", "scratch"), 3)
    mean = np.mean([e.comparison.overall.difference for e in study.entries if e.comparison.names[0] == "rasd"])
    assert rasd.result.test.mean == pytest.approx(mean, abs=1e-9)
    assert "too few data sets" in rasd.sentence
    (ranking,) = study.rankings
    assert dict(zip(ranking.arms, ranking.result.mean_ranks, strict=True))["rasd"] == 1


def test_all_outputs_say_the_same(study: Study) -> None:
    stream = io.StringIO()
    print_study(study, Console(file=stream, width=250))
    text = stream.getvalue()
    assert text.splitlines()[0].startswith("Over 3 data sets, ")
    assert "Not compared: Dataset009_Z has no arm rasd." in text
    content = json.loads(export.to_json(study), parse_constant=pytest.fail)
    assert (content["format_version"], len(content["entries"])) == (2, 6)
    rows = list(csv.DictReader(export.to_csv(study).splitlines()))
    assert len(rows) == 6 * 8
    assert (rows[0]["comparison"], rows[0]["arm_a"], rows[0]["case"]) == ("Dataset001_A, 2d", "rasd", f"{EVIL}0")
    markdown, latex = export.to_markdown(study), export.to_latex(study)
    difference = f"{study.entries[0].comparison.overall.difference:+.4f}"
    assert difference in text and difference in markdown and difference in latex
    assert markdown.startswith(study.sentence)
    assert latex.count("\\begin{tabular}") == latex.count("\\bottomrule") == 3
    assert "Dataset001\\_A" in latex


def test_collapsed_trainings_are_counted_apart_from_those_that_are_better(tmp_path: Path) -> None:
    flat = tmp_path / "flat.csv"
    rows = "".join(f"c{i:03d},p{i},0,{'yes' if i % 2 else 'no'},0.5,0.5\n" for i in range(40))
    flat.write_text("case,group,fold,label,prob_no,prob_yes\n" + rows)
    files = {
        "rasd": classification(tmp_path / "a.csv", 3.0, 1),
        "flat": flat,
        "scratch": classification(tmp_path / "b.csv", 0.5, 2),
    }
    study = compare_study([Unit(Design("Dataset001_A"), {arm: {None: [f]} for arm, f in files.items()})], "scratch")
    assert study.sentence == (
        "Of 2 comparisons with scratch, the other arm is better in 1 and worse in 0 at p < 0.05 after Holm's "
        "correction; no difference is shown in 0; in 1 all trainings of an arm collapsed. 1 training collapsed, in 1 "
        "of 2 comparisons: not a difference in quality."
    )
    assert "1 training collapsed and is part of all figures." in methods_paragraph(study)


def test_text_cannot_become_a_command() -> None:
    assert export.latex_text("a_b & 50 % {x} \\y") == "a\\_b \\& 50 \\% \\{x\\} \\textbackslash{}y"


def test_the_methods_paragraph_names_what_was_done(study: Study) -> None:
    text = methods_paragraph(study)
    for part in (
        "rasd, voco were compared with scratch",
        "(8 cases a comparison)",
        "studentised sign-flip",
        ("Holm 1979"),
    ):
        assert part in text, part
    assert "Obuchowski" not in text


def test_kinds_are_told_by_the_file(tmp_path: Path) -> None:
    files = {
        arm: [
            classification(tmp_path / f"{arm}.csv", q, q),
            detection(tmp_path / f"{arm}.json", 1.0 / q, q),
        ]
        for arm, q in (("rasd", 2), ("scratch", 1))
    }
    units = [Unit(Design(str(k)), {arm: {None: [f[k]]} for arm, f in files.items()}) for k in (0, 1)]
    found = compare_study(units, "scratch")
    assert [e.comparison.kind for e in found.entries] == ["classification", "detection"]
    assert not found.across  # AUC and IoU have no mean
    mixed = [Unit(Design("x"), {"rasd": {None: [files["rasd"][0]]}, "scratch": {None: [files["scratch"][1]]}})]
    with pytest.raises(CompareError, match="records of classification, detection; expected one kind"):
        compare_study(mixed, "scratch")


def test_a_study_without_control_is_refused(write_summary: Write) -> None:
    unit = Unit(Design("x"), {"rasd": {None: [write_summary("a.json", {"c1": 0.5, "c2": 0.6})]}})
    with pytest.raises(CompareError, match="x has no arm 'scratch', only rasd"):
        compare_study([unit], "scratch")
    with pytest.raises(CompareError, match="no arm but the control"):
        compare_study([unit], "rasd")


def test_a_large_study_is_fast() -> None:
    """56 data sets x 200 cases x 5 labels x 10,000 resamples in 20 s on two cores: a tenth of it on one, with slack."""
    rng = np.random.default_rng(0)
    values = rng.normal(0.02, 0.05, (6, 200))
    request = Request(n_resamples=10_000)
    begin = time.process_time()
    for _ in range(3):
        paired_statistics(ScoreTable("Dice", 0.6 + values[:1], np.full((1, 200), 0.6), None), request)
        tables = {str(k): ScoreTable("Dice", values[k : k + 1], np.zeros((1, 200)), None) for k in range(1, 6)}
        each_label(tables, request)
    assert time.process_time() - begin < 3 * 40 / 56 * 2
