"""Find the per-case records of an arm, in nnU-Net's results or in a given folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from rasd_nnu.compare.pairing import listing
from rasd_nnu.errors import CompareError
from rasd_nnu.nnunet.results import RECORDS, SUMMARY, Training, fold_summaries
from rasd_nnu.nnunet.trainer_names import ARM_NAME, GRAMMAR, MIX_SUFFIX, parse_name

#: Seed, or None for a single run -> training.
ArmTrainings = dict[int | None, Training]


def other_trainer(trainer: str, vs: str) -> str:
    """Return the trainer of the other arm.

    For ``scratch``, ``rasd`` or the name of a registered arm, each also with ``_mix``, that is the trainer of the same
    network, length and seed; a class name, which has ``Trainer`` in it, stands for itself.

    Raises:
        CompareError: If ``trainer`` has no such arm beside it.

    Example:
        >>> other_trainer("RaSDTrainer_2epochs_seed1", "scratch")
        'RaSDTrainer_scratch_2epochs_seed1'
    """
    arm, mix = vs.removesuffix(MIX_SUFFIX), vs.endswith(MIX_SUFFIX)
    if "Trainer" in vs or not re.fullmatch(ARM_NAME, arm):
        return vs
    name = parse_name(trainer)
    if name is None or (name.arm, name.mix) == (arm, mix):
        why = f"is the {vs} arm itself" if name else f"has no {vs} arm of its own"
        raise CompareError(
            f"--trainer {trainer} {why}; --vs {vs} expects one of another arm, {GRAMMAR}. "
            "Name that one, or give the other trainer's full class name to --vs."
        )
    return str(replace(name, arm=arm, mix=mix))


def arm_trainings(
    results: Path, dataset: str, trainer: str, plans: str, configuration: str, seeds: Sequence[int] = ()
) -> ArmTrainings:
    """Return the trainings of an arm; a RaSDTrainer has one for each of ``seeds``, named by it.

    A trainer outside of the RaSDTrainer family has no seeds in its name and stays a single run.

    Raises:
        CompareError: If seeds are given and the name holds a seed already.
    """
    name = parse_name(trainer)
    if not seeds or name is None:
        return {None: Training(results, dataset, trainer, plans, configuration)}
    if name.seed is not None:
        raise CompareError(
            f"trainer {trainer} names a seed, and --seeds names several; give it as {replace(name, seed=None)}"
        )
    return {seed: Training(results, dataset, str(replace(name, seed=seed)), plans, configuration) for seed in seeds}


def find_summaries(arms: Sequence[ArmTrainings], folds: Sequence[str] = ()) -> list[dict[int | None, list[Path]]]:
    """Return seed -> summaries of each arm, over the same folds in all of them.

    Args:
        arms: The arms.
        folds: Folds to use; without any, all that some training of an arm has.

    Raises:
        CompareError: If a summary is missing; the message names file and nnU-Net command of each.
    """
    trainings = [training for arm in arms for training in arm.values()]
    chosen = list(folds) or sorted(set().union(*(fold_summaries(t.folder) for t in trainings)), key=int) or ["0"]
    missing = [(t, fold) for t in trainings for fold in chosen if not t.summary(fold).is_file()]
    if missing:
        raise _missing_error(missing)
    return [{seed: [t.summary(fold) for fold in chosen] for seed, t in arm.items()} for arm in arms]


def _missing_error(missing: Sequence[tuple[Training, str]], shown: int = 4) -> CompareError:
    lines = [f"{t.summary(fold)}: make it with `{t.command(fold)}`" for t, fold in missing[:shown]]
    rest = f"; and {len(missing) - shown} more" if len(missing) > shown else ""
    there = [path.name for path in missing[0][0].folder.parent.glob("*__*__*") if path.is_dir()]
    return CompareError(
        f"no validation summary at {'; '.join(lines)}{rest}. Trainings there: {listing(there) or 'none'}."
    )


def records_in(paths: Iterable[Path]) -> list[Path]:
    """Return the per-case records that explicit files or folders stand for.

    A folder may hold them (``summary.json``, ``predictions.csv`` or ``detections.json``), be a fold (with a folder
    ``validation``) or a model (all its numbered folds).

    Raises:
        CompareError: If a path does not exist or holds no records.
    """
    return [records for path in paths for records in _records_at(path)]


def _records_at(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    for candidate in (folder / name for folder in (path, path / SUMMARY.parent) for name in RECORDS):
        if candidate.is_file():
            return [candidate]
    if folds := fold_summaries(path):
        return list(folds.values())
    what = f"holds no {' or '.join(RECORDS)}" if path.is_dir() else "does not exist"
    raise CompareError(
        f"{path} {what}: looked there, in {SUMMARY.parent} and in fold_*/{SUMMARY.parent}. Give a file or folder that "
        "nnUNetv2_train or nnUNetv2_evaluate_folder wrote."
    )
