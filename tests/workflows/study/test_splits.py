from __future__ import annotations

import json
from pathlib import Path

import pytest

from rasd_nnu.errors import ConfigError, DatasetError
from rasd_nnu.workflows.study.draw import Draw, parse_draw
from rasd_nnu.workflows.study.splits import draw_folds, write_draws
from tests.helpers import tiny_dataset

PATIENTS = {f"case_{i}": f"p{i // 2}" for i in range(20)}
FOLDS = [{"train": [f"case_{i}" for i in range(4, 20)], "val": [f"case_{i}" for i in range(4)]}]


def _drawn(*texts: str, validation_cases: int | None = None) -> list[dict[str, list[str]]]:
    return draw_folds(FOLDS, PATIENTS, [parse_draw(text) for text in texts], validation_cases, "D")


@pytest.mark.parametrize("seed", range(5))
def test_draws_are_nested_and_take_whole_patients_but_the_last(seed: int) -> None:
    few, more, rest = _drawn(f"0:5:{seed}", f"0:10:{seed}", "0:all:-")
    assert set(few["train"]) < set(more["train"]) < set(rest["train"])
    assert [len(fold["train"]) for fold in (few, more, rest)] == [5, 10, 16]
    counts = sorted([PATIENTS[case] for case in few["train"]].count(p) for p in {PATIENTS[c] for c in few["train"]})
    assert counts == [1, 2, 2]
    assert few["val"] == more["val"] == rest["val"] == sorted(FOLDS[0]["val"])


def test_seeds_draw_different_patients_and_the_same_validation_cases() -> None:
    folds = _drawn(*(f"0:4:{seed}" for seed in range(6)), validation_cases=2)
    assert len({tuple(fold["train"]) for fold in folds}) > 3
    (held_out,) = {tuple(fold["val"]) for fold in folds}
    assert len(held_out) == 2 and len({PATIENTS[case] for case in held_out}) == 1


def test_a_draw_does_not_depend_on_the_others() -> None:
    assert _drawn("0:5:1") == _drawn("0:9:0", "0:5:1")[1:]


def test_more_cases_than_there_are() -> None:
    with pytest.raises(DatasetError, match="labelled: 17 are asked for, but there are 16 .* of fold 0 of D, of 8 pat"):
        _drawn("0:17:0")
    with pytest.raises(ConfigError, match="there is no fold 1 of D, expected 0 to 0"):
        _drawn("1:2:0")


@pytest.mark.parametrize("text", ["", "0", "0:all:1", "0:5:-", "0:0:1", "a:5:1", "0:5:1:2", "0:-5:1"])
def test_what_is_no_draw(text: str) -> None:
    with pytest.raises(ConfigError, match="is no draw, expected FOLD:COUNT:SEED"):
        parse_draw(text)


def test_a_data_set_without_a_split_is_split_by_its_patients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = tiny_dataset(tmp_path, monkeypatch)
    with pytest.raises(DatasetError, match="cannot be split into 5 folds"):
        write_draws(tiny.raw, tiny.preprocessed, [Draw(0, 2, 0)])
    cases = [f"case_{i}" for i in range(4)]
    (tiny.raw / "splits_final.json").write_text(json.dumps([{"train": cases[:3], "val": cases[3:]}]))
    file = write_draws(tiny.raw, tiny.preprocessed, [Draw(0, 2, 0), Draw(0, None, None)])
    few, rest = json.loads(file.read_text())
    assert len(few["train"]) == 2 and rest["train"] == cases[:3] and few["val"] == cases[3:]
