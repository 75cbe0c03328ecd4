"""The files of a mail: which are given to be read, whole, and what is said of the others."""

from __future__ import annotations

import binascii
import random
from base64 import encodebytes
from collections.abc import Sequence
from dataclasses import replace

import pytest

from connectors.mail.attached_files import (
    DAMAGED,
    LARGEST_FILE,
    MOST_NAMED,
    NOT_GIVEN,
    ONE_OF_MANY,
    ONLY_ITS_BEGINNING,
    TOGETHER_TOO_LARGE,
    TOO_LARGE,
    AttachedFile,
    NotRead,
    Rank,
    papers_of,
)
from connectors.mail.mime import Limits, Parsed, parse
from tests.paper_samples import docx, eml, msg, signed, text_pdf, ubl, winmail

PDF = text_pdf("Rechnung Nr. 4711")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
HEAD = b"From: ann@example.org\nSubject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
TOP = HEAD + b"--b\n\nPlease find attached.\n"
END = b"--b--\n"


def part(
    data: bytes, name: str = "", kind: str = "application/octet-stream", disposition: str = "attachment", more: str = ""
) -> bytes:
    """One part in base64."""
    named = f'; filename="{name}"' if name else ""
    fields = f"Content-Type: {kind}\nContent-Disposition: {disposition}{named}\n{more}"
    return f"--b\n{fields}Content-Transfer-Encoding: base64\n\n".encode() + encodebytes(data)


def mail(*parts: bytes) -> bytes:
    return TOP + b"".join(parts) + END


def read(raw: bytes, *, pictures: bool = False) -> Parsed:
    return parse(raw, papers=True, pictures=pictures)


def given(raw: bytes, *, pictures: bool = False) -> dict[str, bytes | str]:
    """Name -> its bytes, or why they are not there."""
    return {paper.name: paper.lacking or paper.data for paper in read(raw, pictures=pictures).papers}


def test_a_file_is_given_whole_where_it_is_asked_for_and_nothing_else_changes() -> None:
    raw = mail(part(PDF, "invoice.pdf", "application/pdf"))
    assert given(raw) == {"invoice.pdf": PDF}
    assert parse(raw).papers == ()
    assert replace(read(raw), papers=()) == parse(raw)
    assert given(raw.replace(b"\n", b"\r\n")) == {"invoice.pdf": PDF}


def test_a_mail_that_tells_itself_what_it_wants_gives_none() -> None:
    words = b"The chair that you sent us on Monday has a broken leg, and two of its screws are missing, so please take "
    raw = mail(part(PDF, "invoice.pdf")).replace(b"Please find attached.", words + b"it back or send another one soon.")
    assert read(raw).papers == ()


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (PDF, "invoice.pdf", "application/octet-stream"),
        (PDF, "invoice.dat", "application/octet-stream"),
        (PDF, "", "image/jpeg"),
        (PDF, "photo.jpg", "image/jpeg"),
        (PDF, "", "text/plain"),
        (b"no magic at all", "scan", "application/pdf"),
        (docx("Bestellung"), "order", "application/octet-stream"),
        (docx("Bestellung"), "order.doc", "application/msword"),
        (msg("x", "y"), "note.msg", "application/octet-stream"),
        (msg("x", "y"), "note", "application/octet-stream"),
        (eml("x", "y"), "note.eml", "application/octet-stream"),
        (ubl(), "invoice.xml", "application/octet-stream"),
        (ubl(), "invoice", "text/xml"),
        (signed(ubl()), "invoice.xml.p7m", "application/pkcs7-mime"),
        (b"a;b\n1;2\n", "list.csv", "text/csv"),
        (b"a;b\n1;2\n", "list.csv", "text/plain"),
        (b"BEGIN:VCARD\nFN:Ann\nEND:VCARD\n", "ann.vcf", "text/vcard"),
        (b"<p>Invoice</p>", "invoice.html", "text/html"),
    ],
)
def test_what_can_be_read_is_known_by_its_bytes_its_name_or_its_type(data: bytes, name: str, kind: str) -> None:
    assert given(mail(part(data, name, kind))) == {name or "unnamed": data}


