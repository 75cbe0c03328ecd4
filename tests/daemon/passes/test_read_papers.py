"""Files are read where a mail's own words are few: what the model and lessons see, what is kept, what costs nothing."""

from __future__ import annotations

import gc
import os
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from connectors.base import MailText, Message, MessageRef, Paper, Sighting
from daemon.papers.paper import Reading
from daemon.papers.paper_reader import Ocr, PaperReader, Sandbox
from daemon.passes.file_reading import AttachedFiles, TimeForFiles
from daemon.passes.first_lessons import learn_from_folders
from daemon.passes.one_pass import one_pass
from daemon.passes.read_again import read_again
from daemon.passes.read_papers import fetch_read, way_of_reading
from daemon.report.file_words import counted_in_words, file_story, files_counted, files_in_words
from daemon.store import decisions, files_later, learning, messages
from daemon.store.records import ReadFile
from tests.daemon.passes.test_pipeline import Office, make_office, office
from tests.fakes import FakeClassifier
from tests.paper_samples import locked_pdf, pdf_with_file, text_pdf, ubl

__all__ = ["make_office", "office"]

SCAN = Paper("scan.pdf", text_pdf("Rechnung 4711", "Bitte zahlen Sie 12,00 EUR"))


class Listens(FakeClassifier):
    """Remembers every text that it was asked about."""

    seen: list[MailText]

    def classify(self, texts: Sequence[MailText]) -> Any:
        self.seen = [*getattr(self, "seen", []), *texts]
        return super().classify(texts)


class Reader(PaperReader):
    """Ends as a test wants, and counts how often it was asked."""

    def __init__(self, *ends: Reading, works: bool = True, sees: bool = True) -> None:
        super().__init__()
        self.ends, self.works, self.sees = list(ends), works, sees
        self.asked: list[str] = []

    def read(self, paper: Paper, ocr: bool = False) -> Reading:
        self.asked.append(f"{paper.name} as a picture" if ocr else paper.name)
        return self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]

    def sandbox(self) -> Sandbox:
        return Sandbox(self.works, ocr=Ocr(self.sees))


@pytest.fixture
def heard(office: Office) -> Iterator[Listens]:
    model = Listens(office.model.answers)
    office.desk.registry.model = model  # type: ignore[attr-defined]
    yield model
    office.desk.files.close()


def with_reader(office: Office, *ends: Reading, works: bool = True, sees: bool = True) -> Reader:
    reader = Reader(*ends, works=works, sees=sees)
    office.desk.files = AttachedFiles(start=lambda **_: reader)
    return reader


def knows_files_by(office: Office, what: str) -> None:
    """As after the settings were read again."""
    office.desk.sorting = office.desk.sorting.model_copy(update={"attachments": what})
    office.desk.all_read = None


def sorted_now(office: Office) -> None:
    office.clock.advance(minutes=3)
    one_pass(office.desk)


def files_of(office: Office) -> list[tuple[ReadFile, ...]]:
    with office.database.read() as tx:
        made = decisions.since(tx, office.desk.mailbox_id, office.clock().replace(year=2000))
    return [decision.files for decision in made]


def deliver(office: Office, subject: str, *papers: Paper, body: str = "Please find attached.", **more: Any) -> Sighting:
    names = tuple(f"{paper.name} (application/pdf)" for paper in papers)
    mail = MailText(sender="ann@example.org", subject=subject, body=body, attachments=names)
    sighting = office.box.deliver(mail, papers=papers, **more)
    one_pass(office.desk)
    return sighting


def taught_by_names(office: Office, *papers: Paper) -> None:
    """A lesson for each of these files, which nobody has read."""
    knows_files_by(office, "names")
    for number, paper in enumerate(papers):
        there = deliver(office, f"letter {number}", paper)
        sorted_now(office)
        office.box.move_by_person(there.ref, "Invoices")
        office.settle()


def test_the_model_sees_what_a_file_says_and_the_decision_knows_the_file(office: Office, heard: Listens) -> None:
    deliver(office, "letter", SCAN)
    sorted_now(office)
    assert [text.attached_text for text in heard.seen] == ["Rechnung 4711\nBitte zahlen Sie 12,00 EUR"]
    assert files_of(office) == [(ReadFile("scan.pdf", "text", "pdf"),)]


