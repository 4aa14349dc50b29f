"""The grammar of the trainers' names, which carry all that tells one run from another.

nnU-Net names a run's folder by the trainer's class and passes no options on to it, so that the arm, the length
and the seed have to be in the name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rasd_nnu.errors import ConfigError

#: Name of an arm that was registered with `rasd_nnu arms add`. It becomes part of a trainer's name, and has no
#: underscore so that it ends where the next part begins.
ARM_NAME = r"[A-Za-z0-9]+"

#: Arms that are not registered: from the checkpoint of `rasd_nnu pretrain`, from random weights, and what
#: `rasd_nnu choose` chose.
RESERVED_ARMS = ("rasd", "scratch", "auto")

#: What ends the name of an arm that mixes new appearances into its batches, as in ``--vs scratch_mix``.
MIX_SUFFIX = "_mix"

#: Options of the recipe that say what is transferred from a checkpoint and how, not how the run goes on: arms with and
#: without a checkpoint may differ in them.
TRANSFER_OPTIONS = ("transfer", "require", "width", "inflate", "channels")

#: What trains an arm: nnU-Net, or `rasd_nnu finetune`, which names its folders alike.
KINDS = ("Trainer", "Classifier", "Detector")

GRAMMAR = "RaSDTrainer[_SwinUNETR|_SwinUNETRv1][_scratch|_auto|_from<name>][_mix][_<N>epochs][_<M>iters][_seed<K>]"

_PATTERN = re.compile(
    r"RaSD(?P<kind>Trainer|Classifier|Detector)(?P<network>_SwinUNETR(?:v1)?)?(?:_(?P<reserved>scratch|auto)|_from(?P<name>"
    + ARM_NAME
    + r"))?"
    r"(?P<mix>_mix)?(?:_n(?P<labelled>[1-9][0-9]{0,8}))?(?P<series>_series)?"
    r"(?:_(?P<epochs>[1-9][0-9]{0,8})epochs)?(?:_(?P<iters>[1-9][0-9]{0,8})iters)?"
    r"(?:_seed(?P<seed>0|[1-9][0-9]{0,17}))?"
)


@dataclass(frozen=True)
class TrainerName:
    """What a trainer's name says.

    Args:
        arm: ``rasd`` (starts from the checkpoint), ``scratch`` (starts from random weights), ``auto`` (as
            `rasd_nnu choose` chose), or the name of a registered arm (starts from other people's weights).
        epochs: Number of epochs, or None for nnU-Net's 1000.
        iters: Training iterations an epoch, or None for nnU-Net's 250.
        seed: Seed of both the initialisation and the data, or None for none.
        network: ``SwinUNETR``, ``SwinUNETRv1``, or None for the planned network.
        mix: Whether a share of the images in each batch gets a new appearance.
        kind: One of `KINDS`.
        labelled: Labelled cases of `rasd_nnu finetune`, or None for all.
        series: Whether channels are series of their own.

    Example:
        >>> parse_name("RaSDTrainer_scratch_50epochs_seed1").seed
        1
        >>> str(TrainerName(arm="rasd", epochs=50, seed=1))
        'RaSDTrainer_50epochs_seed1'
    """

    arm: str = "rasd"
    epochs: int | None = None
    iters: int | None = None
    seed: int | None = None
    network: str | None = None
    mix: bool = False
    kind: str = "Trainer"
    labelled: int | None = None
    series: bool = False

    def __str__(self) -> str:
        """Return the class name."""
        return (
            f"RaSD{self.kind}"
            + (f"_{self.network}" if self.network is not None else "")
            + self._arm_part()
            + ("_mix" if self.mix else "")
            + (f"_n{self.labelled}" if self.labelled is not None else "")
            + ("_series" if self.series else "")
            + (f"_{self.epochs}epochs" if self.epochs is not None else "")
            + (f"_{self.iters}iters" if self.iters is not None else "")
            + (f"_seed{self.seed}" if self.seed is not None else "")
        )

    def _arm_part(self) -> str:
        if self.arm in RESERVED_ARMS:
            return "" if self.arm == "rasd" else f"_{self.arm}"
        return f"_from{self.arm}"


def parse_name(name: str) -> TrainerName | None:
    """Return what ``name`` says, or None if it is no name of a trainer's class (`GRAMMAR`) or of another of `KINDS`."""
    match = _PATTERN.fullmatch(name)
    if match is None:
        return None

    def number(group: str) -> int | None:
        return int(match[group]) if match[group] else None

    arm = match["reserved"] or match["name"] or "rasd"
    if match["name"] in RESERVED_ARMS or (arm == "auto" and match["mix"]):
        return None
    if match["kind"] == "Trainer" and (match["labelled"] or match["series"]):
        return None
    return TrainerName(
        arm,
        number("epochs"),
        number("iters"),
        number("seed"),
        match["network"].removeprefix("_") if match["network"] else None,
        bool(match["mix"]),
        match["kind"],
        number("labelled"),
        bool(match["series"]),
    )


def parse_arm(arm: str, *, epochs: int | None = None, iters: int | None = None, seed: int | None = None) -> TrainerName:
    """Return the trainer of an arm: ``rasd``, ``scratch``, ``auto`` or a registered one, each also with ``_mix``.

    Raises:
        ConfigError: If it is none of these.

    Example:
        >>> str(parse_arm("scratch_mix", epochs=50))
        'RaSDTrainer_scratch_mix_50epochs'
    """
    base, mix = arm.removesuffix(MIX_SUFFIX), arm.endswith(MIX_SUFFIX)
    name = TrainerName(base, epochs, iters, seed, mix=mix)
    if parse_name(str(name)) != name:
        raise ConfigError(
            f"unknown arm {arm!r}, expected rasd, scratch, auto or the name of a registered one, each but auto also "
            f"with {MIX_SUFFIX}."
        )
    return name
