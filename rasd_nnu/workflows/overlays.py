"""Pictures of single cases: the image with the reference and both predictions, three planes of a volume."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from rasd_nnu.compare.page import Picture
from rasd_nnu.compare.result import Comparison, PairedRow
from rasd_nnu.errors import CompareError
from rasd_nnu.nnunet.env import nnunet_folder_if_set
from rasd_nnu.nnunet.results import fold_folder

EDGE = 150  # pixels of the longer side of a panel
_GAP = 4
_MARGIN = 0.35  # of the structure's extent, around it
#: Colours of labels 1, 2, ...: Okabe and Ito's, which those who do not see some colours can tell apart.
COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (213, 94, 0), (204, 121, 167), (0, 114, 178))

Volume = npt.NDArray[Any]


def notable_rows(rows: Sequence[PairedRow]) -> list[tuple[str, PairedRow]]:
    """Return the cases to show with what they are: best and worst difference for A, lowest and highest mean score."""
    known = [row for row in rows if not np.isnan(row.a)]
    wanted = (
        ("best for A", max(known, key=lambda row: row.difference)),
        ("worst for A", min(known, key=lambda row: row.difference)),
        ("lowest scores", min(known, key=lambda row: row.a + row.b)),
        ("highest scores", max(known, key=lambda row: row.a + row.b)),
    )
    found: dict[str, tuple[str, PairedRow]] = {}
    for what, row in wanted:
        before = found.get(row.case)
        found[row.case] = (f"{before[0]}, {what}" if before else what, row)
    return list(found.values())


def label_colours(names: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return name and CSS colour of each label that is a single value, as the pictures show them."""
    numbers = [(int(label), name) for label, name in names.items() if label.isdecimal() and label != "0"]
    return [(name, "rgb({}, {}, {})".format(*COLOURS[(value - 1) % len(COLOURS)])) for value, name in sorted(numbers)]


def case_pictures(comparison: Comparison, dataset: str) -> list[Picture]:
    """Return the pictures of the notable cases of a segmentation.

    Args:
        comparison: The comparison; the first training of each arm is shown.
        dataset: Full name of the data set, to find the images.

    Raises:
        CompareError: If a predicted or reference file is not where the summary says, or cannot be read.
    """
    files = [_files(comparison, name) for name in comparison.names]
    pictures = []
    for what, row in notable_rows(comparison.rows):
        reference, prediction_a = files[0][row.case]
        prediction_b = files[1][row.case][1]
        image = _image(Path(comparison.sources[comparison.names[0]][0]), dataset, row.case, reference.name)
        layers = [read_image(path)[0] for path in (reference, prediction_a, prediction_b)]
        _, spacing = read_image(reference)
        background = read_image(image)[0] if image else np.zeros(layers[0].shape)
        sheet = _sheet(background, layers, spacing)
        shown = "image, reference, A, B" if image else "reference, A, B on black, as the image is not there"
        caption = f"{row.case}: {what}. A {row.a:.3f}, B {row.b:.3f}. From left: {shown}."
        pictures.append(encoded(sheet, caption))
    return pictures


def _files(comparison: Comparison, name: str) -> dict[str, tuple[Path, Path]]:
    """Return case -> reference and prediction of an arm's trainings; the first training that has a case."""
    from rasd_nnu.compare.surface import predicted_pairs

    found: dict[str, tuple[Path, Path]] = {}
    for source in comparison.sources[name]:
        for pair in predicted_pairs(Path(source)):
            found.setdefault(pair.case, (Path(pair.reference), Path(pair.prediction)))
    return found


def _image(summary: Path, dataset: str, case: str, reference_name: str) -> Path | None:
    """Return the first channel of a case in nnUNet_raw, or None."""
    raw = nnunet_folder_if_set("nnUNet_raw")
    fold = fold_folder(summary)
    name = fold.parents[1].name if fold else dataset
    if raw is None:
        return None
    ending = reference_name[len(case) :]
    places = [raw / name / part / f"{case}_0000{ending}" for part in ("imagesTr", "imagesTs")]
    return next((path for path in places if path.is_file()), None)


