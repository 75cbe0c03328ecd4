"""The key under which a model hashes its words, so that nobody can test words on a model without the key.

The key is STATE_DIR/model.key, 32 random bytes, made once. A term becomes 64 bits of BLAKE2b under it.

A vocabulary in clear names everybody who ever wrote; plain checksums hide nothing either, since all addresses and words
of a company can be tried in minutes. So what a model knows terms by (linear.npz, neighbours.npz, disclaimers in
model.json) is a keyed hash, and the key stays in the state directory when a model's folder is copied or goes into a
backup alone. The same terms stay the same columns, so nothing else about a model changes. BLAKE2 takes a key as a MAC
does (RFC 7693 section 3.3); among a million terms two share 64 bits with a chance of 3 in 100 million.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeAlias

from daemon.model.engines.engine import ModelRefused

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

KEY_FILE = "model.key"
KEY_BYTES = 32

Hashes: TypeAlias = "npt.NDArray[np.uint64]"


class TermKey:
    """One state directory's key. A term costs under a microsecond, a mail of usual length under a millisecond."""

    def __init__(self, secret: bytes) -> None:
        self.check = blake2b(b"", key=secret, digest_size=8, person=b"check").hexdigest()
        """What a model notes of its key (hex): tells another key from this one, and nothing about either."""
        self._keyed = functools.partial(blake2b, key=secret, digest_size=8)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The key in this file. Raises ModelRefused if there is none."""
        try:
            secret = path.read_bytes()
        except OSError as error:
            raise ModelRefused(
                f"{path}: the key of the models' words can't be read ({error.strerror}). "
                "Bring it back from the backup, or train again: that makes another one."
            ) from error
        if len(secret) != KEY_BYTES:
            raise ModelRefused(
                f"{path}: this is no key of ours ({len(secret)} bytes instead of {KEY_BYTES}). "
                "Bring it back from the backup, or remove it and train again."
            )
        return cls(secret)

    @classmethod
    def of(cls, state_dir: Path) -> Self:
        """The key of this state directory, made if there is none. Raises ModelRefused."""
        path = state_dir / KEY_FILE
        if not path.exists():
            try:
                _make(path)
            except OSError as error:
                raise ModelRefused(
                    f"{path}: the key of the models' words can't be written ({error.strerror}). "
                    "Make room there, or correct the directory's owner and rights."
                ) from error
        return cls.read(path)

    def hashes(self, terms: Iterable[str]) -> Hashes:
        """One number a term, in their order."""
        import numpy as np  # `postroom status` only compares keys

        return np.frombuffer(b"".join(self._keyed(_bytes(term)).digest() for term in terms), "<u8").astype(np.uint64)

    def checksum(self, text: str) -> str:
        """A hash of the same kind as 16 hexadecimal digits, for JSON."""
        return self._keyed(_bytes(text)).hexdigest()


def _bytes(term: str) -> bytes:
    return term.encode("utf-8", "replace")


def _make(path: Path) -> None:
    """Write a new key, whole and for its owner alone; another process's, if that was faster. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{KEY_FILE}-{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(beside, path)  # unlike a rename, it never replaces a key that models were already made with
    finally:
        beside.unlink()
