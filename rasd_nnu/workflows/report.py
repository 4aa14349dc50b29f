"""Write the page of a study: gather what lies beside the records, then draw it."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rasd_nnu.compare import provenance
from rasd_nnu.compare.design import Entry
from rasd_nnu.compare.page import Details, Line, Pair, Picture, Pretraining, Transfer, render_page
from rasd_nnu.compare.result import Comparison
from rasd_nnu.compare.study import Study
from rasd_nnu.errors import ConfigError, DatasetError, UserError
from rasd_nnu.files import write_text
from rasd_nnu.workflows.case_images import box_colours, box_pictures, class_pictures
from rasd_nnu.workflows.overlays import case_pictures, label_colours
from rasd_nnu.workflows.training_lines import training_lines

_MOST_CURVE_POINTS = 400
PHANTOM = "A phantom of simple shapes, not real images: its figures say nothing about medicine."


def write_report(path: Path, study: Study, title: str, most_detailed: int = 6) -> None:
    """Write the page.

    Args:
        path: The HTML file.
        study: What to show.
        title: Title of the page.
        most_detailed: Show pictures, curves and settings of so many comparisons at most; all have their tables.
    """
    details = {i: gather(entry) for i, entry in enumerate(study.entries[:most_detailed])}
    write_text(path, render_page(study, details, title))


def gather(entry: Entry) -> Details:
    """Return what is known about a comparison beside its records; what is missing is said there."""
    comparison, missing = entry.comparison, []
    files = {name: [Path(p) for p in comparison.sources[name]] for name in comparison.names}
    cases: Sequence[Picture] = ()
    draw = {"segmentation": case_pictures, "detection": box_pictures, "classification": class_pictures}
    try:
        cases = draw[comparison.kind](comparison, entry.design.dataset)
    except UserError as error:
        missing.append(f"pictures of cases: {error}")
    losses: Sequence[Line] = ()
    dice: Sequence[Line] = ()
    try:
        losses, dice = training_lines(comparison)
    except UserError as error:
        missing.append(f"training curves: {error}")
    reports = {name: _transfer_report(paths) for name, paths in files.items()}
    settings = _settings(*(paths[0] for paths in files.values()))
    if not settings:
        missing.append("recipe and environment: no debug.json of nnU-Net beside the records")
    paper, paper_note = _paper(entry)
    return Details(
        note=PHANTOM if entry.design.dataset.endswith("_Phantom") else "",
        cases=cases,
        colours=_colours(comparison),
        losses=losses,
        dice=dice,
        pretraining=[_pretraining(name, report) for name, report in reports.items() if _has_history(report)],
        transfer=[_transfer(name, report) for name, report in reports.items() if report.get("transfer")],
        paper=paper,
        paper_note=paper_note,
        settings=settings,
        missing=missing,
    )


def _colours(comparison: Comparison) -> list[tuple[str, str]]:
    """Return the names in the pictures and their colours."""
    if comparison.kind == "detection":
        return box_colours(list(comparison.rows[0].labels_a))
    return label_colours(comparison.label_names) if comparison.kind == "segmentation" else []


def _transfer_report(paths: Sequence[Path]) -> dict[str, Any]:
    """Return the first ``transfer_report.json`` beside an arm's records, or nothing."""
    path = provenance.find_beside(paths[0], provenance.TRANSFER_REPORT)
    return provenance.read_json(path) if path else {}


def _history(report: Mapping[str, Any]) -> Mapping[str, Any]:
    return (report.get("checkpoint") or {}).get("rasd") or {}


def _has_history(report: Mapping[str, Any]) -> bool:
    return _history(report).get("synthesis") is not None


def _pretraining(arm: str, report: Mapping[str, Any]) -> Pretraining:
    """Return how the checkpoint was made, from its own account of it."""
    meta = _history(report)
    curve: Mapping[str, Sequence[float]] = meta.get("curve") or {}
    steps = curve.get("iteration") or []
    losses = [
        Line(name, "a", *_thinned(steps, curve[name]), dashed)
        for name, dashed in (("separation", False), ("clustering", True), ("contrastive", False))
        if curve.get(name)
    ]
    accuracy = [Line("accuracy", "a", *_thinned(steps, curve["accuracy"]))] if curve.get("accuracy") else []
    sentence = _pretraining_sentence(meta)
    return Pretraining(arm, sentence, losses, accuracy, _samples(meta["synthesis"]))


