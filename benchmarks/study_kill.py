"""Does a study that is killed end with the same records, bit by bit, as one that is left alone?

    RASD_DATA=... python benchmarks/study_kill.py --out DIR [--study studies/two_tasks.yaml] [--kills STAGE:SHARE ...]

Runs the study once as it is, and once killed on the way: SIGKILL to the whole process group, each time when a job is in
the stage that is asked for and the share of jobs that is done is reached. Then compares all records and writes
results/study_kill.json. Killed itself, the same command goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sysconfig
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from machine import describe_machine

from rasd_nnu.files import write_text
from rasd_nnu.workflows.study.state import read_state
from rasd_nnu.workflows.study.status import study_status
from rasd_nnu.workflows.study.workflow import read_lock, require_lock

HERE = Path(__file__).parent
RESULTS = HERE / "results/study_kill.json"
#: The stage to kill in, and the share of all jobs that has to be done by then.
KILLS = ("prepare:0", "pretrain:0", "train:0.25", "validate:0.6", "compare:0.8")
_POLL_S = 0.1


def start(folder: Path, cores: int) -> subprocess.Popen[bytes]:
    """Start the study in a process group of its own."""
    program = Path(sysconfig.get_path("scripts")) / "rasd_nnu"
    with (folder / "run.log").open("ab") as log:
        command = [str(program), "study", "run", str(folder), "--cores", str(cores)]
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, process_group=0)


def share_done(folder: Path) -> float:
    """Return the share of the jobs that is done."""
    if read_lock(folder) is None:
        return 0.0
    counts = study_status(folder).counts
    return counts["done"] / sum(counts.values())


def stage(folder: Path, job: Mapping[str, Any]) -> str:
    """Return what a job that was begun is at, by the files that it has written so far.

    Of a training: ``train`` once nnU-Net's first checkpoint is there, ``validate`` once the first predicted case is.
    """
    if job["stage"] == "pretrain":
        return "pretrain" if (folder / job["owns"][1]).is_file() else "pretrain without a checkpoint"
    if job["stage"] != "finetune":
        return str(job["stage"])
    fold = folder / job["owns"][0]
    if any(path.suffix != ".json" for path in (fold / "validation").glob("*")):
        return "validate"
    if (fold / "checkpoint_final.pth").is_file():
        return "between training and validation"
    return "train" if (fold / "checkpoint_latest.pth").is_file() else "train without a checkpoint"


def begun(folder: Path, since: float) -> dict[str, str]:
    """Return the jobs that were begun since then and did not end -> what they are at."""
    lock = read_lock(folder)
    found = {}
    for name, job in lock.jobs.items() if lock is not None else ():
        state = read_state(folder, name)
        if state is not None and state.attempts[-1].begin >= since and state.attempts[-1].end is None:
            found[name] = stage(folder, job)
    return found


def run_killed(folder: Path, kills: Sequence[str], cores: int, draw: random.Random) -> list[dict[str, Any]]:
    """Run a study to its end and kill it on the way; return what was hit each time."""
    file = folder / "kills.json"
    killed: list[dict[str, Any]] = json.loads(file.read_text()) if file.is_file() else []
    for aim in kills[len(killed) :]:
        wanted, share = aim.split(":")
        since, process = time.time(), start(folder, cores)
        while not (wanted in begun(folder, since).values() and share_done(folder) >= float(share)):
            if process.poll() is not None:
                raise SystemExit(f"the study ended before it was killed in {aim}: {folder / 'run.log'}")
            time.sleep(_POLL_S)
        time.sleep(draw.uniform(0, 1))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        hit = begun(folder, since)
        killed.append({"aim": aim, "hit": wanted in hit.values(), "share_done": share_done(folder), "jobs": hit})
        write_text(file, json.dumps(killed, indent=1) + "\n")
        print(f"killed: {killed[-1]}", flush=True)
    if start(folder, cores).wait():
        raise SystemExit(f"the study failed: {folder / 'run.log'}")
    return killed


def records(folder: Path) -> dict[str, str]:
    """Return file -> SHA-256, of each training's cases, of the records and of the comparison."""
    found = {}
    for unit in json.loads((folder / "records.json").read_text())["units"]:
        found[unit["path"]] = hashlib.sha256((folder / unit["path"]).read_bytes()).hexdigest()
    for name in ("records.json", "comparison.json"):
        found[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    return found


def main() -> None:
    """Run both, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--study", type=Path, default=HERE / "studies/two_tasks.yaml")
    parser.add_argument("--kills", nargs="*", default=KILLS, metavar="STAGE:SHARE")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    folders = {name: arguments.out.resolve() / name for name in ("killed", "alone")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(arguments.study, folder / "study.yaml")
    draw = random.Random(arguments.seed)
    kills = run_killed(folders["killed"], arguments.kills, arguments.cores, draw)
    run_killed(folders["alone"], (), arguments.cores, draw)
    found = {name: records(folder) for name, folder in folders.items()}
    differing = sorted(name for name in found["alone"] if found["alone"][name] != found["killed"].get(name))
    again = {}
    for job in require_lock(folders["killed"]).jobs:
        state = read_state(folders["killed"], job)
        if state is not None and len(state.attempts) > 1:
            again[job] = len(state.attempts)
    content = {
        "machine": describe_machine("cpu"),
        "study": arguments.study.read_text(),
        "kills": kills,
        "jobs_begun_more_than_once": again,
        "files_compared": len(found["alone"]),
        "files_that_differ": differing,
        "sha256": found["alone"],
    }
    write_text(RESULTS, json.dumps(content, indent=1) + "\n")
    print(f"{len(found['alone'])} files compared, {len(differing)} differ")


if __name__ == "__main__":
    main()
