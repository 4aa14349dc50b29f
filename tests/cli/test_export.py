from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.training.logging.nnunet_logger import MetaLogger
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from rasd_nnu.checkpoints.file import safe_load
from rasd_nnu.cli.main import main
from rasd_nnu.nnunet.env import trainers_folder
from tests.helpers import TinyDataset, tiny_dataset
from tests.trainers.helpers import make_trainer, write_checkpoint

NAME = "RaSDTrainer_1epochs_1iters"

# nnU-Net's own command in a process that cannot import this package: its entries in the import system (the finder of
# an editable installation, the folder of a plain one) are answered with what a machine without it would say.
WITHOUT_US = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "rasd_nnu":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
try:
    import rasd_nnu
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("rasd_nnu is still there")

from nnunetv2.inference.predict_from_raw_data import predict_entry_point

predict_entry_point()
"""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyDataset:
    monkeypatch.setattr(nnUNetTrainer, "plot_network_architecture", lambda self: None)
    monkeypatch.setattr(MetaLogger, "plot_progress_png", lambda self, folder: None)
    return tiny_dataset(tmp_path, monkeypatch, preprocess=("3d_fullres",))


@pytest.fixture
def trained(data: TinyDataset) -> TinyDataset:
    """The data set with one trained fold."""
    write_checkpoint(data)
    make_trainer(data, NAME).run_training()
    return data


def _run(args: list[str]) -> int:
    with pytest.raises(SystemExit) as end:
        main(["export", *args])
    return int(end.value.code or 0)


def _predict_elsewhere(data: TinyDataset, results: Path) -> np.ndarray:
    """Predict one case with nnU-Net's command, where this package cannot be imported; return its voxels."""
    script, images, out = (data.root / name for name in ("elsewhere.py", "images", "theirs"))
    script.write_text(WITHOUT_US)
    images.mkdir()
    image = data.raw / "imagesTr" / "case_3_0000.nii.gz"
    (images / image.name).write_bytes(image.read_bytes())
    variables = {key: value for key, value in os.environ.items() if key != "nnUNet_extTrainer"}
    command = f"{script} -i {images} -o {out} -d 901 -c 3d_fullres -f 0 -device cpu --disable_tta -npp 0 -nps 0"
    subprocess.run(
        [sys.executable, *command.split()],
        env={**variables, "OMP_NUM_THREADS": "1", "nnUNet_results": str(results)},
        check=True,
        capture_output=True,
    )
    return _voxels(out / "case_3.nii.gz")


def _predict_here(data: TinyDataset) -> np.ndarray:
    """Predict the same case with the trained model itself; return its voxels."""
    predictor = nnUNetPredictor(use_mirroring=False, perform_everything_on_device=False, device=torch.device("cpu"))
    predictor.initialize_from_trained_model_folder(str(data.results / f"{NAME}__nnUNetPlans__3d_fullres"), (0,))
    assert predictor.trainer_name == NAME
    image = data.raw / "imagesTr" / "case_3_0000.nii.gz"
    predictor.predict_from_files_sequential([[str(image)]], [str(data.root / "ours")])
    return _voxels(data.root / "ours.nii.gz")


def _voxels(path: Path) -> np.ndarray:
    return np.asarray(nibabel.load(path).dataobj)  # type: ignore[attr-defined]


@pytest.mark.slow
def test_stock_nnunet_without_this_package_predicts_the_same_voxels(
    trained: TinyDataset, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = trained.root / "shared"
    args = [str(trained.results / f"{NAME}__nnUNetPlans__3d_fullres"), "--stock-trainer", "--out", str(shared)]
    assert _run(args) == 0
    assert f"nnUNet_results={shared} nnUNetv2_predict -i INPUT -o OUTPUT -d 901 -c 3d_fullres -tr nnUNetTrainer" in (
        capsys.readouterr().out
    )
    theirs = _predict_elsewhere(trained, shared)
    monkeypatch.setenv("nnUNet_extTrainer", str(trainers_folder()))
    ours = _predict_here(trained)
    assert np.array_equal(ours, theirs)
    assert len(np.unique(ours)) > 1


def test_stock_export_holds_what_predicting_needs_and_no_path_of_ours(trained: TinyDataset) -> None:
    plans = trained.results / f"{NAME}__nnUNetPlans__3d_fullres" / "plans.json"
    content = json.loads(plans.read_text())
    plans.write_text(json.dumps({**content, "pretrain_info": {"checkpoint_path": "/home/me/secret.pth"}}))
    out = trained.root / "shared"
    assert _run(["901", "-c", "3d_fullres", "-tr", NAME, "--stock-trainer", "--out", str(out)]) == 0
    folder = out / trained.name / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    found = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    ours = ["rasd_export.json"]
    assert found == ["dataset.json", "dataset_fingerprint.json", "fold_0/checkpoint_final.pth", "plans.json", *ours]
    checkpoint = safe_load(folder / "fold_0" / "checkpoint_final.pth")
    assert checkpoint["trainer_name"] == "nnUNetTrainer"
    assert checkpoint["init_args"]["configuration"] == "3d_fullres"
    assert checkpoint["rasd_export"]["trainer_name"] == NAME
    assert checkpoint["rasd_export"]["recipe"]["optimizer"] == "sgd"
    assert "optimizer_state" not in checkpoint
    assert "secret" not in (folder / "plans.json").read_text() + str(checkpoint["init_args"])
    assert list(out.rglob(".export_*")) == []


def test_export_keeps_the_trainer_unless_told(trained: TinyDataset, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["901", "-c", "3d_fullres", "-tr", NAME, "--out", str(trained.root / "x"), "-f", "0", "--json"]
    assert _run(args) == 0
    assert json.loads(capsys.readouterr().out)["folder"].endswith(f"{NAME}__nnUNetPlans__3d_fullres")
    assert _run(args) == 2
    assert "exists. Give --overwrite, or another --out" in capsys.readouterr().err
    assert _run([*args, "--overwrite"]) == 0


def test_network_that_is_not_the_planned_one(trained: TinyDataset, capsys: pytest.CaptureFixture[str]) -> None:
    path = trained.results / f"{NAME}__nnUNetPlans__3d_fullres" / "fold_0" / "checkpoint_final.pth"
    content = torch.load(path, weights_only=False)
    content["network_weights"] = {"out.conv.weight": torch.zeros(1)}
    torch.save(content, path)
    args = ["901", "-c", "3d_fullres", "-tr", NAME, "--out", str(trained.root / "x")]
    assert _run([*args, "--stock-trainer"]) == 2
    assert f"({NAME}) does not hold the planned network" in capsys.readouterr().err
    assert list((trained.root / "x").rglob("*.pth")) == []
    assert _run(args) == 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["901"], "is no model's folder; to export a data set's model give -c"),
        (["901", "-c", "3d_fullres", "-tr", "RaSDTrainer_9epochs"], f"(found: {NAME}__nnUNetPlans__3d_fullres)"),
        (["901", "-c", "3d_fullres", "-tr", NAME, "-f", "0,3"], "has no checkpoint_final.pth of fold 3 (found: 0)"),
        (["."], "has no plans.json, expected a model's folder"),
    ],
)
def test_model_that_is_not_there(
    trained: TinyDataset, capsys: pytest.CaptureFixture[str], args: list[str], said: str
) -> None:
    assert _run([*args, "--out", str(trained.root / "x")]) == 2
    assert said in capsys.readouterr().err
