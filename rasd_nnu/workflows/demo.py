"""The whole way on a small data set: prepare, plan, pre-train, fine-tune two arms, compare, show."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from rasd_nnu.checkpoints.file import resume_path
from rasd_nnu.checkpoints.registry import default_path
from rasd_nnu.errors import ConfigError, DatasetError, PlansError
from rasd_nnu.files import write_text
from rasd_nnu.locks import exclusive
from rasd_nnu.nnunet import commands
from rasd_nnu.nnunet.datasets import dataset_id
from rasd_nnu.nnunet.env import EXTERNAL_TRAINERS, NNUNET_FOLDERS, trainers_folder
from rasd_nnu.nnunet.plans import planned_target
from rasd_nnu.nnunet.results import Training
from rasd_nnu.nnunet.trainer_names import parse_name
from rasd_nnu.reading import read_json_object
from rasd_nnu.workflows.experiment.compact import add_compact
from rasd_nnu.workflows.experiment.few_shot import FewShotSplit, few_shot_split
from rasd_nnu.workflows.experiment.job import Job, Needs

if TYPE_CHECKING:
    from rasd_nnu.compare.study import Study
    from rasd_nnu.dataset_specs.schema import DatasetSpec

PHANTOM_ID = 900


@dataclass(frozen=True)
class DemoSettings:
    """Size of the demo; the defaults take minutes on two CPU cores.

    Args:
        configuration: Planned configuration that the compact one inherits from.
        labelled: Cases to fine-tune on.
        held_out: Cases to judge on.
        pretrain_iterations: Pre-training steps.
        epochs: Fine-tuning epochs.
        iterations_per_epoch: Fine-tuning iterations an epoch.
        seeds: Seeds of the fine-tuning; both arms get the same.
        device: ``cpu`` or ``cuda``.

    Raises:
        ConfigError: If the seeds are not different ones, or a number is too large for a trainer's name.
    """

    configuration: str = "3d_fullres"
    labelled: int = 10
    held_out: int = 40
    pretrain_iterations: int = 600
    epochs: int = 12
    iterations_per_epoch: int = 25
    seeds: tuple[int, ...] = (0,)
    device: str = "cpu"

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"seeds is {self.seeds}, expected different numbers, as 0,1,2.")
        for seed in self.seeds:
            if parse_name(name := self.trainer(scratch=False, seed=seed)) is None:
                raise ConfigError(
                    f"{name[:80]} is no name of a trainer, expected seeds of 0 or more, and fewer epochs."
                )

    def trainer(self, *, scratch: bool, seed: int | None) -> str:
        """Return the trainer's name, without a seed for the family of all seeds."""
        arm = "_scratch" if scratch else ""
        suffix = f"_seed{seed}" if seed is not None else ""
        return f"RaSDTrainer{arm}_{self.epochs}epochs_{self.iterations_per_epoch}iters{suffix}"


def demo_environment(folder: Path, device: str) -> dict[str, str]:
    """Return the variables that keep everything of the demo in its folder."""
    variables = {name: str(folder / name) for name in NNUNET_FOLDERS}
    for path in variables.values():
        Path(path).mkdir(parents=True, exist_ok=True)
    variables |= {
        "RASD_CHECKPOINTS": str(folder / "checkpoints"),
        EXTERNAL_TRAINERS: str(trainers_folder()),
        "nnUNet_def_n_proc": "2",
    }
    if device == "cpu":
        # As `rasd_nnu.pretrain.hardware.keep_freed_memory`, for nnU-Net's processes.
        kept = {"MALLOC_TRIM_THRESHOLD_": str(2**31 - 1), "MALLOC_MMAP_THRESHOLD_": str(2**31 - 1)}
        variables |= {"nnUNet_compile": "f", **kept}
    return variables


