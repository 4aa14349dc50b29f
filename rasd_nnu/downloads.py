"""Download a file once: encrypted all the way, within limits of time and size, and checked before it is kept."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rasd_nnu.errors import DownloadError
from rasd_nnu.files import atomic_file

if TYPE_CHECKING:
    import requests

_BLOCK = 1 << 20
_LOCAL = ("localhost", "127.0.0.1", "::1")
_TOO_MANY_REQUESTS = 429


@dataclass(frozen=True)
class Limits:
    """How long a download is waited for, and how large it may be.

    Args:
        max_bytes: Largest file.
        timeout_s: Seconds without any answer after which a connection counts as broken.
        answer_s: Seconds until the head of the answer must be there, redirects included; one that drips in never
            reaches `timeout_s`.
        slowest: Bytes a second; a connection that stays below this for `window_s` counts as broken.
        window_s: Seconds over which the speed is measured.
        attempts: How often to try when the server is overloaded or the connection breaks.
        backoff_s: Seconds before the second attempt; doubled before each further one.
    """

    max_bytes: int
    timeout_s: float = 30.0
    answer_s: float = 120.0
    slowest: float = 10_000.0
    window_s: float = 60.0
    attempts: int = 4
    backoff_s: float = 1.0


class ChecksumError(DownloadError):
    """The file has another checksum than it should have."""

    def __init__(self, found: str, expected: str) -> None:
        self.found = found
        super().__init__(f"the checksum is {found}, expected {expected}")


class _PassingError(DownloadError):
    """What another attempt may get over."""


def download(
    url: str,
    target: Path,
    limits: Limits,
    *,
    checksum: str | None = None,
    check: Callable[[Path], None] = lambda path: None,
    show: bool = False,
) -> Path:
    """Download ``url`` to ``target``, unless that is there with the right checksum.

    Args:
        url: ``https``; ``http`` where a checksum is given, or from this machine. Redirects from ``https`` to ``http``
            are refused.
        target: The file; it appears only after all checks.
        limits: Of time and size.
        checksum: ``md5:`` or ``sha256:`` and hexadecimal digits, or None where none is known.
        check: Is called with the complete file before it is kept; raises a `UserError` if it is not what it should be.
        show: Show a progress bar on stderr.

    Returns:
        ``target``.

    Raises:
        DownloadError: If the address is not encrypted, or the file cannot be had or is too large.
        ChecksumError: If its checksum differs.
        OSError: If it cannot be written.
    """
    if target.is_file() and (checksum is None or _digest(target, checksum) == checksum):
        return target
    attempt = 1
    while True:
        try:
            with _session(url, checksum) as session, atomic_file(target) as file:
                _receive(session, url, file, limits, show)
                file.flush()
                _verify(Path(file.name), checksum, check)
            return target
        except _PassingError:
            if attempt >= limits.attempts:
                raise
            time.sleep(limits.backoff_s * 2 ** (attempt - 1))
            attempt += 1


def _verify(path: Path, checksum: str | None, check: Callable[[Path], None]) -> None:
    if checksum is not None and (found := _digest(path, checksum)) != checksum:
        raise ChecksumError(found, checksum)
    check(path)


def _digest(path: Path, checksum: str) -> str:
    """Return the checksum of a file, by the algorithm of another one."""
    algorithm = checksum.partition(":")[0]
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


def _session(url: str, checksum: str | None) -> requests.Session:
    """Return a session that has no way to connect but the allowed ones, wherever a redirect leads.

    Raises:
        DownloadError: If the address itself is not allowed.
    """
    import requests

    try:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}/"
    except ValueError as error:
        raise DownloadError(f"{url} is no address ({error})") from None
    session = requests.Session()
    session.adapters.clear()
    session.mount("https://", requests.adapters.HTTPAdapter())
    if parts.scheme == "http" and parts.hostname in _LOCAL:
        session.mount(origin, requests.adapters.HTTPAdapter())
    elif parts.scheme == "http" and checksum is not None:
        session.mount("http://", requests.adapters.HTTPAdapter())
    elif parts.scheme != "https" or not parts.hostname:
        raise DownloadError(f"{url} is not encrypted, expected https://. Anybody on the way could change the file.")
    return session


def _receive(session: requests.Session, url: str, file: IO[bytes], limits: Limits, show: bool) -> None:
    """Write the answer to ``file``.

    Raises:
        DownloadError: If the server refuses, or a limit is passed.
        _PassingError: If it is overloaded, or the connection breaks.
    """
    import requests
    from urllib3.exceptions import HTTPError

    # Without compression on the way, so that sizes are those of the file.
    options: dict[str, Any] = {"headers": {"Accept-Encoding": "identity"}, "timeout": limits.timeout_s, "stream": True}
    try:
        with _answer(lambda: session.get(url, **options), limits.answer_s) as answer:
            size = _checked_size(answer, limits, Path(file.name).parent)
            received = 0
            with _progress(url, size, show) as advance:
                for block in _blocks(answer, limits):
                    received += len(block)
                    if received > limits.max_bytes:
                        raise DownloadError(f"it is larger than the {limits.max_bytes / 1e9:g} GB that are allowed")
                    file.write(block)
                    advance(len(block))
            if size is not None and received != size:
                raise _PassingError(f"the connection ended after {received} of {size} bytes")
    except requests.exceptions.InvalidSchema as error:
        raise DownloadError(f"it redirects to an address that is not encrypted ({_brief(error)})") from None
    except requests.exceptions.TooManyRedirects as error:
        raise DownloadError(_brief(error)) from None
    except (requests.RequestException, HTTPError) as error:
        raise _PassingError(_brief(error)) from error


def _answer(ask: Callable[[], requests.Response], seconds: float) -> requests.Response:
    """Return the answer when its head is there; a thread waits for it, as no timeout bounds a head that drips in.

    Raises:
        _PassingError: If it is not there in time; the thread is left behind, and closes what it may still get.
    """
    future: Future[requests.Response] = Future()

    def wait() -> None:
        try:
            future.set_result(ask())
        except BaseException as error:  # told where the result is waited for
            future.set_exception(error)

    Thread(target=wait, daemon=True).start()
    try:
        return future.result(seconds)
    except TimeoutError:
        if future.done():  # a timeout of the connection itself
            raise
        future.add_done_callback(_close_late)
        raise _PassingError(f"the server sent no complete head of an answer in {seconds:g} seconds") from None


def _close_late(late: Future[requests.Response]) -> None:
    """Close an answer that came after nobody waited for it any more."""
    if late.exception() is None:
        late.result().close()


def _checked_size(answer: requests.Response, limits: Limits, folder: Path) -> int | None:
    """Check what the server says before its answer is read; return the announced size, if any."""
    if answer.status_code >= 500 or answer.status_code == _TOO_MANY_REQUESTS:
        raise _PassingError(f"the server answered {answer.status_code} {answer.reason}")
    if answer.status_code != 200:
        raise DownloadError(f"the server answered {answer.status_code} {answer.reason}")
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        raise DownloadError("the server answered with a web page, expected a file")
    length = answer.headers.get("Content-Length", "")
    if not (length.isascii() and length.isdigit()):
        return None
    size = int(length)
    if size > limits.max_bytes:
        raise DownloadError(f"it has {size / 1e9:.3g} GB, at most {limits.max_bytes / 1e9:g} GB are allowed")
    if size > (free := shutil.disk_usage(folder).free):
        raise DownloadError(f"it has {size / 1e9:.3g} GB, and {folder} has {free / 1e9:.3g} GB free")
    return size


def _blocks(answer: requests.Response, limits: Limits) -> Iterator[bytes]:
    """Yield the body as it comes in.

    Raises:
        _PassingError: If it comes in too slowly; the timeout alone is never reached by one byte a second.
    """
    begin, count = time.monotonic(), 0
    while block := answer.raw.read1(_BLOCK, decode_content=False):
        yield block
        count += len(block)
        seconds = time.monotonic() - begin
        if seconds >= limits.window_s:
            if count < limits.slowest * seconds:
                raise _PassingError(f"the server sends {count / seconds:.3g} bytes a second")
            begin, count = time.monotonic(), 0


@contextmanager
def _progress(url: str, size: int | None, show: bool) -> Iterator[Callable[[int], None]]:
    """Give a function that takes the number of further bytes, and shows a bar if asked to."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not show) as progress:
        task = progress.add_task(url.rpartition("/")[2], total=size)
        yield lambda count: progress.advance(task, count)


def _brief(error: Exception) -> str:
    """Return the cause in few words: urllib3 puts it inside an error about the number of its attempts."""
    cause = getattr(error.args[0], "reason", error) if error.args else error
    text = " ".join(str(cause).split()) or type(error).__name__
    return text if len(text) <= 160 else text[:157] + "..."
