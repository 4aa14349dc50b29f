"""From pre-trained weights to a planned network, with a report on every tensor."""

from __future__ import annotations

from rasd_nnu.transfer.adapt import plan_transfer, transfer_weights, unwrap
from rasd_nnu.transfer.correspond import FitOptions, adaptation, name_map
from rasd_nnu.transfer.report import TensorEntry, TransferReport
from rasd_nnu.transfer.start import StartOptions, part_to_transfer, start
from rasd_nnu.transfer.tensors import DistinctTensor, distinct_tensors

__all__ = [
    "DistinctTensor",
    "FitOptions",
    "StartOptions",
    "TensorEntry",
    "TransferReport",
    "adaptation",
    "distinct_tensors",
    "name_map",
    "part_to_transfer",
    "plan_transfer",
    "start",
    "transfer_weights",
    "unwrap",
]
