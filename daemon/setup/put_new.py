"""Files that are there whole or not at all, and never instead of another.

A file without a name is written, with its mode from the first byte, and gets its name at the end (open(2), O_TMPFILE):
whoever is killed in between leaves nothing behind, and a file that was there meanwhile stays.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from daemon.mistakes import PostroomError, disk_trouble


def put_new(path: Path, content: bytes, mode: int) -> None:
    """Raises PostroomError: there is one already, or it cannot be written."""
    try:
        _put(path, content, mode)
    except FileExistsError:
        raise PostroomError(str(path), "is there already, and stays as it is.", "Choose another name.") from None
    except OSError as error:
        raise disk_trouble(error, path) or PostroomError(str(path), f"cannot be written ({error.strerror}).") from error


def make_folder(path: Path, mode: int) -> None:
    """Make the folder, and those above it, unless it is there. Raises PostroomError."""
    if path.is_dir():
        return
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.mkdir(exist_ok=True)
        path.chmod(mode)  # whatever the umask
        _as_its_folder(path)
    except OSError as error:
        raise disk_trouble(error, path) or PostroomError(str(path), f"cannot be made ({error.strerror}).") from error


def _put(path: Path, content: bytes, mode: int) -> None:
    fallback = None
    try:
        file = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY, mode)
    except OSError:  # a file system that has no such files (EOPNOTSUPP, EISDIR), or what the next line says, too
        fallback = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        file = os.open(fallback, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    try:
        with os.fdopen(file, "wb") as out:
            out.write(content)
            out.flush()
            os.fchmod(file, mode)  # whatever the umask
            os.fsync(file)
            if fallback is None:
                os.link(f"/proc/self/fd/{file}", path, src_dir_fd=file, follow_symlinks=True)
            else:
                os.link(fallback, path)
    finally:
        if fallback is not None:
            with suppress(OSError):
                fallback.unlink()
    _as_its_folder(path)


def _as_its_folder(path: Path) -> None:
    """What root makes in a folder of the service's user belongs to that user."""
    if os.geteuid() == 0:
        above = path.parent.stat()
        os.chown(path, above.st_uid, above.st_gid)
