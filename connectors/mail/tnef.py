"""What Exchange and Outlook put into "winmail.dat" (TNEF, MS-OXTNEF): the text, the files, the kind of message.

    bytes | attributes | MAPI properties | Tnef

The one package for it (tnefparse) is LGPL and recurses into what a stranger sent; this one goes once over the bytes,
takes no length on trust, and stops at the first fault with what it has read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from connectors.mail.charsets import code_page, decode_bytes
from connectors.mail.rich_text import RichText, decompress, read_rtf

SIGNATURE = b"\x78\x9f\x3e\x22"
MOST_ATTRIBUTES = 2_000
MOST_PROPERTIES = 2_000
MOST_FILES = 50

# Attributes (MS-OXTNEF section 2.1.3.2), without the byte of their level.
_MESSAGE_CLASS, _BODY, _CODE_PAGE, _FILE_NAME, _FILE_DATA = 0x8008, 0x800C, 0x9007, 0x8010, 0x800F
_PROPERTIES, _FILE_PROPERTIES, _FILE_STARTS = 0x9003, 0x9005, 0x9002
# Properties (MS-OXPROPS).
_P_CLASS, _P_BODY, _P_RTF, _P_HTML, _P_CODE_PAGE, _P_LONG_NAME = 0x001A, 0x1000, 0x1009, 0x1013, 0x3FDE, 0x3707
_FIXED = {0x0002: 4, 0x0003: 4, 0x0004: 4, 0x0005: 8, 0x0006: 8, 0x0007: 8, 0x000A: 4, 0x000B: 4, 0x0014: 8, 0x0040: 8}
_COUNTED = {0x001E, 0x001F, 0x0102, 0x000D}

Value = bytes | int


@dataclass(frozen=True)
class TnefFile:
    """A file in it, whose name is what the sender says. `data`: b"" where it is cut off, or no file but a message."""

    name: str = ""
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Tnef:
    """What a TNEF file says."""

    message_class: str = ""
    """ "IPM.Note", "IPM.Schedule.Meeting.Request"..., in small letters."""
    body: RichText = field(default_factory=RichText)
    files: tuple[TnefFile, ...] = ()

    @property
    def named(self) -> tuple[TnefFile, ...]:
        """The files that a person would call so: those that have a name."""
        return tuple(file for file in self.files if file.name)


def read_tnef(raw: bytes) -> Tnef | None:
    """The message in a TNEF file; None if it is none."""
    if not raw.startswith(SIGNATURE):
        return None
    message_class, plain, page = "", b"", "cp1252"
    properties: dict[int, Value] = {}
    files: list[TnefFile] = []
    for name, data in _attributes(raw):
        if name == _MESSAGE_CLASS:
            message_class = _text(data)
        elif name == _BODY:
            plain = data.rstrip(b"\0")
        elif name == _CODE_PAGE and len(data) >= 4:
            page = code_page(int.from_bytes(data[:4], "little"))
        elif name == _PROPERTIES:
            properties |= dict(_properties(data))
        elif name == _FILE_STARTS and len(files) < MOST_FILES:
            files.append(TnefFile())
        elif name == _FILE_NAME and files:
            files[-1] = replace(files[-1], name=files[-1].name or decode_bytes(data.rstrip(b"\0"), page))
        elif name == _FILE_DATA and files:
            files[-1] = replace(files[-1], data=data)
        elif name == _FILE_PROPERTIES and files and (long := dict(_properties(data)).get(_P_LONG_NAME)):
            files[-1] = replace(files[-1], name=_string(long, page))
    kind = _string(properties.get(_P_CLASS, message_class.encode()), page) or message_class
    body = _body(properties, page) or RichText(decode_bytes(plain, page))
    return Tnef(kind.lower(), body, tuple(files))


def _attributes(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """(id, data) of every attribute: level, id with type, length, data, checksum."""
    position = 6
    for _ in range(MOST_ATTRIBUTES):
        if position + 9 > len(raw):
            return
        name, length = struct.unpack_from("<II", raw, position + 1)
        start = position + 9
        is_cut = name & 0xFFFF == _FILE_DATA and start + length > len(raw)
        yield name & 0xFFFF, b"" if is_cut else raw[start : start + length]
        position = start + length + 2


def _properties(data: bytes) -> Iterator[tuple[int, Value]]:
    """(id, value) of every MAPI property (MS-OXTNEF section 2.1.3.4) up to the first that nobody can read."""
    if len(data) < 4:
        return
    count = min(int.from_bytes(data[:4], "little"), MOST_PROPERTIES)
    position = 4
    for _ in range(count):
        if position + 4 > len(data):
            return
        kind, name = struct.unpack_from("<HH", data, position)
        position = _past_name(data, position + 4) if name >= 0x8000 else position + 4
        several, kind = bool(kind & 0x1000), kind & 0x0FFF
        values = 1
        if several or kind in _COUNTED:
            values = int.from_bytes(data[position : position + 4], "little")
            position += 4
        if values > MOST_PROPERTIES:
            return
        value: Value = b""
        for _ in range(values):
            if kind in _COUNTED:
                length = int.from_bytes(data[position : position + 4], "little")
                value = data[position + 4 : position + 4 + length]
                position += 4 + length + (-length % 4)
            elif kind in _FIXED:
                value = int.from_bytes(data[position : position + 4], "little")
                position += _FIXED[kind]
            else:
                return
            if position > len(data) + 3:
                return
        yield name, value[16:] if kind == 0x000D and isinstance(value, bytes) else value


def _past_name(data: bytes, position: int) -> int:
    """A named property: a GUID, then a number or a counted name."""
    is_text = int.from_bytes(data[position + 16 : position + 20], "little") == 1
    if not is_text:
        return position + 24
    length = int.from_bytes(data[position + 20 : position + 24], "little")
    return position + 24 + length + (-length % 4)


def _body(properties: dict[int, Value], page: str) -> RichText | None:
    number = properties.get(_P_CODE_PAGE)
    charset = code_page(number) if isinstance(number, int) else page
    html = properties.get(_P_HTML)
    if isinstance(html, bytes) and html.strip(b"\0 \r\n"):
        return RichText(decode_bytes(html.rstrip(b"\0"), charset), is_html=True)
    packed = properties.get(_P_RTF)
    if isinstance(packed, bytes) and (rich := read_rtf(decompress(packed))).text.strip():
        return rich
    plain = properties.get(_P_BODY)
    if isinstance(plain, bytes) and plain.strip(b"\0"):
        return RichText(_string(plain, charset))
    return None


def _string(value: Value, page: str) -> str:
    """A string property: UTF-16 if every other byte says so, else in the message's code page."""
    if not isinstance(value, bytes):
        return ""
    if b"\0" in value.rstrip(b"\0") or (len(value) > 1 and len(value) % 2 == 0 and value.endswith(b"\0\0\0")):
        return value.decode("utf-16-le", "replace").rstrip("\0")
    return decode_bytes(value.rstrip(b"\0"), page)


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode("latin-1")
