"""The file that a run goes on from, and the check that it is the same run."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor

from rasd_nnu.checkpoints.file import resume_path, safe_load
from rasd_nnu.errors import CheckpointError, first_problem
from rasd_nnu.files import explained
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.pretrain.cases import CaseMaps
from rasd_nnu.pretrain.history import COLUMNS
from rasd_nnu.pretrain.offline import OfflineSamples
from rasd_nnu.pretrain.recipe import Recipe
from rasd_nnu.pretrain.synthesis import STREAM_VERSION, SynthesisConfig
from rasd_nnu.reading import check_plain

#: Version of the resume file.
RESUME_VERSION = 2

# What `resume_path` and `Keep` name the files beside a checkpoint.
_BESIDE = re.compile(r"(.+)\.(?:resume|iter\d+)\.pth")


class _State(BaseModel):
    """What a resume file holds; tensors of other shapes are refused where they are loaded."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    identity: dict[str, Any]
    iteration: Annotated[int, Field(strict=True, ge=0, lt=2**63)]
    iterations: Annotated[int, Field(strict=True, ge=1, lt=2**63)]
    learner: dict[str, Any]
    history: Tensor
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]

    @model_validator(mode="after")
    def _history_is_a_table(self) -> Self:
        if self.history.shape != (self.iteration, len(COLUMNS)) or not self.history.is_floating_point():
            raise ValueError(f"its history is {list(self.history.shape)}, expected {[self.iteration, len(COLUMNS)]}")
        return self


def identity(
    target: NetworkTarget,
    config: SynthesisConfig,
    recipe: Recipe,
    offline: OfflineSamples | None = None,
    cases: CaseMaps | None = None,
) -> dict[str, Any]:
    """Return everything that decides a run's losses, as JSON values."""
    values: dict[str, Any] = {
        "architecture": target.architecture,
        "input_channels": target.input_channels,
        "patch_size": target.patch_size,
        "synthesis": config.to_dict(),
        "synthesis_stream": STREAM_VERSION,
        "recipe": recipe.to_dict(),
        "offline_samples": offline and offline.manifest.digest,
    }
    if cases is not None:
        values |= cases.identity()
    # Memory only, and what the iterations came from; a constant rate does not know how long the run will be.
    for name in ("accumulate", "budget", *([] if recipe.knows_its_length else ["iterations"])):
        values["recipe"].pop(name)
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain


def prepare_output(
    out: Path, identify: Callable[[Recipe], dict[str, Any]], recipe: Recipe, *, overwrite: bool, resume: bool
) -> tuple[Recipe, dict[str, Any] | None]:
    """Check that ``out`` may be replaced, and return the recipe and the state to go on from.

    Args:
        out: The checkpoint to write.
        identify: Gives the `identity` of the run with a recipe.
        recipe: Its recipe; with a budget, a resumed run keeps the length that it began with.
        overwrite: Whether an earlier checkpoint may be replaced.
        resume: Whether to go on from the resume file beside ``out``; without one, and without a checkpoint, a new
            run starts, so that the same command can be queued again and again.

    Raises:
        CheckpointError: If the output exists or belongs to another run.
    """
    if resume and overwrite:
        raise CheckpointError("--resume and --overwrite exclude each other. Choose one.")
    state = resume_path(out)
    if resume and state.is_file():
        return load_resume(state, identify, recipe)
    if out.exists() and resume:
        raise CheckpointError(
            f"there is no resume file {state} beside {out}. Start anew with --overwrite, or give another --out."
        )
    for path in (out, state):
        if path.exists() and not overwrite:
            raise CheckpointError(
                f"{path} exists. Use --resume to go on with it, --overwrite to replace it, or give another --out."
            )
    return recipe, None


def load_resume(
    path: Path, identify: Callable[[Recipe], dict[str, Any]], recipe: Recipe
) -> tuple[Recipe, dict[str, Any]]:
    """Read a resume file of the same run.

    Raises:
        CheckpointError: If it is damaged or belongs to another run; the message names the first difference.
    """
    state = safe_load(path)
    if state.get("resume_version") != RESUME_VERSION:
        raise CheckpointError(f"{path} is no resume file of version {RESUME_VERSION}. Start anew with --overwrite.")
    try:
        check_plain(state.get("identity"), text_keys=True)
        _State.model_validate(state)
    except ValidationError as error:
        raise CheckpointError(f"{path} is damaged: {first_problem(error)}. Start anew with --overwrite.") from None
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged: {error}. Start anew with --overwrite.") from None
    if recipe.budget is not None:
        recipe = replace(recipe, iterations=state["iterations"])
    for key, there, here in _differences(state["identity"], identify(recipe)):
        raise CheckpointError(
            f"{path} belongs to another run: {key} is {there!r} there and {here!r} now. "
            "Ask for the same, or start anew with --overwrite."
        )
    if state["iteration"] > recipe.iterations:
        raise CheckpointError(
            f"{path} is at iteration {state['iteration']}, beyond the {recipe.iterations} asked for. "
            "Raise --iterations, or start anew with --overwrite."
        )
    return recipe, state


def _differences(there: Any, here: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the dotted name and both values of each entry that differs."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in [*there, *(k for k in here if k not in there)]:
            yield from _differences(there.get(key), here.get(key), f"{prefix}.{key}" if prefix else key)
    elif there != here:
        yield prefix, there, here


def check_output(out: Path) -> None:
    """Check the name of a checkpoint to write, and that its folder, which is made, can be written.

    Raises:
        CheckpointError: If not.
    """
    if out.suffix != ".pth" or out.is_dir():
        raise CheckpointError(f"--out is {out}, expected a file name that ends in .pth, such as {out / 'rasd.pth'}")
    if (other := _BESIDE.fullmatch(out.name)) is not None:
        raise CheckpointError(
            f"--out is {out}, which is what a run of {out.with_name(other[1] + '.pth')} writes beside its checkpoint. "
            "Give another name."
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise CheckpointError(str(explained(error))) from None
