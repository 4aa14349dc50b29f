"""The trainer of MONAI's Swin UNETR, the paper's 3D network, on the patches that nnU-Net planned."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, ClassVar

from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import nn

from rasd_nnu.checkpoints.registry import Choice, checkpoint_for
from rasd_nnu.errors import PlansError
from rasd_nnu.networks.bodies import require_monai
from rasd_nnu.networks.standard import standard_target
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.trainers.trainer import RaSDTrainer

_DIVISOR = 32


class SwinTrainer(RaSDTrainer):
    """`RaSDTrainer` with Swin UNETR in place of the planned network; no deep supervision.

    The recipe is the paper's unless told otherwise: AdamW, rate 3e-4, weight decay 1e-5.
    """

    recipe_defaults: ClassVar[dict[str, Any]] = {"optimizer": "adamw"}
    has_deep_supervision: ClassVar[bool] = False

    #: Its name among the standard networks.
    standard_network: ClassVar[str] = "swin-unetr"

    def _check_plan(self) -> None:
        """Refuse a patch that cannot be halved five times.

        Raises:
            PlansError: The message names the next larger patch that fits.
            SetupError: If MONAI is missing.
        """
        require_monai(self.standard_network)
        patch = list(self.configuration_manager.patch_size)
        fitting = [math.ceil(n / _DIVISOR) * _DIVISOR for n in patch]
        if max(fitting) == _DIVISOR:  # one voxel would be left at the bottom, which cannot be normalised
            fitting[-1] *= 2
        if patch != fitting:
            name, plans = self.configuration_name, self.plans_manager.plans_name
            raise PlansError(
                f"configuration {name!r} of plans {plans!r} has the patch {patch}, but SwinUNETR needs one that "
                f"{_DIVISOR} divides along every axis, and more than {_DIVISOR} along one. Add to the plans the "
                f'configuration "{name}_swin": {{"inherits_from": "{name}", "patch_size": {fitting}}}.'
            )

    @property
    def target(self) -> NetworkTarget:
        """Swin UNETR with the plan's channels and patch."""
        planned = super().target
        return replace(planned, architecture=self._description(planned.patch_size))

    def _find_checkpoint(self) -> Choice:
        return checkpoint_for(self.target, self.plans_manager.plans, standard=self.standard_network)

    @classmethod
    def build_network_architecture(
        cls,
        plans_manager: PlansManager,
        configuration_manager: ConfigurationManager,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = True,
    ) -> nn.Module:
        """Build Swin UNETR; nnU-Net calls this for a prediction too. It has no deep supervision, whatever is asked."""
        architecture = cls._description(tuple(configuration_manager.patch_size))
        network: nn.Module = get_network_from_plans(
            architecture["network_class_name"],
            architecture["arch_kwargs"],
            architecture["_kw_requires_import"],
            num_input_channels,
            num_output_channels,
            allow_init=True,
            deep_supervision=False,
        )
        return network

    def set_deep_supervision_enabled(self, enabled: bool) -> None:
        """Do nothing: there is none to switch, and nnU-Net switches it around each validation."""

    @classmethod
    def _description(cls, patch: tuple[int, ...]) -> dict[str, Any]:
        return standard_target(len(patch), cls.standard_network, patch_size=patch).architecture


class SwinV1Trainer(SwinTrainer):
    """`SwinTrainer` with the first version of the network, which MONAI's BTCV weights and SuPreM's are of."""

    standard_network: ClassVar[str] = "swin-unetr-v1"


SWIN_TRAINERS = {"SwinUNETR": SwinTrainer, "SwinUNETRv1": SwinV1Trainer}
