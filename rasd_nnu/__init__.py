"""Synthetic pre-training for nnU-Net v2, and honest statistics on whether it helped."""

from __future__ import annotations

__version__ = "0.1.0"
