"""The documentation of the tasks, made from their specs."""

from __future__ import annotations

from collections.abc import Sequence

from rasd_nnu.dataset_specs.schema import DatasetSpec

NOTE = "<!-- Made by `rasd_nnu tasks docs`; change the spec, not this file. -->\n"


def all_pages(specs: Sequence[DatasetSpec]) -> dict[str, str]:
    """Return all pages as path below ``docs`` -> content."""
    pages = {f"tasks/{spec.key}.md": task_page(spec) for spec in specs}
    return {"reference/tasks.md": table_page(specs), **pages}


def table_page(specs: Sequence[DatasetSpec]) -> str:
    """Return ``docs/reference/tasks.md``: one table of all tasks of the paper, and one of the other specs."""
    ours = [spec for spec in specs if spec.paper is not None]
    others = [spec for spec in specs if spec.paper is None]
    head = (
        f"{NOTE}\n# The tasks\n\n{len(ours)} tasks of the RaSD paper and {len(others)} further data sets. The page of "
        "a task says how to get, check and prepare it, and what the paper prints. `?`: not established; the page says "
        "why. Confidence: how sure it is that the public data reproduce the paper's task.\n"
    )
    return f"{head}\n## Of the paper\n\n{_table(ours)}\n## Others\n\n{_table(others)}"


def _table(specs: Sequence[DatasetSpec]) -> str:
    rows = [
        "| id | task | modality | kind | cases | access | licence | scratch | RaSD | confidence |",
        "|" + "---|" * 10,
    ]
    for spec in specs:
        paper = spec.paper
        scratch, rasd = ("", "")
        if paper:
            scratch, rasd = (f"{paper.results[name].mean:g}" for name in _arms(spec))
        cells = [
            str(spec.id),
            f"[{spec.key}](../tasks/{spec.key}.md)",
            spec.modality,
            f"{spec.dims}D {spec.task}",
            _known(spec.layout.cases),
            spec.access,
            _known(spec.licence),
            scratch,
            rasd,
            (paper.confidence or "?") if paper else "",
        ]
        rows.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def task_page(spec: DatasetSpec) -> str:
    """Return ``docs/tasks/KEY.md``: what it is, the way from the download to the comparison, the paper's row."""
    parts = [NOTE, f"# {spec.title}", _facts(spec), _way(spec)]
    if spec.paper:
        parts.append(_paper(spec))
    for title, lines in (
        ("Pitfalls", spec.pitfalls),
        ("Not known", [f"{name}: {why}" for name, why in spec.unknown.items()]),
        ("Sources", [f"layout: {spec.layout.evidence}", *spec.sources]),
    ):
        if lines:
            parts.append(f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines))
    return "\n\n".join(parts) + "\n"


def _facts(spec: DatasetSpec) -> str:
    labels = ", ".join(f"{name} {value}" for name, value in spec.labels.items())
    for column, values in spec.class_columns.items():
        if not spec.labels:
            labels += f"{column}: " + ", ".join(f"{name} {value}" for name, value in values.items()) + "; "
    rows = [
        ("key, id", f"`{spec.key}`, {spec.id} (`{spec.dataset_name}`)"),
        ("kind", f"{spec.modality}, {spec.dims}D {spec.task}: {spec.target} ({spec.region})"),
        ("cases", _known(spec.layout.cases)),
        ("channels", ", ".join(spec.channels)),
        ("labels", labels),
        ("group", f"`{spec.group.by}`: {spec.group.why}"),
        ("licence", _known(spec.licence)),
        ("access", spec.access),
        ("address", " ".join((spec.homepage, *spec.also_at))),
        ("cite", "; ".join(str(citation) for citation in spec.citation)),
    ]
    return "| | |\n|---|---|\n" + "\n".join(f"| {name} | {_cell(value)} |" for name, value in rows)