def read_image(path: Path) -> tuple[Volume, tuple[float, ...]]:
    """Return an array and its spacing, slices first; a colour image becomes gray."""
    import SimpleITK as sitk  # noqa: N813

    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise CompareError(f"cannot read {path}: {' '.join(str(error).split())[-120:]}") from None
    array = np.asarray(sitk.GetArrayFromImage(image))
    if image.GetNumberOfComponentsPerPixel() > 1:
        array = array.mean(-1)
    spacing = tuple(reversed(image.GetSpacing()))
    if array.ndim == 3 and array.shape[0] == 1:
        return array[0], spacing[1:]
    return array, spacing


def _sheet(image: Volume, layers: Sequence[Volume], spacing: Sequence[float]) -> npt.NDArray[np.uint8]:
    """Return a row of panels a plane: the image alone, then with each layer; shape (H, W, 3)."""
    for layer in layers:
        if layer.shape != image.shape:
            raise CompareError(f"an image has the shape {image.shape}, but its segmentation {layer.shape}")
    everything = np.any([layer > 0 for layer in layers], axis=0)
    box = _box(everything)
    gray = to_gray(image[box])
    cut = [layer[box] for layer in layers]
    centre = _centre(everything[box])
    rows = []
    for axis in range(3) if image.ndim == 3 else (None,):
        index = slice(None) if axis is None else (slice(None),) * axis + (centre[axis],)
        sizes = [s for i, s in enumerate(spacing) if i != axis]
        flip = axis is not None  # the first slice of a volume is the lowest, the first row of a picture the highest
        panels = [_panel(gray[index], None, sizes, flip)]
        panels += [_panel(gray[index], layer[index], sizes, flip) for layer in cut]
        rows.append(panels)
    width = max(row[0].shape[1] for row in rows) + _GAP
    padded = [[np.pad(p, ((0, _GAP), _sides(width - p.shape[1]), (0, 0))) for p in row] for row in rows]
    return np.concatenate([np.concatenate(row, axis=1) for row in padded])


def _sides(room: int) -> tuple[int, int]:
    """Divide room between left and right."""
    return room // 2, room - room // 2


def _box(mask: npt.NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the box around a mask with a margin; everything where the mask is empty."""
    if not mask.any():
        return (slice(None),) * mask.ndim
    found = []
    for axis, size in enumerate(mask.shape):
        inside = np.flatnonzero(mask.any(tuple(i for i in range(mask.ndim) if i != axis)))
        room = int((inside[-1] - inside[0] + 1) * _MARGIN) + 3
        found.append(slice(max(0, int(inside[0]) - room), min(size, int(inside[-1]) + room + 1)))
    return tuple(found)


def _centre(mask: npt.NDArray[np.bool_]) -> list[int]:
    """Return along each axis the index of the slice that shows most of the mask."""
    return [int(mask.sum(tuple(i for i in range(mask.ndim) if i != axis)).argmax()) for axis in range(mask.ndim)]


def to_gray(image: Volume) -> npt.NDArray[np.float64]:
    """Return values from 0 to 1, between the 1st and the 99th percentile."""
    low, high = np.percentile(image, [1, 99])
    return np.clip((image - low) / max(float(high - low), 1e-8), 0, 1)


def _panel(plane: Volume, layer: Volume | None, spacing: Sequence[float], flip: bool) -> npt.NDArray[np.uint8]:
    """Return a plane with the outlines of a layer, voxels in proportion; ``flip`` puts the last row above."""
    height, width = (n * s for n, s in zip(plane.shape, spacing, strict=True))
    factor = EDGE / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    base = Image.fromarray((plane * 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    colours = np.repeat(np.asarray(base)[..., None], 3, axis=2).astype(float)
    if layer is not None:
        resized = np.asarray(Image.fromarray(layer.astype(np.int32)).resize(size, Image.Resampling.NEAREST))
        for value in np.unique(resized[resized > 0]):
            mask = resized == value
            colour = np.array(COLOURS[(int(value) - 1) % len(COLOURS)], dtype=float)
            edge = mask & ~ndimage.binary_erosion(mask)
            colours[mask] = 0.75 * colours[mask] + 0.25 * colour
            colours[edge] = colour
    return np.asarray((np.flipud(colours) if flip else colours).astype(np.uint8))


def encoded(sheet: npt.NDArray[np.uint8], caption: str) -> Picture:
    """Return pixels, shape (H, W, 3), as a picture."""
    stream = io.BytesIO()
    Image.fromarray(sheet).save(stream, format="JPEG", quality=88, optimize=True)
    return Picture(stream.getvalue(), "image/jpeg", caption, sheet.shape[1], sheet.shape[0])
