"""Every kind of file that is said to be read, from its bytes to the answer, through the reading process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.base import Paper
from daemon.papers.paper import EInvoice, InvoiceKind
from daemon.papers.paper_reader import PaperReader
from daemon.papers.sandbox import ReadingLimits
from tests import paper_samples as samples
from tests.paper_samples import BUYER, NUMBER, SELLER, WORDS

FILES: dict[str, tuple[str, bytes]] = {
    "a.pdf": ("pdf", samples.text_pdf(WORDS)),
    "a.docx": ("docx", samples.docx(WORDS)),
    "a.xlsx": ("xlsx", samples.xlsx(WORDS)),
    "a.pptx": ("pptx", samples.pptx(WORDS)),
    "a.odt": ("odt", samples.open_document("text", f"<text:p>{WORDS}</text:p>")),
    "a.ods": (
        "ods",
        samples.open_document(
            "spreadsheet",
            f"<table:table-row><table:table-cell><text:p>{WORDS}</text:p></table:table-cell></table:table-row>",
        ),
    ),
    "a.odp": ("odp", samples.open_document("presentation", f"<draw:page><text:p>{WORDS}</text:p></draw:page>")),
    "a.rtf": ("rtf", b"{\\rtf1\\ansi " + WORDS.encode() + b"\\par}"),
    "a.csv": ("text", f"Nr;Text\n1;{WORDS}\n".encode()),
    "a.txt": ("text", WORDS.encode("utf-16")),
    "a.html": ("html", f"<html><body><p>{WORDS}</p></body></html>".encode()),
    "a.xml": ("xml", f"<?xml version='1.0'?><a><b>{WORDS}</b></a>".encode()),
    "a.ics": ("ics", f"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:{WORDS}\nEND:VEVENT\nEND:VCALENDAR\n".encode()),
    "a.vcf": ("vcf", f"BEGIN:VCARD\nFN:{WORDS}\nEND:VCARD\n".encode()),
    "a.msg": ("msg", samples.msg("Betreff", WORDS)),
    "file in a.msg": ("msg", samples.msg("Betreff", "Text", a_pdf=samples.text_pdf(WORDS))),
    "a.eml": ("eml", samples.eml("Betreff", WORDS)),
    "file in a.eml": ("eml", samples.eml("Betreff", "Text", "a.docx", samples.docx(WORDS))),
    "mail in a.eml": ("eml", samples.eml("Betreff", "Text", "b.eml", samples.eml("Innen", WORDS))),
    "winmail.dat": ("winmail", samples.winmail("Text", "a.pdf", samples.text_pdf(WORDS))),
    "a.zip": ("zip", samples.archive_of({"ordner/a.pdf": samples.text_pdf(WORDS)})),
}
INVOICES: dict[str, tuple[InvoiceKind, str, bytes]] = {
    "UBL": ("invoice", "380", samples.ubl()),
    "UBL credit note": ("credit note", "381", samples.ubl("381", "CreditNote")),
    "CII": ("correction", "384", samples.cii("384")),
    "CII self-billed": ("self-billed invoice", "389", samples.cii("389")),
    "CII part": ("partial invoice", "326", samples.cii("326")),
    "CII final": ("invoice", "877", samples.cii("877")),
    "CII for accounting": ("invoice", "751", samples.cii("751")),
    "CII insurer": ("invoice", "575", samples.cii("575")),
    "CII hire": ("invoice", "387", samples.cii("387")),
    "CII valuation": ("partial invoice", "204", samples.cii("204")),
    "ZUGFeRD 1": ("invoice", "380", samples.pdf_with_file("ZUGFeRD-invoice.xml", samples.zugferd_1(), WORDS)),
    "Factur-X": ("invoice", "380", samples.pdf_with_file("factur-x.xml", samples.cii(), WORDS)),
    "old root": ("invoice", "380", samples.old_draft()),
    "FatturaPA": ("invoice", "TD01", samples.fattura()),
    "signed FatturaPA": ("credit note", "TD04", samples.signed(samples.fattura("TD04"))),
    "in a ZIP": ("invoice", "380", samples.archive_of({"xrechnung.xml": samples.ubl()})),
    "in a mail": ("invoice", "380", samples.eml("Betreff", "Text", "xrechnung.xml", samples.ubl())),
}


@pytest.fixture(scope="module")
def reader() -> Iterator[PaperReader]:
    with PaperReader(ReadingLimits(seconds=60)) as one:
        yield one


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("lie", [False, True], ids=["true name", "a lie"])
def test_what_it_says_comes_out_whatever_its_name_says(name: str, lie: bool, reader: PaperReader) -> None:
    kind, data = FILES[name]
    reading = reader.read(Paper("picture.jpg" if lie else name, data))
    assert (reading.status, reading.kind, reading.ocr) == ("text", kind, False)
    assert WORDS in reading.text


@pytest.mark.parametrize("name", INVOICES)
def test_an_electronic_invoice_says_who_wants_what_of_whom(name: str, reader: PaperReader) -> None:
    kind, code, data = INVOICES[name]
    reading = reader.read(Paper("a", data))
    assert (reading.status, reading.picture) == ("text", False)
    assert reading.invoices == (EInvoice(kind, code, NUMBER, SELLER, BUYER),)


def test_twenty_files_in_a_row_get_their_own_answers(reader: PaperReader) -> None:
    before = reader.counts.copy()
    for name, (kind, data) in list(FILES.items())[:20]:
        assert reader.read(Paper(name, data)).kind == kind
    assert reader.counts - before == {"text": 20}
    assert reader.ended == 0


def test_two_pages_of_two_thousand_are_read(reader: PaperReader) -> None:
    objects = samples.one_page(samples.shown("Seite"))
    pages = [(10 + number, objects[2][1]) for number in range(2_000)]
    kids = b" ".join(b"%d 0 R" % number for number, _ in pages)
    objects[1] = (2, b"<</Type/Pages/Count 2000/Kids[%b]>>" % kids)
    reading = reader.read(Paper("a.pdf", samples.pdf([*objects, *pages])))
    assert (reading.status, reading.text) == ("text", "Seite\nSeite")


def test_a_locked_file_is_told_as_locked(reader: PaperReader) -> None:
    for data in (samples.locked_pdf(), samples.signed(samples.fattura(), kind=3)):
        assert reader.read(Paper("a", data)).status == "locked"
