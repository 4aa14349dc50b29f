"""One self-contained HTML page that shows what the demo did."""

from __future__ import annotations

import base64
import html
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

from rasd_nnu.checkpoints.file import load_checkpoint
from rasd_nnu.checkpoints.registry import default_path
from rasd_nnu.compare.render import print_comparison
from rasd_nnu.files import write_text
from rasd_nnu.pretrain.preview import picture_sheet
from rasd_nnu.pretrain.synthesis import SynthesisConfig

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rasd_nnu.compare import Comparison
    from rasd_nnu.nnunet.plans import NetworkTarget

_PICTURED_CASES = 4
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>rasd_nnu demo: {title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}
img {{ max-width: 100%; }} pre {{ font-size: 13px; overflow-x: auto; }} h2 {{ margin-top: 2.5rem; }}
.phantom {{ background: #fff3cd; padding: .5rem 1rem; }}
</style></head><body>
<h1>rasd_nnu demo: {title}</h1>
{note}
<h2>1. What the network was pre-trained on</h2>
<p>Synthetic images and their label maps, made on the fly. No real image was seen.</p>{samples}
<h2>2. Pre-training</h2>
<p>{pretraining}</p>{curve}
<h2>3. Both arms on held-out cases</h2>
<p>The cases with the worst, lower-quartile, upper-quartile and best mean score of the two arms (middle slice of the
structure). The arms differ in nothing but the initial weights.</p>{cases}
<h2>4. Does it help?</h2>{table}{pairs}
</body></html>
"""


def write_page(folder: Path, target: NetworkTarget, comparison: Comparison, predictions: tuple[Path, Path]) -> Path:
    """Write ``index.html``.

    Args:
        folder: Folder of the demo.
        target: The network that was pre-trained and fine-tuned.
        comparison: Arm with pre-training against the arm from scratch.
        predictions: Folder of the predicted held-out cases of each arm.

    Returns:
        The page.
    """
    assert target.dataset is not None
    meta = load_checkpoint(default_path(target))["rasd"]
    config = SynthesisConfig.from_dict(meta["synthesis"])
    phantom = target.dataset.endswith("_Phantom")
    text = _PAGE.format(
        title=html.escape(target.dataset),
        note='<p class="phantom">A phantom of simple shapes, not real images.</p>' if phantom else "",
        samples=_embed(picture_sheet(config, [config.max_classes], samples=3), "synthetic images and labels"),
        pretraining=f"{meta['iterations']} iterations on {meta['samples_different']} different samples in "
        f"{meta['seconds']:.0f} s; synthesis took {meta['synthesis_share'] or 0:.0%} of a step.",
        curve=_embed(_curve(meta["curve"]), "pre-training losses"),
        cases=_embed(_cases(folder / "nnUNet_raw" / target.dataset, comparison, predictions), "predictions"),
        table=_table(comparison),
        pairs=_embed(_pairs(comparison), "paired scores"),
    )
    page = folder / "index.html"
    write_text(page, text)
    return page


def _embed(figure: Figure, description: str) -> str:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=100)
    encoded = base64.b64encode(stream.getvalue()).decode()
    return f'<p><img alt="{description}" src="data:image/png;base64,{encoded}"></p>'


def _table(comparison: Comparison) -> str:
    console = Console(record=True, width=110, file=io.StringIO())
    print_comparison(comparison, console)
    return console.export_html(inline_styles=True, code_format="<pre>{code}</pre>")


def _curve(curve: dict[str, list[float]]) -> Figure:
    """Plot losses and voxel accuracy over the iterations."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name in ("separation", "clustering"):
        left.plot(curve["iteration"], curve[name], label=name)
    left.set(xlabel="iteration", ylabel="loss", yscale="log")
    left.legend(frameon=False)
    right.plot(curve["iteration"], curve["accuracy"], color="tab:green")
    right.set(xlabel="iteration", ylabel="voxels nearest to their own prototype", ylim=(0, 1))
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def _cases(raw: Path, comparison: Comparison, predictions: tuple[Path, Path]) -> Figure:
    """Show the image, the reference and both predictions of a few cases, spread over the scores."""
    import nibabel
    from matplotlib.figure import Figure

    ending = json.loads((raw / "dataset.json").read_text())["file_ending"]
    rows = sorted(comparison.rows, key=lambda row: row.a + row.b)
    chosen = [rows[i] for i in np.linspace(0, len(rows) - 1, _PICTURED_CASES).round().astype(int)]
    figure = Figure(figsize=(10, 2.6 * len(chosen)), layout="constrained")
    for axes, row in zip(figure.subplots(len(chosen), 4, squeeze=False), chosen, strict=True):
        files = [raw / "imagesTr" / f"{row.case}_0000{ending}", raw / "labelsTr" / f"{row.case}{ending}"]
        files += [folder / f"{row.case}{ending}" for folder in predictions]
        image, *labels = [np.asanyarray(nibabel.load(path).dataobj) for path in files]  # type: ignore[attr-defined]
        # The slice that shows most of the reference, across the last axis.
        index = int((labels[0] > 0).sum((0, 1)).argmax())
        titles = (row.case, "reference", f"RaSD {row.a:.3f}", f"scratch {row.b:.3f}")
        for axis, title, label in zip(axes, titles, [None, *labels], strict=True):
            axis.imshow(image[:, :, index].T, cmap="gray", origin="lower")
            if label is not None:
                shown = np.ma.masked_equal(label[:, :, index].T, 0)
                axis.imshow(shown, cmap="autumn", vmin=1, vmax=2, alpha=0.6, origin="lower", interpolation="nearest")
            axis.set_title(title, fontsize=9)
            axis.axis("off")
    return figure


def _pairs(comparison: Comparison) -> Figure:
    """Plot the score of each case in one arm against the other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    axis = figure.subplots()
    first, second = (np.array([getattr(row, side) for row in comparison.rows]) for side in "ab")
    low = max(0.0, float(np.nanmin([first, second])) - 0.02)
    axis.plot([low, 1], [low, 1], color="0.7", linewidth=1)
    axis.scatter(second, first, s=16)
    axis.set(xlabel=f"scratch, {comparison.score}", ylabel=f"RaSD, {comparison.score}", xlim=(low, 1), ylim=(low, 1))
    axis.spines[["top", "right"]].set_visible(False)
    return figure
