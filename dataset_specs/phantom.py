"""A stand-in data set for where no real one can be had: simple anatomy-like shapes in nnU-Net's raw format.

It shares no code and no idea with the synthesis that pre-trains (no random fields, no deformation): smooth
solids with known borders, tissue intensities, partial volume, a bias field and noise. A result on it says that the
tool chain works, and nothing about real images.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from rasd_nnu.dataset_specs.raw_dataset import (
    CaseRecord,
    PreparedDataset,
    new_dataset,
    sha256_of,
    write_tables,
)
from rasd_nnu.errors import DatasetError

LABELS = {"background": 0, "Anterior": 1, "Posterior": 2}
MEAN_SHAPE = (36, 50, 35)  # voxels of 1 mm; axes run to the right, to the front and up
FOLDS = 5
SPLIT_SEED = 12345


@dataclass(frozen=True)
class Anatomy:
    """Drawn parameters of one case; lengths in mm, directions unit-free.

    Args:
        shape: Voxels of the image.
        centre: Middle of the curved structure.
        rotation: Rotation of the whole anatomy, ``(3, 3)``.
        length: Length of the curved structure.
        bend: Height of its arc, downwards in the middle.
        radii: Its radius at the front and at the rear end.
        border: Place of the border between rear and front part, as a share of the length from the rear.
        body: Half axes of the head-like body.
    """

    shape: tuple[int, int, int]
    centre: np.ndarray
    rotation: np.ndarray
    length: float
    bend: float
    radii: tuple[float, float]
    border: float
    body: np.ndarray


def write_phantom(raw: Path, id: int = 900, cases: int = 60, seed: int = 0, overwrite: bool = False) -> PreparedDataset:
    """Write ``DatasetNNN_Phantom`` with one image and label map a case.

    Args:
        raw: nnU-Net's ``nnUNet_raw``.
        id: Number of the data set, 1 to 999.
        cases: Number of cases, at least one a fold.
        seed: Case k of seed s is the same however many cases are made.
        overwrite: Replace an existing data set.

    Raises:
        DatasetError: The target exists, the id is taken, or there are too few cases.
    """
    if cases < FOLDS or not 1 <= id <= 999:
        raise DatasetError(f"a phantom needs at least {FOLDS} cases and an id of 1 to 999, got {cases} and {id}.")
    target = raw / f"Dataset{id:03d}_Phantom"
    with new_dataset(target, overwrite) as folder:
        records = [_write_case(folder, index, seed) for index in range(cases)]
        write_tables(folder, _dataset_json(cases, seed), records, FOLDS, SPLIT_SEED)
    return PreparedDataset(target, tuple(record.case for record in records))


def make_case(seed: int, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Make case `index` of `seed`.

    Returns:
        Image ``(X, Y, Z)`` int16 and label map ``(X, Y, Z)`` uint8 with the values of `LABELS`.
    """
    rng = np.random.default_rng([seed, index])
    anatomy = _draw(rng)
    points = _grid(anatomy)
    along, distance = _distance_to_arc(points, anatomy)
    label = np.where(distance > 0, 0, np.where(along >= anatomy.border, 1, 2)).astype(np.uint8)
    return _image(rng, anatomy, points, distance), label


def _dataset_json(cases: int, seed: int) -> dict[str, object]:
    return {
        "channel_names": {"0": "phantom"},
        "labels": LABELS,
        "numTraining": cases,
        "file_ending": ".nii.gz",
        "name": "Phantom",
        "description": f"geometric phantom, seed {seed}; not real images",
        "licence": "CC0-1.0",
        "converted_by": "rasd_nnu, phantom",
    }


def _write_case(folder: Path, index: int, seed: int) -> CaseRecord:
    case = f"phantom_{index:03d}"
    image, label = make_case(seed, index)
    image_file = folder / "imagesTr" / f"{case}_0000.nii.gz"
    label_file = folder / "labelsTr" / f"{case}.nii.gz"
    for voxels, file in ((image, image_file), (label, label_file)):
        nib.save(nib.Nifti1Image(voxels, np.eye(4)), file)
    return CaseRecord(
        case=case,
        group=case,
        split="train",
        source=f"phantom seed {seed} case {index}",
        sha256=sha256_of(image_file),
        label_source=f"phantom seed {seed} case {index}",
        label_sha256=sha256_of(label_file),
        image=image_file.relative_to(folder).as_posix(),
    )


