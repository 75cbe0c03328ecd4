"""Where tokens are kept: one file a sign-in, outside of settings and database, whole or not at all.

    lock beside it | read | (ask the authority for a newer token) | write beside, fsync, rename | unlock

The lock is held while a token is renewed: service and command line never spend one refresh token twice, which an
authority that rotates them takes for a theft.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.mistakes import CredentialMissing
from daemon.settings.credentials import refuse_open_file


class TokenFile:
    """One file with tokens, for its owner alone. Raises CredentialMissing if it cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def held(self) -> Iterator[TokenFile]:
        """Nobody else reads or writes it while the `with` block runs, in this process or another."""
        with self._in_words(self.path.parent):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self
        finally:
            os.close(lock)

    def read(self) -> str:
        """What it holds; "" if there is none yet. Only while it is held."""
        with self._in_words(self.path):
            try:
                with self.path.open(encoding="utf-8") as file:
                    refuse_open_file(self.path, os.fstat(file.fileno()).st_mode)
                    return file.read()
            except FileNotFoundError:
                return ""
            except UnicodeDecodeError:
                return ""  # damaged: as good as none, and the next sign-in replaces it

    def write(self, text: str) -> None:
        """Replace it. A crash leaves the old file or the new one. Only while it is held."""
        with self._in_words(self.path):
            file, beside = tempfile.mkstemp(dir=self.path.parent, prefix=".token-")  # mkstemp makes it 0600
            try:
                with os.fdopen(file, "w", encoding="utf-8") as stream:
                    stream.write(text)
                    stream.flush()
                    os.fsync(stream.fileno())
                Path(beside).replace(self.path)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(beside).unlink()
                raise
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    @staticmethod
    @contextmanager
    def _in_words(path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CredentialMissing(
                str(path),
                f"cannot be used ({error.strerror}).",
                "Run as the service's user, or give it the right to read and write there.",
            ) from None
