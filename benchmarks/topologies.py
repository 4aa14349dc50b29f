"""Which checkpoint fits which plan: nnU-Net's own planner on real fingerprints, and the adapter on what it planned.

Writes docs/reference/topologies.md: ``python -m benchmarks.topologies``. The networks have an eighth of their width;
the shares of parameters hardly depend on it.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from nnunetv2.experiment_planning.experiment_planners import default_experiment_planner as planning
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner
from nnunetv2.experiment_planning.experiment_planners.network_topology import get_pool_and_conv_props
from nnunetv2.experiment_planning.experiment_planners.residual_unets.residual_encoder_unet_planners import (
    nnUNetPlannerResEncM,
)
from torch import nn

from rasd_nnu.checkpoints.read import Source
from rasd_nnu.errors import TransferError
from rasd_nnu.networks.build import build_network
from rasd_nnu.networks.standard import standard_target
from rasd_nnu.networks.width import LIMITS, stage_features
from rasd_nnu.nnunet.plans import NetworkTarget, target_from_plans
from rasd_nnu.transfer import StartOptions, TransferReport, start

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "topologies.md"
KINDS = ("plain", "resenc-m", "swin-unetr")
SOURCES = ("2D", "3D isotropic", "3D anisotropic")
_PLANNERS = {"plain": ExperimentPlanner, "resenc-m": nnUNetPlannerResEncM}


@dataclass(frozen=True)
class Topology:
    """A data set as its fingerprint tells of it: median shape in voxels, spacing in mm, channels."""

    title: str
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    channels: tuple[str, ...]


TOPOLOGIES = (
    Topology("cardiac MR, thin", (10, 256, 216), (10.0, 1.4, 1.4), ("MRI",)),
    Topology("whole-body CT", (326, 400, 400), (3.0, 2.04, 2.04), ("CT",)),
    Topology("brain MR, 4 channels", (138, 170, 138), (1.0, 1.0, 1.0), ("FLAIR", "T1", "T1Gd", "T2")),
    Topology("hippocampus MR", (36, 50, 35), (1.0, 1.0, 1.0), ("MRI",)),
    Topology("512² gray", (1, 512, 512), (999.0, 1.0, 1.0), ("gray",)),
    Topology("1000² RGB", (1, 1000, 1000), (999.0, 1.0, 1.0), ("R", "G", "B")),
    Topology("prostate MR, 2 channels", (20, 320, 320), (3.6, 0.625, 0.625), ("T2", "ADC")),
    Topology("lung CT", (252, 512, 512), (1.24, 0.79, 0.79), ("CT",)),
)


def _meta_vram(patch: Any, inputs: int, outputs: int, name: str, kwargs: dict[str, Any], imports: Any) -> float:
    """Estimate memory as nnU-Net does, from a network without values."""
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    with torch.device("meta"):
        network = get_network_from_plans(name, kwargs, imports, inputs, outputs, allow_init=False)
    return float(network.compute_conv_feature_map_size(patch))


@contextlib.contextmanager
def _data_set(topology: Topology) -> Iterator[str]:
    """Write the fingerprint of a data set without images where nnU-Net's planner looks for it."""
    name = "Dataset900_Topology"
    description = {
        "channel_names": {str(i): name for i, name in enumerate(topology.channels)},
        "labels": {"background": 0, "a": 1, "b": 2},
        "numTraining": 100,
        "file_ending": ".nii.gz",
        "overwrite_image_reader_writer": "NibabelIO",
        "dataset": {"a": {"images": ["a_0000.nii.gz"], "label": "a.nii.gz"}},
    }
    fingerprint = {
        "spacings": [topology.spacing] * 3,
        "shapes_after_crop": [topology.shape] * 3,
        "median_relative_size_after_cropping": 1.0,
        "foreground_intensity_properties_per_channel": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, name)
        root.mkdir()
        (root / "dataset.json").write_text(json.dumps(description))
        (root / "dataset_fingerprint.json").write_text(json.dumps(fingerprint))
        with mock.patch.multiple(planning, nnUNet_raw=folder, nnUNet_preprocessed=folder):
            yield name


@cache
def planned(topology: Topology, kind: str) -> dict[str, NetworkTarget]:
    """Return configuration -> planned network of one data set; ``kind`` is ``plain`` or ``resenc-m``."""
    with _data_set(topology) as name, contextlib.redirect_stdout(io.StringIO()):
        planner = _PLANNERS[kind](name)
        planner.lowres_creation_threshold = 0  # only 2d and 3d_fullres are looked at
        planner.static_estimate_VRAM_usage = _meta_vram
        with mock.patch.object(planning.shutil, "copy"):
            plans = planner.plan_experiment()
    plans["dataset_name"] = name
    dataset = {
        "channel_names": {str(i): name for i, name in enumerate(topology.channels)},
        "labels": {"background": 0, "a": 1, "b": 2},
    }
    found = [c for c in ("2d", "3d_fullres") if c in plans["configurations"]]
    return {c: narrow(target_from_plans(json.loads(json.dumps(plans, default=_plain)), dataset, c)) for c in found}


def _plain(value: Any) -> Any:
    """Turn numpy's values into JSON's."""
    return value.tolist()


