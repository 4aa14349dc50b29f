"""The recipe in a checkpoint of nnU-Net's, among the arguments that it keeps of the trainer."""

from __future__ import annotations

from pathlib import Path

from rasd_nnu.checkpoints.read import read_content
from rasd_nnu.errors import CheckpointError
from rasd_nnu.trainers.options import FinetuneRecipe

#: Key in the checkpoint's ``init_args``, of which nnU-Net reads only those that it knows.
RECIPE_KEY = "rasd_recipe"


def saved_recipe(path: Path) -> FinetuneRecipe:
    """Return the recipe of the run that wrote ``path``.

    Raises:
        CheckpointError: If the file is damaged, or of another trainer.
    """
    recipe = read_content(path).get("init_args", {}).get(RECIPE_KEY)
    if recipe is None:
        raise CheckpointError(
            f"{path} has no recipe in its init_args; expected a checkpoint that RaSDTrainer wrote. "
            "Go on with the trainer that began the run, or train anew without --c."
        )
    return FinetuneRecipe.model_validate(recipe)
