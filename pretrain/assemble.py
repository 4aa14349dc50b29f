"""Put together what a run consists of: the learner, and the samples that it learns from."""

from __future__ import annotations

import copy
from collections.abc import Generator
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import Dataset

from rasd_nnu.errors import ConfigError
from rasd_nnu.networks.build import FEATURE_CHANNELS, build_network
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.pretrain.cases import CaseBatches, CaseMaps
from rasd_nnu.pretrain.hardware import Hardware, memory_format
from rasd_nnu.pretrain.learner import Learner
from rasd_nnu.pretrain.offline import OfflineBatches, OfflineSamples
from rasd_nnu.pretrain.recipe import Recipe
from rasd_nnu.pretrain.stream import Batches, Share, stream
from rasd_nnu.pretrain.synthesis import SynthesisConfig
from rasd_nnu.pretrain.synthesis.renew import MAX_CLASSES


def make_learner(
    target: NetworkTarget,
    config: SynthesisConfig,
    recipe: Recipe,
    hardware: Hardware,
    fabric: Fabric,
    cases: CaseMaps | None = None,
) -> Learner:
    """Build the network, with the initial weights of the recipe's seed, and what trains it.

    Raises:
        ConfigError: If the network does not take the patch.
    """
    torch.manual_seed(recipe.seed)  # the initial weights, the same in every process
    channels = FEATURE_CHANNELS + (0 if cases is None else cases.classes)
    network: Any = build_network(target, channels, deep_supervision=cases is not None)
    check_patch(network, target)
    network = network.to(memory_format=memory_format(fabric.device, network))
    classes = config.max_classes if cases is None else MAX_CLASSES
    return Learner(fabric, network, recipe, classes, compiled=hardware.compile, cases=cases)


def make_samples(
    config: SynthesisConfig,
    recipe: Recipe,
    hardware: Hardware,
    fabric: Fabric,
    offline: OfflineSamples | None,
    start: int,
    cases: CaseMaps | None = None,
) -> Generator[tuple[Tensor, Tensor], None, None]:
    """Return the batches of this process from iteration ``start`` on."""
    share = Share(recipe.batch_size, fabric.global_rank, fabric.world_size, recipe.reuse)
    seed, device, views = recipe.seed, fabric.device, recipe.views
    batches: Dataset[tuple[Tensor, Tensor]]
    if cases is not None:
        batches = CaseBatches(cases, config, seed, share, device)
    elif offline is not None:
        batches = OfflineBatches(offline, seed, share, device, views)
    else:
        batches = Batches(config, seed, share, device, views)
    return stream(batches, start, recipe.iterations, hardware.workers)


def check_patch(network: nn.Module, target: NetworkTarget) -> None:
    """Check that a network takes its patch, before a run has cost anything.

    Shapes are followed on the meta device, which computes nothing. What fails there is tried in earnest, as a network
    may need the values of a tensor, which are not there.

    Raises:
        ConfigError: If it does not, or gives features of another size.
    """
    patch = "x".join(map(str, target.patch_size))
    image = torch.zeros((2, target.input_channels, *target.patch_size), device="meta")
    # A copy whose weights are on the meta device: deepcopy takes what it finds in its memo for copied already.
    weights: dict[int, Any] = {id(p): nn.Parameter(p.detach().to("meta")) for p in network.parameters()}
    weights |= {id(b): b.to("meta") for b in network.buffers()}
    try:
        with torch.no_grad():
            features = copy.deepcopy(network, weights)(image)
    except Exception:
        try:
            with torch.no_grad():
                features = network(torch.zeros_like(image, device="cpu"))
        except Exception as error:
            raise ConfigError(
                f"the network does not take a patch of {patch} ({type(error).__name__}: {error}). Choose another "
                "patch, in the plans or by --patch; mostly, one divisible by the product of the strides."
            ) from error
    if isinstance(features, list | tuple):  # deep supervision: the finest comes first
        features = features[0]
    if tuple(features.shape[2:]) != tuple(target.patch_size):
        raise ConfigError(
            f"the network makes features of {'x'.join(map(str, features.shape[2:]))} from a patch of {patch}, expected "
            "the same size. Choose another patch, in the plans or by --patch."
        )
