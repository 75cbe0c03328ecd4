"""A stand-in for the Hugging Face hub: the part of its protocol that huggingface_hub uses to describe and fetch files.

Written from huggingface_hub (file_download.py, hf_api.py): /api/models/ID with siblings and LFS sums; HEAD and GET of
/ID/resolve/REV/FILE with ETag, X-Repo-Commit, X-Linked-Size, Range; errors named by X-Error-Code.

    with HubStandIn() as hub:
        hub.add("owner/name", {"config.json": b"..."}, license="apache-2.0")
        hub.breaks_after = 1000        # the next download ends after so many bytes, and the hub is down
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Repository:
    files: dict[str, bytes]
    license: str = ""
    gated: bool = False
    lying: set[str] = field(default_factory=set)
    """Files whose content is not what their sum says."""


class HubStandIn:
    """On a free port of 127.0.0.1. `sent` counts the bytes of files that went out; `tokens` who asked."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.breaks_after: int | None = None
        self.down = False
        self.sent = 0
        self.ranges: list[str] = []
        self.tokens: set[str] = set()
        standin = self

        class Handler(_Handler):
            state = standin

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def add(self, name: str, files: dict[str, bytes], license: str = "", gated: bool = False) -> Repository:
        self.repositories[name] = Repository(files, license, gated)
        return self.repositories[name]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    state: HubStandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read assertions, not access logs."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        if self.state.down:
            return self._send(503, b"down for a moment")
        path = self.path.partition("?")[0].strip("/")
        if given := self.headers.get("Authorization"):
            self.state.tokens.add(given.removeprefix("Bearer "))
        if path.startswith("api/models/"):
            name, _, revision = path.removeprefix("api/models/").partition("/revision/")
            return self._describe(name, revision or "main")
        name, _, rest = path.partition("/resolve/")
        revision, _, file = rest.partition("/")
        return self._file(name, revision, file)

    def _found(self, name: str, revision: str) -> Repository | None:
        repository = self.state.repositories.get(name)
        if repository is None:
            self._send(404, b'{"error":"Repository not found"}', {"X-Error-Code": "RepoNotFound"})
        elif revision not in ("main", COMMIT):
            self._send(404, b'{"error":"Invalid rev id"}', {"X-Error-Code": "RevisionNotFound"})
            return None
        return repository

    def _describe(self, name: str, revision: str) -> None:
        if (repository := self._found(name, revision)) is None:
            return
        siblings = [
            {
                "rfilename": file,
                "size": len(content),
                "blobId": hashlib.sha1(content).hexdigest(),
                **({"lfs": self._lfs(content)} if self._is_lfs(file) else {}),
            }
            for file, content in repository.files.items()
        ]
        card = {"license": repository.license} if repository.license else {}
        body = {"id": name, "modelId": name, "sha": COMMIT, "private": False, "gated": repository.gated}
        self._send(200, json.dumps({**body, "tags": [], "siblings": siblings, "cardData": card}).encode())

    def _lfs(self, content: bytes) -> dict[str, Any]:
        return {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}

    def _is_lfs(self, file: str) -> bool:
        return file.endswith((".gguf", ".safetensors"))

    def _file(self, name: str, revision: str, file: str) -> None:
        if (repository := self._found(name, revision)) is None:
            return None
        if repository.gated and not self.headers.get("Authorization"):
            return self._send(401, b'{"error":"Access is restricted"}', {"X-Error-Code": "GatedRepo"})
        content = repository.files.get(file)
        if content is None:
            return self._send(404, b"Entry not found", {"X-Error-Code": "EntryNotFound"})
        tag = hashlib.sha256(content).hexdigest() if self._is_lfs(file) else hashlib.sha1(content).hexdigest()
        headers = {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if self._is_lfs(file):
            headers |= {"X-Linked-ETag": f'"{tag}"', "X-Linked-Size": str(len(content))}
        if file in repository.lying:
            content = content[:-1] + bytes([content[-1] ^ 1])
        start = 0
        if self.command == "GET" and (asked := self.headers.get("Range")):
            self.state.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").partition("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return self._send(206 if start else 200, content[start:], headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return None
        if status in (200, 206) and not self.path.startswith("/api/"):
            limit = self.state.breaks_after
            if limit is not None and len(body) > limit:
                self.wfile.write(body[:limit])
                self.wfile.flush()
                self.state.sent += limit
                self.state.down = True
                self.close_connection = True
                return self.connection.shutdown(2)
            self.state.sent += len(body)
        self.wfile.write(body)
        return None
