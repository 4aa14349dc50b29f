"""Run one job of a study: its environment, its log, its signals, its receipt."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from rasd_nnu.errors import ConfigError, LockError
from rasd_nnu.files import write_text
from rasd_nnu.locks import exclusive
from rasd_nnu.workflows.study.config import STUDY_FILE
from rasd_nnu.workflows.study.requeue import OUT_OF_TIME, requeue, saved_since
from rasd_nnu.workflows.study.state import Attempt, JobState, log_path, read_state, write_state
from rasd_nnu.workflows.study.workflow import LOCK_FILE, content_digest, read_lock, receipt_path

#: Names the run of the study that a job belongs to; `study run` sets it.
RUN_VARIABLE = "RASD_STUDY_RUN"
#: Variables of ours and of nnU-Net's that say where things lie; all others are the study's to set.
KEPT = ("RASD_CACHE", "RASD_CHECKPOINTS", "RASD_DATA", "RASD_NETWORKS", "RASD_SPECS", RUN_VARIABLE, "nnUNet_extTrainer")
_SIGNALS = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")
_PR_SET_PDEATHSIG = 1
_WAIT_S = 60.0
_NOT_FOUND = 127  # what a shell says


def run_job(folder: Path, name: str, command: Sequence[str]) -> int:
    """Run a command as a job of a study and return its exit code.

    What an attempt at another request left is removed first; what one at this request left stays, so that the command
    goes on with it. A receipt is written when the command has ended well and its products are there.

    Args:
        folder: The study.
        name: ``stage/name`` of the job.
        command: The command; that of the job.

    Raises:
        ConfigError: If there is no such job, ``study.yaml`` has changed under the running study, or the job has failed
            too often in this run.
        LockError: If the job is running already.
    """
    lock = read_lock(folder)
    if lock is None or name not in lock.jobs:
        raise ConfigError(
            f"{folder / LOCK_FILE} has no job {name!r}. Run the study with `rasd_nnu study run {folder}`."
        )
    if content_digest(folder) != lock.content:
        raise ConfigError(
            f"{folder / STUDY_FILE} has changed under the running study, so that {name} is not run. Restore it, or "
            f"stop the study and start it again with: rasd_nnu study run {folder}"
        )
    job = lock.jobs[name]
    log_path(folder, name).parent.mkdir(parents=True, exist_ok=True)
    # A killed attempt may take a moment to be gone.
    with exclusive(folder / "state" / f"{name}.json", wait_s=_WAIT_S), log_path(folder, name).open("a") as log:
        state = read_state(folder, name)
        if state is None or state.stamp != job["stamp"]:
            _clear(folder, job["owns"], log)
            state = JobState(job["stamp"])
        run = os.environ.get(RUN_VARIABLE, "by hand")
        if state.failures(run) >= lock.attempts:
            raise ConfigError(f"{name} has failed {lock.attempts} times; its log is {log_path(folder, name)}.")
        begun = Attempt(time.time(), socket.gethostname(), run)
        write_state(folder, name, replace(state, attempts=(*state.attempts, begun)))
        log.write(f"== {time.strftime('%Y-%m-%d %H:%M:%S')} {begun.host}: {shlex.join(command)}\n")
        log.flush()
        variables = {**lock.settings["variables"], **job["variables"]}
        for place in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
            (folder / variables[place]).mkdir(parents=True, exist_ok=True)  # nnU-Net expects all of them
        code = _execute(folder, command, _environment(variables), log)
        lacking = [path for path in job["products"] if not (folder / path).exists()]
        if code == 0 and lacking:
            log.write(f"the command ended well, but did not write {lacking[0]}\n")
            code = 1
        end = time.time()
        ended = replace(begun, end=end, code=code)
        state = replace(state, attempts=(*state.attempts, ended))
        write_state(folder, name, state)
        log.write(f"== exit {code} after {end - begun.begin:.0f} s\n")
        if code == 0:
            _finish(folder, name, job, state)
        elif code == OUT_OF_TIME and saved_since(folder, job["owns"], begun.begin):
            requeue(log)
    return code


def _finish(folder: Path, name: str, job: Mapping[str, Any], state: JobState) -> None:
    """Drop what nothing needs any more, and write the receipt."""
    dropped = []
    for pattern in job["drop"]:
        for path in folder.glob(pattern):
            path.unlink()
            dropped.append(path.relative_to(folder).as_posix())
    content = {
        "job": name,
        "stamp": job["stamp"],
        "command": job["line"],
        "products": job["products"],
        "dropped": sorted(dropped),
        "seconds": round(state.seconds, 1),
        "attempts": len(state.attempts),
    }
    write_text(receipt_path(folder, name), json.dumps(content, indent=1) + "\n")


def _clear(folder: Path, owned: Sequence[str], log: Any) -> None:
    """Remove what an attempt at another request left."""
    for name in owned:
        path = folder / name
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir():
            shutil.rmtree(path)
        else:
            continue
        log.write(f"removes {name}, made for another request\n")


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a job: what the study says, nothing that happens to be set and changes results."""
    kept = {
        name: value for name, value in os.environ.items() if name in KEPT or not name.startswith(("RASD_", "nnUNet_"))
    }
    paths = [sysconfig.get_path("scripts"), kept.get("PATH", os.defpath)]
    told = {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", "PATH": os.pathsep.join(paths)}
    return {**kept, **told, **variables}


def _execute(folder: Path, command: Sequence[str], environment: dict[str, str], log: Any) -> int:
    """Run a command; signals are passed on to it, and one that stopped it makes the exit code, whatever it says."""
    with _one_gpu(folder) as gpu, _Signals() as signals:
        try:
            process = subprocess.Popen(
                list(command),
                cwd=folder,
                env=environment | gpu,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,
            )
        except OSError as error:
            log.write(f"cannot start {command[0]}: {error.strerror}\n")
            return _NOT_FOUND
        signals.pass_on_to(process)
        code = process.wait()
    if signals.received is not None:
        return 128 + signals.received
    return 128 - code if code < 0 else code


def _die_with_parent() -> None:
    """Let Linux kill this process when the one that started it is killed, so that no orphan trains on."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class _Signals:
    """Passes the signals of schedulers and terminals on to a process, and remembers the last one."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> _Signals:
        for name in _SIGNALS:
            number = getattr(signal, name)
            self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def pass_on_to(self, process: subprocess.Popen[bytes]) -> None:
        """Pass on to this process, also what came before it was there."""
        self._process = process
        if self.received is not None:
            process.send_signal(self.received)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)
        if self._process is not None:
            self._process.send_signal(number)


