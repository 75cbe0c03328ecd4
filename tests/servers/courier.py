"""A private Courier IMAP 5: no MOVE, no CONDSTORE, no LIST-STATUS, folders under "INBOX."

Any user logs in with PASSWORD.

The real imapd runs on the client's own socket; the login before it is played here, as Courier's imaplogin does it: the
answer to LOGIN comes from imapd itself, which is told the tag by its environment.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import threading
from pathlib import Path
from typing import Self

from tests.servers.private import PASSWORD, SERVERS, Account, private_folder, tree

CAPABILITIES = "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA IDLE"


class Courier:
    """`with Courier() as server:` then `server.port`. `settings` go to imapd's environment: IMAP_KEYWORDS="0"."""

    name = "courier"
    separator = "."
    prefix = "INBOX."

    def __init__(self, capabilities: str = CAPABILITIES, **settings: str) -> None:
        self.capabilities = capabilities
        self.settings = settings

    def __enter__(self) -> Self:
        self.account = Account.ordinary()
        self.root = private_folder("courier-")
        usr = tree("courier-imap") / "usr"
        self.imapd, self.make_maildir = usr / "bin/imapd", usr / "bin/maildirmake.courier"
        libraries = [
            SERVERS / "stub",
            usr / "lib",
            *usr.glob("lib/*-linux-gnu"),
            *usr.glob("lib/*-linux-gnu/courier-*"),
        ]
        self.environment = {
            "PATH": os.environ["PATH"],
            "LD_LIBRARY_PATH": ":".join(str(folder) for folder in libraries),
            "IMAP_CAPABILITY": self.capabilities,
            "IMAP_KEYWORDS": "1",
            "IMAP_USELOCKS": "1",
            "IMAP_ACL": "1",
            "IMAP_IDLE_TIMEOUT": "1",
            "IMAP_MAILBOX_SANITY_CHECK": "1",
            "IMAP_EMPTYTRASH": "",
            "TCPREMOTEIP": "127.0.0.1",
            "TCPREMOTEPORT": "1",
            **self.settings,
        }
        self.account.own(self.root)
        self.homes = threading.Lock()
        self.children: list[subprocess.Popen[bytes]] = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def start(self) -> None:
        """Listen again after `halt`."""
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=50)
        threading.Thread(target=self._listen, daemon=True).start()

    def halt(self) -> None:
        """Stop listening and end every session; the mail stays."""
        # Closing alone does not wake a thread that waits in accept().
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for child in self.children:
            child.terminate()
            child.wait(5)
        self.children.clear()

    def maildir(self, user: str) -> Path:
        return self._home(user) / "Maildir"

    def _listen(self) -> None:
        listener = self.listener
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, EOFError):
            connection.sendall(f"* OK [CAPABILITY {self.capabilities}] Courier-IMAP ready.\r\n".encode())
            while True:
                tag, command, *rest = _line(connection).split(" ", 2)
                match command.upper():
                    case "CAPABILITY":
                        answer = f"* CAPABILITY {self.capabilities}\r\n{tag} OK CAPABILITY completed\r\n"
                    case "LOGOUT":
                        connection.sendall(f"* BYE Courier-IMAP server shutting down\r\n{tag} OK\r\n".encode())
                        return
                    case "LOGIN":
                        words = re.fullmatch(r'"?([^" ]+)"? "?([^"]*)"?', rest[0])
                        if words and words[2] == PASSWORD:
                            self._imapd(connection, words[1], tag)
                            return
                        answer = f"{tag} NO Login failed.\r\n"
                    case _:
                        answer = f"{tag} NO Error in IMAP command received by server.\r\n"
                connection.sendall(answer.encode())

    def _imapd(self, connection: socket.socket, user: str, tag: str) -> None:
        home = self._home(user)
        login = {"HOME": str(home), "AUTHENTICATED": user, "AUTHUSER": user, "IMAPLOGINTAG": tag}
        child = subprocess.Popen(
            [*self.account.prefix(), str(self.imapd), "Maildir"],
            stdin=connection.fileno(),
            stdout=connection.fileno(),
            stderr=subprocess.DEVNULL,
            cwd=home,
            env={**self.environment, **login},
        )
        self.children.append(child)
        connection.close()
        child.wait()

    def _home(self, user: str) -> Path:
        with self.homes:
            home = self.root / user
            if not home.exists():
                home.mkdir()
                self.account.own(home)
                command = [*self.account.prefix(), str(self.make_maildir), str(home / "Maildir")]
                subprocess.run(command, check=True, env=self.environment)
            return home

    def __exit__(self, *_: object) -> None:
        self.halt()
        shutil.rmtree(self.root, ignore_errors=True)


def _line(connection: socket.socket) -> str:
    """Byte by byte: nothing may be swallowed that belongs to imapd."""
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            raise EOFError
        line += byte
    return line.decode().strip()
