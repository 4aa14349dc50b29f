"""What nnU-Net's plans and ``dataset.json`` look like, as far as anything here reads them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from rasd_nnu.errors import PlansError, did_you_mean, first_problem
from rasd_nnu.nnunet.datasets import dataset_id
from rasd_nnu.nnunet.names import plain_name
from rasd_nnu.reading import check_plain

#: What a configuration has to have, itself or from the one that it inherits from.
REQUIRED = ("data_identifier", "batch_size", "patch_size", "spacing", "normalization_schemes")
#: How older plans describe the network.
FORMER = (
    "UNet_class_name",
    "UNet_base_num_features",
    "unet_max_num_features",
    "n_conv_per_stage_encoder",
    "n_conv_per_stage_decoder",
    "num_pool_per_axis",
    "pool_op_kernel_sizes",
    "conv_kernel_sizes",
)


def _name(value: str) -> str:
    try:
        return plain_name(value, "the name")
    except PlansError as error:
        raise ValueError(str(error).rstrip(".")) from None


def _dataset(value: str) -> str:
    try:
        dataset_id(value)
    except PlansError as error:
        raise ValueError(str(error).rstrip(".")) from None
    return _name(value)


Name = Annotated[str, AfterValidator(_name)]
DatasetName = Annotated[str, AfterValidator(_dataset)]
#: Name of a class or function that nnU-Net looks for within its own package.
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]
Voxels = Annotated[int, Field(strict=True, ge=1, le=8192)]
Positive = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False, strict=True)]
Label = Annotated[int, Field(strict=True, ge=0, le=65535)]
Axis = Annotated[int, Field(strict=True, ge=0, le=2)]
#: What lists of the older format hold, one value a stage.
Counts = Annotated[list[Annotated[int, Field(strict=True, ge=1, le=64)]], Field(max_length=16)]
Features = Annotated[int, Field(strict=True, ge=1, le=8192)]
Sizes = Annotated[list[Counts], Field(max_length=16)]


class Open(BaseModel):
    """A part of a file that may have entries which nothing here reads."""

    model_config = ConfigDict(extra="allow")


class Configuration(Open):
    """A configuration of plans. What is absent is inherited; an explicit null is an error."""

    inherits_from: str = ""
    data_identifier: Name = ""
    preprocessor_name: Identifier = ""
    batch_size: Annotated[int, Field(strict=True, ge=1, le=65536)] = 1
    patch_size: Annotated[list[Voxels], Field(min_length=2, max_length=3)] = []
    median_image_size_in_voxels: Annotated[list[Positive], Field(min_length=2, max_length=3)] = []
    spacing: Annotated[list[Positive], Field(min_length=2, max_length=3)] = []
    normalization_schemes: Annotated[list[Identifier], Field(max_length=1024)] = []
    use_mask_for_norm: list[bool] = []
    resampling_fn_data: Identifier = ""
    resampling_fn_seg: Identifier = ""
    resampling_fn_probabilities: Identifier = ""
    resampling_fn_data_kwargs: dict[str, Any] = {}
    resampling_fn_seg_kwargs: dict[str, Any] = {}
    resampling_fn_probabilities_kwargs: dict[str, Any] = {}
    architecture: dict[str, Any] = {}
    batch_dice: bool = False
    previous_stage: Name | None = None
    next_stage: Name | list[Name] | None = None
    UNet_class_name: Literal["PlainConvUNet", "ResidualEncoderUNet"] = "PlainConvUNet"
    UNet_base_num_features: Features = 1
    unet_max_num_features: Features = 1
    n_conv_per_stage_encoder: Counts = []
    n_conv_per_stage_decoder: Counts = []
    pool_op_kernel_sizes: Sizes = []
    conv_kernel_sizes: Sizes = []


class PretrainInfo(Open):
    """What plans say about pre-trained weights; the recipe in ``rasd`` is checked where it is read."""

    checkpoint_path: str | None = None


class Plans(Open):
    """Plans of nnU-Net."""

    dataset_name: DatasetName
    plans_name: Name
    configurations: Annotated[dict[Name, Configuration], Field(min_length=1, max_length=1000)]
    image_reader_writer: Identifier = ""
    label_manager: Identifier = ""
    experiment_planner_used: Identifier = ""
    transpose_forward: Annotated[list[Axis], Field(max_length=3)] = []
    transpose_backward: Annotated[list[Axis], Field(max_length=3)] = []
    pretrain_info: PretrainInfo | None = None


class DatasetJson(Open):
    """``dataset.json`` of a data set."""

    labels: Annotated[dict[str, Label | Annotated[list[Label], Field(min_length=1)]], Field(min_length=1)]
    channel_names: Annotated[dict[str, str], Field(min_length=1, max_length=1024)] = {}
    modality: Annotated[dict[str, str], Field(min_length=1, max_length=1024)] = {}
    file_ending: Annotated[str, Field(pattern=r"^\.[\w.]{1,20}$")] = ""
    regions_class_order: list[Label] | None = None

    @model_validator(mode="after")
    def _as_nnunet_demands(self) -> Self:
        if not (self.channel_names or self.modality):
            raise ValueError("it has no channel_names")
        if self.labels.get("background") != 0:
            raise ValueError("the labels have no 'background' with the value 0")
        others = [value for name, value in self.labels.items() if name != "ignore"]
        values = {v for value in others for v in (value if isinstance(value, list) else [value])}
        if "ignore" in self.labels and self.labels["ignore"] != max(values) + 1:
            raise ValueError("the label 'ignore' has to be one more than the highest other label")
        if any(isinstance(value, list) and len(value) > 1 for value in others):
            regions = [value for value in others if value != 0 and set(_listed(value)) != {0}]
            if self.regions_class_order is None or len(self.regions_class_order) != len(regions):
                raise ValueError(f"regions_class_order has to have an entry for each of the {len(regions)} regions")
        return self


def _listed(value: int | list[int]) -> list[int]:
    return value if isinstance(value, list) else [value]


def check_plans(plans: object, where: str) -> None:
    """Check plans, whoever wrote them.

    Args:
        plans: Their content.
        where: What to call them in an error.

    Raises:
        PlansError: If they are not of the form of nnU-Net's plans.
    """
    _check(Plans, plans, where, "plans of nnU-Net")


def check_dataset_json(dataset_json: object, where: str) -> None:
    """Check the content of a ``dataset.json``.

    Raises:
        PlansError: If it is not of nnU-Net's form.
    """
    _check(DatasetJson, dataset_json, where, "a dataset.json of nnU-Net")


def _check(model: type[BaseModel], content: object, where: str, what: str) -> None:
    if not isinstance(content, dict):
        raise PlansError(f"{where} holds a {type(content).__name__}, expected {what}.")
    try:
        check_plain(content, text_keys=True)
        model.model_validate(content)
    except ValidationError as error:
        raise PlansError(f"{where} is not of the form of {what}: {first_problem(error)}.") from None
    except ValueError as error:
        raise PlansError(f"{where} is not usable: {error}.") from None


def inherited(plans: dict[str, Any], configuration: str) -> dict[str, Any]:
    """Return a configuration of checked plans with all that it inherits.

    Raises:
        PlansError: If it does not exist, inherits in a circle or from nothing, or something is missing.
    """
    where = f"plans {plans['plans_name']!r} of {plans['dataset_name']}"
    known, merged, seen, name = plans["configurations"], dict[str, Any](), list[str](), configuration
    while name:
        if name in seen:
            raise PlansError(f"{where}: configuration {configuration!r} inherits in a circle, {' -> '.join(seen)}.")
        if name not in known:
            via = f", which {seen[-1]!r} inherits from" if seen else ""
            raise PlansError(
                f"{where} have no configuration {name[:80]!r}{via} (found: {_names(known)}).{did_you_mean(name, known)}"
            )
        seen.append(name)
        merged = {**known[name], **merged}
        name = known[name].get("inherits_from", "")
    required = [*REQUIRED, *(("architecture",) if "architecture" in merged else FORMER)]
    if missing := [key for key in required if key not in merged]:
        raise PlansError(f"{where}: configuration {configuration!r} has no {', '.join(missing)}.")
    return merged


def _names(known: Iterable[str]) -> str:
    names = list(known)
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
