"""Plans, and the network that they ask for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from rasd_nnu.errors import PlansError, did_you_mean
from rasd_nnu.nnunet.commands import DEFAULT_PLANS, plan, shown
from rasd_nnu.nnunet.datasets import dataset_name
from rasd_nnu.nnunet.env import nnunet_folder


@dataclass(frozen=True)
class NetworkTarget:
    """A network as nnU-Net describes it, with what the data for it look like.

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

    @property
    def dims(self) -> int:
        """Number of spatial dimensions, 2 or 3."""
        return len(self.patch_size)

    def same_network(self, architecture: dict[str, Any], input_channels: int) -> bool:
        """Tell whether a described network has the same architecture and input channels as this one."""
        ours = json.dumps([self.architecture, self.input_channels], sort_keys=True)
        return ours == json.dumps([architecture, input_channels], sort_keys=True)


def read_plans(dataset: str | int, plans: str = DEFAULT_PLANS) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the plans and the ``dataset.json`` of a planned data set.

    Raises:
        PlansError: If the plans do not exist yet (the message holds the planning command) or are not JSON.
    """
    name = dataset_name(dataset)
    folder = nnunet_folder("nnUNet_preprocessed") / name
    path = folder / f"{plans}.json"
    if not path.is_file():
        others = sorted(p.stem for p in folder.glob("*Plans*.json"))
        raise PlansError(
            f"{name} has no plans {plans!r} (found: {', '.join(others) or 'none'}).{did_you_mean(plans, others)} "
            f"Make them with: {shown(plan(name, plans))}"
        )
    try:
        return json.loads(path.read_text()), json.loads((folder / "dataset.json").read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise PlansError(
            f"cannot read the plans of {name} ({error}). Make them anew with: {shown(plan(name, plans))}"
        ) from None


def target_from_plans(plans: dict[str, Any], dataset_json: dict[str, Any], configuration: str) -> NetworkTarget:
    """Return the network that ``plans`` hold for ``configuration``.

    Raises:
        PlansError: If the configuration does not exist.
    """
    from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    known = list(plans["configurations"])
    if configuration not in known:
        raise PlansError(
            f"plans {plans['plans_name']!r} of {plans['dataset_name']} have no configuration {configuration!r} "
            f"(found: {', '.join(known)}).{did_you_mean(configuration, known)}"
        )
    manager = PlansManager(plans)
    resolved = manager.get_configuration(configuration)
    return NetworkTarget(
        architecture={
            "network_class_name": resolved.network_arch_class_name,
            "arch_kwargs": resolved.network_arch_init_kwargs,
            "_kw_requires_import": list(resolved.network_arch_init_kwargs_req_import),
        },
        input_channels=int(determine_num_input_channels(manager, resolved, dataset_json)),
        patch_size=tuple(int(n) for n in resolved.patch_size),
        # 2D configurations of older plans carry the through-plane spacing too; the patch's axes are the last ones.
        spacing=tuple(float(s) for s in resolved.spacing)[-len(resolved.patch_size) :],
        batch_size=int(resolved.batch_size),
        normalization=tuple(resolved.normalization_schemes),
        dataset=plans["dataset_name"],
        plans=plans["plans_name"],
        configuration=configuration,
    )


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
