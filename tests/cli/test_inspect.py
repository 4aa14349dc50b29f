from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from rasd_nnu.checkpoints.file import atomic_save, checkpoint_content, load_checkpoint, resume_path
from rasd_nnu.cli.main import main
from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.plans import planned_target
from tests.helpers import TinyDataset, architecture, tiny_dataset
from tests.pretrain.loop_parts import start, tiny_recipe, tiny_target


def run(args: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["inspect", *map(str, args)])
    captured = capsys.readouterr()
    return int(end.value.code or 0), captured.out, captured.err


def inspected(args: list[Any], capsys: pytest.CaptureFixture[str], code: int = 0) -> dict[str, Any]:
    got, out, err = run([*args, "--json"], capsys)
    assert got == code, err
    content: dict[str, Any] = json.loads(out)
    return content


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyDataset:
    return tiny_dataset(tmp_path, monkeypatch)


def test_everything_about_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.pth"
    start(path, recipe=tiny_recipe(iterations=2))
    content = inspected([path], capsys)
    meta = load_checkpoint(path)["rasd"]
    assert content["rasd"] == json.loads(json.dumps(meta))
    assert content["kind"] == "rasd_nnu"
    assert content["bytes"] == path.stat().st_size
    assert content["resume"] == {"path": str(resume_path(path)), "iteration": 2}
    network = build_network(tiny_target())
    parameters = sum(p.numel() for p in network.parameters())
    weights = content["weights"]
    assert (weights["parameters"], weights["types"]) == (parameters, ["float32"])
    assert weights["encoder"] + weights["decoder"] + weights["head"] == parameters
    assert content["network"]["patch_size"] == [8, 8, 8]
    code, out, _ = run([path], capsys)
    assert code == 0
    for text in (
        content["sha256"],
        f"{parameters:,} in ",
        "PlainConvUNet",
        "2 of batch 2, finished",
        "4 seen, 4 different",
        "prototype_disentangling",
        "at iteration 2",
        "torch ",
    ):
        assert text in out


def test_damaged_resume_file_is_said_and_no_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.pth"
    start(path, recipe=tiny_recipe(iterations=1))
    resume_path(path).write_bytes(b"half")
    assert "is damaged or truncated" in inspected([path], capsys)["resume"]["error"]
    resume_path(path).unlink()
    assert inspected([path], capsys)["resume"] is None


def test_files_of_nnunet(data: TinyDataset, capsys: pytest.CaptureFixture[str]) -> None:
    path = data.root / "checkpoint_final.pth"
    network = build_network(planned_target(data.id, "3d_fullres"), feature_channels=3)
    init = {"plans": data.plans, "configuration": "3d_fullres", "fold": 0, "dataset_json": data.dataset_json}
    content = {
        "network_weights": network.state_dict(),
        "init_args": init,
        "trainer_name": "nnUNetTrainer",
        "current_epoch": 7,
        "_best_ema": 0.5,
    }
    torch.save(content, path)
    found = inspected([path], capsys)
    assert (found["kind"], found["rasd"]) == ("nnU-Net", None)
    assert found["nnunet"] == {
        "trainer": "nnUNetTrainer",
        "dataset": data.name,
        "plans": "nnUNetPlans",
        "configuration": "3d_fullres",
        "fold": 0,
        "labels": data.dataset_json["labels"],
        "epoch": 7,
        "best_ema_dice": 0.5,
    }
    assert found["network"]["patch_size"] == [16, 16, 16]
    assert "nnUNetTrainer" in run([path], capsys)[1]


def test_bare_state_dict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"a.weight": torch.zeros(3, 2), "b": torch.zeros(4, dtype=torch.float16)}, tmp_path / "a.pth")
    content = inspected([tmp_path / "a.pth"], capsys)
    assert (content["kind"], content["network"]) == ("weights only", None)
    assert content["weights"]["parameters"] == 10
    assert content["weights"]["types"] == ["float16", "float32"]
    assert "not described in the file" in run([tmp_path / "a.pth"], capsys)[1]


def test_against_a_plan(data: TinyDataset, capsys: pytest.CaptureFixture[str]) -> None:
    target = planned_target(data.id, "3d_fullres")
    path = data.root / "a.pth"
    atomic_save(checkpoint_content(build_network(target), target, {}), path)
    plan = ["--against", str(data.id), "-c", "3d_fullres"]
    fit = inspected([path, *plan], capsys)["against"]
    assert (fit["fits"], fit["reason"], fit["dataset"]) == (True, None, data.name)
    shares = fit["transfer"]["shares"]
    assert shares["encoder"]["parameters"] == 1.0
    assert shares["all"]["parameters"] < 1.0  # of ours the trainer takes the encoder
    plan += ["--transfer", "whole"]
    code, out, _ = run([path, *plan], capsys)
    assert code == 0
    assert f"fits {data.name} nnUNetPlans 3d_fullres: 100.0% of the parameters" in out

    other = ["--against", str(data.id), "-c", "2d"]
    refused = inspected([path, *other], capsys, code=1)["against"]
    assert (refused["fits"], refused["transfer"]) == (False, None)
    code, out, _ = run([path, *other], capsys)
    assert code == 1
    assert f"does not fit {data.name} nnUNetPlans 2d: " in out


def test_against_a_narrower_plan_fits_in_part(data: TinyDataset, capsys: pytest.CaptureFixture[str]) -> None:
    import dataclasses

    deeper = dataclasses.replace(planned_target(data.id, "3d_fullres"), architecture=architecture(3, (4, 8, 16, 16)))
    path = data.root / "a.pth"
    atomic_save(checkpoint_content(build_network(deeper), deeper, {}), path)
    fit = inspected([path, "--against", str(data.id), "-c", "3d_fullres"], capsys)["against"]
    assert fit["fits"]
    assert fit["transfer"]["shares"]["encoder"]["parameters"] >= 0.7


def test_against_a_wider_plan_needs_a_width(data: TinyDataset, capsys: pytest.CaptureFixture[str]) -> None:
    import dataclasses

    narrow = dataclasses.replace(planned_target(data.id, "3d_fullres"), architecture=architecture(3, (2, 4, 8)))
    path = data.root / "a.pth"
    atomic_save(checkpoint_content(build_network(narrow), narrow, {}), path)
    plan = ["--against", str(data.id), "-c", "3d_fullres"]
    assert not inspected([path, *plan], capsys, code=1)["against"]["fits"]
    fit = inspected([path, *plan, "--width", "pad", "--transfer", "whole"], capsys)["against"]
    assert fit["transfer"]["shares"]["all"]["parameters"] == 1.0
    assert fit["transfer"]["warnings"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["-c", "2d"], "-c 2d needs --against"),
        (["--width", "pad"], "--width pad needs --against"),
        (["--transfer", "whole"], "--transfer whole needs --against"),
        (["--against", "901"], "--against needs a configuration"),
        (["--against", "999", "-c", "2d"], "no data set '999'"),
    ],
)
def test_bad_input_is_one_line(
    data: TinyDataset, args: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target = planned_target(data.id, "3d_fullres")
    atomic_save(checkpoint_content(build_network(target), target, {}), data.root / "a.pth")
    code, out, err = run([data.root / "a.pth", *args], capsys)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(("content", "message"), [(b"half", "is damaged or truncated"), (None, "no checkpoint at")])
def test_bad_files_are_one_line(
    tmp_path: Path, content: bytes | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "a.pth").write_bytes(content)
    code, out, err = run([tmp_path / "a.pth"], capsys)
    assert (code, out) == (2, "")
    assert message in err
