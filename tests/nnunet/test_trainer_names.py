from __future__ import annotations

import pickle
import re

import pytest

from rasd_nnu import trainers
from rasd_nnu.nnunet.trainer_names import GRAMMAR, TrainerName, parse_name

GOOD = {
    "RaSDTrainer": TrainerName(),
    "RaSDTrainer_scratch": TrainerName("scratch"),
    "RaSDTrainer_5epochs": TrainerName(epochs=5),
    "RaSDTrainer_2iters": TrainerName(iters=2),
    "RaSDTrainer_seed0": TrainerName(seed=0),
    "RaSDTrainer_SwinUNETR": TrainerName(network="SwinUNETR"),
    "RaSDTrainer_SwinUNETR_scratch_5epochs": TrainerName("scratch", 5, network="SwinUNETR"),
    "RaSDTrainer_SwinUNETRv1_fromsuprem": TrainerName("suprem", network="SwinUNETRv1"),
    "RaSDTrainer_scratch_150epochs_25iters_seed12": TrainerName("scratch", 150, 25, 12),
}
BAD = [
    "RaSDTrainer_5epoch",
    "RaSDTrainer_0epochs",
    "RaSDTrainer_05epochs",
    "RaSDTrainer_seed1_5epochs",
    "RaSDTrainer_5epochs_scratch",
    "RaSDTrainer_scratch_SwinUNETR",
    "RaSDTrainer_swinunetr",
    "RaSDTrainer_SwinUNETRv2",
    "RaSDTrainer_",
    "RaSDTrainerX",
    "rasdtrainer",
    "RaSDTrainer_seed-1",
]


@pytest.mark.parametrize(("text", "name"), GOOD.items())
def test_name_is_read_and_written_back(text: str, name: TrainerName) -> None:
    assert parse_name(text) == name
    assert str(name) == text


def test_a_classifier_has_a_name_of_the_same_parts_and_is_no_trainer() -> None:
    name = TrainerName("scratch", 20, seed=1, kind="Classifier", labelled=100, series=True)
    assert str(name) == "RaSDClassifier_scratch_n100_series_20epochs_seed1"
    assert parse_name(str(name)) == name
    assert parse_name("RaSDTrainer_n100") is None
    with pytest.raises(AttributeError, match="no trainer"):
        trainers.RaSDClassifier_20epochs  # noqa: B018


@pytest.mark.parametrize("text", BAD)
def test_malformed_name_shows_the_grammar(text: str) -> None:
    assert parse_name(text) is None
    with pytest.raises(AttributeError, match=re.escape(f"expected {GRAMMAR}")):
        getattr(trainers, text)


def test_one_class_a_name() -> None:
    first, second = trainers.RaSDTrainer_3epochs_seed1, trainers.RaSDTrainer_3epochs_seed1
    assert first is second
    assert first is not trainers.RaSDTrainer_3epochs
    assert first.__name__ == "RaSDTrainer_3epochs_seed1"
    assert issubclass(first, trainers.RaSDTrainer)
    assert first.run.arm == "rasd"
    assert trainers.RaSDTrainer_scratch.run.arm == "scratch"


@pytest.mark.parametrize("text", GOOD)
def test_class_is_pickled_by_name(text: str) -> None:
    made = getattr(trainers, text)
    assert pickle.loads(pickle.dumps(made)) is made


def test_arms_share_everything_but_the_arm() -> None:
    rasd, scratch = trainers.RaSDTrainer_5epochs_seed1, trainers.RaSDTrainer_scratch_5epochs_seed1
    own = {key for cls in (rasd, scratch) for key in vars(cls)}
    assert own <= {"run", "__module__", "__doc__"}
    assert rasd.__mro__[1:] == scratch.__mro__[1:]
