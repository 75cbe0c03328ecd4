"""Whole messages: which part is read, what is attached, which marks forbid acting, and that no bytes can break it."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.mail.mime import Limits, Parsed, parse
from tests.fuzz_mime import SEEDS, broken_promise, fuzz

LONG_ENOUGH = "Please send us a new quote for forty office chairs before the end of the month."


def mail(headers: str, body: str = LONG_ENOUGH) -> Parsed:
    return parse(f"From: Ann Lee <ann@example.org>\nSubject: Chairs\n{headers}\n\n{body}\n".encode())


def multipart(kind: str, *parts: str, parameters: str = "") -> Parsed:
    body = "".join(f"--cut\n{part}\n" for part in parts)
    return mail(f'Content-Type: multipart/{kind}; boundary="cut"{parameters}', f"{body}--cut--")


PLAIN = f"Content-Type: text/plain\n\n{LONG_ENOUGH}"
HTML = "Content-Type: text/html\n\n<p>The <b>rich</b> text about forty chairs.</p>"
STUB = "Content-Type: text/plain\n\nPlease view this email in your browser: https://example.org/x?y"
PDF = "Content-Type: application/pdf; name=quote.pdf\nContent-Disposition: attachment\n\n%PDF"


def test_a_plain_mail_is_read_whole():
    parsed = parse(
        "\r\n".join(
            [
                "Received: from somewhere",
                "From: =?utf-8?q?J=C3=B6rg_M=C3=BCller?= <jm@example.de>",
                "To: Büro <office@example.org>, bob@example.org",
                "Subject: =?utf-8?q?Neue_St=C3=BChle?=",
                "List-Id: Einkauf <buy.lists.example.org>",
                "Date: Mon, 5 Feb 2024 10:12:00 +0100",
                "Message-ID: <m2@example.de>",
                "In-Reply-To: <m1@example.org>",
                "References: <m0@example.org>",
                "Content-Type: text/plain; charset=utf-8; format=flowed",
                "Content-Transfer-Encoding: quoted-printable",
                "",
                "Bitte schicken Sie uns ein Angebot f=C3=BCr vierzig St=C3=BChle, Lieferung nach =",
                "K=C3=B6ln.",
                "",
                "Mit freundlichen Gr=C3=BC=C3=9Fen",
                "J=C3=B6rg M=C3=BCller",
            ]
        ).encode()
    )

    assert parsed.text.sender == "Jörg Müller <jm@example.de>"
    assert parsed.text.to == "Büro <office@example.org>, bob@example.org"
    assert parsed.text.subject == "Neue Stühle"
    assert parsed.text.list_id == "buy.lists.example.org"
    assert parsed.text.body == (
        "Bitte schicken Sie uns ein Angebot für vierzig Stühle, Lieferung nach Köln.\n\n"
        "Mit freundlichen Grüßen\nJörg Müller"
    )
    assert parsed.text.attachments == ()
    assert parsed.date == datetime(2024, 2, 5, 9, 12, tzinfo=UTC)
    assert parsed.message_id == "<m2@example.de>"
    assert parsed.references == ("<m0@example.org>", "<m1@example.org>")
    assert parsed.marks == frozenset()


def test_plain_text_is_preferred_over_html():
    assert multipart("alternative", PLAIN, HTML).text.body == LONG_ENOUGH


@pytest.mark.parametrize("plain", [STUB, "Content-Type: text/plain\n\n \n", "Content-Type: text/plain\n\n\u200b"])
def test_html_is_read_if_the_plain_text_says_nothing(plain):
    assert multipart("alternative", plain, HTML).text.body == "The rich text about forty chairs."


def test_html_inside_multipart_related_is_found():
    related = "Content-Type: multipart/related; boundary=in\n\n--in\n" + HTML + "\n--in--"

    assert multipart("alternative", STUB, related).text.body == "The rich text about forty chairs."


def test_a_short_plain_text_alone_is_still_the_text():
    assert multipart("alternative", STUB).text.body.startswith("Please view this email")


def test_attachments_have_names_and_types_and_are_not_read():
    parsed = multipart(
        "mixed",
        PLAIN,
        PDF,
        "Content-Type: text/plain; name=log.txt\nContent-Disposition: attachment; filename=log.txt\n\nERROR",
        "Content-Type: application/x\nContent-Disposition: attachment; filename*=utf-8''%e2%82%ac%20rates%0aX.xls\n\nx",
        "Content-Type: application/x-x; name*0*=iso-8859-1''R%FCck; name*1=frage.doc\n\nx",
        'Content-Type: image/png; name="=?utf-8?q?Bild_f=C3=BCr_Ann.png?="\nContent-Disposition: attachment\n\nx',
        'Content-Type: application/zip\nContent-Disposition: attachment; filename="../../etc/passwd"\n\nx',
        "Content-Type: application/octet-stream\n\nx",
        "Content-Type: application/x; name*0*=a; name*0*=b; name*=c\n\nx",
    )

    assert parsed.text.body == LONG_ENOUGH
    assert parsed.text.attachments == (
        "quote.pdf (application/pdf)",
        "log.txt (text/plain)",
        "€ rates X.xls (application/x)",
        "Rückfrage.doc (application/x-x)",
        "Bild für Ann.png (image/png)",
        ".._.._etc_passwd (application/zip)",
        "unnamed (application/octet-stream)",
        "c (application/x)",
    )


def test_a_logo_inside_the_html_is_no_attachment():
    logo = "Content-Type: image/png; name=logo.png\nContent-ID: <logo>\n\nx"

    assert multipart("related", HTML, logo).text.attachments == ()


def test_a_body_that_came_as_an_attached_text_file_is_better_than_none():
    note = "Content-Type: text/plain; name=note.txt\nContent-Disposition: attachment\n\nThe chairs are broken."

    parsed = multipart("mixed", note, PDF)

    assert parsed.text.body == "The chairs are broken."
    assert parsed.text.attachments[0] == "note.txt (text/plain)"


def test_a_mail_forwarded_as_an_attachment_is_content():
    inner = (
        "Content-Type: message/rfc822\n\nFrom: Bob <bob@example.org>\nSubject: =?utf-8?q?Kaputte_St=C3=BChle?=\n"
        "Content-Type: multipart/mixed; boundary=in\n\n--in\n\nAll the chairs are broken.\n--in\n" + PDF + "\n--in--"
    )

    parsed = multipart("mixed", "Content-Type: text/plain\n\nFYI", inner)

    assert parsed.text.subject == "Chairs"
    assert parsed.text.body == (
        "FYI\n\nFrom: Bob <bob@example.org>\nSubject: Kaputte Stühle\n\nAll the chairs are broken."
    )
    assert parsed.text.attachments == ("quote.pdf (application/pdf)",)


@pytest.mark.parametrize("prefix", ["Fwd", "FW", "WG", "TR", "RV", "I", "Doorst", "PD", "Re: Fwd"])
def test_the_subject_says_that_a_header_block_starts_the_content(prefix):
    block = "From: Bob\nSent: Monday\nTo: Ann\nSubject: Printer\n\nThe printer is on fire."
    raw = f"From: a@example.org\nSubject: {prefix}: Printer\n\n{LONG_ENOUGH}\n\n{block}\n".encode()

    assert "The printer is on fire." in parse(raw).text.body


@pytest.mark.parametrize(
    ("charset", "raw"),
    [
        ("utf-8", "Zażółć gęślą jaźń"),
        ("iso-8859-2", "Zażółć gęślą jaźń"),
        ("windows-1250", "Zażółć gęślą jaźń"),
        ("koi8-r", "Счёт за март"),
        ("iso-2022-jp", "請求書をお送りします"),
        ("shift_jis", "請求書をお送りします"),
        ("gb2312", "请付发票"),
        ("ks_c_5601-1987", "송장을 보내 주세요"),
        ("utf-16", "invoice"),
        ("utf-7", "für"),
    ],
)
def test_charsets_of_the_world_are_read(charset, raw):
    head = f"Subject: x\nContent-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: base64\n\n"
    assert parse(head.encode() + base64.encodebytes(raw.encode(charset))).text.body == raw


@pytest.mark.parametrize("charset", ["us-ascii", "iso-8859-1", "no-such", "punycode", "unicode_escape"])
def test_a_wrong_charset_label_does_not_garble_utf_8(charset):
    parsed = parse(f"Content-Type: text/plain; charset={charset}\n\nGrüße aus Köln".encode())

    assert parsed.text.body == "Grüße aus Köln"


def test_a_charset_that_only_the_html_declares_is_used():
    raw = b"Content-Type: text/html\n\n<html><meta charset='iso-8859-2'><p>Za\xbf\xf3\xb3\xe6</p>"

    assert parse(raw).text.body == "Zażółć"


MARKS = {
    "encrypted": [
        "Content-Type: multipart/encrypted; protocol=application/pgp-encrypted; boundary=x",
        "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m",
        "Content-Type: application/x-pkcs7-mime; name=smime.p7m",
    ],
    "signed": [
        "Content-Type: multipart/signed; boundary=x",
        "Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m",
    ],
    "calendar": [
        "Content-Type: text/calendar; method=REPLY",
        "Content-Type: text/calendar; method=request; charset=utf-8",
    ],
    "bounce": [
        "Content-Type: multipart/report; report-type=delivery-status; boundary=x\nReturn-Path: <>",
        "Return-Path: <>",
        "Return-Path: < >",
        "X-Failed-Recipients: bob@example.org",
    ],
    "automatic": [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: auto-generated; x=y",
        "Auto-Submitted: auto-replied\nReturn-Path: <>",
        "Precedence: bulk",
        "Precedence: auto_reply",
        "X-Autoreply: yes",
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=x",
    ],
}


@pytest.mark.parametrize(("mark", "headers"), [(mark, lines) for mark, several in MARKS.items() for lines in several])
def test_marks_come_from_the_headers(mark, headers):
    assert mail(headers).marks == {mark}


@pytest.mark.parametrize(
    "headers",
    [
        "Auto-Submitted: no",
        "Precedence: list",
        "Precedence: bulk\nList-Id: <x.example.org>",
        "Return-Path: <ann@example.org>",
        "Content-Type: text/calendar; method=PUBLISH",
        "X-Mailer: mailer-daemon",
    ],
)
def test_ordinary_mail_has_no_marks(headers):
    assert mail(headers).marks == frozenset()


def test_mail_from_the_delivery_agent_is_a_bounce():
    assert parse(
        b"From: Mail Delivery Subsystem <MAILER-DAEMON@example.org>\nSubject: failed\n\nUnknown user"
    ).marks == {"bounce"}


def test_a_delivery_report_is_a_bounce_and_says_what_was_returned():
    parsed = multipart(
        "report",
        "Content-Type: text/plain\n\nYour mail could not be delivered.",
        "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.org",
        "Content-Type: message/rfc822\n\nSubject: Forty chairs\nContent-Type: multipart/signed; boundary=no\n\nx",
        parameters="; report-type=delivery-status",
    )

    assert parsed.marks == {"bounce"}
    assert parsed.text.body.startswith("Your mail could not be delivered.\n\nSubject: Forty chairs")
    assert "Reporting-MTA" not in parsed.text.body


def test_an_invitation_is_marked_and_readable():
    event = (
        "Content-Type: text/calendar; charset=utf-8\n\nBEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\n"
        "SUMMARY:Chair\n  fitting\nLOCATION;LANGUAGE=de:Köln\nDESCRIPTION:Bring\\, please\\, tape\nEND:VEVENT"
    )

    parsed = multipart("mixed", event)

    assert parsed.marks == {"calendar"}
    assert parsed.text.body == "Chair fitting\nKöln\nBring, please, tape"
    assert multipart("alternative", PLAIN, event).text.body == LONG_ENOUGH
    assert multipart("alternative", PLAIN, event).marks == {"calendar"}


def test_inline_pgp_is_marked_and_its_armour_removed():
    secret = mail("", "Hello\n\n-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n\nBye")
    signed = mail(
        "",
        f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{LONG_ENOUGH}\n-----BEGIN PGP SIGNATURE-----\n\niQE\n"
        "-----END PGP SIGNATURE-----",
    )

    assert (secret.marks, secret.text.body) == ({"encrypted"}, "Hello\n\nBye")
    assert (signed.marks, signed.text.body) == ({"signed"}, LONG_ENOUGH)


def nested(depth: int) -> bytes:
    parts = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level) for level in range(depth)
    )
    return b"Subject: x\n" + parts + b"\ndeep text"


def test_depth_is_bounded():
    assert parse(nested(20)).text.body == "deep text"
    assert parse(nested(20)).marks == frozenset()
    assert parse(nested(2_000)).marks == {"truncated"}
    assert parse(b"Content-Type: message/rfc822\n\n" * 2_000).marks == {"truncated"}


def test_the_number_of_parts_is_bounded():
    body = "".join(f"--cut\n\npart number {number}\n" for number in range(1_000))

    parsed = mail("Content-Type: multipart/mixed; boundary=cut", body)

    assert parsed.marks == {"truncated"}
    assert "part number 150" in parsed.text.body
    assert "part number 250" not in parsed.text.body


def test_bytes_are_bounded():
    parsed = parse(b"Subject: x\n\n" + b"word " * 10_000_000)

    assert (parsed.marks, parsed.text.subject) == ({"truncated"}, "x")
    assert len(parsed.text.body) <= Limits().text_characters
    assert parse(b"Subject: x\n\nabcdef", Limits(raw_bytes=15)).text.body == "abc"


def test_text_is_bounded():
    parsed = parse(b"Subject: x\n\nabcdef", Limits(text_characters=3))

    assert (parsed.text.body, parsed.marks) == ("abc", {"truncated"})


def test_time_is_bounded():
    ticks = iter(range(1_000))
    body = "".join(f"--cut\n\npart number {number}\n" for number in range(100))

    parsed = parse(
        f"Content-Type: multipart/mixed; boundary=cut\n\n{body}".encode(),
        Limits(seconds=50),
        clock=lambda: float(next(ticks)),
    )

    assert parsed.marks == {"truncated"}


BOMBS = {
    "many fields": b"X: y\n" * 200_000,
    "a long folded field": b"X: y\n" + b" z\n" * 300_000,
    "one boundary many times": b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" * 20_000,
    "many HTML parts": b"Content-Type: multipart/mixed; boundary=b\n\n"
    + (b"--b\nContent-Type: text/html\n\n" + b"<b>x</b>" * 600 + b"\n") * 200,
    "many parameters": b"Content-Type: text/plain" + b";a=b" * 250_000,
    "many continuations": b"Content-Disposition: attachment" + b"".join(b"; filename*%d*=a" % n for n in range(50_000)),
    "brackets in From": b"From: " + b"(" * 1_000_000,
    "encoded words": b"Subject: " + b"=?utf-8?q?a?= " * 60_000,
    "quoted-printable": b"Content-Transfer-Encoding: quoted-printable\n\n" + b"=" * 1_000_000,
    "punycode": b"Content-Type: text/plain; charset=punycode\n\n" + b"a" * 1_000_000,
    "iso-2022-jp": b"Content-Type: text/plain; charset=iso-2022-jp\n\n" + b"\x1b$B0" * 250_000,
    "calendar": b"Content-Type: text/calendar\n\n" + b"METHOD" * 150_000,
    "armour": b"\n" + b"-----BEGIN PGP MESSAGE-----\n" * 30_000,
}


@pytest.mark.parametrize("raw", BOMBS.values(), ids=BOMBS)
def test_no_message_takes_long(raw):
    started = time.perf_counter()

    parse(raw)

    # At most a second or two on an idle machine; Limits.seconds and one slow part are 7.
    assert time.perf_counter() - started < 15


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"\r\n\r\n",
        b"From ",
        b":",
        b"Subject",
        b"\xff\xfe\x00",
        b"Content-Type: multipart/mixed\n\n--\n--\n",
    ],
)
def test_hardly_any_message_is_no_problem(raw):
    assert isinstance(parse(raw), Parsed)


def test_multipart_without_a_boundary_is_read_as_text():
    assert mail("Content-Type: multipart/mixed").text.body == LONG_ENOUGH
    assert mail("Content-Type: multipart/mixed; boundary=never").text.body == LONG_ENOUGH


def test_an_unexpected_failure_still_gives_a_text(monkeypatch):
    def broken(*_: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr("connectors.mail.mime.clean_body", broken)

    parsed = mail("")

    assert LONG_ENOUGH in parsed.text.body
    assert parsed.marks == {"truncated"}


def test_a_thousand_mutated_mails_keep_all_promises():
    said: list[str] = []

    figures = fuzz(1_000, seed=7, say=said.append)

    assert (figures["failures"], said) == (0, [])


def test_a_subject_cut_at_its_limit_does_not_end_in_a_blank():  # found by the fuzzer
    parsed = parse(b"Subject: " + b"x" * 499 + b" y\n\n")

    assert parsed.text.subject == "x" * 499


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=2_000) | st.builds(lambda a, b, c: a + b + c, *[st.sampled_from(SEEDS) | st.binary()] * 3))
def test_any_bytes_keep_all_promises(raw):
    assert broken_promise(parse(raw)) is None
