"""What a tensor does in its network, told by its name: that decides which rule may change its shape."""

from __future__ import annotations

import re
from typing import Literal

#: ``image``: a kernel that reads the image; ``patch``: one that reads it in patches, with its size as its stride;
#: ``transposed``: a transposed convolution whose stride is its size; ``concatenated``: a convolution that reads the
#: upsampled features and the skip, each half of its inputs; ``positions``: one vector a patch; ``offsets``: one
#: value for each offset within a window; ``other``: any other tensor.
Role = Literal["image", "patch", "transposed", "concatenated", "positions", "offsets", "other"]

_ROLES: tuple[tuple[Role, str], ...] = (
    ("image", r"encoder\.stem\.convs\.0\.conv\.weight"),
    ("image", r"encoder\.stages\.0\.0\.convs\.0\.conv\.weight"),
    ("image", r"encoder1\.layer\.conv[13]\.conv\.weight"),
    ("image", r"model\.0\.(?:conv\.unit0\.conv|residual)\.weight"),
    ("patch", r"swinViT\.patch_embed\.proj\.weight"),
    ("patch", r"down_projection\.proj\.weight"),
    ("transposed", r"decoder\.transpconvs\.\d+\.weight"),
    ("concatenated", r"decoder\.stages\.\d+\.convs\.0\.conv\.weight"),
    ("positions", r"eva\.pos_embed"),
    ("offsets", r"swinViT\..+\.relative_position_bias_table"),
)


def role_of(name: str) -> Role:
    """Return the role of the tensor ``name`` in nnU-Net's U-Nets, MONAI's networks or Primus.

    Example:
        >>> role_of("decoder.transpconvs.0.weight")
        'transposed'
    """
    return next((role for role, pattern in _ROLES if re.search(rf"(?:^|\.){pattern}$", name)), "other")
