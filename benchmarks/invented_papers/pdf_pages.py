"""A paper as a PDF, by ReportLab: letterhead, address, title, references, words, table, small print.

    PaperText, Layout | drawn top down, new pages where one is full  ->  bytes
    the same, as a scanner with text recognition leaves it           ->  bytes: a picture, and unseen words over it

The same paper gives the same bytes.
"""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pypdfium2
from reportlab.lib.pagesizes import A4  # type: ignore[import-untyped]
from reportlab.lib.utils import ImageReader, simpleSplit  # type: ignore[import-untyped]
from reportlab.pdfbase.pdfdoc import PDFArray, PDFDictionary, PDFName, PDFStream, PDFString  # type: ignore[import-untyped]
from reportlab.pdfbase.pdfmetrics import stringWidth  # type: ignore[import-untyped]
from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]

from benchmarks.invented_papers.contents import PaperText, Sheet
from benchmarks.invented_papers.layouts import Layout

WIDE, HIGH = A4
LEFT, RIGHT, BOTTOM, TOP = 60.0, WIDE - 50.0, 90.0, HIGH - 50.0
SHARES = {3: (0.5, 0.2, 0.3), 5: (0.08, 0.42, 0.14, 0.18, 0.18)}
"""How wide columns are, by their number."""
MISREAD = (("l", "1"), ("o", "0"), ("rn", "m"), ("e", "c"), ("i", "l"))


@dataclass
class Drawing:
    """A canvas with a place to go on at, and all words drawn so far: page, x, y, size, words."""

    canvas: Canvas
    paper: PaperText
    layout: Layout
    y: float = TOP
    page: int = 1
    words: list[tuple[int, float, float, float, str]] = field(default_factory=list)

    def put(self, x: float, y: float, text: str, size: float, bold: bool = False, align: str = "left") -> None:
        """One line of words."""
        font = self.layout.font[bold]
        x -= {"left": 0.0, "centre": 0.5, "right": 1.0}[align] * stringWidth(text, font, size)
        self.canvas.setFont(font, size)
        self.canvas.drawString(x, y, text)
        self.words.append((self.page, x, y, size, text))

    def paragraph(self, text: str, size: float, bold: bool = False, indent: float = 0.0) -> None:
        """Words, wrapped; on the next page where this one is full."""
        for line in simpleSplit(text, self.layout.font[bold], size, RIGHT - LEFT - indent):
            self.room(size * 1.35)
            self.put(LEFT + indent, self.y, line, size, bold)
            self.y -= size * 1.35

    def room(self, needed: float) -> None:
        """Turn the page if less is left."""
        if self.y - needed < BOTTOM:
            self.turn()

    def turn(self) -> None:
        """To a new page."""
        if not self.layout.foot_first:
            self.foot()
        self.canvas.showPage()
        self.page += 1
        self.y = TOP
        if self.layout.foot_first:
            self.foot()

    def foot(self) -> None:
        """The small print."""
        small = self.layout.size - 3
        for place, text in enumerate(self.paper.footer):
            self.put(LEFT + (place % 2) * (RIGHT - LEFT) / 2, 50 - 10 * (place // 2), text, small)
        self.put(RIGHT, 25, f"{self.paper.page_word} {self.page}", small, align="right")


def pdf(paper: PaperText, layout: Layout, attached: tuple[str, bytes] | None = None) -> bytes:
    """The file. `attached`: a name and the bytes of a file inside, as Factur-X has its XML."""
    return _drawn(paper, layout, attached)[0]


def scanned(paper: PaperText, layout: Layout, chance: random.Random) -> bytes:
    """The same as a picture, with what text recognition made of it: some letters wrong, and nothing to be seen."""
    data, words = _drawn(paper, layout, None)
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1)
    with pypdfium2.PdfDocument(data) as document:
        for number in range(len(document)):
            picture = io.BytesIO()
            document[number].render(scale=1.1, grayscale=True).to_pil().save(picture, "JPEG", quality=30)
            picture.seek(0)
            canvas.drawImage(ImageReader(picture), 0, 0, WIDE, HIGH)
            text = canvas.beginText()
            text.setTextRenderMode(3)
            for page, x, y, size, line in words:
                if page == number + 1:
                    text.setFont("Helvetica", size)
                    text.setTextOrigin(x, y)
                    text.textOut(misread(line, chance))
            canvas.drawText(text)
            canvas.showPage()
    canvas.save()
    return out.getvalue()


def misread(text: str, chance: random.Random) -> str:
    """Some two letters in a hundred wrong."""
    for right, wrong in MISREAD:
        places = [place for place in range(len(text)) if text.startswith(right, place)]
        if places and chance.random() < 0.15:
            place = chance.choice(places)
            text = text[:place] + wrong + text[place + len(right) :]
    return text


def _drawn(
    paper: PaperText, layout: Layout, attached: tuple[str, bytes] | None
) -> tuple[bytes, list[tuple[int, float, float, float, str]]]:
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1, pageCompression=1)
    drawing = Drawing(canvas, paper, layout)
    if layout.foot_first:
        drawing.foot()
    for number, sheet in enumerate(paper.sheets):
        if number:
            drawing.turn()
        _sheet(drawing, sheet, first=number == 0)
    if not layout.foot_first:
        drawing.foot()
    if attached:
        _attach(canvas, *attached)
    canvas.save()
    return out.getvalue(), drawing.words


