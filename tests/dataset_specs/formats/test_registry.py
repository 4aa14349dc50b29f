from __future__ import annotations

from pathlib import Path

import pytest

from rasd_nnu.dataset_specs.formats.registry import FORMATS, find_format, read_picture
from rasd_nnu.errors import ConfigError, DatasetError


def test_every_format_has_its_reader() -> None:
    for entry in FORMATS.values():
        assert entry.read.__doc__


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.nii.gz", "nifti"),
        ("A.PNG", "natural"),
        ("im.ppm.gz", "natural"),
        ("b.x.tif", "tiff"),
        ("c.mhd", "metaimage"),
    ],
)
def test_found_by_the_ending(name: str, expected: str) -> None:
    assert find_format(Path(name)).name == expected


def test_a_named_format_wins(tmp_path: Path) -> None:
    assert find_format(tmp_path / "a.nii.gz", "natural").name == "natural"


def test_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown format 'nifty'; known: .* Did you mean 'nifti'\?"):
        read_picture(tmp_path / "a", "nifty")


def test_unknown_option(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"format 'natural' has no option 'pallete'.* Did you mean 'palette'\?"):
        read_picture(tmp_path / "a.png", pallete="index")


def test_unknown_content(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(b"PK")
    with pytest.raises(DatasetError, match=r"a\.docx is of no format that is read here. Known endings: \.bmp"):
        read_picture(tmp_path / "a.docx")


def test_missing_file_without_an_ending(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nothing is missing"):
        read_picture(tmp_path / "nothing")
