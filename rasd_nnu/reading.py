"""JSON, YAML and tables that anybody may have written: read with limits, and what is wrong is one line."""

from __future__ import annotations

import csv
import functools
import io
import json
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rasd_nnu.errors import CONTROL, ConfigError, UserError, did_you_mean

#: Largest file of JSON that is read; nnU-Net's summary of thousands of cases has tens of megabytes.
MAX_BYTES = 256 * 2**20
#: Deepest nesting of lists and mappings.
MAX_DEPTH = 64
#: Most values of a file of JSON, and of one of YAML, whose aliases can make billions out of a few lines.
MAX_JSON_VALUES, MAX_YAML_VALUES = 20_000_000, 200_000
_MAX_INTEGER = 2**63 - 1


def read_json(path: Path, error: type[UserError] = ConfigError, advice: str = "") -> Any:
    """Read a JSON file that anybody may have written.

    A bare ``NaN`` is allowed, as nnU-Net writes it.

    Args:
        path: The file.
        error: Class of the error.
        advice: How to fix it, at the end of the error.

    Raises:
        UserError: Of class ``error``, if the file cannot be read, is no JSON, has a key twice, or `check_plain` refuses
            what it holds.
    """
    return parse_json(_read_text(path, error, advice), str(path), error, advice)


def parse_json(text: str, origin: str, error: type[UserError] = ConfigError, advice: str = "") -> Any:
    """Parse JSON that anybody may have written; what is refused is as in `read_json`."""
    parse = functools.partial(json.loads, object_pairs_hook=_without_duplicates)
    return _parsed(text, parse, origin, "JSON", MAX_JSON_VALUES, error, advice)


def read_json_object(path: Path, error: type[UserError] = ConfigError, advice: str = "") -> dict[str, Any]:
    """Read a JSON file that holds an object; else as `read_json`."""
    content = read_json(path, error, advice)
    if not isinstance(content, dict):
        raise error(f"{path} holds a {type(content).__name__}, expected a JSON object. {advice}")
    return content


def read_yaml(path: Path, error: type[UserError] = ConfigError) -> Any:
    """Read a YAML file, as `parse_yaml` does."""
    return parse_yaml(_read_text(path, error), str(path), error)


def parse_yaml(text: str, origin: str, error: type[UserError] = ConfigError) -> Any:
    """Parse YAML that anybody may have written: plain values only, no key twice.

    Args:
        text: The YAML.
        origin: What to call it in an error, usually the file.
        error: Class of the error.

    Raises:
        UserError: Of class ``error``, if it is no YAML, has a key twice, or `check_plain` refuses what it holds.
    """
    return _parsed(text, _load_yaml, origin, "YAML", MAX_YAML_VALUES, error)


def read_table(
    path: Path, columns: Sequence[str], error: type[UserError] = ConfigError, advice: str = ""
) -> list[dict[str, str]]:
    """Read a CSV file with names in its first line.

    Args:
        path: The file.
        columns: Names that have to be there, with a cell in every line; others may be.
        error: Class of the error.
        advice: How to fix it, at the end of the error.

    Raises:
        UserError: Of class ``error``, if the file cannot be read, or lacks a column or a cell of one.
    """
    text = _read_text(path, error, advice).removeprefix("\ufeff")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        found = list(reader.fieldnames or ())
        for name in columns:
            if name not in found:
                raise error(
                    f"{path} has no column {name!r} (found: {', '.join(found)[:200] or 'none'})."
                    f"{did_you_mean(name, found)} {advice}"
                )
        rows = []
        for row in reader:
            if any(row[name] is None for name in columns):
                raise error(f"{path}, line {reader.line_num}, has fewer cells than its first line. {advice}")
            rows.append({name: row[name] or "" for name in found})
    except csv.Error as reason:
        raise error(f"{path}, line {reader.line_num}, is not valid CSV: {reason}. {advice}") from None
    return rows


def check_plain(value: Any, *, most: int = MAX_JSON_VALUES, text_keys: bool = False) -> None:
    """Refuse what could not be shown, compared or written again.

    Args:
        value: Nested lists and mappings of plain values.
        most: Most values in all; a value that several places share counts for each.
        text_keys: Whether all keys must be text.

    Raises:
        ValueError: If it is nested too deep, has too many values, one that is not plain, an integer beyond 64 bits, or
            text with control characters or half characters.
    """
    level, count = [value], 0
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                if text_keys and not all(isinstance(key, str) for key in item):
                    raise ValueError("it has a key that is not text")
                below += item.keys()
                below += item.values()
            elif isinstance(item, list | tuple):
                below += item
            else:
                _check_scalar(item)
            if count + len(below) > most:
                raise ValueError(f"it has more than {most} values")
        if not below:
            return
        level, count = below, count + len(below)
    raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")


def _check_scalar(item: Any) -> None:
    if isinstance(item, str):
        if CONTROL.search(item):
            raise ValueError(f"the text {item[:40]!r} has control characters")
    elif isinstance(item, int):
        if abs(item) > _MAX_INTEGER:
            raise ValueError("it has an integer beyond 64 bits")
    elif not (item is None or isinstance(item, float)):
        raise ValueError(f"it has a value of the kind {type(item).__name__}")


def _read_text(path: Path, error: type[UserError], advice: str = "") -> str:
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise error(f"cannot read {path}: it is not a file. {advice}")
        if state.st_size > MAX_BYTES:
            raise error(f"{path} has more than {MAX_BYTES // 2**20} MiB. {advice}")
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as reason:  # a ValueError: not UTF-8
        raise error(f"cannot read {path}: {reason}. {advice}") from None


def _parsed(
    text: str,
    parse: Callable[[str], Any],
    origin: str,
    language: str,
    most: int,
    error: type[UserError],
    advice: str = "",
) -> Any:
    try:
        content = parse(text)
        check_plain(content, most=most)
    except RecursionError:
        raise error(f"{origin} is nested deeper than {MAX_DEPTH} levels. {advice}") from None
    except ValueError as reason:
        raise error(f"{origin} is not valid {language}: {reason}. {advice}") from None
    return content


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)[:80]!r} comes twice")
    return content


def _load_yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.load(text, _yaml_loader())
    except (yaml.YAMLError, TypeError) as error:  # a TypeError: a mapping as a key
        raise ValueError(str(error)) from None


@functools.cache
def _yaml_loader() -> Any:
    """Return PyYAML's safe loader, which also refuses a key that comes twice."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode):
                    if key.value in seen:
                        raise yaml.constructor.ConstructorError(
                            problem=f"the key {key.value[:80]!r} comes twice", problem_mark=key.start_mark
                        )
                    seen.add(key.value)
            return super().construct_mapping(node, deep)

    return Loader
