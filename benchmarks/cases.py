"""The networks that step.py measures."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rasd_nnu.networks.standard import standard_target
from rasd_nnu.networks.width import narrowed
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.pretrain.synthesis import SynthesisConfig


@dataclass(frozen=True)
class Case:
    """A network on a patch.

    Args:
        dims: 2 or 3.
        arch: A standard architecture.
        patch: Patch in voxels.
        batch: Samples an iteration.
        width: Features of the first stage in place of nnU-Net's 32, or None.
        theirs: Whether to run the stand-in for the authors' loop on it.
    """

    dims: int
    arch: str
    patch: tuple[int, ...]
    batch: int
    width: int | None = None
    theirs: bool = False

    @property
    def name(self) -> str:
        """What the case is called in the results."""
        compact = f"-{self.width}" if self.width else ""
        return f"{self.arch}{compact}_{'x'.join(map(str, self.patch))}_b{self.batch}"

    @property
    def target(self) -> NetworkTarget:
        """The network."""
        target = standard_target(self.dims, self.arch, patch_size=self.patch)
        return replace(target, architecture=narrowed(target.architecture, self.width)) if self.width else target

    @property
    def config(self) -> SynthesisConfig:
        """What is synthesised: the default preset with the paper's number of classes."""
        classes = 8 if self.dims == 3 else 16
        return SynthesisConfig.preset(
            "default", shape=self.patch, classes=classes, normalization=("ZScoreNormalization",)
        )


CASES = {
    "cpu": [
        Case(3, "plain", (40, 56, 40), 2, width=8),
        Case(3, "plain", (64, 64, 64), 2),
        Case(3, "resenc-m", (64, 64, 64), 2),
        Case(3, "primus-s", (64, 64, 64), 2),
        Case(3, "swin-unetr", (64, 64, 64), 1, theirs=True),
        Case(2, "plain", (256, 256), 4),
        Case(2, "resenc-m", (256, 256), 4),
        Case(2, "unet2d", (256, 256), 4),
        Case(2, "swin-unetr", (256, 256), 4),
    ],
    "cuda": [
        *(Case(3, arch, (128,) * 3, 2) for arch in ("plain", "resenc-m", "primus-s", "primus-m", "primus-l")),
        Case(3, "swin-unetr", (128,) * 3, 2, theirs=True),
        Case(3, "resenc-l", (192,) * 3, 2),
        *(Case(2, arch, (512, 512), 16) for arch in ("plain", "resenc-m", "unet2d", "swin-unetr")),
    ],
}
