"""What is read of every kind of file."""

from __future__ import annotations

import pytest

from daemon.papers.paper import LONGEST_TEXT, EInvoice, Reading
from daemon.papers.read_any import read_in_turn
from tests.paper_samples import (
    BUYER,
    NUMBER,
    SELLER,
    STRICT_W,
    WORDS,
    W,
    archive_of,
    cii,
    docx,
    eml,
    fattura,
    locked_pdf,
    msg,
    old_draft,
    one_page,
    open_document,
    pdf,
    pdf_with_file,
    pptx,
    shown,
    signed,
    text_pdf,
    ubl,
    winmail,
    xlsx,
    zugferd_1,
)


def read(data: bytes | str, name: str = "") -> Reading:
    """What a child would answer."""
    return list(read_in_turn(name, data if isinstance(data, bytes) else data.encode()))[-1]


def test_a_pdf_gives_its_tallest_lines_and_its_reading_order() -> None:
    page = shown("Muster GmbH", y=800) + shown("MAHNUNG", y=760, size=24) + shown("Bitte zahlen.") + shown(WORDS, y=60)
    reading = read(pdf(one_page(page)), "scan.jpg")
    assert (reading.status, reading.kind, reading.tall) == ("text", "pdf", ("MAHNUNG",))
    assert reading.text.split("\n") == ["Muster GmbH", "MAHNUNG", "Bitte zahlen.", WORDS]


def test_only_two_pages_of_a_pdf_are_read() -> None:
    objects = one_page(shown("Seite"))
    pages = [(10 + number, objects[2][1]) for number in range(2_000)]
    kids = b" ".join(b"%d 0 R" % number for number, _ in pages)
    objects[1] = (2, b"<</Type/Pages/Count 2000/Kids[%b]>>" % kids)
    assert read(pdf([*objects, *pages])).text == "Seite\nSeite"


def test_a_locked_pdf_is_told_as_locked_and_one_locked_for_owners_only_is_read() -> None:
    assert read(locked_pdf()) == Reading("locked", "pdf")
    assert read(locked_pdf(user="")).text == WORDS


def test_a_word_divided_at_the_end_of_a_line_is_joined() -> None:
    from daemon.papers.pdf_text import Line, _joined

    lines = [Line("Rech\ufffe", 10), Line("nung und Kunden\x02", 10), Line("dienst", 10)]
    assert [line.text for line in _joined(iter(lines))] == ["Rechnung und Kundendienst"]


@pytest.mark.parametrize(
    ("data", "kind", "tall", "text"),
    [
        (docx(WORDS), "docx", (), WORDS),
        (docx(f"<w:p><w:r><w:t>{WORDS}</w:t></w:r></w:p>", STRICT_W), "docx", (), WORDS),
        (xlsx("Rechnung", "Stuhl"), "xlsx", (), "Rechnung Stuhl 119.5"),
        (pptx("Angebot", "eins", "zwei"), "pptx", ("Angebot",), "Angebot\neins\nzwei"),
        (open_document("text", "<text:h>Kopf</text:h><text:p>a<text:s/>b</text:p>"), "odt", ("Kopf",), "Kopf\na b"),
        (
            open_document(
                "spreadsheet",
                "<table:table-row><table:table-cell><text:p>a</text:p></table:table-cell><table:table-cell>"
                "<text:p>b</text:p></table:table-cell></table:table-row><table:table-row/>",
            ),
            "ods",
            (),
            "a b",
        ),
        (open_document("presentation", "<draw:page><text:p>Folie</text:p></draw:page>"), "odp", (), "Folie"),
        ("{\\rtf1\\ansi\\ansicpg1252 Gr\\'fc\\'dfe \\u8364? {\\v a}{\\*\\x b}\\par Ende}", "rtf", (), "Grüße €\nEnde"),
        ("{\\rtf1\\fromhtml1 {\\*\\htmltag64 <p>}Rechnung\\htmlrtf nein\\htmlrtf0 }", "rtf", (), "Rechnung"),
        ("{\\rtf1{\\fonttbl{\\f1\\fcharset204 A;}}\\f1 \\'cf\\'f0}", "rtf", (), "Пр"),
        ("<html><body><p>Rechnung</p><p style='display:none'>geheim</p></body></html>", "html", (), "Rechnung"),
        ("<?xml version='1.0'?><a><b>eins</b><c>zwei</c></a>", "xml", (), "eins\nzwei"),
        ("Datum;Betrag\n3.5.;119,00\n", "text", (), "Datum;Betrag\n3.5.;119,00"),
        ("Grüße".encode("cp1252"), "text", (), "Grüße"),
        ("Grüße".encode("utf-16"), "text", (), "Grüße"),
        ("Уважаемые господа, счёт прилагается.".encode("cp1251"), "text", (), "Уважаемые господа, счёт прилагается."),
        (
            "BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nSUMMARY:Besich\n tigung\\, Tor 3\n"
            'ORGANIZER;CN="Ann Lee":mailto:a@example.org\nEND:VEVENT\nEND:VCALENDAR\n',
            "ics",
            (),
            "REQUEST\nBesichtigung, Tor 3\nAnn Lee",
        ),
        ("BEGIN:VCARD\nFN:Ann Lee\nORG:Muster;Einkauf\nPHOTO:AAAA\nEND:VCARD\n", "vcf", (), "Ann Lee\nMuster Einkauf"),
    ],
)  # fmt: skip
def test_what_a_person_sees_is_read(data: bytes | str, kind: str, tall: tuple[str, ...], text: str) -> None:
    assert read(data, "lies.about.it.jpg") == Reading("text", kind, tall, text)


