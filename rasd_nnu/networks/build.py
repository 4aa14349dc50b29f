"""Networks to pre-train, built as nnU-Net builds them."""

from __future__ import annotations

import contextlib
import inspect
import pydoc
from collections.abc import Iterator

from torch import nn

from rasd_nnu.errors import PlansError, UserError
from rasd_nnu.nnunet.plans import NetworkTarget

#: Channels of the dense features that the objective works on: 32 in the paper's Swin UNETR, and the width of
#: nnU-Net's last decoder stage.
FEATURE_CHANNELS = 32


@contextlib.contextmanager
def constructing(name: str) -> Iterator[None]:
    """Turn whatever the constructor of a network raises, which may be of any package, into one line.

    Raises:
        PlansError: Instead.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise PlansError(
            f"{name} cannot be built as described ({type(error).__name__}: {str(error)[:200]}). Correct the network's "
            "arguments in the plans."
        ) from error


def build_network(
    target: NetworkTarget, feature_channels: int = FEATURE_CHANNELS, *, deep_supervision: bool = False
) -> nn.Module:
    """Build the network of ``target`` with a feature head in place of the segmentation head.

    Args:
        target: The described network.
        feature_channels: Channels of the output.
        deep_supervision: Whether heads at lower resolutions learn, too, where the network has such.

    Returns:
        A module that maps ``(B, input_channels, *patch_size)`` to ``(B, feature_channels, *patch_size)``, with deep
        supervision to a list of these, the finest first. Without, the heads at lower resolutions, which get no
        gradient, are frozen: several processes would wait for it.

    Raises:
        PlansError: If its constructor refuses the described arguments.
    """
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    name = target.architecture["network_class_name"]
    with constructing(name):
        network: nn.Module = get_network_from_plans(
            name,
            target.architecture["arch_kwargs"],
            target.architecture["_kw_requires_import"],
            target.input_channels,
            feature_channels,
            allow_init=True,
            # None: the argument is left out
            deep_supervision=deep_supervision if _has_deep_supervision(name) else None,
        )
    heads = getattr(getattr(network, "decoder", None), "seg_layers", None)
    if heads is not None and not deep_supervision:
        for head in heads[:-1]:
            head.requires_grad_(False)
    return network


def _has_deep_supervision(class_name: str) -> bool:
    """Tell whether a network's constructor takes ``deep_supervision``; nnU-Net finds moved classes by itself."""
    found = pydoc.locate(class_name)
    return found is None or "deep_supervision" in inspect.signature(found).parameters  # type: ignore[arg-type]
