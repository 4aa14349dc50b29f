from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rasd_nnu.cli.main import main

Write = Callable[..., Path]
Train = Callable[..., Path]
SCORES_A = {f"c{i}": 0.51 + i / 100 for i in range(6)}
SCORES_B = {f"c{i}": 0.5 for i in range(6)}
DATASET = ["compare", "4", "-c", "3d_fullres", "--trainer", "RaSDTrainer_2epochs", "--vs", "scratch"]


def _run(args: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(args)
    captured = capsys.readouterr()
    return int(end.value.code or 0), captured.out, captured.err


def _fails(args: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _run(args, capsys)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err


def test_compares_two_trainings(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    train("RaSDTrainer_2epochs", SCORES_A)
    train("RaSDTrainer_scratch_2epochs", SCORES_B)
    for name in ("4", "Dataset004_Hippocampus"):
        code, out, _ = _run(["compare", name, *DATASET[2:], "-f", "0"], capsys)
        assert code == 0
        assert "RaSDTrainer_2epochs is better than RaSDTrainer_scratch_2epochs" in out


def test_cases_csv_of_the_data_set_is_used(
    train: Train, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train("RaSDTrainer_2epochs", SCORES_A)
    train("RaSDTrainer_scratch_2epochs", SCORES_B)
    raw = tmp_path / "nnUNet_raw" / results.name
    raw.mkdir()
    (raw / "cases.csv").write_text("case,group\n" + "".join(f"c{i},p{i // 2}\n" for i in range(6)))
    assert "3 groups (6 cases)" in _run(DATASET, capsys)[1]


def test_json_on_stdout_is_nothing_but_json(write_summary: Write, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = write_summary("a.json", SCORES_A), write_summary("b.json", SCORES_B)
    _, out, _ = _run(["compare", "--a", str(a), "--b", str(b), "--name-a", "rasd", "--json", "-"], capsys)
    assert json.loads(out)["names"] == ["rasd", "B"]


def test_writes_files_and_overwrites_only_when_told(
    write_summary: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = write_summary("a.json", SCORES_A), write_summary("b.json", SCORES_B)
    args = ["compare", "--a", str(a), "--b", str(b), "--json", str(tmp_path / "out.json")]
    args += ["--csv", str(tmp_path / "out.csv")]
    assert _run(args, capsys)[0] == 0
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 7
    (tmp_path / "out.json").write_text("mine")
    _fails(args, "exists; give another name, or replace it with --overwrite", capsys)
    assert (tmp_path / "out.json").read_text() == "mine"
    assert _run([*args, "--overwrite"], capsys)[0] == 0
    assert json.loads((tmp_path / "out.json").read_text())["overall"]["n_cases"] == 6


def test_one_arm_missing(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    train("RaSDTrainer_2epochs", SCORES_A)
    _fails(DATASET, "nnUNetv2_train 4 3d_fullres 0 -tr RaSDTrainer_scratch_2epochs", capsys)


def test_different_cases(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    train("RaSDTrainer_2epochs", SCORES_A)
    train("RaSDTrainer_scratch_2epochs", {**SCORES_B, "c9": 0.5})
    _fails(DATASET, "only in RaSDTrainer_scratch_2epochs: c9; 6 are shared", capsys)


def test_results_folder_not_set(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("nnUNet_results", raising=False)
    _fails(DATASET, "nnUNet_results is not set", capsys)


@pytest.mark.usefixtures("results")
def test_unknown_data_set(capsys: pytest.CaptureFixture[str]) -> None:
    _fails(["compare", "7", "-c", "2d"], "no data set '7'", capsys)


@pytest.mark.usefixtures("results")
@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "nothing to compare"),
        (["4"], "nothing to compare"),
        (["--a", "x.json"], "got only --a"),
        (["--b", "x.json"], "got only --b"),
        (["4", "--a", "x.json", "--b", "y.json"], "together with DATASET, which look in nnUNet_results"),
        (["--a", "x", "--b", "y", "-f", "0", "--seeds", "0,1"], "together with -f, --seeds, which look"),
        (["--a", "x.json", "--b", "y.json"], "x.json does not exist"),
        (["4", "-c", "2d", "--seeds", "0,x"], "--seeds '0,x' is not a list"),
        (["4", "-c", "2d", "--seeds", "1,1"], "--seeds '1,1' is not a list"),
        (["4", "-c", "2d", "--trainer", "nnUNetTrainer"], "has no scratch arm"),
    ],
)
def test_unusable_requests(args: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    _fails(["compare", *args], message, capsys)


def test_unusable_files(write_summary: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, one = write_summary("a.json", SCORES_A), write_summary("one.json", {"c1": 0.5})
    other_one = write_summary("two.json", {"c1": 0.6})
    (tmp_path / "plans.json").write_text('{"plans_name": "x"}')
    (tmp_path / "empty.json").write_text('{"metric_per_case": []}')
    _fails(["compare", "--a", str(good), "--b", str(tmp_path / "plans.json")], "is not a summary.json", capsys)
    _fails(["compare", "--a", str(good), "--b", str(tmp_path / "empty.json")], "has no cases", capsys)
    _fails(["compare", "--a", str(one), "--b", str(other_one)], "n = 1", capsys)
    rule = ["--nan-rule", "zero"]
    _fails(["compare", "--a", str(good), "--b", str(one), *rule], "NaN rule 'zero' is unknown", capsys)