INSIDE = {
    "msg": msg("Betreff", "Text", a_pdf=text_pdf("Im Anhang")),
    "winmail": winmail("Text", "a.pdf", text_pdf("Im Anhang")),
    "eml": eml("Betreff", "Text", "a.pdf", text_pdf("Im Anhang")),
    "zip": archive_of({"ordner/a.pdf": text_pdf("Im Anhang")}),
}


@pytest.mark.parametrize("kind", INSIDE)
def test_the_files_in_a_file_are_read(kind: str) -> None:
    reading = read(INSIDE[kind])
    assert (reading.status, reading.kind) == ("text", kind)
    assert reading.text.endswith("a.pdf\nIm Anhang")
    assert ("Text" in reading.text) == (kind != "zip")


def test_an_archive_in_an_archive_is_not_opened_and_costs_only_itself() -> None:
    inner = archive_of({"b.txt": "zwei tief"})
    assert read(archive_of({"a.zip": inner, "c.txt": "daneben"})).text == "c.txt\ndaneben"


def test_what_is_locked_or_unknown_is_told() -> None:
    from tests.paper_samples import compound_file

    assert read(compound_file({"EncryptedPackage": b"x"})).status == "locked"
    assert read(open_document("text", "", "<manifest><encryption-data/></manifest>")).status == "locked"
    assert read(compound_file({"WordDocument": b"x"})).status == "unsupported"
    assert read(bytes(range(256)) * 4).status == "unsupported"
    assert read(b"\x89PNG\r\n\x1a\n" + bytes(100)).status == "unsupported"
    assert read(text_pdf(WORDS)[:300]).status == "unsupported"


INVOICES = [
    (ubl(), "invoice", "380"),
    (ubl("381", "CreditNote"), "credit note", "381"),
    (cii("384"), "correction", "384"),
    (cii("326"), "partial invoice", "326"),
    (cii("204"), "partial invoice", "204"),
    (cii("387"), "invoice", "387"),
    (cii("575"), "invoice", "575"),
    (ubl("751"), "invoice", "751"),
    (ubl("877"), "invoice", "877"),
    (zugferd_1("389"), "self-billed invoice", "389"),
    (old_draft(), "invoice", "380"),
    (fattura(), "invoice", "TD01"),
    (fattura("TD04"), "credit note", "TD04"),
]


@pytest.mark.parametrize(("data", "kind", "code"), INVOICES)
def test_an_electronic_invoice_says_what_it_is_by_itself_and_in_a_pdf(data: bytes, kind: str, code: str) -> None:
    wanted = EInvoice(kind, code, NUMBER, SELLER, BUYER)  # type: ignore[arg-type]
    assert read(data).invoices == (wanted,)
    in_pdf = read(pdf_with_file("factur-x.xml", data, "Sichtbar"))
    assert (in_pdf.invoices, in_pdf.text) == ((wanted,), "Sichtbar")
    name = {
        "204": "payment valuation",
        "387": "hire invoice",
        "575": "insurer's invoice",
        "751": "invoice information for accounting",
        "877": "final construction invoice",
    }.get(code, kind)
    assert wanted.line == f"E-invoice: {name} {NUMBER}, from {SELLER}, to {BUYER}"


def test_a_signed_invoice_is_read_and_an_encrypted_one_is_locked() -> None:
    reading = read(signed(fattura()), "IT01234567890_FPA01.xml.p7m")
    assert (reading.kind, reading.invoices[0].number) == ("xml", NUMBER)
    assert read(signed(fattura(), kind=3)).status == "locked"
    assert read(signed(signed(signed(signed(b"tief"))))).status == "unsupported"


def test_another_invoice_is_only_text() -> None:
    assert read("<Invoice><ID>7</ID></Invoice>") == Reading("text", "xml", (), "7")


@pytest.mark.parametrize(
    "run",
    [
        "<w:rPr><w:vanish/></w:rPr>",
        '<w:rPr><w:color w:val="FFFFFF"/></w:rPr>',
        '<w:rPr><w:sz w:val="2"/></w:rPr>',
    ],
)
def test_what_nobody_sees_in_a_word_file_does_not_count(run: str) -> None:
    hidden = f"<w:r>{run}<w:t>geheim</w:t></w:r>"
    assert read(docx(f"<w:p><w:r><w:t>da</w:t></w:r>{hidden}</w:p>")).text == "da"


def test_white_on_a_shaded_ground_is_seen() -> None:
    white = '<w:rPr><w:color w:val="FFFFFF"/><w:shd w:fill="000000"/></w:rPr>'
    assert read(docx(f"<w:p><w:r>{white}<w:t>da</w:t></w:r></w:p>")).text == "da"
    cell = '<w:r><w:rPr><w:color w:val="FFFFFF"/></w:rPr><w:t>Kopf</w:t></w:r>'
    assert read(docx(f"<w:tbl><w:tr><w:tc><w:p>{cell}</w:p></w:tc></w:tr></w:tbl>")).text == "Kopf"


def test_a_text_box_is_read_once_and_headings_stand_out() -> None:
    box = f'<w:t xmlns:w="{W}">im Kasten</w:t>'
    body = (
        '<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>Bewerbung</w:t></w:r></w:p>'
        f'<w:p><w:r><m:AlternateContent xmlns:m="m"><m:Choice>{box}</m:Choice><m:Fallback>{box}</m:Fallback>'
        "</m:AlternateContent></w:r></w:p>"
    )
    reading = read(docx(body))
    assert (reading.tall, reading.text) == (("Bewerbung",), "Bewerbung\nim Kasten")


def test_no_text_is_longer_than_it_may_be() -> None:
    assert len(read("Wort " * 100_000).text) <= LONGEST_TEXT
