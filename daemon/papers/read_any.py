"""One file to a reading: its kind by its bytes, the reader of that kind, and once more for the files inside.

    read_in_turn(name, data, recognise) -> Reading, perhaps a better one ...

Runs only in a confined child (`paper_worker`): the readers bound what they do, and are not trusted to.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pypdfium2  # type: ignore[import-untyped] # noqa: F401 (it starts PDFium)

from connectors.base import Paper
from connectors.mail.cms import content_of
from connectors.mail.html import html_to_text
from daemon.papers.e_invoice import read_invoice
from daemon.papers.mail_papers import MailPaper, read_eml, read_ole, read_winmail
from daemon.papers.office_text import read_docx, read_pptx, read_xlsx
from daemon.papers.open_document import KINDS, read_open_document
from daemon.papers.paper import EInvoice, Reading, settled
from daemon.papers.paper_kind import PICTURES, Locked, Unsupported, decoded, kind_of
from daemon.papers.pdf_text import Line, Pdf, tallest
from daemon.papers.plain_papers import read_calendar_file, read_cards, read_other_xml, read_rtf_file
from daemon.papers.xml_stream import LONGEST_XML, LimitReached, in_chunks
from daemon.papers.zip_members import Members

DEEPEST = 2
"""A file in a mail in a ZIP is not read."""
MOST_INSIDE = 5
LONGEST_INSIDE = 16 << 20
LONGEST_TEXT_FILE = 1 << 20
LEAST_LETTERS = 30
"""A PDF that says less is a picture of paper, or might as well be."""
PICTURE_STANDS_OUT = 1.4
"""The box of a line in a picture is as high as its letters, or as a table's rule that it took for one."""
_OFFICE = {"word/": "docx", "xl/": "xlsx", "ppt/": "pptx"}
_READERS = {"docx": read_docx, "xlsx": read_xlsx, "pptx": read_pptx}
_MAILS = {"eml": read_eml, "ole": read_ole, "winmail": read_winmail}


Recognise = Callable[[bytes], list[Line]]
"""The lines of a picture of a page (OCR). Raises Unsupported, LimitReached."""


@dataclass
class Pictures:
    """How pictures of pages are read, if at all, and how many of one file with the files in it."""

    recognise: Recognise | None = None
    left: int = 1

    def read(self, before: Reading, picture: Callable[[], bytes]) -> Reading:
        """The reading with what the picture says, where that is more; else it says that there is one."""
        if self.recognise is None or not self.left:
            return replace(before, picture=True)
        self.left -= 1
        if not (painted := picture()):
            return before
        lines = self.recognise(painted)
        text = "\n".join(line.text for line in lines)
        seen = settled(before.kind, list(tallest(lines, PICTURE_STANDS_OUT)), text, [])
        if letters(seen.text) <= letters(before.text):
            return before
        return replace(seen, ocr=True)


def letters(text: str) -> int:
    """How many of its signs are letters."""
    return sum(map(str.isalpha, text))


def read_in_turn(name: str, data: bytes, recognise: Recognise | None = None) -> Iterator[Reading]:
    """What the file says; every reading takes the place of the one before. Raises nothing but bugs of libraries.

    "crashed" says only what kind it is: it stands if nothing follows.
    """
    kind = ""
    try:
        kind = kind_of(data, name)
        yield Reading("crashed", _shown(kind), picture=kind in PICTURES)
        for reading in _readings(kind, Paper(name, data), 0, Pictures(recognise)):
            kind = reading.kind or kind
            yield reading
    except Locked:
        yield Reading("locked", _shown(kind))
    except Unsupported:
        yield Reading("unsupported", _shown(kind))
    except (LimitReached, MemoryError, RecursionError):
        yield Reading("limit", _shown(kind))


def _shown(kind: str) -> str:
    return "" if kind == "ole" else kind


def _readings(kind: str, paper: Paper, depth: int, pictures: Pictures) -> Iterator[Reading]:
    if kind == "pdf":
        yield from _pdf(paper.data, pictures)
    elif kind in PICTURES:
        yield _picture(kind, paper.data, pictures)
    elif kind == "zip":
        yield from _zip(paper.data, depth, pictures)
    elif kind == "p7m":
        yield from _signed(paper, depth, pictures)
    elif kind in _MAILS:
        yield _mail("msg" if kind == "ole" else kind, _MAILS[kind](paper.data), depth, pictures)
    elif kind == "xml":
        invoice = read_invoice(in_chunks(paper.data))
        yield settled("xml", [], "" if invoice else read_other_xml(paper.data), [invoice] if invoice else [])
    elif kind == "rtf":
        yield settled("rtf", [], read_rtf_file(paper.data), [])
    else:
        yield settled(kind, [], _text(kind, decoded(paper.data[:LONGEST_TEXT_FILE])), [])


def _text(kind: str, text: str) -> str:
    if kind == "html":
        return html_to_text(text)
    if kind == "ics":
        return read_calendar_file(text)
    return read_cards(text) if kind == "vcf" else text