def test_what_people_file_teaches_with_what_its_files_say(office: Office, heard: Listens) -> None:
    there = deliver(office, "letter", SCAN)
    sorted_now(office)
    office.box.move_by_person(there.ref, "Invoices")
    office.settle()
    with office.database.read() as tx:
        [lesson] = learning.lessons(tx, office.desk.mailbox_id)
        assert files_later.unread(tx, office.desk.mailbox_id, way_of_reading(office.desk)) == []
    assert lesson.text.attached_text.startswith("Rechnung 4711")


def test_folders_teach_the_same_text(office: Office, heard: Listens) -> None:
    office.deliver("letter", "Attached.", papers=[SCAN], folder="Invoices")
    learn_from_folders(office.desk, per_folder=10, max_age=office.clock() - office.clock().replace(year=2000))
    with office.database.read() as tx:
        assert [each.text.attached_text[:8] for each in learning.lessons(tx, office.desk.mailbox_id)] == ["Rechnung"]


@pytest.mark.parametrize(
    ("own", "more"),
    [
        ({"attachments": "names"}, {}),
        ({}, {"flags": ["\\Flagged"]}),
        ({"never_senders": ["ann@example.org"]}, {}),
        ({}, {"body": "We have received the parts of our order and all of them are broken again, " * 3}),
    ],
)
def test_nothing_is_read_and_no_process_started_where_files_do_not_count(
    make_office: Callable[..., Office], own: dict[str, Any], more: dict[str, Any]
) -> None:
    office = make_office(sorting=own)
    reader = with_reader(office, Reading("text", "pdf", text="x"))
    deliver(office, "letter", SCAN, **more)
    sorted_now(office)
    assert files_of(office) == [()]
    assert reader.asked == []
    assert office.desk.files._reader is reader


def test_a_mailbox_of_its_own_mind_reads_no_files(office: Office) -> None:
    reader = with_reader(office, Reading("text", "pdf", text="x"))
    knows_files_by(office, "names")
    deliver(office, "letter", SCAN)
    sorted_now(office)
    assert reader.asked == []


def test_what_crashed_is_not_tried_again_however_often_the_mail_is_decided_about(office: Office) -> None:
    reader = with_reader(office, Reading("crashed", "pdf"))
    office.model.unavailable = True
    deliver(office, "letter", SCAN)
    for _ in range(3):
        with pytest.raises(Exception, match="model server is down"):
            sorted_now(office)
    assert reader.asked == ["scan.pdf"]
    office.model.unavailable = False
    sorted_now(office)
    assert reader.asked == ["scan.pdf"]
    assert files_of(office) == [(ReadFile("scan.pdf", "crashed", "pdf"),)]


def test_a_process_that_does_not_start_is_asked_again(office: Office) -> None:
    reader = with_reader(office, Reading("unavailable"), Reading("text", "pdf", text="Rechnung"))
    for subject in ("one", "two"):
        deliver(office, subject, SCAN)
        sorted_now(office)
    assert [each.status for [each] in files_of(office)] == ["unavailable", "text"]
    assert len(reader.asked) == 2


def test_time_for_files_is_bounded_and_mail_is_sorted_without_them(office: Office) -> None:
    slow = with_reader(office, Reading("late"))
    letter = deliver(office, "letter", SCAN)
    office.desk.time_for_files = TimeForFiles(0.0)
    [read] = fetch_read(office.desk, [letter.ref])
    assert (read.files, read.papers, slow.asked) == ((ReadFile("scan.pdf", "no time"),), 0, [])


def asks_of(office: Office, slow: float = 0.0) -> list[tuple[int, bool]]:
    """How many messages the connector is asked for from now on, and whether with their files. `slow`: seconds that it
    takes over each message with files, by the clock of `time`."""
    asked: list[tuple[int, bool]] = []
    fetch = office.box.fetch

    def listening(refs: Sequence[MessageRef], *, papers: bool = False, pictures: bool = False) -> Iterator[Message]:
        asked.append((len(refs), papers))
        for message in fetch(refs, papers=papers, pictures=pictures):
            time.sleep(slow if message.papers else 0)
            yield message

    office.box.fetch = listening  # type: ignore[method-assign]
    return asked


