from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from rasd_nnu.checkpoints.file import atomic_save, checkpoint_content, safe_load
from rasd_nnu.checkpoints.read import open_source
from rasd_nnu.checkpoints.registry import Choice, checkpoint_for, default_path
from rasd_nnu.errors import CheckpointError, TransferError
from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.transfer import distinct_tensors, start, transfer_weights, unwrap
from tests.helpers import architecture


def _target(dims: int = 3, channels: int = 1, **changes: Any) -> NetworkTarget:
    arch = architecture(dims, **changes)
    place = {"dataset": "Dataset901_Tiny", "plans": "nnUNetPlans", "configuration": "3d_fullres"}
    return NetworkTarget(arch, channels, (16,) * dims, (1.0,) * dims, 2, **place)


def _write(path: Path, target: NetworkTarget) -> torch.nn.Module:
    network = build_network(target)
    atomic_save(checkpoint_content(network, target, {"seed": 0}), path)
    return network


def test_every_tensor_but_the_heads_is_transferred(tmp_path: Path) -> None:
    target, path = _target(), tmp_path / "a.pth"
    source = _write(path, target)
    network = build_network(target, feature_channels=3)
    before = {n: p.clone() for n, p in network.named_parameters()}
    report = transfer_weights(open_source(path).weights, network)
    values = dict(source.named_parameters())
    for name, value in network.named_parameters():
        assert torch.equal(value, before[name] if "seg_layers" in name else values[name]), name
    assert report.share_of_tensors() == report.share_of_parameters() == 1.0
    heads = [e for e in report.entries if e.part == "head"]
    assert heads
    assert {(e.action, e.reason) for e in heads} == {("left", "segmentation heads are not transferred")}


def test_copy_is_in_place_and_consumes_no_randomness(tmp_path: Path) -> None:
    target, path = _target(), tmp_path / "a.pth"
    _write(path, target)
    network = build_network(target)
    addresses = [p.data_ptr() for p in network.parameters()]
    weights = safe_load(path)["network_weights"]
    state = torch.get_rng_state()
    transfer_weights(weights, network)
    assert torch.equal(torch.get_rng_state(), state)
    assert [p.data_ptr() for p in network.parameters()] == addresses


def test_compiled_network_is_unwrapped(tmp_path: Path) -> None:
    network = build_network(_target())
    compiled = torch.compile(network)
    assert isinstance(compiled, torch.nn.Module)
    assert unwrap(compiled) is network
    assert unwrap(network) is network


def test_too_little_is_refused_and_nothing_is_changed() -> None:
    weights = build_network(_target()).state_dict()
    for name in [n for n in weights if n.startswith("decoder.stages")]:
        del weights[name]
    network = build_network(_target())
    before = [p.clone() for p in network.parameters()]
    with pytest.raises(
        TransferError, match=r"of the network's parameters fit .* at least 100%.* nothing in the checkpoint"
    ):
        transfer_weights(weights, network)
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    report = transfer_weights(weights, network, required=0.5)
    assert report.share_of_parameters("encoder") == 1.0
    assert 0 < report.share_of_parameters("decoder") < 1


def test_shares_are_of_distinct_tensors() -> None:
    weights = build_network(_target()).state_dict()
    kept = {n: v for n, v in weights.items() if n == "encoder.stages.0.0.convs.0.all_modules.0.weight"}
    network = build_network(_target())
    report = transfer_weights(kept, network, required=0.0)
    body = [t for t in distinct_tensors(network.state_dict()) if t.part != "head"]
    assert report.share_of_tensors() == 1 / len(body)
    total = sum(t.tensor.numel() for t in body)
    assert report.share_of_parameters() == 4 * 27 / total


def test_report_is_plain_json_and_table_names_what_is_left() -> None:
    weights = build_network(_target()).state_dict()
    del weights["decoder.transpconvs.0.bias"]
    report = transfer_weights(weights, build_network(_target()), required=0.9)
    content = json.loads(json.dumps(report.to_dict()))
    assert content["shares"]["encoder"]["parameters"] == 1.0
    assert content["shares"]["all"]["count"] == len([e for e in report.entries if e.part != "head"])
    left = [t for t in content["tensors"] if t["action"] == "left" and t["part"] != "head"]
    assert [t["name"] for t in left] == ["decoder.transpconvs.0.bias"]
    assert "left     decoder.transpconvs.0.bias [8]: nothing in the checkpoint corresponds to it" in report.table()


def test_choice_of_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RASD_CHECKPOINTS", str(tmp_path / "folder"))
    monkeypatch.delenv("RASD_CHECKPOINT", raising=False)
    target = _target()
    with pytest.raises(
        CheckpointError, match=r"pretrain --dataset 901 -c 3d_fullres --budget 1h`.*RaSDTrainer_scratch"
    ):
        checkpoint_for(target, {})
    paths = [default_path(target), tmp_path / "planned.pth", tmp_path / "named.pth"]
    for path in paths:
        path.parent.mkdir(exist_ok=True, parents=True)
        path.touch()
    info = {"pretrain_info": {"checkpoint_path": str(paths[1])}}
    assert checkpoint_for(target, {}) == Choice(paths[0], "default folder")
    assert checkpoint_for(target, info) == Choice(paths[1], "pretrain_info")
    monkeypatch.setenv("RASD_CHECKPOINT", str(paths[2]))
    assert checkpoint_for(target, info) == Choice(paths[2], "RASD_CHECKPOINT")
    monkeypatch.setenv("RASD_CHECKPOINT", str(tmp_path / "absent.pth"))
    with pytest.raises(CheckpointError, match=r"absent.pth \(named by RASD_CHECKPOINT\) does not exist"):
        checkpoint_for(target, info)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (_target(2), "it is 2D, the plan is 3D"),
        (_target(channels=4), "input channels 4 against 1"),
        (_target(features=(4, 8, 12)), r"features_per_stage \[4, 8, 12\] against \[4, 8, 16\]"),
        (_target(kernel_sizes=[[1, 3, 3], [3, 3, 3], [3, 3, 3]]), "kernel_sizes .* against"),
    ],
)
def test_default_checkpoint_of_earlier_plans_is_refused(
    tmp_path: Path, other: NetworkTarget, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RASD_CHECKPOINTS", str(tmp_path))
    path = default_path(_target())
    _write(path, other)
    with pytest.raises(TransferError, match=f"{message}.*rasd_nnu pretrain --dataset 901 -c 3d_fullres"):
        start(open_source(path), _target(), build_network(_target()))


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    target = _target()
    network = build_network(target)
    torch.nn.init.constant_(network.get_parameter("decoder.transpconvs.0.bias"), float("nan"))
    atomic_save(checkpoint_content(network, target, {}), tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"not finite, first in 'decoder\.transpconvs\.0\.bias'"):
        open_source(tmp_path / "a.pth")
