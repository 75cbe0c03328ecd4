"""A backup is one tar file, readable for its owner alone. Its first member says what the others must be.

    manifest.json                      version, moment, length and sha256 of every other member
    postroom.sqlite, model.key         always
    models/MAILBOX/VERSION/...         the models in use and those before them, and in training/cache/reader-KEY/ the
                                       readers that these need; not in a backup without models
    settings/...                       the settings as they were, to read; nothing brings them back by itself
    credentials/...                    only where somebody asked for it

Not compressed: models hardly shrink, `tar -tf` lists it, and nobody can hand us a file that grows when it is read.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path, PurePosixPath
from tempfile import mkstemp
from typing import IO

from pydantic import BaseModel, ConfigDict, ValidationError

from daemon.mistakes import ExitCode, PostroomError, disk_trouble
from daemon.model.model_folder import FileSum
from daemon.store.kept_copy import sync

FORMAT = 1
"""Raised when an older Postroom could not bring a backup back rightly."""
MANIFEST = "manifest.json"
MOST_MANIFEST = 16 * 1024**2
"""Bytes: some hundred thousand files."""
DATABASE = "postroom.sqlite"
NAMES = re.compile(
    r"postroom\.sqlite|model\.key|settings/.+|credentials/.+|models/[^/]+/[^/]+/.+|training/cache/reader-[^/]+/.+"
)
"""All that a backup holds."""
CHUNK = 1024**2


class BackupError(PostroomError):
    """A backup cannot be made."""


class BackupChanged(BackupError):
    """What was to be backed up changed meanwhile."""

    exit_code = ExitCode.TRY_AGAIN


class BackupRefused(PostroomError):
    """A file that is no backup, or no whole one, or one that this Postroom cannot bring back."""


class Manifest(BaseModel):
    """manifest.json. `revision` is the database's, `postroom` the version that made the backup."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    format: int = FORMAT
    postroom: str
    made: datetime
    revision: str
    mailboxes: tuple[str, ...]
    models: bool
    secrets: bool
    files: Mapping[str, FileSum]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files.values())


# --- made


def write_backup(target: Path, manifest: Manifest, sources: Mapping[str, Path]) -> None:
    """Write the file and read it back; it has its name only when it is whole and on the disk. Raises BackupError."""
    unfinished = _unfinished(target)
    try:
        with _told(target), unfinished.open("wb") as out:
            with tarfile.open(fileobj=out, mode="w") as tar:
                head = manifest.model_dump_json(indent=1).encode()
                _add(tar, MANIFEST, len(head), manifest.made, io.BytesIO(head))
                for name, path in sources.items():
                    with path.open("rb") as file:
                        _add(tar, name, manifest.files[name].size, manifest.made, file)
            out.flush()
            os.fsync(out.fileno())
        try:
            for _ in members(unfinished, lambda _name, _data: None):
                pass
        except BackupRefused as error:  # a file that was changed in the moment between summing it up and writing it
            raise BackupChanged(
                str(target), f"what is backed up changed meanwhile ({error.fact.rstrip('.')}).", "Try again."
            ) from error
        refuse_existing(target)
        with _told(target):
            unfinished.rename(target)
            sync(target.parent)
    finally:
        with suppress(FileNotFoundError):
            unfinished.unlink()


def refuse_existing(target: Path) -> None:
    """Raises BackupError: nothing is written over another backup."""
    if target.exists() or target.is_symlink():
        raise BackupError(str(target), "is there already; it was left as it is.", "Choose another name, or remove it.")


def _unfinished(target: Path) -> Path:
    """A new file beside the target, for its owner alone. Raises BackupError."""
    with _told(target):
        file, name = mkstemp(prefix=f".{target.name}.", suffix=".unfinished", dir=target.parent)
        os.close(file)
    return Path(name)


def _add(tar: tarfile.TarFile, name: str, size: int, made: datetime, file: IO[bytes]) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o600, int(made.timestamp())
    tar.addfile(info, file)


