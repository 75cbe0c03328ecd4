"""What an IMAP server sends, read with bounds: on the time, on what is said and on how much mail comes at once.

    a command goes out | its answer's time begins | receive, within time and bounds | imaplib reads lines and literals

`timeout` is how long the server may be silent, and how long one answer may take; an answer that is large gets as much
longer as it needs (`connectors.patience`). An answer is all that comes after one line of ours. Nobody reads while IDLE
lasts, so a hint comes when it comes. Who sets `halt` ends what is being read within a second.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from typing import Any

from imapclient import IMAPClient
from imapclient.imap4 import IMAP4WithTimeout
from imapclient.tls import IMAP4_TLS

from connectors.errors import Unexplained, Unreachable
from connectors.patience import Patience

LARGEST_LITERAL = 16 * 1024 * 1024
"""Bytes of one literal: of a body 1 MiB is asked for, of a header all, and servers take no header as large as this."""
LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes of one answer, literals and all: a batch of mail is asked for by 8 MiB."""
LONGEST_LINE = 1_000_000
"""As imaplib has it. The UIDs that one search may find fit (`SEARCH_WINDOW`)."""
MOST_WORDS = 8 * 1024 * 1024
"""Bytes of one answer's lines. Every word becomes an object of some fifty bytes."""
MOST_LINES = 200_000
LOOK_UP_S = 1.0
"""So often who waits for the server looks up: does somebody want the connection to end?"""
CHUNK = 65536
MOST_UNREAD = 65536
"""Bytes that may lie unread while nobody asks anything: who says so much has news."""
TOO_MUCH = "Postroom tries again at the next poll; if it stays, ask the server's administrator."


class TooMuch(Unexplained):
    """The server sends far more than was asked for, or we asked for more at once than we take."""


class Line:
    """The incoming half of a connection. `place` begins its errors. `timeout`: seconds, see above."""

    def __init__(self, place: str, timeout: float, halt: threading.Event) -> None:
        self._place, self._halt = place, halt
        self._patience = Patience(timeout)
        self._connection: socket.socket | None = None
        self._received = bytearray()
        self.begin()

    def begin(self) -> None:
        """A line of ours goes out: what comes from now on is the answer to it."""
        self._patience.begin()
        self._words = self._lines = 0

    def come(self, connection: socket.socket) -> list[bytes]:
        """The lines that have come, without waiting for more; they stay to be read. All that TLS has decrypted is
        taken, since the socket does not show it. Raises OSError, also where the server hung up."""
        self._is_from(connection)
        connection.settimeout(0)
        try:
            while len(self._received) <= MOST_UNREAD and (piece := connection.recv(CHUNK)):
                self._received += piece
            if len(self._received) <= MOST_UNREAD:
                raise ConnectionResetError("the server hung up")
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass  # that was all, or there is half a record of TLS
        finally:
            connection.settimeout(self._patience.seconds)
        return bytes(self._received).splitlines()

    def read_rest(self, connection: socket.socket) -> bytes:
        """What follows a literal: the rest of its line. An empty line before that counts as none (cpython #88574)."""
        taken = self.readline(connection)
        if taken.strip() or not taken:
            return taken
        following = self.readline(connection)
        if following[:1] in (b")", b" "):
            return following
        self._received[:0] = following  # the literal was the end of its line
        return taken

    def read(self, connection: socket.socket, size: int) -> bytes:
        """A literal. Raises Unexplained where it is larger than anything that was asked for, Unreachable, OSError."""
        if size > LARGEST_LITERAL:
            raise self._too_much(f"a literal of {size} bytes")
        while len(self._received) < size and self._receive(connection):
            pass
        return self._take(size)

    def readline(self, connection: socket.socket) -> bytes:
        """A line with its end; less where the server hung up. Raises as `read` does."""
        seen = 0
        while (end := self._received.find(b"\n", seen)) < 0 and self._receive(connection):
            seen = max(len(self._received) - CHUNK, 0)
            if seen > LONGEST_LINE:
                raise self._too_much(f"a line of more than {LONGEST_LINE} bytes")
        taken = self._take(end + 1 if end >= 0 else len(self._received))
        self._lines += 1
        self._words += len(taken)
        if self._lines > MOST_LINES or self._words > MOST_WORDS:
            raise self._too_much(f"{self._lines} lines, {self._words} bytes of them, in one answer")
        return taken

    def _take(self, size: int) -> bytes:
        with memoryview(self._received) as whole:
            taken = bytes(whole[:size])
        del self._received[: len(taken)]
        return taken

    def _receive(self, connection: socket.socket) -> bool:
        """Something more; False: the server hung up."""
        self._is_from(connection)
        piece = self._next(connection)
        self._received += piece
        self._patience.received += len(piece)
        if self._patience.received > LARGEST_ANSWER:
            raise self._too_much(f"more than {LARGEST_ANSWER} bytes in one answer")
        return bool(piece)

    def _is_from(self, connection: socket.socket) -> None:
        if connection is not self._connection:  # STARTTLS: what came before it came from anybody
            self._connection, self._received = connection, bytearray()

    def _next(self, connection: socket.socket) -> bytes:
        patience = self._patience
        silent = time.monotonic() + patience.seconds
        while True:
            left = min(silent - time.monotonic(), patience.left)
            if self._halt.is_set():
                raise Unreachable(self._place, "Postroom ends and does not wait for the server's answer.", "")
            if left <= 0 and patience.left <= 0 and patience.received:
                fact = f"{patience.received} bytes in {patience.took:.0f} s"
                raise Unreachable(self._place, f"The server takes too long over one answer: {fact}.")
            if left <= 0:
                raise TimeoutError("timed out")
            connection.settimeout(min(left, LOOK_UP_S))
            try:
                return connection.recv(CHUNK)
            except TimeoutError:
                continue
            finally:
                connection.settimeout(patience.seconds)

    def _too_much(self, what: str) -> TooMuch:
        return TooMuch(self._place, f"The server sends {what}, far more than was asked for.", TOO_MUCH)


