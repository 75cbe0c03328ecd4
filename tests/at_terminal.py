"""A command at a real terminal of its own (a pseudo-terminal, 24 x N), typed at as a person does."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from typing import Self

from tests import ROOT

STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class AtTerminal:
    """`with AtTerminal("init") as typing:` then `typing.answer("IMAP server", "mail.example")`."""

    def __init__(
        self, *words: str, columns: int = 100, environ: Mapping[str, str] | None = None, command: Sequence[str] = ()
    ) -> None:
        self.ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        start = command or (sys.executable, "-m", "daemon.cli")
        self.process = subprocess.Popen(
            # A controlling terminal, from which passwords are read; and Ctrl-C counts, though the tests were started
            # in the background, where it does not.
            ["env", "--default-signal=INT", "setsid", "--ctty", *start, *words],
            cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs,
            env={**inherited, "TERM": "xterm", **(environ or {})},
        )  # fmt: skip
        os.close(theirs)
        self.said = ""
        """All that was shown since the last answer, without colours."""
        self.whole = ""

    def until(self, words: str, seconds: float = 60) -> str:
        """Read until this was shown; what came before it and it."""
        end = time.monotonic() + seconds
        while words not in self.said:
            assert time.monotonic() < end, f"{words!r} was not shown:\n{self.whole}"
            if not self._read(1.0):
                raise AssertionError(f"{words!r} was not shown before the end:\n{self.whole}")
        return self.said

    def answer(self, words: str, line: str) -> None:
        """Wait for a question and answer it."""
        self.until(words)
        self.said = ""
        os.write(self.ours, f"{line}\n".encode())

    def press(self, key: bytes) -> None:
        """Type a key: b"\\x03" is Ctrl-C."""
        os.write(self.ours, key)

    def end(self, seconds: float = 60) -> int:
        """Wait for the end of the command; its exit code."""
        end = time.monotonic() + seconds
        while self._read(1.0):
            assert time.monotonic() < end, f"it does not end:\n{self.whole}"
        return self.process.wait(seconds)

    def kill(self) -> None:
        """Without a chance to clean up: the command itself, and with it its whole session."""
        os.killpg(self.process.pid, signal.SIGKILL)

    def hang_up(self) -> None:
        """As when a window is closed."""
        os.close(self.ours)
        self.ours = -1

    def _read(self, seconds: float) -> bool:
        """Something of what is shown. False: there is nothing more, ever."""
        if not select.select([self.ours], [], [], seconds)[0]:
            return True
        try:
            piece = os.read(self.ours, 65536).decode(errors="replace")
        except OSError:  # EIO: nobody has the other end any more
            return False
        shown = STYLE.sub("", piece).replace("\r\n", "\n")
        self.said += shown
        self.whole += shown
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            if self.ours >= 0:
                os.close(self.ours)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
