"""From pre-trained weights to a planned network, with a report on every tensor."""

from __future__ import annotations

from rasd_nnu.transfer.adapt import plan_transfer, transfer_weights, unwrap
from rasd_nnu.transfer.arms import arm_source
from rasd_nnu.transfer.correspond import FitOptions, adaptation, name_map
from rasd_nnu.transfer.locate import checkpoint_for, part_to_carry, start_from
from rasd_nnu.transfer.report import TensorEntry, TransferReport
from rasd_nnu.transfer.source import Source, open_source
from rasd_nnu.transfer.tensors import DistinctTensor, distinct_tensors

__all__ = [
    "DistinctTensor",
    "FitOptions",
    "Source",
    "TensorEntry",
    "TransferReport",
    "adaptation",
    "arm_source",
    "checkpoint_for",
    "distinct_tensors",
    "name_map",
    "open_source",
    "part_to_carry",
    "plan_transfer",
    "start_from",
    "transfer_weights",
    "unwrap",
]