def _sheet(drawing: Drawing, sheet: Sheet, first: bool) -> None:
    layout, size = drawing.layout, drawing.layout.size
    if first:
        _head(drawing)
    if layout.title in ("above address", "top right", "bar"):
        _title(drawing, sheet.title)
    if first:
        _address(drawing)
    _fields(drawing, sheet.fields)
    if layout.title in ("above words", "underlined", "spaced"):
        drawing.y -= 6
        _title(drawing, sheet.title)
    drawing.y -= 6
    for text in (sheet.salutation, *sheet.paragraphs):
        if text:
            drawing.paragraph(text, size)
            drawing.y -= 5
    _table(drawing, sheet)
    for text in sheet.after:
        drawing.paragraph(text, size)
        drawing.y -= 4
    for heading, lines in sheet.sections:
        drawing.y -= 6
        drawing.paragraph(heading, size + 2, bold=True)
        for line in lines:
            drawing.paragraph(line, size, indent=12)
    if sheet.closing:
        drawing.room(50)
        drawing.y -= 12
        drawing.paragraph(sheet.closing, size)
        drawing.y -= 24
        drawing.paragraph(drawing.paper.sender.person, size)


def _head(drawing: Drawing) -> None:
    layout, sender = drawing.layout, drawing.paper.sender
    lines = [sender.name, sender.street, sender.place, sender.phone, sender.address]
    if layout.head == "bar":
        drawing.canvas.setFillColorRGB(*layout.colour)
        drawing.canvas.rect(0, HIGH - 40, WIDE, 40, stroke=0, fill=1)
        drawing.canvas.setFillColorRGB(1, 1, 1)
        drawing.put(LEFT, HIGH - 27, lines[0], 16, bold=True)
        drawing.canvas.setFillColorRGB(0, 0, 0)
        drawing.y = HIGH - 60
        drawing.put(LEFT, drawing.y, " | ".join(lines[1:]), layout.size - 2)
        drawing.y -= 14
    elif layout.head == "typed":
        for line in lines:
            drawing.paragraph(line, layout.size)
    else:
        x = {"left": LEFT, "right": RIGHT, "centre": WIDE / 2}[layout.head]
        for number, line in enumerate(lines):
            drawing.put(x, drawing.y, line, layout.size - 1 if number else layout.size + 4, not number, layout.head)
            drawing.y -= layout.size + 2 if number else layout.size + 7
    drawing.y -= 14


def _address(drawing: Drawing) -> None:
    paper, size = drawing.paper, drawing.layout.size
    if drawing.layout.head in ("right", "centre"):
        small = f"{paper.sender.name}, {paper.sender.street}, {paper.sender.place}"
        drawing.put(LEFT, drawing.y, small, 7)
        drawing.y -= 12
    for line in (paper.addressee.name, paper.addressee.street, paper.addressee.place):
        drawing.paragraph(line, size)
    drawing.put(RIGHT, drawing.y, paper.date, size, align="right")
    drawing.y -= 18


