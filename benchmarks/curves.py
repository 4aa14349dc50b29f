"""Loss and accuracy of a short real run of each architecture.

    python benchmarks/curves.py [--iterations 150] [--threads 2] [--only NAME ...]

Writes results/curves.json and docs/images/curves.png. With --only the other curves stay as they are. About 20 minutes
on two CPU cores, most of it for Swin UNETR.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import matplotlib
import torch
from machine import describe_machine

from rasd_nnu.checkpoints.file import load_checkpoint
from rasd_nnu.files import write_text
from rasd_nnu.networks.standard import standard_target
from rasd_nnu.pretrain.hardware import Hardware
from rasd_nnu.pretrain.loop import pretrain
from rasd_nnu.pretrain.recipe import Recipe
from rasd_nnu.pretrain.synthesis import SynthesisConfig

matplotlib.use("agg")
from matplotlib import pyplot

ROOT = Path(__file__).parent
RESULTS, IMAGE = ROOT / "results/curves.json", ROOT.parent / "docs/images/curves.png"
#: Small patches; the sizes of a family differ in width only, so that one stands for all.
NETWORKS: dict[str, tuple[int, str, tuple[int, ...]]] = {
    "plain 3D": (3, "plain", (32, 32, 32)),
    "resenc 3D": (3, "resenc-m", (32, 32, 32)),
    "primus-s 3D": (3, "primus-s", (32, 32, 32)),
    "swin-unetr 3D": (3, "swin-unetr", (64, 32, 32)),
    "plain 2D": (2, "plain", (64, 64)),
    "resenc 2D": (2, "resenc-m", (64, 64)),
    "unet2d": (2, "unet2d", (64, 64)),
    "swin-unetr 2D": (2, "swin-unetr", (64, 64)),
}


def run(dims: int, arch: str, patch: tuple[int, ...], iterations: int) -> dict[str, Any]:
    """Pre-train and return the curve with what made it."""
    target = standard_target(dims, arch, patch_size=patch)
    config = SynthesisConfig.preset("default", shape=patch, classes=8, normalization=target.normalization)
    # Transformers want a lower rate than convolutions, and all a warm-up at a rate that is high for so few iterations.
    lr = 3e-4 if arch.startswith(("primus", "swin")) else 1e-3
    recipe = Recipe(iterations=iterations, batch_size=2, lr=lr, warmup=iterations // 10, clip=1.0, normalize=True)
    with tempfile.TemporaryDirectory() as folder:
        result = pretrain(target, config, recipe, Path(folder) / "a.pth", hardware=Hardware(device="cpu"))
        details = load_checkpoint(result.checkpoint)["rasd"]
    return {"patch": patch, "recipe": details["recipe"], "seconds": details["seconds"], "curve": details["curve"]}


def draw(curves: dict[str, dict[str, Any]]) -> None:
    """Draw both losses and the accuracy of all curves, 2D and 3D apart."""
    columns = {"total": "loss (separation + clustering)", "accuracy": "voxels nearest to their own prototype"}
    figure, axes = pyplot.subplots(2, 2, figsize=(10, 6.5), sharex=True, sharey="row", layout="constrained")
    for column, dims in enumerate((3, 2)):
        for row, (key, label) in enumerate(columns.items()):
            panel = axes[row][column]
            for name, content in curves.items():
                if len(content["patch"]) == dims:
                    values = torch.tensor(content["curve"][key])
                    # Mean of ten iterations: every batch is a new task.
                    window = min(10, len(values))
                    smooth = values.unfold(0, window, 1).mean(1)
                    panel.plot(content["curve"]["iteration"][window - 1 :], smooth, label=name)
            panel.grid(alpha=0.3)
            panel.set_ylabel(label if column == 0 else "")
        if axes[0][column].lines:  # none yet while the first ones run
            axes[0][column].legend()
        axes[1][column].set_xlabel("iteration")
    IMAGE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(IMAGE, dpi=110)


def main() -> None:
    """Run, write and draw."""
    parser = argparse.ArgumentParser(description="Loss and accuracy of a short run of each architecture.")
    parser.add_argument("--iterations", type=int, default=150)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only", nargs="*", choices=list(NETWORKS), help="run these only")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    curves = json.loads(RESULTS.read_text())["curves"] if options.only is not None and RESULTS.is_file() else {}
    for name in NETWORKS if options.only is None else options.only:
        curves[name] = run(*NETWORKS[name], options.iterations)
        first, last = (curves[name]["curve"][k] for k in ("total", "accuracy"))
        print(f"{name}: loss {first[0]:.2f} -> {first[-1]:.2f}, accuracy {last[0]:.2f} -> {last[-1]:.2f}", flush=True)
        ordered = {key: curves[key] for key in NETWORKS if key in curves}
        write_text(RESULTS, json.dumps({"machine": describe_machine("cpu"), "curves": ordered}, indent=1) + "\n")
        draw(ordered)


if __name__ == "__main__":
    main()
