"""Plans that follow a checkpoint: its network, its patch and, where its millimetres are real, its spacing."""

from __future__ import annotations

import copy
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rasd_nnu.checkpoints.read import Source
from rasd_nnu.errors import ConfigError, PlansError, TransferError
from rasd_nnu.files import write_text
from rasd_nnu.nnunet import commands
from rasd_nnu.nnunet.env import nnunet_folder
from rasd_nnu.nnunet.names import MAX_BYTES
from rasd_nnu.nnunet.plans import NetworkTarget, read_plans, target_from_plans
from rasd_nnu.transfer.stages import unet_kind

Spacing = Literal["auto", "planned", "checkpoint"]


@dataclass(frozen=True)
class PlannedLike:
    """Plans that were written.

    Args:
        file: The plans file.
        configuration: The one configuration that it has.
        commands: What to run next, in order.
        notes: What a person should know about the plans, one line each.
    """

    file: Path
    configuration: str
    commands: tuple[str, ...]
    notes: tuple[str, ...]


def plan_like(
    dataset: str | int,
    source: Source,
    *,
    name: str | None = None,
    base: str = "nnUNetPlans",
    patch_size: tuple[int, ...] | None = None,
    spacing: Spacing = "auto",
    overwrite: bool = False,
) -> PlannedLike:
    """Write plans for ``dataset`` that have the network of a checkpoint.

    All that the data decide (reader, axis order, normalisation, labels) is taken from ``base``.

    Args:
        dataset: Id or full name of a data set that nnU-Net has planned.
        source: The checkpoint; a file that describes its network.
        name: Name of the new plans.
        base: Name of the plans to start from.
        patch_size: Another patch than the checkpoint's.
        spacing: ``checkpoint`` resamples to the checkpoint's voxel size, ``planned`` keeps nnU-Net's for this data
            set. ``auto`` takes the checkpoint's if it was made for a planned data set; a standard network's
            millimetres are nominal, as its images are synthetic.
        overwrite: Replace plans of this name.

    Raises:
        TransferError: If the checkpoint does not describe a network that can be planned.
        PlansError: If the data set is not planned, or has no configuration of this dimension.
        ConfigError: If the name or the patch is impossible, or the plans exist.
    """
    like = _described(source)
    plans, dataset_json = read_plans(dataset, base)
    configuration = "2d" if like.dims == 2 else "3d_fullres"
    planned = target_from_plans(plans, dataset_json, configuration)
    name = _plans_name(name, source)
    file = nnunet_folder("nnUNet_preprocessed") / plans["dataset_name"] / f"{name}.json"
    if file.exists() and not overwrite:
        raise ConfigError(f"{file} exists. Give --overwrite, or another --name.")
    patch = _checked_patch(patch_size, like)
    of_data = like.dataset is not None or bool(source.meta.get("planned_for"))
    follow = spacing == "checkpoint" or (spacing == "auto" and of_data)
    voxel = like.spacing if follow else planned.spacing
    content = _configuration(plans, configuration, like, patch, voxel)
    if voxel != planned.spacing:
        content["data_identifier"] = f"{name}_{configuration}"
    new = {
        **plans,
        "plans_name": name,
        "configurations": {configuration: content},
        "pretrain_info": {"checkpoint_path": str(source.path.resolve()), "checkpoint_name": source.path.stem},
    }
    target_from_plans(new, dataset_json, configuration)  # what would be refused later is not written
    write_text(file, json.dumps(new, indent=4))
    notes = (f"spacing {_listed(voxel)} mm, {'the checkpoint' if follow else 'nnU-Net'}'s", *_notes(content, patch))
    return PlannedLike(file, configuration, _commands(new, configuration, file.parent), notes)


