"""One daemon per state directory. Two would decide the same message twice and write one database at once."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from daemon.mistakes import AlreadyRunning, PostroomError
from daemon.state.private import refuse_strange

LOOKS, LOOK_S = 5, 0.1
"""`holder` touches a lock for some microseconds; whoever still holds it after so many tries works there."""


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Wait for our turn to act on one mailbox: the service's pass and a command beside it never act at once.

    Raises PostroomError if the file cannot be made.
    """
    file = _opened(path)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _opened(path: Path) -> int:
    """The lock's file, made with its folder if need be. Raises PostroomError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise PostroomError(
            str(path),
            f"cannot be opened ({error.strerror}).",
            "Give the service's user the right to write there, or change state_dir.",
        ) from None


@dataclass(frozen=True)
class Holder:
    """Who holds a state directory: the process id, as it wrote it down, and since when."""

    process: str
    since: datetime


def holder(state_dir: Path) -> Holder | None:
    """Who works on this state directory; None: nobody. Takes nothing. Raises PostroomError if one may not look."""
    return holder_of(state_dir / "postroom.lock")


def holder_of(path: Path) -> Holder | None:
    """Who holds this lock. Takes nothing. Raises PostroomError if one may not look."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PostroomError(
            str(path), f"cannot be opened ({error.strerror}).", "Run the command as the service's user, or as root."
        ) from None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return Holder(_noted(file), datetime.fromtimestamp(os.fstat(file).st_mtime, UTC))
    finally:
        os.close(file)
    return None


def taken(file: int, *, together: bool = False, looks: int = LOOKS) -> bool:
    """Take an open file's lock for us alone, or `together` with others who take it so. False: somebody works there, and
    does not only look."""
    kind = fcntl.LOCK_SH if together else fcntl.LOCK_EX
    return any(_taken(file, kind, after=LOOK_S * bool(number)) for number in range(looks))


def _taken(file: int, kind: int, *, after: float) -> bool:
    time.sleep(after)
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _noted(file: int) -> str:
    return os.pread(file, 20, 0).decode("ascii", "replace").strip() or "unknown"


class StateLock:
    """Holds the state directory while the `with` block runs. The kernel lets go when the process ends, however it ends.

    The file stays: removing it would let a third process lock a new file while the second still waits for the old one.
    """

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / "postroom.lock"
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock, making the directory if need be. Raises AlreadyRunning, which names the other process,
        StrangeDirectory, or PostroomError if its file cannot be made."""
        with suppress(OSError):  # what cannot be read is told next
            refuse_strange(self.path.parent)
        file = _opened(self.path)
        if not taken(file):
            other = _noted(file)
            os.close(file)
            raise AlreadyRunning(
                str(self.path.parent),
                f"another Postroom works here (process {other}).",
                "Stop it first, for example by `systemctl stop postroom`.",
            )
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode("ascii"), 0)
        self._file = file

    def release(self) -> None:
        """Let go. Does nothing if the lock is not held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