def _title(drawing: Drawing, title: str) -> None:
    layout, size = drawing.layout, drawing.layout.title_size
    if layout.title == "top right":
        while stringWidth(title, layout.font[1], size) > 300 and size > 14:
            size -= 2
        drawing.y -= 6
        drawing.put(RIGHT, drawing.y, title, size, bold=True, align="right")
        drawing.y -= size + 8
        return
    if layout.title == "spaced" and len(title) < 16:
        title = " ".join(title.upper())
    if layout.title == "bar":
        drawing.canvas.setFillColorRGB(*layout.colour)
    drawing.y -= size * 0.4
    drawing.paragraph(title, size, bold=layout.title != "underlined")
    drawing.canvas.setFillColorRGB(0, 0, 0)
    if layout.title == "underlined":
        drawing.canvas.line(LEFT, drawing.y + 8, LEFT + 220, drawing.y + 8)
    drawing.y -= 6


def _fields(drawing: Drawing, fields: Sequence[tuple[str, str]]) -> None:
    layout, size = drawing.layout, drawing.layout.size - 1
    if not fields:
        return
    if layout.fields == "right block":
        for label, value in fields:
            drawing.put(350, drawing.y, f"{label}:", size)
            drawing.put(RIGHT, drawing.y, value, size, align="right")
            drawing.y -= size + 4
    elif layout.fields == "row":
        for number, (label, value) in enumerate(fields):
            x = LEFT + number * (RIGHT - LEFT) / len(fields)
            drawing.put(x, drawing.y, label, size - 2)
            drawing.put(x, drawing.y - 13, value, size)
        drawing.y -= 30
    elif layout.fields == "boxes":
        for label, value in fields:
            drawing.canvas.rect(LEFT, drawing.y - 4, RIGHT - LEFT, size + 7)
            drawing.put(LEFT + 4, drawing.y, label, size, bold=True)
            drawing.put(LEFT + 190, drawing.y, value, size)
            drawing.y -= size + 7
    elif layout.fields == "list":
        for label, value in fields:
            drawing.paragraph(f"{label}: {value}", size)
    else:
        drawing.paragraph("; ".join(f"{label} {value}" for label, value in fields), size)
    drawing.y -= 8


def _table(drawing: Drawing, sheet: Sheet) -> None:
    if not sheet.rows:
        return
    layout, size = drawing.layout, drawing.layout.size - 1
    shares = SHARES[len(sheet.columns)]
    starts = [LEFT + sum(shares[:number]) * (RIGHT - LEFT) for number in range(len(shares))]
    for number, row in enumerate((sheet.columns, *sheet.rows)):
        drawing.room(size + 8)
        if layout.table == "grid":
            drawing.canvas.rect(LEFT - 3, drawing.y - 4, RIGHT - LEFT + 6, size + 6)
        elif layout.table == "zebra" and number % 2 == 0:
            drawing.canvas.setFillColorRGB(0.88, 0.9, 0.95)
            drawing.canvas.rect(LEFT - 3, drawing.y - 4, RIGHT - LEFT + 6, size + 6, stroke=0, fill=1)
            drawing.canvas.setFillColorRGB(0, 0, 0)
        elif layout.table == "lines" and number < 2:
            drawing.canvas.line(LEFT, drawing.y + size + 1, RIGHT, drawing.y + size + 1)
        for x, cell in zip(starts, row, strict=True):
            drawing.put(x, drawing.y, cell, size, bold=number == 0)
        drawing.y -= size + 6
    for label, value in sheet.totals:
        drawing.room(size + 6)
        drawing.put(starts[-2] - 60, drawing.y, label, size, bold=True)
        drawing.put(RIGHT, drawing.y, value, size, bold=True, align="right")
        drawing.y -= size + 5
    drawing.y -= 10


def _attach(canvas: Canvas, name: str, data: bytes) -> None:
    """A file inside, in the tree of names and as an associated file (PDF 2.0, 7.11.4 and 14.13)."""
    document = canvas._doc
    stream = document.Reference(
        PDFStream(PDFDictionary({"Type": PDFName("EmbeddedFile"), "Subtype": PDFName("text/xml")}), data)
    )
    entry = document.Reference(
        PDFDictionary(
            {
                "Type": PDFName("Filespec"), "F": PDFString(name), "UF": PDFString(name),
                "AFRelationship": PDFName("Alternative"), "EF": PDFDictionary({"F": stream, "UF": stream}),
            }
        )
    )  # fmt: skip
    tree = PDFDictionary({"Names": PDFArray([PDFString(name), entry])})
    document.Catalog.Names = PDFDictionary({"EmbeddedFiles": tree})
    document.Catalog.AF = PDFArray([entry])
    document.Catalog.__NoDefault__ = [*document.Catalog.__NoDefault__, "AF"]
