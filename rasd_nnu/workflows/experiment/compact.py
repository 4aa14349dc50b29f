"""A small twin of a planned configuration, for machines without a GPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rasd_nnu.errors import PlansError
from rasd_nnu.files import write_text
from rasd_nnu.networks.width import narrowed
from rasd_nnu.nnunet.plans import target_from_plans
from rasd_nnu.reading import read_json_object


def add_compact(
    plans_file: Path, dataset_json: dict[str, Any], configuration: str, base_features: int = 8, batch_size: int = 2
) -> str:
    """Add ``<configuration>_compact`` to a plans file: the same topology, patch and data with fewer features.

    Args:
        plans_file: Plans as nnU-Net wrote them.
        dataset_json: Content of ``dataset.json``.
        configuration: The planned configuration, which the new one inherits from.
        base_features: Features of the first stage, doubled at each further one, 320 at most.
        batch_size: Batch size of the new configuration.

    Returns:
        The name of the new configuration.
    """
    plans = read_json_object(plans_file, PlansError)
    architecture = narrowed(target_from_plans(plans, dataset_json, configuration).architecture, base_features)
    name = f"{configuration}_compact"
    plans["configurations"][name] = {
        "inherits_from": configuration,
        "batch_size": batch_size,
        "architecture": architecture,
    }
    write_text(plans_file, json.dumps(plans, indent=4))
    return name
