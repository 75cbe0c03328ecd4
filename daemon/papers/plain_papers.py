"""Files that are text already: what a person would read of them.

RTF (Microsoft's specification 1.9.1), iCalendar (RFC 5545), vCard (RFC 6350), XML of any kind.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from daemon.papers.paper import LONGEST_TEXT
from daemon.papers.xml_stream import Words, in_chunks, read_xml

ENOUGH = 2 * LONGEST_TEXT
LONGEST_RTF = 32 << 20
MOST_TOKENS = 300_000
DEEPEST_GROUP = 200
MOST_CARDS = 10

_TOKEN = re.compile(
    rb"\\bin(\d{1,9}) ?|\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])"
    rb"|([^\\{}]+)",
    re.DOTALL,
)
_NOT_SHOWN = {
    *(b"fonttbl", b"colortbl", b"stylesheet", b"info", b"pict", b"object", b"listtable", b"listoverridetable"),
    *(b"themedata", b"datastore", b"fldinst", b"filetbl", b"rsidtbl", b"xmlnstbl", b"latentstyles", b"annotation"),
    *(b"generator", b"colorschememapping", b"revtbl", b"bkmkstart", b"bkmkend", b"nonshppict"),
}
_BREAKS = {b"par": "\n", b"line": "\n", b"sect": "\n", b"page": "\n", b"row": "\n", b"tab": "\t", b"cell": "\t"}
_SIGNS = {
    **{b"lquote": "‘", b"rquote": "’", b"ldblquote": "“", b"rdblquote": "”"},
    **{b"emdash": "—", b"endash": "–", b"bullet": "•", b"emspace": " ", b"enspace": " "},
}
_FONT_CHARSETS = {
    **{0: "cp1252", 77: "mac-roman", 128: "cp932", 129: "cp949", 134: "gb18030", 136: "big5hkscs", 161: "cp1253"},
    **{162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874"},
    238: "cp1250",
}
"""\\fcharset: a font's letters may be of another code page than the file's."""


class _Group(NamedTuple):
    skipped: bool = False
    hidden: bool = False
    font: int = -1
    stand_in: int = 1
    """How many signs stand in for one \\u, where a program does not know it."""
    fonts: bool = False
    """Is it the table of fonts?"""


class _Rtf:
    """Where the reader of an RTF file stands."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.length = 0
        self._bytes = bytearray()
        self._charset = "cp1252"
        self._fonts: dict[int, str] = {}
        self._font_defined = 0
        self._stands_in = 0
        self._groups = [_Group()]
        self._too_deep = 0

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
        if starred or word in _NOT_SHOWN:
            self._now(skipped=True, fonts=word == b"fonttbl")
        elif word == b"v":
            self._now(hidden=number != 0)
        elif word == b"ansicpg" and number:
            self._charset = _codec(number)
        elif word == b"uc":
            self._now(stand_in=max(0, min(number or 0, 10)))
        elif word == b"u" and number is not None:
            self.put(chr(number & 0xFFFF))
            self._stands_in = self._groups[-1].stand_in
        elif word == b"f" and number is not None:
            self._font_defined = number
            self._now(font=number)
        elif word == b"fcharset" and self._groups[-1].fonts and number in _FONT_CHARSETS and len(self._fonts) < 1_000:
            self._fonts[self._font_defined] = _FONT_CHARSETS[number]
        elif sign := _BREAKS.get(word) or _SIGNS.get(word):
            self.put(sign)

    def _now(self, **changes: Any) -> None:
        self._flush()
        self._groups[-1] = self._groups[-1]._replace(**changes)

    @property
    def _shown(self) -> bool:
        return not (self._groups[-1].skipped or self._groups[-1].hidden)

    def raw(self, raw: bytes) -> None:
        """Letters in the file's code page."""
        skipped = min(self._stands_in, len(raw))
        self._stands_in -= skipped
        if self._shown:
            self._bytes += raw[skipped:]

    def put(self, text: str) -> None:
        self._flush()
        if self._shown:
            self.parts.append(text)
            self.length += len(text)

    def _flush(self) -> None:
        if self._bytes:
            charset = self._fonts.get(self._groups[-1].font, self._charset)
            self.parts.append(self._bytes.decode(charset, "replace"))
            self.length += len(self._bytes)
            self._bytes.clear()

    def text(self) -> str:
        self._flush()
        # Two \\u make one sign beyond U+FFFF.
        return "".join(self.parts).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def read_rtf_file(data: bytes) -> str:
    """The shown text of an RTF file, in time that grows with its length only."""
    reader, starred, place = _Rtf(), False, 0
    for _ in range(MOST_TOKENS):
        token = _TOKEN.match(data, place, LONGEST_RTF)
        if token is None or reader.length > ENOUGH:
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
        elif sign in (b"~", b"_"):
            reader.put(" " if sign == b"~" else "-")
        elif sign in (b"\\", b"{", b"}"):
            reader.raw(sign)
        elif sign in (b"\n", b"\r"):
            reader.put("\n")
        elif plain:
            reader.raw(plain.translate(None, b"\r\n"))
        starred = False
    return reader.text()


def _codec(page: int) -> str:
    try:
        "".encode(f"cp{page}")
    except LookupError:
        return {10000: "mac-roman", 65001: "utf-8", 936: "gb18030"}.get(page, "cp1252")
    return f"cp{page}"


_FOLD = re.compile(r"\r?\n[ \t]")
_CALENDAR = {"METHOD", "SUMMARY", "LOCATION", "DESCRIPTION", "ORGANIZER", "DTSTART"}
_CARD = {"FN", "ORG", "TITLE", "ROLE", "EMAIL", "TEL", "ADR", "NOTE", "URL"}


def read_calendar_file(text: str) -> str:
    """What the first events of an iCalendar file say."""
    return _fields(text, _CALENDAR, "END:VEVENT")


def read_cards(text: str) -> str:
    """Who is on the first cards of a vCard file."""
    return _fields(text, _CARD, "END:VCARD")


def _fields(text: str, wanted: set[str], ends: str) -> str:
    found: list[str] = []
    cards = 0
    for line in _FOLD.sub("", text[: 16 * ENOUGH]).splitlines():
        cards += line.upper().startswith(ends)
        if cards >= MOST_CARDS:
            break
        head, colon, value = line.partition(":")
        name = re.split(r"[;.]", head.rpartition(".")[2] if "." in head.split(";")[0] else head)[0].upper()
        if not colon or name not in wanted:
            continue
        if name == "ORGANIZER" and (common := re.search(r"CN=\"?([^\";:]{1,200})", head, re.IGNORECASE)):
            value = common[1]
        plain = value.replace("\\n", "\n").replace("\\N", "\n").replace("\\,", ",").replace("\\;", ";")
        found.append(plain.replace(";", " ").strip())
    return "\n".join(line for line in found if line)


def read_other_xml(data: bytes) -> str:
    """All text of an XML file that is no invoice. Raises LimitReached."""
    words = Words(ENOUGH)
    read_xml(in_chunks(data), words)
    return "\n".join(words.lines)
