"""Plans, and the network that they ask for."""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rasd_nnu.errors import PlansError, did_you_mean
from rasd_nnu.nnunet.architecture import checked_architecture
from rasd_nnu.nnunet.arguments import check_patch
from rasd_nnu.nnunet.commands import DEFAULT_PLANS, plan, shown
from rasd_nnu.nnunet.datasets import dataset_name
from rasd_nnu.nnunet.env import nnunet_folder
from rasd_nnu.nnunet.names import plain_name
from rasd_nnu.nnunet.schema import check_dataset_json, check_plans, inherited
from rasd_nnu.reading import read_json

_MAX_AXIS, _MAX_CHANNELS = 8192, 1024


@dataclass(frozen=True)
class NetworkTarget:
    """A network as nnU-Net describes it, with what the data for it look like.

    It is checked when it is made: one that exists names only networks and their building blocks, is of a possible size,
    and has names that are safe in paths.

    Args:
        architecture: ``network_class_name``, ``arch_kwargs`` and ``_kw_requires_import`` as in nnU-Net's plans.
        input_channels: Number of input channels.
        patch_size: Patch size in voxels, 2 or 3 axes, in nnU-Net's axis order.
        spacing: Voxel spacing in mm along the axes of the patch.
        batch_size: The planned batch size.
        normalization: nnU-Net's normalisation scheme of each input channel.
        dataset: Full name of the data set that the network was planned for, or None.
        plans: Plans name, or None.
        configuration: Configuration, or None.
        labels: Name -> value of the labels that the segmentation heads' channels stand for, in their order; empty for
            a standard network, and where the channels are regions.

    Raises:
        PlansError: If the description names anything else, or a size or name is impossible.
    """

    architecture: dict[str, Any]
    input_channels: int
    patch_size: tuple[int, ...]
    spacing: tuple[float, ...]
    batch_size: int
    normalization: tuple[str, ...] = ()
    dataset: str | None = None
    plans: str | None = None
    configuration: str | None = None
    labels: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "architecture", checked_architecture(self.architecture))
        _check_size("input_channels", self.input_channels, _MAX_CHANNELS)
        _check_size("batch_size", self.batch_size, 65536)
        if len(self.patch_size) not in (2, 3) or len(self.spacing) != len(self.patch_size):
            raise PlansError(f"patch {self.patch_size} and spacing {self.spacing} need two or three axes each.")
        for n in self.patch_size:
            _check_size("the patch's axis", n, _MAX_AXIS)
        check_patch(self.architecture, self.patch_size, divisible=False)
        if not all(0 < s < math.inf for s in self.spacing):
            raise PlansError(f"the spacing is {self.spacing}, expected millimetres above 0.")
        for what in ("dataset", "plans", "configuration"):
            if (name := getattr(self, what)) is not None:
                plain_name(name, f"the name of the {what}")

    @property
    def dims(self) -> int:
        """Number of spatial dimensions, 2 or 3."""
        return len(self.patch_size)

    def same_network(self, architecture: dict[str, Any], input_channels: int) -> bool:
        """Tell whether a described network has the same architecture and input channels as this one."""
        ours = json.dumps([self.architecture, self.input_channels], sort_keys=True)
        return ours == json.dumps([architecture, input_channels], sort_keys=True)


def _check_size(what: str, value: object, most: int) -> None:
    if not isinstance(value, int) or not 1 <= value <= most:
        raise PlansError(f"{what} is {str(value)[:40]}, expected a whole number from 1 to {most}.")


