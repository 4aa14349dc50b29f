"""Does `tasks prepare` run as fast as the files can be copied and packed, in bounded memory?

    python benchmarks/prepare.py [--volumes 12] [--workers 1] [--folder DIR] [--out FILE]

Makes simulated CT volumes of 512x512x100 with labels, once as ``.nii.gz`` (prepare copies the bytes after reading and
checking all voxels) and once as MetaImage (prepare packs them), and compares the time with the same bytes being copied
and unpacked, or read and packed, by plain code in one process. Memory is the peak of the whole process.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813
from machine import describe_machine

from rasd_nnu.dataset_specs.prepare import prepare
from rasd_nnu.dataset_specs.registry import get_spec
from rasd_nnu.dataset_specs.schema import DatasetSpec

RESULTS = Path(__file__).parent / "results"
SHAPE = (100, 512, 512)  # z, y, x
MEGABYTE = 1e6


def spec_for(ending: str) -> DatasetSpec:
    """Return a CT task whose images end so; its layout has one folder a patient."""
    spec = get_spec("segthor")
    layout = spec.layout.model_copy(update={"image": "**/{n:Patient_\\d+}/{n}" + ending})
    return spec.model_copy(update={"layout": layout})


def simulate(folder: Path, volumes: int, ending: str) -> int:
    """Write volumes with the noise of a CT inside a body and air around; return their unpacked bytes."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1 : 1 : SHAPE[1] * 1j, -1 : 1 : SHAPE[2] * 1j]
    body = (x / 0.8) ** 2 + (y / 0.6) ** 2 < 1
    noise = rng.normal(40, 15, SHAPE).astype(np.int16)
    label = np.broadcast_to(((x - 0.2) ** 2 + y**2 < 0.05).astype(np.uint8), SHAPE)
    for at in range(volumes):
        name = f"Patient_{at + 1:02d}"
        (folder / name).mkdir(parents=True)
        for file, array in ((f"{name}{ending}", np.where(body, np.roll(noise, at), -1000)), ("GT.nii.gz", label)):
            image = sitk.GetImageFromArray(np.ascontiguousarray(array, dtype=array.dtype))
            image.SetSpacing((0.8, 0.8, 2.5))
            sitk.WriteImage(image, str(folder / name / file), file.endswith(".gz"), 1)
    return volumes * int(np.prod(SHAPE)) * (2 + 1)


def plain_seconds(source: Path, target: Path) -> float:
    """Copy packed files and unpack them once; read and pack the others: the least that such a conversion does."""
    begin = time.perf_counter()
    target.mkdir()
    for path in sorted(path for path in source.rglob("*") if path.suffix in (".gz", ".raw")):
        copy = target / f"{path.parent.name}_{path.name}"
        if path.suffix == ".gz":
            shutil.copyfile(path, copy)
            with gzip.open(path) as packed:
                packed.read()
        else:
            with gzip.open(copy, "wb", compresslevel=1) as out:
                out.write(path.read_bytes())
    return time.perf_counter() - begin


def run_prepare(source: str, raw: str, ending: str, workers: int) -> None:
    """Prepare in this process and print seconds and the peak of memory as JSON."""
    begin = time.perf_counter()
    prepare(spec_for(ending), Path(source), Path(raw), workers=workers)
    seconds = time.perf_counter() - begin
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({"seconds": seconds, "peak_mib_of_a_process": peak / 1024}))


def measure(folder: Path, volumes: int, ending: str, workers: int) -> dict[str, Any]:
    """Measure one kind of source."""
    source = folder / f"source{ending.replace('.', '_')}"
    size = simulate(source, volumes, ending)
    plain = plain_seconds(source, folder / f"plain{ending.replace('.', '_')}")
    raw = folder / f"raw{ending.replace('.', '_')}"
    arguments = [str(source), str(raw), ending, str(workers)]
    command = [sys.executable, __file__, "--child", json.dumps(arguments)]
    reports = [json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(2)]
    first, second = reports
    return {
        "volumes": volumes,
        "unpacked_mb": size / MEGABYTE,
        "workers": workers,
        "seconds": first["seconds"],
        "mb_per_s": size / MEGABYTE / first["seconds"],
        "plain_seconds": plain,
        "plain_mb_per_s": size / MEGABYTE / plain,
        "second_run_seconds": second["seconds"],
        "peak_mib_of_a_process": first["peak_mib_of_a_process"],
    }


def main() -> None:
    """Run the benchmark and write its results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--volumes", type=int, default=12)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=None, help="disk to measure; default: the temporary folder")
    parser.add_argument("--out", type=Path, default=RESULTS / "prepare.json")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        source, raw, ending, workers = json.loads(options.child)
        run_prepare(source, raw, ending, int(workers))
        return
    if options.volumes < 5:
        parser.error("--volumes must be at least 5, one a fold")
    results: dict[str, Any] = {"machine": describe_machine("cpu")}
    for ending in (".nii.gz", ".mhd"):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            results[ending] = measure(Path(folder), options.volumes, ending, options.workers)
            print(ending, json.dumps(results[ending], indent=2))
    options.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
