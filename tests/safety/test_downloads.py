from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import torch

from rasd_nnu.checkpoints import hub
from rasd_nnu.checkpoints.hub import local_path
from rasd_nnu.dataset_specs.download import download_release
from rasd_nnu.dataset_specs.registry import get_spec
from rasd_nnu.dataset_specs.schema import Download
from rasd_nnu.downloads import ChecksumError, Limits, _session, download
from rasd_nnu.errors import CheckpointError, DatasetError, DownloadError
from tests.safety.server import (
    Server,
    cut_at_first,
    drips,
    drips_headers,
    fails_at_first,
    floods,
    gives,
    redirects,
    running,
)

QUICK = Limits(max_bytes=10**6, timeout_s=2, answer_s=1, slowest=1000, window_s=0.2, attempts=3, backoff_s=0.01)
BODY = bytes(range(256)) * 10


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as web:
        yield web


@pytest.fixture
def checkpoint() -> bytes:
    file = io.BytesIO()
    torch.save({"a": torch.zeros(3)}, file)
    return file.getvalue()


def nothing_in(folder: Path) -> bool:
    return not any(path.is_file() for path in folder.rglob("*"))


@pytest.mark.parametrize("bad", [fails_at_first(2, BODY), cut_at_first(2, BODY)])
def test_an_overloaded_server_and_a_broken_connection_are_tried_again(server: Server, tmp_path: Path, bad) -> None:
    server.answers["/a"] = bad
    assert download(f"{server.url}/a", tmp_path / "a", QUICK).read_bytes() == BODY
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("answer", "message", "requests"),
    [
        (fails_at_first(9, BODY), "503", 3),
        (cut_at_first(9, BODY), "1280|Incomplete", 3),
        (lambda handler, number: handler.reply(404), "404", 1),
        (gives(b"<html>log in</html>", Content_Type="text/html; charset=utf-8"), "web page", 1),
        (gives(b"", Content_Length=str(10**7)), r"0\.01 GB, at most 0\.001", 1),
        (floods, "larger than", 1),
        (drips, "bytes a second", 3),
        (drips_headers, "no complete head of an answer in 1 seconds", 3),
        (redirects("/a"), "redirect", 31),
        (redirects("ftp://127.0.0.1/a"), "not encrypted", 1),
        (redirects("http://127.0.0.1:9/a"), "not encrypted", 1),
        (redirects("http://localhost.example.org/a"), "not encrypted", 1),
        (redirects("file:///etc/hostname"), "not encrypted", 1),
    ],
)
def test_a_bad_answer_is_one_line_and_nothing_stays(
    server: Server, tmp_path: Path, answer, message: str, requests: int
) -> None:
    server.answers["/a"] = answer
    begin = time.monotonic()
    with pytest.raises(DownloadError, match=message):
        download(f"{server.url}/a", tmp_path / "cache" / "a", QUICK)
    assert time.monotonic() - begin < 10
    assert len(server.requests) == requests
    assert nothing_in(tmp_path)


def test_from_https_nothing_leads_to_http() -> None:
    session = _session("https://example.org/a", "md5:00")
    with pytest.raises(requests.exceptions.InvalidSchema):
        session.get_adapter("http://example.org/a")
    with pytest.raises(requests.exceptions.InvalidSchema):
        _session("http://127.0.0.1:80/a", None).get_adapter("http://127.0.0.1:80.example.org/a")
    for address in ("http://example.org/a", "ftp://example.org/a", "https:///a", "http://[::1/a"):
        with pytest.raises(DownloadError, match="is not encrypted|is no address"):
            _session(address, None)


def test_a_file_with_another_checksum_is_not_kept_and_replaces_nothing(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = gives(BODY)
    right = f"sha256:{hashlib.sha256(BODY).hexdigest()}"
    target = tmp_path / "a"
    with pytest.raises(ChecksumError):
        download(f"{server.url}/a", target, QUICK, checksum=right.replace(right[-8:], "0" * 8))
    assert nothing_in(tmp_path)
    target.write_bytes(b"damaged on the disk")
    assert download(f"{server.url}/a", target, QUICK, checksum=right).read_bytes() == BODY
    download(f"{server.url}/a", target, QUICK, checksum=right)
    assert len(server.requests) == 2


@pytest.mark.parametrize("cut", [0, 40, -1])
def test_no_answer_that_is_no_checkpoint_enters_the_cache(
    server: Server, tmp_path: Path, checkpoint: bytes, cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "LIMITS", QUICK)
    server.answers["/a.pth"] = gives(checkpoint[:cut] or b"<!doctype html><p>sorry")
    with pytest.raises(CheckpointError, match=r"/a\.pth is no checkpoint, and was not kept"):
        local_path(f"{server.url}/a.pth", tmp_path)
    assert nothing_in(tmp_path)
    server.answers["/a.pth"] = gives(checkpoint)
    assert local_path(f"{server.url}/a.pth", tmp_path).read_bytes() == checkpoint


def test_a_new_digest_gets_the_new_file(server: Server, tmp_path: Path, checkpoint: bytes) -> None:
    server.answers["/a.pth"] = gives(checkpoint)
    assert local_path(f"{server.url}/a.pth", tmp_path).is_file()
    file = io.BytesIO()
    torch.save({"b": torch.ones(3)}, file)
    newer = file.getvalue()
    server.answers["/a.pth"] = gives(newer)
    named = f"{server.url}/a.pth#sha256={hashlib.sha256(newer).hexdigest()}"
    assert local_path(named, tmp_path).read_bytes() == newer


@pytest.mark.parametrize(
    ("address", "message"),
    [("http://[::1/a.pth", "is no address"), ("https://", "is not encrypted|is no address")],
)
def test_addresses_that_are_none(address: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=message):
        local_path(address, tmp_path)


def test_a_damaged_archive_without_checksum_is_not_kept(server: Server, tmp_path: Path) -> None:
    spec = get_spec("msd04_hippocampus")
    server.answers["/a.tar"] = gives(b"no archive at all")
    local = spec.model_copy(update={"downloads": (Download(url=f"{server.url}/a.tar"),)})
    for _ in range(2):
        with pytest.raises(DatasetError, match="cannot unpack"):
            download_release(local, tmp_path)
    assert len(server.requests) == 2
    assert nothing_in(tmp_path)
