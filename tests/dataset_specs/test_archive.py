from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from rasd_nnu.dataset_specs.archive import UnpackLimits, unpack
from rasd_nnu.errors import DatasetError


def tar_with(file: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(file, "w") as tar:
        for member in members:
            member.size = 2 if member.isreg() else 0
            tar.addfile(member, io.BytesIO(b"hi") if member.isreg() else None)
    return file


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_tar_is_unpacked(tmp_path: Path, mode: str) -> None:
    with tarfile.open(tmp_path / "a.tar", mode) as tar:  # type: ignore[call-overload]
        info = member("./top/sub/file.txt")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"hello"))
    unpack(tmp_path / "a.tar", tmp_path / "out")
    assert (tmp_path / "out" / "top" / "sub" / "file.txt").read_bytes() == b"hello"


def test_zip_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as pack:
        pack.writestr("top/", "")
        pack.writestr("top/file.txt", "hello")
    unpack(tmp_path / "a.zip", tmp_path / "out")
    assert (tmp_path / "out" / "top" / "file.txt").read_text() == "hello"


@pytest.mark.parametrize(
    "bad",
    [
        member("../escape"),
        member("top/../../escape"),
        member("/tmp/escape"),
        member("top\\..\\escape"),
        member("C:escape"),
        member("link", tarfile.SYMTYPE, "/etc"),
        member("link", tarfile.LNKTYPE, "../escape"),
        member("device", tarfile.CHRTYPE),
        member("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda info: info.name,
)
def test_unsafe_tar_is_refused_completely(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    archive = tar_with(tmp_path / "a.tar", member("good"), bad)
    with pytest.raises(DatasetError, match=r"a\.tar is refused: its member .* (leads out|is a link or a device)"):
        unpack(archive, tmp_path / "sub" / "out")
    assert [path.name for path in tmp_path.rglob("*")] == ["a.tar", "sub"]


@pytest.mark.parametrize("name", ["../escape", "/tmp/escape"])
def test_escaping_zip_is_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as pack:
        pack.writestr(name, "hello")
    with pytest.raises(DatasetError, match="leads out of the target folder"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_link_in_zip_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as pack:
        pack.writestr(info, "/etc")
    with pytest.raises(DatasetError, match="is a link or a device"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_truncated_tar_leaves_nothing(tmp_path: Path, mode: str) -> None:
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, mode) as tar:  # type: ignore[call-overload]
        info = member("file")
        info.size = 100_000
        tar.addfile(info, io.BytesIO(bytes(range(250)) * 400))
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(DatasetError, match=r"cannot unpack .* may be incomplete"):
        unpack(archive, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_what_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_text("<html>moved</html>")
    with pytest.raises(DatasetError, match="cannot unpack"):
        unpack(tmp_path / "a.tar", tmp_path / "out")


def packed_zeros(file: Path, size: int, files: int = 1) -> Path:
    if file.suffix == ".zip":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as pack:
            for number in range(files):
                pack.writestr(f"{number}.bin", bytes(size))
        return file
    with tarfile.open(file, "w:gz") as tar:
        for number in range(files):
            info = member(f"{number}.bin")
            info.size = size
            tar.addfile(info, io.BytesIO(bytes(size)))
    return file


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (UnpackLimits(max_bytes=10_000), r"unpacks to more than 10000 bytes.*\(limit max_bytes\)"),
        (UnpackLimits(max_members=2), r"holds more than 2 members"),
        (UnpackLimits(max_ratio=20, ratio_from_bytes=50_000), r"unpacks to more than 20 times its \d+ bytes"),
    ],
    ids=["bytes", "members", "ratio"],
)
def test_bomb_is_refused_completely(tmp_path: Path, name: str, limits: UnpackLimits, message: str) -> None:
    archive = packed_zeros(tmp_path / name, 100_000, files=3)
    with pytest.raises(DatasetError, match=rf"{name} is refused: it {message}"):
        unpack(archive, tmp_path / "out", limits)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_what_stays_below_the_limits_is_unpacked(tmp_path: Path, name: str) -> None:
    limits = UnpackLimits(max_bytes=300_000, max_members=3, max_ratio=1, ratio_from_bytes=300_000)
    unpack(packed_zeros(tmp_path / name, 100_000, files=3), tmp_path / "out", limits)
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_size_is_counted_and_not_believed(tmp_path: Path) -> None:
    """The directory of the zip claims one byte; zipfile then stops there and finds the checksum wrong."""
    archive = packed_zeros(tmp_path / "a.zip", 100_000)
    content = archive.read_bytes()
    archive.write_bytes(content.replace((100_000).to_bytes(4, "little"), (1).to_bytes(4, "little")))
    with pytest.raises(DatasetError, match=r"cannot unpack .*a\.zip"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_encrypted_zip(tmp_path: Path) -> None:
    archive = packed_zeros(tmp_path / "a.zip", 10)
    content = bytearray(archive.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(bytes(content))
    with pytest.raises(DatasetError, match=r"cannot unpack .*a\.zip: .*encrypted.* 7-Zip"):
        unpack(archive, tmp_path / "out")


def test_rar_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.rar").write_bytes(b"Rar!\x1a\x07\x01\x00" + bytes(50))
    with pytest.raises(DatasetError, match=r"a\.rar is a RAR archive, .* with --source"):
        unpack(tmp_path / "a.rar", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.rar"]


def test_target_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match=r"cannot unpack .*a\.zip"):
        unpack(packed_zeros(tmp_path / "a.zip", 10), tmp_path / "file" / "out")
