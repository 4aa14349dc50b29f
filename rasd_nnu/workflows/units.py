"""What `rasd_nnu compare` and `rasd_nnu report` are asked about: from options to the records of each arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rasd_nnu.compare.design import Design, Runs, Unit
from rasd_nnu.compare.locate import ArmTrainings, arm_trainings, find_summaries, other_trainer, records_in
from rasd_nnu.compare.pairing import listing
from rasd_nnu.errors import CompareError, did_you_mean
from rasd_nnu.nnunet.datasets import dataset_name
from rasd_nnu.nnunet.env import nnunet_folder, nnunet_folder_if_set
from rasd_nnu.nnunet.results import fold_summaries
from rasd_nnu.records import read_study

USAGE = (
    "nothing to compare: give a data set and its configuration, as in `rasd_nnu compare 4 -c 3d_fullres --trainer "
    "RaSDTrainer --vs scratch`, or --task, --all, --study, or two arms' records with --a and --b"
)

#: What to compare, the name of the control, and what was found but cannot be compared.
Units = tuple[list[Unit], str, list[str]]


@dataclass(frozen=True)
class Selection:
    """The options, as the commands get them; lists that were not given are empty.

    Args:
        datasets: Ids or names of data sets.
        tasks: Keys of dataset specs.
        everything: All data sets in ``nnUNet_results`` that have the arms.
        study: Folder of a study.
        configurations: Configurations.
        plans: Plans name.
        trainer: Trainer of arm A, from whose name those of other arms follow.
        vs: The control: ``scratch``, an arm or a trainer.
        arms: Arms to compare with the control, by name or trainer; ``NAME=PATH`` names records.
        folds: Folds.
        seeds: Seeds.
        predictions: Folder with one folder of test predictions a trainer.
        a: Records of arm A.
        b: Records of arm B.
        name_a: What to call arm A.
        name_b: What to call arm B.
        groups: CSV with the columns case and group.
        nan_rule: How an absent label counts.
        metrics: Scores of segmentations.
        tolerance_mm: Tolerance of the surface Dice.
        allow_unmatched: Leave out cases that not all runs have.
        allow_recipe_diff: Compare arms that differ in more than the initial weights.
        margin: Margin of non-inferiority and equivalence.
        detect: Difference whose sample size is asked for.
        rope: Differences over data sets up to this count as equal.
        seed: Seed of bootstrap and permutations.
        workers: Processes that compute surface metrics.
    """

    datasets: Sequence[str] = ()
    tasks: Sequence[str] = ()
    everything: bool = False
    study: Path | None = None
    configurations: Sequence[str] = ()
    plans: str = "nnUNetPlans"
    trainer: str = "RaSDTrainer"
    vs: str = "scratch"
    arms: Sequence[str] = ()
    folds: Sequence[str] = ()
    seeds: Sequence[int] = ()
    predictions: Path | None = None
    a: Sequence[Path] = ()
    b: Sequence[Path] = ()
    name_a: str | None = None
    name_b: str | None = None
    groups: Path | None = None
    nan_rule: str = "reference"
    metrics: Sequence[str] = ("dice",)
    tolerance_mm: float = 2.0
    allow_unmatched: bool = False
    allow_recipe_diff: bool = False
    margin: float | None = None
    detect: float | None = None
    rope: float = 0.01
    seed: int = 0
    workers: int = 2


def find_units(asked: Selection) -> Units:
    """Return what to compare, the name of the control, and what was found but cannot be compared."""
    paths = [arm for arm in asked.arms if "=" in arm]
    ways = {
        "DATASET": bool(asked.datasets or asked.tasks),
        "--all": asked.everything,
        "--study": asked.study is not None,
        "--a or --b": bool(asked.a or asked.b),
        "--arms NAME=PATH": bool(paths),
    }
    given = [name for name, there in ways.items() if there]
    if asked.a or asked.b or paths:
        _refuse_both_ways(asked, given)
    if len(given) > 1:
        raise CompareError(f"got {' and '.join(given)}; expected one way to say what to compare")
    if not given:
        raise CompareError(USAGE)
    if asked.a or asked.b:
        return _explicit(asked)
    if paths:
        return _named_paths(asked, paths)
    if asked.study is not None:
        return _study(asked, asked.study)
    return _trained(asked)


def _refuse_both_ways(asked: Selection, given: Sequence[str]) -> None:
    """Refuse options that find trainings in nnUNet_results when the records are named."""
    options = {
        "DATASET": asked.datasets or asked.tasks,
        "--all": asked.everything,
        "--study": asked.study,
        "-c": asked.configurations,
        "-f": asked.folds,
        "--seeds": asked.seeds,
        "--predictions": asked.predictions,
    }
    extra = [name for name, value in options.items() if value]
    if extra:
        raise CompareError(
            f"got {given[-1]} together with {', '.join(extra)}, which look in nnUNet_results; give one or the other"
        )


def _explicit(asked: Selection) -> Units:
    """Return the records that --a and --b name."""
    if not asked.a or not asked.b:
        raise CompareError(f"got only --{'a' if asked.a else 'b'}; a comparison needs --a and --b")
    names = asked.name_a or "A", asked.name_b or "B"
    if names[0] == names[1]:
        raise CompareError(f"both arms are named {names[0]!r}; give them names of their own")
    arms: dict[str, Runs] = {names[0]: {None: records_in(asked.a)}, names[1]: {None: records_in(asked.b)}}
    return [Unit(Design("records"), arms, asked.groups)], names[1], []


def _named_paths(asked: Selection, paths: Sequence[str]) -> Units:
    """Return the records that ``--arms NAME=PATH`` names; the control is --vs, or the last one."""
    if len(paths) != len(asked.arms):
        raise CompareError(f"--arms {','.join(asked.arms)} mixes names and paths; give all of them as NAME=PATH")
    arms: dict[str, Runs] = {}
    for text in paths:
        name, _, path = text.partition("=")
        if not name or name in arms:
            raise CompareError(f"--arms {text}: expected NAME=PATH with a name of its own for each arm")
        arms[name] = {None: records_in([Path(path)])}
    if len(arms) < 2:
        raise CompareError(f"--arms {paths[0]} names one arm; expected two or more, as --arms rasd=A,scratch=B")
    control = asked.vs if asked.vs in arms else list(arms)[-1]
    return [Unit(Design("records"), arms, asked.groups)], control, []


def _study(asked: Selection, folder: Path) -> Units:
    """Return the units of a study that have the control and another arm, with the same seeds and folds in all."""
    found: dict[Design, dict[str, dict[int | None, dict[int | None, Path]]]] = {}
    for unit in read_study(folder).units:
        design = Design(unit.dataset, unit.task, unit.configuration, unit.n, unit.budget)
        folds = found.setdefault(design, {}).setdefault(unit.arm, {}).setdefault(unit.seed, {})
        folds[unit.fold] = folder / unit.path
    known = list(dict.fromkeys(arm for arms in found.values() for arm in arms))
    wanted = list(dict.fromkeys([*(asked.arms or known), asked.vs]))
    for arm in wanted:
        if arm not in known:
            raise CompareError(f"{folder} has no arm {arm!r}, only {listing(known)}.{did_you_mean(arm, known)}")
    units, skipped = [], []
    for design, arms in found.items():
        there = {arm: arms[arm] for arm in wanted if arm in arms}
        missing = [arm for arm in wanted if arm not in arms]
        if missing:
            skipped.append(f"{design.title} has no arm {listing(missing)}")
        if asked.vs in there and len(there) > 1:
            runs = _same_runs(design, there, asked.allow_unmatched)
            groups = asked.groups or _groups_in(folder, design.dataset)
            units.append(Unit(design, runs, groups))
    if not units:
        raise CompareError(f"no unit of {folder} has {asked.vs!r} and another arm: {'; '.join(skipped)}")
    return units, asked.vs, skipped


def _same_runs(
    design: Design, arms: dict[str, dict[int | None, dict[int | None, Path]]], allow_unmatched: bool
) -> dict[str, Runs]:
    """Return the files of each arm and seed, after checking that no seed and no fold is missing in one."""
    keys = {arm: {(seed, fold) for seed, folds in runs.items() for fold in folds} for arm, runs in arms.items()}
    everything, shared = set().union(*keys.values()), set.intersection(*keys.values())
    for arm, own in keys.items():
        lacking = sorted(everything - own, key=str)
        if lacking and not allow_unmatched:
            seed, fold = lacking[0]
            where = " and ".join(f"{k} {v}" for k, v in (("seed", seed), ("fold", fold)) if v is not None)
            raise CompareError(
                f"{design.title}: arm {arm!r} has no {where or 'run without seed and fold'} ({len(lacking)} "
                f"trainings are "
                "missing in all), which another arm has. Run the study to its end, or leave them out with "
                "--allow-unmatched."
            )
    if not shared:
        raise CompareError(f"{design.title}: the arms share no seed and fold")
    seeds = sorted({seed for seed, _ in shared}, key=str)
    return {
        arm: {s: [runs[s][f] for f in sorted(runs[s], key=str) if (s, f) in shared] for s in seeds}
        for arm, runs in arms.items()
    }


def _groups_in(folder: Path, dataset: str) -> Path | None:
    """Return ``cases.csv`` of a study or of its data set, where there is one."""
    places = [folder / dataset / "cases.csv", folder / "cases.csv", *_raw_cases(dataset)]
    return next((path for path in places if path.is_file()), None)


def _raw_cases(dataset: str) -> list[Path]:
    raw = nnunet_folder_if_set("nnUNet_raw")
    return [raw / dataset / "cases.csv"] if raw else []


def _trained(asked: Selection) -> Units:
    """Return the trainings of all arms in nnUNet_results, or their test predictions."""
    if not asked.configurations and not asked.everything:
        raise CompareError(USAGE)
    results = nnunet_folder("nnUNet_results")
    base, control = asked.trainer, other_trainer(asked.trainer, asked.vs)
    trainers = list(dict.fromkeys([*(_trainer(base, arm) for arm in asked.arms or [base]), control]))
    names = {trainer: trainer for trainer in trainers}
    if not asked.arms:
        names |= {base: asked.name_a or base, control: asked.name_b or control}
    if len(set(names.values())) < len(names):
        raise CompareError(f"both arms are named {names[control]!r}; give them names of their own")
    units, skipped = [], []
    for dataset, configuration in _places(asked, results):
        arms = [arm_trainings(results, dataset, t, asked.plans, configuration, asked.seeds) for t in trainers]
        design = Design(dataset, configuration=configuration)
        if asked.everything and (lacking := _lacking(trainers, arms)):
            skipped.append(f"{design.title} has no validated training of {listing(lacking)}")
            continue
        found = _predicted(asked.predictions, arms) if asked.predictions else find_summaries(arms, asked.folds)
        groups = asked.groups or next((path for path in _raw_cases(dataset) if path.is_file()), None)
        units.append(Unit(design, {names[t]: runs for t, runs in zip(trainers, found, strict=True)}, groups))
    if not units:
        raise CompareError(
            f"no data set in {results} has all of {', '.join(trainers)}: {'; '.join(skipped) or 'empty'}"
        )
    return units, names[control], skipped


def _trainer(base: str, arm: str) -> str:
    """Return the trainer of an arm that is named, with ``base`` as that of its own arm."""
    from rasd_nnu.nnunet.trainer_names import parse_name

    name = parse_name(base)
    return base if name is not None and name.arm == arm else other_trainer(base, arm)


def _places(asked: Selection, results: Path) -> list[tuple[str, str]]:
    """Return data set and configuration of each comparison."""
    if not asked.everything:
        datasets = [dataset_name(d) for d in asked.datasets] + [_dataset_of(key) for key in asked.tasks]
        return [(d, c) for d in dict.fromkeys(datasets) for c in asked.configurations]
    found = []
    for folder in sorted(results.glob(f"Dataset*_*/*__{asked.plans}__*")):
        configuration = folder.name.split("__")[-1]
        if not asked.configurations or configuration in asked.configurations:
            found.append((folder.parent.name, configuration))
    return list(dict.fromkeys(found))


def _dataset_of(task: str) -> str:
    from rasd_nnu.dataset_specs.registry import get_spec

    return get_spec(task).dataset_name


def _lacking(trainers: Sequence[str], arms: Sequence[ArmTrainings]) -> list[str]:
    """Return the trainers that have no validated fold of some seed."""
    return [t for t, arm in zip(trainers, arms, strict=True) if not all(fold_summaries(x.folder) for x in arm.values())]


def _predicted(folder: Path, arms: Sequence[ArmTrainings]) -> list[dict[int | None, list[Path]]]:
    """Return seed -> records of the test predictions of each arm, in a folder named as the trainer."""
    return [{seed: records_in([folder / training.trainer]) for seed, training in arm.items()} for arm in arms]
