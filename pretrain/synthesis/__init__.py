"""Randomised synthesis: draw parameters, then render an image and its label map.

Cf. section 4.1 of the paper. Everything is a function of ``(config, seed, index)``.
"""

from __future__ import annotations

from rasd_nnu.pretrain.synthesis.config import PRESETS, SynthesisConfig
from rasd_nnu.pretrain.synthesis.draw import STREAM_VERSION, SampleParameters, draw, draw_view, generator_for, reappear
from rasd_nnu.pretrain.synthesis.engine import render, render_images, synthesize, synthesize_views

__all__ = [
    "PRESETS",
    "STREAM_VERSION",
    "SampleParameters",
    "SynthesisConfig",
    "draw",
    "draw_view",
    "generator_for",
    "reappear",
    "render",
    "render_images",
    "synthesize",
    "synthesize_views",
]
