"""A real Ollama (`make ollama`), on a port of 127.0.0.1 with a store of its own: started, killed, emptied, ended.

    with RealOllama(tmp_path) as server:
        Publisher(server.host).publish(gguf, "postroom:a")
        server.kill(); server.start()      # the same store, the same port
        server.empty()                     # as after somebody's `ollama rm`

It runs the models in processes of their own ("ollama runner"), which a server that is killed leaves behind; so all of
them are one process group, and that is what ends. At its start it asks the internet for news of models, and goes on
without; a proxy that is not there keeps it from asking.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import IO, Self

import httpx

from tests.servers.private import SERVERS, free_port

BINARY = SERVERS / "ollama" / "bin" / "ollama"
START_S = 60
# Tests that are killed can't end it; told by TERM it ends its own processes as well.
ENDS_WITH_US = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []


class RealOllama:
    """The server. `host` stays the same from start to start."""

    def __init__(self, folder: Path) -> None:
        if not BINARY.exists():
            raise FileNotFoundError(f"{BINARY} is missing. Run `make ollama` first.")
        self.folder = folder
        self.host = f"127.0.0.1:{free_port()}"
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        nowhere = "http://127.0.0.1:9"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "OLLAMA_HOST": self.host,
            "OLLAMA_MODELS": str(self.folder / "models"),
            "OLLAMA_MAX_LOADED_MODELS": "1",  # two mailboxes then take turns, as on a machine with little memory
            "HTTPS_PROXY": nowhere,
            "HTTP_PROXY": nowhere,
            "NO_PROXY": "127.0.0.1,localhost",
        }
        self._log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(
            [*ENDS_WITH_US, BINARY, "serve"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            with contextlib.suppress(httpx.HTTPError):
                if self.get("/api/version").status_code == httpx.codes.OK:
                    return
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        self.kill()
        raise RuntimeError(f"Ollama does not start: {self.log()[-2000:]}")

    def kill(self) -> None:
        """As a power cut does: the server and whatever it started, at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def empty(self) -> None:
        """Remove every model, as a person could."""
        for name in self.models():
            httpx.request(
                "DELETE", f"http://{self.host}/api/delete", json={"model": name}, trust_env=False, timeout=60
            ).raise_for_status()

    def get(self, path: str) -> httpx.Response:
        """A GET request."""
        return httpx.get(f"http://{self.host}{path}", trust_env=False, timeout=60)

    def post(self, path: str, body: object) -> httpx.Response:
        """A POST request with JSON."""
        return httpx.post(f"http://{self.host}{path}", json=body, trust_env=False, timeout=300)

    def models(self) -> dict[str, str]:
        """The digest of every model, by its name."""
        return {row["name"]: row["digest"] for row in self.get("/api/tags").raise_for_status().json()["models"]}

    def log(self) -> str:
        """What the server wrote."""
        return (self.folder / "log").read_text(errors="replace")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