def _draw(rng: np.random.Generator) -> Anatomy:
    shape = tuple(int(n + rng.integers(-3, 4)) for n in MEAN_SHAPE)
    x, y, z = rng.uniform(-0.25, 0.25, size=3)  # radians
    return Anatomy(
        shape=(shape[0], shape[1], shape[2]),
        centre=np.array(shape) / 2 + rng.uniform(-2, 2, size=3),
        rotation=_rotation(x, y, z),
        length=rng.uniform(26, 34),
        bend=rng.uniform(2, 6),
        radii=(rng.uniform(5.0, 7.0), rng.uniform(2.5, 4.0)),
        border=rng.uniform(0.45, 0.6),
        body=np.array(shape) * rng.uniform(0.55, 0.65, size=3),
    )


def _rotation(x: float, y: float, z: float) -> np.ndarray:
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def _grid(anatomy: Anatomy) -> np.ndarray:
    """Voxel centres in the frame of the anatomy, ``(X, Y, Z, 3)`` in mm."""
    indices = np.stack(np.meshgrid(*[np.arange(n) for n in anatomy.shape], indexing="ij"), axis=-1)
    return (indices - anatomy.centre) @ anatomy.rotation


def _distance_to_arc(points: np.ndarray, anatomy: Anatomy) -> tuple[np.ndarray, np.ndarray]:
    """Place along the arc (0 rear, 1 front) and signed distance to its surface in mm (negative inside)."""
    along = np.zeros(points.shape[:-1])
    distance = np.full(points.shape[:-1], np.inf)
    front, rear = anatomy.radii
    for t in np.linspace(0, 1, 40):
        y, z = (t - 0.5) * anatomy.length, -anatomy.bend * np.sin(np.pi * t)
        d = np.sqrt(points[..., 0] ** 2 + (points[..., 1] - y) ** 2 + (points[..., 2] - z) ** 2)
        d -= rear + (front - rear) * t**2
        along[d < distance] = t
        distance = np.minimum(distance, d)
    return along, distance


def _ellipsoid(points: np.ndarray, centre: np.ndarray, half_axes: np.ndarray) -> np.ndarray:
    """Approximate signed distance to an ellipsoid in mm (negative inside)."""
    scaled = np.linalg.norm((points - centre) / half_axes, axis=-1)
    return (scaled - 1) * float(half_axes.min())


def _image(rng: np.random.Generator, anatomy: Anatomy, points: np.ndarray, arc: np.ndarray) -> np.ndarray:
    """Paint the tissues from the outside inwards; a voxel on a border holds a share of both (partial volume)."""
    ventricle = _ellipsoid(points, np.array([2.0, -4.0, 9.0]), rng.uniform((3, 9, 2), (5, 14, 4)))
    # As bright as the target and next to its front end, so that intensity alone does not find the border.
    neighbour = _ellipsoid(points, np.array([-2.0, anatomy.length / 2 + 4, 6.0]), rng.uniform(4, 6, size=3))
    white, grey, fluid = 0.8 + rng.normal(0, 0.03), 0.6 + rng.normal(0, 0.03), 0.25 + rng.normal(0, 0.03)
    body = _ellipsoid(points, np.zeros(3), anatomy.body)
    image = np.full(anatomy.shape, 0.05)
    for distance, value in (
        (body, grey),
        (body + 4, white),
        (ventricle, fluid),
        (neighbour, grey),
        (arc - 1, 0.8 * white),  # a thin, faint rim
        (arc, grey + 0.02),
    ):
        share = np.clip(0.5 - distance, 0, 1)
        image = image * (1 - share) + value * share
    bias = 1 + (points / np.array(anatomy.shape)) @ rng.uniform(-0.15, 0.15, size=3)
    real, imaginary = rng.normal(0, 0.06, (2, *image.shape))  # the magnitude of both makes Rician noise
    noisy = np.hypot(image * bias + real, imaginary)
    return np.round(noisy * 1000).astype(np.int16)
