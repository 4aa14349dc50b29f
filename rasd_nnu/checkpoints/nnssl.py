"""The ``nnssl_adaptation_plan`` of nnssl's checkpoints: what the network is, and where its parts are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from rasd_nnu.networks.infer import describe_weights
from rasd_nnu.nnunet.plans import NetworkTarget

PLAN = "nnssl_adaptation_plan"

#: nnssl's names of Primus sizes -> depth, heads, width (Wald et al. 2025, arXiv:2503.01835, table 2).
_PRIMUS = {"PrimusS": (12, 6, 396), "PrimusB": (12, 12, 792), "PrimusM": (16, 12, 864), "PrimusL": (24, 16, 1056)}
_ENCODERS = ("encoder.stages", "encoder", "eva")


def strip_prefix(weights: dict[str, torch.Tensor], plan: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Take off what the pre-training method put before the network's own names, told by ``key_to_encoder``."""
    key = str(plan.get("key_to_encoder") or "")
    own = next((name for name in _ENCODERS if key == name or key.endswith(f".{name}")), "")
    prefix = key.removesuffix(own) if own else ""
    return {name.removeprefix(prefix): value for name, value in weights.items()}


def describe(weights: Mapping[str, torch.Tensor], plan: Mapping[str, Any]) -> NetworkTarget | None:
    """Describe the network of an nnssl checkpoint.

    Args:
        weights: Its weights, without a prefix.
        plan: Its adaptation plan. ``architecture_plans`` may hold the keyword arguments, or only the name of a preset
            (``ResEncL``, ``PrimusM``); the weights then tell the rest.

    Returns:
        The description, or None if neither tells.
    """
    configurations: Mapping[str, Any] = (plan.get("pretrain_plan") or {}).get("configurations") or {}
    configuration: Mapping[str, Any] = next(iter(configurations.values()), {})
    patch = tuple(int(n) for n in configuration.get("patch_size") or plan.get("recommended_downstream_patchsize") or ())
    architecture = _architecture(plan.get("architecture_plans") or {}, weights, patch)
    read = describe_weights(weights)
    if architecture is None or not patch:
        return read
    spacing = configuration.get("spacing") or (1.0,) * len(patch)
    channels = plan.get("pretrain_num_input_channels") or (read.input_channels if read else 1)
    return NetworkTarget(architecture, int(channels), patch, tuple(float(s) for s in spacing), 1)


def _architecture(
    plans: Mapping[str, Any], weights: Mapping[str, torch.Tensor], patch: tuple[int, ...]
) -> dict[str, Any] | None:
    name, kwargs = str(plans.get("arch_class_name", "")), plans.get("arch_kwargs")
    if kwargs and "." in name:
        imports = list(plans.get("arch_kwargs_requiring_import") or [])
        return {"network_class_name": name, "arch_kwargs": dict(kwargs), "_kw_requires_import": imports}
    stem = weights.get("down_projection.proj.weight")
    if name in _PRIMUS and stem is not None:
        depth, heads, width = _PRIMUS[name]
        return {
            "network_class_name": "dynamic_network_architectures.architectures.primus.Primus",
            "arch_kwargs": {
                "embed_dim": width,
                "patch_embed_size": list(stem.shape[2:]),
                "eva_depth": depth,
                "eva_numheads": heads,
                "input_shape": list(patch),
            },
            "_kw_requires_import": [],
        }
    read = describe_weights(weights)
    return read.architecture if read else None
