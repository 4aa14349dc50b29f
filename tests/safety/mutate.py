"""Damage to nested plain values, as hypothesis draws it."""

from __future__ import annotations

import copy
import math
import os
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

#: Damaged inputs a fuzz test; 2,000 were run before a release with RASD_FUZZ=2000.
EXAMPLES = int(os.environ.get("RASD_FUZZ", "150"))

fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize="RASD_FUZZ" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def _deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


JUNK: list[Any] = [
    *(None, True, False, 0, -1, 1, 3, 7, 2**40, 10**30, 0.5, -0.5, 1e308, math.nan, math.inf),
    *("", " ", ".", "..", "../../victim", "/etc/passwd", "a/b", "a\\b", "-x", "x" * 5000, "\x1b[2J", "\ud800", "²"),
    *("os.system", "subprocess.Popen", "torch.hub.load", "torch.nn.Linear", "torch.nn.modules.module.os.system"),
    *("=1+1", "<script>alert(1)</script>", "\x00", "nnUNetPlans", "3d_fullres", "2d", "1"),
    *([], [[]], [1, 2, 3, 4], [1, 1], ["a"], [None], {}, {"a": 1}, {"": None}, {"inherits_from": "2d"}),
    _deep(70),
]


def _paths(value: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside, ``value`` itself included."""
    found = [prefix]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += _paths(item, (*prefix, key))
    return found


@st.composite
def damaged(draw: st.DrawFn, document: Any) -> Any:
    """Draw ``document`` with one to three values replaced, removed, renamed or doubled."""
    result = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(_paths(result)))
        if not path:
            if draw(st.integers(0, 9)) == 0:
                return draw(st.sampled_from(JUNK))
            continue
        parent = result
        for key in path[:-1]:
            parent = parent[key]
        key, what = path[-1], draw(st.sampled_from(["replace"] * 4 + ["remove", "rename", "double"]))
        if what == "replace":
            parent[key] = copy.deepcopy(draw(st.sampled_from(JUNK)))
        elif what == "double" and isinstance(parent, list):
            parent.append(copy.deepcopy(parent[key]))
        elif what == "rename" and isinstance(parent, dict):
            parent[str(draw(st.sampled_from([j for j in JUNK if isinstance(j, str)])))] = parent.pop(key)
        else:
            del parent[key]
    return result


def files_below(*folders: Path) -> dict[Path, bytes | None]:
    """Return every file below the folders with its content, and every folder with None."""
    return {
        path: path.read_bytes() if path.is_file() else None for folder in folders for path in sorted(folder.rglob("*"))
    }
