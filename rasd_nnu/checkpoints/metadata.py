"""What the entries of a checkpoint look like, as far as anything here reads them; they may come from anybody."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rasd_nnu.errors import CheckpointError, first_problem
from rasd_nnu.reading import check_plain

Count = Annotated[int, Field(strict=True, ge=0)]
Size = Annotated[int, Field(strict=True, ge=1, le=8192)]
Positive = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False, strict=True)]
Axes = Annotated[list[Size], Field(min_length=2, max_length=3)]
Text = Annotated[str, Field(max_length=200)]
Scalar = str | bool | int | float | None


class Open(BaseModel):
    """An entry that may have others in it which nothing here reads."""

    model_config = ConfigDict(extra="allow")


class PlannedFor(Open):
    """The plan that a network was pre-trained for."""

    dataset: Text
    plans: Text | None
    configuration: Text | None


class Synthesis(Open):
    """What was synthesised, as far as a summary tells."""

    name: Text
    classes: int | Annotated[list[int], Field(min_length=2, max_length=2)]


class Objective(Open):
    """The objective."""

    name: Text


class RunRecipe(Open):
    """The recipe of the run."""

    iterations: Count
    batch_size: Count


class Hardware(Open):
    """Where it ran."""

    device: Text
    processes: Count


class Digests(Open):
    """SHA-256 of the preprocessed and of the raw image of a case."""

    content: Text | None = None
    image: Text | None = None


class SeenCases(Open):
    """The cases that weights learned from."""

    dataset: Text
    fold: Count | Literal["all"]
    cases: Annotated[dict[Text, Digests], Field(min_length=1)]
    unlabelled: dict[Text, Digests] = {}


class Metadata(Open):
    """The ``rasd`` entry of our checkpoints; what a run leaves is there unless the weights were converted."""

    format_version: Literal[1]
    architecture: dict[str, Any]
    dims: Literal[2, 3]
    input_channels: Annotated[int, Field(strict=True, ge=1, le=1024)]
    patch_size: Axes
    spacing: Annotated[list[Positive], Field(min_length=2, max_length=3)]
    normalization: list[Text] = []
    planned_for: PlannedFor | None = None
    maps: Literal["fields", "cases", "mixed"] | None = None
    seen: SeenCases | None = None
    targets: dict[Text, Count] | None = None
    recipe: RunRecipe | None = None
    synthesis: Synthesis | None = None
    objective: Objective | None = None
    iterations: Count | None = None
    finished: bool | None = None
    seed: int | None = None
    samples_seen: Count | None = None
    samples_different: Count | None = None
    final_losses: dict[Text, float] | None = None
    curve: dict[Text, list[float]] | None = None
    seconds: float | None = None
    synthesis_share: float | None = None
    hardware: Hardware | None = None
    versions: dict[Text, Text | int] | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not len(self.patch_size) == len(self.spacing) == self.dims:
            raise ValueError(f"patch_size and spacing need {self.dims} axes each")
        if (self.maps in ("cases", "mixed")) != (self.seen is not None):
            raise ValueError(
                f"maps is {self.maps}, but the cases that were seen are {'not ' * (self.seen is None)}named"
            )
        optional = {"curve", "synthesis_share"}
        run = {"synthesis", "objective", "iterations", "finished", "seed", "samples_seen", "samples_different"}
        run |= {"final_losses", "seconds", "hardware", "versions"}
        if self.recipe is not None and (missing := sorted(n for n in run - optional if getattr(self, n) is None)):
            raise ValueError(f"it has a recipe but no {', '.join(missing)}")
        return self


class InitArguments(Open):
    """nnU-Net's ``init_args``; plans and ``dataset.json`` are checked where the network is made from them."""

    plans: dict[str, Any]
    dataset_json: dict[str, Any]
    configuration: Text
    fold: int | Text | None = None


class NnsslArchitecture(Open):
    """What an nnssl checkpoint says about the network."""

    arch_class_name: Text = ""
    arch_kwargs: dict[str, Any] | None = None
    arch_kwargs_requiring_import: list[Text] | None = None


class NnsslConfiguration(Open):
    """A configuration of an nnssl pre-training."""

    patch_size: Axes | None = None
    spacing: Annotated[list[Positive], Field(min_length=2, max_length=3)] | None = None


class NnsslPretraining(Open):
    """The plan of an nnssl pre-training."""

    configurations: dict[Text, NnsslConfiguration] | None = None


class AdaptationPlan(Open):
    """nnssl's ``nnssl_adaptation_plan``."""

    key_to_encoder: Text | None = None
    architecture_plans: NnsslArchitecture | None = None
    pretrain_plan: NnsslPretraining | None = None
    pretrain_num_input_channels: Annotated[int, Field(ge=1, le=1024)] | None = None
    recommended_downstream_patchsize: Axes | None = None


_ENTRIES: dict[str, type[BaseModel]] = {
    "rasd": Metadata,
    "init_args": InitArguments,
    "nnssl_adaptation_plan": AdaptationPlan,
}
#: Of ``init_args``, what nnU-Net's trainer keeps as objects.
_OBJECTS = ("device",)


def check_entries(path: Path, content: Mapping[str, Any]) -> None:
    """Check the entries of a checkpoint that say what its weights are.

    Args:
        path: The file, for the error.
        content: Everything that the file holds.

    Raises:
        CheckpointError: If an entry is not of the form that it has in files of ours, nnU-Net's or nnssl's.
    """
    for key, model in _ENTRIES.items():
        entry = content.get(key)
        if not entry:
            continue
        if not isinstance(entry, dict):
            raise CheckpointError(f"{path} has a {type(entry).__name__} as {key!r}, expected a mapping.")
        try:
            check_plain({k: v for k, v in entry.items() if k not in _OBJECTS}, text_keys=True)
            model.model_validate(entry)
        except ValidationError as error:
            raise CheckpointError(f"{path} has a damaged entry {key!r}: {first_problem(error)}.") from None
        except ValueError as error:
            raise CheckpointError(f"{path} has an entry {key!r} that is not usable: {error}.") from None
    for key, kinds in (("trainer_name", str), ("current_epoch", int)):
        if key in content and not isinstance(content[key], kinds):
            raise CheckpointError(f"{path} has {key} {str(content[key])[:40]!r}, expected {kinds.__name__}.")
