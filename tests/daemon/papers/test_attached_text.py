"""What a mail's attached text is."""

from __future__ import annotations

from daemon.papers.attached_text import LONGEST, attached_text
from daemon.papers.paper import EInvoice, Reading


def test_the_most_telling_comes_first() -> None:
    invoice = EInvoice("credit note", "381", "7", "Muster GmbH", "")
    readings = [
        Reading("text", "pdf", ("ANGEBOT",), "Muster GmbH\nANGEBOT\nfür Stühle"),
        Reading("locked", "pdf"),
        Reading("text", "xml", (), "", (invoice,)),
    ]
    assert attached_text(readings) == "E-invoice: credit note 7, from Muster GmbH\nANGEBOT\nMuster GmbH\nfür Stühle"


def test_no_file_takes_the_place_of_another() -> None:
    readings = [Reading("text", "pdf", (), letter * 4_000) for letter in "abc"] + [Reading("text", "text", (), "kurz")]
    lines = attached_text(readings).split("\n")
    assert [line[0] for line in lines] == ["a", "b", "c", "k"]
    assert {len(line) for line in lines[:3]} == {397}
    assert lines[3] == "kurz"
    assert len(attached_text(readings)) <= LONGEST


def test_one_file_alone_has_all_the_room() -> None:
    assert len(attached_text([Reading("text", "pdf", (), "a" * 4_000)])) >= LONGEST - 2
    assert attached_text([Reading("none", "pdf")]) == ""
    assert attached_text([]) == ""


def test_twenty_files_stay_within_the_room() -> None:
    readings = [Reading("text", "pdf", (f"Titel {number}" * 9,), "Wort " * 100) for number in range(20)]
    assert 0 < len(attached_text(readings)) <= LONGEST