class _Bounded:
    """In front of a client of imaplib: all that it receives comes through a `Line`."""

    sock: socket.socket
    _after_literal = False

    def __init__(self, line: Line, *where: Any) -> None:
        self.line = line  # before the greeting is read
        super().__init__(*where)

    def send(self, data: Any) -> None:
        self._after_literal = False
        self.line.begin()
        super().send(data)  # type: ignore[misc]

    def read(self, size: int) -> bytes:
        self._after_literal = True
        return self.line.read(self.sock, size)

    def readline(self) -> bytes:
        after_literal, self._after_literal = self._after_literal, False
        return self.line.read_rest(self.sock) if after_literal else self.line.readline(self.sock)


class _Plain(_Bounded, IMAP4WithTimeout):  # type: ignore[misc]
    pass


class _OverTls(_Bounded, IMAP4_TLS):  # type: ignore[misc]
    pass


class BoundedClient(IMAPClient):  # type: ignore[misc]
    """IMAPClient on a bounded line. It connects at once and raises what its parent raises, and what a `Line` does."""

    def __init__(self, line: Line, *where: Any, **how: Any) -> None:
        self.line = line
        super().__init__(*where, **how)

    def _consume_until_tagged_response(self, tag: str, command: str) -> tuple[bytes, list[bytes]]:
        """The answer to NOOP, and to the end of IDLE, as lines: IMAPClient would parse them, and fail over a flag."""
        lines: list[bytes] = []
        while not self._imap.tagged_commands[tag]:
            lines.append(self._imap._get_response())
        kind, answer = self._imap.tagged_commands.pop(tag)
        self._checkok(command, kind, answer)
        return answer[0], lines

    def _create_IMAP4(self) -> _Bounded:  # noqa: N802 - IMAPClient's name
        within = self._timeout.connect
        if self.ssl:
            return _OverTls(self.line, self.host, self.port, self.ssl_context, within)
        return _Plain(self.line, self.host, self.port, within)
