"""From what a study says to its jobs."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rasd_nnu.nnunet.datasets import dataset_id
from rasd_nnu.nnunet.results import RECORDS as RECORD_FILES
from rasd_nnu.nnunet.trainer_names import RESERVED_ARMS, TRANSFER_OPTIONS, TrainerName, parse_arm
from rasd_nnu.records.study import RECORDS, StudyUnit
from rasd_nnu.workflows.study.config import StudyConfig, length_of
from rasd_nnu.workflows.study.draw import Draw
from rasd_nnu.workflows.study.jobs import CHECKPOINTS, PREPROCESSED, RAW, RESULTS, Grid, Job, Unit
from rasd_nnu.workflows.study.recipe import pretrain_options, variables
from rasd_nnu.workflows.study.tasks import ResolvedTask

COMPARISON, PAGE = "comparison.json", "report.html"
_RECORD_OF = dict(zip(("segmentation", "classification", "detection"), RECORD_FILES, strict=True))
_IMAGES = ("nii.gz", "nii", "nrrd", "mha", "png", "bmp", "tif", "tiff")


def build_grid(config: StudyConfig, tasks: Sequence[ResolvedTask], known: Mapping[str, Sequence[Draw]]) -> Grid:
    """Return the jobs of a study.

    Args:
        config: The study.
        tasks: Its data sets.
        known: Data set -> draws that an earlier run has made.
    """
    jobs: dict[str, Job] = {}
    units: list[Unit] = []
    draws: dict[str, tuple[Draw, ...]] = {}
    arms = {name: _arm(config, name) for name in config.arms}
    for task in tasks:
        draws[task.dataset] = _draws(config, known.get(task.dataset, ()))
        _Planner(config, task, draws[task.dataset], arms, jobs, units).add()
    for job in _endings(config, jobs, tuple(unit.job for unit in units)):
        jobs[job.id] = job
    return Grid(jobs, tuple(units), draws)


def _draws(config: StudyConfig, known: Sequence[Draw]) -> tuple[Draw, ...]:
    """Return the draws of a study; those ``known`` keep their places, so that a fold's number never changes."""
    wanted = [
        Draw(fold, None, None) if count == "all" else Draw(fold, count, seed)
        for fold in config.folds
        for count in config.labelled
        for seed in config.seeds
    ]
    return tuple(dict.fromkeys([*known, *wanted]))


@dataclass(frozen=True)
class _ArmOptions:
    """What decides the trainings of an arm: variables, and the digest of registered weights that it starts from."""

    variables: Mapping[str, str]
    weights: tuple[str, ...]


def _arm(config: StudyConfig, name: str) -> _ArmOptions:
    asked, machine = config.arms[name], config.machine
    options = {**variables(config, name), "nnUNet_results": f"{RESULTS}/{name}"}
    augmentation = machine.augmentation
    if augmentation is None and machine.device == "cpu":
        augmentation = 0
    if augmentation is not None:
        options["nnUNet_n_proc_DA"] = str(augmentation)
    weights: tuple[str, ...] = ()
    if asked.start not in RESERVED_ARMS:
        from rasd_nnu.checkpoints.arms import known_arm

        weights = (known_arm(asked.start).sha256,)
    return _ArmOptions(options, weights)


def _endings(config: StudyConfig, jobs: Mapping[str, Job], trainings: tuple[str, ...]) -> Iterator[Job]:
    """Yield the jobs that come when all trainings are done."""
    stamps = tuple(jobs[name].stamp for name in trainings)
    used = [file for job in jobs.values() if job.stage == "pretrain" for file in job.owns]
    dropped = tuple(used) if "checkpoints" in config.drop else ()
    command: tuple[str, ...] = ("rasd_nnu", "study", "collect", ".")
    collect = Job("collect", "all", command, {}, trainings, (RECORDS,), drop=dropped, upstream=stamps)
    yield collect
    if len(config.arms) < 2:
        return
    alike = all(
        arm.compute == "same" and arm.mix is None and arm.finetune.keys() <= set(TRANSFER_OPTIONS)
        for arm in config.arms.values()
    )
    asked = ("--study", ".", "--vs", config.control, *(() if alike else ("--allow-recipe-diff",)), "--overwrite")
    command = ("rasd_nnu", "compare", *asked, "--json", COMPARISON)
    yield Job("compare", "all", command, {}, (collect.id,), (COMPARISON,), upstream=(collect.stamp,))
    command = ("rasd_nnu", "report", *asked, "--out", PAGE, "--title", config.name)
    yield Job("report", "all", command, {}, (collect.id,), (PAGE,), upstream=(collect.stamp,))


