"""A study.yaml to fill in."""

from __future__ import annotations

import re
from pathlib import Path

from rasd_nnu.errors import ConfigError
from rasd_nnu.files import write_text
from rasd_nnu.workflows.study.config import STUDY_FILE

_TEMPLATE = """\
# Everything that is not commented out is needed; the rest shows what else there is.
name: {name}

tasks:                        # keys of `rasd_nnu tasks list`, or ids of data sets in nnUNet_raw
  - task: msd04_hippocampus
    # source: /data/Task04_Hippocampus   # unpacked release; else under RASD_DATA, else downloaded
    # configurations: [2d, 3d_fullres]   # default: 2d or 3d_fullres, as the images are
    # compact: {{features: 8, batch_size: 4}}   # a narrow twin, for machines without a GPU

arms:
  rasd: {{start: rasd}}         # pre-trained once, for all seeds, folds and arms that may share it
  scratch: {{start: scratch}}
  # longer: {{start: scratch, compute: total}}   # gets the steps of the pre-training, too
  # mixed: {{start: scratch, mix: curve}}
  # other: {{start: voco}}      # registered with `rasd_nnu arms add voco`
control: scratch

seeds: [0, 1, 2]              # of labelled cases, weights and batches
folds: [0]                    # of the split by patient
labelled: [5, 20]             # drawn by patient, nested: the 5 are among the 20; `all` for all
budgets: [100x250]            # EPOCHSxITERATIONS of the fine-tuning
# validation_cases: 20        # judge on some of a fold's validation cases only

pretrain: {{iterations: 5000}}  # options of `rasd_nnu pretrain`
finetune: {{optimizer: sgd}}    # options of the recipe, for all arms alike

machine:
  device: cuda                # or cpu
  threads: 4                  # cores of a job
  memory_gb: 16
  # time_limit: 24h           # of a job on a cluster; a longer training goes on in the next job
  attempts: 3                 # a job that fails so often is given up, the rest goes on

# drop: [checkpoints]         # what is dropped once nothing needs it: checkpoints, predictions
# step_seconds: {{3d_fullres: 0.3}}   # measured here, for the estimate of hours
"""


def write_template(folder: Path, name: str | None) -> Path:
    """Write ``study.yaml`` into a folder that holds no study, and return its path.

    Raises:
        ConfigError: If the folder holds a study, or the name cannot be used.
    """
    path = folder / STUDY_FILE
    if path.exists():
        raise ConfigError(f"{path} exists: the folder holds a study. Take another folder.")
    chosen = name or re.sub(r"[^A-Za-z0-9_-]+", "_", folder.resolve().name).strip("_-")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", chosen):
        raise ConfigError(f"a study cannot be called {chosen!r}, expected letters, digits, _ and -. Give --name.")
    write_text(path, _TEMPLATE.format(name=chosen))
    return path
