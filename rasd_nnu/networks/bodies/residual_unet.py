"""The residual 2D U-Net of the authors' downstream code (RaSD-2D), as nnU-Net constructs networks."""

from __future__ import annotations

from monai.networks.nets.unet import UNet

from rasd_nnu.errors import ConfigError


class ResidualUnet2d(UNet):
    """MONAI's 2D U-Net with residual units; the state dict has MONAI's names.

    Takes inputs whose axes are divisible by 16 (with five stages) and has no deep supervision. It normalises over
    the batch: results depend on how a batch is shared out, and ``.eval()`` matters.

    Args:
        input_channels: Channels of the input.
        num_classes: Channels of the output.
        deep_supervision: Must be False; here because nnU-Net passes it.
        features_per_stage: Channels of each stage.
        residual_units: Convolutions of each residual block.
        dropout: Share of activations that each convolution drops in training.

    Raises:
        ConfigError: If deep supervision is asked for.

    Source:
        Kerfoot et al. 2019, doi:10.1007/978-3-030-12029-0_40.
    """

    key_to_stem = "model.0"
    keys_to_in_proj = ("model.0.conv.unit0.conv", "model.0.residual")

    def __init__(
        self,
        input_channels: int,
        num_classes: int,
        deep_supervision: bool = False,
        features_per_stage: tuple[int, ...] = (64, 128, 256, 512, 1024),
        residual_units: int = 4,
        dropout: float = 0.15,
    ) -> None:
        if deep_supervision:
            raise ConfigError(
                "ResidualUnet2d has no deep supervision, got deep_supervision=True. Use a trainer without it."
            )
        super().__init__(
            spatial_dims=2,
            in_channels=input_channels,
            out_channels=num_classes,
            channels=tuple(features_per_stage),
            strides=(2,) * (len(features_per_stage) - 1),
            num_res_units=residual_units,
            norm="batch",
            dropout=dropout,
        )
