"""The loop of one run: draw, step, report, save."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from rasd_nnu.checkpoints.file import atomic_save, checkpoint_content, resume_path
from rasd_nnu.errors import CheckpointError
from rasd_nnu.files import explained, remove_unfinished, write_text
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.pretrain.assemble import make_learner, make_samples
from rasd_nnu.pretrain.cases import CaseMaps
from rasd_nnu.pretrain.hardware import Hardware
from rasd_nnu.pretrain.history import History
from rasd_nnu.pretrain.interrupt import StopSignals
from rasd_nnu.pretrain.keep import Keep
from rasd_nnu.pretrain.memory import memory_advice
from rasd_nnu.pretrain.monitor import Monitor
from rasd_nnu.pretrain.offline import OfflineSamples
from rasd_nnu.pretrain.progress import Display, Status
from rasd_nnu.pretrain.recipe import Recipe
from rasd_nnu.pretrain.report import describe, report_path, run_details
from rasd_nnu.pretrain.resume import RESUME_VERSION, identity
from rasd_nnu.pretrain.synthesis import SynthesisConfig
from rasd_nnu.pretrain.timing import StepTimer


class Run:
    """A run, new or resumed.

    Args:
        target: The network.
        config: What to synthesise.
        recipe: How to train.
        out: The checkpoint to write.
        hardware: Where to run.
        state: Content of a resume file of the same run, or None.
        fabric: A launched Fabric.
        watcher: Is told how the run goes.
        offline: Samples to read, or None for fresh ones.
        keep: Which checkpoints to keep besides the latest.
        cases: Where label maps come from besides the engine, or None.
    """

    def __init__(
        self,
        target: NetworkTarget,
        config: SynthesisConfig,
        recipe: Recipe,
        out: Path,
        hardware: Hardware,
        state: dict[str, Any] | None,
        fabric: Fabric,
        watcher: Display,
        offline: OfflineSamples | None = None,
        keep: Keep | None = None,
        cases: CaseMaps | None = None,
    ) -> None:
        self.target, self.config, self.recipe, self.out = target, config, recipe, out
        self.hardware, self.fabric, self.watcher, self.offline = hardware, fabric, watcher, offline
        self.keep, self.cases = keep or Keep(), cases
        self.learner = make_learner(target, config, recipe, hardware, fabric, cases)
        if state is not None:
            self.learner.load(state["learner"])
        self.history = History(fabric, state["history"] if state else None)
        self.start = self.history.settled
        self.timer = StepTimer(fabric.device, state["seconds"] if state else 0.0)
        self._began = self.timer.seconds
        watcher.message(describe(target, config, recipe, self.learner.network, fabric, offline, cases))
        if self.start:
            watcher.message(f"goes on after iteration {self.start}")
        self.monitor: Monitor | None = None
        if fabric.is_global_zero:
            _remove_unfinished_files(out)
            self.monitor = Monitor(out.with_name(f"{out.stem}.tensorboard"), self.start, watcher.message)

    def train(self, save_every: int, report_every: int) -> str | None:
        """Go on to the last iteration, or to a signal; return the signal's name."""
        stopped_by = None
        with (
            StopSignals(self.fabric) as signals,
            _tuned_convolutions(self.fabric.device),
            contextlib.closing(
                make_samples(self.config, self.recipe, self.hardware, self.fabric, self.offline, self.start, self.cases)
            ) as samples,
        ):
            for iteration in range(self.start, self.recipe.iterations):
                done = iteration + 1
                due = done % report_every == 0 or done in (1, self.recipe.iterations)
                image, label = self._step(iteration, samples, due)
                stopped_by = signals.agreed(all_here=due)
                end = done == self.recipe.iterations or stopped_by is not None
                save = end or done % save_every == 0 or self.keep.for_good(done)
                if due or save:
                    self._report(done)
                if save:
                    self._save(required=end)
                    self._show_examples(done, image, label)
                if end:
                    break
            else:
                self._save(required=True)  # all done before, but perhaps killed before the checkpoint was written
        if self.monitor is not None:
            self.monitor.close()
        return stopped_by

    def _step(self, iteration: int, samples: Iterator[tuple[Tensor, Tensor]], due: bool) -> tuple[Tensor, Tensor]:
        """Draw and learn from one batch, and return it."""
        # The first step pays for tuning and for starting workers; on a GPU measuring is not free.
        measured = iteration > self.start and (due or self.fabric.device.type == "cpu")
        with memory_advice(self.recipe, self.fabric.world_size):
            self.timer.mark(measured)
            image, label = next(samples)
            self.timer.mark(measured)
            self.history.record(iteration, self.learner.step(iteration, image, label))
            self.timer.mark(measured)
        return image, label

    def _report(self, done: int) -> None:
        """Check the losses since the last report, and tell them."""
        losses = self.history.settle(done, gradient_may_overflow=self.recipe.precision == "fp16")
        rate = (done - self.start) / (self.timer.seconds - self._began)
        self.watcher.update(Status(done, self.recipe.iterations, losses, rate))
        if self.monitor is not None:
            scalars = {
                **losses,
                "learning_rate": self.recipe.rate(done - 1),
                "samples_per_second": rate * self.recipe.batch_size,
            }
            if self.timer.synthesis_share is not None:
                scalars["synthesis_share"] = self.timer.synthesis_share
            self.monitor.scalars(done, scalars)

    def _show_examples(self, done: int, image: Tensor, label: Tensor) -> None:
        if self.monitor is not None:
            image = image if self.recipe.views == 1 else image[:, 0]
            label = label if self.cases is None else label[:, 0]
            self.monitor.examples(done, image[:2], label[:2], self.learner.regions(image[:2], label[:2]))

    def _save(self, *, required: bool) -> None:
        """Write the resume file, the checkpoint and the run report, each atomically.

        Raises:
            CheckpointError: If that fails and the run is over; before, it is told, and tried again next time.
        """
        failure = None
        if self.fabric.is_global_zero:
            try:
                self._write()
            except (CheckpointError, OSError) as error:
                failure = str(explained(error) if isinstance(error, OSError) else error)
                if not required:
                    self.watcher.message(f"warning: {failure} The run goes on; the next save tries again.")
        # Every process ends the same way: one that waited for a failed one would wait for ever.
        failure = self.fabric.broadcast(failure) if required else None
        if failure is not None:
            raise CheckpointError(failure)

    def _write(self) -> None:
        resume = {
            "resume_version": RESUME_VERSION,
            "identity": identity(self.target, self.config, self.recipe, self.offline, self.cases),
            "iteration": self.history.settled,
            "iterations": self.recipe.iterations,
            "learner": self.learner.state(),
            "history": self.history.state(),
            "seconds": self.timer.seconds,
        }
        details = run_details(
            self.config, self.recipe, self.hardware, self.fabric, self.history, self.timer, self.offline, self.cases
        )
        atomic_save(resume, resume_path(self.out))
        content = checkpoint_content(self.learner.result, self.target, details)
        atomic_save(content, self.out)
        if (kept := self.keep.path(self.out, self.history.settled)) is not None:
            atomic_save(content, kept)
            self.keep.tidy(self.out)
        report = {"command": "pretrain", "checkpoint": str(self.out), **details}
        write_text(report_path(self.out), json.dumps(report, indent=2))


def _remove_unfinished_files(out: Path) -> None:
    """Remove the temporary files that a killed run left; this run has the lock."""
    names = [re.escape(path.name) for path in (out, resume_path(out), report_path(out))]
    remove_unfinished(out.parent, "|".join([*names, rf"{re.escape(out.stem)}\.iter\d+\.pth"]))


def _tuned_convolutions(device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Let cuDNN choose the fastest convolutions: every step has the same shapes."""
    if device.type != "cuda":
        return contextlib.nullcontext()
    flags: contextlib.AbstractContextManager[None] = torch.backends.cudnn.flags(enabled=True, benchmark=True)
    return flags
