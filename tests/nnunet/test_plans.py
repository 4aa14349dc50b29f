from __future__ import annotations

import importlib.metadata
import json

import pytest

from rasd_nnu.errors import PlansError, SetupError
from rasd_nnu.nnunet.datasets import dataset_name
from rasd_nnu.nnunet.env import nnunet_folder, require_nnunet
from rasd_nnu.nnunet.plans import planned_target, read_plans
from tests.helpers import tiny_dataset

VARIABLES = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")


@pytest.fixture
def folders(tmp_path, monkeypatch):
    for variable in VARIABLES:
        (tmp_path / variable).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / variable))
    return tmp_path


@pytest.mark.parametrize("variable", VARIABLES)
def test_unset_variable_is_named_with_its_mend(variable, monkeypatch):
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(SetupError, match=f"{variable} is not set.*export {variable}="):
        nnunet_folder(variable)


@pytest.mark.parametrize("version", ["2.7.0", "2.5.1", "1.7.1"])
def test_old_nnunet_is_refused_with_the_upgrade_command(version, monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)
    with pytest.raises(SetupError, match=rf"nnunetv2 {version} .*at least 2.8.*pip install --upgrade"):
        require_nnunet()


@pytest.mark.parametrize("version", ["2.8.0", "2.10.1", "3.0"])
def test_new_nnunet_is_accepted(version, monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)
    assert require_nnunet() == version


def test_missing_nnunet_is_told(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(SetupError, match="nnunetv2 is not installed.*pip install"):
        require_nnunet()


@pytest.mark.parametrize("given", [4, "4", "004", "Dataset004_Hippocampus"])
def test_a_data_set_is_found_by_id_and_by_name(given, folders):
    (folders / "nnUNet_raw" / "Dataset004_Hippocampus").mkdir()
    assert dataset_name(given) == "Dataset004_Hippocampus"


def test_unknown_data_set_lists_what_there_is(folders):
    (folders / "nnUNet_raw" / "Dataset004_Hippocampus").mkdir()
    with pytest.raises(PlansError, match=r"no data set 'Dataset004_Hipocampus'.*Did you mean 'Dataset004_Hippocampus'"):
        dataset_name("Dataset004_Hipocampus")


def test_an_id_with_two_names_is_ambiguous(folders):
    (folders / "nnUNet_raw" / "Dataset004_A").mkdir()
    (folders / "nnUNet_results" / "Dataset004_B").mkdir()
    with pytest.raises(PlansError, match="ambiguous: Dataset004_A, Dataset004_B"):
        dataset_name(4)


@pytest.mark.parametrize(
    ("plans", "command"),
    [
        ("nnUNetPlans", "nnUNetv2_plan_and_preprocess -d 4 --verify_dataset_integrity$"),
        ("nnUNetResEncUNetLPlans", "-d 4 --verify_dataset_integrity -pl nnUNetPlannerResEncL$"),
    ],
)
def test_missing_plans_print_the_planning_command(plans, command, folders):
    (folders / "nnUNet_raw" / "Dataset004_Hippocampus").mkdir()
    with pytest.raises(PlansError, match=command):
        read_plans(4, plans)


def test_broken_plans_are_one_line(folders):
    folder = folders / "nnUNet_preprocessed" / "Dataset004_Hippocampus"
    folder.mkdir()
    (folder / "nnUNetPlans.json").write_text("{")
    with pytest.raises(PlansError, match="nnUNetPlans.json is not valid JSON"):
        read_plans(4)


def test_unknown_configuration_suggests_the_nearest(tmp_path, monkeypatch):
    tiny_dataset(tmp_path, monkeypatch, preprocess=())
    file = next(tmp_path.rglob("nnUNetPlans.json"))
    name = json.loads(file.read_text())["dataset_name"]
    with pytest.raises(PlansError, match="no configuration '3d_fulres'.*Did you mean '3d_fullres'"):
        planned_target(name, "3d_fulres")
