"""Bytes of a mail to text, by the charset that the sender named or by what the bytes are.

    bytes, label | codec_of | UTF-8 that is there whatever the label says | the label's codec | else Windows-1252,
    or the script that the bytes are dense with

Labels are often wrong, old or misspelt. Their table is that of the WHATWG Encoding Standard (section 4.2, by the
package webencodings); what it does not know is asked of Python and of the number in the name ("win-1252", "cp65001").
Nothing here raises, and nothing takes more time than the bytes are long.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

import webencodings  # type: ignore[import-untyped]

from connectors.mail.scripts import script_of

# Registered codecs that would run slowly, or that are not a charset of mail at all.
_REFUSED = {"punycode", "idna", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem", "x-user-defined"}
# What senders mean by the smaller set (WHATWG, section 4.2), where webencodings leaves Python's own codec.
_WIDER = {"ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "big5": "big5hkscs", "euc-kr": "cp949"}
# Numbers of Windows code pages that Python does not know as "cp..." (Microsoft, "Code Page Identifiers").
_CODE_PAGES = {
    **{932: "cp932", 936: "gb18030", 54936: "gb18030", 20936: "gb18030", 51936: "gb18030", 950: "big5hkscs"},
    **{51949: "cp949", 50225: "iso2022_kr", 51932: "euc_jp", 20932: "euc_jp", 52936: "hz"},
    **{50220: "iso2022_jp", 50221: "iso2022_jp", 50222: "iso2022_jp"},
    **{1200: "utf-16-le", 1201: "utf-16-be", 65000: "utf-7", 65001: "utf-8", 20127: "cp1252", 28591: "cp1252"},
    **{20866: "koi8-r", 21866: "koi8-u", 10000: "mac-roman", 10006: "mac-greek", 10007: "mac-cyrillic"},
    **{10029: "mac-latin2", 10081: "mac-turkish"},
    **{28590 + number: f"iso8859-{number}" for number in (2, 3, 4, 5, 6, 7, 8, 9, 13, 15)},
}
_PAGE = re.compile(r"(?:x-)?(?:windows|win|cp|ms|ibm|dos|ansi|codepage)[-_ ]{0,2}(\d{3,5})\b")
_ISO_8859 = re.compile(r"(?:iso)?[-_ ]?8859[-_ ]{0,2}(\d{1,2})\b")
# How other misspelt or private names begin, and what is meant.
_BEGINNINGS = (
    *(("utf-8", "utf-8"), ("utf8", "utf-8"), ("unicode-1-1-utf-7", "utf-7")),
    *(("x-mac-ce", "mac-latin2"), ("x-mac-centraleurope", "mac-latin2"), ("x-mac-japanese", "cp932")),
    *(("x-mac-", "mac-"), ("big5", "big5hkscs"), ("iso-2022-jp", "iso2022_jp"), ("jis", "iso2022_jp")),
    *(("gb", "gb18030"), ("cn-gb", "gb18030"), ("euc-cn", "gb18030"), ("x-euc-cn", "gb18030"), ("koi8", "koi8-r")),
    *(("sjis", "cp932"), ("shift", "cp932"), ("eucjp", "euc_jp"), ("euckr", "cp949"), ("ks", "cp949")),
)
_DOUBLE = {"gb18030", "big5hkscs", "cp932", "cp949", "euc-jp", "johab", "gbk", "hz"}
"""Codecs with characters of several bytes, some of which make a few characters of UTF-8 by accident."""
_NOT_ASCII = {"utf-7", "hz", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"}

_SHIFT = re.compile(rb"\x1b(?:\$[@B]|\$\([@BD]|\([A-Z])")
_JAPANESE = re.compile(rb"\x1b\$(?:[@B]|\([@BD])")
_KOREAN = b"\x1b$)C"
_ASCII = bytes(range(128))
_HIGH = bytes(byte | 0x80 for byte in range(256))
_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_IN_A_WORD = re.compile(rb"[A-Za-z][\xc2-\xdf][\x80-\xbf][A-Za-z]")
"""A letter of UTF-8 between letters of ASCII, as in "f\u00fcr": no text of double bytes looks so."""
_MARKED = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def guess_text(raw: bytes) -> str:
    """Bytes that name no charset: what their shifts, their mark or UTF-8 say; every other byte is Windows-1252."""
    if raw.isascii() and b"\x1b" not in raw:
        return raw.decode("ascii")
    if b"\x1b$" in raw:
        if _KOREAN in raw:
            return raw.decode("iso2022_kr", "replace")
        if _JAPANESE.search(raw):
            return _iso_2022_jp(raw)
    for mark, name in _MARKED:
        if raw.startswith(mark):
            return raw[len(mark) :].decode(name, "replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        if _has_utf_8(raw):
            return raw.decode("utf-8", "windows-1252-bytes")
    return raw.decode(script_of(raw) or "cp1252", "replace")


def _has_utf_8(raw: bytes) -> bool:
    """Is some of it UTF-8 by intention? In dense text of another script some bytes are by accident."""
    raw = raw[:20_000]
    high = len(raw.translate(None, _ASCII))
    inside = sum(len(found) for found in _SEQUENCE.findall(raw))
    return inside > 0 and (inside * 2 > high or high * 5 < len(raw))


def decode_bytes(raw: bytes, charset: str | None) -> str:
    """Bytes by the charset that the sender named, mistrusting it: unknown names and wrong labels are common."""
    name = codec_of(charset or "")
    if name is None or name == "utf-8":
        return guess_text(raw)
    if name.startswith("iso2022-jp"):
        return _iso_2022_jp(raw)
    if name.startswith(("utf-16", "utf-32")) and b"\0" not in raw and raw.isascii():
        return raw.decode("ascii")
    if name not in _NOT_ASCII and _is_utf_8(raw, name):
        return guess_text(raw)
    try:
        return raw.decode(name, "replace")
    except (LookupError, ValueError):
        return guess_text(raw)


@lru_cache(maxsize=256)
def _known(label: str) -> str | None:
    if (found := webencodings.lookup(label)) is not None and found.name not in ("replacement", "utf-16le"):
        return _plain(found.codec_info.name)
    try:
        info = codecs.lookup(label)
    except (LookupError, ValueError, UnicodeError):
        return None
    return _plain(info.name) if getattr(info, "_is_text_encoding", True) else None


def _plain(name: str) -> str | None:
    name = name.replace("_", "-").lower()
    return None if name in _REFUSED else _WIDER.get(name, name)


def codec_of(label: str) -> str | None:
    """The name of Python's codec for a label as people write it; None if nobody knows it. "_" is "-" in it."""
    label = re.split(r"[;,\s]", label[:60].strip("\"' \t").lower(), maxsplit=1)[0].strip("\"'")
    if not label or not label.isascii() or "\0" in label:
        return None
    if known := _known(label):
        return known
    if page := _PAGE.match(label):
        return _known(_CODE_PAGES.get(int(page[1]), f"cp{page[1]}"))
    if part := _ISO_8859.match(label):
        return _known(f"iso-8859-{int(part[1])}")
    for beginning, meant in _BEGINNINGS:
        if label.startswith(beginning):
            return _known(f"mac-{label[6:]}" if meant == "mac-" else meant)
    return None


