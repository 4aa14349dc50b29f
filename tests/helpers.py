"""A tiny nnU-Net data set with hand-written plans, preprocessed by nnU-Net in seconds and in this process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

NAME = "Dataset901_Tiny"
CASES = 4
EDGE = 24


@dataclass(frozen=True)
class TinyDataset:
    """Where the data set lies, and its plans; the configurations are ``3d_fullres`` and ``2d``."""

    root: Path
    name: str
    plans: dict[str, Any]
    dataset_json: dict[str, Any]

    @property
    def id(self) -> int:
        return int(self.name[7:10])

    @property
    def raw(self) -> Path:
        return self.root / "nnUNet_raw" / self.name

    @property
    def preprocessed(self) -> Path:
        return self.root / "nnUNet_preprocessed" / self.name

    @property
    def results(self) -> Path:
        return self.root / "nnUNet_results" / self.name


def use_nnunet_folders(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point nnU-Net's folders and the checkpoint folder into ``root``; no worker processes."""
    for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        (root / variable).mkdir(parents=True, exist_ok=True)
        monkeypatch.setenv(variable, str(root / variable))
    monkeypatch.setenv("RASD_CHECKPOINTS", str(root / "checkpoints"))
    monkeypatch.delenv("RASD_CHECKPOINT", raising=False)
    monkeypatch.setenv("nnUNet_n_proc_DA", "0")
    monkeypatch.setenv("nnUNet_def_n_proc", "1")


def architecture(dims: int, features: tuple[int, ...] = (4, 8, 16), **changes: Any) -> dict[str, Any]:
    """Describe a plain U-Net as nnU-Net's plans do; ``changes`` replace entries of ``arch_kwargs``."""
    stages = len(features)
    kwargs = {
        "n_stages": stages,
        "features_per_stage": list(features),
        "conv_op": f"torch.nn.modules.conv.Conv{dims}d",
        "kernel_sizes": [[3] * dims] * stages,
        "strides": [[1] * dims] + [[2] * dims] * (stages - 1),
        "n_conv_per_stage": [1] * stages,
        "n_conv_per_stage_decoder": [1] * (stages - 1),
        "conv_bias": True,
        "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dims}d",
        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
    return {
        "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "arch_kwargs": {**kwargs, **changes},
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


def _resampling(order: int) -> dict[str, Any]:
    return {"is_seg": order == 1, "order": order, "order_z": 0, "force_separate_z": None}


def _configuration(dims: int, features: tuple[int, ...] = (4, 8, 16)) -> dict[str, Any]:
    name = "2d" if dims == 2 else "3d_fullres"
    resample = "resample_data_or_seg_to_shape"
    return {
        "data_identifier": f"nnUNetPlans_{name}",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": [16] * dims,
        "median_image_size_in_voxels": [float(EDGE)] * dims,
        "spacing": [1.0] * dims,
        "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [False],
        "resampling_fn_data": resample,
        "resampling_fn_seg": resample,
        "resampling_fn_data_kwargs": {**_resampling(3), "is_seg": False},
        "resampling_fn_seg_kwargs": _resampling(1),
        "resampling_fn_probabilities": resample,
        "resampling_fn_probabilities_kwargs": {**_resampling(1), "is_seg": False},
        "architecture": architecture(dims, features),
        "batch_dice": dims == 2,
    }


def tiny_plans(name: str = NAME, features: tuple[int, ...] = (4, 8, 16)) -> dict[str, Any]:
    """Return plans with the configurations ``3d_fullres`` and ``2d``."""
    intensities = {"max": 3.0, "mean": 0.5, "median": 0.5, "min": -3.0, "std": 1.0}
    return {
        "dataset_name": name,
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [1.0, 1.0, 1.0],
        "original_median_shape_after_transp": [EDGE] * 3,
        "image_reader_writer": "NibabelIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            "0": {**intensities, "percentile_00_5": -2.0, "percentile_99_5": 2.0}
        },
        "configurations": {"2d": _configuration(2, features), "3d_fullres": _configuration(3, features)},
    }


def _write_case(folder: Path, case: str, rng: np.random.Generator) -> None:
    """Write a noisy image with a bright and a dark box, and its label."""
    label = np.zeros((EDGE,) * 3, np.uint8)
    corner = rng.integers(2, 8, 3)
    for value, shift in ((1, 0), (2, 8)):
        box = tuple(slice(c + shift, c + shift + 6) for c in corner)
        label[box] = value
    image = (label == 1) * 2.0 - (label == 2) * 2.0 + rng.normal(0, 0.5, label.shape)
    nibabel.save(nibabel.Nifti1Image(image.astype(np.float32), np.eye(4)), folder / "imagesTr" / f"{case}_0000.nii.gz")
    nibabel.save(nibabel.Nifti1Image(label, np.eye(4)), folder / "labelsTr" / f"{case}.nii.gz")


def tiny_dataset(
    root: Path, monkeypatch: pytest.MonkeyPatch, *, preprocess: tuple[str, ...] = (), name: str = NAME
) -> TinyDataset:
    """Write a raw data set of four cases with two classes, and its plans; set nnU-Net's variables.

    Args:
        root: Folder for nnU-Net's three folders and the checkpoints.
        monkeypatch: Undoes the variables.
        preprocess: Configurations to preprocess, by nnU-Net's own code.
        name: Full name of the data set.
    """
    use_nnunet_folders(root, monkeypatch)
    cases = [f"case_{i}" for i in range(CASES)]
    dataset_json = {
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, "bright": 1, "dark": 2},
        "numTraining": CASES,
        "file_ending": ".nii.gz",
    }
    data = TinyDataset(root, name, tiny_plans(name), dataset_json)
    for part in ("imagesTr", "labelsTr"):
        (data.raw / part).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for case in cases:
        _write_case(data.raw, case, rng)
    (data.raw / "dataset.json").write_text(json.dumps(dataset_json))
    data.preprocessed.mkdir(parents=True)
    split = {"train": cases[:3], "val": cases[3:]}
    files = {
        "nnUNetPlans.json": data.plans,
        "dataset.json": dataset_json,
        "dataset_fingerprint.json": {},
        "splits_final.json": [split],
    }
    for file, content in files.items():
        (data.preprocessed / file).write_text(json.dumps(content))
    for configuration in preprocess:
        _preprocess(data, configuration, cases)
    return data


def _preprocess(data: TinyDataset, configuration: str, cases: list[str]) -> None:
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    manager = PlansManager(data.plans)
    target = data.preprocessed / data.plans["configurations"][configuration]["data_identifier"]
    truth = data.preprocessed / "gt_segmentations"
    target.mkdir()
    truth.mkdir(exist_ok=True)
    for case in cases:
        image, label = data.raw / "imagesTr" / f"{case}_0000.nii.gz", data.raw / "labelsTr" / f"{case}.nii.gz"
        DefaultPreprocessor(verbose=False).run_case_save(
            str(target / case),
            [str(image)],
            str(label),
            manager,
            manager.get_configuration(configuration),
            data.dataset_json,
        )
        (truth / label.name).write_bytes(label.read_bytes())
