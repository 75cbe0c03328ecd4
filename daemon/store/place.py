"""Is the file that a database was opened from still the file at its path?

Whoever deletes or replaces a database that is in use leaves Postroom with a file that nobody finds any more: all that
it would write there is lost at the next start. The write-ahead log beside it holds what was committed last, and is as
much a part of it (https://www.sqlite.org/howtocorrupt.html, section 1.4). Who writes other content into the very same
file is not noticed here.

SQLite takes whatever log lies beside a file for that file's. So the log of one that is gone is renamed at once, to
`-wal.old`, before it is applied to what lies there instead.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

FDS = Path("/proc/self/fd")


class OpenedPlace:
    """The path of a database, as it was when it was opened. Make it while a connection is open."""

    def __init__(self, path: Path) -> None:
        self._path, self._log = path, path.with_name(f"{path.name}-wal")
        self._index = path.with_name(f"{path.name}-shm")
        self._was, self._log_was = _which(path), _which(self._log)

    def what_happened(self) -> str | None:
        """In words, if something did: the fact. Asked before every transaction, so it looks at no more than it must.

        A log that the file left behind is out of the way afterwards.
        """
        now = _which(self._path)
        if now != self._was:
            self._put_log_aside()
            return f"the file was {'deleted' if now is None else 'replaced'} while Postroom used it."
        log_now = _which(self._log)
        if log_now != self._log_was:
            if _is_held(self._log_was):
                return f"its log (-wal) was {'deleted' if log_now is None else 'replaced'} while Postroom used it."
            self._log_was = log_now  # SQLite itself makes it anew where no connection was open for a moment
        return None

    def _put_log_aside(self) -> None:
        """Only what this process has open itself: then it is the old file's, and no other file has got its inode."""
        if _which(self._log) == self._log_was and _is_held(self._log_was):
            index_is_old = _is_held(_which(self._index))
            with suppress(OSError):
                self._log.rename(self._log.with_name(f"{self._log.name}.old"))
                if index_is_old:
                    self._index.unlink()  # made anew from the log wherever it is missing


def _which(file: Path) -> tuple[int, int] | None:
    """Device and inode; None: it is not there."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_held(file: tuple[int, int] | None) -> bool:
    """Does this process have it open? Only Linux tells; elsewhere nobody is alarmed."""
    return file is not None and FDS.is_dir() and any(_which(fd) == file for fd in FDS.iterdir())
