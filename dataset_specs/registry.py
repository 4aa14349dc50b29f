"""Find dataset specs: those of the package, those in the user's folder, and single files."""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Iterator, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path

from rasd_nnu.dataset_specs.locations import own_specs_folder
from rasd_nnu.dataset_specs.parse import parse_spec
from rasd_nnu.dataset_specs.schema import DatasetSpec
from rasd_nnu.errors import ConfigError, DatasetError, did_you_mean


def list_specs() -> tuple[DatasetSpec, ...]:
    """Return the package's specs and those in the folder that ``RASD_SPECS`` names, sorted by id.

    Raises:
        ConfigError: A spec is invalid, is not named by its key, or shares key or id with another.
    """
    folder = own_specs_folder()
    own = () if folder is None else _read_all(folder)
    return _without_clashes((*_packaged(), *own))


@functools.cache
def _packaged() -> tuple[DatasetSpec, ...]:
    return _read_all(importlib.resources.files("rasd_nnu.dataset_specs"))


def _read_all(folder: Traversable) -> tuple[DatasetSpec, ...]:
    specs = []
    for file in _yaml_files(folder):
        spec = parse_spec(file.read_text(encoding="utf-8"), file.name)
        if file.name != f"{spec.key}.yaml":
            raise ConfigError(f"{file.name} holds the key {spec.key!r}; call the file {spec.key}.yaml")
        specs.append(spec)
    return tuple(specs)


def _without_clashes(specs: Sequence[DatasetSpec]) -> tuple[DatasetSpec, ...]:
    keys: dict[str, DatasetSpec] = {}
    ids: dict[int, DatasetSpec] = {}
    for spec in specs:
        other = keys.get(spec.key) or ids.get(spec.id)
        if other is not None:
            raise ConfigError(f"specs {other.key!r} and {spec.key!r} share a key or the id {spec.id}")
        keys[spec.key] = ids[spec.id] = spec
    return tuple(sorted(specs, key=lambda spec: spec.id))


def select(
    specs: Sequence[DatasetSpec], modality: str | None = None, task: str | None = None, access: str | None = None
) -> list[DatasetSpec]:
    """Return the specs with these properties, compared without case.

    Raises:
        ConfigError: No spec has such a value, so it is probably misspelt.
    """
    wanted = {"modality": modality, "task": task, "access": access}
    chosen = list(specs)
    for name, value in wanted.items():
        known = sorted({getattr(spec, name) for spec in specs})
        if value is None:
            continue
        if value.casefold() not in [one.casefold() for one in known]:
            raise ConfigError(f"no task has the {name} {value!r}; known: {', '.join(known)}.")
        chosen = [spec for spec in chosen if getattr(spec, name).casefold() == value.casefold()]
    return chosen


def get_spec(name: str) -> DatasetSpec:
    """Return the spec with this key, id or ``DatasetNNN_Name``, or the one in this YAML file.

    Raises:
        DatasetError: There is none.
        ConfigError: The file holds no valid spec.
    """
    if name.endswith((".yaml", ".yml")):
        return _from_file(Path(name))
    specs = list_specs()
    for spec in specs:
        if name in (spec.key, str(spec.id), spec.dataset_name):
            return spec
    hint = did_you_mean(name, [spec.key for spec in specs])
    raise DatasetError(f"unknown task {name!r}.{hint} `rasd_nnu tasks list` shows all of them.")


def _from_file(path: Path) -> DatasetSpec:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"cannot read the spec {path}: {error}") from error
    return parse_spec(text, path.name)


def _yaml_files(folder: Traversable) -> Iterator[Traversable]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _yaml_files(entry)
        elif entry.name.endswith(".yaml"):
            yield entry