@contextmanager
def _told(target: Path) -> Iterator[None]:
    """What the disk answers, in words. Raises BackupError."""
    try:
        yield
    except FileNotFoundError as error:
        if error.filename is not None and Path(error.filename).parent == target.parent:
            step = "Make it first, where Postroom's user may write."
            raise BackupError(str(target.parent), "there is no such folder.", step) from None
        raise BackupChanged(str(error.filename), "was removed while it was backed up.", "Try again.") from None
    except OSError as error:
        trouble = disk_trouble(error, target.parent)
        fact, step = (trouble.fact, trouble.next_step) if trouble else (f"{error.strerror or error}.", "")
        raise BackupError(str(target), f"the backup was not made: {fact}", step) from error


# --- read


def read_manifest(path: Path) -> Manifest:
    """What a backup says of itself. Raises BackupRefused, also for one of a newer format."""
    with _opened(path) as tar:
        return _manifest(path, tar)


def members(path: Path, put: Callable[[str, bytes], None]) -> Iterator[str]:
    """The name of every file, as soon as all of it was given to `put`, piece by piece, and is what the manifest says.

    At the end all files that it names were there. Raises BackupRefused, and what `put` raises.
    """
    with _opened(path) as tar:
        manifest = _manifest(path, tar)
        missing = set(manifest.files)
        while (member := _next(path, tar)) is not None:
            expected = manifest.files.get(member.name)
            if expected is None or member.name not in missing or not member.isreg() or member.size != expected.size:
                raise _damaged(path, f"{member.name} is not what its list says")
            sum_ = hashlib.sha256()
            for piece in _pieces(path, tar, member):
                sum_.update(piece)
                put(member.name, piece)
            if sum_.hexdigest() != expected.sha256:
                raise _damaged(path, f"{member.name} was changed (wrong sha256)")
            missing.discard(member.name)
            yield member.name
        if missing:
            raise _damaged(path, f"{min(missing)} is missing: the file was cut off, perhaps")


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            yield tar
    except tarfile.TarError:
        raise BackupRefused(
            str(path), "is no backup of Postroom's.", "Name a file that `postroom backup` made."
        ) from None
    except OSError as error:
        if error.filename != str(path):
            raise
        raise BackupRefused(
            str(path), f"cannot be read ({error.strerror}).", "Correct the path, or its rights."
        ) from None


def _manifest(path: Path, tar: tarfile.TarFile) -> Manifest:
    first = tar.next()
    if first is None or first.name != MANIFEST or not first.isreg() or first.size > MOST_MANIFEST:
        raise tarfile.ReadError("another file's first member")
    text = b"".join(_pieces(path, tar, first))
    try:
        document = json.loads(text)
        found = document.get("format"), document.get("postroom")
        if isinstance(found[0], int) and found[0] > FORMAT:
            raise BackupRefused(
                str(path),
                f"was made by a newer Postroom ({found[1]}): its format is {found[0]}, and this one reads {FORMAT}.",
                "Install that version, or a newer one.",
            )
        manifest = Manifest.model_validate_json(text)
    except (ValueError, AttributeError, ValidationError):
        raise _damaged(path, f"{MANIFEST} cannot be read") from None
    strange = next((name for name in manifest.files if not _may_be(name)), None)
    if strange is not None or DATABASE not in manifest.files:
        raise _damaged(path, f"it lists {strange}, which no backup holds" if strange else "it holds no database")
    return manifest


def _may_be(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(NAMES.fullmatch(name)) and "/".join(parts) == name and ".." not in parts and "\0" not in name


def _next(path: Path, tar: tarfile.TarFile) -> tarfile.TarInfo | None:
    try:
        return tar.next()
    except tarfile.TarError:
        raise _cut_off(path) from None


def _pieces(path: Path, tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    try:
        file, left = tar.extractfile(member), member.size
        while file is not None and left:
            piece = file.read(min(CHUNK, left))
            if not piece:
                raise _cut_off(path)
            left -= len(piece)
            yield piece
    except tarfile.TarError:
        raise _cut_off(path) from None


def _cut_off(path: Path) -> BackupRefused:
    return _damaged(path, "the file ends too early, or is damaged")


def _damaged(path: Path, fact: str) -> BackupRefused:
    return BackupRefused(str(path), f"is no whole backup: {fact}.", "Nothing was changed. Take another one.")
