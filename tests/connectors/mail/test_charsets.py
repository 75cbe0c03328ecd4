"""Every label that the web knows, the ones that only mail has, and bytes that contradict theirs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webencodings.labels import LABELS  # type: ignore[import-untyped]

from connectors.mail.charsets import codec_of, decode_bytes, guess_text

NOT_OF_MAIL = {"replacement", "x-user-defined"}
RUSSIAN = "Плитка пришла разбитой"


@pytest.mark.parametrize("label", sorted(label for label, name in LABELS.items() if name not in NOT_OF_MAIL))
def test_every_label_of_the_web_is_known(label: str) -> None:
    known = codec_of(label.upper())

    assert known is not None or label in ("unicode", "ucs-2", "iso-10646-ucs-2", "csunicode", "unicodefeff")
    if known is not None:
        assert "a".encode(known).decode(known) == "a"


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("windows1251", "cp1251"),
        ("win-1251", "cp1251"),
        ("cp 1251", None),
        ("x-windows-949", "cp949"),
        ("cp65001", "utf-8"),
        ("cp50220", "iso2022-jp"),
        ("ISO8859_15", "iso8859-15"),
        ("8859-2", "iso8859-2"),
        ("ISO-8859-1-Windows-1252-Latin-1", "cp1252"),
        ("x-mac-ce", "mac-latin2"),
        ("utf8mb4", "utf-8"),
        ("hz-gb-2312", "hz"),
        ("iso-2022-kr", "iso2022-kr"),
        ("zlib", None),
        ("rot13", None),
        ("unicode_escape", None),
        ("x-unknown", None),
        ("", None),
    ],
)
def test_labels_that_only_mail_has(label: str, codec: str | None) -> None:
    assert codec_of(label) == codec


@pytest.mark.parametrize("label", ["gb2312", "big5", "euc-kr", "shift_jis", "windows-1250", "koi8-r", "us-ascii", ""])
def test_a_letter_of_utf_8_in_a_word_is_recognised_under_every_label(label: str) -> None:
    assert decode_bytes("Angebot für Köln".encode(), label) == "Angebot für Köln"


@pytest.mark.parametrize("codec", ["cp1251", "koi8-r", "iso8859-5"])
def test_dense_text_without_a_label_is_told_by_its_bytes(codec: str) -> None:
    assert guess_text(RUSSIAN.encode(codec)) == RUSSIAN


@pytest.mark.parametrize("word", ["Grüße", "città di Forlì", "déjà vu", "señor Núñez", "ÆØÅ", "€ 100", "Straße 5"])
def test_a_latin_word_without_a_label_is_never_taken_for_another_script(word: str) -> None:
    assert guess_text(word.encode("cp1252")) == word


def test_a_character_that_the_limit_cuts_off_is_left_out() -> None:
    assert guess_text("Fließen für die Küche".encode()[:-3] + "ü".encode()[:1]) == "Fließen für die Kü"


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([*sorted(set(LABELS.values())), "iso-2022-jp-2", "utf-7", "cp50221"]))
def test_any_bytes_under_any_label_give_a_text(raw: bytes, label: str) -> None:
    assert isinstance(decode_bytes(raw, label), str)
