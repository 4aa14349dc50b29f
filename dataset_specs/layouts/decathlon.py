"""Read the layout of the Medical Segmentation Decathlon (Antonelli et al., Nat Commun 13:4128, 2022)."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from rasd_nnu.dataset_specs.schema import DatasetSpec
from rasd_nnu.dataset_specs.source import Ref, SourceCase
from rasd_nnu.errors import DatasetError
from rasd_nnu.reading import read_json

ENDING = ".nii.gz"


def find_cases(spec: DatasetSpec, folder: Path) -> list[SourceCase]:
    """List the labelled cases of a Decathlon folder in the order of their identifiers.

    Args:
        spec: Its channels and labels must agree with ``dataset.json``.
        folder: Holds ``dataset.json``, ``imagesTr`` and ``labelsTr``.

    Raises:
        DatasetError: The folder has not this layout or belongs to another task.
    """
    _check_layout(spec, folder)
    content = _read_json(folder / "dataset.json")
    _check_same_task(spec, content, folder)
    cases: dict[str, SourceCase] = {}
    for entry in content["training"]:
        case = _case_of(folder, entry)
        if case.case in cases:
            raise DatasetError(f"{folder}/dataset.json lists the case {case.case!r} twice; remove one.")
        cases[case.case] = case
    return [cases[name] for name in sorted(cases)]


def _check_layout(spec: DatasetSpec, folder: Path) -> None:
    parts = (folder / "dataset.json", folder / "imagesTr", folder / "labelsTr")
    missing = [part.name for part in parts if not part.exists()]
    if missing:
        state = f"has no {' and no '.join(missing)}" if folder.is_dir() else "is not a folder"
        raise DatasetError(
            f"source {folder} {state}; expected the unpacked folder {spec.layout.folder} with dataset.json, "
            f"imagesTr and labelsTr. Get it from {spec.homepage} and give it with --source DIR."
        )


def _read_json(file: Path) -> dict[str, Any]:
    content = read_json(file, DatasetError, "Unpack the official archive again.")
    training = content.get("training") if isinstance(content, dict) else None
    if not isinstance(training, list) or not training:
        raise DatasetError(f"{file} lists no cases under 'training'; is it the dataset.json of the Decathlon?")
    return dict(content)


def _check_same_task(spec: DatasetSpec, content: dict[str, Any], folder: Path) -> None:
    channels = content.get("modality")
    if not isinstance(channels, dict) or len(channels) != len(spec.channels):
        raise DatasetError(
            f"{folder}/dataset.json has 'modality' {channels!r}, but {spec.key} has "
            f"{len(spec.channels)} channel(s): {', '.join(spec.channels)}. Is it the right task?"
        )
    if spec.steps.label:
        return  # the names of the release are not those of the spec
    found = content.get("labels")
    names = {str(value): name for name, value in spec.labels.items()}
    if not isinstance(found, dict) or _folded(found) != _folded(names):
        raise DatasetError(
            f"{folder}/dataset.json has the labels {found!r}, but {spec.key} has {names!r}. Is it the right task?"
        )


def _folded(names: dict[Any, Any]) -> dict[str, str]:
    return {str(value): str(name).casefold() for value, name in names.items()}


def _case_of(folder: Path, entry: Any) -> SourceCase:
    files = []
    for role in ("image", "label"):
        name = entry.get(role) if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name.endswith(ENDING):
            raise DatasetError(
                f"{folder}/dataset.json: {entry!r} names no {role} that ends in {ENDING}; "
                "expected {'image': './imagesTr/X.nii.gz', 'label': './labelsTr/X.nii.gz'}."
            )
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise DatasetError(f"{folder}/dataset.json: {name!r} leads out of the folder; correct the entry.")
        files.append(folder / name)
    case = files[0].name.removesuffix(ENDING)
    return SourceCase(case, (Ref(files[0]),), {"case": case}, (("", Ref(files[1])),))
