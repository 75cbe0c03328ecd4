"""Readers of what strangers pack: TNEF, RTF, CMS, uuencode. Whatever the bytes are, they end and tell what they saw."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.mail.cms import content_of, kind_of
from connectors.mail.multiparts import Piece, split
from connectors.mail.rich_text import LONGEST_RTF, decompress, read_rtf
from connectors.mail.tnef import SIGNATURE, read_tnef
from connectors.mail.transfer_encoding import decode, encoding_of, without_files

SIGNED = b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
@example(b"\x01\x03\x90\x06\x00\x10\x00\x00\x00\xff\xff\xff\xff\x02\x11\x09\x10\xff\xff\xff\xff\x00\x00")
def test_any_tnef_ends(raw: bytes) -> None:
    assert read_tnef(raw) is None or raw.startswith(SIGNATURE)
    assert read_tnef(SIGNATURE + b"\x01\x00" + raw) is not None


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"LZFu", b"MELA"]))
def test_any_compressed_rtf_ends(raw: bytes, kind: bytes) -> None:
    assert isinstance(read_rtf(decompress(b"\xff" * 8 + kind + b"\0" * 4 + raw)).text, str)
    assert isinstance(read_rtf(b"{\\rtf1\\fromhtml1 " + raw).text, str)


@pytest.mark.parametrize(
    ("rtf", "text"),
    [
        (rb"{\rtf1 \u-10179?\u-8704? da}", "\U0001f600 da"),
        (rb"{\rtf1{\fonttbl{\f1\fcharset204 A;}}\f1 \'cf\'f0}", "\u041f\u0440"),
        (rb"{\rtf1 da{\v geheim}{\*\x auch}{\header Kopf}\bin3 }}} da}", "da da"),
        (rb"{\rtf1 a\~b\_c\-d\{\line e}", "a b-cd{\ne"),
    ],
)
def test_of_rich_text_what_a_person_sees_is_read(rtf: bytes, text: str) -> None:
    assert read_rtf(rtf).text.replace("\xa0", " ") == text


def test_rich_text_ends_where_enough_is_read() -> None:
    assert len(read_rtf(b"{\\rtf1 " + b"wort\\par " * 100_000, enough=1_000).text) < 1_010
    assert read_rtf(b"{" * 2_000_000).text == ""


def test_what_unpacks_to_gigabytes_is_bounded() -> None:
    # One literal, then references that each give 17 bytes for two.
    bomb = b"\x00abcdefgh" + b"\xff" + b"\x0c\xff" * 8
    packed = b"\xff\xff\xff\x7f\xff\xff\xff\x7fLZFu\0\0\0\0" + bomb * 60_000

    assert len(decompress(packed)) <= LONGEST_RTF


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_any_cms_ends(raw: bytes) -> None:
    assert isinstance(content_of(SIGNED + raw), bytes)
    assert kind_of(SIGNED + raw) == "signed"
    assert kind_of(b"x" + raw) is None


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["base64", "Quoted-Printable", "x-uuencode", "8bit", "x"]))
def test_any_transfer_encoding_ends(raw: bytes, field: str) -> None:
    assert isinstance(decode(encoding_of(field), raw, is_text=True), bytes)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="begin 644 a\nM`end=yname\r", max_size=200))
def test_files_in_a_text_take_nothing_that_is_none(text: str) -> None:
    unpacked = without_files(text)

    assert bool(unpacked.files) == (unpacked.text != text)


def test_a_body_is_cut_at_its_own_boundary_only() -> None:
    body = b"before\n--a\n\none\n--ab\nstill one\n--a \n\ntwo\n--a--\nafter\n"

    assert split(body, b"a", 10) == [Piece(b"\none\n--ab\nstill one"), Piece(b"\ntwo")]
    assert len(split(b"--a\n" * 1000, b"a", 10)) == 11
