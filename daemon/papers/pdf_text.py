"""A PDF's first pages as a person sees them, by PDFium.

    bytes | PDFium | pages | lines of visible signs with their heights | the tallest of page one, then reading order

PDFium is called by its own functions: per sign and object a few of them, which the convenient ones would triple. It is
built without JavaScript and forms (XFA), and it may abort where Python would raise, so it runs only in a child that
may be lost (`paper_worker`).
"""

from __future__ import annotations

import ctypes
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

import pypdfium2.raw as pdfium  # type: ignore[import-untyped]

from daemon.papers.paper import LONGEST_TALL_LINE, MOST_TALL_LINES
from daemon.papers.paper_kind import Locked, Unsupported
from daemon.papers.pdf_visible import hidden_objects

PAGES = 2
DOTS_PER_INCH = 200
MOST_DOTS = 4_000_000
"""Of a page that is made a picture: an A4 sheet at 200 dpi. More are slower to read, and no more is read of them."""
MOST_SIGNS = 20_000
"""On one page; a page of small print has some 8,000."""
STANDS_OUT = 1.15
"""A tall line is at least so much taller than the page's usual one."""
MOST_ATTACHMENTS = 10
_LINE_END = re.compile(r"\r\n|\r|\n")
# A hyphen at a line's end is U+FFFE or U+0002 in PDFium's text: the word goes on in the next line.
_HYPHEN = re.compile("[\ufffe\x02](?:\r\n|\r|\n)?")


@dataclass(frozen=True)
class Line:
    """One line, and the height of its signs, in points or dots."""

    text: str
    height: float


@dataclass(frozen=True)
class PdfText:
    """What the first pages say, and the names of the files inside."""

    tall: tuple[str, ...]
    text: str


class Pdf:
    """`Pdf(data)`: raises Locked, or Unsupported if no reader could open it."""

    def __init__(self, data: bytes) -> None:
        self._data = data  # PDFium reads from it as long as the document is open
        self._document = pdfium.FPDF_LoadMemDocument64(data, len(data), None)
        if not self._document:
            if pdfium.FPDF_GetLastError() == pdfium.FPDF_ERR_PASSWORD:
                raise Locked
            raise Unsupported

    def text(self, most_pages: int = PAGES) -> PdfText:
        """The first pages' text. "" where fonts do not say which letters their signs are."""
        pages: list[list[Line]] = []
        for number in range(min(most_pages, pdfium.FPDF_GetPageCount(self._document))):
            if page := pdfium.FPDF_LoadPage(self._document, number):
                pages.append(list(_lines(page)))
                pdfium.FPDF_ClosePage(page)
        text = "\n".join(line.text for page in pages for line in page)
        if is_garbage(text):
            return PdfText((), "")
        return PdfText(tallest(pages[0]) if pages else (), text)

    def picture(self) -> bytes:
        """The first page as a person sees it, as a grey picture (PGM); b"" if it cannot be painted."""
        page = pdfium.FPDF_LoadPage(self._document, 0)
        wide, high = pdfium.FPDF_GetPageWidthF(page), pdfium.FPDF_GetPageHeightF(page)
        if not page or wide <= 0 or high <= 0:
            return b""
        scale = min(DOTS_PER_INCH / 72, (MOST_DOTS / (wide * high)) ** 0.5)
        columns, rows = (min(MOST_DOTS, max(1, int(scale * side))) for side in (wide, high))
        if columns * rows > MOST_DOTS:
            return b""
        dots = ctypes.create_string_buffer(columns * rows)
        bitmap = pdfium.FPDFBitmap_CreateEx(columns, rows, pdfium.FPDFBitmap_Gray, dots, columns)
        pdfium.FPDFBitmap_FillRect(bitmap, 0, 0, columns, rows, 0xFFFFFFFF)
        pdfium.FPDF_RenderPageBitmap(bitmap, page, 0, 0, columns, rows, 0, pdfium.FPDF_GRAYSCALE)
        pdfium.FPDFBitmap_Destroy(bitmap)
        pdfium.FPDF_ClosePage(page)
        return b"P5 %d %d 255\n" % (columns, rows) + dots.raw

    def files(self, most: int) -> Iterator[tuple[str, bytes]]:
        """Names and bytes of the files inside, those too large left out. PDFium unpacks them to tell their size."""
        for number in range(min(MOST_ATTACHMENTS, pdfium.FPDFDoc_GetAttachmentCount(self._document))):
            attached = pdfium.FPDFDoc_GetAttachment(self._document, number)
            name = _string(lambda buffer, size, of=attached: pdfium.FPDFAttachment_GetName(of, buffer, size))
            if not name.lower().endswith(".xml"):
                continue
            size = ctypes.c_ulong()
            if pdfium.FPDFAttachment_GetFile(attached, None, 0, size) and 0 < size.value <= most:
                buffer = ctypes.create_string_buffer(size.value)
                if pdfium.FPDFAttachment_GetFile(attached, buffer, size.value, size):
                    yield name, buffer.raw


