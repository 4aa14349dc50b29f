"""The recipe in a checkpoint of nnU-Net's, among the arguments that it keeps of the trainer."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from rasd_nnu.checkpoints.metadata import check_entries
from rasd_nnu.checkpoints.read import read_content
from rasd_nnu.errors import CheckpointError, first_problem
from rasd_nnu.trainers.options import FinetuneRecipe

#: Key in the checkpoint's ``init_args``, of which nnU-Net reads only those that it knows.
RECIPE_KEY = "rasd_recipe"


def saved_recipe(path: Path) -> FinetuneRecipe:
    """Return the recipe of the run that wrote ``path``.

    Raises:
        CheckpointError: If the file is damaged, or of another trainer.
    """
    content = read_content(path)
    check_entries(path, content)
    recipe = content.get("init_args", {}).get(RECIPE_KEY)
    if recipe is None:
        raise CheckpointError(
            f"{path} has no recipe in its init_args; expected a checkpoint that RaSDTrainer wrote. "
            "Go on with the trainer that began the run, or train anew without --c."
        )
    try:
        return FinetuneRecipe.model_validate(recipe)
    except ValidationError as error:
        raise CheckpointError(f"{path} has a damaged recipe in its init_args: {first_problem(error)}.") from None