@pytest.mark.parametrize(("left", "stops"), [(0.0, False), (60.0, True)])
def test_no_file_is_fetched_that_there_is_no_time_for(office: Office, left: float, stops: bool) -> None:
    """Those of twenty mails may be a gigabyte, and somebody waits for the end, or other mail does."""
    with_reader(office, Reading("text", "pdf", text="Rechnung"))
    letters = [office.deliver(f"{number}", "Attached.", papers=[SCAN]).ref for number in range(3)]
    names = ("a.pdf (application/pdf)", "b.jpg (image/jpeg)")
    letters.append(office.box.deliver(MailText(subject="x", body="Attached.", attachments=names)).ref)
    office.desk.time_for_files = TimeForFiles(left)
    office.desk.stop = lambda: stops
    asked = asks_of(office)
    read = list(fetch_read(office.desk, letters))
    assert asked == [(4, False)]
    assert [one.message.sighting.ref for one in read] == letters
    assert (read[-1].files, read[-1].papers) == ((ReadFile("a.pdf", "no time"),), 0)


def test_what_is_large_costs_of_the_time_for_files_what_it_takes_to_come(office: Office) -> None:
    reader = with_reader(office, Reading("text", "pdf", text="Rechnung"))
    large = [Paper("large.pdf", SCAN.data + bytes(2 << 20))]
    letters = [office.deliver(f"{number}", "Attached.", papers=large).ref for number in range(3)]
    office.desk.time_for_files = TimeForFiles(0.2)
    asked = asks_of(office, slow=0.3)
    read = list(fetch_read(office.desk, letters))
    assert asked == [(3, True), (2, False)]
    assert [one.message.sighting.ref for one in read] == letters
    assert reader.asked == []


def test_a_copy_that_only_gets_an_identity_of_its_own_comes_without_its_files(office: Office) -> None:
    reader = with_reader(office, Reading("text", "pdf", text="Rechnung"))
    there = deliver(office, "letter", SCAN)
    sorted_now(office)
    office.box.copy_by_person(there.ref, "Orders")
    reader.asked.clear()
    asked = asks_of(office)
    for _ in range(3):
        office.settle()
    assert asked
    assert not any(files for _, files in asked)
    assert reader.asked == []


def test_old_lessons_wait_while_new_mail_takes_all_the_time(office: Office) -> None:
    taught_by_names(office, SCAN)
    knows_files_by(office, "text")
    office.desk.time_for_files = TimeForFiles(0.0)
    asked = asks_of(office)
    assert read_again(office.desk), "there is more to do"
    assert asked == []


def test_of_twenty_files_three_are_read_and_the_rest_is_told(office: Office) -> None:
    reader = with_reader(office, Reading("text", "pdf", text="Rechnung"))
    mail = EmailMessage()
    mail["From"], mail["Subject"], mail["Message-ID"] = "ann@example.org", "letter", "<many@example.org>"
    mail.set_content("Please find attached.")
    for number in range(20):
        mail.add_attachment(text_pdf(f"{number}"), "application", "pdf", filename=f"{number}.pdf")
    [read] = fetch_read(office.desk, [office.box.deliver(mail.as_bytes()).ref])
    assert len(reader.asked) == 3
    assert [file.status for file in read.files] == ["text"] * 3 + ["lacking"] * 17
    told = files_in_words([file_story(file) for file in read.files])
    assert told.startswith("; read 0.pdf (PDF); read 1.pdf (PDF); read 2.pdf (PDF); did not read 3.pdf, 4.pdf, 5.pdf")
    assert told.endswith(" 5.pdf and 14 more: beyond the three that are read of one mail"), "one sentence for all"


SEEN = (Reading("none", "png", picture=True), Reading("text", "png", text="Rechnung", ocr=True))


