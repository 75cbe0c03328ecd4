"""A paper as an office program or an editor saves it: docx, odt, xlsx, rtf, txt. The same paper, the same bytes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from xml.sax.saxutils import escape

from benchmarks.invented_papers.contents import PaperText

WORDS = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
CELLS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
OFFICE = "application/vnd.openxmlformats-officedocument"
ODF = "urn:oasis:names:tc:opendocument:xmlns"
XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'


def lines(paper: PaperText) -> Iterator[tuple[str, bool]]:
    """The paper from top to bottom: words, and whether they are a title."""
    sender, addressee = paper.sender, paper.addressee
    head = (sender.name, sender.street, sender.place, sender.phone, sender.address, "")
    for text in (*head, addressee.name, addressee.street, addressee.place, "", paper.date, ""):
        yield text, False
    for sheet in paper.sheets:
        yield sheet.title, True
        for label, value in sheet.fields:
            yield f"{label}: {value}", False
        for text in (sheet.salutation, *sheet.paragraphs):
            yield text, False
        for row in (sheet.columns, *sheet.rows, *sheet.totals):
            yield "\t".join(row), False
        for text in sheet.after:
            yield text, False
        for heading, entries in sheet.sections:
            yield heading, True
            for entry in entries:
                yield entry, False
        if sheet.closing:
            yield sheet.closing, False
            yield sender.person, False
    yield " | ".join(paper.footer), False


def txt(paper: PaperText) -> bytes:
    """Plain text as UTF-8."""
    return "\r\n".join(text for text, _ in lines(paper)).encode()


def rtf(paper: PaperText) -> bytes:
    """Rich Text Format 1.9, other letters than ASCII as \\u escapes."""
    body = "".join(
        f"{{\\b\\fs32 {_rtf(text)}}}\\par\n" if title else f"{_rtf(text)}\\par\n" for text, title in lines(paper)
    )
    return f"{{\\rtf1\\ansi\\ansicpg1252\\deff0{{\\fonttbl{{\\f0 Arial;}}}}\\fs22\n{body}}}".encode("ascii")


def docx(paper: PaperText) -> bytes:
    """WordprocessingML (ECMA-376), paragraphs with the title large and bold."""
    large = '<w:rPr><w:b/><w:sz w:val="36"/></w:rPr>'
    paragraphs = "".join(
        f'<w:p><w:r>{large if title else ""}<w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>'
        for text, title in lines(paper)
    )
    return _zipped(
        {
            "[Content_Types].xml": _types("/word/document.xml", "wordprocessingml.document.main"),
            "_rels/.rels": _relations("officeDocument", "word/document.xml"),
            "word/document.xml": f'{XML}<w:document xmlns:w="{WORDS}"><w:body>{paragraphs}</w:body></w:document>',
        }
    )


def xlsx(paper: PaperText) -> bytes:
    """SpreadsheetML (ECMA-376): one sheet, a line a row, tabs between cells, words in the rows themselves."""
    rows = "".join(
        "<row>"
        + "".join(f'<c t="inlineStr"><is><t>{escape(cell)}</t></is></c>' for cell in text.split("\t"))
        + "</row>"
        for text, _ in lines(paper)
    )
    other = f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{OFFICE}.spreadsheetml.worksheet+xml"/>'
    return _zipped(
        {
            "[Content_Types].xml": _types("/xl/workbook.xml", "spreadsheetml.sheet.main", other),
            "_rels/.rels": _relations("officeDocument", "xl/workbook.xml"),
            "xl/workbook.xml": f'{XML}<workbook xmlns="{CELLS}" xmlns:r="{RELATIONS}"><sheets>'
            '<sheet name="1" sheetId="1" r:id="rId1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": _relations("worksheet", "worksheets/sheet1.xml"),
            "xl/worksheets/sheet1.xml": f'{XML}<worksheet xmlns="{CELLS}"><sheetData>{rows}</sheetData></worksheet>',
        }
    )


def odt(paper: PaperText) -> bytes:
    """OpenDocument text 1.3: titles are headings."""
    spaces = f'xmlns:office="{ODF}:office:1.0" xmlns:text="{ODF}:text:1.0"'
    body = "".join(
        f'<text:h text:outline-level="1">{escape(text)}</text:h>' if title else f"<text:p>{escape(text)}</text:p>"
        for text, title in lines(paper)
    )
    kind = "application/vnd.oasis.opendocument.text"
    return _zipped(
        {
            "mimetype": kind,
            "META-INF/manifest.xml": f'{XML}<manifest:manifest xmlns:manifest="{ODF}:manifest:1.0">'
            f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/></manifest:manifest>',
            "content.xml": f'{XML}<office:document-content {spaces} office:version="1.3"><office:body><office:text>'
            f"{body}</office:text></office:body></office:document-content>",
        }
    )


WRITERS: dict[str, tuple[str, Callable[[PaperText], bytes]]] = {
    "docx": (f"{OFFICE}.wordprocessingml.document", docx),
    "odt": ("application/vnd.oasis.opendocument.text", odt),
    "xlsx": (f"{OFFICE}.spreadsheetml.sheet", xlsx),
    "rtf": ("application/rtf", rtf),
    "txt": ("text/plain", txt),
}
"""The end of a file's name -> its type, and who writes it."""


def _rtf(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("{", "\\{").replace("}", "\\}").replace("\t", "\\tab ")
    return "".join(letter if letter.isascii() else f"\\u{ord(letter)}?" for letter in escaped)


def _types(path: str, kind: str, other: str = "") -> str:
    return (
        f'{XML}<Types xmlns="{PACKAGE}/content-types"><Default Extension="xml" ContentType="application/xml"/>'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="{path}" ContentType="{OFFICE}.{kind}+xml"/>'
        f"{other}</Types>"
    )


def _relations(kind: str, target: str) -> str:
    return (
        f'{XML}<Relationships xmlns="{PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{RELATIONS}/{kind}" Target="{target}"/></Relationships>'
    )


def _zipped(files: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(entry, text)
    return out.getvalue()
