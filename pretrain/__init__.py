"""Pre-training on synthetic images: the loop, its recipe, the synthesis and the objectives."""
