"""Numbers that a person writes, and text that is shown or opened elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from rasd_nnu import trainers
from rasd_nnu.cli.compare_options import numbers
from rasd_nnu.cli.main import main
from rasd_nnu.cli.options import parse_classes, parse_numbers, parse_overrides, whole_number
from rasd_nnu.compare import compare_summaries
from rasd_nnu.compare.export import plain_cell, to_csv
from rasd_nnu.dataset_specs.parse import parse_spec
from rasd_nnu.dataset_specs.registry import get_spec
from rasd_nnu.errors import ConfigError, UserError
from rasd_nnu.nnunet.trainer_names import parse_name
from tests.compare.conftest import summary_dict
from tests.safety.parts import write_json

NO_NUMBERS = ["²", "٣", "1" * 5000, "1e99", "", "-", "x", "nan", "\x1b[2J"]


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_nonumbers(text: str) -> None:
    assert whole_number(text) is None
    for parse in (parse_classes, lambda t: parse_numbers(t, "--shape"), lambda t: numbers(f"0,{t}")):
        with pytest.raises(UserError) as error:
            parse(text)
        assert len(str(error.value)) < 300


def testnumbers() -> None:
    assert parse_classes("4-12") == (4, 12)
    assert parse_numbers("3,0.5", "--spacing", float) == (3.0, 0.5)
    assert numbers("0,1") == [0, 1]
    for text in ("nan", "inf", "1e400"):
        with pytest.raises(ConfigError):
            parse_numbers(text, "--spacing", float)


@pytest.mark.parametrize("command", ["compare", "preview", "synthesize", "pretrain"])
@pytest.mark.parametrize("seed", ["-1", str(2**63), "1" * 30])
def test_seeds(tmp_path: Path, command: str, seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = {
        "compare": ["--a", str(tmp_path), "--b", str(tmp_path)],
        "preview": ["--out", str(tmp_path / "x.png")],
        "synthesize": ["-d", "2d", "--patch", "32", "--n", "1", "--out", str(tmp_path / "samples")],
        "pretrain": ["-d", "2d", "--patch", "32", "--iterations", "1", "--out", str(tmp_path / "x.pth")],
    }
    with pytest.raises(SystemExit) as end:
        main([command, *options[command], f"--seed={seed}"])
    assert end.value.code == 2
    assert "seed" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["RaSDTrainer_seed²", "RaSDTrainer_seed" + "1" * 5000, "RaSDTrainer_٣epochs"])
def test_trainer_names(name: str) -> None:
    assert parse_name(name) is None
    with pytest.raises(AttributeError):
        getattr(trainers, name)


@pytest.mark.parametrize("value", ["[", "{a: 1, a: 2}", "[" * 99 + "]" * 99, "1" * 5000])
def test_overrides(value: str) -> None:
    with pytest.raises(ConfigError, match=r"--set blur\.sigma"):
        parse_overrides([f"blur.sigma={value}"])


@pytest.mark.parametrize("text", ["a: 1\na: 2", "[" * 2000, "a: !!python/name:os.system", "- a", "a: \x1b"])
def test_specs(text: str) -> None:
    with pytest.raises(ConfigError, match=r"x\.yaml"):
        parse_spec(text, "x.yaml")


def test_a_spec_with_something_twice() -> None:
    spec = get_spec("msd04_hippocampus").model_dump(mode="json", exclude_none=True)
    assert parse_spec(yaml.safe_dump(spec), "x.yaml")
    other = {**spec["downloads"][0], "url": "https://example.org/" + spec["downloads"][0]["url"].rsplit("/", 1)[1]}
    for changes, said in (
        ({"labels": {**spec["labels"], "Third": 1}}, "two labels of the value 1"),
        ({"downloads": [*spec["downloads"], other]}, "two downloads of the name"),
    ):
        with pytest.raises(ConfigError, match=said):
            parse_spec(yaml.safe_dump({**spec, **changes}), "x.yaml")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_formulas_stay_text(text: str) -> None:
    assert plain_cell(text) == f"'{text}"
    assert plain_cell(f"a{text}") == f"a{text}"


def test_the_folders_name_is_no_formula_in_the_csv(tmp_path: Path) -> None:
    for arm, dice in (("a", 0.8), ("b", 0.7)):
        cases = {name: {"1": dice + i / 100} for i, name in enumerate(("=cmd()", "case_1"))}
        write_json(tmp_path / f"{arm}.json", summary_dict(cases))
    table = to_csv(compare_summaries(tmp_path / "a.json", tmp_path / "b.json"))
    assert "\n'=cmd()," in table


def test_settings_that_one_arm_does_not_have_are_said(tmp_path: Path) -> None:
    paths = []
    for arm, dice in (("a", 0.8), ("b", 0.7)):
        model = tmp_path / arm
        write_json(model / "plans.json", {"plans_name": "nnUNetPlans"})
        write_json(model / "fold_0" / "debug.json", {"num_epochs": "2"})
        cases = {f"case_{i}": {"1": dice + i / 100} for i in range(3)}
        paths.append(model / "fold_0" / "validation" / "summary.json")
        write_json(paths[-1], summary_dict(cases))
    assert not [line for line in compare_summaries(*paths).warnings if "debug.json" in line]
    (tmp_path / "b" / "fold_0" / "debug.json").unlink()
    warning = "the settings of the trainers were not compared: no debug.json beside the records"
    assert warning in compare_summaries(*paths).warnings
