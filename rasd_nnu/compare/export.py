"""Write comparisons to files: all as JSON, the paired cases as CSV, tables as Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rasd_nnu.compare.collapse import about_collapse
from rasd_nnu.compare.methods import methods_paragraph
from rasd_nnu.compare.result import FORMAT_VERSION, Comparison
from rasd_nnu.compare.study import Study
from rasd_nnu.compare.verdict import about_seeds, about_sizes, format_p
from rasd_nnu.errors import CompareError

TableRows = tuple[Sequence[str], list[list[str]]]
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    **{c: f"\\{c}" for c in "&%$#_{}"},
}


def to_json(found: Comparison | Study) -> str:
    """Return a comparison, or several, as strict JSON; NaN is null."""
    return json.dumps(found.to_dict(), indent=2, allow_nan=False) + "\n"


def to_csv(found: Comparison | Study) -> str:
    """Return one line a case: case, group, score_a, score_b, difference, then each label's scores.

    Several comparisons have the columns comparison, arm_a and arm_b before these. An empty field is a score that the
    NaN rule leaves out.
    """
    if isinstance(found, Comparison):
        return _csv([([], found)], [])
    parts = [([e.design.title, *e.comparison.names], e.comparison) for e in found.entries]
    return _csv(parts, ["comparison", "arm_a", "arm_b"])


def _csv(parts: Sequence[tuple[list[str], Comparison]], first: list[str]) -> str:
    labels = list(dict.fromkeys(label for _, found in parts for label in found.rows[0].labels_a))
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    pairs = [f"label_{label}_{arm}" for label in labels for arm in "ab"]
    writer.writerow([*first, "case", "group", "score_a", "score_b", "difference", *pairs])
    for before, found in parts:
        for row in found.rows:
            scores = [side.get(label, math.nan) for label in labels for side in (row.labels_a, row.labels_b)]
            numbers = [row.a, row.b, row.difference, *scores]
            values = ["" if math.isnan(n) else f"{n:.10g}" for n in numbers]
            names = [plain_cell(text) for text in (*before, row.case, row.group or "")]
            writer.writerow([*names, *values])
    return stream.getvalue()


def plain_cell(text: str) -> str:
    """Return text that a spreadsheet shows and does not run: what begins like a formula gets an apostrophe.

    Example:
        >>> plain_cell("=1+1"), plain_cell("case_1")
        ("'=1+1", 'case_1')
    """
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def entry_rows(study: Study) -> TableRows:
    """Return headers and rows of all comparisons."""
    several = len(study.entries) > 1
    rows = []
    for entry in study.entries:
        result, (arm, control) = entry.comparison.overall, entry.comparison.names
        n = f"{result.n_units}" + (f" x {result.n_seeds} seeds" if result.n_seeds > 1 else "")
        cells = [entry.design.title, arm, control, entry.comparison.score, n]
        cells += [f"{result.mean_a:.4f}", f"{result.mean_b:.4f}", f"{result.difference:+.4f}"]
        cells += [f"[{result.interval.low:+.4f}, {result.interval.high:+.4f}]", _p(result.p)]
        rows.append([*cells, _p(entry.p_holm)] if several else cells)
    headers = ["on", "A", "B", "score", "n", "mean A", "mean B", "A - B", "95 % CI", "p"]
    return [*headers, "p Holm"] if several else headers, rows


def across_rows(study: Study) -> TableRows:
    """Return headers and rows of the results over data sets."""
    rows = []
    for found in study.across:
        test, bayes = found.result.test, found.result.bayes
        cells = [found.names[0], found.names[1], found.score, str(found.result.n_datasets), f"{test.mean:+.4f}"]
        cells += [f"[{test.interval.low:+.4f}, {test.interval.high:+.4f}]", _p(test.p), _p(found.result.wilcoxon.p)]
        cells += [f"{found.result.wins} / {found.result.ties} / {found.result.losses}"]
        rows.append([*cells, f"{bayes.p_a_better:.2f} / {bayes.p_equal:.2f} / {bayes.p_b_better:.2f}"])
    headers = ["A", "B", "score", "sets", "A - B", "95 % CI", "p", "p Wilcoxon", "won / equal / lost"]
    return [*headers, "P(A) / P(equal) / P(B)"], rows


def rank_rows(study: Study) -> TableRows:
    """Return headers and rows of the mean ranks, the best first."""
    rows = []
    for found in study.rankings:
        order = sorted(zip(found.result.mean_ranks, found.arms, strict=True))
        distance = f"{found.result.critical_difference:.2f}"
        rows += [[arm, found.score, f"{rank:.2f}", distance, _p(found.result.p)] for rank, arm in order]
    return ["arm", "score", "mean rank", "critical difference", "p Friedman"], rows


def without_constant(table: TableRows, columns: Sequence[str] = ("A", "B", "score")) -> tuple[str, TableRows]:
    """Take the columns that say the same in every row out of a table.

    Returns:
        What these columns say, such as ``A = rasd, B = scratch``, and the table without them.
    """
    headers, rows = table
    same = [i for i, name in enumerate(headers) if name in columns and len({row[i] for row in rows}) == 1]
    said = ", ".join(f"{headers[i]} = {rows[0][i]}" for i in same)
    kept = [i for i in range(len(headers)) if i not in same]
    return said, ([headers[i] for i in kept], [[row[i] for i in kept] for row in rows])


def _p(p: float) -> str:
    return format_p(p).removeprefix("= ")


def to_markdown(study: Study) -> str:
    """Return sentence, tables, remarks and the methods paragraph as Markdown."""
    parts = [study.sentence]
    for headers, rows in (entry_rows(study), across_rows(study), rank_rows(study)):
        if rows:
            lines = [headers, ["---"] * len(headers), *rows]
            parts.append("\n".join(f"| {' | '.join(_markdown(cell) for cell in line)} |" for line in lines))
    for entry in study.entries:
        said = (about_collapse(entry.comparison), about_seeds(entry.comparison), about_sizes(entry.comparison))
        parts.append(f"**{_markdown(entry.design.title)}**: {' '.join(_markdown(s) for s in said if s)}")
    parts += [f"Not compared: {_markdown(line)}." for line in study.skipped]
    parts.append(f"**Methods.** {methods_paragraph(study)}")
    return "\n\n".join(parts) + "\n"


def _markdown(text: str) -> str:
    for character in "\\|<`*_[":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())


def to_latex(study: Study) -> str:
    """Return the tables for LaTeX with the package booktabs; the methods paragraph as a comment."""
    blocks = [f"% {study.sentence}", "% Needs \\usepackage{booktabs}."]
    for headers, rows in (entry_rows(study), across_rows(study), rank_rows(study)):
        if rows:
            columns = "l" * 4 + "r" * (len(headers) - 4) if headers[0] == "on" else "ll" + "r" * (len(headers) - 2)
            lines = [" & ".join(latex_text(cell) for cell in line) + r" \\" for line in (headers, *rows)]
            body = "\n".join(["\\toprule", lines[0], "\\midrule", *lines[1:], "\\bottomrule"])
            blocks.append(f"\\begin{{tabular}}{{{columns}}}\n{body}\n\\end{{tabular}}")
    return "\n".join([*blocks, f"% Methods: {methods_paragraph(study)}"]) + "\n"


def latex_text(text: str) -> str:
    """Escape what LaTeX would read as a command."""
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))


def check_writable(paths: Iterable[Path], overwrite: bool) -> None:
    """Check output paths before anything is computed.

    Raises:
        CompareError: If a file exists and may not be replaced, is named twice, or its folder does not exist.
    """
    seen: set[Path] = set()
    for path in paths:
        if path.is_dir():
            raise CompareError(f"{path} is a folder, expected the name of a file to write")
        if path.exists() and not overwrite:
            raise CompareError(f"{path} exists; give another name, or replace it with --overwrite")
        if not path.absolute().parent.is_dir():
            raise CompareError(f"cannot write {path}: its folder does not exist. Make it, or give another name.")
        if path.resolve() in seen:
            raise CompareError(f"{path} is named for two outputs; give each a file of its own")
        seen.add(path.resolve())


def refuse_inputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Check that no output is a file that the comparison reads, however it is named.

    Raises:
        CompareError: If one is.
    """
    read = [path for path in inputs if path.exists()]
    for output in outputs:
        if output.exists() and any(output.samefile(path) for path in read):
            raise CompareError(f"{output} is an input of the comparison, which would be lost. Give another name.")


def describe_schema() -> dict[str, Any]:
    """Return the JSON schema of what `to_json` writes for one comparison."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(Comparison).json_schema(mode="serialization")
    _allow_null(schema)
    schema["properties"]["format_version"] = {"const": FORMAT_VERSION}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _allow_null(schema: Any) -> None:
    """Let every number be null: JSON has no NaN and no infinity."""
    if isinstance(schema, dict):
        if schema.get("type") == "number":
            schema["type"] = ["number", "null"]
        for value in schema.values():
            _allow_null(value)
    elif isinstance(schema, list):
        for value in schema:
            _allow_null(value)