def narrow(target: NetworkTarget) -> NetworkTarget:
    """Return the same topology at an eighth of the width."""
    architecture = copy.deepcopy(target.architecture)
    kwargs = architecture["arch_kwargs"]
    if "features_per_stage" in kwargs:
        kwargs["features_per_stage"] = [n // 8 for n in kwargs["features_per_stage"]]
    if "feature_size" in kwargs:
        kwargs["feature_size"] = 12
    return replace(target, architecture=architecture)


@cache
def checkpoint(kind: str, source: str) -> Source:
    """Return a checkpoint of a standard network, 2D, 3D isotropic or 3D anisotropic."""
    dims = 2 if source == "2D" else 3
    patch = {"2D": (512, 512), "3D isotropic": (128,) * 3, "3D anisotropic": (32, 256, 256)}[source]
    target = standard_target(dims, kind, patch_size=(128,) * dims if kind != "swin-unetr" else patch)
    if kind != "swin-unetr":
        spacing = (5.0, 1.0, 1.0) if source == "3D anisotropic" else (1.0,) * dims
        target = _replanned(target, patch, spacing)
    target = narrow(target)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        weights = build_network(target).state_dict()
    return Source(Path(f"{kind} {source}.pth"), "", weights, target, {}, {})


def _replanned(target: NetworkTarget, patch: tuple[int, ...], spacing: tuple[float, ...]) -> NetworkTarget:
    """Return a U-Net with strides and kernels as nnU-Net plans them for this patch and spacing."""
    _, strides, kernels, _, _ = get_pool_and_conv_props(spacing, patch, 4, 999)
    kwargs, stages = target.architecture["arch_kwargs"], len(strides)
    depth = "n_blocks_per_stage" if "n_blocks_per_stage" in kwargs else "n_conv_per_stage"
    blocks = [1, 3, 4, *[6] * 10] if depth == "n_blocks_per_stage" else [2] * 13
    changed = {
        "n_stages": stages,
        "features_per_stage": stage_features(stages, 32, LIMITS[target.dims]),
        "kernel_sizes": [[int(n) for n in k] for k in kernels],
        "strides": [[int(n) for n in s] for s in strides],
        depth: blocks[:stages],
        "n_conv_per_stage_decoder": [1 if "blocks" in depth else 2] * (stages - 1),
    }
    architecture = {**target.architecture, "arch_kwargs": {**kwargs, **changed}}
    return replace(target, architecture=architecture, patch_size=patch, spacing=spacing)


def targets(kind: str) -> dict[str, NetworkTarget]:
    """Return row title -> network to be started, for plans of one kind or for the trainer of Swin UNETR."""
    rows = {}
    for topology in TOPOLOGIES:
        for configuration, target in planned(topology, "plain" if kind == "swin-unetr" else kind).items():
            if kind == "swin-unetr":
                patch = (64,) * target.dims  # the network is the same for every patch
                swin = narrow(standard_target(target.dims, kind, channels=target.input_channels, patch_size=patch))
                target = replace(target, architecture=swin.architecture, patch_size=patch)
            rows[f"{topology.title}, {configuration}"] = target
    return rows


@cache
def network(kind: str, row: str) -> nn.Module:
    """Return the network of a row, built once."""
    return build_network(targets(kind)[row], feature_channels=3)


@cache
def outcome(kind: str, row: str, source_kind: str, source: str) -> TransferReport | str:
    """Return the report of a transfer, or the sentence of its refusal."""
    try:
        target = targets(kind)[row]
        return start(checkpoint(source_kind, source), target, network(kind, row), StartOptions(transfer="whole"))
    except TransferError as error:
        return str(error)


# Part of the sentence of a refusal -> its sign in the table.
_REFUSALS = {
    "it is 2D": "dim",
    "it is 3D": "dim",
    "no tensor of the one has a counterpart": "net",
    "only the stem and the first convolution": "res",
}


def cell(result: TransferReport | str) -> str:
    """Return the text of a table's cell: shares of encoder and decoder and the rules used, or why it was refused."""
    if isinstance(result, str):
        return f"\u2013 {next(short for text, short in _REFUSALS.items() if text in result)}"
    shares = " / ".join(f"{100 * result.share_of_parameters(p):.0f}" for p in ("encoder", "decoder"))
    reasons_used = " ".join(e.reason for e in result.entries if e.action == "adapted")
    marks = [mark for text, mark in (("input", "c"), ("kernel", "k"), ("stride", "s")) if text in reasons_used]
    return f"{shares}{' ' if marks else ''}{''.join(marks)}"


def table(kind: str) -> str:
    """Return the table of all checkpoints into the plans of one kind."""
    columns = [(k, s) for k in KINDS for s in SOURCES]
    lines = ["| plan | " + " | ".join(f"{k} {s}" for k, s in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for row in targets(kind):
        lines.append(f"| {row} | " + " | ".join(cell(outcome(kind, row, k, s)) for k, s in columns) + " |")
    return "\n".join(lines)


_TEXT = """# Which checkpoint fits which plan

Made by `python -m benchmarks.topologies`: nnU-Net's own planners on the fingerprints of eight kinds of data, and the
rules of [transfer](transfer.md) on what they planned. A checkpoint that was pre-trained for exactly the plan
(`rasd_nnu pretrain --dataset ...`) fits every one of them completely; this is what a checkpoint of another topology
gives.

A cell says how much of the encoder's / the decoder's parameters is transferred, in percent, and by which rules other
than copying: **c** input channels, **k** kernel axes, **s** strides of transposed convolutions. A dash is refused with
a sentence that says why: **dim** 2D against 3D, **net** another kind, **res** plain against residual encoder.
The isotropic checkpoints are of patches 512² and 128³, the anisotropic one of 32 x 256 x 256 at 5 x 1 x 1 mm.
"""
_TITLES = {"plain": "nnU-Net's default plans", "resenc-m": "ResEnc-M plans", "swin-unetr": "Trainer of Swin UNETR"}


def page() -> str:
    """Return the page."""
    return _TEXT + "".join(f"\n## {title}\n\n{table(kind)}\n" for kind, title in _TITLES.items())


if __name__ == "__main__":
    from rasd_nnu.files import write_text

    write_text(PAGE, page())
    print(f"wrote {PAGE}")