def read_plans(dataset: str | int, plans: str = DEFAULT_PLANS) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the plans and the ``dataset.json`` of a planned data set, both checked.

    Raises:
        PlansError: If the plans do not exist yet (the message holds the planning command), are not of nnU-Net's form,
            or are of another data set.
    """
    name = dataset_name(dataset)
    folder = nnunet_folder("nnUNet_preprocessed") / name
    path = folder / f"{plain_name(plans, 'the plans name')}.json"
    advice = f"Make them with: {shown(plan(name, plans))}"
    if not path.is_file():
        others = sorted(p.stem for p in folder.glob("*Plans*.json"))
        raise PlansError(
            f"{name} has no plans {plans!r} (found: {', '.join(others) or 'none'}).{did_you_mean(plans, others)} "
            f"{advice}"
        )
    content, dataset_json = read_pair(path, folder / "dataset.json", advice)
    if content["dataset_name"] != name:
        raise PlansError(
            f"{path} is of data set {content['dataset_name']}, expected {name}. Copy plans with nnUNetv2_move_plans_"
            "between_datasets, which also changes the name in them."
        )
    return content, dataset_json


def read_pair(plans: Path, dataset_json: Path, advice: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the checked content of a plans file and of the ``dataset.json`` that belongs to it.

    Raises:
        PlansError: If one cannot be read or is not of nnU-Net's form.
    """
    contents = read_json(plans, PlansError, advice), read_json(dataset_json, PlansError, advice)
    check_plans(contents[0], str(plans))
    check_dataset_json(contents[1], str(dataset_json))
    return contents


def target_from_plans(plans: dict[str, Any], dataset_json: dict[str, Any], configuration: str) -> NetworkTarget:
    """Return the network that ``plans`` hold for ``configuration``.

    Raises:
        PlansError: If plans or ``dataset.json`` are not of nnU-Net's form, or the configuration does not exist.
    """
    from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    check_plans(plans, "the plans")
    check_dataset_json(dataset_json, "the dataset.json")
    merged = inherited(plans, configuration)
    manager = PlansManager(plans)
    if manager.label_manager_class is None:
        raise PlansError(f"the plans name the label manager {plans['label_manager']!r}, which nnU-Net does not have.")
    schemes = tuple(merged["normalization_schemes"])
    for scheme in schemes:
        _require_scheme(scheme)
    resolved = manager.get_configuration(configuration)
    patch = tuple(int(n) for n in resolved.patch_size)
    target = NetworkTarget(
        architecture=resolved.configuration["architecture"],
        input_channels=int(determine_num_input_channels(manager, resolved, dataset_json)),
        patch_size=patch,
        # 2D configurations of older plans carry the through-plane spacing too; the patch's axes are the last ones.
        spacing=tuple(float(s) for s in resolved.spacing)[-len(patch) :],
        batch_size=int(resolved.batch_size),
        normalization=schemes,
        dataset=plans["dataset_name"],
        plans=plans["plans_name"],
        configuration=configuration,
        labels=_head_labels(dataset_json["labels"]),
    )
    check_patch(target.architecture, patch)
    return target


@functools.cache
def _require_scheme(scheme: str) -> None:
    """Raise `PlansError` unless nnU-Net has the normalisation scheme, as it would hours later or not at all."""
    import nnunetv2
    from nnunetv2.utilities.find_class_by_name import recursive_find_python_class

    folder = Path(nnunetv2.__path__[0], "preprocessing", "normalization")
    if recursive_find_python_class(str(folder), scheme, "nnunetv2.preprocessing.normalization") is None:
        raise PlansError(
            f"the plans name the normalisation scheme {scheme!r}, which nnU-Net does not have; expected one such as "
            "ZScoreNormalization or CTNormalization. Correct normalization_schemes."
        )


def _head_labels(labels: dict[str, Any]) -> dict[str, int]:
    """Return the labels of the segmentation heads' channels; what is to be ignored has none."""
    values = {name: value for name, value in labels.items() if name != "ignore"}
    if any(isinstance(value, list | tuple) and len(value) > 1 for value in values.values()):
        return {}
    plain = {name: int(value[0] if isinstance(value, list | tuple) else value) for name, value in values.items()}
    return dict(sorted(plain.items(), key=lambda item: item[1]))


def planned_target(dataset: str | int, configuration: str, plans: str = DEFAULT_PLANS) -> NetworkTarget:
    """Return exactly the network that nnU-Net planned for a data set.

    Args:
        dataset: Id or full name of the data set.
        configuration: ``2d``, ``3d_fullres``, ... or one added to the plans by hand.
        plans: Plans name.

    Raises:
        PlansError: If the data set, its plans or the configuration do not exist.
        SetupError: If nnU-Net's folders are not set.
    """
    return target_from_plans(*read_plans(dataset, plans), configuration)