def run_demo(folder: Path, source: Path | None, settings: DemoSettings, console: Console) -> Path:
    """Run or go on with the demo in ``folder``.

    Args:
        folder: Holds everything: data, plans, checkpoints, models, logs and the report.
        source: Unpacked official data set, or None to look under ``RASD_DATA``, then download it.
        settings: Size.
        console: Where to tell.

    Returns:
        The page with pictures, ``index.html``.

    Raises:
        UserError: If a stage fails, or another demo is at work in the folder.
        SystemExit: If a signal ended a stage.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder):
        environment = demo_environment(folder, settings.device)
        os.environ.update(environment)
        return _stages(Job(folder, environment, console), source, settings)


def _stages(job: Job, source: Path | None, settings: DemoSettings) -> Path:
    from rasd_nnu.workflows.report import write_report

    folder, console = job.folder, job.console
    dataset = _prepare(job, source)
    cases = folder / "nnUNet_raw" / dataset / "cases.csv"
    split = few_shot_split(cases, settings.labelled, settings.held_out)  # too few cases are told before the work
    _plan(job, dataset, split, settings)
    compact = f"{settings.configuration}_compact"
    _pretrain(job, dataset, compact, settings)
    for seed in settings.seeds:
        for scratch in (False, True):
            _train(job, dataset, compact, settings.trainer(scratch=scratch, seed=seed), settings)
    study = _compare(job, dataset, compact, settings)
    page = folder / "index.html"
    write_report(page, study, f"rasd_nnu demo: {dataset}")
    report = {"settings": asdict(settings), "seconds": job.seconds}
    write_text(folder / "run_report.json", json.dumps(report, indent=2))
    console.print(f"{'pictures':18} {page}", soft_wrap=True)
    return page


def _prepare(job: Job, source: Path | None) -> str:
    """Bring the data set to nnUNet_raw and return its full name; say in the first line what it is."""
    from rasd_nnu.dataset_specs.locations import find_source
    from rasd_nnu.dataset_specs.phantom import write_phantom
    from rasd_nnu.dataset_specs.prepare import prepare
    from rasd_nnu.dataset_specs.registry import get_spec

    spec = get_spec("msd04_hippocampus")
    raw = job.folder / "nnUNet_raw"
    real, phantom = raw / spec.dataset_name, next(raw.glob(f"Dataset{PHANTOM_ID}_*"), None)
    found = source or find_source(spec)
    if real.is_dir():
        if source is not None:
            _check_source(spec, source, raw)
        job.console.print(f"Data: {spec.title}, real images, prepared before.", soft_wrap=True)
        return spec.dataset_name
    if found is None and phantom is None:
        job.console.print(f"Data: downloading {spec.title} ...")
    if phantom is None or found is not None:
        try:
            prepare(spec, found, raw)
        except DatasetError as error:
            if found is not None:
                raise
            job.console.print(f"[dim]{error}[/dim]", soft_wrap=True)
        else:
            job.console.print(f"Data: {spec.title}, real images ({found or 'downloaded'}).", soft_wrap=True)
            return spec.dataset_name
    job.console.print(
        "[bold yellow]Data: no real images here (none given, none under RASD_DATA, no download): a PHANTOM of simple "
        "shapes stands in. Its figures say nothing about medicine.[/bold yellow]",
        soft_wrap=True,
    )
    return (phantom or write_phantom(raw, id=PHANTOM_ID).path).name


def _check_source(spec: DatasetSpec, source: Path, raw: Path) -> None:
    """Raise `DatasetError` unless the data set that is there was prepared from ``source``."""
    from rasd_nnu.dataset_specs.prepare import prepare

    try:
        prepare(spec, source, raw)
    except DatasetError as error:
        raise DatasetError(
            f"--source {source} is not what this demo began with: {error} Or give another --out."
        ) from None


def _plan(job: Job, dataset: str, split: FewShotSplit, settings: DemoSettings) -> None:
    """Let nnU-Net plan and preprocess, add the compact network, and write the split."""
    raw, preprocessed = (job.folder / part / dataset for part in ("nnUNet_raw", "nnUNet_preprocessed"))
    command = [*commands.plan(dataset), "-c", settings.configuration, "-np", "2", "-npfp", "2"]
    inputs = [raw / "dataset.json", raw / "cases.csv"]
    needs = Needs(inputs=inputs, outputs=[preprocessed])
    job.run("plan", "nnU-Net plans and preprocesses", command, needs=needs)
    job.call(
        "compact",
        "adds a network with fewer features",
        [settings.configuration],
        lambda: _add_compact(preprocessed, settings.configuration),
        Needs(after=["plan"]),
    )
    fold = {"train": list(split.train), "val": list(split.held_out)}
    job.call(
        "split",
        f"{settings.labelled} labelled and {settings.held_out} held-out cases of other patients",
        fold,
        lambda: write_text(preprocessed / "splits_final.json", json.dumps([fold], indent=2)),
        Needs(after=["plan"]),
    )


def _add_compact(preprocessed: Path, configuration: str) -> None:
    dataset_json = read_json_object(preprocessed / "dataset.json", PlansError)
    batch_size = 12 if configuration == "2d" else 2
    add_compact(preprocessed / "nnUNetPlans.json", dataset_json, configuration, batch_size=batch_size)


def _pretrain(job: Job, dataset: str, compact: str, settings: DemoSettings) -> None:
    command = ["rasd_nnu", "pretrain", "--dataset", str(dataset_id(dataset)), "-c", compact]
    command += ["--device", settings.device]
    command += ["--iterations", str(settings.pretrain_iterations), "--save-every", "100"]
    checkpoint = default_path(planned_target(dataset, compact))
    outputs = [checkpoint, resume_path(checkpoint)]
    needs = Needs(["compact"], [job.folder / "nnUNet_preprocessed" / dataset / "nnUNetPlans.json"], outputs)
    job.run(
        "pretrain", "exactly this network, on synthetic images only", command, more=lambda: ["--resume"], needs=needs
    )


def _train(job: Job, dataset: str, compact: str, trainer: str, settings: DemoSettings) -> None:
    fold = Training(job.folder / "nnUNet_results", dataset, trainer, commands.DEFAULT_PLANS, compact).fold(0)
    command = commands.train(dataset, compact, 0, trainer=trainer, more=["-device", settings.device])
    arm = "from scratch" if "_scratch" in trainer else "from the synthetic weights"
    seed = trainer.rpartition("_seed")[2]
    name = f"{'scratch' if '_scratch' in trainer else 'rasd'}_seed{seed}"
    # Augmentation in the training process itself: both arms then see exactly the same patches. (Planning does not
    # work with this setting.) nnU-Net's SGD has a momentum of 0.99, made for 250,000 steps; a few
    # hundred do not get past predicting background.
    recipe = {"nnUNet_n_proc_DA": "0", "RASD_OPTIMIZER": "adamw", "RASD_LR": "6e-3"}
    text = f"fine-tune {arm}, predict the held-out cases"
    preprocessed = job.folder / "nnUNet_preprocessed" / dataset
    inputs = [preprocessed / name for name in ("nnUNetPlans.json", "splits_final.json")]
    after = ["plan", "compact", "split", *([] if "_scratch" in trainer else ["pretrain"])]
    needs = Needs(after, inputs, [fold])
    job.run(name, text, command, more=lambda: commands.resuming(fold), environment=recipe, needs=needs)


def _compare(job: Job, dataset: str, compact: str, settings: DemoSettings) -> Study:
    """Compare the arms, print the tables and write ``comparison.json`` and ``comparison.csv``."""
    from rasd_nnu.compare.export import to_csv, to_json
    from rasd_nnu.compare.render import print_study
    from rasd_nnu.workflows.selection import run_selection
    from rasd_nnu.workflows.units import Selection

    several = len(settings.seeds) > 1
    asked = Selection(
        datasets=[dataset],
        configurations=[compact],
        trainer=settings.trainer(scratch=False, seed=None if several else settings.seeds[0]),
        folds=["0"],
        seeds=settings.seeds if several else (),
        name_a="RaSD",
        name_b="scratch",
    )
    study = run_selection(asked)
    comparison = study.entries[0].comparison
    write_text(job.folder / "comparison.json", to_json(comparison))
    write_text(job.folder / "comparison.csv", to_csv(comparison))
    job.console.print()
    print_study(study, job.console)
    return study