def test_a_picture_is_looked_at_only_where_that_is_wanted_and_once(office: Office) -> None:
    reader = with_reader(office, *SEEN)
    letter = office.deliver("letter", "Attached.", papers=[Paper("scan.pdf", b"%PDF")])
    [read] = fetch_read(office.desk, [letter.ref])
    assert (read.files, read.papers) == ((ReadFile("scan.pdf", "none", "png"),), way_of_reading(office.desk))
    knows_files_by(office, "ocr")
    for _ in range(2):
        [read] = fetch_read(office.desk, [letter.ref])
        assert read.files == (ReadFile("scan.pdf", "text", "png", ocr=True),)
        assert read.message.text.attached_text == "Rechnung"
    assert reader.asked == ["scan.pdf", "scan.pdf as a picture"]


def test_of_many_pictures_a_look_reads_some_and_the_others_are_told(office: Office) -> None:
    reader = with_reader(office, SEEN[0])
    knows_files_by(office, "ocr")
    office.desk.time_for_files = TimeForFiles(60.0, 1)
    papers = [Paper(f"{number}.pdf", b"%PDF" + bytes([number])) for number in range(3)]
    letter = office.deliver("letter", "Attached.", papers=papers)
    [read] = fetch_read(office.desk, [letter.ref])
    assert [file.status for file in read.files] == ["none", "no time", "no time"]
    assert read.papers == 0
    assert [name for name in reader.asked if "picture" in name] == ["0.pdf as a picture"]


def test_what_the_settings_read_now_of_pictures_old_lessons_get(office: Office) -> None:
    with_reader(office, *SEEN)
    there = deliver(office, "letter", SCAN)
    sorted_now(office)
    office.box.move_by_person(there.ref, "Invoices")
    office.settle()
    knows_files_by(office, "ocr")
    one_pass(office.desk)
    with office.database.read() as tx:
        assert [each.text.attached_text for each in learning.lessons(tx, office.desk.mailbox_id)] == ["Rechnung"]


def test_a_picture_that_nothing_could_look_at_is_read_once_ocr_is_installed(office: Office) -> None:
    knows_files_by(office, "ocr")
    away = Reading("unavailable", "png", picture=True)
    with_reader(office, Reading("none", "png", picture=True), away, sees=False)
    there = deliver(office, "letter", SCAN)
    sorted_now(office)
    [[file]] = files_of(office)
    assert file.status == "unseen"
    assert "it is a picture, and OCR does not work; `postroom check` says why" in files_in_words([file_story(file)])
    office.box.move_by_person(there.ref, "Invoices")
    office.settle()
    as_text = way_of_reading(office.desk) - 1
    with office.database.read() as tx:
        assert files_later.unread(tx, office.desk.mailbox_id, as_text) == [], "what is written in it has been read"
    reader = with_reader(office, *SEEN, sees=False)
    office.clock.advance(hours=7)
    one_pass(office.desk)
    assert reader.asked == [], "nothing is fetched while nothing could look at it"
    with_reader(office, *SEEN)
    office.clock.advance(hours=7)
    one_pass(office.desk)
    with office.database.read() as tx:
        assert [each.text.attached_text for each in learning.lessons(tx, office.desk.mailbox_id)] == ["Rechnung"]


def test_files_are_let_go_of_before_the_next_message_comes(office: Office) -> None:
    class Whole(Message):
        """Which can be watched."""

    alive: list[weakref.ref[Message]] = []

    def fetch(refs: Sequence[MessageRef], **more: bool) -> Iterator[Message]:
        for number in range(3):
            gc.collect()
            assert all(one() is None for one in alive)
            made = Whole(office.deliver(f"letter {number}"), MailText(), papers=(Paper("a", bytes([number])),))
            alive.append(weakref.ref(made))
            yield made
            del made

    with_reader(office, Reading("none"))
    office.desk.connector.fetch = fetch  # type: ignore[method-assign, assignment]
    assert all(read.message.papers == () for read in fetch_read(office.desk, []))
    assert len(alive) == 3