def _described(source: Source) -> NetworkTarget:
    """Return the checkpoint's network."""
    if source.description is None:
        raise TransferError(
            f"{source.path} does not describe its network, expected a checkpoint of `rasd_nnu pretrain` or of nnU-Net. "
            "A bare state dict can only be fitted to plans that exist, with `rasd_nnu convert`."
        )
    if unet_kind(source.description.architecture) is None:
        raise TransferError(
            f"{source.path} holds a {source.description.architecture['network_class_name'].rsplit('.', 1)[-1]}, which "
            "nnU-Net's plans cannot ask for, expected one of nnU-Net's U-Nets. For Swin UNETR name the trainer "
            "RaSDTrainer_SwinUNETR and set RASD_CHECKPOINT."
        )
    return source.description


def _plans_name(name: str | None, source: Source) -> str:
    """Return a name without ``__``, by which nnU-Net separates trainer, plans and configuration in its folders."""
    if name is None:
        return "rasdPlans_" + re.sub(r"[^A-Za-z0-9]+", "_", source.path.stem).strip("_")[:60].rstrip("_")
    if not re.fullmatch(r"[A-Za-z0-9]+(_[A-Za-z0-9]+)*", name) or len(name) > MAX_BYTES:
        raise ConfigError(
            f"--name is {name[:MAX_BYTES]!r}, expected at most {MAX_BYTES} letters, digits and single underscores, as "
            "nnU-Net separates the parts of its folders by two. Give another --name."
        )
    return name


def _checked_patch(patch: tuple[int, ...] | None, like: NetworkTarget) -> tuple[int, ...]:
    if patch is None:
        return like.patch_size
    strides = like.architecture["arch_kwargs"]["strides"]
    axes = [[s] * like.dims if isinstance(s, int) else s for s in strides]
    divisors = [math.prod(column) for column in zip(*axes, strict=True)]
    if len(patch) != like.dims or any(n < 1 or n % d for n, d in zip(patch, divisors, strict=False)):
        raise ConfigError(f"--patch is {_listed(patch)}, expected multiples of {_listed(divisors)} for this network.")
    return patch


def _configuration(
    plans: dict[str, Any],
    configuration: str,
    like: NetworkTarget,
    patch: tuple[int, ...],
    spacing: tuple[float, ...],
) -> dict[str, Any]:
    """Return nnU-Net's configuration with another network; as many voxels a batch, but at least two samples."""
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    content = copy.deepcopy(PlansManager(plans).get_configuration(configuration).configuration)
    for key in ("inherits_from", "previous_stage", "next_stage"):
        content.pop(key, None)
    voxels = content["batch_size"] * math.prod(content["patch_size"])
    old = content["spacing"][-like.dims :]
    sizes = content.get("median_image_size_in_voxels", [])[-like.dims :]
    if len(sizes) != like.dims:
        raise PlansError(f"the base plans have no median_image_size_in_voxels of {like.dims} axes. Plan anew.")
    content.update(
        architecture=like.architecture,
        patch_size=list(patch),
        spacing=list(spacing),
        batch_size=max(2, voxels // math.prod(patch)),
        median_image_size_in_voxels=[n * a / b for n, a, b in zip(sizes, old, spacing, strict=True)],
    )
    result: dict[str, Any] = content
    return result


def _notes(content: dict[str, Any], patch: tuple[int, ...]) -> list[str]:
    notes = [f"patch {_listed(patch)}, batch size {content['batch_size']}"]
    sizes = content["median_image_size_in_voxels"]
    if any(n > 2 * size for n, size in zip(patch, sizes, strict=True)):
        notes.append(
            f"the patch is more than twice as large as the median image ({_listed(round(s) for s in sizes)} voxels); "
            "the rest is padding. Choose a smaller one with --patch"
        )
    return notes


def _commands(plans: dict[str, Any], configuration: str, folder: Path) -> tuple[str, ...]:
    dataset, name = plans["dataset_name"], plans["plans_name"]
    train = commands.train(dataset, configuration, 0, plans=name, trainer="RaSDTrainer")
    if (folder / plans["configurations"][configuration]["data_identifier"]).is_dir():
        return (commands.shown(train),)
    return commands.shown(commands.preprocess(dataset, name, configuration)), commands.shown(train)


def _listed(values: Any) -> str:
    return " x ".join(f"{v:g}" for v in values)
