from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from rasd_nnu.checkpoints.arms import add_arm, read_arms
from rasd_nnu.checkpoints.file import load_checkpoint
from rasd_nnu.errors import CheckpointError, LockError
from rasd_nnu.files import remove_unfinished
from rasd_nnu.locks import exclusive
from rasd_nnu.nnunet.plans import planned_target
from rasd_nnu.pretrain.offline import write_samples
from rasd_nnu.trainers.choice import choice_path
from tests.helpers import tiny_dataset
from tests.pretrain.loop_parts import start, tiny_config, tiny_recipe


@contextmanager
def held_elsewhere(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Let another process hold the lock."""
    code = (
        "import sys, pathlib\nfrom rasd_nnu.locks import exclusive\n"
        "with exclusive(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_run_is_refused_with_the_process_that_holds_it(tmp_path: Path) -> None:
    out = tmp_path / "new" / "a.pth"
    with held_elsewhere(out) as process, pytest.raises(LockError, match=rf"a\.pth is in use .*process {process.pid} "):
        exclusive(out).__enter__()
    with exclusive(out), pytest.raises(LockError, match="in this process"):
        exclusive(out).__enter__()
    assert not list(out.parent.iterdir())


def test_a_killed_process_leaves_no_lock_and_others_may_wait(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        with exclusive(tmp_path, wait_s=10):
            assert f"process {os.getpid()} " in (tmp_path / ".rasd_nnu.lock").read_text()


def test_different_outputs_of_a_folder_do_not_wait(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path / "a.pth"), exclusive(tmp_path / "b.pth"), exclusive(tmp_path):
        pass


def test_two_runs_on_one_checkpoint(tmp_path: Path) -> None:
    out = tmp_path / "a.pth"
    start(out, recipe=tiny_recipe(seed=7))
    writing = tmp_path / ".a.pth.abcdefgh.rasd_tmp"
    with held_elsewhere(out):
        writing.write_bytes(b"what the other run is writing")
        with pytest.raises(LockError, match="is in use by another run"):
            start(out, overwrite=True)
    assert writing.is_file()
    assert load_checkpoint(out)["rasd"]["seed"] == 7


def test_two_commands_on_one_folder_of_samples(tmp_path: Path) -> None:
    out = tmp_path / "samples"
    out.mkdir()
    with held_elsewhere(out), pytest.raises(LockError, match="is in use by another run"):
        write_samples(tiny_config(), out, 2)
    assert len(write_samples(tiny_config(), out, 2).files) == 2


def test_two_choices_of_one_fold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]) -> None:
    data = tiny_dataset(tmp_path, monkeypatch)
    with held_elsewhere(choice_path(planned_target(data.name, "2d"), 0)):
        assert "is in use by another run" in refused("choose", data.name, "-c", "2d", "--device", "cpu")


def test_arms_that_are_added_at_once_are_all_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RASD_CHECKPOINTS", str(tmp_path))
    torch.save({"a": torch.zeros(1)}, tmp_path / "w.pth")
    with ThreadPoolExecutor() as pool:
        with exclusive(tmp_path / "arms.json"):
            added = [pool.submit(add_arm, name, tmp_path / "w.pth") for name in ("one", "two", "three")]
            time.sleep(0.3)
            assert not any(future.done() for future in added)
        for future in added:
            future.result(timeout=30)
    assert sorted(read_arms()) == ["one", "three", "two"]


def test_nothing_but_unfinished_files_of_this_name_is_cleaned_up(tmp_path: Path) -> None:
    kept = [".x.pth.mybackup", ".x.pth.lock2", ".xapth.abcdefgh.rasd_tmp", ".y.pth.abcdefgh.rasd_tmp", "x.pth"]
    for name in (*kept, ".x.pth.abcdefgh.rasd_tmp"):
        (tmp_path / name).touch()
    remove_unfinished(tmp_path, re.escape("x.pth"))
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(kept)


@pytest.mark.parametrize("name", ["x.pth", "[ab].pth", "x*.pth"])
def test_a_run_deletes_no_files_of_a_person(tmp_path: Path, name: str) -> None:
    others = [f".{name}.mybackup", ".a.pth.12345678", ".xy.pth.12345678", ".x.iter1.pth.copy", "a.iter0000001.pth"]
    others += [".a.pth.abcdefgh.rasd_tmp", ".xy.pth.abcdefgh.rasd_tmp"]  # what other runs are writing
    for other in others:
        (tmp_path / other).write_text("mine")
    start(tmp_path / name, recipe=tiny_recipe(iterations=1))
    assert all((tmp_path / other).read_text() == "mine" for other in others)


@pytest.mark.parametrize("name", ["r.resume.pth", "r.iter0000002.pth"])
def test_a_name_that_another_run_uses_is_refused(tmp_path: Path, name: str, refused: Callable[..., str]) -> None:
    with pytest.raises(CheckpointError, match=r"is what a run of .*/r\.pth writes beside its checkpoint"):
        start(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_threads_are_given_a_lock_one_after_the_other(tmp_path: Path) -> None:
    inside = 0
    most = 0

    def work(_: int) -> None:
        nonlocal inside, most
        with exclusive(tmp_path / "file", wait_s=30):
            inside += 1
            most = max(most, inside)
            time.sleep(0.001)
            inside -= 1

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(64)))
    assert most == 1