def code_page(number: int) -> str:
    """The label of a Windows code page, for `decode_bytes`."""
    return f"cp{number}"


def _is_utf_8(raw: bytes, name: str) -> bool:
    """Is this UTF-8 (or shifted Japanese) whatever the label says? In another charset that practically never happens
    by accident."""
    if raw.isascii():
        return b"\x1b$" in raw
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    if name not in _DOUBLE:
        return True
    try:
        raw.decode(name)
    except (UnicodeDecodeError, LookupError):
        return True
    return len(_SEQUENCE.findall(raw[:2_000])) >= 4 or _IN_A_WORD.search(raw[:2_000]) is not None


def _bytes_of_windows(error: UnicodeError) -> tuple[str, int]:
    """What is no UTF-8, read as Windows-1252; a character that the end of the text cuts off is left out."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    if error.end == len(error.object) and error.reason == "unexpected end of data":
        return "", error.end
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error("windows-1252-bytes", _bytes_of_windows)


def _iso_2022_jp(raw: bytes) -> str:
    """ISO-2022-JP as its senders write it: with the rows of Windows (cp932) and half-width kana.

    RFC 1468 has neither.
    """
    texts: list[str] = []
    shift, begin = b"\x1b(B", 0
    for found in _SHIFT.finditer(raw):
        texts.append(_shifted(shift, raw[begin : found.start()]))
        shift, begin = found[0], found.end()
    texts.append(_shifted(shift, raw[begin:]))
    return "".join(texts)


def _shifted(shift: bytes, raw: bytes) -> str:
    if not raw:
        return ""
    if shift == b"\x1b(I":
        return raw.translate(_HIGH).decode("cp932", "replace")
    if shift[1:2] == b"(":
        return raw.decode("ascii") if raw.isascii() else guess_text(raw)
    lines = raw.split(b"\n")  # a line's end is one in every shift
    supplement = shift.endswith(b"D")
    return "\n".join(_rows(line.rstrip(b"\r"), supplement) for line in lines)


def _rows(raw: bytes, supplement: bool) -> str:
    if supplement:  # JIS X 0212, which EUC-JP has behind 0x8F
        pairs = (raw[at : at + 2].translate(_HIGH) for at in range(0, len(raw) - 1, 2))
        return b"".join(b"\x8f" + pair for pair in pairs).decode("euc_jp", "replace")
    try:
        return raw.translate(_HIGH).decode("euc_jp")
    except UnicodeDecodeError:
        pass
    shifted = bytearray()
    for at in range(0, len(raw) - 1, 2):
        row, cell = raw[at] & 0x7F, raw[at + 1] & 0x7F
        if row < 0x21 or cell < 0x21:
            shifted.append(0x20)
            continue
        lead = ((row - 0x21) >> 1) + 0x81
        trail = cell + (0x1F if row % 2 else 0x7E)
        shifted += bytes((lead + 0x40 if lead > 0x9F else lead, trail + (1 if row % 2 and trail >= 0x7F else 0)))
    return shifted.decode("cp932", "replace")
