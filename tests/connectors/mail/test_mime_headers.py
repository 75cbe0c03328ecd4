"""Header fields as senders really write them: encoded, folded, raw, broken."""

from __future__ import annotations

import random
import re
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.mail import mime
from connectors.mail.address_fields import _mailboxes, addresses
from connectors.mail.charsets import decode_bytes
from connectors.mail.headers import Headers, message_ids, sent_at, split_headers, thread_ids
from connectors.mail.mime import decode_header, digest
from connectors.mail.transfer_encoding import decode_base64


def headers(text: str) -> Headers:
    return split_headers(text.encode("utf-8"))[0]


@pytest.mark.parametrize(
    ("raw", "decoded"),
    [
        ("Invoice 4711", "Invoice 4711"),
        ("=?utf-8?B?UmVjaG51bmcgZsO8ciBNw6Ryeg==?=", "Rechnung für März"),
        ("=?ISO-8859-1?Q?R=FCckfrage_zur_Bestellung?=", "Rückfrage zur Bestellung"),
        ("=?utf-8?q?one?=\n =?utf-8?q?_two?= three =?utf-8?q?four?=", "one two three four"),
        ("=?utf-8?B?w6TDtsM=?=\n =?utf-8?B?vA==?=", "äöü"),  # cut within a character
        ("=?utf-8?q?a?= =?iso-8859-2?q?_=B3?=", "a ł"),
        ("Re: =?windows-1252?Q?=80_100?= today", "Re: € 100 today"),
        ("=?iso-8859-1?Q?=80?=", "€"),  # what its senders mean by Latin-1
        ("=?gb2312?B?1tC5+g==?=", "中国"),
        ("=?utf-8*de?q?f=C3=BCr?=", "für"),  # RFC 2231: with a language
        ("=?no-such-charset?q?f=C3=BCr?=", "für"),
        ("=?rot13?q?abc?=", "abc"),
        ("=?punycode?q?abc?=", "abc"),
        ("=?utf-8?B?broken", "=?utf-8?B?broken"),
        ("=?utf-8?B?%%%?=", ""),
        ("=?utf-8?Q?two words?=", "two words"),
        ("für\n\tdich", "für dich"),
        ("für".encode(), "für"),
        ("für".encode("latin-1"), "für"),
        ("für".encode().decode("ascii", "surrogateescape"), "für"),
        ("pay\u200bpal\u202e\x00\x1b", "paypal"),
        ("=?utf-8?B?4oCLYeKAizwKPg==?=", "a< >"),  # hidden and line-breaking once decoded
        ("\ud800", "í\xa0€".replace("\xa0", " ")),
        (None, ""),
    ],
)
def test_header_values_are_decoded_to_one_line(raw, decoded):
    assert decode_header(raw) == decoded


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_header_value_is_decoded_to_one_line(raw):
    decoded = decode_header(raw)

    assert decoded == " ".join(decoded.split())


@pytest.mark.parametrize(
    "charset", ["", "utf-8", '"UTF-8"', "utf8mb4", "zlib", "idna", "x\0y", "ünknown", "a" * 5000, "hex", None]
)
def test_no_charset_label_breaks_decoding(charset):
    assert decode_bytes("für".encode(), charset) == "für"


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ("Ann Lee <ann@example.org>", "Ann Lee <ann@example.org>"),
        ('"Lee, Ann" <ann@example.org>', "Lee, Ann <ann@example.org>"),
        ("=?utf-8?q?M=C3=BCller=2C_J=C3=B6rg?= <jm@example.de>", "Müller, Jörg <jm@example.de>"),
        ("=?utf-8?q?Ann_<ann=40example.org>?=", "Ann <ann@example.org>"),
        ("Jörg Müller <jm@example.de>", "Jörg Müller <jm@example.de>"),
        ("ann@example.org (Ann Lee)", "Ann Lee <ann@example.org>"),
        ("'ann@example.org' <ann@example.org>", "ann@example.org"),
        ("<ann@example.org>, Bob <bob@example.org>", "ann@example.org, Bob <bob@example.org>"),
        ("Lee, Ann <ann@example.org>", "Lee, Ann <ann@example.org>"),
        (
            '"Ann \\"Chair\\" Lee" <ann@example.org>, "Ray, Bob" <b@x.org>',
            'Ann "Chair" Lee <ann@example.org>, Ray, Bob <b@x.org>',
        ),
        ("Team: ann@example.org, bob@example.org;", "ann@example.org, bob@example.org"),
        ("Ann @ Office <ann@example.org>", "Ann @ Office <ann@example.org>"),
        ("<ann@example.org", "ann@example.org"),
        ("ann@example.org, (@)", "ann@example.org"),
        ("a@<<", "a@<"),
        ("the office", "the office"),
        ("undisclosed-recipients:;", "undisclosed-recipients:;"),
        ("", ""),
    ],
)
def test_addresses_show_name_and_address(field, shown):
    assert addresses(headers(f"From: {field}\n\n"), "from") == shown


def test_the_next_field_helps_out_when_there_is_no_from():
    assert addresses(headers("Sender: list@example.org\n\n"), "from", "sender") == "list@example.org"


def test_a_thousand_recipients_are_shortened():
    shown = addresses(headers("To: " + ", ".join(f"p{number}@example.org" for number in range(1000)) + "\n\n"), "to")

    assert shown.startswith("p0@example.org, p1@example.org")
    assert len(shown) < 300


