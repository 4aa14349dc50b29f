"""An export replaces an earlier export, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from rasd_nnu.checkpoints.file import atomic_save, safe_load
from rasd_nnu.cli.main import main
from tests.helpers import TinyDataset
from tests.safety.mutate import files_below
from tests.safety.parts import one_line, trained_model


def _run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(["export", *arguments])
    assert not end.value.code


def test_the_training_itself_is_never_the_target(
    data: TinyDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = trained_model(data, ("0", "1"))
    (model / "fold_1" / "checkpoint_best.pth").touch()
    before = files_below(tmp_path)
    results = str(data.results.parent)
    line = one_line(["export", str(model), "-f", "0", "--out", results, "--overwrite"], capsys)
    assert "is the model itself" in line
    assert files_below(tmp_path) == before


def test_another_training_is_not_replaced(
    data: TinyDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = trained_model(data)
    target = tmp_path / "out" / data.name / model.name
    (target / "fold_1").mkdir(parents=True)
    (target / "fold_1" / "checkpoint_latest.pth").write_text("hours of work")
    before = files_below(tmp_path)
    line = one_line(["export", str(model), "--out", str(tmp_path / "out"), "--overwrite"], capsys)
    assert "is no earlier export" in line
    assert files_below(tmp_path) == before


def test_a_link_is_not_followed(data: TinyDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = trained_model(data)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "rasd_export.json").write_text("{}")
    target = tmp_path / "out" / data.name / model.name
    target.parent.mkdir(parents=True)
    target.symlink_to(tmp_path / "precious")
    assert "is no earlier export" in one_line(
        ["export", str(model), "--out", str(tmp_path / "out"), "--overwrite"], capsys
    )
    assert (tmp_path / "precious" / "rasd_export.json").read_text() == "{}"


def test_an_earlier_export_is_replaced_if_told(
    data: TinyDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = trained_model(data, ("0", "1")), str(tmp_path / "out")
    _run(str(model), "--out", out)
    capsys.readouterr()
    assert "--overwrite" in one_line(["export", str(model), "--out", out, "-f", "0"], capsys)
    _run(str(model), "--out", out, "-f", "0", "--overwrite")
    target = tmp_path / "out" / data.name / model.name
    assert sorted(p.name for p in target.glob("fold_*")) == ["fold_0"]
    assert [p.name for p in target.parent.iterdir()] == [target.name]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1j])
def test_weights_that_are_no_finite_numbers_are_not_exported(
    data: TinyDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str], value: complex
) -> None:
    model = trained_model(data)
    file = model / "fold_0" / "checkpoint_final.pth"
    content = safe_load(file)
    name = next(iter(content["network_weights"]))
    weights = content["network_weights"]
    weights[name] = torch.full_like(weights[name], value, dtype=torch.complex64 if value == 1j else torch.float32)
    atomic_save(content, file)
    for more in ([], ["--stock-trainer"]):
        assert "expected finite weights" in one_line(
            ["export", str(model), "--out", str(tmp_path / "out"), *more], capsys
        )
    assert not list((tmp_path / "out").rglob("*.pth"))
