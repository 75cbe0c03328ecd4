"""Rich Text Format in mail: decompressed (MS-OXRTFCP), and the text or the HTML that it carries (MS-OXRTFEX).

    bytes | decompress | RTF | read_rtf | RichText(text, is_html)

Both take time that grows with the length of their input only, and give what was read up to the first fault. The
packages that do this are either bound to one program's files or LGPL, and none of them bounds what it unpacks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from connectors.mail.charsets import code_page, decode_bytes

LONGEST_RTF = 1 << 20
MOST_TOKENS = 400_000

_PRELOAD = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor "
    b"MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par "
    b"\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|[\r\n]+|([^\\{}\r\n]+)", re.DOTALL
)
_SKIPPED = {
    *(
        b"fonttbl",
        b"colortbl",
        b"stylesheet",
        b"info",
        b"pict",
        b"object",
        b"header",
        b"footer",
        b"headerf",
        b"footerf",
    ),
    *(b"listtable", b"listoverridetable", b"generator", b"themedata", b"datastore", b"fldinst", b"filetbl", b"rsidtbl"),
    *(b"mhtmltag", b"bkmkstart", b"bkmkend", b"xmlnstbl", b"latentstyles", b"footnote", b"annotation"),
}
_BREAKS = {b"par": b"\n", b"line": b"\n", b"sect": b"\n", b"page": b"\n", b"row": b"\n", b"tab": b"\t", b"cell": b"\t"}
_SIGNS = {
    **{b"lquote": "\u2018", b"rquote": "\u2019", b"ldblquote": "\u201c", b"rdblquote": "\u201d"},
    **{b"emdash": "\u2014", b"endash": "\u2013", b"bullet": "\u2022", b"emspace": " ", b"enspace": " "},
}


@dataclass(frozen=True)
class RichText:
    """What an RTF body says: plain text, or the HTML that it was made from."""

    text: str = ""
    is_html: bool = False


def decompress(packed: bytes) -> bytes:
    """Compressed RTF (MS-OXRTFCP section 2.2) unpacked, at most `LONGEST_RTF` bytes; empty if it is none."""
    kind = packed[8:12]
    if kind == b"MELA":
        return packed[16 : 16 + LONGEST_RTF]
    if kind != b"LZFu":
        return b""
    most = min(int.from_bytes(packed[4:8], "little"), LONGEST_RTF)
    window = bytearray(4096)
    window[: len(_PRELOAD)] = _PRELOAD
    place, position, out = len(_PRELOAD), 16, bytearray()
    while position < len(packed) and len(out) < most:
        control = packed[position]
        position += 1
        for bit in range(8):
            if control >> bit & 1:
                if position + 2 > len(packed):
                    return bytes(out)
                offset, length = packed[position] << 4 | packed[position + 1] >> 4, (packed[position + 1] & 15) + 2
                position += 2
                if offset == place:
                    return bytes(out)
                for step in range(length):
                    byte = window[(offset + step) & 4095]
                    out.append(byte)
                    window[place] = byte
                    place = (place + 1) & 4095
            elif position < len(packed):
                out.append(packed[position])
                window[place] = packed[position]
                place = (place + 1) & 4095
                position += 1
    return bytes(out[:most])


@dataclass
class _Group:
    skipped: bool = False
    is_tag: bool = False
    """Inside {\\*\\htmltag ...}: its text is HTML source."""
    uncounted: int = 1
    """How many characters stand in for one \\u (RTF 1.9, \\uc)."""


@dataclass
class _Reader:
    is_html: bool
    charset: str = "cp1252"
    groups: list[_Group] = field(default_factory=lambda: [_Group()])
    depth_beyond: int = 0
    stands_in: int = 0
    in_rtf_only: bool = False
    """Between \\htmlrtf and \\htmlrtf0: what the HTML does not have."""
    texts: list[str] = field(default_factory=list)
    run: bytearray = field(default_factory=bytearray)

    @property
    def shown(self) -> bool:
        return not self.groups[-1].skipped and not (self.in_rtf_only and not self.groups[-1].is_tag)

    def flush(self) -> None:
        if self.run:
            self.texts.append(decode_bytes(bytes(self.run), self.charset))
            self.run.clear()

    def put(self, raw: bytes) -> None:
        if self.stands_in:
            left = raw[self.stands_in :]
            self.stands_in = max(0, self.stands_in - len(raw))
            raw = left
        if raw and self.shown:
            self.run += raw

    def put_text(self, text: str) -> None:
        if self.shown:
            self.flush()
            self.texts.append(text)


def read_rtf(rtf: bytes) -> RichText:
    """The text of an RTF document, or the HTML that Outlook wrapped in it ("\\fromhtml1")."""
    reader = _Reader(is_html=b"\\fromhtml" in rtf[:4_000])
    starred = False
    for count, token in enumerate(_TOKEN.finditer(rtf[:LONGEST_RTF])):
        if count > MOST_TOKENS:
            break
        word, number, code, sign, brace, plain = token.groups()
        if brace:
            _brace(reader, brace)
        elif word:
            _word(reader, word, number, starred)
        elif code:
            reader.put(bytes((int(code, 16),)))
        elif sign == b"*":
            starred = True
            continue
        elif sign:
            reader.put({b"~": b" ", b"_": b"-", b"\n": b"\n", b"\r": b"\n", b"-": b""}.get(sign, sign))
        elif plain:
            reader.put(plain)
        starred = False
    reader.flush()
    return RichText("".join(reader.texts), reader.is_html)


def _brace(reader: _Reader, brace: bytes) -> None:
    reader.stands_in = 0
    if brace == b"{":
        if len(reader.groups) >= 200:
            reader.depth_beyond += 1
            return
        above = reader.groups[-1]
        reader.groups.append(_Group(above.skipped, above.is_tag, above.uncounted))
    elif reader.depth_beyond:
        reader.depth_beyond -= 1
    elif len(reader.groups) > 1:
        reader.groups.pop()


def _word(reader: _Reader, word: bytes, number: bytes | None, starred: bool) -> None:
    group = reader.groups[-1]
    if starred or word in _SKIPPED:
        if word == b"htmltag" and reader.is_html:
            group.is_tag = True
        else:
            group.skipped = True
    elif word == b"ansicpg" and number:
        reader.charset = code_page(int(number))
    elif word == b"htmlrtf":
        reader.in_rtf_only = number != b"0"
    elif word == b"uc" and number:
        group.uncounted = max(0, min(int(number), 10))
    elif word == b"u" and number:
        reader.put_text(chr(int(number) & 0xFFFF))
        reader.stands_in = group.uncounted
    elif word in _BREAKS:
        reader.put(_BREAKS[word])
    elif word in _SIGNS:
        reader.put_text(_SIGNS[word])
