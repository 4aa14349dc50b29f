"""Does something cheap in the labelled cases foretell whether new appearances help?

    RASD_DATA=... python benchmarks/screen/fingerprint.py

For each task and seed, from the labelled patients alone:

* *reliable*: how far a class lies from its surroundings in intensity, in standard deviations between patients (the
  smallest over classes, the largest over channels). Where intensity is a reliable cue, a new one takes it away.
* *separable*: area under the ROC curve of intensity for a class against its surroundings, folded to 0.5..1, in one
  image; mean over images and classes.
* *size*: share of the foreground.

Writes benchmarks/results/screen_fingerprint.json, which analyse.py holds against the measured gains. A minute.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from scipy import ndimage
from sklearn.metrics import roc_auc_score
from tasks import CHOOSING, CONFIRMING, TASKS, Case

from rasd_nnu.files import write_text

RESULTS = Path(__file__).parents[1] / "results" / "screen_fingerprint.json"
_RING, _FEWEST, _MOST = 4, 10, 4000


def around(case: Case, wanted: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the intensities ``(C, N)`` of a class and of what lies within a few voxels of it; None if it is small."""
    inside = case.label == wanted
    ring = ndimage.binary_dilation(inside, iterations=_RING) & ~inside
    if inside.sum() < _FEWEST or ring.sum() < _FEWEST:
        return None
    return case.image[:, inside], case.image[:, ring]


def separable(inside: np.ndarray, ring: np.ndarray) -> float:
    """Return the folded area under the ROC curve of the best channel."""
    truth = np.r_[np.ones(inside.shape[1]), np.zeros(ring.shape[1])]
    areas = [roc_auc_score(truth, np.r_[a, b]) for a, b in zip(inside, ring, strict=True)]
    return max(max(area, 1 - area) for area in areas)


def fingerprint(cases: list[Case], classes: int) -> dict[str, float]:
    """Return the numbers of some labelled cases."""
    generator = np.random.default_rng(0)
    reliable, areas = [], []
    for wanted in range(1, classes):
        contrasts: dict[str, list[np.ndarray]] = {}
        for case in cases:
            both = around(case, wanted)
            if both is None:
                continue
            contrasts.setdefault(case.patient, []).append(both[0].mean(1) - both[1].mean(1))
            inside, ring = (generator.permuted(v, axis=1)[:, :_MOST] if v.shape[1] > _MOST else v for v in both)
            areas.append(separable(inside, ring))
        of_patient = np.array([np.mean(values, axis=0) for values in contrasts.values()])
        if len(of_patient) > 1:
            spread = np.maximum(of_patient.std(0, ddof=1), 1e-3)
            reliable.append(float((np.abs(of_patient.mean(0)) / spread).max()))
    foreground = [float((case.label > 0).mean()) for case in cases]
    return {"reliable": min(reliable), "separable": float(np.mean(areas)), "size": float(np.mean(foreground))}


def main() -> None:
    """Compute from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labelled", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    rows = []
    for key in (*CHOOSING, *CONFIRMING):
        task = TASKS[key]
        for seed in range(arguments.seeds):
            found = fingerprint(task.labelled(arguments.labelled, seed), task.classes)
            rows.append({"task": key, "seed": seed, **{name: round(value, 3) for name, value in found.items()}})
        print(key, {name: round(float(np.mean([r[name] for r in rows if r["task"] == key])), 2) for name in found})
    write_text(arguments.out, json.dumps({"labelled": arguments.labelled, "results": rows}, indent=0) + "\n")


if __name__ == "__main__":
    main()
