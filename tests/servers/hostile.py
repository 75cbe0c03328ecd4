"""An IMAP server that answers one command with whatever a test wants, and every other one as a server should.

with HostileImap(b"LIST", b"{tag} NO [INUSE] not now\\r\\n") as server: ...
with HostileImap(b"LIST", dribbled(b"* LIST () NIL x\\r\\n")) as server: ...
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self

CAPABILITIES = b"IMAP4rev1 UIDPLUS MOVE IDLE UNSELECT"


HEADER = b"Message-ID: <1@x>\r\nSubject: x\r\n\r\n"
GREETING = b"GREETING"
"""The command that nobody sends: what the server says first."""
Pieces = Callable[[], Iterable[bytes]]
"""What an answer is made of, sent one by one; a piece may take its time."""


def flood(piece: bytes, times: int, end: bytes = b"\r\n{tag} OK done\r\n", start: bytes = b"") -> Pieces:
    """The same again and again, much at once."""

    def pieces() -> Iterator[bytes]:
        many = max(1, 1024 * 1024 // max(len(piece), 1))
        yield start
        for _ in range(times // many):
            yield piece * many
        yield end

    return pieces


def dribbled(answer: bytes, seconds: float = 0.2, start: bytes = b"") -> Pieces:
    """A byte at a time, after the start."""

    def pieces() -> Iterator[bytes]:
        yield start
        for byte in answer:
            yield bytes([byte])
            time.sleep(seconds)

    return pieces


class HostileImap:
    """One inbox with three messages. `{tag}` in an answer, or in a piece, stands for the command's tag. Use in `with`.

    `offers`: capabilities beside the usual ones.
    """

    def __init__(self, command: bytes, answer: bytes | Pieces, *, offers: bytes = b"") -> None:
        self._command, self._answer = command, answer
        self._offers = b" " + offers if offers else b""
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
        with contextlib.suppress(OSError), connection, connection.makefile("rwb") as line:
            self._talk(line)

    def _talk(self, line: object) -> None:
        read, write, flush = line.readline, line.write, line.flush  # type: ignore[attr-defined]
        if self._command == GREETING:
            self._answer_with(write, flush, b"")
        else:
            write(b"* OK ready\r\n")
            flush()
        while asked := read():
            tag, _, command = asked.strip().partition(b" ")
            self.asked.append(command)
            if command.upper().startswith(self._command):
                self._answer_with(write, flush, tag)
            else:
                write(b"".join(b"* %s\r\n" % each for each in self._said(command.upper())) + tag + b" OK done\r\n")
            flush()

    def _answer_with(self, write: Callable[[bytes], object], flush: Callable[[], object], tag: bytes) -> None:
        for piece in [self._answer] if isinstance(self._answer, bytes) else self._answer():
            write(piece.replace(b"{tag}", tag))
            flush()

    def _said(self, command: bytes) -> list[bytes]:
        match command.split()[0:2]:
            case [b"CAPABILITY", *_]:
                return [b"CAPABILITY " + CAPABILITIES + self._offers]
            case [b"LIST", *_]:
                return [b'LIST () "/" INBOX', b'LIST () "/" Orders']
            case [b"STATUS", *_]:
                return [b"STATUS INBOX (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 7)"]
            case [b"SELECT" | b"EXAMINE", *_]:
                return [b"3 EXISTS", b"0 RECENT", b"OK [UIDVALIDITY 7] ok", b"OK [UIDNEXT 4] ok", b"FLAGS (\\Seen)"]
            case [b"UID", b"SEARCH"]:
                return [b"SEARCH 1 2 3"]
            case [b"UID", b"FETCH"]:
                uids = {uid for uid in re.findall(rb"\d+", command.split()[2]) if int(uid) <= 3}
                more = b" BODY[HEADER.FIELDS (X)] {%d}\r\n%b" % (len(HEADER), HEADER) if b"BODY" in command else b""
                return [b"%b FETCH (UID %b FLAGS () RFC822.SIZE 10%b)" % (uid, uid, more) for uid in sorted(uids)]
            case _:
                return []
