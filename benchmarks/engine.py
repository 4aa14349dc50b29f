"""Time and memory of the synthesis engine.

    python benchmarks/engine.py [--device cpu|cuda] [--threads 2] [--out FILE] [--profile]

Reports milliseconds a sample (median over runs), samples a second and the peak of extra memory, for each preset at the
paper's sizes, and how time grows with voxels and classes. Under 3 minutes on two CPU cores.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from machine import describe_machine

from rasd_nnu.pretrain.synthesis import PRESETS, SynthesisConfig, synthesize

RESULTS = Path(__file__).parent / "results"


def seconds_per_sample(config: SynthesisConfig, batch: int, device: str, runs: int) -> float:
    """Return the median time a sample; every run draws other samples."""
    times = []
    for run in range(-1, runs):  # the first one warms up
        begin = time.perf_counter()
        synthesize(config, 0, range((run + 1) * batch, (run + 2) * batch), device)
        if device == "cuda":
            torch.cuda.synchronize()
        if run >= 0:
            times.append((time.perf_counter() - begin) / batch)
    return statistics.median(times)


def peak_extra_mib(config: SynthesisConfig, batch: int, device: str) -> float:
    """Return the highest memory during one call, results included, above what there was before."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        synthesize(config, 0, range(batch), device)
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    request = json.dumps([config.to_dict(), batch, torch.get_num_threads()])
    command = [sys.executable, __file__, "--peak-of", request]  # in a process of its own: what it has used counts
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _peak_of(request: str) -> float:
    values, batch, threads = json.loads(request)
    torch.set_num_threads(threads)
    config = SynthesisConfig.from_dict(values)
    synthesize(SynthesisConfig.from_dict({**values, "shape": [32] * config.dims}), 0, [0])
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = _status("VmRSS")
    synthesize(config, 0, range(batch))
    return (_status("VmHWM") - before) / 1024


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def work(config: SynthesisConfig) -> dict[str, float]:
    """Return what a sample needs at least: bytes of the results, and multiply-adds of the label map.

    A voxel's label needs, for each class, a displacement in each axis (linear along one axis over the summed nodes of
    the scales; the other axes cost next to nothing) and one multilinear look-up.
    """
    voxels = math.prod(config.shape)
    nodes = sum(cells + 1 for cells in config.priors.deformation.cells)
    fields = config.max_classes if config.priors.deformation.per_class else 1
    operations = voxels * (fields * config.dims * nodes + config.max_classes * 2**config.dims)
    return {"result_bytes": voxels * (4.0 * config.channels + 8), "multiply_adds": float(operations)}


def measure(name: str, shape: tuple[int, ...], classes: int, batch: int, device: str, runs: int) -> dict[str, Any]:
    """Measure one setting."""
    config = SynthesisConfig.preset(name, shape=shape, classes=classes)
    seconds = seconds_per_sample(config, batch, device, runs)
    row = {
        "preset": name,
        "shape": list(shape),
        "classes": classes,
        "batch": batch,
        "ms_per_sample": round(seconds * 1e3, 2),
        "samples_per_second": round(1 / seconds, 2),
        **work(config),
    }
    size = "x".join(map(str, shape))
    print(f"{name:9} {size:12} {classes:3} classes, batch {batch:2}: {seconds * 1e3:8.1f} ms a sample")
    return row


def run(device: str, *, smoke: bool = False) -> list[dict[str, Any]]:
    """Measure the paper's sizes, memory, and growth with voxels and classes; or one small volume."""
    if smoke:
        return [measure("default", (32,) * 3, 8, 1, device, runs=3)]
    rows = []
    volume, picture = ((128,) * 3, 8), ((512,) * 2, 16)
    for name in PRESETS:
        for (shape, classes), batches in ((volume, (1, 2, 4)), (picture, (1, 16))):
            for batch in batches if device == "cuda" else batches[:1]:
                rows.append(measure(name, shape, classes, batch, device, runs=7))
        for edge, batch in ((128, 2), (256, 1)):
            config = SynthesisConfig.preset(name, shape=(edge,) * 3, classes=volume[1])
            key = f"peak_extra_mib_{edge}_batch_{batch}"
            rows[-1][key] = round(peak_extra_mib(config, batch, device), 1)
            print(f"{name:9} peak extra memory at {edge}^3, batch {batch}: {rows[-1][key]} MiB")
    for edge in (64, 96, 128, 160, 192):
        rows.append({"series": "voxels", **measure("released", (edge,) * 3, 8, 1, device, runs=3)})
    for classes in (4, 8, 16, 32):
        rows.append({"series": "classes", **measure("released", (96,) * 3, classes, 1, device, runs=3)})
    return rows


def profile(device: str) -> None:
    """Print where the time of a volume goes."""
    config = SynthesisConfig.preset("released", shape=(128,) * 3, classes=8)
    synthesize(config, 0, [0], device)
    with torch.autograd.profiler.profile(use_device="cuda" if device == "cuda" else None) as records:
        synthesize(config, 0, [1], device)
    print(records.key_averages().table(sort_by=f"self_{device}_time_total", row_limit=20, max_name_column_width=40))


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--smoke", action="store_true", help="only see that it runs")
    parser.add_argument("--peak-of", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak_of:
        print(_peak_of(arguments.peak_of))
        return
    torch.set_num_threads(arguments.threads)
    if arguments.profile:
        profile(arguments.device)
        return
    begin = time.perf_counter()
    rows = run(arguments.device, smoke=arguments.smoke)
    out = arguments.out or RESULTS / f"engine_{arguments.device}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": describe_machine(arguments.device), "results": rows}
    out.write_text(json.dumps(content, indent=1) + "\n")
    print(f"{time.perf_counter() - begin:.0f} s, wrote {out}")


if __name__ == "__main__":
    main()
