"""Time and memory of a pre-training iteration, and what each part of it takes.

    python benchmarks/step.py [--device cpu|cuda] [--threads 2] [--only NAME ...] [--out FILE] [--layouts]

For each network: the bare network (forward, backward, AdamW) on fixed data, the synthesis of a batch, the objective,
and a whole iteration of `rasd_nnu.pretrain.loop.pretrain`, with the peak of memory. Beside it, on the same network and
batch, a stand-in for the authors' loop: Swin UNETR in fp32 with activation checkpointing, an objective with one-hot
volumes, and one sample an iteration from an engine of the speed that was measured for theirs (`THEIR_SAMPLE`).
Each case is a process of its own. Seconds are the fastest of a few runs; on a machine that others use too, take
`--threads 1 --clock cpu`. Under 4 minutes on two quiet CPU cores.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from cases import CASES, Case
from machine import describe_machine
from torch import Tensor, nn

from rasd_nnu.files import write_text
from rasd_nnu.networks.build import build_network
from rasd_nnu.pretrain.hardware import Hardware, keep_freed_memory, memory_format
from rasd_nnu.pretrain.loop import pretrain
from rasd_nnu.pretrain.objective import PrototypeDisentangling
from rasd_nnu.pretrain.progress import Silent, Status
from rasd_nnu.pretrain.recipe import Recipe
from rasd_nnu.pretrain.synthesis import synthesize

RESULTS = Path(__file__).parent / "results"
#: Given, not measured here: seconds of a 128^3 volume of 8 classes from the authors' engine on two CPU cores. It grows
#: linearly with the voxels.
THEIR_SAMPLE = 5.0


@dataclass(frozen=True)
class Stopwatch:
    """How to take times.

    Args:
        device: ``cpu`` or ``cuda``.
        runs: The fastest of so many counts.
        now: The clock.
    """

    device: str
    runs: int
    now: Callable[[], float]

    def fastest(self, work: Callable[[], Any]) -> float:
        """Return the seconds of the fastest run after a warm-up."""
        times = []
        for _ in range(self.runs + 1):
            begin = self.now()
            work()
            if self.device == "cuda":
                torch.cuda.synchronize()
            times.append(self.now() - begin)
        return min(times[1:])


class Ends(Silent):
    """Remember when iterations end."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.times: list[float] = []

    def update(self, status: Status) -> None:
        """Take the time."""
        self.times.append(self.now())


def iteration_seconds(case: Case, precision: str, watch: Stopwatch) -> float:
    """Return the seconds of the fastest iteration of the loop itself, the first and the last, which saves, left out."""
    ends = Ends(watch.now)
    recipe = Recipe(iterations=watch.runs + 2, batch_size=case.batch, precision=precision)
    with tempfile.TemporaryDirectory() as folder:
        pretrain(
            case.target,
            case.config,
            recipe,
            Path(folder) / "a.pth",
            hardware=Hardware(device=watch.device),
            report_every=1,
            display=ends,
        )
    return min(b - a for a, b in itertools.pairwise(ends.times))


def naive_objective(features: Tensor, label: Tensor, classes: int) -> Tensor:
    """Compute equations 5-7 in the plain way: one-hot labels and similarities of all voxels at once."""
    flat, members = features.flatten(2), nn.functional.one_hot(label.flatten(1), classes).float()
    prototypes = flat @ members / members.sum(1).clamp(min=1)[:, None]
    prototypes = prototypes.transpose(1, 2)
    separation = (prototypes @ prototypes.transpose(1, 2) / 0.07).log_softmax(2).diagonal(dim1=1, dim2=2).mean()
    clustering = ((prototypes @ flat / 0.07).log_softmax(1) * members.transpose(1, 2)).sum(1).mean()
    return -separation - clustering


def train_step(
    network: nn.Module, image: Tensor, loss: Callable[[Tensor], Tensor], precision: str = "fp32"
) -> Callable[[], None]:
    """Return a function that takes a step of AdamW."""
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=1e-5)

    def step() -> None:
        with torch.autocast(image.device.type, torch.bfloat16, enabled=precision == "bf16"):
            value = loss(network(image))
        value.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def their_iteration(case: Case, watch: Stopwatch) -> float:
    """Return the seconds of an iteration of the stand-in for the authors' loop."""
    target = case.target
    description = {**target.architecture, "arch_kwargs": {**target.architecture["arch_kwargs"], "use_checkpoint": True}}
    network = build_network(dataclasses.replace(target, architecture=description)).to(watch.device)
    image, label = synthesize(case.config, 0, range(case.batch), watch.device)
    step = train_step(network, image, lambda f: naive_objective(f, label, case.config.max_classes))
    return watch.fastest(step) + THEIR_SAMPLE * math.prod(case.patch) / 128**3


