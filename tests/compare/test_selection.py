from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rasd_nnu.cli.main import main
from tests.compare.conftest import summary_dict

Train = Callable[..., Path]
Write = Callable[..., Path]
A = {f"c{i}": 0.51 + i / 100 for i in range(6)}
B = {f"c{i}": 0.5 for i in range(6)}


def _run(args: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["compare", *args])
    captured = capsys.readouterr()
    return int(end.value.code or 0), captured.out, captured.err


def _fails(args: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _run(args, capsys)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def _json(args: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    code, out, err = _run([*args, "--json", "-"], capsys)
    assert (code, err) == (0, "")
    return json.loads(out)


def test_three_arms(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    for trainer, scores in (("RaSDTrainer", A), ("RaSDTrainer_fromvoco", A), ("RaSDTrainer_scratch", B)):
        train(trainer, scores)
    found = _json(["4", "-c", "3d_fullres", "--arms", "rasd,voco"], capsys)
    names = [entry["comparison"]["names"] for entry in found["entries"]]
    assert names == [["RaSDTrainer", "RaSDTrainer_scratch"], ["RaSDTrainer_fromvoco", "RaSDTrainer_scratch"]]


def test_seeds_are_crossed(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (0, 1, 2):
        train(f"RaSDTrainer_seed{seed}", {c: s + seed / 500 for c, s in A.items()})
        train(f"RaSDTrainer_scratch_seed{seed}", {c: s - seed / 250 for c, s in B.items()})
    found = _json(["4", "-c", "3d_fullres", "--seeds", "0,1,2"], capsys)
    assert (found["overall"]["method"], found["overall"]["n_seeds"]) == ("crossed", 3)


def test_all_takes_what_has_both_arms_and_names_the_rest(
    train: Train, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train("RaSDTrainer", A)
    train("RaSDTrainer_scratch", B)
    lonely = results.parent / "Dataset005_Lonely" / "RaSDTrainer__nnUNetPlans__2d"
    (lonely / "fold_0" / "validation").mkdir(parents=True)
    (lonely / "fold_0" / "validation" / "summary.json").write_text(json.dumps(summary_dict({"c": {"1": 0.5}})))
    code, out, _ = _run(["--all"], capsys)
    assert code == 0
    assert "Not compared: Dataset005_Lonely, 2d has no validated training of RaSDTrainer_scratch." in out


def test_another_recipe_is_refused_unless_allowed(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    train("RaSDTrainer", A, num_epochs="3")
    train("RaSDTrainer_scratch", B, torch_version="1")
    args = ["4", "-c", "3d_fullres"]
    _fails(args, "more than the initial weights: debug.json: num_epochs: 3 | 2; expected one recipe", capsys)
    found = _json([*args, "--allow-recipe-diff"], capsys)
    assert len(found["recipe_differences"]) == 2
    train("RaSDTrainer_fromvoco", A)
    assert _run([*args, "--trainer", "RaSDTrainer_fromvoco"], capsys)[0] == 0  # another torch is no other recipe


def test_test_predictions(train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train("RaSDTrainer", A)
    train("RaSDTrainer_scratch", B)
    for trainer, scores in (("RaSDTrainer", B), ("RaSDTrainer_scratch", A)):
        folder = tmp_path / "test" / trainer
        folder.mkdir(parents=True)
        content = summary_dict({case: {"1": score} for case, score in scores.items()})
        (folder / "summary.json").write_text(json.dumps(content))
    found = _json(["4", "-c", "3d_fullres", "--predictions", str(tmp_path / "test")], capsys)
    assert found["overall"]["difference"] < 0
    (tmp_path / "test" / "RaSDTrainer" / "summary.json").unlink()
    _fails(["4", "-c", "3d_fullres", "--predictions", str(tmp_path / "test")], "holds no summary.json", capsys)


def test_named_records(write_summary: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {name: write_summary(f"{name}/summary.json", s).parent for name, s in (("x", A), ("y", A), ("z", B))}
    text = ",".join(f"{name}={folder}" for name, folder in files.items())
    found = _json(["--arms", text], capsys)
    assert [e["comparison"]["names"] for e in found["entries"]] == [["x", "z"], ["y", "z"]]
    _fails(["--arms", f"x={files['x']}"], "names one arm", capsys)
    _fails(["--arms", f"x={files['x']},voco"], "mixes names and paths", capsys)
    _fails(["--arms", text, "--all"], "which look in nnUNet_results", capsys)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    units = []
    for name in ("Dataset001_A", "Dataset002_B"):
        for arm, scores in (("rasd", A), ("scratch", B)):
            for seed in (0, 1):
                path = tmp_path / "study" / name / f"{arm}{seed}.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                content = {c: {"1": round(s + seed / 100 + (hash((c, arm)) % 7) / 1000, 3)} for c, s in scores.items()}
                path.write_text(json.dumps(summary_dict(content)))
                relative = str(path.relative_to(tmp_path / "study"))
                units.append({"dataset": name, "arm": arm, "seed": seed, "fold": 0, "n": 20, "path": relative})
    (tmp_path / "study" / "records.json").write_text(json.dumps({"version": 1, "units": units}))
    return tmp_path / "study"


def _edit(study: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    content = json.loads((study / "records.json").read_text())
    content["units"] = change(content["units"])
    (study / "records.json").write_text(json.dumps(content))


def test_a_study(study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("nnUNet_raw", raising=False)
    found = _json(["--study", str(study)], capsys)
    assert [e["design"]["dataset"] for e in found["entries"]] == ["Dataset001_A", "Dataset002_B"]
    assert found["entries"][0]["comparison"]["overall"]["method"] == "crossed"
    assert found["across"][0]["result"]["n_datasets"] == 2


def test_a_study_with_holes(study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("nnUNet_raw", raising=False)
    _fails(
        ["--study", str(study), "--arms", "rsd"], "has no arm 'rsd', only rasd, scratch. Did you mean 'rasd'?", capsys
    )
    _edit(study, lambda units: units[:-1])  # scratch, seed 1 of the second data set
    message = "Dataset002_B, n = 20: arm 'scratch' has no seed 1 and fold 0"
    _fails(["--study", str(study)], message, capsys)
    found = _json(["--study", str(study), "--allow-unmatched"], capsys)
    assert found["entries"][1]["comparison"]["overall"]["n_seeds"] == 1
    _edit(study, lambda units: units[:-1])
    found = _json(["--study", str(study)], capsys)
    assert found["skipped"] == ["Dataset002_B, n = 20 has no arm scratch"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["4", "-c", "2d", "--all"], "got DATASET and --all; expected one way"),
        (["4", "-c", "2d", "--margin", "0"], "--margin is 0.0, expected a difference above 0"),
        (["4", "-c", "2d", "--rope", "-1"], "--rope is -1.0"),
        (["4", "-c", "2d", "--metrics", "asd"], "metric 'asd' is unknown"),
        (["--task", "nonsense", "-c", "2d"], "unknown task 'nonsense'"),
        (["--study", "nowhere"], "cannot read nowhere/records.json"),
        (["--all"], "has all of RaSDTrainer, RaSDTrainer_scratch: empty"),
    ],
)
@pytest.mark.usefixtures("results")
def test_unusable_requests(args: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    _fails(args, message, capsys)
