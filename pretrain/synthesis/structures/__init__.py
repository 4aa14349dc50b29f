"""Structures that blob fields never make, one file each: prior, draw and rendering into the label map."""

from __future__ import annotations

from rasd_nnu.pretrain.synthesis.registry import import_all
from rasd_nnu.pretrain.synthesis.structures.base import STRUCTURES, DrawnStructure, Structure, add_structures

import_all(__name__, __path__)

__all__ = ["STRUCTURES", "DrawnStructure", "Structure", "add_structures"]
