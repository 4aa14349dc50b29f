from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from rasd_nnu.checkpoints.file import load_checkpoint, resume_path, safe_load
from rasd_nnu.cli.main import main
from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.plans import NetworkTarget, planned_target
from tests.helpers import TinyDataset, tiny_dataset, use_nnunet_folders

QUICK = ["--device", "cpu", "--iterations", "2", "--lr", "1e-3"]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyDataset:
    return tiny_dataset(tmp_path, monkeypatch)


def run(args: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["pretrain", *args])
    captured = capsys.readouterr()
    return int(end.value.code or 0), captured.out, captured.err


def fails(args: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(args, capsys)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err


def test_planned_network(data: TinyDataset, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(["--dataset", str(data.id), "-c", "3d_fullres", *QUICK, "--classes", "4"], capsys)
    assert code == 0
    path = data.root / "checkpoints" / data.name / "nnUNetPlans__3d_fullres.pth"
    content = load_checkpoint(path)
    target = planned_target(data.id, "3d_fullres")
    meta = content["rasd"]
    assert target.same_network(meta["architecture"], meta["input_channels"])
    assert meta["planned_for"] == {"dataset": data.name, "plans": "nnUNetPlans", "configuration": "3d_fullres"}
    assert meta["recipe"]["batch_size"] == target.batch_size
    assert meta["synthesis"]["shape"] == list(target.patch_size)
    network = build_network(target)
    network.load_state_dict(content["network_weights"])
    millions = sum(p.numel() for p in network.parameters()) / 1e6
    assert f"PlainConvUNet, planned for {data.name} nnUNetPlans 3d_fullres, {millions:.2f} M parameters" in out
    assert "16 x 16 x 16, 1 channel(s), 4 classes, preset default, 4 different ones" in out
    assert f"nnUNetv2_train {data.id} 3d_fullres 0 -tr RaSDTrainer\n" in out
    assert "RASD_CHECKPOINT" not in out


def test_standard_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    use_nnunet_folders(tmp_path, monkeypatch)
    out = tmp_path / "my weights" / "a.pth"
    options = [
        "--patch",
        "32",
        "--channels",
        "3",
        "--classes",
        "4-6",
        "--batch-size",
        "2",
        "--set",
        "blur.sigma=[0,1,vox]",
    ]
    code, text, _ = run(["-d", "2d", *options, *QUICK, "--out", str(out)], capsys)
    assert code == 0
    meta = load_checkpoint(out)["rasd"]
    assert (meta["dims"], meta["input_channels"], meta["patch_size"]) == (2, 3, [32, 32])
    assert meta["synthesis"]["classes"] == [4, 6]
    assert meta["synthesis"]["priors"]["blur"]["sigma"]["high"] == 1
    assert f"RASD_CHECKPOINT='{out}' nnUNetv2_train DATASET" in text
    report = json.loads((out.parent / "a.run_report.json").read_text())
    assert report["final_losses"]["total"] > 0
    before = out.read_bytes()
    fails(["-d", "2d", *options, *QUICK, "--out", str(out)], "a.pth exists. Use --resume", capsys)
    larger = [*options, "--arch", "resenc-l", *QUICK, "--out", str(out), "--resume"]
    fails(["-d", "2d", *larger], "belongs to another run: architecture.network_class_name", capsys)
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("dims", "patch", "batch", "classes"), [("3d", (128, 128, 128), 2, 8), ("2d", (512, 512), 16, 16)]
)
def test_recipe_of_the_paper(
    dims: str,
    patch: tuple[int, ...],
    batch: int,
    classes: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from rasd_nnu.errors import ConfigError
    from rasd_nnu.pretrain import loop
    from rasd_nnu.pretrain.recipe import Recipe
    from rasd_nnu.pretrain.synthesis import SynthesisConfig

    def look(target: NetworkTarget, config: SynthesisConfig, recipe: Recipe, out: Path, **_: object) -> None:
        assert (target.patch_size, config.classes, config.channels) == (patch, classes, 1)
        # The precision is the best that this machine computes in.
        assert recipe == Recipe(batch_size=batch, precision=recipe.precision)
        assert (recipe.iterations, recipe.lr, recipe.schedule, recipe.normalize) == (600_000, 1e-5, "constant", False)
        raise ConfigError("looked")

    monkeypatch.setattr(loop, "pretrain", look)
    fails(["-d", dims, "--device", "cpu", "--recipe", "paper"], "looked", capsys)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ([], {}),
        (["--budget", "10m"], {"budget": 600.0}),
        (["--budget", "8h", "--iterations", "7"], {"iterations": 7}),
        (["--arch", "swin-unetr", "--lr", "0.1"], {"lr": 0.1}),
        (["--objective", "contrastive", "--no-normalize"], {"objective": "contrastive", "normalize": False}),
    ],
)
def test_python_gets_what_the_command_gives(
    args: list[str], expected: dict[str, object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rasd_nnu.errors import ConfigError
    from rasd_nnu.pretrain import loop
    from rasd_nnu.pretrain.defaults import config_for, recipe_for
    from rasd_nnu.pretrain.hardware import Hardware
    from rasd_nnu.pretrain.recipe import Recipe
    from rasd_nnu.pretrain.synthesis import SynthesisConfig

    def look(target: NetworkTarget, config: SynthesisConfig, recipe: Recipe, out: Path, **_: object) -> None:
        assert config == config_for(target)
        assert recipe == recipe_for(target, Hardware(device="cpu"), **expected)
        raise ConfigError("looked")

    monkeypatch.setattr(loop, "pretrain", look)
    fails(["-d", "2d", "--device", "cpu", *args], "looked", capsys)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "got neither of -d and --dataset"),
        (["-d", "2d", "--dataset", "901", "-c", "2d"], "got both of -d and --dataset"),
        (["-d", "4d"], "unknown dimension '4d', expected 2d or 3d"),
        (["-d", "3d", "-c", "2d"], "-c 2d needs --dataset"),
        (["-d", "3d", "--arch", "resnec"], "unknown architecture 'resnec', expected one of plain, resenc-m, "),
        (["-d", "3d", "--patch", "big"], "--patch is 'big', expected numbers"),
        (["-d", "3d", "--patch", "0"], "--patch is '0', expected sizes above 0"),
        (["-d", "3d", "--patch", "64,64"], "patch (64, 64) has 2 axes, expected 3"),
        (["-d", "3d", "--patch", "50"], "must be divisible by"),
        (["-d", "3d", "--arch", "swin-unetr", "--patch", "48"], "must be divisible by 32 for swin-unetr"),
        (["-d", "2d", "--arch", "primus-m"], "primus-m does not exist in 2D, expected one of plain"),
        (["-d", "3d", "--patch", "32", "--reuse", "0"], "reuse is 0, expected at least 1"),
        (["-d", "3d", "--patch", "32", "--keep-last", "0"], "keep_last is 0, expected at least 1"),
        (["-d", "3d", "--channels", "0"], "--channels is 0, expected at least 1"),
        (["-d", "3d", "--patch", "32", "--classes", "many"], "--classes is 'many'"),
        (["-d", "3d", "--patch", "32", "--preset", "papers"], "unknown preset 'papers'"),
        (["-d", "3d", "--lr", "0"], "lr is 0.0, expected above 0"),
        (
            ["-d", "3d", "--recipe", "papers"],
            "unknown recipe 'papers', expected default or paper. Did you mean",
        ),
        (["-d", "3d", "--budget", "soon"], "--budget is 'soon', expected a time as 90s, 20m or 1.5h"),
        (["-d", "3d", "--seed", "-1"], "seed is -1, expected 0 to 2^63 - 1"),
        (["-d", "3d", "--seed", str(2**64)], "seed is 18446744073709551616, expected 0 to 2^63 - 1"),
        (["-d", "3d", "--devices", "3"], "batch_size is 2, expected a multiple of 3"),
        (["-d", "3d", "--precision", "fp16"], "precision is 'fp16', expected fp32 or bf16 on a CPU"),
        (["-d", "3d", "--out", "weights"], "expected a file name that ends in .pth"),
        (["--dataset", "901"], "--dataset needs a configuration. Add -c"),
        (["--dataset", "901", "-c", "2d", "--patch", "64"], "--patch 64 contradicts --dataset"),
        (["--dataset", "902", "-c", "2d"], "no data set '902'"),
        (["--dataset", "901", "-c", "3d_fulres"], "no configuration '3d_fulres' (found: 2d, 3d_fullres). Did you mean"),
        (
            ["--dataset", "901", "-c", "2d", "-p", "nnUNetResEncUNetLPlans"],
            "nnUNetv2_plan_and_preprocess -d 901 --verify_dataset_integrity -pl nnUNetPlannerResEncL",
        ),
    ],
)
@pytest.mark.usefixtures("data")
def test_bad_input_is_one_line(
    args: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fails([*args, "--device", "cpu"], message, capsys)
    assert not (tmp_path / "checkpoints").exists()


def test_folders_of_nnunet_unset(
    data: TinyDataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("nnUNet_preprocessed")
    message = "the environment variable nnUNet_preprocessed is not set"
    fails(["--dataset", str(data.id), "-c", "3d_fullres"], message, capsys)


def test_plans_do_not_exist_yet(data: TinyDataset, capsys: pytest.CaptureFixture[str]) -> None:
    (data.preprocessed / "nnUNetPlans.json").unlink()
    message = f"Make them with: nnUNetv2_plan_and_preprocess -d {data.id}"
    fails(["--dataset", str(data.id), "-c", "3d_fullres"], message, capsys)


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "rasd_nnu.cli.main", "pretrain", *args]


def test_two_processes_equal_one(data: TinyDataset) -> None:
    args = ["--dataset", str(data.id), "-c", "3d_fullres", *QUICK, "--iterations", "1", "--classes", "4"]
    args += ["--precision", "fp32"]  # bf16 would round differently
    for count in ("1", "2"):
        done = subprocess.run(
            command(*args, "--devices", count, "--out", str(data.root / f"{count}.pth")),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("next: ") == 1
    one, two = (safe_load(resume_path(data.root / f"{count}.pth")) for count in "12")
    torch.testing.assert_close(one["history"], two["history"], rtol=1e-4, atol=1e-4)
    # After the first step, AdamW's first moment is a tenth of the gradient.
    for a, b in zip(*(s["learner"]["optimizer"]["state"].values() for s in (one, two)), strict=True):
        scale = a["exp_avg"].abs().max().item()
        torch.testing.assert_close(a["exp_avg"], b["exp_avg"], rtol=1e-5, atol=1e-5 * max(scale, 1.0))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_signals_leave_a_checkpoint(data: TinyDataset, number: int, code: int) -> None:
    out = data.root / "a.pth"
    args = ["--dataset", str(data.id), "-c", "3d_fullres", "--device", "cpu", "--classes", "4", "--save-every", "1"]
    args += ["--iterations", "2000000000"]  # nothing is allocated for all of them
    process = subprocess.Popen(
        command(*args, "--workers", "1", "--out", str(out)), stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while not out.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, number)  # as a terminal and SLURM do: the whole group, workers too
    text, _ = process.communicate(timeout=60)
    assert process.returncode == code
    assert f"stopped by {signal.Signals(number).name}, saved" in text
    meta = load_checkpoint(out)["rasd"]
    assert meta["iterations"] == safe_load(resume_path(out))["iteration"] >= 1
    assert meta["finished"] is False
