"""Lines to a mail server that misbehave: slow over every answer, hanging up, refusing all but a few connections."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import Self

SLOW_S = 50.0
"""So long the slow server takes over an answer: below the 60 seconds after which it counts as gone."""


class BadLine:
    """A line to the server that misbehaves. `way`: "slow" lets wait for every answer, "hangs up" does at the first
    word, "refuses" takes `admits` connections at a time. Use in `with`."""

    def __init__(self, way: str, server_port: int, admits: int = 1) -> None:
        self._way, self._server_port = way, server_port
        self._free = threading.Semaphore(admits)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            if self._way == "hangs up":
                client.sendall(b"* OK ready\r\n")
                client.recv(1000)
            elif self._way == "slow" or self._free.acquire(blocking=False):
                try:
                    self._carry(client)
                finally:
                    if self._way != "slow":
                        self._free.release()
            else:
                client.sendall(b"* BYE [UNAVAILABLE] Too many connections\r\n")

    def _carry(self, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._server_port)) as server:
            back = threading.Thread(target=self._pass_on, args=(server, client, SLOW_S * (self._way == "slow")))
            back.start()
            self._pass_on(client, server, 0)
            back.join()

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket, wait: float) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                time.sleep(wait)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
