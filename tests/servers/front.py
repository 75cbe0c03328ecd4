"""The login before a server that serves one mailbox on its standard input: Courier's imapd, GNU mailutils' imap4d.

A connection is greeted here and asked for PASSWORD; then the real server takes it over, as whatever user named itself.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

from tests.servers.private import PASSWORD, TLS_RECORD, Account, private_folder


class LoginFront(ABC):
    """`with ... as server:` then `server.port`. `capabilities` are told before the login."""

    name: str
    separator = "/"
    prefix = ""

    def __init__(self, capabilities: str) -> None:
        self.capabilities = capabilities

    def __enter__(self) -> Self:
        self.account = Account.ordinary()
        self.root = private_folder(f"{self.name}-")
        self.prepare()
        self.account.own(self.root)
        self.homes = threading.Lock()
        self.children: list[subprocess.Popen[bytes]] = []
        self._listen_on(0)
        return self

    @abstractmethod
    def prepare(self) -> None:
        """Find the server's programs."""

    @abstractmethod
    def furnish(self, home: Path) -> None:
        """Make an empty mailbox in the home of a new user, who owns it."""

    @abstractmethod
    def serve(self, connection: socket.socket, user: str, tag: str) -> None:
        """Answer the LOGIN of that tag and give the connection to the server, until it ends."""

    def start(self) -> None:
        """Listen again after `halt`."""
        self._listen_on(self.port)

    def halt(self) -> None:
        """Stop listening and end every session; the mail stays."""
        # Closing alone does not wake a thread that waits in accept().
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for child in self.children:
            child.kill()
            child.wait(5)
        self.children.clear()

    def home(self, user: str) -> Path:
        """Where a user's mail lies."""
        with self.homes:
            home = self.root / user
            if not home.exists():
                home.mkdir()
                self.account.own(home)
                self.furnish(home)
            return home

    def _listen_on(self, port: int) -> None:
        self.listener = socket.create_server(("127.0.0.1", port), backlog=50)
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self._listen, args=(self.listener,), daemon=True).start()

    def _listen(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._greet, args=(connection,), daemon=True).start()

    def _greet(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, EOFError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(f"* OK [CAPABILITY {self.capabilities}] ready.\r\n".encode())
            while True:
                tag, command, *rest = _line(connection).split(" ", 2)
                match command.upper():
                    case "CAPABILITY":
                        answer = f"* CAPABILITY {self.capabilities}\r\n{tag} OK CAPABILITY completed\r\n"
                    case "LOGOUT":
                        connection.sendall(f"* BYE server shutting down\r\n{tag} OK\r\n".encode())
                        return
                    case "LOGIN":
                        words = re.fullmatch(r'"?([^" ]+)"? "?([^"]*)"?', rest[0])
                        if words and words[2] == PASSWORD:
                            self.serve(connection, words[1], tag)
                            return
                        answer = f"{tag} NO Login failed.\r\n"
                    case _:
                        answer = f"{tag} NO Error in IMAP command received by server.\r\n"
                connection.sendall(answer.encode())

    def __exit__(self, *_: object) -> None:
        self.halt()
        shutil.rmtree(self.root, ignore_errors=True)


def _line(connection: socket.socket) -> str:
    """Byte by byte: nothing may be swallowed that belongs to the server."""
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte or line + byte == TLS_RECORD:  # this port speaks no TLS
            raise EOFError
        line += byte
    return line.decode().strip()
