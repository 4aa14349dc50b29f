"""`inspect --against`, `convert` and the trainer decide alike what of a checkpoint is transferred."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from rasd_nnu.checkpoints.file import atomic_save, checkpoint_content
from rasd_nnu.cli.main import main
from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.plans import NetworkTarget, planned_target
from tests.helpers import NAME, TinyDataset, architecture, tiny_dataset
from tests.trainers.helpers import make_trainer

CONFIGURATION = "3d_fullres"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyDataset]:
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("TRANSFER", "REQUIRE", "WIDTH", "INFLATE", "CHANNELS"):
            patch.delenv(f"RASD_{variable}", raising=False)
        yield tiny_dataset(tmp_path_factory.mktemp("tiny"), patch, preprocess=(CONFIGURATION,))


def _ours(path: Path, target: NetworkTarget) -> None:
    atomic_save(checkpoint_content(build_network(target), target, {"seed": 1}), path)


def _target(dims: int = 3, features: tuple[int, ...] = (4, 8, 16), channels: int = 1) -> NetworkTarget:
    return NetworkTarget(architecture(dims, features), channels, (16,) * dims, (1.0,) * dims, 2)


def _of_the_plan(path: Path, tiny: TinyDataset) -> None:
    _ours(path, planned_target(NAME, CONFIGURATION))


def _of_nnunet(path: Path, tiny: TinyDataset) -> None:
    init = {"plans": tiny.plans, "configuration": CONFIGURATION, "fold": 0, "dataset_json": tiny.dataset_json}
    weights = build_network(planned_target(NAME, CONFIGURATION), feature_channels=3).state_dict()
    torch.save({"network_weights": weights, "init_args": init, "trainer_name": "nnUNetTrainer"}, path)


def _of_cases(path: Path, tiny: TinyDataset) -> None:
    target = planned_target(NAME, CONFIGURATION)
    seen = {"dataset": NAME, "fold": 0, "cases": {"case_0": {"content": None, "image": None}}}
    details = {"seed": 1, "maps": "cases", "seen": seen, "targets": target.labels}
    atomic_save(checkpoint_content(build_network(target, len(target.labels) + 32), target, details), path)


def _state_dict(path: Path, tiny: TinyDataset) -> None:
    torch.save(build_network(_target(channels=2)).state_dict(), path)


SOURCES: dict[str, Callable[[Path, TinyDataset], None]] = {
    "of the plan": _of_the_plan,
    "deeper": lambda path, tiny: _ours(path, _target(features=(4, 8, 16, 16))),
    "narrower": lambda path, tiny: _ours(path, _target(features=(2, 4, 8))),
    "2D, two channels": lambda path, tiny: _ours(path, _target(2, channels=2)),
    "of nnU-Net": _of_nnunet,
    "of cases": _of_cases,
    "state dict": _state_dict,
}
OPTIONS: list[dict[str, str]] = [
    {},
    {"transfer": "whole"},
    {"transfer": "encoder", "require": "0.2"},
    {"transfer": "whole", "width": "pad", "inflate": "centre"},
]


def _run(args: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    try:
        main(args)
        code: Any = 0
    except SystemExit as stop:
        code = stop.code or 0
    out = capsys.readouterr().out
    return code, json.loads(out) if out else {}


def _by_trainer(tiny: TinyDataset, monkeypatch: pytest.MonkeyPatch, options: dict[str, str]) -> dict[str, Any] | None:
    for name, value in options.items():
        monkeypatch.setenv(f"RASD_{name.upper()}", value)
    trainer = make_trainer(tiny, "RaSDTrainer_1epochs", CONFIGURATION)
    monkeypatch.setattr("nnunetv2.training.nnUNetTrainer.nnUNetTrainer.nnUNetTrainer.on_train_start", lambda _: None)
    try:
        trainer.on_train_start()
    except SystemExit:
        return None
    report: dict[str, Any] = json.loads((Path(trainer.output_folder) / "transfer_report.json").read_text())
    return report["transfer"]


def _decided(report: dict[str, Any] | None) -> Any:
    """Return what a report says of all but the segmentation heads, which have as many outputs as there are classes."""
    return report and (report["shares"], [t for t in report["tensors"] if t["part"] != "head"], report["warnings"])


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: " ".join(o.values()) or "usual")
@pytest.mark.parametrize("source", list(SOURCES))
def test_all_three_agree(
    tiny: TinyDataset,
    source: str,
    options: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tiny.root / "source.pth"
    SOURCES[source](path, tiny)
    monkeypatch.setenv("RASD_CHECKPOINT", str(path))
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    plan = ["-c", CONFIGURATION, "-f", "0", *words, "--json"]

    trained = _by_trainer(tiny, monkeypatch, options)
    _, inspected = _run(["inspect", str(path), "--against", NAME, *plan], capsys)
    out = tiny.root / "converted.pth"
    out.unlink(missing_ok=True)
    code, converted = _run(["convert", str(path), "--dataset", NAME, "--out", str(out), *plan], capsys)

    assert _decided(inspected["against"]["transfer"]) == _decided(trained)
    assert (code == 0) == (trained is not None) == out.is_file()
    if trained is not None:
        assert _decided(converted) == _decided(trained)


def test_a_plans_own_checkpoint_gives_the_encoder_unless_asked(
    tiny: TinyDataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tiny.root / "source.pth"
    _of_the_plan(path, tiny)
    _, inspected = _run(["inspect", str(path), "--against", NAME, "-c", CONFIGURATION, "--json"], capsys)
    shares = inspected["against"]["transfer"]["shares"]
    assert (shares["encoder"]["parameters"], shares["decoder"]["parameters"]) == (1.0, 0.0)
