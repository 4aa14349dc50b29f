from __future__ import annotations

from typing import Any

import pytest

from rasd_nnu.errors import ConfigError, SetupError
from rasd_nnu.pretrain.hardware import Hardware, check_fit
from rasd_nnu.pretrain.recipe import Recipe


def test_defaults_are_the_papers() -> None:
    recipe = Recipe()
    assert (recipe.iterations, recipe.batch_size, recipe.lr, recipe.weight_decay) == (600_000, 2, 1e-5, 0.01)
    assert (recipe.temperature, recipe.schedule) == (0.07, "constant")
    assert {recipe.rate(i) for i in (0, 1000, 599_999)} == {1e-5}


def test_rates() -> None:
    warm = Recipe(iterations=100, lr=1.0, warmup=4)
    assert [warm.rate(i) for i in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    cosine = Recipe(iterations=104, lr=1.0, warmup=4, schedule="cosine")
    assert cosine.rate(4) == 1.0
    assert cosine.rate(54) == pytest.approx(0.5)
    assert 0 < cosine.rate(103) < 0.001
    share = Recipe(iterations=80, lr=1.0, warmup=0.05, schedule="cosine")
    assert share == Recipe.from_dict(share.to_dict())
    assert [share.rate(i) for i in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_temperature_follows_the_objective() -> None:
    assert Recipe(objective="contrastive").temperature == 0.33
    assert Recipe(objective="contrastive", temperature=0.1).temperature == 0.1


def test_dict_round_trip_and_unknown_entries() -> None:
    recipe = Recipe(iterations=7, ema=0.9, clip=2.0)
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    with pytest.raises(ConfigError, match=r"unknown entry 'warmups' .*Did you mean 'warmup'"):
        Recipe.from_dict({"warmups": 3})


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"iterations": 0}, "iterations is 0, expected at least 1"),
        ({"batch_size": 0}, "batch_size is 0, expected at least 1"),
        ({"iterations": 2**70}, "expected at most 1000000000000"),
        ({"batch_size": 2**40}, "batch_size is 1099511627776, expected at most 65536"),
        ({"lr": 0.0}, "lr is 0.0, expected above 0"),
        ({"lr": float("nan")}, "lr is nan, expected above 0"),
        ({"clip": 0.0}, "clip is 0.0, expected above 0"),
        ({"ema": 1.0}, "ema is 1.0, expected between 0 and 1"),
        ({"seed": -1}, "seed is -1, expected 0 to 2^63 - 1"),
        ({"seed": 2**63}, "seed is 9223372036854775808, expected 0 to 2^63 - 1"),
        ({"weight_decay": float("nan")}, "weight_decay is nan, expected at least 0"),
        ({"warmup": 2.5}, "warmup is 2.5, expected a share below 1 or a number of iterations"),
        ({"warmup": -1}, "warmup is -1, expected a share below 1"),
        ({"budget": 0.0}, "budget is 0.0, expected above 0 seconds"),
        ({"objective": "contrast"}, "objective is 'contrast', expected one of prototypes, contrastive. Did you mean"),
        ({"objective_implementation": "slow"}, "objective_implementation is 'slow', expected one of fast, plain."),
        ({"iterations": 5, "warmup": 5}, "warmup is 5, expected below the 5 iterations"),
        ({"schedule": "cosin"}, "schedule is 'cosin', expected one of constant, cosine. Did you mean 'cosine'?"),
        ({"precision": "half"}, "precision is 'half', expected one of fp32, bf16, fp16."),
    ],
)
def test_values_out_of_range(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        Recipe(**entry)
    assert message in str(error.value)


def test_processes_of_another_launcher_must_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    check_fit(Recipe(), Hardware(device="cpu", devices=2))
    with pytest.raises(ConfigError, match=r"2 processes were started from outside .* expected 1 devices x 1 nodes"):
        check_fit(Recipe(), Hardware(device="cpu"))


def test_hardware_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="device is 'gpu', expected one of auto, cpu, cuda"):
        Hardware(device="gpu")
    with pytest.raises(ConfigError, match="devices is 0, expected at least 1"):
        Hardware(devices=0)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SetupError, match="sees no CUDA device"):
        Hardware(device="cuda")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    with pytest.raises(ConfigError, match="workers is 2, expected 0 with CUDA"):
        Hardware(device="cuda", workers=2)


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [({"avx512_bf16": True}, "bf16"), ({"avx512_bf16": False, "amx_bf16": True}, "bf16"), ({"avx2": True}, "fp32")],
)
def test_bf16_where_the_cpu_computes_in_it(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], expected: str
) -> None:
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: capabilities, raising=False)
    assert Hardware(device="cpu").best_precision() == expected


def test_precision_that_the_gpu_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation: False)
    hardware = Hardware(device="cuda")
    assert hardware.best_precision() == "fp32"
    with pytest.raises(ConfigError, match=r"precision is 'bf16', which this GPU lacks. Use fp16 or fp32"):
        check_fit(Recipe(precision="bf16"), hardware)
    with pytest.raises(ConfigError, match=r"devices is 2, but there are 1 GPUs"):
        check_fit(Recipe(), Hardware(device="cuda", devices=2))