@pytest.mark.parametrize(
    ("data", "name", "kind", "disposition", "more"),
    [
        (b"\x30\x03\x02\x01\x01", "smime.p7s", "application/pkcs7-signature", "attachment", ""),
        (b"-----BEGIN PGP SIGNATURE-----\n", "signature.asc", "application/pgp-signature", "attachment", ""),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "key.asc", "application/pgp-keys", "attachment", ""),
        (signed(b"x", 3), "smime.p7m", "application/pkcs7-mime", "attachment", ""),
        (b"BEGIN:VCALENDAR\nMETHOD:REQUEST\n", "invite.ics", "text/calendar", "inline", ""),
        (PNG, "logo.png", "image/png", "inline", "Content-ID: <logo>\n"),
        (msg("x", "y"), "old.doc", "application/msword", "attachment", ""),
        (b"MZ\x90\0", "setup.exe", "application/octet-stream", "attachment", ""),
        (b"<svg/>", "logo.svg", "image/svg+xml", "attachment", ""),
        (b"Please call me.", "", "text/plain", "inline", ""),
    ],
)
def test_what_is_no_file_or_cannot_be_read_is_none(
    data: bytes, name: str, kind: str, disposition: str, more: str
) -> None:
    assert read(mail(part(data, name, kind, disposition, more))).papers == ()


def test_a_text_that_is_the_mail_is_not_read_twice() -> None:
    note = part(b"The invoice is 4711.", "note.txt", "text/plain")
    alone = read(HEAD + note + END)
    assert alone.text.body == "The invoice is 4711."
    assert alone.papers == ()
    assert given(mail(note)) == {"note.txt": b"The invoice is 4711."}


def test_pictures_are_given_where_they_are_asked_for_and_documents_leave_room() -> None:
    photos = [part(PNG, f"{number}.png", "image/png") for number in range(4)]
    assert read(mail(*photos)).papers == ()
    logo = part(PNG, "logo.png", "image/png", "inline", "Content-ID: <logo>\n")
    found = given(mail(logo, *photos, part(PDF, "a.pdf"), part(PDF, "b.pdf")), pictures=True)
    assert found == {
        "0.png": PNG, "1.png": ONE_OF_MANY, "2.png": ONE_OF_MANY, "3.png": ONE_OF_MANY, "a.pdf": PDF, "b.pdf": PDF
    }  # fmt: skip


def test_of_many_files_the_most_promising_are_given_and_the_others_named() -> None:
    cards = [part(b"BEGIN:VCARD\n", f"{number}.vcf", "text/vcard") for number in range(2)]
    many = [part(PDF, f"{number}.pdf") for number in range(30)]
    papers = read(mail(*cards, *many)).papers
    assert [paper.name for paper in papers if not paper.lacking] == ["0.pdf", "1.pdf", "2.pdf"]
    assert len(papers) == MOST_NAMED
    assert {paper.lacking for paper in papers} == {"", ONE_OF_MANY}


def test_a_file_is_whole_or_not_there() -> None:
    first, second = part(PDF, "a.pdf"), part(PDF, "b.pdf")
    assert given(TOP + first + second[:-40]) == {"a.pdf": PDF, "b.pdf": ONLY_ITS_BEGINNING}
    assert given(TOP + first + second) == {"a.pdf": PDF, "b.pdf": ONLY_ITS_BEGINNING}, "no end, and nobody knows"
    whole = mail(first, second)
    limits = Limits(raw_bytes=len(TOP + first) + 200)
    cut = parse(whole, limits, papers=True).papers
    assert [(paper.name, paper.lacking) for paper in cut] == [("a.pdf", ""), ("b.pdf", ONLY_ITS_BEGINNING)]


def test_a_file_that_is_the_whole_mail_is_read() -> None:
    raw = b'Subject: Scan\nContent-Type: application/pdf; name="scan.pdf"\nContent-Transfer-Encoding: base64\n\n'
    raw += encodebytes(PDF)
    assert given(raw) == {"scan.pdf": PDF}
    cut = parse(raw, Limits(raw_bytes=len(raw) - 10), papers=True)
    assert [(paper.name, paper.lacking) for paper in cut.papers] == [("scan.pdf", ONLY_ITS_BEGINNING)]


def test_an_inner_part_without_an_end_is_whole_where_the_outer_one_has_it() -> None:
    inner = b"--b\nContent-Type: multipart/mixed; boundary=i\n\n" + part(PDF, "a.pdf").replace(b"--b\n", b"--i\n")
    assert given(mail(inner)) == {"a.pdf": PDF}


def test_files_of_a_forwarded_message_are_files_of_the_mail() -> None:
    forwarded = eml("Order", "As discussed.", "order.pdf", PDF)
    assert given(mail(b"--b\nContent-Type: message/rfc822\n\n" + forwarded)) == {"order.pdf": PDF}


