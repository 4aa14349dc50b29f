"""Weights that are no ordinary finite numbers are refused, and metadata of the wrong shape are one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from rasd_nnu.checkpoints.arms import read_arms, registry_path
from rasd_nnu.checkpoints.file import atomic_save, load_checkpoint, resume_path
from rasd_nnu.checkpoints.model_card import model_card, summary
from rasd_nnu.checkpoints.read import open_source
from rasd_nnu.checkpoints.registry import default_path
from rasd_nnu.cli.main import main
from rasd_nnu.errors import CheckpointError, ConfigError
from rasd_nnu.networks.build import build_network
from rasd_nnu.pretrain.recipe import Recipe
from rasd_nnu.pretrain.resume import RESUME_VERSION, load_resume
from rasd_nnu.trainers.saved import saved_recipe
from rasd_nnu.transfer import FitOptions, StartOptions, start
from tests.helpers import TinyDataset
from tests.safety.parts import content_of, one_line, target_of, write_json


def _changed(content: dict[str, Any], change: Any) -> dict[str, Any]:
    """Return the content with its largest kernel changed."""
    weights = dict(content["network_weights"])
    name = max(weights, key=lambda key: weights[key].numel())
    original = weights[name]
    return {
        **content,
        "network_weights": {
            key: change(value) if value is original or torch.equal(value, original) else value
            for key, value in weights.items()
        },
    }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda v: v.to(torch.complex64), "complex64"),
        (lambda v: v.to(torch.float8_e4m3fn), "float8"),
        (lambda v: v.to_sparse(), "without ordinary values"),
        (lambda v: v.to("meta"), "meta"),
        (lambda v: v[:1, :1, :1, :1, :1].clone().expand(v.shape), "fewer values"),
        (lambda v: torch.full_like(v, torch.nan), "not finite"),
        (lambda v: torch.full(v.shape, 1e300, dtype=torch.float64), "not finite"),
        (lambda v: torch.quantize_per_tensor(v, 0.1, 0, torch.qint8), "without ordinary values"),
    ],
    ids=["complex", "float8", "sparse", "meta", "truncated", "NaN", "too large", "quantised"],
)
@pytest.mark.filterwarnings("ignore")
def test_weights_that_are_no_numbers(data: TinyDataset, tmp_path: Path, change: Any, reason: str) -> None:
    path = tmp_path / "x.pth"
    torch.save(_changed(content_of(target_of(data)), change), path)
    with pytest.raises(CheckpointError, match=f"{reason}|damaged|not opened"):
        open_source(path)


def test_integers_do_not_count_as_copied(data: TinyDataset, tmp_path: Path) -> None:
    target = target_of(data)
    atomic_save(_changed(content_of(target), lambda v: v.mul(100).to(torch.int64)), tmp_path / "x.pth")
    report = start(open_source(tmp_path / "x.pth"), target, build_network(target), StartOptions(require=0.0))
    left = [entry for entry in report.entries if "int64" in entry.reason]
    assert left
    assert report.share_of_parameters("encoder") < 0.9


@pytest.mark.parametrize("bytes_lost", [1, 1000, 20_000])
def test_truncated_files(data: TinyDataset, tmp_path: Path, bytes_lost: int) -> None:
    path = tmp_path / "x.pth"
    atomic_save(content_of(target_of(data)), path)
    path.write_bytes(path.read_bytes()[:-bytes_lost])
    with pytest.raises(CheckpointError, match="damaged or truncated"):
        open_source(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": None},
        {"architecture": []},
        {"planned_for": ["Dataset001_A"]},
        {"planned_for": {"dataset": 1}},
        {"dims": 4},
        {"dims": True},
        {"patch_size": [16, 16]},
        {"patch_size": [16, 16, 2**70]},
        {"spacing": ["a", 1.0, 1.0]},
        {"spacing": [1.0, float("nan"), 1.0]},
        {"input_channels": 10**9},
        {"input_channels": "1"},
        {"recipe": {}},
        {"recipe": {"iterations": 1, "batch_size": 1}},
        {"seed": "x"},
        {3: "integer key"},
        {"nested": {3: "integer key"}},
        {"tensor": torch.zeros(3)},
        {"text": "\x1b[2J"},
        {"number": 10**30},
    ],
)
def test_metadata_of_another_shape(
    data: TinyDataset, tmp_path: Path, changes: dict[Any, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    content = content_of(target_of(data))
    content["rasd"] |= changes
    atomic_save(content, tmp_path / "x.pth")
    for read in (open_source, load_checkpoint):
        with pytest.raises(CheckpointError, match="rasd"):
            read(tmp_path / "x.pth")
    assert "rasd" in one_line(["inspect", str(tmp_path / "x.pth")], capsys)


def test_metadata_without_an_architecture(data: TinyDataset, tmp_path: Path) -> None:
    content = content_of(target_of(data))
    del content["rasd"]["architecture"]
    atomic_save(content, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="'architecture' is missing"):
        open_source(tmp_path / "x.pth")


@pytest.mark.parametrize(
    "init",
    [
        {"plans": None},
        {"plans": {}},
        {"dataset_json": []},
        {"dataset_json": {"labels": {}}},
        {"configuration": "none"},
        {"configuration": 3},
        [],
        "x",
    ],
)
def test_arguments_of_nnunet_of_another_shape(data: TinyDataset, tmp_path: Path, init: Any) -> None:
    good = {"plans": data.plans, "dataset_json": data.dataset_json, "configuration": "3d_fullres", "fold": 0}
    content = {"network_weights": content_of(target_of(data))["network_weights"]}
    arguments = {**good, **init} if isinstance(init, dict) else init or [1]
    atomic_save({**content, "init_args": arguments}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError):
        open_source(tmp_path / "x.pth")


def test_names_of_weights_are_text(tmp_path: Path) -> None:
    for content in (
        {3: torch.zeros(2)},
        {"state_dict": {3: torch.zeros(2)}},
        {"f" * 9: 1},
        {"9" * 5000: torch.ones(1)},
    ):
        atomic_save(content, tmp_path / "x.pth")
        if all(isinstance(value, torch.Tensor) and isinstance(key, str) for key, value in content.items()):
            with pytest.raises(CheckpointError, match="not of format"):
                open_source(tmp_path / "x.pth", "anatomix")
        else:
            with pytest.raises(CheckpointError, match="holds no weights"):
                open_source(tmp_path / "x.pth")


@pytest.mark.parametrize("fit", [FitOptions(width="crop"), FitOptions(inflate="mean"), FitOptions(channels="0")])
def test_options_do_not_refuse_the_exact_checkpoint(data: TinyDataset, fit: FitOptions) -> None:
    target = target_of(data)
    atomic_save(content_of(target), default_path(target))
    report = start(open_source(default_path(target)), target, build_network(target), StartOptions("whole", fit=fit))
    assert report.share_of_parameters() == 1.0


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"identity": [], "iteration": 1, "iterations": 1, "learner": {}, "history": torch.zeros(1, 5), "seconds": 0.0},
        {
            "identity": {},
            "iteration": "1",
            "iterations": 1,
            "learner": {},
            "history": torch.zeros(1, 5),
            "seconds": 0.0,
        },
        {"identity": {}, "iteration": 1, "iterations": 1, "learner": {}, "history": torch.zeros(2, 5), "seconds": 0.0},
        {"identity": {}, "iteration": 1, "iterations": 1, "learner": {}, "history": [], "seconds": 0.0},
        {"identity": {}, "iteration": 1, "iterations": 0, "learner": {}, "history": torch.zeros(1, 5), "seconds": 0.0},
        {"identity": {}, "iteration": 1, "learner": {}, "history": torch.zeros(1, 5), "seconds": 0.0},
        {
            "identity": {},
            "iteration": 1,
            "iterations": 1,
            "learner": {},
            "history": torch.zeros(1, 5),
            "seconds": float("nan"),
        },
        {
            "identity": {3: {}},
            "iteration": 1,
            "iterations": 1,
            "learner": {},
            "history": torch.zeros(1, 5),
            "seconds": 1.0,
        },
    ],
)
def test_resume_files_of_another_shape(tmp_path: Path, state: dict[str, Any]) -> None:
    atomic_save({"resume_version": RESUME_VERSION, **state}, tmp_path / "x.resume.pth")
    with pytest.raises(CheckpointError, match="is damaged"):
        load_resume(tmp_path / "x.resume.pth", lambda recipe: {}, Recipe(iterations=1))


def test_a_damaged_resume_file_is_said_by_inspect(
    data: TinyDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.pth"
    atomic_save(content_of(target_of(data)), path)
    atomic_save({"iteration": "\x1b[2J"}, resume_path(path))
    with pytest.raises(SystemExit) as end:
        main(["inspect", str(path)])
    assert not end.value.code
    assert "it has no iteration" in capsys.readouterr().out


@pytest.mark.parametrize("recipe", [{"lr": "fast"}, {"unknown": 1}, [], 3])
def test_a_damaged_recipe(data: TinyDataset, tmp_path: Path, recipe: Any) -> None:
    init = {"plans": data.plans, "dataset_json": data.dataset_json, "configuration": "3d_fullres", "fold": 0}
    atomic_save({"init_args": {**init, "rasd_recipe": recipe}}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="recipe"):
        saved_recipe(tmp_path / "x.pth")


@pytest.mark.parametrize(
    "arms",
    [
        [],
        {"../x": {"checkpoint": "a", "format": None, "sha256": "0" * 64}},
        {"x": {"checkpoint": 3, "format": None, "sha256": "0" * 64}},
        {"x": {"checkpoint": "a", "format": None, "sha256": "0"}},
        {"x": None},
    ],
)
def test_a_registry_of_another_shape(data: TinyDataset, arms: Any) -> None:
    write_json(registry_path(), {"format_version": 1, "arms": arms})
    with pytest.raises(ConfigError, match=r"arms\.json is damaged"):
        read_arms()


def test_entries_that_are_none_count_as_missing(data: TinyDataset) -> None:
    meta = content_of(target_of(data))["rasd"]
    without = {key: value for key, value in meta.items() if key != "normalization"} | {"recipe": None}
    assert dict(summary(without))["normalisation"] == "none"


def test_metadata_do_not_reach_the_model_card_as_html(data: TinyDataset) -> None:
    meta = content_of(target_of(data))["rasd"] | {"normalization": ["<script>alert(1)</script>", "a|b\n# c"]}
    card = model_card(meta, "owner/name")
    assert "<script>" not in card
    assert "&lt;script&gt;" in card
    assert "a\\|b # c" in card
