from __future__ import annotations

from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from rasd_nnu.dataset_specs.formats.dicom_seg import read
from rasd_nnu.dataset_specs.formats.dicom_series import read as read_series
from rasd_nnu.dataset_specs.formats.registry import read_picture
from rasd_nnu.dataset_specs.steps.geometry import MatchGeometry
from rasd_nnu.errors import DatasetError
from tests.dataset_specs.formats.dicom_files import save, save_series, slice_data

VOLUME = np.zeros((4, 6, 8), np.int16)


def write(file: Path, series: Path, masks: np.ndarray) -> Path:
    """Write segments; masks (z, y, x) of numbers, or (z, y, x, segment) of 0 and 1."""
    slices = sorted((pydicom.dcmread(f) for f in series.iterdir()), key=lambda s: s.ImagePositionPatient[2])
    count = int(masks.max()) if masks.ndim == 3 else masks.shape[-1]
    segments = [
        hd.seg.SegmentDescription(
            number,
            f"organ {number}",
            codes.SCT.Organ,
            codes.SCT.Liver,
            hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for number in range(1, count + 1)
    ]
    segmentation = hd.seg.Segmentation(
        source_images=slices,
        pixel_array=masks.astype(np.uint8),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_instance_uid=generate_uid(),
        series_number=2,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="M",
        manufacturer_model_name="M",
        software_versions="1",
        device_serial_number="1",
    )
    segmentation.save_as(file)
    return file


def test_segments_lie_on_the_grid_of_their_series(tmp_path: Path) -> None:
    series = save_series(tmp_path / "ct", VOLUME)
    masks = np.zeros(VOLUME.shape, np.uint8)
    masks[0, 0, 0], masks[2, 1:3, 4:7], masks[3, 5, 7] = 1, 2, 1
    label, image = read_picture(write(tmp_path / "seg.dcm", series, masks)), read_series(series)
    assert np.array_equal(label.array[0], masks)
    assert label.geometry.spacing_mm == pytest.approx(image.geometry.spacing_mm)
    assert label.geometry.origin_mm == pytest.approx(image.geometry.origin_mm)
    assert label.geometry.direction == pytest.approx(image.geometry.direction)


def test_empty_slices_that_were_left_out_are_laid_back(tmp_path: Path) -> None:
    series = save_series(tmp_path / "ct", VOLUME)
    masks = np.zeros(VOLUME.shape, np.uint8)
    masks[1:3, 2:4, 2:4] = 1
    label = read(write(tmp_path / "seg.dcm", series, masks))
    assert label.shape[0] == 2
    assert np.array_equal(MatchGeometry(embed=True)(read_series(series), label)[1].array[0], masks)


def test_overlapping_segments_are_refused(tmp_path: Path) -> None:
    masks = np.zeros((*VOLUME.shape, 2), np.uint8)
    masks[1:3, 2:4, 2:4] = 1
    file = write(tmp_path / "seg.dcm", save_series(tmp_path / "ct", VOLUME), masks)
    with pytest.raises(DatasetError, match=r"seg\.dcm.* If its segments overlap, export each as a label map"):
        read(file)


def test_an_image_is_no_segmentation(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"a\.dcm is no DICOM segmentation \(modality 'CT'"):
        read(save(slice_data(VOLUME[0]), tmp_path / "a.dcm"))


def test_truncated_file(tmp_path: Path) -> None:
    masks = np.ones(VOLUME.shape, np.uint8)
    file = write(tmp_path / "seg.dcm", save_series(tmp_path / "ct", VOLUME), masks)
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(DatasetError, match=r"seg\.dcm"):
        read(file)


def test_largest_size_can_be_set(tmp_path: Path) -> None:
    file = write(tmp_path / "seg.dcm", save_series(tmp_path / "ct", VOLUME), np.ones(VOLUME.shape, np.uint8))
    with pytest.raises(DatasetError, match="at most 10 bytes are read"):
        read(file, max_bytes=10)
