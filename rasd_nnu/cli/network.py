"""The network and the synthesis that the options of ``pretrain`` and ``synthesize`` ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rasd_nnu.cli.options import parse_classes, parse_dims, parse_numbers, parse_overrides
from rasd_nnu.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

    from rasd_nnu.nnunet.plans import NetworkTarget
    from rasd_nnu.pretrain.cases import CaseMaps
    from rasd_nnu.pretrain.offline import OfflineSamples
    from rasd_nnu.pretrain.synthesis import SynthesisConfig


def network_target(
    dims: str | None,
    arch: str | None,
    dataset: str | None,
    configuration: str | None,
    plans: str | None,
    patch: str | None,
    channels: int | None,
) -> NetworkTarget:
    """Return the network that the options ask for, or say which of them contradict each other."""
    from rasd_nnu.networks.standard import standard_target
    from rasd_nnu.nnunet.env import require_folders, require_nnunet
    from rasd_nnu.nnunet.plans import planned_target

    require_nnunet()
    if (dims is None) == (dataset is None):
        raise ConfigError(
            f"got {'neither' if dims is None else 'both'} of -d and --dataset, expected one: -d 2d or -d 3d for a "
            "standard network, or --dataset ID -c CONFIGURATION for the one that nnU-Net planned."
        )
    if dims is None:
        for name, value in (("--arch", arch), ("--patch", patch), ("--channels", channels)):
            if value is not None:
                raise ConfigError(f"{name} {value} contradicts --dataset: the plans decide it. Leave it out.")
        if dataset is None or configuration is None:
            raise ConfigError("--dataset needs a configuration. Add -c 3d_fullres or -c 2d.")
        require_folders()
        return planned_target(dataset, configuration, plans or "nnUNetPlans")
    for name, value in (("-c", configuration), ("-p", plans)):
        if value is not None:
            raise ConfigError(f"{name} {value} needs --dataset. Replace -d {dims} by --dataset ID.")
    axes = parse_dims(dims)
    size = None if patch is None else parse_numbers(patch, "--patch")
    if size is not None and min(size) < 1:
        raise ConfigError(f"--patch is {patch!r}, expected sizes above 0.")
    if channels is not None and channels < 1:
        raise ConfigError(f"--channels is {channels}, expected at least 1.")
    size = size * axes if size is not None and len(size) == 1 else size
    return standard_target(axes, arch or "plain", channels=channels or 1, patch_size=size)


def synthesis_config(
    target: NetworkTarget, preset: str | None, classes: str | None, changes: list[str]
) -> SynthesisConfig:
    """Return what to synthesise for ``target``."""
    from rasd_nnu.pretrain.defaults import config_for

    return config_for(
        target,
        preset or "default",
        classes=None if classes is None else parse_classes(classes),
        overrides=parse_overrides(changes),
    )


def offline_config(
    samples: OfflineSamples, target: NetworkTarget, preset: str | None, classes: str | None, changes: list[str] | None
) -> SynthesisConfig:
    """Return what the samples have to be made from: what they are, for the geometry of ``target``."""
    from rasd_nnu.pretrain.synthesis import SynthesisConfig

    for option, given in (("--preset", preset), ("--set", changes)):
        if given:
            raise ConfigError(f"{option} contradicts --offline: the samples in {samples.folder} decide. Leave it out.")
    asked = samples.manifest.config.to_dict() | {
        "shape": target.patch_size,
        "channels": target.input_channels,
        "spacing": target.spacing,
        "normalization": target.normalization,
    }
    return SynthesisConfig.from_dict(asked | ({} if classes is None else {"classes": parse_classes(classes)}))


def case_maps(
    target: NetworkTarget,
    maps: str,
    fold: str | None,
    classes: str | None,
    changes: list[str] | None,
    unlabelled: Path | None,
) -> CaseMaps | None:
    """Return the training cases whose label maps are asked for, or None for the engine's alone."""
    from rasd_nnu.pretrain.cases import MAPS, open_cases

    if maps not in MAPS:
        raise ConfigError(f"--maps is {maps!r}, expected {', '.join(MAPS)}.{did_you_mean(maps, MAPS)}")
    if maps == "fields":
        if fold is not None:
            raise ConfigError(f"-f {fold} needs --maps cases or mixed: random fields are of no fold.")
        if unlabelled is not None:
            raise ConfigError("--unlabelled needs --maps cases or mixed, which its images join. Add --maps cases -f 0.")
        return None
    if target.dataset is None:
        raise ConfigError(f"--maps {maps} needs the cases of a data set. Replace -d by --dataset ID -c CONFIGURATION.")
    if fold is None:
        raise ConfigError(f"--maps {maps} needs a fold, whose training cases it reads. Add -f 0.")
    for option, given in (("--classes", classes), ("--set", changes)):
        if given and maps == "cases":
            raise ConfigError(f"{option} contradicts --maps cases: it is about random fields. Leave it out.")
    return open_cases(target, fold, mixed=maps == "mixed", unlabelled=unlabelled)
