"""A self-contained HTML page of a comparison, or of several."""

from __future__ import annotations

from rasd_nnu.compare.page.content import Details, Line, Pair, Picture, Pretraining, Transfer
from rasd_nnu.compare.page.page import render_page

__all__ = ["Details", "Line", "Pair", "Picture", "Pretraining", "Transfer", "render_page"]