@dataclass(frozen=True)
class _Cell:
    """One training: what is varied in a study."""

    configuration: str
    arm: str
    budget: str
    fold: int
    count: int | None
    seed: int

    @property
    def draw(self) -> Draw:
        """Its labelled cases."""
        return Draw(self.fold, self.count, None if self.count is None else self.seed)


class _Planner:
    """Adds the jobs of one data set."""

    def __init__(
        self,
        config: StudyConfig,
        task: ResolvedTask,
        draws: tuple[Draw, ...],
        arms: Mapping[str, _ArmOptions],
        jobs: dict[str, Job],
        units: list[Unit],
    ) -> None:
        self.config, self.task, self.draws = config, task, draws
        self.arms, self.jobs, self.units = arms, jobs, units

    def add(self) -> None:
        """Add everything."""
        planned = self._add(self._plan(self._add(self._prepare())))
        # Only nnU-Net needs folds of its own: the others take the prepared ones, and draw labelled cases themselves.
        split = self._add(self._split(planned)) if self.task.kind == "segmentation" else planned
        config, counts = self.config, [None if count == "all" else count for count in self.config.labelled]
        for values in itertools.product(
            self.task.configurations, config.arms, config.budgets, config.folds, counts, config.seeds
        ):
            self._train(planned, split, _Cell(*values))

    def _add(self, job: Job) -> Job:
        return self.jobs.setdefault(job.id, job)

    def _prepare(self) -> Job:
        task, place = self.task, f"{RAW}/{self.task.dataset}"
        product = (f"{place}/dataset.json",)
        if task.existing is not None:
            command: tuple[str, ...] = ("ln", "-sfn", str(task.existing), place)
            return Job("prepare", task.dataset, command, products=product, request=(task.dataset,))
        source = () if task.source is None else ("--source", str(task.source))
        key = task.spec.key if task.spec is not None else task.dataset
        command = ("rasd_nnu", "tasks", "prepare", key, *source, "--split", task.asked.split)
        # Where a release was found does not matter, only one that the study names.
        request = (key, task.asked.split, str(task.asked.source))
        return Job("prepare", task.dataset, command, products=product, owns=(place,), request=request)

    def _plan(self, prepare: Job) -> Job:
        task, config, place = self.task, self.config, f"{PREPROCESSED}/{self.task.dataset}"
        command: tuple[str, ...] = ("rasd_nnu", "tasks", "plan", task.dataset, "-p", config.plans)
        command += tuple(word for name in task.configurations for word in ("-c", name))
        if (compact := task.asked.compact) is not None:
            command += ("--compact", str(compact.features), "--batch-size", str(compact.batch_size))
        product = f"{place}/{config.plans}.json"
        return Job("plan", task.dataset, command, {}, (prepare.id,), (product,), (place,), upstream=(prepare.stamp,))

    def _split(self, planned: Job) -> Job:
        command: tuple[str, ...] = ("rasd_nnu", "tasks", "split", self.task.dataset, *map(str, self.draws))
        if self.config.validation_cases is not None:
            command += ("--validation-cases", str(self.config.validation_cases))
        product = f"{PREPROCESSED}/{self.task.dataset}/splits_final.json"
        return Job("split", self.task.dataset, command, {}, (planned.id,), (product,), upstream=(planned.stamp,))

    def _train(self, planned: Job, split: Job, cell: _Cell) -> None:
        """Add a training, and the pre-training that it starts from unless that is there."""
        config, task = self.config, self.task
        number = self.draws.index(cell.draw) if task.kind == "segmentation" else cell.fold
        trained = task.trained(cell.configuration)
        arm = self.arms[cell.arm]
        options, after, upstream = dict(arm.variables), [split.id], [planned.stamp, *arm.weights]
        if config.arms[cell.arm].start == "rasd":
            checkpoint = self._pretrain(planned, split, cell, number)
            options["RASD_CHECKPOINT"] = checkpoint.products[0]
            after.append(checkpoint.id)
            upstream.append(checkpoint.stamp)
        command, model, steps = self._finetune_command(cell, number)
        folder, count = f"{model}/fold_{number}", cell.count or "all"
        job = Job(
            "finetune",
            f"{task.dataset}__{trained}__n{count}__{cell.budget}__{cell.arm}__seed{cell.seed}__fold{cell.fold}",
            command,
            options,
            tuple(after),
            (f"{folder}/validation/{_RECORD_OF[task.kind]}",),
            (folder,),
            tuple(self._dropped(folder)),
            self._work(cell, steps),
            tuple(upstream),
            (*command, str(cell.draw), str(config.validation_cases)),
        )
        unit = StudyUnit(
            dataset=task.dataset,
            task=task.spec.key if task.spec is not None else None,
            configuration=trained,
            n=cell.count,
            budget=cell.budget,
            arm=cell.arm,
            seed=cell.seed,
            fold=cell.fold,
            path=job.products[0],
        )
        self.units.append(Unit(unit, self._add(job).id))

    def _work(self, cell: _Cell, steps: int | None) -> dict[str, object]:
        return {"steps": steps, "configuration": cell.configuration, "compact": self.task.asked.compact is not None}

    def _dropped(self, folder: str) -> Iterator[str]:
        """Yield patterns of what a finished training drops."""
        if "checkpoints" in self.config.drop:
            yield from (f"{folder}/checkpoint_*.pth", f"{folder}/model.pth")
        if "predictions" in self.config.drop:
            yield from (f"{folder}/validation/*.{ending}" for ending in _IMAGES)

    def _finetune_command(self, cell: _Cell, number: int) -> tuple[tuple[str, ...], str, int]:
        """Return the command, the folder of the model, and the optimiser steps."""
        config, task, asked = self.config, self.task, self.config.arms[cell.arm]
        trained = task.trained(cell.configuration)
        epochs, iterations = length_of(cell.budget)
        if asked.compute == "total":
            steps = config.pretraining(cell.arm).iterations
            assert steps is not None  # validated
            epochs += math.ceil(steps / iterations)
        start = f"{asked.start}_mix" if asked.mix is not None else asked.start
        command: tuple[str, ...] = (
            "rasd_nnu",
            "finetune",
            task.dataset,
            "-c",
            trained,
            "-p",
            config.plans,
            "--arm",
            start,
        )
        command += ("-f", str(number), "--seed", str(cell.seed), "--epochs", str(epochs))
        if task.kind == "segmentation":
            name = str(parse_arm(start, epochs=epochs, iters=iterations, seed=cell.seed))
            command += ("--iterations", str(iterations))
        else:
            kind = "Classifier" if task.kind == "classification" else "Detector"
            name = str(TrainerName(asked.start, epochs, seed=cell.seed, kind=kind, labelled=cell.count))
            command += () if cell.count is None else ("--labelled", str(cell.count))
        command += ("--device", config.machine.device, "--resume")
        model = f"{RESULTS}/{cell.arm}/{task.dataset}/{name}__{config.plans}__{trained}"
        return command, model, epochs * iterations

    def _pretrain(self, planned: Job, split: Job, cell: _Cell, number: int) -> Job:
        """Add the pre-training of an arm, shared by all trainings that may use it, and return it.

        One on random fields may be used by all; one on label maps only where exactly these cases are trained on.
        """
        config, task, options = self.config, self.task, self.config.pretraining(cell.arm)
        trained = task.trained(cell.configuration)
        arguments = ["rasd_nnu", "pretrain", "--dataset", str(dataset_id(task.dataset)), "-c", trained]
        arguments += ["-p", config.plans, *pretrain_options(options), "--device", config.machine.device]
        drawn: tuple[str, ...] = ()
        if options.maps != "fields":
            arguments += ["-f", str(number)]
            drawn = (str(cell.draw),)
        digest = hashlib.sha256(json.dumps(arguments).encode()).hexdigest()[:8]
        name = f"{task.dataset}__{trained}__{digest}"
        file, kept = f"{CHECKPOINTS}/{name}.pth", f"{CHECKPOINTS}/{name}.resume.pth"
        command = (*arguments, "--out", file, "--resume")
        return self._add(
            Job(
                "pretrain",
                name,
                command,
                after=(split.id,),
                products=(file,),
                owns=(file, kept),
                work={
                    "steps": options.iterations,
                    "configuration": cell.configuration,
                    "compact": trained != cell.configuration,
                },
                upstream=(planned.stamp,),
                request=(*command, *drawn),
            )
        )
