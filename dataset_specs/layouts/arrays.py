"""Cases along the first axis of arrays in one NPZ or HDF5 file."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from rasd_nnu.dataset_specs.formats.guard import reading
from rasd_nnu.dataset_specs.formats.npy import NPZ_ERRORS, check_member
from rasd_nnu.dataset_specs.formats.picture import Geometry, Picture
from rasd_nnu.dataset_specs.layouts.files import case_id
from rasd_nnu.dataset_specs.layouts.index import FileIndex
from rasd_nnu.dataset_specs.libraries import require
from rasd_nnu.dataset_specs.schema.layout import ArrayPart, ArraysLayout
from rasd_nnu.dataset_specs.source import Ref, SourceCase
from rasd_nnu.errors import DatasetError


def find_cases(layout: ArraysLayout, index: FileIndex) -> list[SourceCase]:
    """List the entries of all parts; a label array with more than one axis is a stack of label maps, else classes.

    Raises:
        DatasetError: The container or an array is missing, or the lengths differ.
    """
    matches = index.find(layout.file)
    if len(matches) != 1:
        raise DatasetError(f"{index.root} holds {len(matches)} files {layout.file}, expected one.")
    path = index.path_of(matches[0])
    with opened(path) as container:
        return [case for part in layout.parts for case in _cases_of(layout, part, path, container)]


def _cases_of(layout: ArraysLayout, part: ArrayPart, path: Path, container: Any) -> Iterator[SourceCase]:
    count = _array(container, path, part.image).shape[0]
    columns = {field: _values(container, path, name) for field, name in part.fields.items()}
    maps = None
    if part.label:
        labels = _array(container, path, part.label)
        if labels.ndim > 2:
            maps = part.label
            _check_length(path, maps, len(labels), count)
        else:
            columns["class"] = [str(value) for value in np.asarray(labels).ravel()]
    for name, values in columns.items():
        _check_length(path, name, len(values), count)
    width = len(str(count - 1))
    for at in range(count):
        fields = {
            **part.constants,
            **{name: values[at] for name, values in columns.items()},
            "index": f"{at:0{width}d}",
        }
        truth = (("", Ref(path, maps, at)),) if maps else ()
        yield SourceCase(case_id(layout.case, fields), (Ref(path, part.image, at),), fields, truth)


def _check_length(path: Path, name: str, found: int, expected: int) -> None:
    if found != expected:
        raise DatasetError(f"{path}: {name} has {found} entries, but there are {expected} images. Get the file again.")


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a container for reading; pickled objects are refused.

    Raises:
        DatasetError: The file is damaged.
    """
    if path.suffix == ".npz":
        with reading(path, KeyError, *NPZ_ERRORS), np.load(path, allow_pickle=False) as arrays:
            yield arrays
    else:
        h5py: Any = require("h5py", "HDF5")
        with reading(path, KeyError), h5py.File(path, "r") as file:
            yield file


def read_entry(ref: Ref) -> Picture:
    """Read one entry of an array as a picture without a known spacing: ``(Y, X)``, or ``(Y, X, 3)`` for colours.

    Raises:
        DatasetError: The container is damaged, or the entry is not such a picture.
    """
    assert ref.array is not None and ref.index is not None
    if ref.path.suffix == ".npz":
        entry = _whole_array(ref.path, ref.array)[ref.index]
    else:
        with opened(ref.path) as container:
            entry = np.asarray(_array(container, ref.path, ref.array)[ref.index])
    if entry.ndim == 3 and entry.shape[-1] in (1, 3):
        entry = np.moveaxis(entry, -1, 0)
    elif entry.ndim == 2:
        entry = entry[None]
    else:
        raise DatasetError(f"{ref.path}: an entry of {ref.array} has the shape {entry.shape}, expected Y, X[, 3].")
    return Picture(entry[:, None], Geometry(), ref.path, spacing_known=False)


@functools.lru_cache(maxsize=2)
def _whole_array(path: Path, name: str) -> np.ndarray:
    """Return an array of an NPZ file; it can only be unpacked as a whole, so the last ones are kept."""
    with opened(path) as container:
        return np.asarray(_array(container, path, name))


def _array(container: Any, path: Path, name: str) -> Any:
    if name not in container:
        raise DatasetError(f"{path} holds no array {name!r}; it holds {', '.join(sorted(container))}.")
    if isinstance(container, np.lib.npyio.NpzFile) and container.zip is not None:
        check_member(path, container.zip, name)
    return container[name]


def _values(container: Any, path: Path, name: str) -> list[str]:
    place, _, attribute = name.partition("@")
    values = _array(container, path, place)
    if attribute:
        if attribute not in values.attrs:
            raise DatasetError(f"{path}: {place!r} has no attribute {attribute!r}.")
        values = values.attrs[attribute]
    return [value.decode() if isinstance(value, bytes) else str(value) for value in np.asarray(values).ravel()]
