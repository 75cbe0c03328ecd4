"""Nothing that is shown steers a terminal."""

from __future__ import annotations

import io
import json
import tomllib
import unicodedata

import pytest

from connectors.errors import FolderMissing
from connectors.printable import PrintableStream, printable
from daemon.mistakes import PostroomError
from daemon.model.engines.engine import ModelRefused

STEERS = [chr(code) for code in range(0x2100) if unicodedata.category(chr(code)) in ("Cc", "Zl", "Zp")]
TURNS = [chr(code) for code in range(0x10000) if unicodedata.bidirectional(chr(code)) in
         ("LRE", "LRO", "RLE", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")]  # fmt: skip


def test_everything_that_steers_is_spelt_out_and_all_else_stays() -> None:
    for character in (*STEERS, *TURNS, "\ud800"):
        shown = printable(f"a{character}b")
        assert shown == ("a" + character + "b" if character in "\n\t" else f"a\\u{ord(character):04x}b")
    kept = "Bestellungen/Größe 東京 עברית 🙂 [x] \\u001b {5}\ttab\nline"
    assert printable(kept) == kept


def test_what_was_json_or_toml_says_the_same_afterwards() -> None:
    name = 'Or\x1b]0;x\x07der\x9b31m "q" \u202e \x7f'
    assert json.loads(printable(json.dumps({"name": name}, ensure_ascii=False))) == {"name": name}
    assert tomllib.loads(printable('name = "Or\x9bders\u202e"')) == {"name": "Or\x9bders\u202e"}


def test_what_a_terminal_has_no_character_for_is_spelt_out_and_stays_json() -> None:
    behind = io.BytesIO()
    stream = PrintableStream(io.TextIOWrapper(behind, encoding="iso8859-1"))
    print(json.dumps({"name": "Grö\u1e9ee ≥ 🙂"}, ensure_ascii=False), file=stream, flush=True)
    shown = behind.getvalue().decode("iso8859-1")
    assert "Grö" in shown
    assert json.loads(shown) == {"name": "Grö\u1e9ee ≥ 🙂"}


def test_a_stream_is_what_lies_behind_it_but_for_what_it_prints() -> None:
    behind = io.StringIO()
    stream = PrintableStream(behind)
    print("a\x1b[31mb", file=stream)
    stream.writelines(["\x9b", "c"])
    stream.flush()
    assert not stream.isatty()
    assert behind.getvalue() == "a\\u001b[31mb\n\\u009bc"


@pytest.mark.parametrize(
    "error",
    [
        FolderMissing('office, folder "Or\x1b]0;x\x07ders"', "There \x9b31m is none.", "\u202eGo on."),
        PostroomError("Or\x1bders", "a\x9b", "b\x07"),
        ModelRefused("the server said: \x1b[2J"),
    ],
)
def test_no_error_says_what_steers(error: Exception) -> None:
    assert str(error) == printable(str(error))
