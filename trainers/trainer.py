"""The nnU-Net trainer that starts from RaSD weights, and its scratch twin."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from rasd_nnu.checkpoints.arms import arm_source
from rasd_nnu.checkpoints.read import Source, open_source
from rasd_nnu.checkpoints.registry import Choice, checkpoint_for
from rasd_nnu.checkpoints.seen import refuse_seen, seen_by
from rasd_nnu.errors import ConfigError, TransferError, UserError
from rasd_nnu.files import explained, write_text
from rasd_nnu.nnunet.augmentation import without_clock
from rasd_nnu.nnunet.plans import NetworkTarget, target_from_plans
from rasd_nnu.nnunet.results import FINAL_CHECKPOINT
from rasd_nnu.nnunet.trainer_names import RESERVED_ARMS, TrainerName
from rasd_nnu.pretrain.synthesis.renew import RenewConfig, adapted
from rasd_nnu.trainers.choice import read_choice
from rasd_nnu.trainers.mixing import Mixer
from rasd_nnu.trainers.optimizers import build_optimizer, encoder_parameters, hold_still
from rasd_nnu.trainers.options import FinetuneRecipe, may_overwrite, recipe_for
from rasd_nnu.trainers.saved import RECIPE_KEY, saved_recipe
from rasd_nnu.trainers.schedule import WarmupPoly
from rasd_nnu.trainers.seeding import seed_everything
from rasd_nnu.trainers.start_report import describe_start, start_report
from rasd_nnu.trainers.stop import StopRequest
from rasd_nnu.transfer import TransferReport, start, unwrap


class RaSDTrainer(nnUNetTrainer):
    """nnU-Net's trainer, started from a pre-trained checkpoint.

    The names of the classes made from this one follow `rasd_nnu.nnunet.trainer_names.GRAMMAR`. The arm ``scratch`` is
    the same class with the same recipe, and differs in nothing but that it loads no weights.

    The network is built by nnU-Net, and the weights are copied into it when a training starts at epoch 0: never
    for ``--val``, for a prediction, or for a ``--c`` that found something to go on from.
    """

    #: What the name says; set by `rasd_nnu.trainers.trainer_class`. Of the arm ``auto``, what was chosen.
    run: TrainerName = TrainerName()

    #: Options of the recipe that this kind of network is trained with unless told otherwise.
    recipe_defaults: ClassVar[dict[str, Any]] = {}

    #: Whether the checkpoint that learned from the fold's training cases is looked for; `choose` judges starts without.
    may_have_seen_cases: bool = True

    #: Whether the network has outputs at lower resolutions to learn from.
    has_deep_supervision: ClassVar[bool] = True

    def __init__(
        self,
        plans: dict[str, Any],
        configuration: str,
        fold: int,
        dataset_json: dict[str, Any],
        device: torch.device = torch.device("cuda"),  # noqa: B008  (nnU-Net reads this very signature)
    ) -> None:
        try:
            # Before nnU-Net imports anything that the plans name, or makes folders of it.
            target_from_plans(plans, dataset_json, configuration)
        except UserError as error:
            self._end(error)
        super().__init__(plans, configuration, fold, dataset_json, device)
        try:
            self._check_plan()
            self._follow(self._decided(recipe_for(plans, defaults=self.recipe_defaults)))
        except UserError as error:
            self._refuse(error)
        self.enable_deep_supervision = self.has_deep_supervision
        if self.run.epochs is not None:
            self.num_epochs = self.run.epochs
        if self.run.iters is not None:
            self.num_iterations_per_epoch = self.run.iters
            # nnU-Net's proportion, 50 validation iterations to 250.
            self.num_val_iterations_per_epoch = max(1, self.run.iters // 5)
        # nnU-Net saves each 50 epochs, which is never in a short run; ten times a run lets `--c` go on.
        self.save_every = min(50, max(1, self.num_epochs // 10))
        self._iteration = 0
        self._initial_version = 0
        self.mixer: Mixer | None = None
        self._stop: StopRequest | None = None

    def _check_plan(self) -> None:
        """Refuse plans that the network cannot be built for; nnU-Net's own network can for all."""

    def _decided(self, recipe: FinetuneRecipe) -> FinetuneRecipe:
        """Return the recipe with all that the arm and the plan decide; the arm ``auto`` becomes the one chosen."""
        mix = recipe.mix or RenewConfig()
        if self.run.arm == "auto":
            chosen = read_choice(self.target, self.fold)
            self.run = replace(self.run, arm=chosen.arm, mix=chosen.mix is not None)
            self.may_have_seen_cases = False
            mix = chosen.mix or mix
        schemes = self.configuration_manager.normalization_schemes
        return recipe.model_copy(update={"mix": adapted(mix, schemes) if self.run.mix else None})

    def _follow(self, recipe: FinetuneRecipe) -> None:
        """Train by ``recipe``, and have nnU-Net write it into each checkpoint."""
        self.recipe = recipe
        self.initial_lr, self.weight_decay = recipe.rate, recipe.weight_decay
        self.my_init_kwargs[RECIPE_KEY] = recipe.model_dump()

    @property
    def target(self) -> NetworkTarget:
        """The planned network."""
        return target_from_plans(self.plans_manager.plans, self.dataset_json, self.configuration_name)

    def _mixer(self) -> Mixer | None:
        """Return what renews a share of each batch, or None where the recipe has no mixing."""
        if self.recipe.mix is None:
            return None
        spacing, channels = self.target.spacing, len(self.configuration_manager.normalization_schemes)
        return Mixer(self.recipe.mix, self.label_manager, spacing, channels, self.run.seed, self.local_rank)

    def initialize(self) -> None:
        """Build the network and what trains it; seeded, so that both arms start from the same random values."""
        if self.run.seed is not None:
            seed_everything(self.run.seed)
        super().initialize()
        self._initial_version = self._weights_version()
        self.mixer = self._mixer()

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, WarmupPoly]:
        """Return the recipe's optimiser, nnU-Net's SGD by default, with a schedule that warms up first."""
        network = unwrap(self.network)
        optimizer = build_optimizer(network, self.recipe)
        if self.recipe.freeze_encoder_epochs:
            hold_still(optimizer, encoder_parameters(network), self._encoder_is_frozen)
        warmup_epochs = self.recipe.warmup * self.num_epochs
        return optimizer, WarmupPoly(optimizer, self.num_epochs, warmup_epochs, self.num_iterations_per_epoch)

    def _encoder_is_frozen(self) -> bool:
        return self.current_epoch < self.recipe.freeze_encoder_epochs

    def load_checkpoint(self, filename_or_checkpoint: str) -> None:
        """Go on with the recipe that the run began with, whatever is set by now, then as nnU-Net does.

        Raises:
            SystemExit: With code 2 if the file is damaged or not of such a run.
        """
        if not self.was_initialized:
            try:
                began = saved_recipe(Path(filename_or_checkpoint))
            except UserError as error:
                self._refuse(error)
            if began != self.recipe:
                self.print_to_log_file(f"going on as the run began, with {began}; what is set now is {self.recipe}")
            self._follow(began)
        super().load_checkpoint(filename_or_checkpoint)

    def on_train_start(self) -> None:
        """Copy the pre-trained weights if the training starts now, then go on as nnU-Net does.

        Raises:
            SystemExit: With code 2 if a finished training is there, or there is no checkpoint or it does not fit; the
                reason is on stderr and in the log. nnU-Net's command has no place where an error of ours could be
                turned into one line.
        """
        if self.current_epoch == 0:
            try:
                self._refuse_finished()
                self._start()
            except UserError as error:
                self._refuse(error)
            except OSError as error:
                self._refuse(explained(error))
        if not self.is_ddp:  # whose processes would have to agree on the epoch
            self._stop = StopRequest()  # before the processes that augment are forked
        super().on_train_start()

    def get_training_transforms(self, *args: Any, **kwargs: Any) -> Any:
        """Return nnU-Net's augmentation; with a seed it does not look at the clock."""
        transforms = super().get_training_transforms(*args, **kwargs)
        return transforms if self.run.seed is None else without_clock(transforms)

    def _refuse_finished(self) -> None:
        """Refuse to begin again over a finished training, which nnU-Net would overwrite.

        Raises:
            ConfigError: If there is one, and ``RASD_OVERWRITE`` does not allow it.
        """
        final = Path(self.output_folder) / FINAL_CHECKPOINT
        if final.is_file() and not may_overwrite():
            raise ConfigError(
                f"{final.parent} holds a finished training, which this one would overwrite. Give --c or --val to go on "
                "with it, choose another name or seed of the trainer, or set RASD_OVERWRITE=1 to begin again."
            )

    def _start(self) -> None:
        """Load the weights of the arm, and write down what was done."""
        if self.was_initialized and self._weights_version() != self._initial_version:
            raise TransferError(
                "weights were loaded before the training started (-pretrained_weights), but RaSDTrainer loads its own. "
                "Leave -pretrained_weights out and set RASD_CHECKPOINT, or use -tr nnUNetTrainer."
            )
        checkpoint = None
        if self.run.arm != "scratch":
            checkpoint = self._source()
            self._refuse_seen(checkpoint[0])
        if not self.was_initialized:
            self.initialize()
        transfer = None if checkpoint is None else self._transfer(checkpoint[0])
        if self.local_rank == 0:
            content = start_report(self, checkpoint, transfer)
            write_text(Path(self.output_folder) / "transfer_report.json", json.dumps(content, indent=2))
        self.print_to_log_file(f"{type(self).__name__}: {describe_start(checkpoint, transfer)}\nrecipe: {self.recipe}")

    def _source(self) -> tuple[Source, Choice]:
        if self.run.arm not in RESERVED_ARMS:
            return arm_source(self.run.arm)
        choice = self._find_checkpoint()
        return open_source(choice.path), choice

    def _find_checkpoint(self) -> Choice:
        fold = self.fold if self.may_have_seen_cases else None
        return checkpoint_for(self.target, self.plans_manager.plans, fold=fold)

    def _refuse_seen(self, source: Source) -> None:
        """Refuse weights that learned from cases which this training validates on."""
        seen = seen_by(source)
        if seen is not None and self.fold != "all":  # which holds nothing out
            refuse_seen(seen, self.target, self.fold, self.do_split()[1])

    def _transfer(self, source: Source) -> TransferReport:
        """Copy what the recipe asks for. Draws nothing: under DDP the ranks have agreed on the weights before."""
        return start(source, self.target, self.network, self.recipe.start)

    def _weights_version(self) -> int:
        """Return a number that any writing into the parameters raises."""
        return sum(p._version for p in unwrap(self.network).parameters())

    def _refuse(self, error: UserError) -> NoReturn:
        self.print_to_log_file(f"error: {error}", also_print_to_console=False)
        self._end(error)

    @staticmethod
    def _end(error: UserError) -> NoReturn:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(2) from error

    def on_epoch_start(self) -> None:
        """Seed the epoch by its number, so that a run resumed at it draws what an uninterrupted one draws."""
        if self.run.seed is not None:
            seed_everything(self.run.seed, self.local_rank + 1, self.current_epoch)
        super().on_epoch_start()

    def on_train_epoch_start(self) -> None:
        """Go to the first iteration of the epoch."""
        self._iteration = 0
        super().on_train_epoch_start()

    def on_epoch_end(self) -> None:
        """End the epoch as nnU-Net does, and the process if a scheduler asked for it, with everything saved.

        Raises:
            SystemExit: With 128 and the signal's number; ``--c`` goes on.
        """
        super().on_epoch_end()
        signal = self._stop.received if self._stop is not None else None
        if signal is None or self.current_epoch >= self.num_epochs:
            return
        self.current_epoch -= 1  # nnU-Net writes the number of the next epoch
        self.save_checkpoint(str(Path(self.output_folder) / "checkpoint_latest.pth"))
        self.print_to_log_file(f"stopped by {signal.name} after epoch {self.current_epoch}, saved; --c goes on")
        raise SystemExit(128 + signal)

    def on_train_end(self) -> None:
        """Finish as nnU-Net does; a signal in the validation, which keeps nothing, ends it at once."""
        super().on_train_end()
        if self._stop is not None:
            self._stop.lift()

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Set this iteration's rate, mix new appearances in where the arm does, and take nnU-Net's step."""
        epoch = self.current_epoch + self._iteration / self.num_iterations_per_epoch
        self.lr_scheduler.step(epoch)
        if self.mixer is not None:
            iteration = self.current_epoch * self.num_iterations_per_epoch + self._iteration
            data = batch["data"].to(self.device, non_blocking=True)
            batch = {**batch, "data": self.mixer(data, batch["target"], iteration, epoch / self.num_epochs)}
        self._iteration += 1
        result: dict[str, Any] = super().train_step(batch)
        return result

    def save_checkpoint(self, filename: str) -> None:
        """Write nnU-Net's checkpoint beside ``filename``, then move it there: a kill leaves the earlier one whole."""
        path = Path(filename)
        temporary = path.with_name(f".{path.name}.tmp")
        super().save_checkpoint(str(temporary))
        if temporary.is_file():
            temporary.replace(path)
