"""Pre-train a network on an endless stream of synthetic samples."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rasd_nnu.checkpoints.registry import default_path
from rasd_nnu.errors import ConfigError
from rasd_nnu.locks import exclusive
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.pretrain.budget import fit_to_budget
from rasd_nnu.pretrain.cases import ITERATIONS, CaseMaps
from rasd_nnu.pretrain.defaults import config_for, recipe_for
from rasd_nnu.pretrain.hardware import Hardware, check_fit, is_main_process, make_fabric
from rasd_nnu.pretrain.keep import Keep
from rasd_nnu.pretrain.offline import OfflineSamples
from rasd_nnu.pretrain.progress import Display, Silent
from rasd_nnu.pretrain.recipe import Recipe
from rasd_nnu.pretrain.report import samples_different
from rasd_nnu.pretrain.resume import check_output, identity, prepare_output
from rasd_nnu.pretrain.run import Run
from rasd_nnu.pretrain.synthesis import SynthesisConfig


@dataclass(frozen=True)
class PretrainResult:
    """How a run ended.

    Args:
        checkpoint: The checkpoint.
        iterations: Iterations done, in all parts of a resumed run.
        samples_different: How many different samples they learned from.
        stopped_by: Name of the signal that stopped it early, or None.
        final_losses: Means of the last 5 % of the iterations, by `history.COLUMNS`.
        seconds: Wall time of all parts.
        synthesis_share: Share of a step's time spent waiting for samples, or None if not measured.
    """

    checkpoint: Path
    iterations: int
    samples_different: int
    stopped_by: str | None
    final_losses: dict[str, float]
    seconds: float
    synthesis_share: float | None


def pretrain(
    target: NetworkTarget,
    config: SynthesisConfig | None = None,
    recipe: Recipe | None = None,
    out: Path | None = None,
    *,
    hardware: Hardware | None = None,
    save_every: int = 1000,
    report_every: int = 10,
    overwrite: bool = False,
    resume: bool = False,
    offline: OfflineSamples | None = None,
    keep: Keep | None = None,
    cases: CaseMaps | None = None,
    display: Display | None = None,
) -> PretrainResult:
    """Pre-train the network of ``target`` and write its checkpoint to ``out``.

    Beside ``out``: ``<stem>.resume.pth`` (to go on from), ``<stem>.run_report.json``, ``<stem>.tensorboard/``.
    SIGTERM, SIGUSR1 and Ctrl-C end the run after the iteration at hand, saved. On the CPU a run that was stopped
    or killed goes on to exactly the losses of an uninterrupted one.

    Args:
        target: The network.
        config: What to synthesise, of the target's patch size and channels; by default `config_for` of the target.
        recipe: How to train; by default `recipe_for` of target and hardware: as long as an hour allows,
            or `ITERATIONS` on cases.
        out: The checkpoint, a ``.pth`` file; for a planned network, by default where the
            trainer looks for it.
        hardware: Where to run.
        save_every: Iterations between two saves.
        report_every: Iterations between two reports, and between two checks for non-finite losses.
        overwrite: Replace an earlier checkpoint.
        resume: Go on from the resume file, if there is one.
        offline: Samples to read instead of synthesising fresh ones.
        keep: Which checkpoints to keep besides the latest one.
        cases: Training cases whose label maps take the place of the engine's, or None.
        display: Watches the run, in the main process only.

    Raises:
        ConfigError: If configuration, target and hardware do not fit together, or the batch not into memory.
        DatasetError: If the offline samples are others than asked for, or one is damaged.
        CheckpointError: If the output exists, cannot be written or belongs to another run.
        LockError: If another run is writing to it.
        DivergenceError: If a loss is not finite.
    """
    hardware = hardware or Hardware()
    config, recipe = (
        config or config_for(target),
        recipe or recipe_for(target, hardware, iterations=None if cases is None else ITERATIONS),
    )
    if out is None and target.dataset is None:
        raise ConfigError("out is not given; a standard network has no file of its own. Give out=Path('NAME.pth').")
    out = out or default_path(target, fold=None if cases is None else cases.fold.name)
    _check_request(target, config, recipe, hardware, save_every=save_every, report_every=report_every)
    if cases is not None:
        _check_cases(target, recipe, offline, cases)
    if offline is not None:
        offline.check_fit(config, recipe.views)
    check_output(out)
    # Before the other processes start, so that a refusal is told once.
    with exclusive(out) if is_main_process() else contextlib.nullcontext():
        identify = partial(identity, target, config, offline=offline, cases=cases)
        recipe, state = prepare_output(out, identify, recipe, overwrite=overwrite, resume=resume)
        fabric = make_fabric(recipe, hardware)
        watcher = display if display is not None and fabric.is_global_zero else Silent()
        try:
            if recipe.budget is not None and state is None:
                recipe = fit_to_budget(target, config, recipe, hardware, fabric, watcher, offline, cases)
            run = Run(target, config, recipe, out, hardware, state, fabric, watcher, offline, keep, cases)
            stopped_by = run.train(save_every, report_every)
        finally:
            watcher.close()
        fabric.barrier()
    return PretrainResult(
        checkpoint=out,
        iterations=run.history.settled,
        samples_different=samples_different(recipe, run.history.settled, offline),
        stopped_by=stopped_by,
        final_losses=run.history.final(),
        seconds=run.timer.seconds,
        synthesis_share=run.timer.synthesis_share,
    )


def _check_request(
    target: NetworkTarget, config: SynthesisConfig, recipe: Recipe, hardware: Hardware, **every: int
) -> None:
    """Raise `ConfigError` where the parts of a request contradict each other."""
    for name, asked, planned in (
        ("shape", config.shape, target.patch_size),
        ("channels", config.channels, target.input_channels),
    ):
        if asked != planned:
            raise ConfigError(f"{name} of the synthesis is {asked}, expected the network's {planned}.")
    for name, value in every.items():
        if value < 1:
            raise ConfigError(f"{name} is {value}, expected at least 1")
    check_fit(recipe, hardware)


def _check_cases(target: NetworkTarget, recipe: Recipe, offline: OfflineSamples | None, cases: CaseMaps) -> None:
    """Raise `ConfigError` where label maps of cases contradict the rest of a request."""
    planned = (cases.target.dataset, cases.target.plans, cases.target.configuration)
    if planned != (target.dataset, target.plans, target.configuration):
        raise ConfigError(f"the label maps are of {' '.join(map(str, planned))}, expected those of the network's plan.")
    if offline is not None:
        raise ConfigError(f"--offline contradicts --maps {cases.maps}, whose samples are always fresh.")
    if recipe.objective != "prototypes":
        raise ConfigError(f"--objective {recipe.objective} contradicts --maps {cases.maps}, expected prototypes.")