def test_a_name_that_lies_or_steers_is_one_line_and_bounded(office: Office) -> None:
    with_reader(office, Reading("none"))
    letter = office.deliver("letter", "Attached.", papers=[Paper("a\r\nb" + "c" * 500, b"x")])
    [read] = fetch_read(office.desk, [letter.ref])
    assert read.files[0].name.startswith("a bccc")
    assert len(read.files[0].name) == 120


def test_old_lessons_are_read_again_a_few_in_a_look_and_the_model_hears_it(office: Office, heard: Listens) -> None:
    taught_by_names(office, *(Paper("scan.pdf", text_pdf(f"Rechnung {number}")) for number in range(3)))
    telling = office.deliver("long", "The parts of our order came and all of them are broken again. " * 3)
    office.settle()
    office.box.move_by_person(telling.ref, "Invoices")
    office.settle()
    with office.database.read() as tx:
        before = learning.lessons(tx, office.desk.mailbox_id)
    assert [lesson.text.attached_text for lesson in before] == [""] * 4
    knows_files_by(office, "text")
    one_pass(office.desk)
    with office.database.read() as tx:
        after = learning.lessons(tx, office.desk.mailbox_id)
        assert files_later.unread(tx, office.desk.mailbox_id, way_of_reading(office.desk)) == []
        assert files_later.reread(tx, office.desk.mailbox_id) == 3
    assert [lesson.text.attached_text for lesson in after] == ["Rechnung 0", "Rechnung 1", "Rechnung 2", ""]
    assert [lesson.id for lesson in after] == [lesson.id for lesson in before]


def test_old_lessons_wait_for_a_process_that_does_not_start(office: Office) -> None:
    taught_by_names(office, SCAN)
    knows_files_by(office, "text")
    reader = with_reader(office, Reading("unavailable"), works=False)
    one_pass(office.desk)
    assert reader.asked == []
    with office.database.read() as tx:
        assert len(files_later.unread(tx, office.desk.mailbox_id, way_of_reading(office.desk))) == 1
    with_reader(office, Reading("text", "pdf", text="Rechnung"))
    office.clock.advance(hours=7)
    one_pass(office.desk)
    with office.database.read() as tx:
        assert [each.text.attached_text for each in learning.lessons(tx, office.desk.mailbox_id)] == ["Rechnung"]


def test_an_old_lesson_whose_mail_is_not_given_just_now_is_read_later(office: Office) -> None:
    """The folder is refused for a while, has other numbers by now, or the mail has moved since the look."""
    with_reader(office, Reading("text", "pdf", text="Rechnung"))
    taught_by_names(office, SCAN)
    knows_files_by(office, "text")
    fetch = office.box.fetch
    office.box.fetch = lambda refs, **more: iter(())  # type: ignore[method-assign, assignment]
    assert not read_again(office.desk)
    office.box.fetch = fetch  # type: ignore[method-assign]
    office.clock.advance(hours=7)
    one_pass(office.desk)
    with office.database.read() as tx:
        assert [each.text.attached_text for each in learning.lessons(tx, office.desk.mailbox_id)] == ["Rechnung"]


