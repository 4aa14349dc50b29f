"""A web server on this machine that behaves as badly as it is told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: Answers one request; gets the handler and the number of the request for this path, from 1.
Answer = Callable[["Handler", int], None]


class Server(ThreadingHTTPServer):
    """Path -> how to answer it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, Answer] = {}
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        self.server.answers[self.path](self, self.server.requests.count(self.path))

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


def gives(body: bytes, **headers: str) -> Answer:
    return lambda handler, number: handler.reply(200, body, **headers)


def fails_at_first(times: int, body: bytes) -> Answer:
    return lambda handler, number: handler.reply(503) if number <= times else handler.reply(200, body)


def cut_at_first(times: int, body: bytes) -> Answer:
    """Send half of the body and close, so many times."""

    def answer(handler: Handler, number: int) -> None:
        sent = body[: len(body) // 2] if number <= times else body
        handler.reply(200, sent, Content_Length=str(len(body)))

    return answer


def redirects(address: str) -> Answer:
    return lambda handler, number: handler.reply(302, Location=address)


def drips(handler: Handler, number: int) -> None:
    """Send a byte every 20 ms, for ever."""
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b"x")
            time.sleep(0.02)
    except OSError:
        """The client has had enough."""


def drips_headers(handler: Handler, number: int) -> None:
    """Send a header without an end, a byte every 20 ms."""
    handler.send_response(200)
    handler.flush_headers()
    try:
        handler.wfile.write(b"X-Long: ")
        while True:
            handler.wfile.write(b"x")
            time.sleep(0.02)
    except OSError:
        """The client has had enough."""


def floods(handler: Handler, number: int) -> None:
    """Send without an end, and without saying how much."""
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(bytes(1 << 16))
    except OSError:
        """The client has had enough."""


@contextmanager
def running() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
