"""JSON, YAML and tables are read with limits, and what is wrong is one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rasd_nnu.errors import ConfigError, DatasetError, printable
from rasd_nnu.reading import MAX_BYTES, check_plain, parse_yaml, read_json, read_json_object, read_table, read_yaml
from rasd_nnu.tasks.data import read_folder
from rasd_nnu.workflows.experiment.few_shot import few_shot_split
from rasd_nnu.workflows.features import read_classes

BAD_JSON = {
    "not JSON": "{",
    "nothing": "",
    "deep": "[" * 100 + "]" * 100,
    "very deep": "[" * 100_000,
    "twice": '{"a": 1, "b": {"c": 1, "c": 2}}',
    "digits": "1" * 5000,
    "beyond 64 bits": str(2**63),
    "terminal": '"\\u001b[2J"',
    "half a character": '"\\ud800"',
    "key": '{"\\u0000": 1}',
}


@pytest.mark.parametrize("text", BAD_JSON.values(), ids=BAD_JSON)
def test_bad_json(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DatasetError, match=r"x\.json") as error:
        read_json(path, DatasetError, "Make it again.")
    assert str(error.value).endswith("Make it again.")
    assert str(error.value).isprintable()


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\xef\xbb\xbf{}", b"\x00\x01\x02"])
def test_not_text(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(ConfigError):
        read_json(tmp_path / "x.json")


def test_not_a_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", Path("/dev/zero"), tmp_path / ("x" * 300)):
        with pytest.raises(ConfigError):
            read_json(path)


def test_too_large(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ConfigError, match="MiB"):
        read_json(path)


def test_good_json(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    content = {"a": [1, 2.5, None, True, "é\n"], "b": {"c": {}}}
    path.write_text(json.dumps(content))
    assert read_json_object(path) == content
    path.write_text("[NaN]")
    assert str(read_json(path)) == "[nan]"
    with pytest.raises(ConfigError, match="holds a list"):
        read_json_object(path)


BAD_YAML = {
    "not YAML": "a: [",
    "deep": "[" * 100 + "]" * 100,
    "very deep": "[" * 2000 + "]" * 2000,
    "twice": "a: 1\nb: 2\na: 3",
    "nested twice": "x: {a: 1, a: 2}",
    "billions": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    "in itself": "a: &a [*a]",
    "object": "!!python/object/apply:os.system ['true']",
    "mapping as a key": "? {a: 1}\n: 2",
    "digits": "a: " + "1" * 5000,
    "no such day": "a: 2020-13-45",
    "bytes": "a: !!binary aGFsbG8=",
    "terminal": 'a: "\\e[2J"',
}


@pytest.mark.parametrize("text", BAD_YAML.values(), ids=BAD_YAML)
def test_bad_yaml(text: str) -> None:
    with pytest.raises(ConfigError, match=r"x\.yaml") as error:
        parse_yaml(text, "x.yaml")
    assert "\n" not in str(error.value)


def test_good_yaml(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a: &a {b: 1}\nc: {<<: *a, d: 2}\n1: x")
    assert read_yaml(tmp_path / "x.yaml") == {"a": {"b": 1}, "c": {"b": 1, "d": 2}, 1: "x"}


BAD_TABLES = {
    "nothing": b"",
    "no such column": b"case,patient\na,b\n",
    "not text": b"\x89PNG\xff\xfe",
    "a cell is missing": b"case,group\na,b\nc\n",
    "a cell is too large": b"case,group\na," + b"x" * 200_000,
}


@pytest.mark.parametrize("content", BAD_TABLES.values(), ids=BAD_TABLES)
def test_bad_tables(tmp_path: Path, content: bytes) -> None:
    """Every reader of ``cases.csv`` says what is wrong with it."""
    file = tmp_path / "cases.csv"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"cases\.csv"):
        read_table(file, ("case", "group"))
    (tmp_path / "dataset.json").write_text("{}")
    (tmp_path / "splits_final.json").write_text("[]")
    reads = (lambda: few_shot_split(file, 1, 1), lambda: read_classes(file, "group"), lambda: read_folder(tmp_path))
    for read in reads if content else reads[:2]:
        with pytest.raises(DatasetError, match=r"cases\.csv"):
            read()


def test_good_tables(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"\xef\xbb\xbfcase,group,note\na,b\nc,d,e,f\n")
    rows = [{"case": "a", "group": "b", "note": ""}, {"case": "c", "group": "d", "note": "e"}]
    assert read_table(tmp_path / "x.csv", ("case", "group")) == rows


@pytest.mark.parametrize("value", [object(), {1: 2}, {"a": b"x"}, [{"a": {None: 1}}]])
def test_not_plain(value: Any) -> None:
    with pytest.raises(ValueError, match="it has"):
        check_plain(value, text_keys=True)


def test_terminal_escapes_are_shown_as_text() -> None:
    assert printable("a\x1b[31m\x9b\ud800é\n") == "a\\x1b[31m\\x9b\\ud800é\n"
    assert str(ConfigError("bad \x1b]0;title\x07 name")) == "bad \\x1b]0;title\\x07 name"
