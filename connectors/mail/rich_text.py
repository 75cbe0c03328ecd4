"""Rich Text Format in mail: decompressed (MS-OXRTFCP), and the text or the HTML that it carries (MS-OXRTFEX).

    bytes | decompress | RTF | read_rtf | RichText(text, is_html)

Also of files in RTF (specification 1.9.1). Both take time that grows with the length of their input only, and give what
was read up to the first fault. The packages that do this are either bound to one program's files or LGPL, and none of
them bounds what it unpacks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from connectors.mail.charsets import code_page, decode_bytes

LONGEST_RTF = 1 << 20
"""Of a mail's body, packed or not."""
MOST_TOKENS = 400_000
DEEPEST_GROUP = 200
MOST_FONTS = 1_000

_PRELOAD = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor "
    b"MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par "
    b"\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
_TOKEN = re.compile(
    rb"\\bin(\d{1,9}) ?|\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])"
    rb"|([^\\{}]+)",
    re.DOTALL,
)
_NOT_SHOWN = {
    *(b"fonttbl", b"colortbl", b"stylesheet", b"info", b"pict", b"object", b"listtable", b"listoverridetable"),
    *(b"themedata", b"datastore", b"fldinst", b"filetbl", b"rsidtbl", b"xmlnstbl", b"latentstyles", b"annotation"),
    *(b"generator", b"colorschememapping", b"revtbl", b"bkmkstart", b"bkmkend", b"nonshppict", b"mhtmltag"),
    *(b"header", b"footer", b"headerf", b"footerf", b"footnote"),
}
_BREAKS = {b"par": "\n", b"line": "\n", b"sect": "\n", b"page": "\n", b"row": "\n", b"tab": "\t", b"cell": "\t"}
_SIGNS = {
    **{b"lquote": "\u2018", b"rquote": "\u2019", b"ldblquote": "\u201c", b"rdblquote": "\u201d"},
    **{b"emdash": "\u2014", b"endash": "\u2013", b"bullet": "\u2022", b"emspace": " ", b"enspace": " "},
}
_ESCAPED = {b"~": " ", b"_": "-", b"\n": "\n", b"\r": "\n"}
_FONT_CHARSETS = {
    **{0: "cp1252", 77: "mac-roman", 128: "cp932", 129: "cp949", 134: "gb18030", 136: "big5hkscs", 161: "cp1253"},
    **{162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874"},
    238: "cp1250",
}
"""\\fcharset: a font's letters may be of another code page than the file's."""
_CODE_PAGES = {10000: "mac-roman", 65001: "utf-8", 936: "gb18030"}


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


class _Group(NamedTuple):
    skipped: bool = False
    hidden: bool = False
    is_tag: bool = False
    """Inside {\\*\\htmltag ...}: its text is HTML source."""
    font: int = -1
    stand_in: int = 1
    """How many signs stand in for one \\u, where a program does not know it."""
    fonts: bool = False
    """Is it the table of fonts?"""


class _Reader:
    """Where the reader of an RTF document stands."""

    def __init__(self, *, is_html: bool) -> None:
        self.length = 0
        self._is_html = is_html
        self._parts: list[str] = []
        self._bytes = bytearray()
        self._charset = "cp1252"
        self._fonts: dict[int, str] = {}
        self._font_defined = 0
        self._stands_in = 0
        self._groups = [_Group()]
        self._too_deep = 0
        self._in_rtf_only = False
        """Between \\htmlrtf and \\htmlrtf0: what the HTML does not have."""

    def brace(self, brace: bytes) -> None:
        self._flush()
        self._stands_in = 0
        if brace == b"{":
            if len(self._groups) >= DEEPEST_GROUP:
                self._too_deep += 1
            else:
                self._groups.append(self._groups[-1])
        elif self._too_deep:
            self._too_deep -= 1
        elif len(self._groups) > 1:
            self._groups.pop()

    def word(self, word: bytes, number: int | None, *, starred: bool) -> None:
        if word == b"htmltag" and self._is_html:
            self._now(is_tag=True)
        elif starred or word in _NOT_SHOWN:
            self._now(skipped=True, fonts=word == b"fonttbl")
        elif word == b"htmlrtf":
            self._flush()
            self._in_rtf_only = number != 0
        elif word == b"v":
            self._now(hidden=number != 0)
        elif word == b"ansicpg" and number:
            self._charset = _CODE_PAGES.get(number) or code_page(number)
        elif word == b"uc":
            self._now(stand_in=max(0, min(number or 0, 10)))
        elif word == b"u" and number is not None:
            self.put(chr(number & 0xFFFF))
            self._stands_in = self._groups[-1].stand_in
        elif word == b"f" and number is not None:
            self._font_defined = number
            self._now(font=number)
        elif word == b"fcharset" and self._groups[-1].fonts and number in _FONT_CHARSETS:
            if len(self._fonts) < MOST_FONTS:
                self._fonts[self._font_defined] = _FONT_CHARSETS[number]
        elif sign := _BREAKS.get(word) or _SIGNS.get(word):
            self.put(sign)

    def _now(self, **changes: Any) -> None:
        self._flush()
        self._groups[-1] = self._groups[-1]._replace(**changes)

    @property
    def _shown(self) -> bool:
        group = self._groups[-1]
        return not (group.skipped or group.hidden or (self._in_rtf_only and not group.is_tag))

    def raw(self, raw: bytes) -> None:
        """Letters in the document's code page, or their font's."""
        skipped = min(self._stands_in, len(raw))
        self._stands_in -= skipped
        if self._shown:
            self._bytes += raw[skipped:]

    def put(self, text: str) -> None:
        self._flush()
        if self._shown:
            self._parts.append(text)
            self.length += len(text)

    def _flush(self) -> None:
        if self._bytes:
            charset = self._fonts.get(self._groups[-1].font, self._charset)
            self._parts.append(decode_bytes(bytes(self._bytes), charset))
            self.length += len(self._bytes)
            self._bytes.clear()

    def text(self) -> str:
        self._flush()
        # Two \\u make one sign beyond U+FFFF.
        return "".join(self._parts).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def read_rtf(rtf: bytes, longest: int = LONGEST_RTF, enough: int = LONGEST_RTF) -> RichText:
    """The shown text of an RTF document, or the HTML that Outlook wrapped in it ("\\fromhtml1").

    Reads at most `longest` bytes, and ends after `enough` characters.
    """
    is_html = b"\\fromhtml" in rtf[:4_000]
    reader, starred, place = _Reader(is_html=is_html), False, 0
    for _ in range(MOST_TOKENS):
        token = _TOKEN.match(rtf, place, longest)
        if token is None or reader.length > enough:
            break
        place = token.end()
        binary, word, number, code, sign, brace, plain = token.groups()
        if binary:
            place += int(binary)
        elif brace:
            reader.brace(brace)
        elif word:
            reader.word(word, int(number) if number else None, starred=starred)
        elif code:
            reader.raw(bytes((int(code, 16),)))
        elif sign == b"*":
            starred = True
            continue
        elif sign in _ESCAPED:
            reader.put(_ESCAPED[sign])
        elif sign in (b"\\", b"{", b"}"):
            reader.raw(sign)
        elif plain:
            reader.raw(plain.translate(None, b"\r\n"))
        starred = False
    return RichText(reader.text(), is_html)
