"""A line to a server that can fall silent: nothing passes any more, and neither side is told. Or it is held up."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self


class SilentLine:
    """`with SilentLine(port) as line:` then `line.port`. `silent`: nothing ever passes. `until`: nothing any more once
    the client has sent this command."""

    def __init__(self, server_port: int, *, silent: bool = False, until: bytes | None = None) -> None:
        self.server_port, self.silent, self.until = server_port, silent, until
        self.logins = 0
        self.waiting = threading.Event()
        """Has the client said something since the line is held up?"""
        self._passes = threading.Event()
        self._passes.set()
        self._mute: set[int] = set()
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def fall_silent(self) -> None:
        """Whoever is connected hears nothing any more; a new connection works."""
        self._mute = set(range(len(self._open)))

    def hold(self) -> None:
        """Let nothing through for a while; nothing is lost."""
        self.waiting.clear()
        self._passes.clear()

    def let_go(self) -> None:
        """Let all through again, what was held up first."""
        self._passes.set()

    @property
    def is_silent(self) -> bool:
        """Waits somebody in vain?"""
        return bool(self._mute) or (self.silent and bool(self._open))

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                number = len(self._open)
                self._open += [client]
                if self.silent:
                    continue
                server = socket.create_connection(("127.0.0.1", self.server_port))
                self._open += [server]
                for source, target, until in ((client, server, self.until), (server, client, None)):
                    threading.Thread(target=self._carry, args=(number, source, target, until), daemon=True).start()

    def _carry(self, number: int, source: socket.socket, target: socket.socket, until: bytes | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if until is not None and until in data.upper():
                    self._mute.add(number)
                self.logins += data.upper().count(b" LOGIN ")
                if not self._passes.is_set():
                    self.waiting.set()
                    self._passes.wait()
                if number not in self._mute:
                    target.sendall(data)
            if number not in self._mute:
                target.shutdown(socket.SHUT_WR)

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self._passes.set()
        for line in (self.listener, *self._open):
            line.close()
