"""Does a study that is killed end with the same records, bit by bit, as one that is left alone?

    RASD_DATA=... python benchmarks/study_kill.py --out DIR [--study studies/two_tasks.yaml] [--kills 5] [--seed 0]

Runs the study once as it is, and once killed on the way: SIGKILL to the whole process group, each time when some more
jobs are done and some random seconds have passed. Then compares all records and writes results/study_kill.json. Killed
itself, the same command goes on.
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
from pathlib import Path

from machine import describe_machine

from rasd_nnu.files import write_text
from rasd_nnu.workflows.study.state import read_state
from rasd_nnu.workflows.study.status import study_status
from rasd_nnu.workflows.study.workflow import LOCK_FILE, require_lock

HERE = Path(__file__).parent
RESULTS = HERE / "results/study_kill.json"


def start(folder: Path, cores: int) -> subprocess.Popen[bytes]:
    """Start the study in a process group of its own."""
    program = Path(sysconfig.get_path("scripts")) / "rasd_nnu"
    with (folder / "run.log").open("ab") as log:
        command = [str(program), "study", "run", str(folder), "--cores", str(cores)]
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, process_group=0)


def done(folder: Path) -> int:
    """Return how many jobs are done."""
    return study_status(folder).counts["done"] if (folder / LOCK_FILE).is_file() else 0


def run_killed(folder: Path, kills: int, cores: int, seed: int) -> list[dict[str, object]]:
    """Run a study to its end and kill it on the way; return what was running each time."""
    draw = random.Random(seed)
    file = folder / "kills.json"
    killed: list[dict[str, object]] = json.loads(file.read_text()) if file.is_file() else []
    while True:
        process, before = start(folder, cores), done(folder)
        if len(killed) == kills:
            if process.wait():
                raise SystemExit(f"the study failed: {folder / 'run.log'}")
            return killed
        while process.poll() is None and done(folder) < before + 3:
            time.sleep(1)
        time.sleep(draw.uniform(0, 20))
        running = [job.job for job in study_status(folder).jobs if job.kind == "running"]
        if process.poll() is not None:
            raise SystemExit(f"the study ended after {len(killed)} kills, expected {kills}: {folder / 'run.log'}")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        killed.append({"done": done(folder), "running": running})
        write_text(file, json.dumps(killed, indent=1) + "\n")
        print(f"killed with {done(folder)} jobs done, while running {', '.join(running) or 'nothing'}", flush=True)


def records(folder: Path) -> dict[str, str]:
    """Return file -> SHA-256 of the records, the comparison and the pre-trained weights' losses."""
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
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    folders = {name: arguments.out.resolve() / name for name in ("killed", "alone")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(arguments.study, folder / "study.yaml")
    begin = time.perf_counter()
    kills = run_killed(folders["killed"], arguments.kills, arguments.cores, arguments.seed)
    run_killed(folders["alone"], 0, arguments.cores, arguments.seed)
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
        "seconds": round(time.perf_counter() - begin),
        "sha256": found["alone"],
    }
    write_text(RESULTS, json.dumps(content, indent=1) + "\n")
    print(f"{len(found['alone'])} files compared, {len(differing)} differ")


if __name__ == "__main__":
    main()
