"""Tags are as good as folders: a mailbox in memory whose mail is tagged, and people who change the tags."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.base import MOVED, MailText, Sighting
from connectors.errors import SetupWrong, Unreachable
from connectors.imap import ImapSettings
from connectors.in_memory import MemoryConnector
from connectors.mailbox_settings import CategorySettings
from daemon.passes.desk import Desk
from daemon.passes.first_lessons import learn_from_folders
from daemon.passes.folder_list import list_folders
from daemon.passes.one_pass import one_pass
from daemon.passes.put_back import Undone, undo
from daemon.rehearsal.archives import from_mailbox
from daemon.report.story import message_story
from daemon.rules.correction import Judgement
from daemon.rules.decision import Policy
from daemon.rules.tags import judge_tags, tagged_by_rule
from daemon.settings import SortingSettings
from daemon.store import batches, decisions, journal, learning, mailboxes, messages, taggings
from daemon.store.database import Database, Tx
from daemon.store.records import Category, StoredDecision, Tagging
from daemon.training.policy import evidence
from tests.fakes import START, Clock, FakeClassifier, FakeRegistry, good_hints

SETTINGS: dict[str, Any] = {"name": "office", "host": "localhost", "user": "u", "credential": "c", "mode": "live"}
NAMES = ("Invoices", "Orders")


class Office:
    """A tagged mailbox without a folder for any category, and hands for the people in it."""

    def __init__(
        self,
        file: Path,
        folders: tuple[str, ...] = ("INBOX", "Archive"),
        box: MemoryConnector | None = None,
        **settings: Any,
    ) -> None:
        self.box = box or MemoryConnector(folders=folders)
        self.clock = Clock()
        self.database = Database.open(file)
        self.model = FakeClassifier({})
        self.settings: dict[str, Any] = {
            **SETTINGS,
            "act_by": "tag",
            "category": tuple(CategorySettings(name=name) for name in NAMES),
            **settings,
        }
        self.begin_again()
        one_pass(self.desk)

    def begin_again(self, **changes: Any) -> None:
        """A new process; `changes` to the settings."""
        self.settings |= changes
        mailbox = ImapSettings(**self.settings)
        with self.database.begin() as tx:
            known = mailboxes.ensure(tx, mailbox.name, mailbox.kind, mailbox.mode, self.clock()).id
        registry: Any = FakeRegistry(self.model)
        self.desk = Desk(mailbox, SortingSettings(), self.database, self.box, registry, known, self.clock)
        list_folders(self.desk)
        with self.database.read() as tx:
            self.uids = {one.name: one.uid for one in mailboxes.categories(tx, known) if one.paused is None}
        first, *others = self.uids.values()
        self.model.answers = {
            "invoice": {first: 0.97, **dict.fromkeys(others, 0.03)},
            "puzzle": dict.fromkeys(self.uids.values(), 0.5),
        }

    def policy(self, tx: Tx, desk: Desk, _classifier: Any) -> Policy:
        categories = {one.uid: one for one in mailboxes.categories(tx, desk.mailbox_id)}
        wanted = dict.fromkeys(categories, 0.9)
        return Policy(categories, wanted, "m1", wanted=wanted, tried=good_hints())

    def deliver(self, subject: str, **more: Any) -> Sighting:
        more = {"arrived": self.clock(), **more}
        return self.box.deliver(MailText(sender="ann@example.org", subject=subject, body="Please."), **more)

    def settle(self) -> None:
        one_pass(self.desk)
        self.clock.advance(minutes=11)
        one_pass(self.desk)

    def tags(self, subject: str) -> set[str]:
        [found] = [each for each in self.box.everything() if each.text.subject == subject]
        return set(found.sighting.flags) - {MOVED}

    def retag(self, subject: str, add: str = "", remove: str = "") -> None:
        [found] = [each.sighting.ref for each in self.box.everything() if each.text.subject == subject]
        self.box.tag_by_person(found, add.split(), remove.split())

    def corrections(self) -> list[tuple[str, str | None, str]]:
        with self.database.read() as tx:
            return [
                (one.kind, one.from_folder, one.to_folder) for one in learning.corrections(tx, self.desk.mailbox_id)
            ]

    def lessons(self) -> list[tuple[str, str]]:
        names = {uid: name for name, uid in self.uids.items()}
        with self.database.read() as tx:
            return [(one.text.subject, names[one.category]) for one in learning.lessons(tx, self.desk.mailbox_id)]

    def reasons(self) -> list[str]:
        with self.database.read() as tx:
            return [one.reason for one in decisions.since(tx, self.desk.mailbox_id, START)]


@pytest.fixture
def make_office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Office]]:
    made: list[Office] = []

    def make(**more: Any) -> Office:
        office = Office(tmp_path / f"postroom{len(made)}.sqlite", **more)
        monkeypatch.setattr("daemon.passes.decide.current_policy", office.policy)
        made.append(office)
        return office

    yield make
    for office in made:
        office.database.close()


@pytest.fixture
def office(make_office: Callable[..., Office]) -> Office:
    return make_office()


def test_a_category_needs_no_folder_and_its_mail_is_tagged_in_the_inbox(office: Office) -> None:
    with office.database.read() as tx:
        found = mailboxes.categories(tx, office.desk.mailbox_id)
    assert [(one.name, one.tag, one.paused) for one in found] == [
        ("Invoices", "Invoices", None),
        ("Orders", "Orders", None),
    ]
    office.deliver("invoice 1")
    office.settle()
    assert office.tags("invoice 1") == {"Invoices"}
    office.settle()
    assert (office.corrections(), office.lessons()) == ([], []), "our own tag is no lesson"


def test_another_tag_in_place_of_ours_is_a_correction_once_it_has_settled(office: Office) -> None:
    office.deliver("invoice 1")
    office.settle()
    office.retag("invoice 1", "Orders", "Invoices")
    one_pass(office.desk)
    assert office.corrections() == []
    office.settle()
    office.settle()
    assert office.corrections() == [("correction", "Invoices", "Orders")]
    assert office.lessons() == [("invoice 1", "Orders")]
    assert office.tags("invoice 1") == {"Orders"}


def test_our_tag_taken_off_is_a_rejection_and_it_is_not_tagged_again(office: Office) -> None:
    office.deliver("invoice 1")
    office.settle()
    office.retag("invoice 1", remove="Invoices")
    office.settle()
    office.settle()
    assert office.corrections() == [("rejection", "Invoices", "INBOX")]
    assert office.lessons() == []
    assert office.tags("invoice 1") == set()


def test_a_tag_on_mail_without_one_files_it(office: Office) -> None:
    office.deliver("puzzle 1")
    office.settle()
    office.retag("puzzle 1", "orders")  # servers keep the case of whoever wrote first
    office.settle()
    assert office.corrections() == [("filing", "INBOX", "Orders")]
    assert office.lessons() == [("puzzle 1", "Orders")]


def test_a_tag_on_mail_that_lay_there_before_files_it_too(make_office: Callable[..., Office]) -> None:
    office = make_office()
    office.deliver("puzzle old", flags=("Invoices",))
    with office.database.begin() as tx:
        mailboxes.set_cursor(tx, office.desk.mailbox_id, "")
    office.settle()
    assert office.corrections() == [], "what it came with is nobody's word"
    office.retag("puzzle old", "Orders", "Invoices")
    office.settle()
    assert office.corrections() == [("correction", "Invoices", "Orders")]


def test_two_tags_at_once_are_no_answer_until_one_is_taken_off(office: Office) -> None:
    office.deliver("invoice 1")
    office.settle()
    office.retag("invoice 1", "Orders")
    office.settle()
    office.settle()
    assert office.corrections() == []
    office.retag("invoice 1", remove="Invoices")
    office.settle()
    assert office.corrections() == [("correction", "Invoices", "Orders")]


def test_while_nobody_can_tell_nothing_is_written(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.deliver("invoice 1")
    office.settle()
    office.retag("invoice 1", "Orders")
    office.settle()
    monkeypatch.setattr(office.database, "begin", lambda: pytest.fail("a quiet pass wrote"))
    office.clock.advance(seconds=30)
    one_pass(office.desk)


def test_a_slip_that_was_put_right_before_it_settled_says_nothing(office: Office) -> None:
    office.deliver("invoice 1")
    office.settle()
    office.retag("invoice 1", "Orders", "Invoices")
    one_pass(office.desk)
    office.retag("invoice 1", "Invoices", "Orders")
    office.settle()
    assert (office.corrections(), office.lessons()) == ([], [])


def test_mail_that_came_with_a_tag_or_got_it_by_a_rule_is_left_alone_and_teaches_nothing(office: Office) -> None:
    office.deliver("invoice sieve", flags=("Orders",))
    office.deliver("invoice rule")
    one_pass(office.desk)
    office.clock.advance(seconds=10)
    office.retag("invoice rule", "Orders")
    office.settle()
    office.settle()
    assert (office.corrections(), office.lessons()) == ([], [])
    assert office.tags("invoice sieve") == office.tags("invoice rule") == {"Orders"}
    assert "not touched: it has a category's tag already" in office.reasons()
    assert any("a rule tagged it" in reason for reason in office.reasons())


def test_a_person_who_tags_before_our_time_comes_is_right(office: Office) -> None:
    office.deliver("invoice 1")
    one_pass(office.desk)
    office.clock.advance(seconds=90)
    office.retag("invoice 1", "Orders")
    office.settle()
    office.settle()
    assert office.tags("invoice 1") == {"Orders"}
    assert office.corrections() == [("filing", "INBOX", "Orders")]


def test_a_tag_that_a_person_takes_off_before_our_time_comes_leaves_the_mail_to_them(office: Office) -> None:
    office.deliver("invoice sieve", flags=("Orders",))
    one_pass(office.desk)
    office.clock.advance(seconds=60)
    office.retag("invoice sieve", remove="Orders")
    office.settle()
    office.settle()
    assert office.tags("invoice sieve") == set()
    assert "not touched: somebody has taken a category's tag off" in office.reasons()


def test_a_tag_set_between_our_reading_and_our_tagging_is_respected(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.deliver("invoice 1")
    one_pass(office.desk)
    apply = office.box.apply

    def person_first(ref: Any, *rest: Any) -> Any:
        office.box.tag_by_person(ref, ["ORDERS"])
        return apply(ref, *rest)

    monkeypatch.setattr(office.box, "apply", person_first)
    office.clock.advance(minutes=3)
    assert one_pass(office.desk).sorted.outcomes == {"touched": 1}
    assert office.tags("invoice 1") == {"ORDERS"}
    office.settle()
    assert office.corrections() == [("filing", "INBOX", "Orders")]
    with office.database.read() as tx:
        [message] = messages.named(tx, office.desk.mailbox_id, "1@memory.example")
        [entry] = journal.of_message(tx, message.id)
    assert "Somebody flagged, answered or tagged the message" in (entry.explanation or "")


def test_tagged_mail_that_is_archived_teaches_nothing(office: Office) -> None:
    office.deliver("invoice 1")
    office.deliver("puzzle 1")
    office.settle()
    office.retag("puzzle 1", "Orders")
    one_pass(office.desk)
    for each in office.box.lying_in("INBOX"):
        office.box.move_by_person(each.sighting.ref, "Archive")
    office.settle()
    office.settle()
    assert (office.corrections(), office.lessons()) == ([], [])
    assert office.tags("invoice 1") == {"Invoices"}


def test_a_look_without_news_of_tags_writes_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.deliver("invoice 1")
    office.settle()
    monkeypatch.setattr(office.database, "begin", lambda: pytest.fail("a quiet pass wrote"))
    office.clock.advance(seconds=30)
    one_pass(office.desk)


def cut_short(office: Office) -> None:
    """The line dies when the tag is on and we do not know it; then another process begins."""
    office.deliver("invoice 1")
    one_pass(office.desk)
    office.clock.advance(minutes=3)
    apply = office.box.apply

    def cut(*given: Any) -> Any:
        apply(*given)
        raise Unreachable("memory", "The line is dead.")

    office.box.apply = cut  # type: ignore[method-assign]
    with pytest.raises(Unreachable):
        one_pass(office.desk)
    office.box.apply = apply  # type: ignore[method-assign]
    office.begin_again()


def test_a_crash_between_tag_and_outcome_is_found_ours(office: Office) -> None:
    cut_short(office)
    office.settle()
    office.settle()
    assert (office.corrections(), office.lessons()) == ([], [])
    assert undo(office.desk, START, "Invoices", dry_run=False) == Undone(1, 0)
    assert office.tags("invoice 1") == set()


def test_a_tag_taken_off_before_we_knew_that_it_was_on_stays_off(office: Office) -> None:
    cut_short(office)
    office.retag("invoice 1", remove="Invoices")
    office.settle()
    office.settle()
    assert office.tags("invoice 1") == set()


def test_what_another_postroom_tagged_teaches_nothing(make_office: Callable[..., Office]) -> None:
    """A second daemon; or this one before its database was restored from a backup."""
    office = make_office()
    second = make_office(box=office.box)
    office.deliver("invoice 1")
    one_pass(second.desk)
    office.settle()
    assert office.tags("invoice 1") == {"Invoices"}
    second.clock.advance(minutes=1)
    second.settle()
    second.settle()
    assert (second.corrections(), second.lessons()) == ([], [])
    assert "teaches nothing: a Postroom that this database does not know tagged it" in second.reasons()
    assert second.tags("invoice 1") == {"Invoices"}
    with second.database.read() as tx:
        assert mailboxes.get(tx, second.desk.mailbox_id).others_moves == 1
    office.retag("invoice 1", "Orders", "Invoices")
    office.settle()
    assert office.corrections() == [("correction", "Invoices", "Orders")], "it knows its own"


def test_what_happened_between_a_backup_and_its_return_teaches_nothing(office: Office) -> None:
    office.deliver("puzzle 1")
    office.settle()
    office.retag("puzzle 1", "Orders")
    office.desk.restored = True
    office.settle()
    office.settle()
    assert (office.corrections(), office.lessons()) == ([], [])
    office.retag("puzzle 1", "Invoices", "Orders")
    office.settle()
    assert office.corrections() == [("correction", "Orders", "Invoices")]


def test_undo_takes_off_what_nobody_has_touched_since(office: Office) -> None:
    for number in range(5):
        office.deliver(f"invoice {number}")
    office.settle()
    office.retag("invoice 0", remove="Invoices")
    office.retag("invoice 1", "Orders")
    office.retag("invoice 2", "\\Flagged")
    office.retag("invoice 3", "Orders", "Invoices")
    assert undo(office.desk, START, None, dry_run=False) == Undone(1, 4), "what no look has seen yet is read afresh"
    assert [office.tags(f"invoice {number}") for number in range(5)] == [
        set(),
        {"Invoices", "Orders"},
        {"Invoices", "\\Flagged"},
        {"Orders"},
        set(),
    ]
    office.settle()
    office.settle()
    assert office.corrections() == [("rejection", "Invoices", "INBOX"), ("correction", "Invoices", "Orders")]
    assert office.tags("invoice 4") == set(), "it is not tagged again"
    assert undo(office.desk, START, None, dry_run=False) == Undone(0, 4)


def test_many_tags_at_once_are_a_question_and_no_lessons(office: Office) -> None:
    for number in range(40):
        office.deliver(f"puzzle {number}")
    office.settle()
    for number in range(40):
        office.retag(f"puzzle {number}", "Orders")
    office.settle()
    office.settle()
    assert office.lessons() == []
    with office.database.read() as tx:
        [batch] = batches.batches(tx, office.desk.mailbox_id)
    for number in range(38):  # a slip, which is put right
        office.retag(f"puzzle {number}", remove="Orders")
    office.settle()
    office.settle()
    assert [kind for kind, *_ in office.corrections() if kind != "filing"] == [], "no rejection"
    with office.database.begin() as tx:
        batches.accept(tx, office.desk.mailbox_id, batch.id, office.clock(), "they were meant")
    assert sorted(office.lessons()) == [("puzzle 38", "Orders"), ("puzzle 39", "Orders")]


def test_why_shows_whose_tags_a_message_has_had(office: Office) -> None:
    office.deliver("invoice 1")
    office.settle()
    office.retag("invoice 1", "Orders", "Invoices")
    office.settle()
    with office.database.read() as tx:
        mailbox = mailboxes.get(tx, office.desk.mailbox_id)
        [message] = messages.named(tx, mailbox.id, "1@memory.example")
        story = message_story(tx, mailbox, message)
    assert [(one["tags"], one["by"]) for one in story["tags"]] == [(["invoices"], "postroom"), (["orders"], None)]
    assert [(one["added"], one["removed"]) for one in story["actions"]] == [(["Invoices"], [])]


def test_another_name_for_a_category_misreads_nobody(office: Office) -> None:
    office.deliver("invoice 1")
    office.settle()
    renamed = (CategorySettings(name="Bills", folder="Invoices"), CategorySettings(name="Orders"))
    office.begin_again(category=renamed)
    office.retag("invoice 1", "\\Seen")
    office.settle()
    office.settle()
    assert office.corrections() == []
    office.deliver("invoice 2")
    office.settle()
    assert (office.tags("invoice 1"), office.tags("invoice 2")) == ({"Invoices", "\\Seen"}, {"Bills"})
    office.begin_again(category=(CategorySettings(name="Orders"),))
    office.settle()
    office.settle()
    assert office.corrections() == []


def test_another_name_with_the_old_tag_is_the_same_category(office: Office) -> None:
    before = office.uids["Invoices"]
    office.begin_again(category=(CategorySettings(name="Bills", tag="Invoices"), CategorySettings(name="Orders")))
    assert office.uids["Bills"] == before
    office.deliver("invoice 1")
    office.settle()
    assert office.tags("invoice 1") == {"Invoices"}
    with office.database.read() as tx:
        assert [one.paused for one in mailboxes.categories(tx, office.desk.mailbox_id)] == [None, None]


def test_a_category_whose_tag_people_use_already_begins_with_what_is_there(office: Office) -> None:
    office.deliver("puzzle 1")
    office.settle()
    office.retag("puzzle 1", "Travel")
    office.settle()
    office.begin_again(category=tuple(CategorySettings(name=name) for name in (*NAMES, "Travel")))
    office.settle()
    office.settle()
    assert office.corrections() == []
    office.retag("puzzle 1", remove="Travel")
    office.settle()
    assert office.corrections() == [("rejection", "Travel", "INBOX")]


def test_the_tag_may_be_another_than_the_name(make_office: Callable[..., Office]) -> None:
    office = make_office(category=(CategorySettings(name="请求", tag="$label1"), CategorySettings(name="Orders")))
    office.deliver("invoice 1")
    office.settle()
    assert office.tags("invoice 1") == {"$label1"}


def test_folders_give_the_categories_where_the_settings_list_none(make_office: Callable[..., Office]) -> None:
    office = make_office(folders=("INBOX", "Invoices", "Orders"), category=())
    office.deliver("invoice 1")
    office.settle()
    assert office.tags("invoice 1") == {"Invoices"}


def test_two_folders_of_one_tag_are_refused_in_words(make_office: Callable[..., Office]) -> None:
    with pytest.raises(SetupWrong, match='"A/Invoices" and "B/Invoices" give the same tag, "Invoices"'):
        make_office(folders=("INBOX", "A/Invoices", "B/Invoices"), category=())


def test_back_to_moving_forgets_which_tags_were_watched(make_office: Callable[..., Office]) -> None:
    office = make_office(folders=("INBOX", *NAMES))
    office.begin_again(act_by="move")
    office.settle()
    office.deliver("puzzle 1")
    office.settle()
    office.retag("puzzle 1", "Orders")
    office.settle()
    office.begin_again(act_by="tag")
    office.settle()
    office.settle()
    assert office.corrections() == []
    with office.database.read() as tx:
        [message] = messages.named(tx, office.desk.mailbox_id, "1@memory.example")
        assert [(one.tags, one.judged) for one in taggings.of_message(tx, message.id)] == [
            (frozenset({"orders"}), True)
        ]


# -- evidence, first lessons, rehearsal


def points(office: Office) -> list[tuple[str, bool]]:
    names = {uid: name for name, uid in office.uids.items()} | {"": "nothing"}
    with office.database.read() as tx:
        return [
            (names[point.category], point.correct) for point in evidence(tx, office.desk.mailbox_id, office.clock())
        ]


def test_what_people_read_and_left_with_our_tag_is_evidence_and_no_lesson(office: Office) -> None:
    for number in range(4):
        office.deliver(f"invoice {number}")
    office.settle()
    office.retag("invoice 0", "\\Seen")
    office.retag("invoice 1", "\\Seen", "Invoices")  # the next look has not judged it yet
    archived = next(each.sighting.ref for each in office.box.everything() if each.text.subject == "invoice 2")
    office.box.move_by_person(archived, "Archive")
    office.clock.advance(hours=31)
    one_pass(office.desk)
    assert points(office) == [("Invoices", True), ("Invoices", True)], "the read one and the archived one"
    assert office.lessons() == []
    office.settle()
    assert sorted(points(office)) == [("Invoices", True), ("Invoices", True), ("nothing", False)]


def test_a_tag_that_undo_took_off_is_no_evidence(office: Office) -> None:
    office.deliver("invoice 0")
    office.settle()
    assert undo(office.desk, START, None, dry_run=False) == Undone(1, 0)
    office.retag("invoice 0", "\\Seen")
    office.clock.advance(hours=31)
    one_pass(office.desk)
    assert points(office) == []


def tagged_by_people(office: Office) -> None:
    """Mail in the inbox and the archive that people have tagged, and two that we did."""
    for number in range(2):
        office.deliver(f"invoice ours {number}")
    office.settle()
    [first, _] = [each.sighting.ref for each in office.box.lying_in("INBOX")]
    office.box.move_by_person(first, "Archive")
    for folder in ("INBOX", "Archive", "Junk"):
        office.deliver(f"theirs in {folder}", folder=folder, flags=("ORDERS",))
    office.deliver("both", folder="Archive", flags=("Orders", "Invoices"))
    office.deliver("none", folder="Archive", flags=("Else",))
    one_pass(office.desk)


def test_first_lessons_are_what_people_tagged_and_not_what_we_did(make_office: Callable[..., Office]) -> None:
    office = make_office(folders=("INBOX", "Archive", "Junk"))
    tagged_by_people(office)
    for _ in range(2):
        found = learn_from_folders(office.desk, per_folder=10, max_age=timedelta(days=9999))
    assert [(one.category, one.folder, one.found) for one in found] == [
        ("Invoices", "tag Invoices", 0),
        ("Orders", "tag Orders", 2),
    ]
    assert sorted(office.lessons()) == [("theirs in Archive", "Orders"), ("theirs in INBOX", "Orders")]
    office.settle()
    office.settle()
    assert office.corrections() == []
    with office.database.read() as tx:
        assert sum(messages.counts(tx, office.desk.mailbox_id).values()) == 4, "none is remembered twice"


def test_a_rehearsal_goes_by_tags(make_office: Callable[..., Office]) -> None:
    office = make_office(folders=("INBOX", "Archive", "Junk"))
    tagged_by_people(office)
    found = sorted((mail.text.subject, mail.folder) for mail in from_mailbox(office.desk, 100))
    assert found == [
        ("invoice ours 0", "Invoices"),
        ("invoice ours 1", "Invoices"),
        ("theirs in Archive", "Orders"),
        ("theirs in INBOX", "Orders"),
    ]


# -- the rule itself


def row(number: int, *tags: str, ours: bool = False, judged: bool = True, who: str | None = None) -> Tagging:
    return Tagging(number, 1, frozenset(tags), START + timedelta(minutes=number), ours, who, judged)


CATEGORIES = {tag: Category(uid=tag.upper(), name=tag, folder=tag, tag=tag.title()) for tag in ("a", "b", "c")}


@pytest.mark.parametrize(
    ("rows", "meant"),
    [
        ([row(1, "a", ours=True)], None),
        ([row(1, "a")], ("filing", None, "A")),
        ([row(1, "a", ours=True), row(2, "b")], ("correction", "A", "B")),
        ([row(1, "a", ours=True), row(2)], ("rejection", "A", None)),
        ([row(1, "a", ours=True), row(2, "a", "b")], "wait"),
        ([row(1, "a", ours=True), row(2, "a", "b", judged=False), row(3, "b")], ("correction", "A", "B")),
        ([row(1, "a", ours=True), row(2, "b", judged=False), row(3, "a")], None),
        ([row(1, "a", ours=True), row(2, "a", "x")], None),
        ([row(1, "x"), row(2)], None),
        ([row(1, "x"), row(2, "x", "b")], ("filing", None, "B")),
        ([row(1, "a", "b"), row(2, "b")], ("correction", None, "B")),
        ([row(1, "a", "b"), row(2)], ("rejection", None, None)),
        ([row(1, "a"), row(2), row(3, "a", judged=False)], ("filing", None, "A")),
    ],
)
def test_what_tags_mean(rows: list[Tagging], meant: Any) -> None:
    judged = judge_tags(rows[-1], rows[:-1], None, CATEGORIES, "INBOX")
    if isinstance(judged, Judgement):
        assert (judged.kind, judged.from_category, judged.to_category) == meant
        assert judged.teaches == judged.to_category
    else:
        assert judged == meant


def test_the_tag_that_we_would_have_put_on_is_an_agreement() -> None:
    decision = StoredDecision(7, 1, START, "A", "A", 0.9, None, None, "model", "", "m1", "shadow")
    judged = judge_tags(row(1, "a"), [], decision, CATEGORIES, "INBOX")
    assert isinstance(judged, Judgement)
    assert (judged.kind, judged.from_folder) == ("agreement", "INBOX")


@pytest.mark.parametrize(
    ("rows", "seconds", "by_rule"),
    [
        ([row(1, "a")], 20, True),
        ([row(1, "a")], 21, False),
        ([row(1, "a", who="agent")], 0, False),
        ([row(1, "a", ours=True)], 0, False),
        ([row(1, "a", ours=True), row(2, "b")], 0, False),
    ],
)
def test_what_is_tagged_as_soon_as_it_came_was_tagged_by_a_rule(
    rows: list[Tagging], seconds: int, by_rule: bool
) -> None:
    now = rows[-1]
    came = now.seen - timedelta(seconds=seconds)
    assert tagged_by_rule(now, rows[:-1], now.seen, came, timedelta(seconds=20)) == by_rule
