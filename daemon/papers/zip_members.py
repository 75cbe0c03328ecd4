"""The members of a stranger's ZIP file: listed if they are few, unpacked in a stream and up to a length."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator

from daemon.papers.paper_kind import Locked
from daemon.papers.xml_stream import LimitReached

MOST_MEMBERS = 5_000
"""A presentation with all its pictures has some hundred. The zipfile module makes an object of each at once."""
_CENTRAL = b"PK\x01\x02"
_CHUNK = 1 << 16


class Members:
    """`Members(data)`: raises LimitReached if there are too many, zipfile.BadZipFile if it is none."""

    def __init__(self, data: bytes) -> None:
        if data.count(_CENTRAL) > MOST_MEMBERS:
            raise LimitReached
        self._zip = zipfile.ZipFile(io.BytesIO(data))
        self.names = self._zip.namelist()

    def __contains__(self, name: str) -> bool:
        return name in self._zip.NameToInfo

    def chunks(self, name: str) -> Iterator[bytes]:
        """A member unpacked, as far as it can be. Empty if there is none; raises Locked."""
        if name not in self:
            return
        if self._zip.NameToInfo[name].flag_bits & 1:
            raise Locked
        try:
            with self._zip.open(name) as member:
                while chunk := member.read(_CHUNK):
                    yield chunk
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError):
            return  # damaged from here on

    def whole(self, name: str, most: int) -> bytes | None:
        """A member's bytes; None if there are more than `most`."""
        found = bytearray()
        for chunk in self.chunks(name):
            found += chunk
            if len(found) > most:
                return None
        return bytes(found)
