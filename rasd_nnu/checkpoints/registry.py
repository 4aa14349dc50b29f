"""Which checkpoint belongs to which plan."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rasd_nnu.checkpoints.hub import is_remote, local_path
from rasd_nnu.errors import CheckpointError
from rasd_nnu.nnunet.commands import DEFAULT_PLANS
from rasd_nnu.nnunet.datasets import dataset_id
from rasd_nnu.nnunet.env import checkpoints_folder
from rasd_nnu.nnunet.plans import NetworkTarget


@dataclass(frozen=True)
class Choice:
    """A checkpoint to start from.

    Args:
        path: The file.
        named_by: What named it, for a person to read.
    """

    path: Path
    named_by: str


def default_path(target: NetworkTarget, arch: str = "plain", fold: int | str | None = None) -> Path:
    """Return where the checkpoint of ``target`` lies unless told otherwise.

    A planned network's is found again by the trainer: ``<data set>/<plans>__<configuration>.pth``, with ``__fold_<F>``
    before the suffix if it learned from the training cases of that fold.
    """
    if target.dataset is None:
        return checkpoints_folder() / "standard" / f"{arch}_{target.dims}d_{target.input_channels}ch.pth"
    own = "" if fold is None else f"__fold_{fold}"
    return checkpoints_folder() / target.dataset / f"{target.plans}__{target.configuration}{own}.pth"


def pretrain_command(target: NetworkTarget, arch: str | None = None) -> str:
    """Return the command that pre-trains ``target``, or a standard architecture in its dimension."""
    if target.dataset is None or arch is not None:
        return f"rasd_nnu pretrain -d {target.dims}d{f' --arch {arch}' if arch else ''} --budget 1h"
    plans = "" if target.plans == DEFAULT_PLANS else f" -p {target.plans}"
    return f"rasd_nnu pretrain --dataset {dataset_id(target.dataset)} -c {target.configuration}{plans} --budget 1h"


def checkpoint_for(
    target: NetworkTarget, plans: Mapping[str, Any], standard: str | None = None, fold: int | str | None = None
) -> Choice:
    """Return the checkpoint to start from.

    In this order: the environment variable ``RASD_CHECKPOINT``, ``checkpoint_path`` in the plans' ``pretrain_info``,
    and the file that `rasd_nnu pretrain` makes for exactly this plan: the one that learned from the fold's own training
    cases, where there is one, else the one without cases. The first two may name a file elsewhere, as
    ``hf://owner/name`` or ``https://...``; it is downloaded once.

    Args:
        target: The network to start.
        plans: Its plans.
        standard: Name of a standard architecture that stands in for the planned network: the file is then the one
            of the standard network, which no plan has a part in.
        fold: The fold to train; None where no file of one fold may be used.

    Raises:
        CheckpointError: If the file does not exist; the message holds the command that makes it.
    """
    choice = _choose(target, plans, standard, fold)
    if not choice.path.is_file():
        raise CheckpointError(
            f"no pre-trained checkpoint for {target.dataset}, plans {target.plans}, configuration "
            f"{target.configuration}: {choice.path} (named by {choice.named_by}) does not exist. Make it with "
            f"`{pretrain_command(target, standard)}`, set RASD_CHECKPOINT to an existing one, or train without one by "
            "naming the trainer RaSDTrainer_scratch."
        )
    return choice


def _choose(target: NetworkTarget, plans: Mapping[str, Any], standard: str | None, fold: int | str | None) -> Choice:
    named = os.environ.get("RASD_CHECKPOINT")
    planned = (plans.get("pretrain_info") or {}).get("checkpoint_path")
    if named:
        return Choice(local_path(named), _named_by("RASD_CHECKPOINT", named))
    if planned:
        return Choice(local_path(planned), _named_by("pretrain_info", planned))
    if standard is not None:
        return Choice(default_path(replace(target, dataset=None), standard), "standard network")
    if fold is not None and (own := default_path(target, fold=fold)).is_file():
        return Choice(own, f"default folder, fold {fold}")
    return Choice(default_path(target), "default folder")


def _named_by(what: str, source: str) -> str:
    """Say what named a source, and where it lies if that is not a path that the report has anyway."""
    return f"{what} {source}" if is_remote(source) else what
