"""Which charset dense text outside Latin script is in, where no label says it: told by its commonest letters.

    bytes | script_of | "cp1251", "gb18030", ..., None

One byte a letter: how many of the bytes are one of the ten commonest letters of a language. Two bytes a character: in
which rows the characters lie, since every charset keeps its commonest ones together. Both go once over at most 4,000
bytes. Why no package does it: docs/decisions.md.
"""

from __future__ import annotations

from dataclasses import dataclass

FEWEST = 8
"""Bytes that are not ASCII, of which a script is told."""
_ASCII = bytes(range(128))
_WHITE = b" \r\n\t"

_COMMON = {
    **dict.fromkeys(("cp1251", "koi8-r", "iso8859-5", "cp866"), "оеаинтсрвл"),
    "cp1253": "αειοτνσηρκάίό",
    "cp1255": "יוהלאמרתבש",
    "cp1256": "الينمورتبع",
    "cp874": "านรอกเงมยลส่้",
}
_LETTERS = {codec: frozenset(letters.encode(codec, "ignore")) for codec, letters in _COMMON.items()}
_SHARE_OF_LETTERS = 0.38


@dataclass(frozen=True)
class _Rows:
    """Where the commonest characters of a charset lie: the first bytes of their pairs."""

    codec: str
    narrow: str
    """Its codec without the characters that Windows added: they fit every other text, too."""
    first: frozenset[int]
    share: float
    """Of all pairs, at least."""


# In this order: kana and Hangul are told from few characters, Chinese fills all its rows.
_ROWS = (
    _Rows("euc_jp", "euc_jp", frozenset({0xA4, 0xA5}), 0.3),
    _Rows("cp932", "cp932", frozenset({0x82, 0x83}), 0.3),
    _Rows("cp949", "euc_kr", frozenset(range(0xB0, 0xC9)), 0.93),
    _Rows("gb18030", "gb2312", frozenset(range(0xB0, 0xD8)), 0.75),
    _Rows("big5hkscs", "big5", frozenset(range(0xA4, 0xC7)), 0.75),
)


def script_of(raw: bytes) -> str | None:
    """Python's codec for text in another script; None for Latin script, and where nothing is clear."""
    raw = raw[:4_000]
    high = raw.translate(None, _ASCII)
    if len(high) < FEWEST or len(high) * 4 < len(raw.translate(None, _WHITE)):
        return None
    shares = {codec: sum(byte in letters for byte in high) / len(high) for codec, letters in _LETTERS.items()}
    best = max(shares, key=lambda codec: shares[codec])
    double = next((rows.codec for rows in _ROWS if _fits(raw, rows)), None)
    if double is not None and (shares[best] < _SHARE_OF_LETTERS or not _is_in_words(raw, double)):
        return double
    return best if shares[best] >= _SHARE_OF_LETTERS else None


def _fits(raw: bytes, rows: _Rows) -> bool:
    try:
        text = raw.decode(rows.narrow)
    except UnicodeDecodeError as error:
        if error.start < 3_990:  # the cut may have split the last character
            return False
        text = raw[: error.start].decode(rows.narrow)
    firsts = [sign.encode(rows.narrow, "ignore")[:1] for sign in text if ord(sign) > 127]
    hits = sum(first in rows.first for (first,) in filter(None, firsts))
    # Punctuation is common to all and lies in rows of its own.
    letters = sum(sign.isalpha() for sign in text if ord(sign) > 127)
    return letters > 0 and hits >= rows.share * letters


def _is_in_words(raw: bytes, double: str) -> bool:
    """Are there words? Of the charsets with two bytes a character only Korean has them, and none of odd length."""
    words = [len(word) for word in raw.translate(bytes(byte if byte > 127 else 32 for byte in range(256))).split()]
    return sum(length % 2 for length in words) * 4 > len(words) or (len(words) > 2 and double != "cp949")