def tallest(lines: list[Line], stands_out: float = STANDS_OUT) -> tuple[str, ...]:
    """The lines that stand out by their height, tallest first."""
    said = [line for line in lines if sum(map(str.isalpha, line.text)) >= 2 and len(line.text) <= LONGEST_TALL_LINE]
    if len(said) < 2:
        return ()
    usual = median(line.height for line in lines)
    out = [line for line in said if line.height >= stands_out * usual]
    return tuple(line.text for line in sorted(out, key=lambda line: -line.height)[:MOST_TALL_LINES])


def is_garbage(text: str) -> bool:
    """Are these signs of a font that does not say which letters they are?"""
    signs = [sign for sign in text if not sign.isspace()]
    strange = sum(sign == "\ufffd" or unicodedata.category(sign) in ("Cc", "Cn", "Co", "Cs") for sign in signs)
    # Two letters taken for one look Chinese; of real Chinese a third would pass for such pairs.
    pairs = sum(ord(sign) > 0x2000 and all(0x20 <= part <= 0x7E for part in divmod(ord(sign), 256)) for sign in signs)
    return strange * 10 > len(signs) or (pairs >= 8 and pairs * 10 > 9 * len(signs))


def _lines(page: object) -> Iterator[Line]:
    text_page = pdfium.FPDFText_LoadPage(page)
    if not text_page:
        return
    count = min(pdfium.FPDFText_CountChars(text_page), MOST_SIGNS)
    hidden = hidden_objects(page)
    if hidden:
        yield from _joined(_seen_signs(text_page, count, hidden))
    else:
        buffer = (ctypes.c_ushort * (2 * count + 1))()
        written = pdfium.FPDFText_GetText(text_page, 0, count, buffer)
        text = bytes(buffer)[: 2 * max(0, written - 1)].decode("utf-16-le", "replace")
        yield from _joined(_with_heights(text_page, text))
    pdfium.FPDFText_ClosePage(text_page)


def _with_heights(text_page: object, text: str) -> Iterator[Line]:
    """Lines of the page's text, one sign of each measured."""
    place = 0
    for line in _LINE_END.split(text):
        letter = next((number for number, sign in enumerate(line) if sign.isalnum()), None)
        if letter is not None:
            sign = pdfium.FPDFText_GetCharIndexFromTextIndex(text_page, place + letter)
            yield Line(line, _height(text_page, sign))
        place += len(line)
        place += 2 if text[place : place + 2] == "\r\n" else 1


def _seen_signs(text_page: object, count: int, hidden: frozenset[int]) -> Iterator[Line]:
    """Lines of the signs that are not of a hidden object."""
    line: list[str] = []
    height = 0.0
    for number in range(count):
        sign = chr(pdfium.FPDFText_GetUnicode(text_page, number) & 0x1FFFFF) if count else ""
        if sign in "\r\n":
            if line:
                yield Line("".join(line), height)
            line, height = [], 0.0
            continue
        owner = pdfium.FPDFText_GetTextObject(text_page, number)
        if owner and ctypes.addressof(owner.contents) in hidden:
            continue
        if not height and sign.isalnum():
            height = _height(text_page, number)
        line.append(sign)
    if line:
        yield Line("".join(line), height)


def _height(text_page: object, number: int) -> float:
    box = pdfium.FS_RECTF()
    if number < 0 or not pdfium.FPDFText_GetLooseCharBox(text_page, number, box):
        return 0.0
    # Of a line that goes upwards the width is meant; nobody sets a letter twice as wide as high.
    return float(abs(box.top - box.bottom))


def _joined(lines: Iterator[Line]) -> Iterator[Line]:
    """Words that were divided at a line's end become whole."""
    before: Line | None = None
    for line in lines:
        if before is not None:
            line = Line(before.text + line.text.lstrip(), before.height)
        text = line.text.rstrip()
        if text.endswith(("\ufffe", "\x02")):
            before = Line(text[:-1], line.height)
            continue
        before = None
        yield Line(_HYPHEN.sub("", line.text).strip(), line.height)
    if before is not None:
        yield before


def _string(call: object) -> str:
    """A string that a function of PDFium writes as UTF-16 into a buffer, after it was asked for the length."""
    length = call(None, 0)  # type: ignore[operator]
    if not 2 <= length <= 2_000:
        return ""
    buffer = ctypes.create_string_buffer(length)
    call(ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), length)  # type: ignore[operator]
    return buffer.raw.decode("utf-16-le", "replace").rstrip("\0")
