"""Registration of the hippocampus between patients, on features of frozen networks and on the usual ones.

python benchmarks/registration.py --source Task04_Hippocampus --work FOLDER prototypes=a.pth contrastive=b.pth

Pairs are drawn once and no patient is in two of them, so that they are independent. The weight of smoothness of each
method is chosen on other pairs, by the mean Dice. Every registration is one line of FOLDER/registration.jsonl: stopped,
the same command goes on. The table of docs/evidence/registration.md is written by registration_table.py.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import SimpleITK as sitk  # noqa: N813
from machine import describe_machine

from rasd_nnu.checkpoints.read import Source, open_source
from rasd_nnu.features.images import read_image
from rasd_nnu.files import write_text
from rasd_nnu.registration.convex import ConvexSettings
from rasd_nnu.registration.grid import resampled, start_transform
from rasd_nnu.registration.register import register
from rasd_nnu.workflows.overlap import overlaps
from rasd_nnu.workflows.register import Compared, of_checkpoint, usual

RESULTS = Path(__file__).parent / "results/registration.json"
SEED = 0
TUNING_PAIRS, PAIRS = 8, 45
WEIGHTS = (0.3, 1.0, 3.0)
#: For volumes of about 35 x 50 x 36 voxels: cells of 3 voxels, and 4 of them, 12 mm, to each side.
SETTINGS = ConvexSettings(grid_sp=3, disp_hw=4, grid_sp_adam=2, selected_niter=80)
START = "start"


def draw_pairs(source: Path) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return pairs of cases to tune on and to judge on."""
    cases = sorted(path.name.split(".")[0] for path in (source / "imagesTr").glob("hippocampus_*.nii.gz"))
    random.Random(SEED).shuffle(cases)
    pairs = list(zip(cases[::2], cases[1::2], strict=False))[: TUNING_PAIRS + PAIRS]
    return pairs[:TUNING_PAIRS], pairs[TUNING_PAIRS:]


def register_pair(source: Path, pair: tuple[str, str], compared: Compared | None, weight: float) -> dict[str, Any]:
    """Register one pair and return what came out; without ``compared``, what the start gives."""
    fixed, moving = (read_image(source / "imagesTr" / f"{case}.nii.gz") for case in pair)
    labels = [read_image(source / "labelsTr" / f"{case}.nii.gz") for case in pair]
    row: dict[str, Any] = {"fixed": pair[0], "moving": pair[1]}
    if compared is None:
        warped = resampled(labels[1], fixed, start_transform(fixed, moving, "centre"), nearest=True)
    else:
        settings = replace(SETTINGS, lambda_weight=weight)
        found = register(fixed, moving, compared.features, settings, align="centre", spacing=compared.spacing)
        warped = found.warp_labels(labels[1], fixed)
        row |= {"weight": weight, "folded": found.folded(), "seconds": round(found.seconds, 2)}
    of_labels = overlaps(labels[0], warped)
    return {
        **row,
        "dice": {str(o.label): o.dice for o in of_labels},
        "hd95": {str(o.label): o.hd95 for o in of_labels},
    }


class Records:
    """Rows that are kept as they come.

    Args:
        path: JSON lines.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text().splitlines() if path.exists() else []
        self.rows: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def find(self, method: str, part: str, pair: tuple[str, str], weight: float) -> dict[str, Any] | None:
        """Return the row of a registration that was made before."""
        key = (method, part, *pair, weight)
        known = ((r["method"], r["part"], r["fixed"], r["moving"], r.get("weight", weight)) for r in self.rows)
        return next((row for row, of_row in zip(self.rows, known, strict=True) if of_row == key), None)

    def add(self, row: dict[str, Any]) -> None:
        """Keep a row."""
        self.rows.append(row)
        with self.path.open("a") as stream:
            stream.write(json.dumps(row) + "\n")


def mean_dice(row: Mapping[str, Any]) -> float:
    """Return the mean over labels."""
    values = list(row["dice"].values())
    return float(sum(values) / len(values))


def run_pairs(
    records: Records,
    source: Path,
    method: str,
    compared: Compared | None,
    part: str,
    pairs: Sequence[tuple[str, str]],
    weight: float,
) -> Iterator[dict[str, Any]]:
    """Register pairs, but those that were before."""
    for pair in pairs:
        row = records.find(method, part, pair, weight)
        if row is None:
            row = {"method": method, "part": part, **register_pair(source, pair, compared, weight)}
            records.add(row)
        yield row


def run(source: Path, work: Path, methods: Mapping[str, Compared | None]) -> dict[str, Any]:
    """Tune and judge every method."""
    records = Records(work / "registration.jsonl")
    tuning, judged = draw_pairs(source)
    chosen: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    for method, compared in methods.items():
        weights = WEIGHTS if compared else WEIGHTS[:1]
        tried = {
            weight: [mean_dice(r) for r in run_pairs(records, source, method, compared, "tuning", tuning, weight)]
            for weight in weights
        }
        means = {weight: sum(values) / len(values) for weight, values in tried.items()}
        weight = max(means, key=lambda w: means[w])
        chosen[method] = {"weight": weight, "tuning_dice": {str(w): m for w, m in means.items()}}
        rows += run_pairs(records, source, method, compared, "judged", judged, weight)
        of_method = [mean_dice(row) for row in rows if row["method"] == method]
        print(f"{method:12} weight {weight:g} Dice {sum(of_method) / len(of_method):.4f}", flush=True)
    return {"chosen": chosen, "rows": [{k: v for k, v in row.items() if k != "part"} for row in rows]}


def describe(source: Source) -> dict[str, Any]:
    """Return what a checkpoint says about itself, as far as the table needs it."""
    meta = source.meta
    kept = ("iterations", "samples_seen", "samples_different", "seconds", "seed", "patch_size", "planned_for")
    return {
        "sha256": source.sha256,
        "objective": (meta.get("objective") or {}).get("name"),
        "synthesis": (meta.get("synthesis") or {}).get("name"),
        **{key: meta.get(key) for key in kept},
    }


def main() -> None:
    """Run all methods and write benchmarks/results/registration.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("checkpoints", nargs="+", help="NAME=PATH; the first one's network is also taken untrained")
    arguments = parser.parse_args()
    named = dict(text.split("=", 1) for text in arguments.checkpoints)
    sources = {name: open_source(Path(path)) for name, path in named.items()}
    plan = (None, None, None)
    methods: dict[str, Compared | None] = {START: None, "intensity": usual("intensity"), "mind": usual("mind")}
    methods["untrained"] = of_checkpoint(next(iter(sources.values())), plan, "cpu", untrained=SEED)
    methods |= {name: of_checkpoint(source, plan, "cpu") for name, source in sources.items()}
    found = run(arguments.source, arguments.work, methods)
    content = {
        "machine": describe_machine("cpu"),
        "settings": asdict(SETTINGS),
        "seed": SEED,
        "simpleitk": sitk.Version_VersionString(),
        "pairs": {"tuning": TUNING_PAIRS, "judged": PAIRS},
        "checkpoints": {name: describe(source) for name, source in sources.items()},
        **found,
    }
    write_text(RESULTS, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
