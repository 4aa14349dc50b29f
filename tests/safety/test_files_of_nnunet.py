"""Plans, ``dataset.json`` and nnU-Net's folders of the wrong shape are one line."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from rasd_nnu.checkpoints.registry import default_path
from rasd_nnu.cli import doctor
from rasd_nnu.errors import DatasetError, PlansError, SetupError, UserError
from rasd_nnu.nnunet.env import checkpoints_folder, nnunet_folder, require_folders
from rasd_nnu.nnunet.plans import planned_target
from rasd_nnu.nnunet.splits import read_splits
from rasd_nnu.workflows.experiment.compact import add_compact
from rasd_nnu.workflows.study.splits import folds_of
from tests.helpers import TinyDataset
from tests.safety.parts import one_line, target_of, write_json


@pytest.mark.parametrize("plans", [{}, [], None, 1, "plans", {"configurations": {}}, {"plans_name": "nnUNetPlans"}])
def test_plans_of_another_shape(data: TinyDataset, plans: Any, capsys: pytest.CaptureFixture[str]) -> None:
    write_json(data.preprocessed / "nnUNetPlans.json", plans)
    assert "nnUNetPlans.json" in one_line(["pretrain", "--dataset", data.name, "-c", "3d_fullres"], capsys)
    with pytest.raises(UserError):
        add_compact(data.preprocessed / "nnUNetPlans.json", data.dataset_json, "3d_fullres")


@pytest.mark.parametrize("key", ["plans_name", "dataset_name", "configurations"])
def test_plans_without_an_entry(data: TinyDataset, key: str) -> None:
    write_json(data.preprocessed / "nnUNetPlans.json", {k: v for k, v in data.plans.items() if k != key})
    with pytest.raises(PlansError, match=f"'{key}' is missing"):
        planned_target(data.name, "3d_fullres")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("spacing", None),
        ("spacing", [1.0, 0.0, 1.0]),
        ("spacing", [1.0, 1.0]),
        ("patch_size", [16, 16]),
        ("patch_size", [16, 18, 16]),
        ("patch_size", [16, 16, 10**12]),
        ("patch_size", "16"),
        ("patch_size", [16, -16, 16]),
        ("patch_size", [16.5, 16, 16]),
        ("batch_size", 0),
        ("batch_size", None),
        ("normalization_schemes", ["NoSuchNormalization"]),
        ("normalization_schemes", "ZScoreNormalization"),
        ("normalization_schemes", ["../evil"]),
        ("data_identifier", "../../x"),
        ("architecture", None),
        ("architecture", {}),
        ("previous_stage", 3),
        ("inherits_from", "nothing"),
        ("inherits_from", None),
        ("preprocessor_name", "os.system"),
    ],
)
def test_configurations_of_another_shape(data: TinyDataset, key: str, value: Any) -> None:
    plans = copy.deepcopy(data.plans)
    plans["configurations"]["3d_fullres"][key] = value
    write_json(data.preprocessed / "nnUNetPlans.json", plans)
    with pytest.raises(PlansError):
        planned_target(data.name, "3d_fullres")


def test_inheriting_in_a_circle(data: TinyDataset) -> None:
    plans = copy.deepcopy(data.plans)
    plans["configurations"] |= {"a": {"inherits_from": "b"}, "b": {"inherits_from": "a"}, "c": {"inherits_from": "c"}}
    write_json(data.preprocessed / "nnUNetPlans.json", plans)
    for name, circle in (("a", "a -> b"), ("c", "c")):
        with pytest.raises(PlansError, match=f"inherits in a circle, {circle}"):
            planned_target(data.name, name)
    plans["configurations"]["a"] = {"inherits_from": "3d_fullres", "batch_size": 5}
    write_json(data.preprocessed / "nnUNetPlans.json", plans)
    assert planned_target(data.name, "b").batch_size == 5


def test_a_configuration_that_lacks_something(data: TinyDataset) -> None:
    plans = copy.deepcopy(data.plans)
    del plans["configurations"]["3d_fullres"]["architecture"], plans["configurations"]["3d_fullres"]["spacing"]
    write_json(data.preprocessed / "nnUNetPlans.json", plans)
    with pytest.raises(PlansError, match="has no spacing, UNet_class_name"):
        planned_target(data.name, "3d_fullres")


def test_the_older_format_of_plans(data: TinyDataset) -> None:
    plans = copy.deepcopy(data.plans)
    configuration = plans["configurations"]["3d_fullres"]
    kwargs = configuration.pop("architecture")["arch_kwargs"]
    configuration |= {
        "UNet_class_name": "PlainConvUNet",
        "UNet_base_num_features": 4,
        "unet_max_num_features": 16,
        "n_conv_per_stage_encoder": [1, 1, 1],
        "n_conv_per_stage_decoder": [1, 1],
        "num_pool_per_axis": [2, 2, 2],
        "pool_op_kernel_sizes": kwargs["strides"],
        "conv_kernel_sizes": kwargs["kernel_sizes"],
    }
    write_json(data.preprocessed / "nnUNetPlans.json", plans)
    assert planned_target(data.name, "3d_fullres").architecture == target_of(data).architecture
    configuration["UNet_class_name"] = "Evil"
    write_json(data.preprocessed / "nnUNetPlans.json", plans)
    with pytest.raises(PlansError, match="Evil"):
        planned_target(data.name, "3d_fullres")


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": None},
        {"labels": {}},
        {"labels": {"background": 0, "a": []}},
        {"labels": {"a": 1}},
        {"labels": {"background": 0, "a": "1"}},
        {"labels": {"background": [0], "a": 1}},
        {"labels": {"background": 0, "a": 1, "ignore": 1}},
        {"labels": {"background": 0, "a": [1, 2], "b": 2}},
        {"channel_names": {}},
        {"channel_names": ["MRI"]},
        {"file_ending": "../x"},
    ],
)
def test_dataset_json_of_another_shape(data: TinyDataset, changes: dict[str, Any]) -> None:
    write_json(data.preprocessed / "dataset.json", {**data.dataset_json, **changes})
    with pytest.raises(PlansError, match=r"dataset\.json"):
        planned_target(data.name, "3d_fullres")


def test_dataset_json_without_labels(data: TinyDataset) -> None:
    write_json(data.preprocessed / "dataset.json", {"channel_names": {"0": "MRI"}})
    with pytest.raises(PlansError, match="'labels' is missing"):
        planned_target(data.name, "3d_fullres")


@pytest.mark.parametrize(
    "splits",
    [{}, None, 3, [3], [{}], [{"train": 3, "val": []}], [{"train": [1], "val": []}], [{"train": [["a"]], "val": []}]],
)
def test_folds_of_another_shape(
    data: TinyDataset, tmp_path: Path, splits: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in (data.preprocessed, data.raw):
        write_json(folder / "splits_final.json", splits)
    for read in (read_splits, lambda file: folds_of(file.parent)):
        with pytest.raises(DatasetError, match=r"splits_final\.json is no list of"):
            read(data.raw / "splits_final.json")
    assert "splits_final.json" in one_line(["choose", data.name, "-c", "3d_fullres", "--device", "cpu"], capsys)


@pytest.mark.parametrize("variable", ["nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"])
def test_folders_that_name_a_file_or_nothing(
    data: TinyDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
) -> None:
    command = ["pretrain", "--dataset", data.name, "-c", "3d_fullres", "--iterations", "1"]
    (tmp_path / "file").touch()
    for value, expected in ((tmp_path / "file", "is not a folder"), (tmp_path / "none", f"mkdir -p {tmp_path}/none")):
        monkeypatch.setenv(variable, str(value))
        line = one_line(command, capsys)
        assert variable in line
        assert expected in line
    monkeypatch.setenv(variable, "x" * 5000)
    with pytest.raises(SetupError, match=variable):
        nnunet_folder(variable)
    assert not (tmp_path / "checkpoints").exists()


def test_home_folders_are_expanded(data: TinyDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("nnUNet_raw", "~/nnUNet_raw")
    monkeypatch.setenv("RASD_CHECKPOINTS", "~/weights")
    require_folders()
    assert nnunet_folder("nnUNet_raw") == tmp_path / "nnUNet_raw"
    assert default_path(target_of(data)).is_relative_to(tmp_path / "weights")
    raw = next(check for check in doctor.run_checks() if check.name == "nnUNet_raw")
    assert not raw.ok
    assert "does not expand '~'" in raw.found
    monkeypatch.setenv("RASD_CHECKPOINTS", "~no_such_user/weights")
    with pytest.raises(SetupError, match="no such home folder"):
        checkpoints_folder()
