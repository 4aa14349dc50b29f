"""nnU-Net's preprocessed cases of a planned configuration: folds, arrays and digests."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from rasd_nnu.errors import ConfigError, DatasetError, PlansError
from rasd_nnu.nnunet.commands import plan, shown
from rasd_nnu.nnunet.env import nnunet_folder, nnunet_folder_if_set
from rasd_nnu.nnunet.names import plain_fold
from rasd_nnu.nnunet.plans import NetworkTarget, read_plans
from rasd_nnu.nnunet.splits import read_splits

#: nnU-Net's split where none was given: five folds with this seed.
_FOLDS, _SEED = 5, 12345


@dataclass(frozen=True)
class Fold:
    """Cases of a fold.

    Args:
        name: Its number, or ``all``.
        train: Cases to train on.
        validation: Cases that are held out; none for ``all``, which nnU-Net validates on its training cases.
    """

    name: int | str
    train: tuple[str, ...]
    validation: tuple[str, ...]


def fold_name(text: int | str) -> int | str:
    """Return the number of a fold, or ``all``.

    Raises:
        ConfigError: If it is neither.
    """
    name = plain_fold(str(text), ConfigError)
    return name if name == "all" else int(name)


class Preprocessed:
    """The preprocessed cases of a planned configuration.

    Args:
        target: A planned network.

    Raises:
        PlansError: If there are none; the message holds nnU-Net's command.
    """

    def __init__(self, target: NetworkTarget) -> None:
        from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

        if target.dataset is None or target.plans is None or target.configuration is None:
            raise PlansError("a standard network has no cases. Name a data set with --dataset and -c.")
        plans, self.dataset_json = read_plans(target.dataset, target.plans)
        self.dataset = target.dataset
        self.plans = PlansManager(plans)
        self.configuration = self.plans.get_configuration(target.configuration)
        self.labels = self.plans.get_label_manager(self.dataset_json)
        self.home = nnunet_folder("nnUNet_preprocessed") / target.dataset
        self.folder = self.home / self.configuration.data_identifier
        self._arrays = self._open(target.plans)
        self._known = frozenset(self._arrays.identifiers)

    def _open(self, plans: str) -> Any:
        from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class

        if self.folder.is_dir() and any(self.folder.glob("*.pkl")):
            return infer_dataset_class(str(self.folder))(str(self.folder))
        raise PlansError(
            f"{self.dataset} has no preprocessed cases in {self.folder}. "
            f"Make them with: {shown(plan(self.dataset, plans))}"
        )

    @property
    def cases(self) -> tuple[str, ...]:
        """All cases, sorted."""
        return tuple(sorted(self._known))

    def fold(self, name: int | str) -> Fold:
        """Return the cases of a fold as nnU-Net splits them.

        Raises:
            ConfigError: If there is no such fold.
            DatasetError: If it has no training cases, or one that is not preprocessed.
        """
        name = fold_name(name)
        if name == "all":
            return Fold(name, self.cases, ())
        splits = self._splits()
        if not 0 <= int(name) < len(splits):
            raise ConfigError(f"there is no fold {name} of {self.dataset}, expected 0 to {len(splits) - 1}, or all.")
        fold = Fold(name, *(tuple(sorted(splits[int(name)][side])) for side in ("train", "val")))
        missing = [case for case in fold.train if case not in self._known]
        if missing or not fold.train:
            what = f"the training case {missing[0]!r} is not in {self.folder}" if missing else "it has none"
            raise DatasetError(f"training cases of fold {name} of {self.dataset}: {what}. Check splits_final.json.")
        return fold

    def _splits(self) -> list[dict[str, list[str]]]:
        """Return nnU-Net's splits: those of ``splits_final.json``, or else those that it will write there."""
        file = self.home / "splits_final.json"
        if file.is_file():
            return read_splits(file)
        from nnunetv2.utilities.crossval_split import generate_crossval_split

        if len(self.cases) < _FOLDS:
            raise DatasetError(
                f"{self.dataset} has {len(self.cases)} cases and no {file.name}; nnU-Net's own split needs {_FOLDS}. "
                f"Write {file}, or give -f all."
            )
        splits = generate_crossval_split(list(self.cases), seed=_SEED, n_splits=_FOLDS)
        return [{side: list(map(str, split[side])) for side in ("train", "val")} for split in splits]

    def load(self, case: str) -> tuple[Any, Any, dict[str, Any]]:
        """Return image ``(C, *S)``, label ``(1, *S)``, both read when sliced, and nnU-Net's properties.

        Raises:
            DatasetError: If there is no such case.
        """
        if case not in self._known:
            raise DatasetError(
                f"case {case[:80]!r} is not in {self.folder}. Preprocess it, or check splits_final.json."
            )
        image, label, _, properties = self._arrays.load_case(case)
        return image, label, properties

    def content_digest(self, case: str) -> str:
        """Return the SHA-256 of the preprocessed image: shape, then values."""
        return array_digest(np.asarray(self.load(case)[0][:]))

    def image_digest(self, case: str) -> str | None:
        """Return the SHA-256 of the raw image's voxels, or None where the raw data are not there."""
        files = self._raw_files(case)
        if not files:
            return None
        images, _ = self.plans.image_reader_writer_class().read_images(files)
        return array_digest(np.asarray(images, np.float32))

    def _raw_files(self, case: str) -> list[str]:
        """Return the files of a case's channels; none where one is missing.

        nnU-Net's own function for this starts processes, which is not safe where threads run.
        """
        raw = nnunet_folder_if_set("nnUNet_raw")
        if raw is None or case not in self._known:
            return []
        home = raw / self.dataset
        if (listed := self.dataset_json.get("dataset")) is not None:
            files = [home / os.path.expandvars(file) for file in listed.get(case, {}).get("images", [])]
        else:
            ending, channels = self.dataset_json["file_ending"], len(self.dataset_json["channel_names"])
            files = [home / "imagesTr" / f"{case}_{channel:04d}{ending}" for channel in range(channels)]
        return [str(file) for file in files] if all(file.is_file() for file in files) else []


def array_digest(values: np.ndarray) -> str:
    """Return the SHA-256 of an array: shape, then values."""
    digest = hashlib.sha256(repr(values.shape).encode())
    digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()
