"""No leak: weights that learned from cases are refused where these cases are held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rasd_nnu.checkpoints.metadata import SeenCases
from rasd_nnu.checkpoints.read import Source
from rasd_nnu.checkpoints.registry import pretrain_command
from rasd_nnu.errors import CheckpointError, TransferError, first_problem
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.nnunet.preprocessed import Preprocessed


@dataclass(frozen=True)
class Seen:
    """The cases that a checkpoint learned from.

    Args:
        path: The checkpoint.
        dataset: Full name of their data set.
        fold: The fold whose training cases they are.
        cases: Case -> ``content`` and ``image``, SHA-256 of its preprocessed and of its raw image.
        unlabelled: The same of images without labels, whose names say nothing.
    """

    path: Path
    dataset: str
    fold: int | str
    cases: Mapping[str, Mapping[str, str | None]]
    unlabelled: Mapping[str, Mapping[str, str | None]]

    def digests(self, kind: str) -> dict[str, str]:
        """Return digest -> case."""
        everything = [*self.unlabelled.items(), *self.cases.items()]
        return {digest: case for case, known in everything if (digest := known.get(kind))}


def seen_by(source: Source) -> Seen | None:
    """Return the cases that a checkpoint, or the one that it was converted from, learned from; None if there are none.

    Raises:
        CheckpointError: If the entry is damaged.
    """
    converted = source.content.get("converted_from")
    entry = source.meta.get("seen") or (converted.get("seen") if isinstance(converted, dict) else None)
    return None if entry is None else parse_seen(source.path, entry)


def parse_seen(path: Path, entry: Any) -> Seen:
    """Read a ``seen`` entry.

    Raises:
        CheckpointError: If it is damaged.
    """
    try:
        known = SeenCases.model_validate(entry)
    except ValidationError as error:
        raise CheckpointError(f"{path} has a damaged entry 'seen': {first_problem(error)}. Pre-train again.") from None
    cases, more = (
        {case: digests.model_dump() for case, digests in entry.items()} for entry in (known.cases, known.unlabelled)
    )
    return Seen(path, known.dataset, known.fold, cases, more)


def refuse_seen(seen: Seen, target: NetworkTarget, fold: int | str, held_out: Sequence[str]) -> None:
    """Refuse weights that learned from a case that is held out, under its name or as a copy under another.

    Args:
        seen: What the weights learned from.
        target: The planned network.
        fold: The fold, for the message.
        held_out: Its validation cases.

    Raises:
        TransferError: Naming the case.
    """
    if target.dataset == seen.dataset:
        for case in held_out:
            if case in seen.cases:
                raise _refusal(seen, target, fold, case, case)
    known = {kind: seen.digests(kind) for kind in ("content", "image")}
    data = Preprocessed(target)
    for case in held_out:
        for kind, digest_of in (("content", data.content_digest), ("image", data.image_digest)):
            digest = digest_of(case) if known[kind] else None
            if digest in known[kind]:
                raise _refusal(seen, target, fold, case, known[kind][digest])


def refuse_seen_in_fold(source: Source, target: NetworkTarget, fold: str | None) -> None:
    """Refuse weights that learned from cases which a fold holds out, or that could, where no fold is named.

    Args:
        source: The checkpoint.
        target: The planned network.
        fold: Number of the fold or ``all``, as a person gave it.

    Raises:
        TransferError: If such a case was seen, or no fold is named.
        ConfigError: If there is no such fold.
    """
    seen = seen_by(source)
    if seen is None:
        return
    if fold is None:
        raise TransferError(
            f"{seen.path} learned from the training cases of fold {seen.fold} of {seen.dataset}, which another fold "
            f"may hold out. Say with -f which fold the weights are for, as -f {seen.fold}."
        )
    chosen = Preprocessed(target).fold(fold)
    refuse_seen(seen, target, chosen.name, chosen.validation)


def _refusal(seen: Seen, target: NetworkTarget, fold: int | str, case: str, learned: str) -> TransferError:
    own = learned in seen.cases and target.dataset == seen.dataset
    place = f"of {seen.dataset}" if learned in seen.cases else "of the images without labels"
    copy = "" if case == learned and own else f" (there {learned!r} {place})"
    return TransferError(
        f"{seen.path} learned from {case!r}{copy}, which fold {fold} of {target.dataset} holds out: its validation "
        f"would say nothing about new patients. Pre-train for this fold: {pretrain_command(target)} -f {fold} --maps "
        "cases, or start from a checkpoint that saw no cases."
    )