def measure(case: Case, watch: Stopwatch) -> dict[str, Any]:
    """Return the times and the memory of a case."""
    device = watch.device
    precision = Hardware(device=device).best_precision()
    theirs = their_iteration(case, watch) if case.theirs else None  # before our loop sets up the process
    iteration = iteration_seconds(case, precision, watch)
    memory = peak_gib(device)
    image, label = synthesize(case.config, 0, range(case.batch), device)
    network: Any = build_network(case.target).to(device)
    network = network.to(memory_format=memory_format(torch.device(device), network))
    features = network(image).detach().requires_grad_()
    fixed = torch.randn_like(features)
    bare = watch.fastest(train_step(network, image, lambda f: (f * fixed).sum(), precision))
    synthesis = watch.fastest(lambda: synthesize(case.config, 1, range(case.batch), device))
    objective = PrototypeDisentangling()

    def evaluate() -> None:
        features.grad = None
        objective(features, label, case.config.max_classes).total.backward()

    seconds = watch.fastest(evaluate)
    result = {
        "parameters_m": sum(p.numel() for p in network.parameters()) / 1e6,
        "precision": precision,
        "runs": watch.runs,
        "iteration_s": iteration,
        "network_s": bare,
        "synthesis_s": synthesis,
        "objective_s": seconds,
        "rest_s": iteration - bare - synthesis - seconds,
        "synthesis_share_of_iteration": synthesis / iteration,
        "objective_share_of_network": seconds / bare,
        "peak_gib": memory,
    }
    if theirs is not None:
        result |= {"authors_stand_in_s": theirs, "times_faster": theirs / iteration}
    return result


def peak_gib(device: str) -> float:
    """Return the peak of memory of this process so far: on the GPU, or resident on the CPU."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 2**20


def layouts(watch: Stopwatch) -> dict[str, Any]:
    """Return the seconds of forward and backward with weights in both orders, which `memory_format` rests on."""
    keep_freed_memory()
    found = {}
    cubes = [Case(3, "plain", (48,) * 3, 2, width=width) for width in (8, 16, 24, None)]
    squares = [Case(2, "plain", (128,) * 2, 8, width=width) for width in (8, 16, None)]
    for case in (*cubes, Case(3, "plain", (32,) * 3, 2, width=8), Case(3, "resenc-m", (64,) * 3, 1), *squares):
        times = {}
        orders = (torch.contiguous_format, torch.channels_last_3d if case.dims == 3 else torch.channels_last)
        for precision, order in itertools.product(("fp32", "bf16"), orders):
            network: Any = build_network(case.target)
            network = network.to(memory_format=order)
            image = torch.randn(case.batch, 1, *case.patch)
            step = train_step(network, image, lambda f: f.float().square().mean(), precision)
            times[f"{precision} {str(order).removeprefix('torch.')}"] = watch.fastest(step)
        found[case.name] = times
        print(case.name, times, flush=True)
    return found


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--clock", default="wall", choices=["wall", "cpu"], help="cpu: this process's own seconds")
    parser.add_argument("--only", nargs="*", help="cases such as plain_64x64x64_b2; other results stay in the file")
    parser.add_argument("--missing", action="store_true", help="run what the file has no result of")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--layouts", action="store_true", help="compare orders of the weights in memory instead")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.clock == "cpu" and (options.threads != 1 or options.device != "cpu"):
        parser.error("--clock cpu, for machines that others use too, needs --device cpu --threads 1")
    torch.set_num_threads(options.threads)
    watch = Stopwatch(options.device, options.runs, time.process_time if options.clock == "cpu" else time.perf_counter)
    cases = {case.name: case for case in CASES[options.device]}
    if options.case:
        print(json.dumps(measure(cases[options.case], watch)))
        return
    default = RESULTS / f"{'layouts' if options.layouts else 'step'}_{options.device}.json"
    out = options.out or default
    goes_on = (options.only or options.missing) and out.is_file()
    known = json.loads(out.read_text())["results"] if goes_on else {}
    about = {
        "machine": describe_machine(options.device),
        "clock": options.clock,
        "load_average": os.getloadavg()[0],
        "their_sample_s_at_128": THEIR_SAMPLE,
    }
    if options.layouts:
        write_text(out, json.dumps({**about, "results": layouts(watch)}, indent=2) + "\n")
        return
    for name in options.only or [name for name in cases if name not in known]:
        command = [sys.executable, "-W", "ignore", __file__, "--case", name, "--device", options.device]
        command += ["--threads", str(options.threads), "--runs", str(options.runs), "--clock", options.clock]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        known[name] = json.loads(done.stdout.splitlines()[-1])
        print(name, {key: round(v, 3) if isinstance(v, float) else v for key, v in known[name].items()}, flush=True)
        ordered = {key: known[key] for key in cases if key in known}
        write_text(out, json.dumps({**about, "results": ordered}, indent=2) + "\n")


if __name__ == "__main__":
    main()
