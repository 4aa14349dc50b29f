"""Do the tests of rasd_nnu.stats keep their level, and do the intervals cover? By simulation of null comparisons.

    taskset -c 0 nice -n 10 env OMP_NUM_THREADS=1 python benchmarks/calibration.py

Each cell is stored in benchmarks/results/calibration.json as soon as it is done, and is not run again;
calibration_table.py makes the tables. The primary tests are vectorised (calibration_fast.py) and in each cell compared
with the functions of the package; the rivals are in calibration_rivals.py.
"""

from __future__ import annotations

import argparse
import json
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import calibration_fast as fast
import calibration_rivals as rivals
import numpy as np
from calibration_designs import SHAPES, SPREADS, crossed, one_training, ratings

from rasd_nnu.files import write_text
from rasd_nnu.stats import auc_delong, bootstrap_paired, delong_paired, obuchowski_rockette

RESULTS = Path(__file__).parent / "results/calibration.json"
SIMULATIONS = 2000
PATIENTS = (6, 12, 30, 100)
Cell = Callable[[int, np.random.Generator], dict[str, float]]


def one_training_cell(shape: str, n: int, clustered: bool) -> Cell:
    """Return the cell of one training an arm: share of rejections, in percent."""

    def run(simulations: int, rng: np.random.Generator) -> dict[str, float]:
        cases, units, exists = one_training(shape, n, clustered, simulations, rng)
        primary, plain = fast.one_training_p(units)
        found = {
            "primary": primary <= 0.05,
            "interval_agrees": fast.check_one_training(units, primary),
            "signflip": plain <= 0.05,
            "wilcoxon": rivals.wilcoxon(units),
            "student": rivals.student(units),
            **rivals.bootstraps(units, rng),
        }
        if clustered:
            found["cases_as_units"] = rivals.cases_as_units(cases, exists)
        return _percent(found)

    return run


def crossed_cell(spreads: str, seeds: int, n: int, seed_sd: float) -> Cell:
    """Return the cell of several seeds; with one seed: how often the test of these very trainings rejects."""

    def run(simulations: int, rng: np.random.Generator) -> dict[str, float]:
        differences = crossed(spreads, seeds, n, seed_sd, simulations, rng)
        averaged = fast.one_training_p(differences.mean(1))[0] <= 0.05
        if seeds == 1:
            return _percent({"patients_only": averaged})
        p = fast.crossed_p(differences)
        return _percent(
            {
                **{name: values <= 0.05 for name, values in p.items()},
                "interval_agrees": fast.check_crossed(differences, p),
                "pigeonhole": fast.pigeonhole_rejects(differences, rng),
                "patients_only": averaged,
            }
        )

    return run


def auc_cell(seeds: int, n: int, seed_sd: float) -> Cell:
    """Return the cell of the AUC (and, with one seed, of average precision)."""

    def run(simulations: int, rng: np.random.Generator) -> dict[str, float]:
        labels, scores = ratings(seeds, n, seed_sd, simulations, rng)
        if seeds == 1:
            pairs = [(row[0, 0], row[1, 0]) for row in scores]
            boots = {
                f"bootstrap_{metric}": [
                    bootstrap_paired(labels, a, b, metric=metric, n_resamples=300, seed=i).p <= 0.05
                    for i, (a, b) in enumerate(pairs)
                ]
                for metric in ("auc", "average_precision")
            }
            return _percent({"delong": [delong_paired(labels, a, b).p <= 0.05 for a, b in pairs], **boots})
        tests = []
        for row in scores:
            areas, covariance = auc_delong(labels, row.reshape(2 * seeds, n))
            tests.append(obuchowski_rockette(areas.reshape(2, seeds), covariance, n))
        ways = {"primary": "test", "hillis": "hillis"}
        return _percent({key: [getattr(t, name).p <= 0.05 for t in tests] for key, name in ways.items()})

    return run


def cells() -> dict[str, Cell]:
    """Return all cells by name."""
    found: dict[str, Cell] = {}
    for n in PATIENTS:
        for shape in SHAPES:
            for clustered in (False, True):
                name = f"one|{shape}|n={n}|{'1 to 5 cases' if clustered else '1 case'}"
                found[name] = one_training_cell(shape, n, clustered)
        for spreads in SPREADS:
            for seeds in (1, 2, 3, 5, 8):
                for points in (0.0, 0.5, 1.0, 2.0):
                    name = f"crossed|{spreads}|seeds={seeds}|n={n}|seed sd={points}"
                    found[name] = crossed_cell(spreads, seeds, n, points / 100)
    for n in (30, 100):
        for seeds in (1, 3, 8):
            for sd in (0.0,) if seeds == 1 else (0.0, 0.3):
                found[f"auc|seeds={seeds}|n={n}|seed sd={sd}"] = auc_cell(seeds, n, sd)
    return found


def _percent(found: dict[str, Any]) -> dict[str, float]:
    return {name: round(100 * float(np.mean(values)), 2) for name, values in found.items()}


def main() -> None:
    """Run the cells that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=SIMULATIONS)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--only", default="", help="part of the names of the cells to run")
    options = parser.parse_args()
    content = json.loads(options.results.read_text()) if options.results.exists() else {"cells": {}}
    content["simulations"] = options.simulations
    for name, run in cells().items():
        if name in content["cells"] or options.only not in name:
            continue
        start = time.process_time()
        content["cells"][name] = run(options.simulations, np.random.default_rng(zlib.crc32(name.encode())))
        content["cpu_seconds"] = round(content.get("cpu_seconds", 0.0) + time.process_time() - start, 1)
        write_text(options.results, json.dumps(content, indent=1) + "\n")
        print(f"{time.process_time() - start:6.1f} s  {name}  {content['cells'][name]}", flush=True)


if __name__ == "__main__":
    main()
