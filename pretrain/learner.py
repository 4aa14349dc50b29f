"""One optimiser step: network, objective, optimiser and moving average, wherever lightning-fabric runs them."""

from __future__ import annotations

import math
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from rasd_nnu.checkpoints.file import host_weights
from rasd_nnu.errors import CheckpointError
from rasd_nnu.networks.build import FEATURE_CHANNELS
from rasd_nnu.pretrain.cases import CaseMaps, CasesModule
from rasd_nnu.pretrain.objective import ContrastiveModule, PrototypeDisentangling, Terms
from rasd_nnu.pretrain.recipe import Recipe


class _NetworkWithObjective(nn.Module):
    """Image and label -> terms; one module, so that processes synchronise and autocast covers both."""

    def __init__(self, network: nn.Module, objective: PrototypeDisentangling, num_classes: int) -> None:
        super().__init__()
        self.network, self.objective, self.num_classes = network, objective, num_classes

    def forward(self, image: Tensor, label: Tensor) -> Terms:
        terms: Terms = self.objective(self.network(image), label, self.num_classes)
        return terms


class Learner:
    """What training changes.

    Args:
        fabric: A launched Fabric.
        network: Maps ``(B, C, *S)`` to features ``(B, F, *S)``.
        recipe: The recipe.
        num_classes: Number of classes that a label may hold.
        compiled: Whether `torch.compile` works on the network.
        cases: Where labels have a second map, the targets, and the first outputs of the network answer to them.
    """

    def __init__(
        self,
        fabric: Fabric,
        network: nn.Module,
        recipe: Recipe,
        num_classes: int,
        *,
        compiled: bool = False,
        cases: CaseMaps | None = None,
    ) -> None:
        self.cases = cases
        self.fabric, self.network, self.recipe, self.num_classes = fabric, network, recipe, num_classes
        contrastive = recipe.objective == "contrastive"
        self.objective = PrototypeDisentangling(
            recipe.temperature,
            normalize=recipe.normalize or contrastive,
            implementation=recipe.objective_implementation,
        )
        # The compiled one shares its weights with the plain one, which is what is saved.
        inner: Any = torch.compile(network) if compiled else network
        module: nn.Module = _NetworkWithObjective(inner, self.objective, num_classes)
        if contrastive:
            module = ContrastiveModule(network, FEATURE_CHANNELS, self.objective, num_classes, recipe.temperature)
        if cases is not None:
            batch_dice = bool(cases.data.configuration.batch_dice)
            module = CasesModule(inner, self.objective, cases.classes, batch_dice=batch_dice)
        module.to(fabric.device)
        trained = [p for p in module.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=recipe.lr, weight_decay=recipe.weight_decay)
        self._objective_state = {k: v for k, v in module.state_dict().items() if not k.startswith("network.")}
        self.module, self.optimizer = fabric.setup(module, optimizer)
        self.average = (
            AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema), use_buffers=True)
            if recipe.ema is not None
            else None
        )

    @property
    def result(self) -> nn.Module:
        """The network to keep: the moving average where there is one."""
        return self.network if self.average is None else self.average.module

    def step(self, iteration: int, image: Tensor, label: Tensor) -> Tensor:
        """Take one step.

        Args:
            iteration: Number of the step, from 0; sets the rate and the random numbers that the network may draw.
            image: ``(B, C, *S)``, or ``(B, V, C, *S)`` with several views; this process's share of the batch.
            label: ``(B, *S)``; of cases ``(B, 2, *S)``, regions and targets.

        Returns:
            `Terms` and the norm of the gradient before clipping, ``(5,)`` on the device.
        """
        # Dropout depends on seed, iteration and process only: a resumed run draws what an uninterrupted one draws.
        torch.manual_seed(((self.recipe.seed * 1_000_003 + iteration) * 65_537 + self.fabric.global_rank) % 2**63)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate(iteration)
        parts = self.recipe.accumulate
        rows = []
        for k, (x, y) in enumerate(zip(image.chunk(parts), label.chunk(parts), strict=True)):
            with self.fabric.no_backward_sync(self.module, enabled=k < parts - 1):
                terms = self.module(x, y)
                self.fabric.backward(terms.total / parts)
            rows.append(torch.stack(terms).detach())
        norm = self.fabric.clip_gradients(
            self.module, self.optimizer, max_norm=self.recipe.clip or math.inf, error_if_nonfinite=False
        )
        assert norm is not None
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.average is not None:
            self.average.update_parameters(self.network)
        return torch.cat([torch.stack(rows).mean(0), norm.reshape(1).float()])

    @torch.no_grad()
    def regions(self, image: Tensor, label: Tensor) -> Tensor:
        """Return the class of the nearest prototype of every voxel ``(B, *S)``, to look at."""
        self.network.eval()
        with self.fabric.autocast():
            features = self.network(image)
        self.network.train()
        if self.cases is not None:
            finest = features[0] if isinstance(features, list | tuple) else features
            features = finest[:, self.cases.classes :]
        return self.objective.nearest(features, label, self.num_classes)

    def state(self) -> dict[str, Any]:
        """Return what a resumed run needs, as tensors and plain values."""
        return {
            "network": host_weights(self.network),
            "objective": {name: value.cpu() for name, value in self._objective_state.items()},
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.fabric.strategy.precision.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Restore `state`.

        Raises:
            CheckpointError: If it is of another network or recipe, or damaged.
        """
        try:
            self.network.load_state_dict(state["network"])
            for name, value in self._objective_state.items():
                value.copy_(state["objective"][name])
            self.optimizer.load_state_dict(state["optimizer"])
            self.fabric.strategy.precision.load_state_dict(state["scaler"])
            if self.average is not None:
                self.average.load_state_dict(state["average"])
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise CheckpointError(
                f"the resume file does not fit this run ({type(error).__name__}: {str(error)[:200]}). Start anew with "
                "--overwrite."
            ) from error