@contextlib.contextmanager
def _one_gpu(folder: Path) -> Iterator[dict[str, str]]:
    """Give a job one of this machine's GPUs, where several are there and no scheduler has chosen: one job a GPU."""
    gpus = visible_gpus(os.environ)
    if len(gpus) < 2 or "SLURM_JOB_ID" in os.environ or "KUBERNETES_SERVICE_HOST" in os.environ:
        yield {}
        return
    places = folder / "state" / "gpus"
    places.mkdir(parents=True, exist_ok=True)
    for gpu in gpus:
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(exclusive(places / f"{socket.gethostname()}_{gpu}"))
            except LockError:
                continue
            yield {"CUDA_VISIBLE_DEVICES": gpu}
            return
    raise LockError(f"all {len(gpus)} GPUs of {socket.gethostname()} are in use. Give --gpus {len(gpus)} at most.")


def visible_gpus(environment: Mapping[str, str]) -> list[str]:
    """Return the GPUs that jobs may use: those that ``CUDA_VISIBLE_DEVICES`` names, else those of ``nvidia-smi``."""
    named = environment.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [gpu for gpu in named.split(",") if gpu]
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    listed = subprocess.run([program, "-L"], capture_output=True, text=True, check=False).stdout
    return [match[1] for match in re.finditer(r"^GPU (\d+):", listed, re.MULTILINE)]