def test_every_encoding_keeps_the_bytes() -> None:
    head = b"--b\nContent-Disposition: attachment; filename=a.pdf\nContent-Type: application/pdf\n"
    quoted = b"=\n".join(b"".join(b"=%02X" % byte for byte in PDF[at : at + 20]) for at in range(0, len(PDF), 20))
    assert given(mail(head + b"Content-Transfer-Encoding: quoted-printable\n\n" + quoted + b"\n"))["a.pdf"] == PDF
    lines = [binascii.b2a_uu(PDF[start : start + 45]) for start in range(0, len(PDF), 45)]
    uu = b"begin 644 a.pdf\n" + b"".join(lines) + b"`\nend\n"
    assert given(mail(head + b"Content-Transfer-Encoding: x-uuencode\n\n" + uu)) == {"a.pdf": PDF}
    assert given(b"Subject: x\n\nSee below.\n" + uu) == {"a.pdf": PDF}
    assert given(b"Subject: x\n\nSee below.\n" + uu[:-30]) == {"a.pdf": ONLY_ITS_BEGINNING}
    base = b"begin-base64 644 a.pdf\n" + encodebytes(PDF) + b"====\n"
    assert given(b"Subject: x\n\nSee below.\n" + base) == {"a.pdf": PDF}
    assert given(mail(head + b"Content-Transfer-Encoding: binary\n\n%PDF-1.4 \0\r\0\n")) == {"a.pdf": DAMAGED}


def test_files_in_winmail_dat_are_given() -> None:
    packed = part(winmail("See the file.", "offer.pdf", PDF), "winmail.dat", "application/ms-tnef")
    assert given(mail(packed)) == {"offer.pdf": PDF}
    assert read(mail(packed)).text.attachments == ("offer.pdf (application/octet-stream)",)


def test_a_file_that_is_cut_in_winmail_dat_is_lacking() -> None:
    titled = winmail("x", "offer.pdf", PDF)
    start = titled.index(b"\x02\x0f\x80\x06\x00")
    title = b"\x02\x10\x80\x01\x00" + (10).to_bytes(4, "little") + b"offer.pdf\0" + b"\0\0"
    cut = titled[:start] + title + titled[start : start + 100]
    assert given(mail(part(cut, "winmail.dat", "application/ms-tnef"))) == {"offer.pdf": ONLY_ITS_BEGINNING}


def test_files_of_an_encrypted_mail_are_none() -> None:
    secret = part(b"-----BEGIN PGP MESSAGE-----\n", "encrypted.asc", "application/octet-stream")
    assert read(mail(secret, part(PDF, "a.pdf"))).papers == ()


def test_sizes_are_bounded_one_by_one_and_together() -> None:
    def never() -> bytes:
        raise AssertionError("read")

    def refused() -> bytes:
        raise NotRead(NOT_GIVEN)

    def lacking(*files: AttachedFile) -> Sequence[str]:
        return [paper.lacking for paper in papers_of(files)]

    small, large = AttachedFile("a", Rank.DOCUMENT, lambda: b"x", 1 << 20), LARGEST_FILE
    assert lacking(AttachedFile("a", Rank.DOCUMENT, never, large + 1), small) == [TOO_LARGE, ""]
    assert lacking(AttachedFile("a", Rank.DOCUMENT, lambda: bytes(large + 1))) == [TOO_LARGE]
    full = AttachedFile("a", Rank.DOCUMENT, lambda: b"x", large)
    assert lacking(full, AttachedFile("b", Rank.DOCUMENT, never, large), small) == ["", TOGETHER_TOO_LARGE, ""]
    assert lacking(AttachedFile("a", Rank.DOCUMENT, refused), small) == [NOT_GIVEN, ""]


def test_names_are_one_line_and_no_path() -> None:
    nasty = AttachedFile("../../etc/pass\u202ewd\n.pdf", Rank.DOCUMENT, lambda: b"x")
    assert papers_of([nasty])[0].name == ".._.._etc_passwd .pdf"


def test_whatever_is_cut_from_a_mail_a_file_is_whole_or_lacking() -> None:
    raw = mail(part(PDF, "a.pdf"), part(winmail("x", "b.pdf", PDF), "winmail.dat"))
    rng = random.Random(1)
    for _ in range(300):
        start = rng.randrange(len(raw))
        for paper in read(raw[:start]).papers:
            assert paper.lacking or paper.data == PDF
