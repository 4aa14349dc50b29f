"""Two versions of the package, measured in turns in one run: is anything slower than before?

    python benchmarks/side_by_side.py --before OLD/bin/python --after NEW/bin/python [--rounds 7]

Each argument is the interpreter of an environment with one of the versions. Every measurement runs in a process of its
own, before and after in alternating order (ABBA), so that a busy machine slows both; the result is the median of the
rounds' ratios with the 95 % interval of bootstrapped medians. Writes results/side_by_side.json. A few minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe_machine

from rasd_nnu.files import write_text

RESULTS = Path(__file__).parent / "results/side_by_side.json"

_RENDER = """
import time, torch
from rasd_nnu.pretrain.synthesis import SynthesisConfig, synthesize
torch.set_num_threads(1)
config = SynthesisConfig.preset({preset!r}, shape={shape}, classes=8)
synthesize(config, 0, [0])
begin = time.perf_counter()
synthesize(config, 0, range(1, 4))
print((time.perf_counter() - begin) / 3)
"""

_STEP = """
import json, pathlib, tempfile, time, torch
torch.set_num_threads(1)
from rasd_nnu.cli.main import main
with tempfile.TemporaryDirectory() as folder:
    out = str(pathlib.Path(folder) / "a.pth")
    options = ["--iterations", "8", "--lr", "1e-3", "--schedule", "constant", "--precision", "fp32"]
    try:
        main(["pretrain", "-d", "3d", "--patch", "32", *options, "--device", "cpu", "--out", out])
    except SystemExit:
        pass
    print(json.loads(pathlib.Path(out).with_suffix(".run_report.json").read_text())["seconds"])
"""

_IMPORT = """
import time
begin = time.perf_counter()
import rasd_nnu.trainers
rasd_nnu.trainers.RaSDTrainer
print(time.perf_counter() - begin)
"""

_HELP = """
import subprocess, sys, time
begin = time.perf_counter()
subprocess.run([sys.executable, "-m", "rasd_nnu.cli.main", "--help"], check=True, stdout=subprocess.DEVNULL)
print(time.perf_counter() - begin)
"""

MEASUREMENTS = {
    "rasd_nnu --help": _HELP,
    "import of the trainer": _IMPORT,
    "a pre-training of 8 steps": _STEP,
    **{
        f"engine, {preset}, {'x'.join(map(str, shape))}": _RENDER.format(preset=preset, shape=shape)
        for preset in ("default", "paper", "released")
        for shape in ((96, 96, 96), (256, 256))
    },
}


def seconds(python: str, program: str) -> float:
    """Run a program with an interpreter and return the last number that it prints."""
    done = subprocess.run([python, "-c", program], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def measure(before: str, after: str, rounds: int) -> dict[str, Any]:
    """Measure everything, in turns."""
    result = {}
    for name, program in MEASUREMENTS.items():
        pairs = np.zeros((rounds, 2))
        for index in range(rounds):
            for which in (0, 1) if index % 2 else (1, 0):
                pairs[index, which] = seconds((before, after)[which], program)
        ratios = pairs[:, 1] / pairs[:, 0]
        draws = np.random.default_rng(0).integers(0, rounds, (10_000, rounds))
        low, high = np.percentile(np.median(ratios[draws], axis=1), [2.5, 97.5])
        result[name] = {
            "before_s": float(np.median(pairs[:, 0])),
            "after_s": float(np.median(pairs[:, 1])),
            "ratio": float(np.median(ratios)),
            "ratio_95": [float(low), float(high)],
        }
        print(f"{name:<32} {result[name]['ratio']:.3f} ({low:.3f} to {high:.3f})", flush=True)
    return result


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", required=True)
    parser.add_argument("--after", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    content = {"benchmark": "side_by_side", "rounds": args.rounds, "machine": describe_machine("cpu")}
    content["measured"] = measure(args.before, args.after, args.rounds)
    write_text(RESULTS, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
