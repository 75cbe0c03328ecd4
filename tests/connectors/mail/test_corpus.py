"""Small mails of every kind that offices get, each with what must and must not be read of it.

One mail is one file, `corpus/KIND/NAME.mail`: what is expected, as TOML, a line `+++`, and the raw message from there
to the end, byte by byte (a server's CRLF is put in where the file has LF alone; `bytes = "as they are"` leaves them).

    title = "a sentence: what this mail is"
    must = ["texts that the body holds"]
    mustnot = ["texts that it does not hold"]
    once = ["texts that it holds exactly once"]
    subject = "the subject, whole"
    sender = "a text that the sender holds"
    attachments = ["every attachment's name, in order"]
    marks = ["encrypted"]          # each of these is set
    not_marks = ["calendar"]       # none of these is set
    body = "the body, whole"       # instead of must, where every character counts
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connectors.mail.mime import Limits, read_message

CORPUS = Path(__file__).parent / "corpus"
EXPECTED = {
    "title",
    "bytes",
    "must",
    "mustnot",
    "once",
    "subject",
    "sender",
    "attachments",
    "marks",
    "not_marks",
    "body",
}
LEAST = 200
"""Mails that the corpus holds at least."""


@dataclass(frozen=True)
class Case:
    """One mail and what is expected of it."""

    name: str
    wanted: dict[str, Any]
    raw: bytes


def cases() -> Iterator[Case]:
    for path in sorted(CORPUS.glob("*/*.mail")):
        head, _, raw = path.read_bytes().partition(b"\n+++\n")
        wanted = tomllib.loads(head.decode())
        if wanted.get("bytes") != "as they are":
            raw = re.sub(rb"(?<!\r)\n", b"\r\n", raw)
        yield Case(f"{path.parent.name}/{path.stem}", wanted, raw)


CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=[one.name for one in CASES])
def test_is_read_as_a_person_would_read_it(case: Case) -> None:
    got = read_message(case.raw, Limits())
    text, wanted = got.text, case.wanted
    missing = [words for words in wanted.get("must", []) if words not in text.body]
    missing += [words for words in wanted.get("once", []) if text.body.count(words) != 1]
    unwanted = [words for words in wanted.get("mustnot", []) if words in text.body]
    assert (missing, unwanted) == ([], []), text.body
    assert wanted.get("body", text.body) == text.body
    assert wanted.get("subject", text.subject) == text.subject
    assert wanted.get("sender", "") in text.sender
    assert wanted.get("attachments", list(text.attachments)) == list(text.attachments)
    assert set(wanted.get("marks", [])) <= got.marks
    assert not set(wanted.get("not_marks", [])) & got.marks


def test_each_mail_says_what_it_is_and_expects_something() -> None:
    assert len(CASES) >= LEAST
    for case in CASES:
        assert not set(case.wanted) - EXPECTED, case.name
        assert case.wanted["title"], case.name
        assert set(case.wanted) - {"title", "bytes"}, f"{case.name}: nothing is expected"
        assert case.raw, f"{case.name}: no line +++"
