"""Turn an official release into a data set of nnU-Net's raw format: in parallel, resumable, complete or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rasd_nnu.dataset_specs.download import download_release
from rasd_nnu.dataset_specs.journal import Journal, fingerprint_of, signature_of
from rasd_nnu.dataset_specs.layouts.find import find_cases, release_folder
from rasd_nnu.dataset_specs.locations import find_source
from rasd_nnu.dataset_specs.raw_dataset import (
    CaseRecord,
    PreparedDataset,
    boxes_table,
    check_id_is_free,
    move_into_place,
    write_all_tables,
)
from rasd_nnu.dataset_specs.schema import DatasetSpec
from rasd_nnu.dataset_specs.source import SourceCase
from rasd_nnu.dataset_specs.splits import Kind, SplitPlan, plan_split
from rasd_nnu.dataset_specs.workers import Outcome, convert_all
from rasd_nnu.errors import DatasetError

SHOWN = 5
Track = Callable[[Iterable[Outcome], int, str], Iterable[Outcome]]


def untracked(outcomes: Iterable[Outcome], total: int, description: str) -> Iterable[Outcome]:
    """Go through the outcomes without showing progress."""
    return outcomes


def prepare(
    spec: DatasetSpec,
    source: Path | None,
    raw: Path,
    overwrite: bool = False,
    num_cases: int | None = None,
    track: Track = untracked,
    *,
    split: Kind = "default",
    workers: int = 1,
    leave_out: bool = False,
) -> PreparedDataset:
    """Convert a release to ``raw/DatasetNNN_Name``.

    The new data set grows in the hidden folder ``raw/.DatasetNNN_Name.partial`` and is renamed when it is complete.
    After an interruption the same call goes on with what is missing there. A data set that is complete and up to date
    is left alone; only its split is changed where another one is asked for.

    Args:
        spec: The task.
        source: Unpacked official release. None looks under ``RASD_DATA`` and then downloads it.
        raw: nnU-Net's ``nnUNet_raw``.
        overwrite: Replace an existing data set, after the new one is complete.
        num_cases: Take only the first so many cases in the order of their ids.
        track: Wraps the loop over the outcomes, to show progress.
        split: ``default`` (by patient) or ``paper``.
        workers: Processes that convert.
        leave_out: Go on without cases that are unusable, and name them in a warning, rather than stop.

    Returns:
        The folder, its cases and warnings.

    Raises:
        DatasetError: The target is another data set, or cases are unusable: they are named, all others are kept.
    """
    target = raw / spec.dataset_name
    check_id_is_free(target)
    source = release_folder(spec, source or find_source(spec) or download_release(spec))
    found = find_cases(spec, source)
    cases = _first(found, num_cases)
    plan = plan_split(spec, cases, split)
    cases = [case for case in cases if case.case in plan.sides]
    fingerprint = fingerprint_of(spec)
    signatures = {case.case: signature_of(fingerprint, case) for case in cases}
    existing = target.exists() and not overwrite
    folder = target if existing else raw / f".{spec.dataset_name}.partial"
    journal = Journal(folder)
    todo = [
        case
        for case in cases
        if not journal.has(case.case, signatures[case.case])
        or (journal.is_left_out(case.case) and not (leave_out or existing))
    ]
    try:
        if existing:
            _check_is_ours(target, journal, todo, cases)
        else:
            _start(folder, journal, signatures)
            outcomes = convert_all(spec, todo, folder, plan.sides, workers)
            problems = _collect(track(outcomes, len(todo), "convert"), journal, signatures)
            if problems and not leave_out:
                raise _unusable(spec, problems, len(cases))
        left_out = [case.case for case in cases if journal.is_left_out(case.case)]
        if left_out:
            cases = [case for case in cases if case.case not in left_out]
            plan = plan_split(spec, cases, split)
        _put_on_sides(journal, plan)
        journal.keep_only(signatures)
        _write_tables(spec, source, cases, plan, journal)
        if not existing:
            move_into_place(folder, target)
    except OSError as error:
        raise DatasetError(f"cannot write {folder}: {error.strerror or error}; what was converted is kept.") from error
    warnings = (*plan.warnings, *_warnings(spec, len(found), journal))
    return PreparedDataset(target, tuple(case.case for case in cases), warnings, len(todo))


def _first(cases: list[SourceCase], num_cases: int | None) -> list[SourceCase]:
    if num_cases is None:
        return cases
    if not 0 < num_cases <= len(cases):
        raise DatasetError(f"asked for {num_cases} cases, the source has {len(cases)}; ask for 1 to {len(cases)}.")
    return cases[:num_cases]


def _check_is_ours(target: Path, journal: Journal, todo: Sequence[SourceCase], cases: Sequence[SourceCase]) -> None:
    if not journal.entries:
        raise DatasetError(f"{target} exists and was not made by this program; give --overwrite to replace it.")
    gone = sorted(set(journal.entries) - {case.case for case in cases})
    if todo or gone:
        example = todo[0].case if todo else gone[0]
        raise DatasetError(
            f"{target} exists but was made from other files or another spec: {len(todo)} case(s) are new or changed "
            f"and {len(gone)} are gone, such as {example}. Give --overwrite to replace it."
        )


def _start(folder: Path, journal: Journal, signatures: Mapping[str, str]) -> None:
    """Make the folders; remove what a killed run left half written, and cases that have changed since."""
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    journal.keep_only(signatures)


def _collect(outcomes: Iterable[Outcome], journal: Journal, signatures: Mapping[str, str]) -> dict[str, str]:
    """Note every case, whether it was converted or not; return what is wrong with the unusable ones."""
    problems = {}
    for outcome in outcomes:
        if outcome.problem:
            problems[outcome.case] = outcome.problem
            journal.leave_out(outcome.case, signatures[outcome.case], outcome.problem)
        else:
            journal.add(outcome.case, signatures[outcome.case], dict(outcome.result))
    return problems


def _unusable(spec: DatasetSpec, problems: Mapping[str, str], total: int) -> DatasetError:
    named = [f"{case}: {problems[case]}" for case in sorted(problems)]
    more = f"; and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    return DatasetError(
        f"{len(named)} of {total} cases of {spec.key} are unusable: {'; '.join(named[:SHOWN])}{more}. "
        "Correct these files, or give --leave-out to go on without them, and run the same command again; the cases "
        "that were converted are kept and no data set was written."
    )


def _put_on_sides(journal: Journal, plan: SplitPlan) -> None:
    """Move files between the training and the test folders where another split was asked for."""
    for case, side in plan.sides.items():
        entry = journal.entries[case]
        wanted = [_on_side(name, side) for name in entry["files"]]
        for old, new in zip(entry["files"], wanted, strict=True):
            if old != new:
                (journal.folder / new).parent.mkdir(exist_ok=True)
                (journal.folder / old).replace(journal.folder / new)
        if wanted != entry["files"]:
            rest = {key: value for key, value in entry.items() if key not in ("case", "signature", "files")}
            journal.add(case, entry["signature"], {"files": wanted, **rest})


def _on_side(name: str, side: str) -> str:
    folder, _, file = name.partition("/")
    return f"{folder[:-2]}{'Ts' if side == 'test' else 'Tr'}/{file}"


def _write_tables(
    spec: DatasetSpec, source: Path, cases: Sequence[SourceCase], plan: SplitPlan, journal: Journal
) -> None:
    records = [_record(source, case, plan, journal.entries[case.case]) for case in cases]
    boxes = None
    if spec.task == "detection":
        labels = {name: value for name, value in spec.labels.items() if isinstance(value, int)}
        sizes = [(record, *journal.entries[record.case]["size"]) for record in records]
        boxes = boxes_table(labels, sizes, {case.case: journal.entries[case.case]["boxes"] for case in cases})
    training = sum(side != "test" for side in plan.sides.values())
    write_all_tables(journal.folder, _dataset_json(spec, training, plan), records, plan.folds, boxes)


def _record(source: Path, case: SourceCase, plan: SplitPlan, entry: Mapping[str, Any]) -> CaseRecord:
    return CaseRecord(
        case=case.case,
        group=plan.groups[case.case],
        split=plan.sides[case.case],
        source=case.images[0].path.relative_to(source).as_posix(),
        sha256=entry["sha256"],
        label_source=case.truth[0][1].path.relative_to(source).as_posix() if case.truth else "",
        label_sha256=entry["label_sha256"],
        image=entry["files"][0],
        classes=case.classes,
    )


def _dataset_json(spec: DatasetSpec, training: int, plan: SplitPlan) -> dict[str, Any]:
    content: dict[str, Any] = {
        "channel_names": {str(index): name for index, name in enumerate(spec.channels)},
        "labels": spec.labels,
        "numTraining": training,
        "file_ending": spec.file_ending,
        "name": spec.name,
        "description": spec.title,
        "licence": spec.licence or f"unknown: {spec.unknown['licence']}",
        "reference": spec.homepage,
        "citation": [str(citation) for citation in spec.citation],
        "converted_by": f"rasd_nnu, spec {spec.key}, split {plan.kind}",
    }
    if spec.regions_class_order is not None:
        content["regions_class_order"] = spec.regions_class_order
    if spec.task != "segmentation":
        content["task"] = spec.task
    if spec.class_columns:
        content["classes"] = spec.class_columns
    return content


def _warnings(spec: DatasetSpec, found: int, journal: Journal) -> Iterator[str]:
    expected = spec.layout.cases
    if expected is not None and found != expected:
        yield f"the source lists {found} cases, the official release has {expected}"
    left_out = sorted(case for case in journal.entries if journal.is_left_out(case))
    if left_out:
        yield (
            f"{len(left_out)} unusable case(s) were left out, such as {left_out[0]}: "
            f"{journal.entries[left_out[0]]['problem']}"
        )
    dropped = sum(entry.get("dropped", 0) for entry in journal.entries.values())
    if dropped:
        yield f"{dropped} box(es) lay outside their image or covered nothing and were left out"
