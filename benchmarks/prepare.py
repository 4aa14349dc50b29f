"""Does `tasks prepare` run as fast as the disk and the packing of the files allow, in bounded memory?

    python benchmarks/prepare.py [--volumes 12] [--distinct 8] [--workers 2] [--endings ENDING ...] [--libraries L ...]

Makes simulated CT volumes of 512x512x100 with labels, once as ``.nii.gz`` (prepare copies the bytes after reading and
checking all voxels) and once as MetaImage (prepare packs them). Compared, each with the source out of the page cache:
reading and writing the same bytes, which is the disk alone; plain code in as many processes that copies and unpacks, or
reads and packs, with the same library and with Python's ``gzip``; and the command itself, start included.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813
import yaml
from isal import igzip

from rasd_nnu.dataset_specs.registry import get_spec

RESULTS = Path(__file__).parent / "results"
SHAPE = (100, 512, 512)  # z, y, x
MEGABYTE = 1e6
LIBRARIES: dict[str, Any] = {"isal": igzip, "zlib": gzip}


def write_spec(file: Path, ending: str) -> None:
    """Write the spec of a CT task whose images end so; its layout has one folder a patient."""
    spec = get_spec("segthor")
    layout = spec.layout.model_copy(update={"image": "**/{n:Patient_\\d+}/{n}" + ending})
    own = spec.model_copy(update={"layout": layout, "key": file.stem, "id": 999})
    file.write_text(yaml.safe_dump(own.model_dump(mode="json", exclude_none=True)))


def simulate(folder: Path, volumes: int, distinct: int, ending: str) -> None:
    """Write volumes with the noise of a CT inside a body and air around; after some distinct ones come copies."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1 : 1 : SHAPE[1] * 1j, -1 : 1 : SHAPE[2] * 1j]
    body = (x / 0.8) ** 2 + (y / 0.6) ** 2 < 1
    noise = rng.normal(40, 15, SHAPE).astype(np.int16)
    label = np.broadcast_to(((x - 0.2) ** 2 + y**2 < 0.05).astype(np.uint8), SHAPE)
    for at in range(volumes):
        name, first = (f"Patient_{number + 1:03d}" for number in (at, at % distinct))
        (folder / name).mkdir(parents=True)
        if at >= distinct:
            for path in (folder / first).iterdir():
                copy = folder / name / path.name.replace(first, name)
                shutil.copyfile(path, copy)
                if path.suffix == ".mhd":  # it names its data file
                    copy.write_text(path.read_text().replace(first, name))
            continue
        for file, array in ((f"{name}{ending}", np.where(body, np.roll(noise, at), -1000)), ("GT.nii.gz", label)):
            image = sitk.GetImageFromArray(np.ascontiguousarray(array, dtype=array.dtype))
            image.SetSpacing((0.8, 0.8, 2.5))
            sitk.WriteImage(image, str(folder / name / file), file.endswith(".gz"), 1)


def files_of(source: Path) -> list[Path]:
    """Return the files that hold voxels."""
    return sorted(path for path in source.rglob("*") if path.suffix in (".gz", ".raw"))


