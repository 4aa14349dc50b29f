"""Imports run one way: from the commands down to what stands on nothing, also those under ``TYPE_CHECKING``."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: Import package -> folder.
FOLDERS = {
    "rasd_nnu.pretrain": "pretrain",
    "rasd_nnu.trainers": "trainers",
    "rasd_nnu.dataset_specs": "dataset_specs",
    "rasd_nnu": "rasd_nnu",
}

_BOTTOM = {"errors", "files", "locks", "downloads", "reading"}
_FLOOR = _BOTTOM | {"nnunet", "networks", "checkpoints"}

#: Room -> rooms that it may import.
MAY_IMPORT = {
    "errors": set(),
    "files": {"errors"},
    "reading": {"errors"},
    "locks": {"errors"},
    "downloads": {"errors", "files"},
    "stats": _BOTTOM,
    "records": _BOTTOM,
    "nnunet": _BOTTOM,
    "dataset_specs": _BOTTOM,
    "networks": _BOTTOM | {"nnunet"},
    "checkpoints": _BOTTOM | {"nnunet", "networks"},
    "transfer": _FLOOR,
    "pretrain": _FLOOR,
    "features": _FLOOR | {"transfer"},
    "registration": _BOTTOM | {"features"},
    "compare": _BOTTOM | {"nnunet", "stats", "records"},
    "trainers": _FLOOR | {"transfer", "pretrain"},
    "tasks": _FLOOR | {"transfer", "pretrain", "stats", "records"},
    "workflows": _FLOOR
    | {"transfer", "pretrain", "trainers", "tasks", "compare", "stats", "records", "dataset_specs"}
    | {"features", "registration"},
}
MAY_IMPORT["cli"] = MAY_IMPORT["workflows"] | {"workflows"}


def _modules() -> dict[str, Path]:
    """Return module name -> file of the whole package."""
    found = {}
    for package, folder in FOLDERS.items():
        for path in (ROOT / folder).rglob("*.py"):
            parts = [package, *path.relative_to(ROOT / folder).with_suffix("").parts]
            found[".".join(part for part in parts if part != "__init__")] = path
    return found


def _imports(path: Path) -> set[str]:
    """Return what of ours a file imports, anywhere in it; ``from a import b`` counts as ``a.b``."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] == "rasd_nnu"}


def _graph() -> dict[str, set[str]]:
    """Return module -> modules of ours that it imports."""
    modules = _modules()
    graph = {}
    for name, path in modules.items():
        imported = {i if i in modules else i.rpartition(".")[0] for i in _imports(path)}
        graph[name] = {i for i in imported if i in modules and i != name}
    return graph


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_every_room_is_known() -> None:
    rooms = {_room(module) for module in _modules()} - {""}
    assert rooms <= set(MAY_IMPORT)


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_rooms_import_only_what_lies_below_them(room: str) -> None:
    allowed = MAY_IMPORT[room] | {room, ""}
    wrong = [
        f"{module} -> {other}"
        for module, imported in _graph().items()
        for other in sorted(imported)
        if _room(module) == room and _room(other) not in allowed
    ]
    assert not wrong


def test_no_circle_of_modules() -> None:
    # A package's own re-exports are no circle: its `__init__` runs before the modules in it, and by design.
    graph = {m: {o for o in imported if not m.startswith(f"{o}.")} for m, imported in _graph().items()}
    graphlib.TopologicalSorter(graph).prepare()


def test_the_table_has_no_circle_of_rooms() -> None:
    graphlib.TopologicalSorter(MAY_IMPORT).prepare()