def test_lessons_that_are_not_to_be_had_hold_up_no_others(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.passes.read_again.A_LOOK", 2)
    taught_by_names(office, *(Paper("scan.pdf", text_pdf(f"Rechnung {number}")) for number in range(5)))
    knows_files_by(office, "text")
    fetch = office.box.fetch

    def given(refs: Sequence[MessageRef], **more: bool) -> Iterator[Message]:
        return (one for one in fetch(refs, **more) if one.text.subject < "letter 2")

    office.box.fetch = given  # type: ignore[method-assign, assignment]
    with_reader(office, Reading("text", "pdf", text="Rechnung"))
    assert [read_again(office.desk) for _ in range(3)] == [True, True, False]
    with office.database.read() as tx:
        texts = [each.text.attached_text for each in learning.lessons(tx, office.desk.mailbox_id)]
    assert texts == ["Rechnung", "Rechnung", "", "", ""]


def test_mail_that_lies_nowhere_any_more_is_asked_for_once(office: Office) -> None:
    knows_files_by(office, "names")
    there = deliver(office, "letter", SCAN)
    sorted_now(office)
    office.box.delete_by_person(office.box.move_by_person(there.ref, "Invoices"))
    with office.database.begin() as tx:
        [message] = messages.named(tx, office.desk.mailbox_id, there.identity.message_id or "")
        text = MailText(attachments=("scan.pdf (application/pdf)",))
        learning.teach(tx, office.desk.mailbox_id, "c", text, office.clock(), source="folder", message=message.id)
    knows_files_by(office, "text")
    one_pass(office.desk)
    with office.database.read() as tx:
        assert files_later.unread(tx, office.desk.mailbox_id, way_of_reading(office.desk)) == []
        assert [each.text for each in learning.lessons(tx, office.desk.mailbox_id)] == [text]


def test_each_end_has_a_sentence_of_its_own() -> None:
    invoice = "E-invoice: invoice 4711, from ACME GmbH"
    told = [
        (
            ReadFile("a.pdf", "text", "pdf", invoice=invoice),
            f"; read a.pdf (PDF, e{invoice[1:]})",
        ),
        (ReadFile("a.pdf", "text", "pdf", ocr=True), "; read a.pdf (PDF, by OCR)"),
        (ReadFile("a.pdf", "none", "pdf"), "; read a.pdf (PDF) and found no text in it"),
        (ReadFile("a.pdf", "locked", "pdf"), "; did not read a.pdf: it is locked with a password"),
        (ReadFile("a.pdf", "lacking", why="larger than 32 MB"), "; did not read a.pdf: larger than 32 MB"),
        (ReadFile("", "no time"), "; did not read a file without a name: enough files were read in this look"),
    ]
    for file, words in told:
        assert files_in_words([file_story(file)]) == words
    counted = files_counted([*(file for file, _ in told), ReadFile("b.pdf", "lacking", why="empty")])
    assert counted_in_words(counted) == (
        "Attached files: 2 read, 1 without text, 4 not read "
        "(1 empty, 1 larger than 32 MB, 1 locked with a password, 1 beyond what one look reads)."
    )
    assert counted_in_words(files_counted([])) == ""
    for file, _ in told:
        assert {"a.pdf", invoice}.isdisjoint(file_story(file, named=False).values())


def test_a_locked_file_and_an_invoice_in_a_pdf_are_told_apart(office: Office, heard: Listens) -> None:
    deliver(office, "letter", Paper("a.pdf", locked_pdf()), Paper("b.pdf", pdf_with_file("factur-x.xml", ubl(), "Hi")))
    sorted_now(office)
    [(locked, invoice)] = files_of(office)
    assert (locked.status, invoice.status) == ("locked", "text")
    assert invoice.invoice.startswith("E-invoice: invoice")
    assert heard.seen[0].attached_text.startswith(invoice.invoice)


OPENED: list[list[tuple[str, int]]] = []
"""Lists in which opened files are noted: an audit hook stays as long as its process."""


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and OPENED:
        OPENED[-1].append((str(arguments[0]), arguments[2] or 0))


def test_no_file_is_ever_written_to_read_one(office: Office, heard: Listens, tmp_path: Path) -> None:
    there = deliver(office, "letter", SCAN)
    sys.addaudithook(_note)
    opened: list[tuple[str, int]] = []
    OPENED.append(opened)
    try:
        [read] = fetch_read(office.desk, [there.ref])
        (tmp_path / "written").write_text("x")  # it is noticed
    finally:
        OPENED.pop()
    assert read.files[0].status == "text"
    writing = {path for path, flags in opened if flags & (os.O_WRONLY | os.O_RDWR) and not path.isdigit()}  # pipes
    assert writing - {os.devnull} == {str(tmp_path / "written")}


def test_after_an_upgrade_that_broke_the_reading_process_mail_is_sorted_by_what_is_known(office: Office) -> None:
    office.desk.files = AttachedFiles(start=partial(PaperReader, python="/nowhere/python"))
    deliver(office, "invoice", SCAN)
    sorted_now(office)
    assert office.folder_of("invoice") == ["Invoices"]
    assert files_of(office) == [(ReadFile("scan.pdf", "unavailable"),)]
    assert "`postroom check` says why" in files_in_words([file_story(file) for [file] in files_of(office)])
