"""A stand-in for the Hugging Face hub and for any web server, on this machine."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubServer(ThreadingHTTPServer):
    """Repositories ``name -> {file: bytes}``; a file of the web is one of the repository ``web``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, dict[str, bytes]] = {"web": {}}
        self.private: dict[str, bool] = {}
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def _reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, content: Any, status: int = 200) -> None:
        self._reply(status, json.dumps(content).encode(), Content_Type="application/json")

    def do_GET(self) -> None:
        """Serve ``/web/<file>`` and ``/<owner>/<name>/resolve/<revision>/<file>``."""
        self.server.requests.append(f"{self.command} {self.path}")
        parts = self.path.strip("/").split("/")
        if parts[0] == "web":
            body = self.server.repositories["web"].get("/".join(parts[1:]))
            self._reply(404) if body is None else self._reply(200, body)
            return
        repo, file = "/".join(parts[:2]), "/".join(parts[4:])
        if repo not in self.server.repositories:
            self._reply(404, X_Error_Code="RepoNotFound", X_Error_Message="no such repository")
        elif parts[3] not in ("main", COMMIT, "v1"):
            self._reply(404, X_Error_Code="RevisionNotFound", X_Error_Message="no such revision")
        elif file not in self.server.repositories[repo]:
            self._reply(404, X_Error_Code="EntryNotFound", X_Error_Message="no such file", X_Repo_Commit=COMMIT)
        else:
            body = self.server.repositories[repo][file]
            tag = f'"{hashlib.sha256(body).hexdigest()}"'
            self._reply(200, body, ETag=tag, X_Repo_Commit=COMMIT, Accept_Ranges="bytes")

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        """Serve the creation of a repository and a commit without large-file storage."""
        self.server.requests.append(f"POST {self.path}")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Authorization") != "Bearer hf_test":
            self._json({"error": "Invalid credentials"}, 401)
        elif self.path == "/api/repos/create":
            asked = json.loads(body)
            repo = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
            self.server.repositories.setdefault(repo, {})
            self.server.private[repo] = bool(asked.get("private") or asked.get("visibility") == "private")
            self._json({"url": f"{self.server.url}/{repo}", "name": repo})
        elif self.path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            files = [{**f, "uploadMode": "regular", "shouldIgnore": False} for f in json.loads(body)["files"]]
            self._json({"files": files})
        else:
            repo = "/".join(self.path.split("/")[3:5])
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    value = line["value"]
                    self.server.repositories[repo][value["path"]] = base64.b64decode(value["content"])
            self._json({"commitUrl": f"{self.server.url}/{repo}/commit/{COMMIT}", "commitOid": COMMIT})


@contextmanager
def running() -> Iterator[HubServer]:
    server = HubServer()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
