"""Tiny DICOM files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

STUDY, FRAME, SERIES = (generate_uid(entropy_srcs=[name]) for name in ("study", "frame", "series"))


def slice_data(pixels: np.ndarray, position: tuple[float, float, float] = (0, 0, 0), **changes: Any) -> Dataset:
    """A CT slice; a change of None takes the element out."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[str(position), str(changes)])
    data = Dataset()
    data.file_meta = meta
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    data.Modality, data.PatientID, data.PatientName, data.StudyID = "CT", "p1", "A^B", "1"
    data.PatientBirthDate = data.PatientSex = data.StudyDate = data.StudyTime = data.AccessionNumber = ""
    data.ReferringPhysicianName, data.Manufacturer, data.SeriesNumber, data.InstanceNumber = "", "M", 1, 1
    data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = STUDY, SERIES, FRAME
    data.PositionReferenceIndicator = ""
    data.Rows, data.Columns = pixels.shape[:2]
    data.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    data.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    if pixels.ndim == 3:
        data.PlanarConfiguration = 0
    data.BitsAllocated = data.BitsStored = pixels.dtype.itemsize * 8
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    data.PixelSpacing, data.SliceThickness = [1.5, 0.5], 3
    data.ImagePositionPatient = list(position)
    data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    data.PixelData = pixels.tobytes()
    for name, value in changes.items():
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
    return data


def save(data: Dataset, file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(file, data, enforce_file_format=True)
    return file


def save_series(folder: Path, volume: np.ndarray, step: tuple[float, float, float] = (0, 0, 3), **changes: Any) -> Path:
    """Write a volume (z, y, x) such that the names of the files do not follow their positions."""
    for z, pixels in enumerate(volume):
        name = f"image_{(z * 7) % 11:02d}"
        save(slice_data(pixels, (-10 + z * step[0], 20 + z * step[1], 30 + z * step[2]), **changes), folder / name)
    return folder