def _pdf(data: bytes, pictures: Pictures) -> Iterator[Reading]:
    """First the text: unpacking the files inside may end this process. Last the picture, which costs a second."""
    pdf = Pdf(data)
    text = pdf.text()
    read = settled("pdf", list(text.tall), text.text, [])
    wordless = letters(read.text) < LEAST_LETTERS
    yield replace(read, picture=wordless)
    invoices = (_invoice_of(content) for _, content in pdf.files(LONGEST_XML))
    if found := [invoice for invoice in invoices if invoice]:
        yield settled("pdf", list(text.tall), text.text, found)
    elif wordless:
        yield pictures.read(read, pdf.picture)


def _picture(kind: str, data: bytes, pictures: Pictures) -> Reading:
    read = pictures.read(Reading("none", kind), lambda: data)
    return replace(read, status="unsupported") if read.picture else read


def _signed(paper: Paper, depth: int, pictures: Pictures) -> Iterator[Reading]:
    """The file inside a signature, as Italian invoices come. The signature is not verified."""
    content = content_of(paper.data)
    if not content or depth >= DEEPEST:
        raise Unsupported
    yield from _readings(kind_of(content, paper.name), Paper(paper.name, content), depth + 1, pictures)


def _invoice_of(content: bytes) -> EInvoice | None:
    try:
        return read_invoice(in_chunks(content))
    except LimitReached:
        return None


def _zip(data: bytes, depth: int, pictures: Pictures) -> Iterator[Reading]:
    try:
        members = Members(data)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise Unsupported from error
    if kind := _office_kind(members):
        yield Reading("crashed", kind)
        tall, text = _READERS[kind](members) if kind in _READERS else read_open_document(members)
        yield settled(kind, tall, text, [])
    elif depth:
        raise Unsupported
    else:
        yield _mail("zip", MailPaper("", tuple(_packed(members))), depth, pictures)


def _office_kind(members: Members) -> str:
    if "[Content_Types].xml" in members:
        return next((kind for folder, kind in _OFFICE.items() if any(n.startswith(folder) for n in members.names)), "")
    mimetype = members.whole("mimetype", 200) or b""
    prefix = b"application/vnd.oasis.opendocument."
    if "content.xml" not in members:
        return ""
    return KINDS.get(mimetype.strip().removeprefix(prefix).decode("ascii", "replace").removesuffix("-template"), "odt")


def _packed(members: Members) -> Iterator[Paper]:
    """The first files of an archive. Raises Locked if all that is in it is."""
    found = locked = 0
    for name in members.names:
        if name.endswith("/") or name.startswith("__MACOSX/"):
            continue
        try:
            content = members.whole(name, LONGEST_INSIDE)
        except Locked:
            locked += 1
            continue
        if content and found < MOST_INSIDE:
            found += 1
            yield Paper(name.rpartition("/")[2], content)
    if locked and not found:
        raise Locked


def _mail(kind: str, mail: MailPaper, depth: int, pictures: Pictures) -> Reading:
    """What it says itself, and what the files in it say. A file that cannot be read costs only itself."""
    files = mail.files[:MOST_INSIDE] if depth < DEEPEST else ()
    inner = [(paper, read) for paper in files if (read := _inner(paper, depth + 1, pictures))]
    texts, tall, invoices = [mail.text], list[str](), list[EInvoice]()
    for paper, read in inner:
        if read.status != "unsupported":
            texts += [paper.name, read.text]
            tall += read.tall
            invoices += read.invoices
    found = settled(kind, tall, "\n".join(texts), invoices)
    return replace(found, picture=any(read.picture for _, read in inner), ocr=any(read.ocr for _, read in inner))


def _inner(paper: Paper, depth: int, pictures: Pictures) -> Reading | None:
    try:
        return list(_readings(kind_of(paper.data, paper.name), paper, depth, pictures))[-1]
    except (Locked, Unsupported, LimitReached, RecursionError):
        return None


def warm_up() -> None:
    """Read a file of our own of several kinds, so that all modules are loaded that are loaded late."""
    html_to_text("<p style='color:red'>a</p><table><tr><td>b</table>")
    mail = (
        b"From: a@example.org\nSubject: =?utf-8?q?a?=\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\na\n"
        b"--b\nContent-Type: text/plain; name*=utf-8''a\nContent-Transfer-Encoding: base64\n\nYQ==\n"
        b"--b\nContent-Type: text/csv; name=a\nContent-Transfer-Encoding: quoted-printable\n\na=\n--b--\n"
    )
    for name, data in (("a.eml", mail), ("a.xml", b"<a/>"), ("a.rtf", b"{\\rtf1 a}"), ("a.zip", _OWN_ZIP)):
        list(read_in_turn(name, data))


_OWN_ZIP = (
    b"PK\x03\x04\x14\x00\x00\x00\x08\x00\x00\x00!\x00C\xbe\xb7\xe8\x03\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00aK\x04"
    b"\x00PK\x01\x02\x14\x03\x14\x00\x00\x00\x08\x00\x00\x00!\x00C\xbe\xb7\xe8\x03\x00\x00\x00\x01\x00\x00\x00\x01\x00"
    b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xa4\x81\x00\x00\x00\x00aPK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00/\x00"
    b'\x00\x00"\x00\x00\x00\x00\x00'
)
