"""A sheet of real training patches beside the same patches in new appearances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from rasd_nnu.pretrain.cases.maps import CaseMaps
from rasd_nnu.pretrain.cases.patches import IGNORE, Patches
from rasd_nnu.pretrain.preview import picture
from rasd_nnu.pretrain.synthesis.renew import RenewConfig, adapted, renew

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INCHES = 1.5

#: Kinds of new appearance, the mildest first.
Mix = Literal["curve", "shift", "random"]
MIXES: tuple[Mix, ...] = ("curve", "shift", "random")


def renewed_sheet(cases: CaseMaps, mixes: Sequence[Mix] = MIXES, samples: int = 3, seed: int = 0) -> Figure:
    """Draw training patches of a fold, a row each, beside new appearances of them; labels as contours in all.

    Args:
        cases: The training cases.
        mixes: Kinds of new appearance.
        samples: Number of patches.
        seed: Of patches and appearances.
    """
    from matplotlib.figure import Figure

    target = cases.target
    patches = Patches(cases.data, cases.fold.train, target.patch_size)
    copies = 3 if len(mixes) == 1 else 1
    columns = [mix for mix in mixes for _ in range(copies)]
    figure = Figure((_INCHES * (1 + len(columns)), _INCHES * samples + 0.3), layout="constrained")
    axes = figure.subplots(samples, 1 + len(columns), squeeze=False)
    for k, row in enumerate(axes):
        image, label = (torch.from_numpy(a) for a in patches.draw(np.random.default_rng([seed, k]), foreground=1.0))
        _show(row[0], image, label)
        for number, (axis, mix) in enumerate(zip(row[1:], columns, strict=True)):
            config = adapted(RenewConfig(kind=mix, share=1.0), target.normalization)
            generator = torch.Generator().manual_seed(seed * 1_000_003 + k * 1009 + number)
            maps = label.clamp(min=0)
            new = renew(image[None], maps[None], config, generator, spacing=target.spacing)
            _show(axis, new[0], label)
    for axis, title in zip(axes[0], ["real", *columns], strict=True):
        axis.set_title(title, fontsize=9)
    return figure


def _show(axis: Axes, image: Tensor, label: Tensor) -> None:
    """Show the slice that has most of the targets, with the boundary of each label."""
    if label.ndim == 3:
        fullest = int((label > 0).flatten(1).sum(1).argmax())
        image, label = image[:, fullest], label[fullest]
    axis.imshow(picture(image), cmap="gray", interpolation="nearest")
    for value in sorted(set(label.unique().tolist()) - {0, IGNORE}):
        mask = (label == value).numpy()
        if not mask.all():
            axis.contour(mask, levels=[0.5], colors=[f"C{value}"], linewidths=0.8)
    axis.set_xticks([])
    axis.set_yticks([])