def forget(folder: Path) -> None:
    """Drop the files of a folder from the page cache, so that the disk is read."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def timed(work: Callable[[], object], source: Path) -> dict[str, float]:
    """Return the seconds of some work that reads a source from the disk and writes to it.

    Returns:
        ``wall``, and ``cpu`` of all processes, which says more where others use the machine.
    """
    forget(source)
    begin, before = time.perf_counter(), os.times()
    work()
    os.sync()
    return {"wall": time.perf_counter() - begin, "cpu": sum(os.times()[:4]) - sum(before[:4])}


def move_bytes(source: Path, written: int, target: Path) -> None:
    """Read the source and write so many bytes, without looking at them."""
    block = bytearray(1 << 23)
    for path in files_of(source):
        with path.open("rb", buffering=0) as stream:
            while stream.readinto(block):
                pass
    with target.open("wb", buffering=0) as stream:
        for _ in range(0, written, len(block)):
            stream.write(block)


def plain(job: tuple[Path, Path, str]) -> None:
    """Copy a packed file and unpack it once; read and pack another one: the least that such a conversion does."""
    path, target, library = job
    copy = target / f"{path.parent.name}_{path.name}"
    if path.suffix == ".gz":
        shutil.copyfile(path, copy)
        with LIBRARIES[library].open(path) as packed:
            while packed.read(1 << 23):
                pass
        return
    with LIBRARIES[library].open(copy, "wb", compresslevel=1) as out, path.open("rb") as stream:
        while block := stream.read(1 << 23):
            out.write(block)


def run_plain(source: Path, target: Path, library: str, workers: int) -> None:
    """Do the plain work for all files in some processes."""
    target.mkdir()
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        pool.map(plain, [(path, target, library) for path in files_of(source)], chunksize=1)
        pool.close()
        pool.join()  # so that their time is counted


def run_prepare(spec: Path, source: Path, raw: Path, workers: int) -> float:
    """Run the command; return the peak memory of its largest process in MiB."""
    program = Path(sys.executable).with_name("rasd_nnu")
    command = [program, "tasks", "prepare", spec, "--source", source, "--workers", workers]
    environment = {**os.environ, "nnUNet_raw": str(raw)}
    child = subprocess.Popen([str(part) for part in command], env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"prepare ended with {child.returncode}")
    return usage.ru_maxrss / 1024


def measure(folder: Path, ending: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one kind of source."""
    volumes, distinct, workers = options.volumes, options.distinct, options.workers
    source, raw, spec = folder / "source", folder / "raw", folder / "own.yaml"
    write_spec(spec, ending)
    # Not in this process: Linux counts the memory of a parent as that of its children.
    maker = multiprocessing.get_context("spawn").Process(target=simulate, args=(source, volumes, distinct, ending))
    maker.start()
    maker.join()
    unpacked = volumes * int(np.prod(SHAPE)) * (2 + 1) / MEGABYTE
    peaks: list[float] = []
    seconds = {"prepare": timed(lambda: peaks.append(run_prepare(spec, source, raw, workers)), source)}
    seconds["second_run"] = timed(lambda: run_prepare(spec, source, raw, workers), source)
    written = sum(path.stat().st_size for path in raw.rglob("*") if path.is_file())
    shutil.rmtree(raw)
    for library in options.libraries:
        target = folder / f"plain_{library}"
        seconds[f"plain_{library}"] = timed(lambda: run_plain(source, target, library, workers), source)  # noqa: B023
        shutil.rmtree(target)
    seconds["disk"] = timed(lambda: move_bytes(source, written, folder / "bytes"), source)
    return {
        "volumes": volumes,
        "distinct_volumes": min(volumes, distinct),
        "workers": workers,
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "unpacked_mb": unpacked,
        "read_mb": sum(path.stat().st_size for path in files_of(source)) / MEGABYTE,
        "written_mb": written / MEGABYTE,
        "seconds": seconds,
        "unpacked_mb_per_s": {
            name: unpacked / value["wall"] for name, value in seconds.items() if name != "second_run"
        },
        "peak_mib_of_a_process": peaks[0],
    }


def main() -> None:
    """Run the benchmark and write its results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--volumes", type=int, default=12)
    parser.add_argument("--distinct", type=int, default=8, help="volumes that differ; the others are copies")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--endings", nargs="+", default=[".nii.gz", ".mhd"], choices=[".nii.gz", ".mhd"])
    parser.add_argument("--libraries", nargs="+", default=list(LIBRARIES), choices=list(LIBRARIES))
    parser.add_argument("--folder", type=Path, default=None, help="disk to measure; default: the temporary folder")
    parser.add_argument("--out", type=Path, default=RESULTS / "prepare.json")
    options = parser.parse_args()
    if options.volumes < 5:
        parser.error("--volumes must be at least 5, one a fold")
    results: dict[str, Any] = json.loads(options.out.read_text()) if options.out.is_file() else {}
    for ending in options.endings:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            name = f"{options.volumes} {ending}, {options.workers} worker(s)"
            results[name] = measure(Path(folder), ending, options)
            print(name, json.dumps(results[name], indent=2), flush=True)
    from machine import describe_machine  # last, because it imports torch and takes memory

    results["machine"] = describe_machine("cpu")
    options.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
