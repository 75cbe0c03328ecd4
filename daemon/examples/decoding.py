"""The bytes of a file of examples as text, whatever program saved it.

    a mark (BOM) | UTF-16 by where its zeros stand | UTF-8 | else Windows-1252 or another old charset, by its letters

What is no text at all is refused by name: people drop a workbook where its CSV export was meant.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from connectors.mail.charsets import guess_text

_SAMPLE = 65_536
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins as UTF-16's mark does, so it comes first
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_AS_CSV = 'Open it in a spreadsheet and save it as "CSV UTF-8".'
_OTHER_FILES = (
    (b"PK\x03\x04", f"it is a workbook or a zip file, not a CSV file. {_AS_CSV}"),
    (b"\xd0\xcf\x11\xe0", f"it is an old Excel workbook, not a CSV file. {_AS_CSV}"),
    (b"%PDF", "it is a PDF, not a CSV file. Name the file with the examples."),
    (b"\x1f\x8b", "it is packed with gzip. Unpack it first (gunzip)."),
    (b"BZh", "it is packed with bzip2. Unpack it first (bunzip2)."),
    (b"\xfd7zXZ\0", "it is packed with xz. Unpack it first (unxz)."),
    (b"\x28\xb5\x2f\xfd", "it is packed with zstd. Unpack it first (unzstd)."),
    (b"PAR1", "it is a Parquet file, not a CSV file. Write its table as CSV."),
    (b"{\\rtf", "it is a document (RTF), not a CSV file. Name the file with the examples."),
    (b"SQLite format 3\0", "it is an SQLite database, not a CSV file. Export the table as CSV."),
)
# Line ends within a cell are \v in what databases export, and \x1c to \x1f separate values there.
_TEXT_CONTROLS = b"\t\n\v\f\r\x1b\x1c\x1d\x1e\x1f"
_CONTROLS = bytes(set(range(32)) - set(_TEXT_CONTROLS))
_MOST_CONTROLS = 0.002


class NoText(Exception):
    """These bytes are no text. `str()` says what they seem to be, and the next step."""


@dataclass(frozen=True)
class Decoded:
    """The text without its mark, and the charset in words."""

    text: str
    charset: str


def decoded(raw: bytes) -> Decoded:
    """The text in `raw`. Raises NoText."""
    if not raw.strip():
        raise NoText("it is empty. Write a line for each example: the text and its category.")
    for beginning, words in _OTHER_FILES:
        if raw.startswith(beginning):
            raise NoText(words)
    for mark, charset in _MARKS:
        if raw.startswith(mark):
            return _strictly(raw[len(mark) :], charset)
    sample = raw[:_SAMPLE]
    if b"\0" in raw:
        if (wide := _utf_16(sample)) is not None:
            return _strictly(raw, wide)
        raise NoText(_no_text(raw, sample))
    if _mostly_controls(sample):
        raise NoText(_no_text(raw, sample))
    try:
        return Decoded(raw.decode("utf-8"), "UTF-8")
    except UnicodeDecodeError:
        return Decoded(guess_text(raw), "Windows-1252, or another old charset, where it is not UTF-8")


def _strictly(raw: bytes, charset: str) -> Decoded:
    try:
        return Decoded(raw.decode(charset), charset.upper())
    except UnicodeDecodeError as error:
        raise NoText(
            f"byte {error.start:,} is not {charset.upper()}, as which it begins: the file is cut off or damaged. "
            "Export it again."
        ) from error


def _utf_16(sample: bytes) -> str | None:
    """UTF-16 without a mark: every second byte of Latin text is zero."""
    even, odd = sample[::2], sample[1::2]
    zeros = even.count(0) / max(len(even), 1), odd.count(0) / max(len(odd), 1)
    if min(zeros) > 0.05 or max(zeros) < 0.3:
        return None
    return "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"


def _mostly_controls(sample: bytes) -> bool:
    return len(sample) - len(sample.translate(None, _CONTROLS)) > _MOST_CONTROLS * len(sample) + 1


def _no_text(raw: bytes, sample: bytes) -> str:
    plain = sample.replace(b"\0", b"")
    if _mostly_controls(plain) or (not plain.isascii() and sample.count(0) > len(sample) / 20):
        return f"it holds no text, but bytes of another kind. {_AS_CSV}"
    place = raw.index(0)
    line = raw.count(b"\n", 0, place) + 1
    return f"line {line} holds a zero byte, which no text has: the file is damaged. Export it again."
