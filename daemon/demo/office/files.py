"""Small files as mails bring them: a letter on one page of PDF, and pictures that no reader minds."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from textwrap import wrap

HEADING, TEXT, LEADING = 18, 11, 15
"""Sizes of type, and from line to line; in points."""
LINE = 80
"""Letters of 11 points that fit between the margins."""


def letter_pdf(lines: Sequence[str]) -> bytes:
    """A letter on one page: the first line is its heading, an empty one a gap. For scripts that cp1252 can write."""
    heading, *text = lines
    rows = [row for line in text for row in (wrap(line, LINE) or [""])]
    shown = [b"BT /F1 %d Tf 60 760 Td %d TL %s Tj" % (HEADING, 2 * LEADING, _literal(heading))]
    shown += [b"T* /F1 %d Tf %d TL" % (TEXT, LEADING)]
    shown += [b"T* %s Tj" % _literal(row) for row in rows]
    return _one_page(b" ".join([*shown, b"ET"]))


def small_pdf(title: str) -> bytes:
    """A one-page PDF with a line of text; every reader opens it."""
    return _one_page(b"BT /F1 18 Tf 72 720 Td %s Tj ET" % _literal(title))


def _literal(text: str) -> bytes:
    """A literal string (ISO 32000-1, 7.3.4.2)."""
    letters = text.encode("cp1252", "replace")
    return b"(" + letters.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)") + b")"


def _one_page(content: bytes) -> bytes:
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    )
    body, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj%s endobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    tail = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(body))
    return body + b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + table + tail


def small_png(title: str) -> bytes:
    """A picture of one grey point, with the title in its text chunk so that no two are alike."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = chunk(b"IHDR", (1).to_bytes(4, "big") * 2 + bytes((8, 0, 0, 0, 0)))
    text = chunk(b"tEXt", b"Title\0" + title.encode("latin-1", "replace"))
    return b"\x89PNG\r\n\x1a\n" + header + text + chunk(b"IDAT", zlib.compress(b"\0\x80")) + chunk(b"IEND", b"")


def small_jpeg(title: str) -> bytes:
    """The frame of a JPEG with a comment: a camera's picture as far as a mail sorter can tell."""
    comment = title.encode("ascii", "replace")
    start = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    return start + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + b"\xff\xd9"
