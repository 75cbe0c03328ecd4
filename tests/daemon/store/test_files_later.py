"""A lesson gets what its files say later, and stays the same; what decisions know of files goes with the text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.base import Identity, MailText, MessageRef, Sighting
from daemon.store import decisions, files_later, learning, mailboxes, messages
from daemon.store.database import Database, Tx
from daemon.store.records import ReadFile
from tests.fakes import START

TEXT = MailText(subject="Scan", attachments=("scan.pdf (application/pdf)",), body="Please find attached.")
READ = replace(TEXT, attached_text="Invoice 4711")
FILE = ReadFile("scan.pdf", "text", "pdf", invoice="E-invoice: invoice 4711, from ACME GmbH")


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[Tx]:
    database = Database.open(tmp_path / "postroom.sqlite")
    with database.begin() as tx:
        yield tx
    database.close()


@pytest.fixture
def box(tx: Tx) -> int:
    return mailboxes.ensure(tx, "office", "imap", "live", START).id


def message(tx: Tx, box: int, number: int = 1) -> int:
    sighting = Sighting(MessageRef("INBOX", 1, number), Identity(None, f"<m{number}@b>", f"d{number}"))
    return messages.add(tx, box, sighting, "new", START, None)


def teach(tx: Tx, box: int, text: MailText, papers: int, about: int | None = None, category: str = "a") -> bool:
    return learning.teach(tx, box, category, text, START, source="folder", message=about, papers=papers)


def texts(tx: Tx, box: int) -> list[tuple[int, str]]:
    return [(lesson.id, lesson.text.attached_text) for lesson in learning.lessons(tx, box)]


def decided(tx: Tx, about: int, at: int = 0, file: ReadFile = FILE) -> None:
    fields = dict.fromkeys(("category", "best", "probability", "runner_up", "runner_up_probability", "model"))
    more = {"source": "none", "reason": "left", "mode": "live"}
    decisions.add(tx, about, START + timedelta(days=at), **fields, **more, files=[file])  # type: ignore[arg-type]


def test_what_is_taught_again_with_its_files_read_is_no_second_lesson_and_says_more(tx: Tx, box: int) -> None:
    about = message(tx, box)
    assert teach(tx, box, TEXT, 0, about)
    assert [found.lesson for found in files_later.unread(tx, box, 2)] == [1]
    assert not teach(tx, box, READ, 2, about)
    assert texts(tx, box) == [(1, "Invoice 4711")]
    assert files_later.unread(tx, box, 2) == []
    assert files_later.reread(tx, box) == 1
    assert not teach(tx, box, TEXT, 0, about)  # with `attachments = "names"`: nothing is taken away
    assert texts(tx, box) == [(1, "Invoice 4711")]
    assert files_later.reread(tx, box) == 1


def test_another_copy_of_the_mail_with_another_text_keeps_its_own(tx: Tx, box: int) -> None:
    about = message(tx, box)
    teach(tx, box, TEXT, 0, about)
    assert not teach(tx, box, replace(READ, subject="[list] Scan"), 2, about)
    assert texts(tx, box) == [(1, "")]


def test_where_nothing_was_to_be_read_nobody_is_told_to_look_again(tx: Tx, box: int) -> None:
    teach(tx, box, TEXT, 0, message(tx, box))
    assert not files_later.put(tx, box, 1, "", 2)
    assert (files_later.unread(tx, box, 2), files_later.reread(tx, box)) == ([], 0)
    assert [found.lesson for found in files_later.unread(tx, box, 3)] == [1]
    files_later.done(tx, [1], 3)
    assert files_later.unread(tx, box, 3) == []


def test_a_lesson_that_counts_no_more_gets_nothing(tx: Tx, box: int) -> None:
    teach(tx, box, TEXT, 0, message(tx, box))
    learning.void_lesson(tx, box, 1, START)
    assert not files_later.put(tx, box, 1, "Invoice 4711", 2)
    assert learning.lessons_of(tx, 1)[0].text == MailText()


def test_a_lesson_that_comes_back_is_as_read_as_the_one_that_stood_in_its_place(tx: Tx, box: int) -> None:
    about = message(tx, box)
    teach(tx, box, TEXT, 0, about)
    teach(tx, box, READ, 2, about, category="b")
    learning.void_lesson(tx, box, 2, START)
    assert [(lesson.category, lesson.text.attached_text) for lesson in learning.lessons(tx, box)] == [
        ("a", "Invoice 4711")
    ]
    assert files_later.unread(tx, box, 2) == []


def test_a_decision_knows_what_became_of_each_file(tx: Tx, box: int) -> None:
    about = message(tx, box)
    decided(tx, about)
    decisions.add_remark(tx, about, START, "left")
    assert [made.files for made in decisions.of_message(tx, about)] == [(FILE,), ()]


def test_what_decisions_know_of_files_goes_with_the_lesson_with_age_and_with_a_person(tx: Tx, box: int) -> None:
    kept, void, old, ann = (message(tx, box, number) for number in range(1, 5))
    teach(tx, box, READ, 2, void)
    for about in (kept, void, ann):
        decided(tx, about, file=FILE if about != ann else replace(FILE, name="cv of ann@example.org.pdf"))
    decided(tx, old, at=-40)
    learning.void_lesson(tx, box, 1, START)
    decisions.forget_files_before(tx, box, START - timedelta(days=30))
    decisions.forget_files_that(tx, box, lambda words: "ann@" in (words or ""))
    found = {about: [made.files for made in decisions.of_message(tx, about)] for about in (kept, void, old, ann)}
    assert found == {kept: [(FILE,)], void: [()], old: [()], ann: [()]}
