"""MONAI's Swin UNETR, the paper's 3D network (RaSD-3D), as nnU-Net constructs networks."""

from __future__ import annotations

from monai.networks.nets.swin_unetr import SwinUNETR as MonaiSwinUNETR

from rasd_nnu.errors import ConfigError


class SwinUNETR(MonaiSwinUNETR):
    """Swin UNETR, version 2 with 48 features by default; the state dict has MONAI's names.

    Takes inputs whose axes are divisible by 32 and has no deep supervision.

    Args:
        input_channels: Channels of the input.
        num_classes: Channels of the output.
        deep_supervision: Must be False; here because nnU-Net passes it.
        feature_size: Width of the first stage, a multiple of 12.
        dims: 2 or 3.
        use_checkpoint: Compute the transformer's activations again in the backward pass, to save memory.
        use_v2: With the residual convolutions of version 2.

    Raises:
        ConfigError: If deep supervision is asked for.

    Source:
        Hatamizadeh et al. 2022, arXiv:2201.01266; He et al. 2023 (version 2).
    """

    key_to_encoder = "swinViT"
    key_to_stem = "swinViT.patch_embed"
    keys_to_in_proj = ("swinViT.patch_embed.proj",)

    def __init__(
        self,
        input_channels: int,
        num_classes: int,
        deep_supervision: bool = False,
        feature_size: int = 48,
        dims: int = 3,
        use_checkpoint: bool = False,
        use_v2: bool = True,
    ) -> None:
        if deep_supervision:
            raise ConfigError("SwinUNETR has no deep supervision, got deep_supervision=True. Use a trainer without it.")
        super().__init__(
            in_channels=input_channels,
            out_channels=num_classes,
            feature_size=feature_size,
            spatial_dims=dims,
            use_checkpoint=use_checkpoint,
            use_v2=use_v2,
        )
