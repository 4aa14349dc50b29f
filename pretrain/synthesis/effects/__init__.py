"""What makes an image of a label map, one file an effect: prior, draw and rendering (eqs. 2 to 4).

A new effect is a new file in this folder; nothing else changes. `base.Stage` is the order.
"""

from __future__ import annotations

from rasd_nnu.pretrain.synthesis.effects.base import EFFECTS, Canvas, Drawn, Effect, Stage
from rasd_nnu.pretrain.synthesis.registry import import_all

import_all(__name__, __path__)

__all__ = ["EFFECTS", "Canvas", "Drawn", "Effect", "Stage"]
