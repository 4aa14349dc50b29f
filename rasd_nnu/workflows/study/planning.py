"""Let nnU-Net plan and preprocess a prepared data set of any kind, with a narrow twin where one is asked for."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from rasd_nnu.errors import PlansError, SetupError
from rasd_nnu.nnunet import commands
from rasd_nnu.nnunet.env import nnunet_folder
from rasd_nnu.reading import read_json_object
from rasd_nnu.workflows.experiment.compact import add_compact


def plan_dataset(
    dataset: str, configurations: Sequence[str], plans: str, workers: int, compact: tuple[int, int] | None = None
) -> None:
    """Plan and preprocess a data set of `rasd_nnu tasks prepare`.

    Args:
        dataset: Full name of a raw data set.
        configurations: Configurations to preprocess.
        plans: Plans name.
        workers: Processes that preprocess.
        compact: Features of the first stage and batch size of the narrow twins, ``<configuration>_compact``.

    Raises:
        SetupError: If nnU-Net's command fails.
        PlansError: If it planned no such configuration.
    """
    command = commands.plan(dataset, plans)
    command += ["-c", *configurations, "-np", str(workers), "-npfp", str(workers)]
    program = Path(sysconfig.get_path("scripts")) / command[0]
    # nnU-Net's planning does not work with a variable that its training takes.
    environment = {name: value for name, value in os.environ.items() if name != "nnUNet_n_proc_DA"}
    code = subprocess.run([str(program), *command[1:]], env=environment, check=False).returncode
    if code:
        raise SetupError(f"`{commands.shown(command)}` failed with exit code {code}; the reason is above.")
    folder = nnunet_folder("nnUNet_preprocessed") / dataset
    file = folder / f"{plans}.json"
    planned = read_json_object(file, PlansError)["configurations"]
    for configuration in configurations:
        if configuration not in planned:
            raise PlansError(
                f"nnU-Net planned no {configuration} for {dataset}, only {', '.join(planned)}. Ask for one of these."
            )
        if compact is not None:
            dataset_json = read_json_object(folder / "dataset.json", PlansError)
            features, batch_size = compact
            add_compact(file, dataset_json, configuration, base_features=features, batch_size=batch_size)
