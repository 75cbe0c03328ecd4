"""An IMAP server that answers one command with whatever a test wants, and every other one as a server should."""

from __future__ import annotations

import re
import socket
import threading
from types import TracebackType
from typing import Self

CAPABILITIES = b"IMAP4rev1 UIDPLUS MOVE IDLE UNSELECT"


class HostileImap:
    """One inbox with three messages. `{tag}` in `answer` stands for the command's tag. Use it in `with`."""

    def __init__(self, command: bytes, answer: bytes) -> None:
        self._command, self._answer = command, answer
        self.asked: list[bytes] = []

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as line:
            try:
                self._talk(line)
            except OSError:
                return

    def _talk(self, line: object) -> None:
        read, write, flush = line.readline, line.write, line.flush  # type: ignore[attr-defined]
        write(b"* OK ready\r\n")
        flush()
        while asked := read():
            tag, _, command = asked.strip().partition(b" ")
            self.asked.append(command)
            if command.upper().startswith(self._command):
                write(self._answer.replace(b"{tag}", tag))
            else:
                write(b"".join(b"* %s\r\n" % each for each in self._said(command.upper())) + tag + b" OK done\r\n")
            flush()

    def _said(self, command: bytes) -> list[bytes]:
        match command.split()[0:2]:
            case [b"CAPABILITY", *_]:
                return [b"CAPABILITY " + CAPABILITIES]
            case [b"LIST", *_]:
                return [b'LIST () "/" INBOX', b'LIST () "/" Orders']
            case [b"STATUS", *_]:
                return [b"STATUS INBOX (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 7)"]
            case [b"SELECT" | b"EXAMINE", *_]:
                return [b"3 EXISTS", b"0 RECENT", b"OK [UIDVALIDITY 7] ok", b"OK [UIDNEXT 4] ok", b"FLAGS (\\Seen)"]
            case [b"UID", b"SEARCH"]:
                return [b"SEARCH 1 2 3"]
            case [b"UID", b"FETCH"]:
                uids = re.findall(rb"\d+", command.split()[2])
                return [b"%b FETCH (UID %b FLAGS () RFC822.SIZE 10)" % (uid, uid) for uid in uids]
            case _:
                return []
