from __future__ import annotations

import hashlib
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rasd_nnu.dataset_specs.download import download_release
from rasd_nnu.dataset_specs.locations import download_folder
from rasd_nnu.dataset_specs.prepare import prepare
from rasd_nnu.dataset_specs.schema import DatasetSpec, Download
from rasd_nnu.errors import DatasetError


class Server:
    """Local web server: a path gives its content, the first `failures` requests are cut off half-way."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.failures = 0
        self.requests: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(self.path)
                data = outer.content.get(self.path)
                if data is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                cut = len(outer.requests) <= outer.failures
                self.wfile.write(data[: len(data) // 2] if cut else data)

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def archive(release: Path, tmp_path: Path) -> bytes:
    with tarfile.open(tmp_path / "packed", "w") as tar:
        tar.add(release, "Task04_Hippocampus")
    return (tmp_path / "packed").read_bytes()


def at(spec: DatasetSpec, url: str, data: bytes) -> DatasetSpec:
    """The spec with another address, and the checksum of `data`."""
    download = Download(url=f"{url}/Task04_Hippocampus.tar", md5=hashlib.md5(data).hexdigest())
    return spec.model_copy(update={"downloads": (download,)})


def test_download_is_unpacked_prepared_and_used_again(
    spec: DatasetSpec, server: Server, archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RASD_DATA", raising=False)
    monkeypatch.setenv("RASD_CACHE", str(tmp_path / "cache"))
    server.content["/Task04_Hippocampus.tar"] = archive
    local = at(spec, server.url, archive)
    assert len(prepare(local, None, tmp_path / "raw").cases) == 10
    assert len(prepare(local, None, tmp_path / "raw", overwrite=True).cases) == 10
    assert server.requests == ["/Task04_Hippocampus.tar"]
    assert (tmp_path / "cache" / "downloads" / "msd04_hippocampus" / "Task04_Hippocampus.tar").is_file()


def test_broken_connection_is_tried_again(spec: DatasetSpec, server: Server, archive: bytes, tmp_path: Path) -> None:
    server.content["/Task04_Hippocampus.tar"] = archive
    server.failures = 1
    folder = download_release(at(spec, server.url, archive), tmp_path / "cache", retries=1)
    assert (folder / "dataset.json").is_file()
    assert len(server.requests) == 2


def test_connection_that_stays_broken_is_one_line(
    spec: DatasetSpec, server: Server, archive: bytes, tmp_path: Path
) -> None:
    server.content["/Task04_Hippocampus.tar"] = archive
    server.failures = 9
    with pytest.raises(DatasetError, match=r"cannot download http://127.*--source DIR"):
        download_release(at(spec, server.url, archive), tmp_path / "cache", retries=0)
    assert not list((tmp_path / "cache").rglob("*.tar"))


def test_wrong_checksum(spec: DatasetSpec, server: Server, archive: bytes, tmp_path: Path) -> None:
    server.content["/Task04_Hippocampus.tar"] = archive + b"x"
    with pytest.raises(DatasetError, match=r"checksum of http://.* is not the known one \(md5:"):
        download_release(at(spec, server.url, archive), tmp_path / "cache", retries=0)
    assert not list((tmp_path / "cache").rglob("*.tar"))


def test_truncated_archive_on_the_server(spec: DatasetSpec, server: Server, archive: bytes, tmp_path: Path) -> None:
    half = archive[: len(archive) // 2 + 100]
    server.content["/Task04_Hippocampus.tar"] = half
    with pytest.raises(DatasetError, match="cannot unpack"):
        download_release(at(spec, server.url, half), tmp_path / "cache", retries=0)
    assert not list((tmp_path / "cache").rglob("*.unpacked"))


def test_archive_without_the_folder(spec: DatasetSpec, server: Server, release: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "packed", "w") as tar:
        tar.add(release, "Hippocampus")
    data = (tmp_path / "packed").read_bytes()
    server.content["/Task04_Hippocampus.tar"] = data
    with pytest.raises(DatasetError, match="holds no folder Task04_Hippocampus"):
        download_release(at(spec, server.url, data), tmp_path / "cache", retries=0)


def test_missing_on_the_server(spec: DatasetSpec, server: Server, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"cannot download .*404.*--source DIR"):
        download_release(at(spec, server.url, b""), tmp_path / "cache", retries=0)


def test_offline_names_address_and_mend(spec: DatasetSpec, tmp_path: Path) -> None:
    offline = at(spec, "http://127.0.0.1:9", b"")  # the discard port: nothing listens
    with pytest.raises(DatasetError, match=r"cannot download http://127\.0\.0\.1:9/Task04.*--source DIR") as caught:
        download_release(offline, tmp_path / "cache", retries=0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", [{"access": "registration"}, {"downloads": ()}])
def test_release_behind_a_form(spec: DatasetSpec, tmp_path: Path, change: dict[str, object]) -> None:
    with pytest.raises(DatasetError, match=r"cannot be downloaded .* Get it from http://medicaldecathlon\.com"):
        download_release(spec.model_copy(update=change), tmp_path)


def test_default_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RASD_CACHE", raising=False)
    assert download_folder() == Path.home() / ".cache" / "rasd_nnu" / "downloads"
