"""Samples written to disk once and read again and again, instead of fresh ones every step."""

from __future__ import annotations

from rasd_nnu.pretrain.offline.batches import OfflineBatches, OfflineSamples, open_samples
from rasd_nnu.pretrain.offline.manifest import Manifest
from rasd_nnu.pretrain.offline.write import write_samples

__all__ = ["Manifest", "OfflineBatches", "OfflineSamples", "open_samples", "write_samples"]