def _pretraining_sentence(meta: Mapping[str, Any]) -> str:
    """Say what the checkpoint learned from, and whether real images were among it."""
    share, seconds, seen = meta.get("synthesis_share"), meta.get("seconds"), meta.get("seen")
    source = "Synthetic images and their label maps, made on the fly"
    if seen:
        source = (
            f"Label maps of {len(seen['cases'])} training cases of fold {seen['fold']} of {seen['dataset']}"
            + (f" and of {len(seen['unlabelled'])} images without labels" if seen.get("unlabelled") else "")
            + (", and synthetic ones," if meta.get("maps") == "mixed" else ",")
            + " in random appearance"
        )
    return (
        f"{source}: {meta.get('iterations', '?')} iterations on {meta.get('samples_different', '?')} different samples"
        + (f" in {seconds:.0f} s" if isinstance(seconds, int | float) else "")
        + (f"; synthesis took {share:.0%} of a step" if isinstance(share, int | float) else "")
        + (". None of these cases may be among those that are judged." if seen else ". No real image was seen.")
    )


def _thinned(x: Sequence[float], y: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return at most `_MOST_CURVE_POINTS` points of a curve."""
    step = max(1, math.ceil(len(x) / _MOST_CURVE_POINTS))
    return list(x[::step]), list(y[::step])


def _samples(synthesis: Mapping[str, Any]) -> Picture:
    from rasd_nnu.pretrain.preview import picture_sheet
    from rasd_nnu.pretrain.synthesis import SynthesisConfig

    config = SynthesisConfig.from_dict(dict(synthesis))
    return figure_picture(picture_sheet(config, [config.max_classes], samples=3), "Synthetic images and their labels.")


def figure_picture(figure: Any, caption: str) -> Picture:
    """Return a matplotlib figure as a picture."""
    from PIL import Image

    stream, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(stream, format="png", dpi=90)
    with Image.open(stream) as image:
        image.convert("RGB").save(packed, format="JPEG", quality=85, optimize=True)
        return Picture(packed.getvalue(), "image/jpeg", caption, image.width, image.height)


def _transfer(arm: str, report: Mapping[str, Any]) -> Transfer:
    transfer = report["transfer"]
    parts = [(part, found["count"], found["parameters"]) for part, found in transfer["shares"].items()]
    reasons = Counter((t["action"], t["reason"] or "fits as it is") for t in transfer.get("tensors", ()))
    return Transfer(arm, parts, [(*key, n) for key, n in reasons.most_common(12)], transfer.get("warnings", ()))


def _settings(a: Path, b: Path) -> list[Pair]:
    """Return recipe and environment of the first training of each arm, differences first."""
    sides = [dict(_setting_lines(path)) for path in (a, b)]
    names = dict.fromkeys([*sides[0], *sides[1]])
    pairs = [Pair(name, *(side.get(name, "-") for side in sides)) for name in names]
    return sorted(pairs, key=lambda pair: not pair.differs)


def _setting_lines(records: Path) -> Iterable[tuple[str, str]]:
    debug = provenance.find_beside(records, "debug.json")
    if debug:
        content = provenance.read_json(debug)
        for key in provenance.RECIPE_KEYS:
            if key in content:
                yield key, provenance.without_addresses(content[key])
    report = provenance.find_beside(records, provenance.TRANSFER_REPORT)
    if report:
        content = provenance.read_json(report)
        for part in ("recipe", "versions"):
            for key, value in (content.get(part) or {}).items():
                yield f"{part}: {key}", str(value)


def _paper(entry: Entry) -> tuple[list[tuple[str, str]], str]:
    """Return what the paper prints for the task, where a dataset spec knows it."""
    from rasd_nnu.dataset_specs.registry import get_spec

    try:
        spec = get_spec(entry.design.task or entry.design.dataset)
    except (DatasetError, ConfigError):
        return [], ""  # no spec of ours, so that nothing is known
    if spec.paper is None or not spec.paper.results:
        return [], ""
    rows = []
    for method, score in spec.paper.results.items():
        known = score.ci_low is not None and score.ci_high is not None
        rows.append((method, f"{score.mean:.1f}" + (f" [{score.ci_low:.1f}, {score.ci_high:.1f}]" if known else "")))
    note = (
        f"{spec.paper.name}, {spec.paper.metric}, {', '.join(spec.paper.tables)}. The paper's split, budget and "
        "checkpoint selection differ from those here, so the rows cannot be compared number by number. "
        + " ".join(spec.paper.notes)
    )
    return rows, note
