"""Online against offline synthesis, as Table 1 of the paper: seconds and storage for a number of samples.

    python benchmarks/online_offline.py [--samples 100 200 500 1000] [--patch 32] [--features 8] [--device cpu|cuda]
                                        [--threads 2] [--workers 0] [--out FILE]

Both arms train the same network on the same number of samples, each once, by the loop of `rasd_nnu pretrain`.
Offline, the preparation is `rasd_nnu synthesize`, and the training reads the files (most likely still in the page
cache). Online, the preparation is the part of the run that waits for samples, and the training is the rest. Under 5
minutes on two quiet CPU cores.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from machine import describe_machine

from rasd_nnu.networks.standard import standard_target
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.pretrain.hardware import Hardware
from rasd_nnu.pretrain.loop import PretrainResult, pretrain
from rasd_nnu.pretrain.offline import OfflineSamples, open_samples, write_samples
from rasd_nnu.pretrain.recipe import Recipe
from rasd_nnu.pretrain.synthesis import SynthesisConfig

RESULTS = Path(__file__).parent / "results"


def narrow_target(edge: int, features: int) -> NetworkTarget:
    """Return nnU-Net's plain 3D U-Net for a cube, ``features`` wide at full resolution."""
    target = standard_target(3, "plain", patch_size=(edge,) * 3)
    kwargs = target.architecture["arch_kwargs"]
    widths = [n * features // kwargs["features_per_stage"][0] for n in kwargs["features_per_stage"]]
    return replace(
        target, architecture={**target.architecture, "arch_kwargs": {**kwargs, "features_per_stage": widths}}
    )


def measure(target: NetworkTarget, samples: int, hardware: Hardware, folder: Path) -> dict[str, Any]:
    """Return seconds and bytes of both arms for a number of samples."""
    config = SynthesisConfig.preset(shape=target.patch_size, normalization=target.normalization)

    def train(name: str, offline: OfflineSamples | None) -> PretrainResult:
        # Samples of another stream than the warm-up's, and no save but the last.
        recipe = Recipe(iterations=samples // target.batch_size, batch_size=target.batch_size, lr=1e-3, seed=1)
        out = folder / f"{name}.pth"
        return pretrain(target, config, recipe, out, hardware=hardware, save_every=samples, offline=offline)

    begin = time.perf_counter()
    manifest = write_samples(
        config, folder / "samples", samples, seed=1, device=hardware.accelerator, workers=hardware.workers
    )
    written = time.perf_counter() - begin
    offline = train("offline", open_samples(folder / "samples"))
    online = train("online", None)
    waiting = (online.synthesis_share or 0.0) * online.seconds
    return {
        "samples": samples,
        "offline": _row(written, offline.seconds, manifest.bytes),
        "online": _row(waiting, online.seconds - waiting, 0),
        "offline_reading_s": (offline.synthesis_share or 0.0) * offline.seconds,
    }


def _row(preparation: float, training: float, storage: int) -> dict[str, float]:
    return {
        "preparation_s": preparation,
        "training_s": training,
        "total_s": preparation + training,
        "storage_gb": storage / 1e9,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown, with the columns of the paper's table."""
    lines = [
        "| Samples | Synthesis | Preparation (s) | Training (s) | Total (s) | Storage (GB) |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        for arm in ("offline", "online"):
            v = row[arm]
            lines.append(
                f"| {row['samples']} | {arm} | {v['preparation_s']:.2f} | {v['training_s']:.2f} | {v['total_s']:.2f} "
                f"| {v['storage_gb']:.3f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="+", default=[100, 200, 500, 1000])
    parser.add_argument("--patch", type=int, default=32)
    parser.add_argument("--features", type=int, default=8)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS / "online_offline.json")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    target = narrow_target(args.patch, args.features)
    hardware = Hardware(args.device, workers=args.workers)
    settings = {name: getattr(args, name) for name in ("patch", "features", "device", "threads", "workers")}
    rows: list[dict[str, Any]] = []
    content = {"machine": describe_machine(args.device), "settings": settings, "rows": rows}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        measure(target, 10, hardware, Path(folder) / "warm-up")
        for samples in args.samples:
            rows.append(measure(target, samples, hardware, Path(folder) / str(samples)))
            args.out.write_text(json.dumps(content, indent=1) + "\n")  # after each: an interrupted run keeps its rows
            print(f"{samples} samples done", flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
