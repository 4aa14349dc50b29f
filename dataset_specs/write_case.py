"""Write one converted case: whole or not at all; files that need no change are copied byte by byte."""

from __future__ import annotations

import functools
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rasd_nnu.dataset_specs.convert import ConvertedCase, convert, read
from rasd_nnu.dataset_specs.formats.picture import Picture
from rasd_nnu.dataset_specs.formats.write import write_nifti, write_png
from rasd_nnu.dataset_specs.raw_dataset import sha256_of
from rasd_nnu.dataset_specs.schema import DatasetSpec
from rasd_nnu.dataset_specs.schema.annotation import LabelMap
from rasd_nnu.dataset_specs.source import Ref, SourceCase
from rasd_nnu.errors import DatasetError

NIFTI = ".nii.gz"
# Headers that differ by less are the same for nnU-Net's own check of its data sets.
SAME_AFFINE_MM = 1e-4


class WriteError(DatasetError):
    """The target cannot be written (full disk, no permission): every further case would fail too."""


def write_case(spec: DatasetSpec, case: SourceCase, folder: Path, side: str) -> dict[str, object]:
    """Convert a case and write its files.

    Args:
        spec: The task.
        case: The case.
        folder: Data set; gets ``imagesTr`` and ``labelsTr``, or ``imagesTs`` and ``labelsTs``.
        side: ``train``, ``valid`` or ``test``.

    Returns:
        What the tables need to know: checksums, size of the image, boxes, names of the files.

    Raises:
        DatasetError: The case is not as the spec says.
        WriteError: The target cannot be written.
    """
    converted = convert(spec, case)
    suffix = "Ts" if side == "test" else "Tr"
    jobs = dict(_image_jobs(spec, case, converted, f"images{suffix}/{case.case}"))
    if converted.label is not None:
        jobs[f"labels{suffix}/{case.case}{spec.file_ending}"] = _label_job(spec, case, converted)
    try:
        _write_all(folder, jobs)
    except OSError as error:
        raise WriteError(
            f"cannot write {folder}: {error.strerror or error}. What was converted is kept; free the disk or correct "
            "the permissions and run the same command again."
        ) from error
    _, height, width = converted.image.shape
    return {
        "files": list(jobs),
        "sha256": checksum(case.images[0]),
        "label_sha256": checksum(case.truth[0][1]) if case.truth else "",
        "size": [width, height],
        "boxes": [
            [box.name, box.left, box.top, box.right - box.left, box.bottom - box.top] for box in converted.boxes or ()
        ],
        "dropped": converted.dropped,
    }


Job = Callable[[Path], object]


def _write_all(folder: Path, jobs: dict[str, Job]) -> None:
    """Write all files under temporary names, then rename them; on failure none stays."""
    temporary = {name: folder / Path(name).parent / f".tmp_{Path(name).name}" for name in jobs}
    try:
        for name, job in jobs.items():
            temporary[name].parent.mkdir(parents=True, exist_ok=True)
            job(temporary[name])
        for name, path in temporary.items():
            path.replace(folder / name)
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)


def _image_jobs(spec: DatasetSpec, case: SourceCase, converted: ConvertedCase, stem: str) -> list[tuple[str, Job]]:
    if spec.file_ending != NIFTI:
        return [(f"{stem}_0000{spec.file_ending}", functools.partial(write_png, converted.image))]
    if _image_is_untouched(spec, case, converted.image):
        return [
            (f"{stem}_{at:04d}{NIFTI}", functools.partial(shutil.copyfile, ref.path))
            for at, ref in enumerate(case.images)
        ]
    return [
        (f"{stem}_{channel:04d}{NIFTI}", functools.partial(write_nifti, converted.image, channel))
        for channel in range(converted.image.channels)
    ]


def _image_is_untouched(spec: DatasetSpec, case: SourceCase, image: Picture) -> bool:
    changed = spec.steps.image or spec.steps.both or spec.steps.patch or spec.spacing_policy != "file"
    nifti = all(ref.array is None and ref.path.name.endswith(NIFTI) for ref in case.images)
    return not changed and nifti and image.channels == len(case.images) and image.array.dtype.kind in "iuf"


def _label_job(spec: DatasetSpec, case: SourceCase, converted: ConvertedCase) -> Job:
    label = converted.label
    assert label is not None
    if spec.file_ending != NIFTI:
        return functools.partial(write_png, label)
    if _label_is_untouched(spec, case, label):
        return functools.partial(shutil.copyfile, case.truth[0][1].path)
    return functools.partial(write_nifti, label, 0)


def _label_is_untouched(spec: DatasetSpec, case: SourceCase, label: Picture) -> bool:
    if spec.steps.label or spec.steps.both or not isinstance(spec.annotation, LabelMap):
        return False
    ref = case.truth[0][1]
    if ref.array is not None or not ref.path.name.endswith(NIFTI) or spec.spacing_policy != "file":
        return False
    original = read(ref)
    same_place = np.allclose(original.geometry.affine, label.geometry.affine, atol=SAME_AFFINE_MM)
    return bool(same_place and original.array.dtype.kind in "iu")


def checksum(ref: Ref) -> str:
    """Return the SHA-256 of a file, or of the names and checksums of the files in a folder."""
    if ref.path.is_dir():
        return _folder_checksum(ref.path)
    raw = ref.path.with_suffix(".raw")
    if ref.path.suffix == ".mhd" and raw.is_file():  # the header alone says nothing about the voxels
        return _file_checksum(raw, raw.stat().st_mtime_ns)
    return _file_checksum(ref.path, ref.path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _file_checksum(path: Path, changed_ns: int) -> str:
    """Return a file's checksum; kept, because many cases may come from one container or volume."""
    return sha256_of(path)


def _folder_checksum(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")):
        digest.update(f"{path.name} {sha256_of(path)}\n".encode())
    return digest.hexdigest()
