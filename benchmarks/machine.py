"""What a measurement was made on, and what it took."""

from __future__ import annotations

import json
import os
import platform
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

import rasd_nnu
from rasd_nnu.cli.main import main
from rasd_nnu.files import write_text


def describe_machine(device: str) -> dict[str, Any]:
    """Return plain values that describe the machine and the versions."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if device == "cuda" else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "rasd_nnu": rasd_nnu.__version__,
    }


@contextmanager
def clocked(file: Path) -> Iterator[None]:
    """Add the processor's seconds of what is done inside, child processes included, to those in a JSON file.

    What is stopped and goes on later adds up. An epoch that is done again counts twice.
    """
    known = json.loads(file.read_text())["cpu_seconds"] if file.is_file() else 0.0
    begin = _processor_seconds()
    try:
        yield
    finally:
        write_text(file, json.dumps({"cpu_seconds": round(known + _processor_seconds() - begin, 1)}))


def _processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(own.ru_utime + own.ru_stime for own in used)


def call(arguments: list[str], clock: Path) -> None:
    """Call the command line in this process, which spares the imports, and add what it takes to ``clock``."""
    with clocked(clock):
        try:
            main(arguments)
        except SystemExit as end:
            if end.code:
                raise
