"""nnU-Net's results: what it names the folder of a training by, and what lies in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rasd_nnu.errors import ConfigError
from rasd_nnu.files import expanded
from rasd_nnu.nnunet.commands import DEFAULT_PLANS, shown, train
from rasd_nnu.nnunet.datasets import dataset_id, dataset_name
from rasd_nnu.nnunet.env import nnunet_folder
from rasd_nnu.nnunet.names import plain_fold, plain_name
from rasd_nnu.nnunet.trainer_names import parse_name

SUMMARY = Path("validation", "summary.json")
#: Per-case records of a validation; nnU-Net writes the first, classification and detection the others.
RECORDS = ("summary.json", "predictions.csv", "detections.json")
FINAL_CHECKPOINT = "checkpoint_final.pth"
#: What `rasd_nnu finetune` leaves of a classification or detection instead.
MODEL = "model.pth"


@dataclass(frozen=True)
class Training:
    """What nnU-Net names the output folder of one training by.

    Args:
        results: The folder ``nnUNet_results``.
        dataset: Full name of the data set, such as ``Dataset004_Hippocampus``.
        trainer: Name of the trainer class.
        plans: Plans name.
        configuration: Configuration, such as ``3d_fullres``.

    Raises:
        ConfigError: If a name would lead elsewhere.
    """

    results: Path
    dataset: str
    trainer: str
    plans: str
    configuration: str

    def __post_init__(self) -> None:
        for what in ("dataset", "trainer", "plans", "configuration"):
            plain_name(getattr(self, what), f"the name of the {what}", ConfigError)

    @property
    def folder(self) -> Path:
        """The folder of the model."""
        return self.results / self.dataset / f"{self.trainer}__{self.plans}__{self.configuration}"

    def fold(self, fold: str | int) -> Path:
        """Return the folder of a fold."""
        return self.folder / f"fold_{plain_fold(fold, ConfigError)}"

    def summary(self, fold: str) -> Path:
        """Return where the validation of a fold writes its summary, or its records of another kind."""
        places = [self.fold(fold) / SUMMARY.with_name(name) for name in RECORDS]
        return next((path for path in places if path.is_file()), places[0])

    def command(self, fold: str) -> str:
        """Return the command that writes the summary of a fold: nnU-Net's, or `rasd_nnu finetune`."""
        name = parse_name(self.trainer)
        if name is not None and name.kind != "Trainer":
            plans = "" if self.plans == DEFAULT_PLANS else f" -p {self.plans}"
            options = {"epochs": name.epochs, "seed": name.seed, "labelled": name.labelled}
            given = "".join(f" --{key} {value}" for key, value in options.items() if value is not None)
            return (
                f"rasd_nnu finetune {dataset_id(self.dataset)} -c {self.configuration} -f {fold}{plans} "
                f"--arm {name.arm}{given}{' --series' if name.series else ''}"
            )
        more = ["--val"] if (self.fold(fold) / FINAL_CHECKPOINT).is_file() else []
        command = train(self.dataset, self.configuration, fold, plans=self.plans, trainer=self.trainer, more=more)
        return shown(command)


def fold_summaries(model: Path) -> dict[str, Path]:
    """Return fold -> summary, or records of another kind, of a model folder, in numeric order.

    Fold ``all`` is not among them, as it validates on its own training cases.
    """
    paths = [path for name in reversed(RECORDS) for path in model.glob(f"fold_*/{SUMMARY.with_name(name)}")]
    found = {path.parent.parent.name.removeprefix("fold_"): path for path in paths}
    numbered = [fold for fold in found if fold.isascii() and fold.isdigit()]
    return {fold: found[fold] for fold in sorted(numbered, key=int)}


def fold_folder(summary: Path) -> Path | None:
    """Return the folder ``fold_X`` of ``fold_X/validation/summary.json``, or None for a summary elsewhere."""
    validation = summary.absolute().parent
    inside = validation.name == "validation" and validation.parent.name.startswith("fold_")
    return validation.parent if inside else None


def model_folder(model: str, trainer: str, plans: str, configuration: str | None) -> Path:
    """Return the folder of a trained model, from its path or from what nnU-Net names it by.

    Args:
        model: Path of the folder, or id or name of the data set.
        trainer: Trainer; like the rest not looked at where ``model`` is a path.
        plans: Plans name.
        configuration: Configuration.

    Raises:
        ConfigError: If there is none.
    """
    path = expanded(model)
    if (path / "plans.json").is_file():
        return path
    if path.is_dir():
        raise ConfigError(
            f"{path} has no plans.json, expected a model's folder as <trainer>__<plans>__<configuration>. "
            "Give that folder, or a data set with -c."
        )
    if configuration is None:
        raise ConfigError(f"{model!r} is no model's folder; to export a data set's model give -c, as -c 3d_fullres.")
    training = Training(nnunet_folder("nnUNet_results"), dataset_name(model), trainer, plans, configuration)
    if not (training.folder / "plans.json").is_file():
        folder = training.folder.parent
        found = sorted(p.name for p in folder.glob("*__*__*")) if folder.is_dir() else []
        raise ConfigError(
            f"no trained model in {training.folder} (found: {', '.join(found) or 'none'}). Check -tr, -p and -c."
        )
    return training.folder
