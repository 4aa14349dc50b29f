"""A frozen network that gives a vector for each voxel."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from rasd_nnu.checkpoints.read import Source
from rasd_nnu.errors import CheckpointError, SetupError
from rasd_nnu.features.images import CaseImage, FloatArray
from rasd_nnu.features.preprocessing import PreparedCase, Preprocessing, described
from rasd_nnu.networks.build import FEATURE_CHANNELS, build_network

#: Share of a patch that neighbouring windows have in common.
_OVERLAP = 0.5


class FeatureNetwork:
    """Dense features of images.

    Of networks of `rasd_nnu pretrain` these are the outputs, which the objective worked on; of others, whose outputs
    are scores of labels, what goes into the last layer.

    Args:
        source: The checkpoint.
        preprocessing: How images are prepared for it.
        device: Where to compute.
        untrained: Seed of random weights instead of the checkpoint's.

    Raises:
        CheckpointError: If the network cannot be built, or the weights are not all of its weights.
        SetupError: If MONAI is missing.
    """

    def __init__(
        self, source: Source, preprocessing: Preprocessing, device: str = "cpu", untrained: int | None = None
    ) -> None:
        if importlib.util.find_spec("monai") is None:
            raise SetupError("features need MONAI's sliding windows. Fix it with: pip install 'rasd-nnu[monai]'")
        self.target, self.preprocessing, self.device = described(source), preprocessing, torch.device(device)
        seed = 0 if untrained is None else untrained
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = build_network(self.target, _outputs(source))
        if untrained is None:
            _load(self.network, source)
        self.network.to(self.device).eval().requires_grad_(False)
        self._head = None if source.meta else _last_layer(self.network, source)

    def of_case(self, case: CaseImage) -> tuple[Tensor, PreparedCase]:
        """Return features ``(F, *S)`` on the network's grid, on the CPU, and the preprocessed case."""
        prepared = self.preprocessing.prepare(case)
        return self.dense(prepared.image), prepared

    def in_own_space(self, case: CaseImage) -> FloatArray:
        """Return features ``(F, Z, Y, X)`` on the grid of the image itself."""
        features, prepared = self.of_case(case)
        return self.preprocessing.back(features, prepared)

    @torch.inference_mode()
    def dense(self, image: Tensor) -> Tensor:
        """Return the features ``(F, *S)`` of a preprocessed image ``(C, *S)``, by windows that overlap by half."""
        if self.target.dims == 2 and image.ndim == 4:
            return torch.stack([self.dense(image[:, z]) for z in range(image.shape[1])], dim=1)
        from monai.inferers.utils import sliding_window_inference

        features = sliding_window_inference(
            image[None].to(self.device), self.target.patch_size, 1, self._forward, _OVERLAP, mode="gaussian"
        )
        assert isinstance(features, Tensor)
        return features[0].float().cpu()

    def _forward(self, patch: Tensor) -> Tensor:
        if self._head is None:
            output: Tensor = self.network(patch)
            return output
        with _input_of(self._head) as seen:
            self.network(patch)
        return seen[-1]


def _outputs(source: Source) -> int:
    """Return the number of output channels of a checkpoint's network."""
    from rasd_nnu.transfer.tensors import distinct_tensors

    heads = [t.tensor for t in distinct_tensors(source.weights) if t.part == "head"]
    return heads[-1].shape[0] if heads else FEATURE_CHANNELS


def _load(network: nn.Module, source: Source) -> None:
    try:
        network.load_state_dict(dict(source.weights))
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"{source.path} does not hold the weights of the whole network that it describes: {reason[:200]}. Features "
            "need encoder and decoder."
        ) from None


def _last_layer(network: nn.Module, source: Source) -> nn.Module:
    """Return the layer that turns features into scores of labels."""
    heads = getattr(getattr(network, "decoder", None), "seg_layers", None)
    head = heads[-1] if isinstance(heads, nn.ModuleList) else getattr(network, "out", None)
    if not isinstance(head, nn.Module):
        raise CheckpointError(
            f"{source.path}: the last layer of {type(network).__name__} is not known, expected a U-Net of nnU-Net or "
            "SwinUNETR. Use one of these."
        )
    return head


@contextmanager
def _input_of(module: nn.Module) -> Iterator[list[Tensor]]:
    """Collect what goes into a module."""
    seen: list[Tensor] = []
    hook = module.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    try:
        yield seen
    finally:
        hook.remove()
