from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from nnunetv2.utilities.label_handling.label_handling import LabelManager

from rasd_nnu.errors import ConfigError
from rasd_nnu.nnunet.trainer_names import parse_name
from rasd_nnu.pretrain.synthesis.renew import RenewConfig, adapted
from rasd_nnu.trainers.mixing import Mixer, label_maps
from rasd_nnu.trainers.options import recipe_for
from tests.helpers import TinyDataset
from tests.trainers.helpers import make_trainer, weights_of

PLAIN = LabelManager({"background": 0, "a": 1, "b": 2}, None)
IGNORING = LabelManager({"background": 0, "a": 1, "ignore": 2}, None)
REGIONS = LabelManager({"background": 0, "whole": [1, 2], "core": 2, "ignore": 3}, [1, 2])
ALWAYS = RenewConfig(share=1.0, begin=0.0, end=1.0, falling=False)


def _mixer(config: RenewConfig = ALWAYS, seed: int | None = 0, channels: int = 1, rank: int = 0) -> Mixer:
    return Mixer(config, PLAIN, (1.0, 1.0), channels, seed, rank)


def _batch(channels: int = 1) -> tuple[torch.Tensor, list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (2, 1, 32, 32), generator=generator).short()
    return torch.randn((2, channels, 32, 32), generator=generator), [labels, labels[..., ::2, ::2]]


def test_draws_depend_on_seed_rank_and_iteration_alone() -> None:
    data, target = _batch()
    state = torch.random.get_rng_state()
    first = _mixer()(data, target, iteration=7, progress=0.5)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(_mixer()(data, target, 7, 0.5), first)
    for other in (_mixer(seed=1), _mixer(rank=1), _mixer(seed=None)):
        assert not torch.equal(other(data, target, 7, 0.5), first)
    assert not torch.equal(_mixer()(data, target, 8, 0.5), first)


def test_only_the_image_changes_and_only_within_the_schedule() -> None:
    data, target = _batch(channels=3)
    before = data.clone(), [t.clone() for t in target]
    late = RenewConfig(share=1.0, begin=0.3, end=0.8)
    assert _mixer(late, channels=1)(data, target, 0, 0.29) is data
    assert _mixer(late, channels=1)(data, target, 0, 0.8) is data
    new = _mixer(late, channels=1)(data, target, 0, 0.31)
    assert not torch.equal(new[:, :1], data[:, :1])
    assert torch.equal(new[:, 1:], data[:, 1:])  # a cascade's segmentation of the stage before
    assert torch.equal(data, before[0])
    assert all(torch.equal(a, b) for a, b in zip(target, before[1], strict=True))


def test_label_maps_of_plain_labels_leave_out_what_is_ignored() -> None:
    target = torch.tensor([[[[0, 1, 2, -1]]]])
    assert label_maps(target, PLAIN).tolist() == [[[0, 1, 2, 0]]]
    assert label_maps(target, IGNORING).tolist() == [[[0, 1, 0, 0]]]


def test_label_maps_of_regions_are_their_combinations() -> None:
    whole, core, ignored = [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]
    target = torch.tensor([whole, core, ignored]).reshape(1, 3, 1, 4)
    assert label_maps(target, REGIONS).tolist() == [[[0, 1, 2, 0]]]


def test_ct_keeps_its_window_unless_told_otherwise() -> None:
    assert adapted(RenewConfig(), ["ZScoreNormalization"]).keep == "moments"
    assert adapted(RenewConfig(), ["CTNormalization"]).keep == "range"
    assert adapted(RenewConfig(keep="moments"), ["CTNormalization"]).keep == "moments"


def test_options_name_a_kind_or_settings() -> None:
    assert recipe_for({}, {"RASD_MIX": "shift"}).mix == RenewConfig(kind="shift")
    assert recipe_for({}, {"RASD_MIX": "{kind: random, share: 0.2}"}).mix == RenewConfig(kind="random", share=0.2)
    planned = {"pretrain_info": {"rasd": {"mix": {"kind": "shift"}}}}
    assert recipe_for(planned, {}).mix == RenewConfig(kind="shift")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("texture", "RASD_MIX: kind: Input should be 'curve'"),
        ("{share: 2}", "RASD_MIX: share: "),
        ("{shares: 1}", "RASD_MIX: unknown key 'shares'. Did you mean 'share'?"),
        ("[", "RASD_MIX is '['; it should be a kind, as shift"),
        ("3", "RASD_MIX is '3'; it should be a kind, as shift"),
    ],
)
def test_wrong_settings_are_one_line(value: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        recipe_for({}, {"RASD_MIX": value})
    assert str(error.value).startswith(said)


def test_names() -> None:
    for name in ("RaSDTrainer_mix", "RaSDTrainer_scratch_mix_2epochs_seed1", "RaSDTrainer_fromvoco_mix"):
        parsed = parse_name(name)
        assert parsed is not None
        assert parsed.mix
        assert str(parsed) == name


def _trained(tiny: TinyDataset, name: str) -> Any:
    """Train from the beginning, over what an earlier call left."""
    shutil.rmtree(tiny.results, ignore_errors=True)
    trainer = make_trainer(tiny, name)
    trainer.run_training()
    return trainer


def test_share_0_is_bit_for_bit_the_arm_without_mixing(tiny: TinyDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = weights_of(_trained(tiny, "RaSDTrainer_scratch_1epochs_2iters_seed1"))
    monkeypatch.setenv("RASD_MIX", "{share: 0}")
    none = weights_of(_trained(tiny, "RaSDTrainer_scratch_mix_1epochs_2iters_seed1"))
    assert all(torch.equal(value, none[name]) for name, value in plain.items())
    monkeypatch.setenv("RASD_MIX", "{share: 1, begin: 0}")
    mixed = weights_of(_trained(tiny, "RaSDTrainer_scratch_mix_1epochs_2iters_seed1"))
    assert not all(torch.equal(value, mixed[name]) for name, value in plain.items())


def test_a_resumed_run_goes_on_as_an_uninterrupted_one(tiny: TinyDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RASD_MIX", "{kind: shift, share: 1, begin: 0}")
    name = "RaSDTrainer_scratch_mix_2epochs_2iters_seed1"
    whole = weights_of(_trained(tiny, name))
    shutil.rmtree(tiny.results)
    stopped = make_trainer(tiny, name)
    monkeypatch.setattr(stopped, "on_epoch_end", lambda: _stop(stopped))
    with pytest.raises(KeyboardInterrupt):
        stopped.run_training()
    monkeypatch.setenv("RASD_MIX", "curve")  # the run goes on as it began
    resumed = make_trainer(tiny, name)
    resumed.load_checkpoint(str(Path(resumed.output_folder) / "checkpoint_latest.pth"))
    assert resumed.recipe.mix.kind == "shift"
    resumed.run_training()
    assert all(torch.equal(value, whole[n]) for n, value in weights_of(resumed).items())


def _stop(trainer: Any) -> None:
    """End the epoch, which saves `checkpoint_latest.pth`, and stop there."""
    type(trainer).on_epoch_end(trainer)
    raise KeyboardInterrupt