def _way(spec: DatasetSpec) -> str:
    source = f"DIR/{spec.layout.folder}"
    quoted = f"'{source}'" if " " in source else source
    lines = [
        f"rasd_nnu tasks check {spec.key} --source {quoted}",
        f"rasd_nnu tasks prepare {spec.key} --source {quoted}",
    ]
    text = f"Get it from {spec.homepage} and unpack it to `{source}`."
    if spec.access == "open" and spec.downloads:
        lines = [f"rasd_nnu tasks prepare {spec.key}"]
        text = "It can be downloaded without a log-in; `prepare` does that."
    lines += _segmentation_lines(spec) if spec.task == "segmentation" else _finetune_lines(spec)
    return f"## From the download to the comparison\n\n{text}\n\n```bash\n" + "\n".join(lines) + "\n```"


def _segmentation_lines(spec: DatasetSpec) -> list[str]:
    configuration = "2d" if spec.dims == 2 else "3d_fullres"
    return [
        f"nnUNetv2_plan_and_preprocess -d {spec.id} --verify_dataset_integrity",
        f"rasd_nnu pretrain --dataset {spec.id} -c {configuration}",
        f"nnUNetv2_train {spec.id} {configuration} 0 -tr RaSDTrainer",
        f"nnUNetv2_train {spec.id} {configuration} 0 -tr RaSDTrainer_scratch",
        f"rasd_nnu compare {spec.id} -c {configuration} -f 0",
    ]


def _finetune_lines(spec: DatasetSpec) -> list[str]:
    configuration = "2d" if spec.dims == 2 else "3d_fullres"
    trainer = "RaSDClassifier_20epochs" if spec.task == "classification" else "RaSDDetector_50epochs"
    return [
        f"nnUNetv2_plan_and_preprocess -d {spec.id} --verify_dataset_integrity",
        f"rasd_nnu pretrain --dataset {spec.id} -c {configuration}",
        f"rasd_nnu finetune {spec.id} -c {configuration} --arm rasd",
        f"rasd_nnu finetune {spec.id} -c {configuration} --arm scratch",
        f"rasd_nnu compare {spec.id} -c {configuration} -f 0 --trainer {trainer} --seeds 0",
    ]


def _arms(spec: DatasetSpec) -> tuple[str, str]:
    """Return the names of the paper's scratch and RaSD results."""
    assert spec.paper is not None
    names = list(spec.paper.results)
    return next(n for n in names if "Scratch" in n), next(n for n in names if "RaSD" in n)


def _paper(spec: DatasetSpec) -> str:
    paper, split = spec.paper, spec.split.paper
    assert paper is not None
    lines = [
        f"## What the paper prints ({', '.join(paper.tables)})\n",
        f"| method | {paper.metric} in % (95 % interval) | yours |\n|---|---|---|",
    ]
    for name, score in paper.results.items():
        interval = "" if score.ci_low is None else f" ({score.ci_low:g} to {score.ci_high:g})"
        lines.append(f"| {_cell(name)} | {score.mean:g}{interval} | |")
    lines.append(
        f"\np against scratch {paper.p_vs_scratch}, against the best {paper.p_vs_best}. "
        f"Confidence that the public data reproduce the task: {paper.confidence or 'unknown'}."
    )
    if split:
        sizes = ", ".join(
            f"{getattr(split, s)} {s}" for s in ("train", "valid", "test") if getattr(split, s) is not None
        )
        leaks = {True: "It leaks patients.", False: "It parts no patient.", None: "Whether it leaks is not known."}
        rule = {"list": "its list", "field": "the sides that the release marks", "counts": "its sizes only"}[split.rule]
        lines.append(f"\nIts split: {sizes}. {leaks[split.leaks]} `--split paper` follows {rule}. {split.note}.")
    if paper.notes:
        lines.append("\nContradictions and open questions:\n\n" + "\n".join(f"- {note}" for note in paper.notes))
    return "\n".join(lines)


def _known(value: object) -> str:
    return "?" if value is None else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
