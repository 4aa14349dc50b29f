"""Find the dataset specs that come with the package."""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Iterator
from importlib.resources.abc import Traversable

from rasd_nnu.dataset_specs.parse import parse_spec
from rasd_nnu.dataset_specs.schema import DatasetSpec
from rasd_nnu.errors import ConfigError, DatasetError, did_you_mean


@functools.cache
def list_specs() -> tuple[DatasetSpec, ...]:
    """Return all specs, sorted by id.

    Raises:
        ConfigError: A spec is invalid, is not named by its key, or shares key or id with another.
    """
    specs: dict[str, DatasetSpec] = {}
    for file in _yaml_files(importlib.resources.files("rasd_nnu.dataset_specs")):
        spec = parse_spec(file.read_text(encoding="utf-8"), file.name)
        if file.name != f"{spec.key}.yaml":
            raise ConfigError(f"{file.name} holds the key {spec.key!r}; call the file {spec.key}.yaml")
        for other in specs.values():
            if other.key == spec.key or other.id == spec.id:
                raise ConfigError(f"specs {other.key!r} and {spec.key!r} share a key or the id {spec.id}")
        specs[spec.key] = spec
    return tuple(sorted(specs.values(), key=lambda spec: spec.id))


def get_spec(name: str) -> DatasetSpec:
    """Return the spec with this key, id or ``DatasetNNN_Name``.

    Raises:
        DatasetError: There is none.
    """
    specs = list_specs()
    for spec in specs:
        if name in (spec.key, str(spec.id), spec.dataset_name):
            return spec
    hint = did_you_mean(name, [spec.key for spec in specs])
    raise DatasetError(f"unknown task {name!r}.{hint} `rasd_nnu tasks list` shows all of them.")


def _yaml_files(folder: Traversable) -> Iterator[Traversable]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _yaml_files(entry)
        elif entry.name.endswith(".yaml"):
            yield entry
