"""A model card for a published checkpoint, from its metadata."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from rasd_nnu.errors import printable

_HEAD = """\
---
library_name: rasd-nnu
tags: [rasd-nnu, nnU-Net, medical-imaging, pre-training, synthetic-data]
---
# {name}

Weights of a {network}, pre-trained with rasd-nnu on synthetic images only: no \
image of a patient was used. They are a start for fine-tuning with nnU-Net, not a model for any task by themselves.

## Use

    pip install 'rasd-nnu[hub]'
    rasd_nnu inspect hf://{name}
    eval "$(rasd_nnu env)"
    RASD_CHECKPOINT=hf://{name} nnUNetv2_train DATASET CONFIGURATION FOLD -tr RaSDTrainer

## How it was made

| | |
|---|---|
"""


def model_card(meta: Mapping[str, Any], name: str) -> str:
    """Return the card as Markdown with the front matter of the Hugging Face hub.

    Args:
        meta: The ``rasd`` entry of a checkpoint.
        name: The repository, ``owner/name``.
    """
    network = meta["architecture"]["network_class_name"].rpartition(".")[2]
    head = _HEAD.format(name=name, network=network)
    return head + "".join(f"| {key} | {_cell(value)} |\n" for key, value in summary(meta))


def _cell(text: str) -> str:
    """Return text that cannot end a cell of the table, or be taken for HTML."""
    return html.escape(printable(" ".join(text.split())), quote=False).replace("|", "\\|")


def summary(meta: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a checkpoint says about itself as names and short texts, in the order to read them.

    Args:
        meta: The ``rasd`` entry of a checkpoint.
    """
    architecture = meta["architecture"]
    rows = [
        ("network", architecture["network_class_name"].rpartition(".")[2]),
        ("planned for", _planned_for(meta)),
        ("dimensions", f"{meta['dims']}D"),
        ("input channels", str(meta["input_channels"])),
        ("patch", _times(meta["patch_size"])),
        ("spacing (mm)", _times(meta["spacing"])),
        ("normalisation", ", ".join(meta.get("normalization") or ()) or "none"),
    ]
    if meta.get("recipe") is None:  # weights without a run, such as converted ones
        return rows
    return rows + _maps_rows(meta) + _run_rows(meta)


def _maps_rows(meta: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Say which cases the label maps came from, if from any."""
    if not (seen := meta.get("seen")):
        return []
    count, more = len(seen["cases"]), len(seen.get("unlabelled") or ())
    source = f"{meta['maps']}: {count} training cases of fold {seen['fold']} of {seen['dataset']}"
    return [("label maps", source + (f", {more} images without labels" if more else ""))]


def _run_rows(meta: Mapping[str, Any]) -> list[tuple[str, str]]:
    synthesis, recipe, objective = meta["synthesis"], meta["recipe"], meta["objective"]
    losses = ", ".join(f"{name} {value:.4g}" for name, value in meta["final_losses"].items())
    state = "finished" if meta["finished"] else f"stopped before {recipe['iterations']}"
    details = ", ".join(f"{key} {value}" for key, value in objective.items() if key != "name")
    skipped = ("iterations", "batch_size", "seed", "temperature", "normalize", "objective")
    return [
        ("synthesis", f"preset {synthesis['name']}, {synthesis['classes']} classes"),
        ("objective", f"{objective['name']} ({details})"),
        ("iterations", f"{meta['iterations']} of batch {recipe['batch_size']}, {state}"),
        ("recipe", ", ".join(f"{k} {v}" for k, v in recipe.items() if k not in skipped and v is not None)),
        ("seed", str(meta["seed"])),
        ("samples", f"{meta['samples_seen']} seen, {meta['samples_different']} different"),
        ("final losses", f"{losses} (means of the last 5 %)"),
        ("time", f"{meta['seconds']:.0f} s on {meta['hardware']['processes']} x {meta['hardware']['device']}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in meta["versions"].items())),
    ]


def _planned_for(meta: Mapping[str, Any]) -> str:
    planned = meta.get("planned_for")
    return "{dataset} {plans} {configuration}".format(**planned) if planned else "no data set (standard network)"


def _times(values: list[float]) -> str:
    return " x ".join(f"{value:g}" for value in values)
