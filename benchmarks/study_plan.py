"""What planning the paper's grid takes: 56 tasks x 6 arms x 3 seeds, as a dry run of ours and of Snakemake.

    python benchmarks/study_plan.py [--study studies/paper.yaml]

Writes results/study_plan.json: seconds, the most memory, jobs, and the estimate of hours.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import describe_machine

from rasd_nnu.files import write_text
from rasd_nnu.workflows.study.run import ENGINE, plan_study, require_engine
from rasd_nnu.workflows.study.workflow import write_workflow

HERE = Path(__file__).parent


def measured(command: list[str], folder: Path) -> dict[str, Any]:
    """Run a command; return seconds on the clock and of the processor, the most memory, and the end of what it said."""
    scripts = Path(sysconfig.get_path("scripts"))
    environment = {**os.environ, "PATH": os.pathsep.join([str(scripts), os.environ["PATH"]])}
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    program = [str(scripts / command[0]), *command[1:]]
    process = subprocess.Popen(program, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    said, peak = "", 0
    assert process.stdout is not None
    for line in process.stdout:
        said += line
    _, status, usage = os.wait4(process.pid, 0)
    peak = usage.ru_maxrss
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if status:
        raise SystemExit(f"{command[0]} failed: {said[-2000:]}")
    return {
        "command": " ".join(command),
        "seconds": round(time.perf_counter() - begin, 1),
        "processor_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "peak_gib": round(peak / 2**20, 2),
        "said": said.splitlines()[-14:],
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, default=HERE / "studies/paper.yaml")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copyfile(arguments.study, folder / "study.yaml")
        ours = measured(["rasd_nnu", "study", "run", ".", "--dry-run"], folder)
        planned = plan_study(folder)
        write_workflow(folder, planned.config, planned.grid, 12)
        theirs = measured([ENGINE, "--dry-run", "--quiet", "rules", "--cores", "12"], folder)
    content = {
        "machine": describe_machine("cpu"),
        "load": os.getloadavg(),
        "snakemake": require_engine(),
        "trainings": len(planned.grid.units),
        "jobs": len(planned.grid.jobs),
        "ours": ours,
        "snakemake_dry_run": theirs,
    }
    write_text(HERE / "results/study_plan.json", json.dumps(content, indent=1) + "\n")
    print(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
