"""Names that come from files or from a person lead nowhere else."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from rasd_nnu.checkpoints.file import atomic_save, safe_load
from rasd_nnu.checkpoints.registry import default_path
from rasd_nnu.errors import ConfigError, PlansError, UserError
from rasd_nnu.nnunet.datasets import dataset_id, dataset_name
from rasd_nnu.nnunet.names import plain_fold, plain_name
from rasd_nnu.nnunet.plans import read_plans
from rasd_nnu.nnunet.results import Training
from tests.helpers import TinyDataset
from tests.safety.mutate import files_below
from tests.safety.parts import one_line, trained_model, write_json

BAD = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "a\\b",
    "/etc",
    "-x",
    "a\x00",
    "a\x1b[31m",
    "x" * 300,
    "a\nb",
    "\udcff",
    ".x",
    None,
    3,
]


@pytest.mark.parametrize("name", BAD)
def test_bad_names(name: object) -> None:
    with pytest.raises(PlansError, match="expected a plain name"):
        plain_name(name, "the name")
    with pytest.raises(ConfigError, match="plain name"):
        Training(Path("r"), "Dataset001_A", "T", "P", name)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["3d_fullres", "nnUNetResEncUNetLPlans_24G", "Dataset004_Herz (v2)", "a.b+c", "läber"])
def test_good_names(name: str) -> None:
    assert plain_name(name, "the name") == name


@pytest.mark.parametrize("fold", ["..", "0/../../x", "²", "-1", "12345", "", None, 1.5])
def test_bad_folds(fold: object) -> None:
    with pytest.raises(PlansError, match="the fold is"):
        plain_fold(fold)


def test_good_folds() -> None:
    assert [plain_fold(fold) for fold in (0, "4", "all")] == ["0", "4", "all"]


@pytest.mark.parametrize(
    "name", ["²", "1" * 5000, "Dataset²²²_X", "../Dataset901_Tiny", "\x1b[2J", "x" * 5000, "\udcff"]
)
def test_bad_data_sets(data: TinyDataset, name: str) -> None:
    with pytest.raises(PlansError) as error:
        dataset_name(name)
    assert len(str(error.value)) < 500
    assert str(error.value).isprintable()
    with pytest.raises(PlansError):
        dataset_id(name)


def test_plans_name_of_a_person(data: TinyDataset) -> None:
    with pytest.raises(PlansError, match="plain name"):
        read_plans(data.name, "../nnUNetPlans")


def test_export_leaves_a_victim_that_a_configuration_names(
    data: TinyDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    victim = tmp_path / "victim"
    write_json(victim / "precious.json", 1)
    evil = "x/../../../../victim"
    model = trained_model(data)
    plans = copy.deepcopy(data.plans)
    plans["configurations"][evil] = plans["configurations"]["3d_fullres"]
    write_json(model / "plans.json", plans)
    checkpoint = model / "fold_0" / "checkpoint_final.pth"
    content = safe_load(checkpoint)
    content["init_args"]["configuration"] = evil
    atomic_save(content, checkpoint)
    before = files_below(tmp_path)
    for more in ([], ["--overwrite"], ["--stock-trainer"]):
        assert "plain name" in one_line(["export", str(model), "--out", str(tmp_path / "out"), *more], capsys)
    assert files_below(tmp_path) == before


@pytest.mark.parametrize("key", ["dataset_name", "plans_name"])
@pytest.mark.parametrize("value", ["../../escape", "Dataset901_../../x", "/tmp/escape"])
def test_names_in_plans_stay_inside(
    data: TinyDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, value: str
) -> None:
    model = trained_model(data, **{key: value})
    write_json(data.preprocessed / "nnUNetPlans.json", {**data.plans, key: value})
    before = files_below(tmp_path)
    assert key in one_line(["export", str(model), "--out", str(tmp_path / "out")], capsys)
    assert key in one_line(["pretrain", "--dataset", data.name, "-c", "3d_fullres", "--iterations", "1"], capsys)
    assert files_below(tmp_path) == before


def test_trainer_names_in_checkpoints_stay_inside(
    data: TinyDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = trained_model(data)
    checkpoint = model / "fold_0" / "checkpoint_final.pth"
    atomic_save({**safe_load(checkpoint), "trainer_name": "../../../escape"}, checkpoint)
    before = files_below(tmp_path)
    assert "trainer" in one_line(["export", str(model), "--out", str(tmp_path / "out")], capsys)
    assert "plain name" in one_line(["export", str(model), "--out", str(tmp_path / "out"), "-chk", "../../x"], capsys)
    assert files_below(tmp_path) == before


def test_plans_of_another_data_set_are_refused(data: TinyDataset) -> None:
    write_json(data.preprocessed / "nnUNetPlans.json", {**data.plans, "dataset_name": "Dataset902_Other"})
    with pytest.raises(PlansError, match="is of data set Dataset902_Other"):
        read_plans(data.name)


def test_every_target_lies_among_the_checkpoints(data: TinyDataset, tmp_path: Path) -> None:
    from rasd_nnu.nnunet.plans import planned_target

    path = default_path(planned_target(data.name, "3d_fullres"))
    assert path.resolve().is_relative_to((tmp_path / "checkpoints").resolve())


def test_too_long_and_undecodable_paths(data: TinyDataset, capsys: pytest.CaptureFixture[str]) -> None:
    for path in ("x" * 5000, "a\udcff.pth"):
        line = one_line(["inspect", path], capsys)
        assert len(line) < 600
        line.encode()
    with pytest.raises(UserError):
        dataset_name("~nouser/" + "x" * 5000)
