from __future__ import annotations

from typing import Any

import pytest

from rasd_nnu.errors import ConfigError
from rasd_nnu.nnunet.trainer_names import TRANSFER_OPTIONS
from rasd_nnu.trainers.options import FinetuneRecipe, recipe_for
from rasd_nnu.transfer import FitOptions


def test_defaults_are_nnunets_recipe() -> None:
    recipe = recipe_for({}, {})
    assert recipe == FinetuneRecipe()
    assert (recipe.optimizer, recipe.rate, recipe.weight_decay) == ("sgd", 1e-2, 3e-5)


def test_variables_win_over_plans_and_plans_over_the_trainers_defaults() -> None:
    plans = {"pretrain_info": {"rasd": {"lr": 0.5, "warmup": 0.25}}}
    environment = {"RASD_LR": "1e-3", "RASD_FREEZE_ENCODER_EPOCHS": "4", "RASD_WARMUP": "", "RASD_DATA": "elsewhere"}
    recipe = recipe_for(plans, environment, {"optimizer": "adamw", "warmup": 0.0})
    assert recipe == FinetuneRecipe(optimizer="adamw", lr=1e-3, warmup=0.25, freeze_encoder_epochs=4)
    assert recipe.weight_decay == 1e-5


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("RASD_LR", "fast", "RASD_LR is 'fast'; it should be a valid number, unable to parse"),
        ("RASD_LR", "0", "RASD_LR is '0'; it should be greater than 0"),
        ("RASD_LR", "nan", "RASD_LR is 'nan'; it should be a finite number"),
        ("RASD_WARMUP", "1", "it should be less than 1"),
        ("RASD_OPTIMIZER", "adam", "RASD_OPTIMIZER is 'adam'; it should be 'sgd' or 'adamw'"),
        ("RASD_FREEZE_ENCODER_EPOCHS", "1.5", "it should be a valid integer"),
        ("RASD_LAYER_DECAY", "2", "it should be less than or equal to 1"),
        ("RASD_TRANSFER", "decoder", "it should be 'whole' or 'encoder'"),
        ("RASD_REQUIRE", "90", "it should be less than or equal to 1"),
        ("RASD_WIDTH", "stretch", "it should be 'crop' or 'pad'"),
        ("RASD_INFLATE", "center", "it should be 'centre' or 'mean'"),
        ("RASD_CHANNEL", "T1", "unknown variable RASD_CHANNEL. Did you mean RASD_CHANNELS?"),
        ("RASD_OPTIMISER", "sgd", "unknown variable RASD_OPTIMISER. Did you mean RASD_OPTIMIZER?"),
    ],
)
def test_wrong_variable_is_one_line(variable: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        recipe_for({}, {variable: value})
    assert said in str(error.value)
    assert variable in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("planned", "said"),
    [
        ({"warm_up": 0.1}, "unknown option 'warm_up' in pretrain_info['rasd'] of the plans"),
        ({"warm_up": 0.1}, "Did you mean 'warmup'?"),
        ({"lr": -1}, "'lr' in pretrain_info['rasd'] of the plans is -1; it should be greater than 0"),
        (["lr"], "expected a mapping of options"),
    ],
)
def test_wrong_plans_are_one_line(planned: Any, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        recipe_for({"pretrain_info": {"rasd": planned}}, {})
    assert said in str(error.value)


def test_recipe_survives_a_checkpoint() -> None:
    recipe = FinetuneRecipe(optimizer="adamw", lr=0.1, freeze_encoder_epochs=2, layer_decay=0.5, transfer="encoder")
    assert FinetuneRecipe.model_validate(recipe.model_dump()) == recipe


def test_what_is_carried_is_told_apart_from_how_the_run_goes_on() -> None:
    assert set(TRANSFER_OPTIONS) < set(FinetuneRecipe.model_fields)
    recipe = recipe_for({}, {"RASD_WIDTH": "pad", "RASD_CHANNELS": "T1,-"})
    assert recipe.start.fit == FitOptions(width="pad", channels="T1,-")
    changed = {n for n in FinetuneRecipe.model_fields if getattr(recipe, n) != getattr(FinetuneRecipe(), n)}
    assert changed <= set(TRANSFER_OPTIONS)
