"""Does the memory of `tasks prepare` stay the same when whole-slide images grow?

    python benchmarks/slides.py [--edges 2048 8192 16384] [--out FILE]

Makes two simulated slides of each size (pyramidal TIFF, tiles of 512, deflate) with a polygon, cuts them into tiles of
512 that become cases, and notes seconds and the peak memory of the largest process, start included.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import yaml
from prepare import run_prepare, timed

RESULTS = Path(__file__).parent / "results"
TILE = 512
OUTLINE = """<Annotations><Annotation Name="Tumor"><Regions><Region><Vertices>{}</Vertices></Region></Regions>
</Annotation></Annotations>"""


def write_spec(file: Path) -> None:
    """Write the spec of a segmentation on tiles, with two folds because there are two slides."""
    tiles = {"size": TILE}
    layout = {"kind": "files", "folder": "source", "cases": 2, "image": "{slide}.svs", "case": "{slide}"}
    spec = {
        "key": file.stem, "id": 998, "name": "Slides", "title": "Simulated slides", "modality": "pathology", "dims": 2,
        "task": "segmentation", "region": "none", "target": "none", "channels": ["R", "G", "B"],
        "labels": {"background": 0, "tumour": 1}, "homepage": "https://example.org", "access": "open",
        "licence": "CC0", "citation": [{"authors": "A", "title": "T", "venue": "V", "year": 2025}],
        "layout": {**layout, "tiles": tiles}, "group": {"by": "{slide}", "why": "one slide a patient"},
        "annotation": {"kind": "outlines", "file": "{slide}.xml", "format": "aperio", "names": {"Tumor": "tumour"}},
        "split": {"folds": 2},
    }  # fmt: skip
    file.write_text(yaml.safe_dump(spec))


def simulate(folder: Path, edge: int) -> None:
    """Write two slides and their outlines."""
    noise = np.random.default_rng(0).integers(0, 16, (TILE, TILE, 3), dtype=np.uint8)

    def tiles(count: int) -> Iterator[np.ndarray]:
        return (np.roll(noise, at, 0) * 8 + 100 for at in range(count))

    folder.mkdir()
    options: dict[str, Any] = {"tile": (TILE, TILE), "compression": "zlib", "photometric": "rgb", "metadata": None}
    for name in ("s1", "s2"):
        with tifffile.TiffWriter(folder / f"{name}.svs", bigtiff=True) as writer:
            for size in (edge, edge // 2):
                writer.write(tiles((size // TILE) ** 2), shape=(size, size, 3), dtype=np.uint8, **options)
        corners = ((0, 0), (edge / 2, 0), (edge / 2, edge / 2), (0, edge / 2))
        (folder / f"{name}.xml").write_text(OUTLINE.format("".join(f'<Vertex X="{x}" Y="{y}"/>' for x, y in corners)))


def measure(folder: Path, edge: int) -> dict[str, Any]:
    """Measure one size."""
    source, spec = folder / "source", folder / "slides.yaml"
    write_spec(spec)
    maker = multiprocessing.get_context("spawn").Process(target=simulate, args=(source, edge))
    maker.start()
    maker.join()
    peaks: list[float] = []
    seconds = timed(lambda: peaks.append(run_prepare(spec, source, folder / "raw", 1)), source)
    unpacked = 2 * edge**2 * 3 / 1e6
    return {"tiles": 2 * (edge // TILE) ** 2, "unpacked_mb": unpacked, "seconds": seconds, "peak_mib": peaks[0]}


def main() -> None:
    """Run the benchmark and write its results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edges", type=int, nargs="+", default=[2048, 8192, 16384])
    parser.add_argument("--out", type=Path, default=RESULTS / "slides.json")
    options = parser.parse_args()
    results: dict[str, Any] = {}
    for edge in options.edges:
        with tempfile.TemporaryDirectory() as folder:
            results[f"{edge}x{edge}"] = measure(Path(folder), edge)
            print(edge, results[f"{edge}x{edge}"], flush=True)
    from machine import describe_machine  # last, because it imports torch and takes memory

    results["machine"] = describe_machine("cpu")
    options.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