@pytest.mark.parametrize(
    "bomb", ["(" * 100_000, '"\\' * 50_000, "a@b," * 50_000, "<" * 100_000, "=?" * 50_000, "\0" * 100_000]
)
def test_address_bombs_do_not_explode(bomb):
    assert len(addresses(headers(f"From: {bomb}\n\n"), "from")) < 5_000


def test_fields_end_at_the_first_empty_line_and_may_be_folded():
    parsed, body = split_headers(b"From x Mon\nA: one\n two\nB:\n\tthree\na: four\n\nA: body\n")

    assert parsed.raw("a") == b"one\n two"
    assert parsed.text("b") == "three"
    assert body == b"A: body\n"


def test_a_missing_empty_line_does_not_swallow_the_body():
    parsed, body = split_headers(b"Subject: x\nHello Ann,\nthis is it: all\n")

    assert (parsed.text("subject"), body) == ("x", b"Hello Ann,\nthis is it: all\n")


def test_message_ids_are_bracketed_ordered_and_unique():
    parsed = headers("References: <a@x> junk <b@x>\n\t<a@x>\nIn-Reply-To: <c@x> (Ann's mail)\n\n")

    assert thread_ids(parsed) == ("<a@x>", "<b@x>", "<c@x>")
    assert message_ids("bare@x") == ("<bare@x>",)
    assert message_ids("no id at all") == ()
    assert message_ids(b"<>") == ()


def test_an_endless_thread_keeps_its_root_and_its_newest():
    references = thread_ids(headers("References: " + " ".join(f"<{number}@x>" for number in range(1000)) + "\n\n"))

    assert len(references) == 100
    assert (references[0], references[-1]) == ("<0@x>", "<999@x>")


@pytest.mark.parametrize(
    ("field", "date"),
    [
        (b"Mon, 5 Feb 2024 10:12:00 +0100", datetime(2024, 2, 5, 9, 12, tzinfo=UTC)),
        (b"5 Feb 2024 10:12:00 -0000", datetime(2024, 2, 5, 10, 12, tzinfo=UTC)),
        (b"Mon, 5 Feb 2024 10:12 GMT (comment)", datetime(2024, 2, 5, 10, 12, tzinfo=UTC)),
        (b"Fri, 31 Feb 2024 10:12:00 +0000", None),
        (b"Mon, 5 Feb 2024 10:12:00 +999999999999", None),
        (b"yesterday", None),
        (b"\xff\xfe", None),
        (b"", None),
        (None, None),
    ],
)
def test_dates_are_utc_or_nothing(field, date):
    assert sent_at(field) == date


@pytest.mark.parametrize("raw", [b"aGFsbG8=", b"aGFs\nbG8", b"aG Fs*bG8===", b"aGFsbG8=x"])
def test_broken_base64_gives_what_can_be_read(raw):
    assert decode_base64(raw).startswith(b"hallo")


def test_the_digest_survives_another_folding_and_sees_every_part():
    same = digest(b"<a@x>", b"Mon", b"Ann\r\n\t<ann@x>", "Grüße".encode(), 10)

    assert same == digest("<a@x> ", "Mon", "Ann <ann@x>", "Grüße", 10)
    assert same == digest(b"<a@x>", "Mon", "Ann <ann@x>", "Grüße".encode().decode("ascii", "surrogateescape"), 10)
    assert len(same) == 64
    others = [
        digest(None, b"Mon", b"Ann <ann@x>", "Grüße", 10),
        digest(b"<a@x>", b"Tue", b"Ann <ann@x>", "Grüße", 10),
        digest(b"<a@x>", b"Mon", b"Bob <ann@x>", "Grüße", 10),
        digest(b"<a@x>", b"Mon", b"Ann <ann@x>", "Gruß", 10),
        digest(b"<a@x>", b"Mon", b"Ann <ann@x>", "Grüße", 11),
        digest(b"<a@x> Mon", b"", b"Ann <ann@x>", "Grüße", 10),
    ]
    assert len({same, *others}) == 7
    assert digest(None, None, None, "\ud800", 0) == digest(b"", "", b"", "\ud800", 0)


OLD_WAY = re.compile(r'(?:"(?:[^"\\]|\\.)*"|<[^>]*>|\([^)]*\)|[^,;])+')
"""What a list of mailboxes is cut into, in one expression, whose time grows with the square of the length."""


def test_a_list_of_mailboxes_is_cut_as_by_its_grammar() -> None:
    chance = random.Random(7)
    for _ in range(20_000):
        value = "".join(chance.choices('a@"<>()\\,;: ', k=chance.randrange(14)))
        assert _mailboxes(value) == OLD_WAY.findall(value), value


ADDRESSED = ("From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Delivered-To", "X-Original-To")
WORST = ("(", "<", '"', '\\"', '"\\', "(<", '(<"', "<(", "a@b,(", "a@b <", "=?a?q?(?= ", ",", ";@", "@", ":(", '"a"<')


@pytest.mark.parametrize("sign", WORST)
def test_no_header_that_somebody_sends_takes_a_second(sign: str) -> None:
    """Of processor time: one mail of 130 KB took 23 s, and mail of others waited."""
    field = sign * (16_384 // len(sign))
    raw = "".join(f"{name}: {field}\r\n" for name in ADDRESSED) + "Subject: x\r\n\r\nbody\r\n"
    began = time.thread_time()
    mime.parse(raw.encode())
    assert time.thread_time() - began < 1
