"""Thousands of damaged files: what cannot be used is one `UserError`, and nothing is written or lost elsewhere.

Each test draws `mutate.EXAMPLES` damaged inputs; ``RASD_FUZZ=2000`` runs as many as before a release.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rasd_nnu.checkpoints.file import load_checkpoint
from rasd_nnu.checkpoints.model_card import model_card
from rasd_nnu.checkpoints.read import open_source
from rasd_nnu.checkpoints.registry import default_path
from rasd_nnu.cli.inspect import _rows
from rasd_nnu.compare import compare_summaries
from rasd_nnu.compare.export import to_csv, to_json
from rasd_nnu.dataset_specs.parse import parse_spec
from rasd_nnu.dataset_specs.registry import get_spec
from rasd_nnu.errors import CONTROL, UserError
from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.plans import planned_target
from rasd_nnu.transfer import StartOptions, start
from rasd_nnu.workflows.export import export_model
from rasd_nnu.workflows.inspect import describe_source
from rasd_nnu.workflows.plan_like import plan_like
from tests.compare.conftest import summary_dict
from tests.helpers import TinyDataset, tiny_dataset
from tests.safety.mutate import damaged, files_below, fuzzed
from tests.safety.parts import content_of, target_of, trained_model, write_json
from tests.trainers.helpers import make_trainer


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyDataset]:
    """A planned data set, beside a folder that nobody may touch."""
    root = tmp_path_factory.mktemp("fuzz")
    write_json(root / "victim" / "precious.json", 1)
    with pytest.MonkeyPatch.context() as patch:
        yield tiny_dataset(root, patch)


def _plain(document: Any) -> Any:
    return json.loads(json.dumps(document))


class _Untouched:
    """Checks that a block changes nothing but what lies below the given folders, and raises nothing but one line."""

    def __init__(self, root: Path, *allowed: Path) -> None:
        self.root, self.allowed = root, allowed

    def _state(self) -> dict[Path, bytes | None]:
        found = files_below(self.root)
        return {p: c for p, c in found.items() if not any(p.is_relative_to(a) for a in self.allowed)}

    def __enter__(self) -> None:
        self.before = self._state()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        assert self._state() == self.before
        if isinstance(error, UserError):
            text = str(error)
            assert "\n" not in text
            assert not CONTROL.search(text)
            assert len(text) < 5000
            return True
        return False


def _use_plans(world: TinyDataset, like: Path) -> None:
    """Do what is done with plans: read the target, name its checkpoint, build it, and plan from a checkpoint."""
    target = planned_target(world.name, "3d_fullres")
    assert default_path(target).resolve().is_relative_to((world.root / "checkpoints").resolve())
    build_network(target)
    plan_like(world.name, open_source(like), name="fuzzed", overwrite=True)


@fuzzed
@given(data=st.data())
def test_plans(world: TinyDataset, data: st.DataObject) -> None:
    like = _checkpoint(world)
    path = world.preprocessed / "nnUNetPlans.json"
    write_json(path, data.draw(damaged(_plain(world.plans))))
    with _Untouched(world.root, world.preprocessed / "fuzzed.json"):
        _use_plans(world, like)
    write_json(path, world.plans)


@fuzzed
@given(data=st.data())
def test_dataset_json(world: TinyDataset, data: st.DataObject) -> None:
    like = _checkpoint(world)
    path = world.preprocessed / "dataset.json"
    write_json(path, data.draw(damaged(_plain(world.dataset_json))))
    with _Untouched(world.root, world.preprocessed / "fuzzed.json"):
        _use_plans(world, like)
    write_json(path, world.dataset_json)


@fuzzed
@given(data=st.data())
def test_trainers_with_damaged_plans(world: TinyDataset, data: st.DataObject) -> None:
    plans = data.draw(damaged(_plain(world.plans)))
    if not isinstance(plans, dict):
        return  # nnU-Net's own command adds an entry to them before any trainer is made
    hurt = TinyDataset(world.root, world.name, plans, world.dataset_json)
    with _Untouched(world.root, world.results):
        try:
            make_trainer(hurt, "RaSDTrainer_scratch_1epochs")
        except SystemExit as end:
            assert end.code == 2


@fuzzed
@given(data=st.data())
def test_exports(world: TinyDataset, data: st.DataObject) -> None:
    model = _model(world)
    name, document = data.draw(st.sampled_from([("plans.json", world.plans), ("dataset.json", world.dataset_json)]))
    write_json(model / name, data.draw(damaged(_plain(document))))
    with _Untouched(world.root, world.root / "out"):
        export_model(model, world.root / "out", stock=data.draw(st.booleans()), overwrite=True)
    write_json(model / name, document)


@fuzzed
@given(data=st.data())
def test_metadata_of_checkpoints(world: TinyDataset, data: st.DataObject) -> None:
    content = torch.load(_checkpoint(world), weights_only=True)
    init = {"plans": world.plans, "dataset_json": world.dataset_json, "configuration": "3d_fullres", "fold": 0}
    entries = {
        "rasd": {**content["rasd"], **_RUN},
        "nnssl_adaptation_plan": content["nnssl_adaptation_plan"],
        "init_args": init,
    }
    key = data.draw(st.sampled_from(list(entries)))
    hurt = {"network_weights": content["network_weights"], key: data.draw(damaged(_plain(entries[key])))}
    path = world.root / "hurt.pth"
    torch.save(hurt, path)
    with _Untouched(world.root, path):
        source = open_source(path)
        json.dumps(describe_source(source))
        assert all(isinstance(text, str) for row in _rows(describe_source(source)) for text in row)
        if source.description is not None:
            build_network(source.description)
        if source.meta:
            assert "<script>" not in model_card(load_checkpoint(path)["rasd"], "owner/name")


@fuzzed
@given(data=st.data())
def test_weights(world: TinyDataset, data: st.DataObject) -> None:
    content = torch.load(_checkpoint(world), weights_only=True)
    weights = content["network_weights"]
    for name in data.draw(st.lists(st.sampled_from(list(weights)), min_size=1, max_size=4, unique=True)):
        change = data.draw(st.sampled_from(list(_CHANGES)))
        if change == "rename":
            weights[data.draw(st.sampled_from(["", "x" * 5000, "encoder.stages.²", "\x1b"]))] = weights.pop(name)
        else:
            weights[name] = _CHANGES[change](weights[name])
    if data.draw(st.booleans()):
        del content["rasd"], content["nnssl_adaptation_plan"]
    path = world.root / "hurt.pth"
    torch.save(content, path)
    target = target_of(world, data.draw(st.sampled_from(["3d_fullres", "2d"])))
    with _Untouched(world.root, path):
        network = build_network(target)
        report = start(open_source(path), target, network, StartOptions("whole", require=0.0))
        assert all(value.isfinite().all() for value in network.parameters())
        assert 0 <= report.share_of_parameters() <= 1


@fuzzed
@given(data=st.data())
def test_specs(data: st.DataObject) -> None:
    spec = get_spec("msd04_hippocampus").model_dump(mode="json", exclude_none=True)
    hurt = data.draw(damaged(spec))
    text = yaml.safe_dump(hurt)
    if data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(text)))
        text = text[:place] + data.draw(st.sampled_from(["\x00", "\n", ": ", "- ", "&a ", "*a", "!!", "'", "{", "\t"]))
        text += yaml.safe_dump(hurt)[place:]
    try:
        parse_spec(text, "x.yaml")
    except UserError as error:
        assert not CONTROL.search(str(error))


@fuzzed
@given(data=st.data())
def test_records(world: TinyDataset, data: st.DataObject) -> None:
    root = world.root / "records"
    documents = {name: _plain(content) for name, content in _RECORDS.items()}
    for arm, shift in (("a", 0.0), ("b", 0.1)):
        for name, content in documents.items():
            write_json(root / arm / name, content)
        cases = {f"case_{i}": {"1": 0.5 + shift + i / 50, "2": 0.4 + i / 40} for i in range(6)}
        summary = _plain(summary_dict(cases))
        write_json(root / arm / "fold_0" / "validation" / "summary.json", summary)
    name = data.draw(st.sampled_from([*documents, "fold_0/validation/summary.json"]))
    write_json(root / "a" / name, data.draw(damaged(documents.get(name, summary))))
    paths = [root / arm / "fold_0" / "validation" / "summary.json" for arm in "ab"]
    with _Untouched(world.root):
        found = compare_summaries(*paths, seed=0)
        json.loads(to_json(found))
        to_csv(found)


_RECORDS: dict[str, Any] = {
    "plans.json": {"plans_name": "nnUNetPlans", "configurations": {"3d_fullres": {"batch_size": 2}}},
    "dataset.json": {"labels": {"background": 0, "a": 1, "b": 2}},
    "fold_0/debug.json": {"num_epochs": "2", "loss": "Dice at 0x7f12", "batch_size": "2"},
    "fold_0/transfer_report.json": {
        "trainer": "RaSDTrainer",
        "recipe": {"lr": 0.01, "transfer": None},
        "versions": {"torch": "2"},
        "transfer": {"shares": {"all": {"parameters": 0.98}}},
    },
}
_RUN: dict[str, Any] = {
    "synthesis": {"name": "default", "classes": 8},
    "objective": {"name": "prototype_disentangling", "temperature": 0.07},
    "recipe": {"iterations": 10, "batch_size": 2, "lr": 1e-5},
    "seed": 0,
    "iterations": 10,
    "finished": True,
    "samples_seen": 20,
    "samples_different": 20,
    "final_losses": {"separation": 1.0, "clustering": 0.5},
    "curve": {"iteration": [5, 10], "separation": [1.0, 0.5]},
    "versions": {"torch": "2"},
    "hardware": {"device": "cpu", "processes": 1},
    "seconds": 1.0,
    "synthesis_share": None,
}
_CHANGES: dict[str, Any] = {
    "rename": None,
    "integer": lambda v: v.to(torch.int64),
    "complex": lambda v: v.to(torch.complex64),
    "half": lambda v: v.half(),
    "double": lambda v: v.double() * 1e300,
    "NaN": lambda v: torch.full_like(v, torch.nan),
    "empty": lambda v: v[:0],
    "scalar": lambda v: v.sum(),
    "flat": lambda v: v.flatten(),
    "longer": lambda v: torch.cat([v, v]),
    "thinner": lambda v: v[..., :1],
    "deeper": lambda v: v[None],
    "expanded": lambda v: v.flatten()[:1].expand(v.shape),
}


def _checkpoint(world: TinyDataset) -> Path:
    path = world.root / "good.pth"
    if not path.is_file():
        torch.save(content_of(target_of(world)), path)
    return path


def _model(world: TinyDataset) -> Path:
    model = world.results / "RaSDTrainer_1epochs__nnUNetPlans__3d_fullres"
    return model if (model / "plans.json").is_file() else trained_model(world)


def test_what_is_not_damaged_passes(world: TinyDataset) -> None:
    """The fuzz tests can succeed: without damage nothing is refused."""
    _use_plans(world, _checkpoint(world))
    make_trainer(world, "RaSDTrainer_scratch")
    export_model(_model(world), world.root / "out", overwrite=True)
    path = world.root / "whole.pth"
    content = torch.load(_checkpoint(world), weights_only=True)
    content["rasd"] |= _RUN
    torch.save(content, path)
    assert dict(_rows(describe_source(open_source(path))))["iterations"] == "10 of batch 2, finished"
