"""One pass, with a mailbox in memory, a real database and a model that says what the test wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import daemon.passes.decide
from connectors.base import MailText, MessageRef, Move, Progress, Sighting
from connectors.errors import LoginRefused, Unreachable
from connectors.imap import ImapSettings
from connectors.in_memory import MemoryConnector
from connectors.mailbox_settings import CategorySettings, RuleSettings
from connectors.tag_words import keyword
from daemon.mistakes import PostroomError
from daemon.passes.desk import Desk
from daemon.passes.folder_list import list_folders, show_folders
from daemon.passes.go_live import go_live
from daemon.passes.one_pass import one_pass
from daemon.passes.put_back import BadMoment, Undone, moment, undo
from daemon.report.story import mailbox_status
from daemon.rules.decision import Policy
from daemon.rules.drift import resting
from daemon.settings import SortingSettings
from daemon.store import decisions, deletion, journal, learning, mailboxes, messages
from daemon.store.database import Database, Tx
from daemon.training.policy import evidence
from tests.fakes import START, Clock, FakeClassifier, FakeRegistry, good_hints

SETTINGS: dict[str, Any] = {"name": "office", "host": "localhost", "user": "u", "credential": "c", "mode": "live"}


@dataclass
class Office:
    """A mailbox with two categories, and hands for the people in it."""

    desk: Desk
    box: MemoryConnector
    clock: Clock
    database: Database
    model: FakeClassifier
    uids: dict[str, str]

    @property
    def place(self) -> Path:
        """The database's file."""
        return Path(self.database.place)

    def deliver(self, subject: str, body: str = "Please see to it.", **more: Any) -> Sighting:
        return self.box.deliver(MailText(sender="ann@example.org", subject=subject, body=body), **more)

    def settle(self) -> None:
        """Let a poll happen, and then enough time pass for moves to count, and another poll."""
        one_pass(self.desk)
        self.clock.advance(minutes=11)
        one_pass(self.desk)

    def folder_of(self, subject: str) -> list[str]:
        """Every folder in which this mail lies."""
        return [each.sighting.ref.folder for each in self.box.everything() if each.text.subject == subject]

    def ref_of(self, subject: str) -> MessageRef:
        """Where the only mail of this subject lies."""
        [ref] = [each.sighting.ref for each in self.box.everything() if each.text.subject == subject]
        return ref

    def corrections(self) -> list[tuple[str, str]]:
        with self.database.begin() as tx:
            return [(each.kind, each.to_folder) for each in learning.corrections(tx, self.desk.mailbox_id)]

    def lessons(self) -> list[str]:
        names = {uid: name for name, uid in self.uids.items()}
        with self.database.begin() as tx:
            return [names[lesson.category] for lesson in learning.lessons(tx, self.desk.mailbox_id)]


@pytest.fixture
def make_office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Office]]:
    opened: list[Database] = []

    def make(
        *,
        mode: str = "live",
        act_by: str = "move",
        sorting: dict[str, Any] | None = None,
        already_there: str = "",
        categories: Sequence[CategorySettings] = (),
        object_ids: bool = True,
        review: str = "",
        rules: Sequence[RuleSettings] = (),
        first_look: bool = True,
    ) -> Office:
        folders = ("INBOX", "Invoices", "Orders", "Archive", *filter(None, [review]))
        clock = Clock()
        box = MemoryConnector(folders=folders, object_ids=object_ids, clock=clock)
        if already_there:
            box.deliver(MailText(subject=already_there, body="From last year"), arrived=clock() - timedelta(days=90))
        database = Database.open(tmp_path / f"postroom{len(opened)}.sqlite")
        opened.append(database)
        more = {"mode": mode, "act_by": act_by, "category": tuple(categories), "review_folder": review}
        more |= {"rule": tuple(rules)}
        mailbox = ImapSettings(**{**SETTINGS, **more})
        with database.begin() as tx:
            known = mailboxes.ensure(tx, mailbox.name, mailbox.kind, mailbox.mode, clock())
        model = FakeClassifier({})
        desk = Desk(
            mailbox,
            SortingSettings(**(sorting or {})),
            database,
            box,
            FakeRegistry(model),  # type: ignore[arg-type]
            known.id,
            clock,
        )
        list_folders(desk)
        with database.begin() as tx:
            uids = {category.name: category.uid for category in mailboxes.categories(tx, known.id)}
        model.answers = {
            "invoice": {uids.get("Invoices", "c1"): 0.97, uids.get("Orders", "c2"): 0.03},
            "order": {uids.get("Orders", "c2"): 0.96, uids.get("Invoices", "c1"): 0.04},
        }

        def policy(tx: Tx, desk: Desk, classifier: Any) -> Policy:
            # What an exam proves is tested elsewhere; here every category needs 0.9.
            return Policy(
                {category.uid: category for category in mailboxes.categories(tx, desk.mailbox_id)},
                dict.fromkeys(uids.values(), 0.9),
                "m1",
                wanted=dict.fromkeys(uids.values(), 0.9),
                tried=good_hints(),
            )

        monkeypatch.setattr("daemon.passes.decide.current_policy", policy)
        if first_look:
            one_pass(desk)
        return Office(desk, box, clock, database, model, uids)

    yield make
    for database in opened:
        database.close()


def _categories(database: Database, mailbox: int) -> list[Any]:
    with database.begin() as tx:
        return mailboxes.categories(tx, mailbox)


@pytest.fixture
def office(make_office: Callable[..., Office]) -> Office:
    return make_office()


def test_new_mail_waits_for_server_rules_and_is_then_filed(office: Office) -> None:
    office.deliver("invoice 1")
    one_pass(office.desk)
    assert office.folder_of("invoice 1") == ["INBOX"]
    office.clock.advance(minutes=3)
    assert one_pass(office.desk).sorted.outcomes == {"done": 1}
    assert office.folder_of("invoice 1") == ["Invoices"]


def test_unsure_mail_stays_in_the_inbox_with_its_reason(office: Office) -> None:
    office.deliver("puzzle 1")
    office.settle()
    assert office.folder_of("puzzle 1") == ["INBOX"]
    with office.database.begin() as tx:
        [decision] = decisions.since(tx, office.desk.mailbox_id, START)
    assert decision.category is None
    assert "needs 0.90" in decision.reason


def test_shadow_decides_and_moves_nothing(make_office: Callable[..., Office]) -> None:
    office = make_office(mode="shadow")
    office.deliver("invoice 1")
    one_pass(office.desk)
    office.clock.advance(minutes=3)
    assert one_pass(office.desk).sorted.outcomes == {"would-file": 1}
    assert office.folder_of("invoice 1") == ["INBOX"]


def test_tagged_mail_stays_in_the_inbox(make_office: Callable[..., Office]) -> None:
    office = make_office(act_by="tag")
    office.deliver("invoice 1")
    office.settle()
    [message] = office.box.lying_in("INBOX")
    assert "Invoices" in message.sighting.flags
    assert office.corrections() == []


@pytest.mark.parametrize(
    ("name", "tag"), [("Büro & Straße", "Buro-Strasse"), ("Invoices", "Invoices"), ("请求", "category")]
)
def test_tags_are_words_that_every_server_can_keep(name: str, tag: str) -> None:
    assert keyword(name) == tag


def test_mail_that_lay_in_the_inbox_before_is_left_alone_but_its_filing_teaches(
    make_office: Callable[..., Office],
) -> None:
    office = make_office(already_there="invoice old")
    office.settle()
    assert office.folder_of("invoice old") == ["INBOX"]
    office.box.move_by_person(office.ref_of("invoice old"), "Orders")
    office.settle()
    assert office.corrections() == [("filing", "Orders")]
    assert office.lessons() == ["Orders"]


def test_message_moved_by_a_person_becomes_a_correction_and_a_lesson(office: Office) -> None:
    office.deliver("invoice 1")
    office.settle()
    office.box.move_by_person(office.ref_of("invoice 1"), "Orders")
    one_pass(office.desk)
    assert office.corrections() == [], "not before it has settled"
    office.clock.advance(minutes=11)
    one_pass(office.desk)
    assert office.corrections() == [("correction", "Orders")]
    assert office.lessons() == ["Orders"]


def test_second_thoughts_win_and_history_is_kept(office: Office) -> None:
    office.deliver("invoice 1")
    office.settle()
    office.box.move_by_person(office.ref_of("invoice 1"), "Orders")
    office.settle()
    office.clock.advance(days=30)
    office.box.move_by_person(office.ref_of("invoice 1"), "Invoices")
    office.settle()
    assert office.corrections() == [("correction", "Orders"), ("correction", "Invoices")]
    assert office.lessons() == ["Invoices"]


def test_our_own_moves_never_become_lessons(office: Office) -> None:
    office.deliver("invoice 1")
    for _ in range(3):
        office.settle()
    assert office.folder_of("invoice 1") == ["Invoices"]
    assert office.corrections() == []
    assert office.lessons() == []


def test_filing_a_message_that_was_left_is_a_lesson(office: Office) -> None:
    office.deliver("puzzle 1")
    office.settle()
    office.box.move_by_person(office.ref_of("puzzle 1"), "Orders")
    office.settle()
    assert office.corrections() == [("filing", "Orders")]


def test_shadow_counts_agreement(make_office: Callable[..., Office]) -> None:
    office = make_office(mode="shadow")
    office.deliver("invoice 1")
    office.settle()
    office.box.move_by_person(office.ref_of("invoice 1"), "Invoices")
    office.settle()
    assert office.corrections() == [("agreement", "Invoices")]


def test_message_put_back_into_the_inbox_is_never_touched_again(office: Office) -> None:
    office.deliver("invoice 1")
    office.settle()
    office.box.move_by_person(office.ref_of("invoice 1"), "INBOX")
    for _ in range(3):
        office.settle()
    assert office.folder_of("invoice 1") == ["INBOX"]
    assert office.corrections() == [("rejection", "INBOX")]


def test_moving_to_a_neutral_folder_teaches_nothing(office: Office) -> None:
    office.deliver("invoice 1")
    office.settle()
    office.box.move_by_person(office.ref_of("invoice 1"), "Archive")
    office.settle()
    assert office.corrections() == []


def test_message_that_left_the_inbox_before_its_time_is_left_alone_when_it_comes_back(office: Office) -> None:
    office.deliver("invoice 1")
    one_pass(office.desk)
    office.box.move_by_person(office.ref_of("invoice 1"), "Archive")
    one_pass(office.desk)
    office.box.move_by_person(office.ref_of("invoice 1"), "INBOX")
    office.settle()
    assert office.folder_of("invoice 1") == ["INBOX"]


def test_message_first_seen_in_a_category_folder_was_put_there_by_a_rule(office: Office) -> None:
    office.box.deliver(MailText(subject="order 7", body="Filed by a server rule"), folder="Orders")
    office.settle()
    assert office.corrections() == []


def test_reply_follows_the_thread_that_people_filed(office: Office) -> None:
    first = office.deliver("puzzle 1")
    office.settle()
    office.box.move_by_person(office.ref_of("puzzle 1"), "Orders")
    office.settle()
    root = first.identity.message_id
    assert root is not None
    office.deliver("invoice reply", references=(root,))
    office.settle()
    assert office.folder_of("invoice reply") == ["Orders"]


def test_near_duplicate_of_a_mail_corrected_today_follows_it_today(office: Office) -> None:
    body = "The boiler of house seven was serviced on Monday by two of our people, all valves are tight again now"
    office.deliver("invoice boiler", body)
    office.settle()
    office.box.move_by_person(office.ref_of("invoice boiler"), "Orders")
    office.settle()
    office.deliver("invoice boiler", body + " indeed")
    office.settle()
    assert office.folder_of("invoice boiler") == ["Orders", "Orders"]


def test_flagged_mail_is_not_touched(office: Office) -> None:
    office.deliver("invoice 1", flags=frozenset({"\\Flagged"}))
    office.settle()
    assert office.folder_of("invoice 1") == ["INBOX"]


def test_dead_connection_leaves_the_mail_and_the_next_pass_goes_on(office: Office) -> None:
    office.deliver("invoice 1")
    one_pass(office.desk)
    office.clock.advance(minutes=3)
    office.box.fail_next(Unreachable("memory", "The line is dead."), when="before")
    with pytest.raises(Unreachable):
        one_pass(office.desk)
    assert one_pass(office.desk).sorted.outcomes == {"done": 1}
    assert office.folder_of("invoice 1") == ["Invoices"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_crash_in_the_middle_of_a_move_is_finished_or_explained(office: Office, when: Any) -> None:
    seen = office.deliver("invoice 1")
    one_pass(office.desk)
    office.clock.advance(minutes=3)
    with office.database.begin() as tx:
        [(known, place)] = messages.due(tx, office.desk.mailbox_id, "INBOX", office.clock(), 10)
        entry = journal.plan(tx, known.id, place.ref, Move("Invoices"), office.clock(), decision=None, kind="sort")

    def note(progress: Progress) -> None:
        with office.database.begin() as tx:
            journal.note(tx, entry, progress)

    if when == "after":
        office.box.apply(seen.ref, seen.identity, Move("Invoices"), note)
    else:
        note(Progress("moving"))
    done = one_pass(office.desk)
    assert done.recovered == 1
    office.settle()
    assert office.folder_of("invoice 1") == ["Invoices"]
    assert office.corrections() == []
    with office.database.begin() as tx:
        assert journal.unfinished(tx, office.desk.mailbox_id) == []


def test_breaker_moves_no_more_than_allowed_in_a_minute(make_office: Callable[..., Office]) -> None:
    office = make_office(sorting={"max_moves_per_minute": 3})
    for number in range(5):
        office.deliver(f"invoice {number}")
    one_pass(office.desk)
    office.clock.advance(minutes=3)
    assert one_pass(office.desk).sorted.outcomes == {"done": 3}
    assert one_pass(office.desk).sorted.outcomes == {}
    office.clock.advance(minutes=1, seconds=1)
    assert one_pass(office.desk).sorted.outcomes == {"done": 2}


def test_folder_that_disappears_pauses_its_category_and_the_mail_stays(office: Office) -> None:
    office.deliver("invoice 1")
    one_pass(office.desk)
    office.box.delete_folder("Invoices")
    office.settle()
    assert office.folder_of("invoice 1") == ["INBOX"]
    [invoices] = [each for each in _categories(office.database, office.desk.mailbox_id) if each.name == "Invoices"]
    assert invoices.paused == 'there is no folder "Invoices"'


def test_uids_that_restart_lose_nothing_and_teach_nothing(office: Office) -> None:
    office.deliver("invoice 1")
    office.settle()
    office.box.restart_uids("Invoices")
    looked = one_pass(office.desk).looked
    assert looked.rematched == 1
    office.clock.advance(minutes=11)
    one_pass(office.desk)
    assert office.corrections() == []
    office.box.move_by_person(office.ref_of("invoice 1"), "Orders")
    office.settle()
    assert office.corrections() == [("correction", "Orders")]


def test_renamed_folder_keeps_its_category_its_lessons_and_what_lies_in_it(office: Office) -> None:
    office.deliver("invoice 1")
    office.settle()
    office.box.rename_folder("Invoices", "Bills")
    office.settle()
    invoices = next(each for each in _categories(office.database, office.desk.mailbox_id) if each.folder == "Bills")
    assert (invoices.uid, invoices.name, invoices.paused) == (office.uids["Invoices"], "Bills", None)
    office.deliver("invoice 2")
    office.settle()
    assert office.folder_of("invoice 2") == ["Bills"]
    office.box.move_by_person(office.ref_of("invoice 1"), "Orders")
    office.settle()
    assert office.corrections() == [("correction", "Orders")]


@pytest.mark.parametrize("object_ids", [True, False])
def test_rename_while_postroom_was_down_misses_no_move(make_office: Callable[..., Office], object_ids: bool) -> None:
    office = make_office(object_ids=object_ids)
    office.deliver("invoice 1")
    office.deliver("puzzle 1")
    office.settle()
    office.box.rename_folder("Orders", "Purchases")
    office.box.rename_folder("Invoices", "Bills")
    office.box.move_by_person(office.ref_of("puzzle 1"), "Bills")
    office.desk.folders_listed = None
    office.settle()
    assert office.corrections() == [("filing", "Bills")]
    folders = {each.folder: each.uid for each in _categories(office.database, office.desk.mailbox_id)}
    assert folders == {"Bills": office.uids["Invoices"], "Purchases": office.uids["Orders"]}


def test_folder_archived_under_another_name_is_that_folder_and_its_successor_is_new(office: Office) -> None:
    office.deliver("invoice 1")
    office.settle()
    office.box.rename_folder("Invoices", "Invoices (closed)")
    office.box.create_folder("Invoices")
    office.desk.folders_listed = None
    office.settle()
    folders = {each.folder: each.uid for each in _categories(office.database, office.desk.mailbox_id)}
    assert folders["Invoices (closed)"] == office.uids["Invoices"]
    assert folders["Invoices"] not in office.uids.values()
    assert office.corrections() == []


def test_category_listed_in_the_settings_follows_its_renamed_folder_until_the_name_exists_again(
    make_office: Callable[..., Office],
) -> None:
    listed = [CategorySettings(name="Bills to pay", folder="Invoices"), CategorySettings(name="Orders")]
    office = make_office(categories=listed)
    office.box.rename_folder("Invoices", "Bills")
    office.settle()
    [bills] = [each for each in _categories(office.database, office.desk.mailbox_id) if each.name == "Bills to pay"]
    assert (bills.folder, bills.paused, bills.uid) == ("Bills", None, office.uids["Bills to pay"])
    office.box.create_folder("Invoices")
    office.desk.folders_listed = None
    office.settle()
    [bills] = [each for each in _categories(office.database, office.desk.mailbox_id) if each.name == "Bills to pay"]
    assert (bills.folder, bills.uid) == ("Invoices", office.uids["Bills to pay"])


def test_two_copies_first_seen_apart_are_not_mistaken_for_each_other_when_all_uids_restart(
    make_office: Callable[..., Office],
) -> None:
    """Found by random histories: one copy is filed before anybody looks, and later the UIDs of both folders restart."""
    office = make_office(object_ids=False)
    for subject in ("puzzle", "puzzle [list]"):
        office.deliver(subject, message_id="<twin@example.org>", date="today", arrived=office.clock())
    office.box.move_by_person(office.ref_of("puzzle"), "Invoices")
    office.settle()
    office.settle()
    for folder in ("Invoices", "INBOX"):
        office.box.restart_uids(folder)
    office.settle()
    office.settle()
    assert office.corrections() == []


@pytest.mark.parametrize("object_ids", [True, False])
def test_unsure_mail_follows_the_renamed_review_folder_and_stays_when_that_is_gone(
    make_office: Callable[..., Office], object_ids: bool
) -> None:
    office = make_office(review="Unsure", object_ids=object_ids)

    def lands(subject: str) -> str:
        office.deliver(subject)
        office.desk.folders_listed = None
        office.settle()
        [folder] = office.folder_of(subject)
        return folder

    assert lands("puzzle 1") == "Unsure"
    office.box.rename_folder("Unsure", "To look at")
    assert lands("puzzle 2") == "To look at"
    office.box.create_folder("Unsure")  # the name in the settings exists again, so it is the one that is meant
    assert lands("puzzle 3") == "Unsure"
    office.box.delete_folder("Unsure")
    office.box.delete_folder("To look at")
    assert lands("puzzle 4") == "INBOX"
    with office.database.begin() as tx:
        assert journal.done_between(tx, office.desk.mailbox_id, START, office.clock()) == 3
    assert office.corrections() == []


def test_mail_that_is_not_to_be_touched_is_not_moved_to_the_review_folder_either(
    make_office: Callable[..., Office],
) -> None:
    office = make_office(review="Unsure", sorting={"never_senders": ["ann@example.org"]})
    office.deliver("puzzle of Ann's")
    office.settle()
    assert office.folder_of("puzzle of Ann's") == ["INBOX"]
    with office.database.begin() as tx:
        [decision] = decisions.since(tx, office.desk.mailbox_id, START)
    assert decision.reason == "not touched: its sender is listed in never_senders"


def test_the_owners_rule_comes_before_the_model_and_a_person_before_the_rule(
    make_office: Callable[..., Office],
) -> None:
    rules = [RuleSettings(category="Orders", subject="invoice 7"), RuleSettings(category="", subject="invoice 8")]
    office = make_office(rules=rules, review="Unsure")
    for number in (6, 7, 8):
        office.deliver(f"invoice {number}")
    office.settle()
    assert [office.folder_of(f"invoice {number}") for number in (6, 7, 8)] == [["Invoices"], ["Orders"], ["INBOX"]]
    with office.database.begin() as tx:
        made = {decision.reason: decision.source for decision in decisions.since(tx, office.desk.mailbox_id, START)}
    assert made["Orders: your rule 1 (subject) says so"] == "owner"
    assert made["left: your rule 2 (subject) says so"] == "owner"
    office.box.move_by_person(office.ref_of("invoice 7"), "Invoices")
    office.settle()
    assert office.corrections() == [("correction", "Invoices")]
    assert office.lessons() == ["Invoices"]
    office.settle()
    assert office.folder_of("invoice 7") == ["Invoices"]
    with office.database.begin() as tx:
        told = mailbox_status(tx, mailboxes.get(tx, office.desk.mailbox_id), START, lambda: False)
    assert told["rules"] == [{"rule": "Orders: your rule 1 (subject)", "filed": 1, "overridden": 1}]


def set_mode_of(office: Office, category: str, mode: str | None) -> None:
    with office.database.begin() as tx:
        mailboxes.update_category(tx, office.desk.mailbox_id, office.uids[category], mode=mode)


def told_of(office: Office, category: str) -> dict[str, Any]:
    with office.database.read() as tx:
        told = mailbox_status(tx, mailboxes.get(tx, office.desk.mailbox_id), START, lambda: False)
    [found] = [one for one in told["categories"] if one["name"] == category]
    return found


@pytest.mark.parametrize("whole", ["shadow", "live"])
def test_a_category_may_be_live_or_in_shadow_by_itself(make_office: Callable[..., Office], whole: str) -> None:
    office = make_office(mode=whole)
    other = {"shadow": "live", "live": "shadow"}[whole]
    set_mode_of(office, "Orders", other)
    for subject in ("invoice 1", "order 1"):
        office.deliver(subject)
    office.settle()
    lies = {"invoice 1": office.folder_of("invoice 1"), "order 1": office.folder_of("order 1")}
    filed = {"live": ["Orders"], "shadow": ["INBOX"]}[other]
    assert lies == {"invoice 1": {"live": ["Invoices"], "shadow": ["INBOX"]}[whole], "order 1": filed}
    with office.database.read() as tx:
        modes = {one.category: one.mode for one in decisions.since(tx, office.desk.mailbox_id, START)}
    assert modes == {office.uids["Invoices"]: whole, office.uids["Orders"]: other}
    assert [told_of(office, name)["mode"] for name in ("Invoices", "Orders")] == [whole, other]
    assert told_of(office, "Orders")["filed"] == 1


def test_overrides_of_the_only_live_category_pause_as_in_a_live_mailbox(make_office: Callable[..., Office]) -> None:
    office = make_office(mode="shadow")
    set_mode_of(office, "Orders", "live")
    for number in range(20):
        office.deliver(f"order {number}")
    office.settle()
    for number in range(12):
        office.box.move_by_person(office.ref_of(f"order {number}"), "Invoices")
        office.clock.advance(minutes=1)
    office.settle()
    with office.database.read() as tx:
        assert "people moved" in (mailboxes.get(tx, office.desk.mailbox_id).paused or "")


def shadowed(office: Office, subject: str, count: int, to: str) -> None:
    """Mail that Postroom would file, and that people file by hand, a few a day."""
    for number in range(count):
        name = f"{subject} {number} to {to}"
        office.deliver(name)
        office.settle()
        office.box.move_by_person(office.ref_of(name), to)
        office.settle()
        office.clock.advance(hours=6)


def test_a_category_that_has_earned_it_goes_live_by_itself_where_that_is_wanted(
    make_office: Callable[..., Office],
) -> None:
    office = make_office(mode="shadow", sorting={"auto_live": True, "identity_keep": "365d"})
    set_mode_of(office, "Orders", "shadow")  # as a person said
    for number in range(40):  # in shadow, untouched: no agreement
        office.deliver(f"invoice untouched {number}")
    office.settle()
    shadowed(office, "invoice", 31, "Invoices")
    shadowed(office, "order", 33, "Orders")
    assert [told_of(office, name)["mode"] for name in ("Invoices", "Orders")] == ["shadow", "shadow"]
    shadowed(office, "invoice again", 1, "Invoices")
    assert [told_of(office, name)["mode"] for name in ("Invoices", "Orders")] == ["live", "shadow"]
    assert (told_of(office, "Orders")["agreed"], told_of(office, "Orders")["overridden"]) == (33, 0)
    office.deliver("invoice at last")
    office.settle()
    assert office.folder_of("invoice at last") == ["Invoices"]


def test_no_category_goes_live_by_itself_that_a_person_has_put_into_shadow_a_moment_ago(
    make_office: Callable[..., Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    office = make_office(mode="shadow", sorting={"auto_live": True, "identity_keep": "365d"})
    monkeypatch.setattr("daemon.passes.go_live.has_earned", lambda *_: False)
    shadowed(office, "invoice", 2, "Invoices")

    def earned(*_: Any) -> bool:
        set_mode_of(office, "Invoices", "shadow")
        return True

    monkeypatch.setattr("daemon.passes.go_live.has_earned", earned)
    assert go_live(office.desk) == []
    assert told_of(office, "Invoices")["mode"] == "shadow"


def test_no_category_goes_live_by_itself_unless_that_is_wanted(make_office: Callable[..., Office]) -> None:
    office = make_office(mode="shadow")
    shadowed(office, "invoice", 33, "Invoices")
    assert told_of(office, "Invoices")["mode"] == "shadow"
    assert told_of(office, "Invoices")["agreed"] == 33


def test_what_a_rule_files_is_no_evidence_of_how_sure_the_model_may_be(make_office: Callable[..., Office]) -> None:
    office = make_office(rules=[RuleSettings(category="Orders", subject="invoice")])
    office.deliver("invoice 7")
    office.settle()
    office.box.move_by_person(office.ref_of("invoice 7"), "Invoices")
    office.settle()
    with office.database.begin() as tx:
        assert evidence(tx, office.desk.mailbox_id, office.clock(), also_newcomers=True) == []


def test_category_goes_on_when_its_folder_comes_back(office: Office) -> None:
    office.box.delete_folder("Invoices")
    office.settle()
    office.box.create_folder("Invoices")
    office.desk.folders_listed = None
    one_pass(office.desk)
    [invoices] = [each for each in _categories(office.database, office.desk.mailbox_id) if each.name == "Invoices"]
    assert (invoices.uid, invoices.paused) == (office.uids["Invoices"], None)


def test_folder_deleted_after_people_emptied_it_leaves_their_corrections(office: Office) -> None:
    office.deliver("invoice 1")
    office.settle()
    office.box.move_by_person(office.ref_of("invoice 1"), "Orders")
    office.box.delete_folder("Invoices")
    office.settle()
    assert office.corrections() == [("correction", "Orders")]


def test_new_folder_is_offered_and_is_a_category_only_if_the_settings_list_none(
    make_office: Callable[..., Office],
) -> None:
    for categories, role in (([], "category"), ([CategorySettings(name="Invoices")], "neutral")):
        office = make_office(categories=categories)
        office.box.create_folder("Contracts")
        office.box.create_folder("Archive/2019")
        office.desk.folders_listed = None
        one_pass(office.desk)
        with office.database.begin() as tx:
            offered = {each.name: each.role for each in show_folders(tx, office.desk) if each.offered}
        assert offered == {"Contracts": role}


def test_rule_that_moves_within_seconds_of_arrival_teaches_nothing_and_is_left_alone(office: Office) -> None:
    office.deliver("puzzle 1", arrived=office.clock())
    one_pass(office.desk)
    office.clock.advance(seconds=4)
    office.box.move_by_person(office.ref_of("puzzle 1"), "Orders")
    office.settle()
    assert (office.corrections(), office.lessons()) == ([], [])
    office.box.move_by_person(office.ref_of("puzzle 1"), "Invoices")
    office.settle()
    assert office.corrections() == [("correction", "Invoices")], "what a person does afterwards counts"
    office.box.move_by_person(office.ref_of("puzzle 1"), "INBOX")
    office.settle()
    assert office.folder_of("puzzle 1") == ["INBOX"]


def test_two_copies_of_one_mail_get_one_decision_and_teach_once(office: Office) -> None:
    twin = {"message_id": "<a@list>", "date": "Mon, 2 Mar 2026 10:00:00 +0100"}
    office.deliver("invoice 1", **twin)
    office.settle()
    office.deliver("[list] puzzle to the model", body="The same with a footer of the list", **twin)
    office.settle()
    assert office.folder_of("[list] puzzle to the model") == office.folder_of("invoice 1") == ["Invoices"]
    for subject in ("invoice 1", "[list] puzzle to the model"):
        office.box.move_by_person(office.ref_of(subject), "Orders")
    office.settle()
    assert office.corrections() == [("correction", "Orders")] * 2
    assert office.lessons() == ["Orders"]


def test_copy_of_a_mail_that_was_put_back_stays_in_the_inbox(office: Office) -> None:
    twin = {"message_id": "<a@list>", "date": "Mon, 2 Mar 2026 10:00:00 +0100"}
    office.deliver("invoice 1", **twin)
    office.settle()
    office.box.move_by_person(office.ref_of("invoice 1"), "INBOX")
    office.settle()
    office.deliver("invoice 1 [list]", **twin)
    office.settle()
    assert office.folder_of("invoice 1 [list]") == ["INBOX"]


def test_reused_message_id_does_not_make_two_mails_copies(office: Office) -> None:
    office.deliver("invoice 1", message_id="<scanner@office>")
    office.settle()
    office.deliver("order 1", message_id="<scanner@office>")
    office.settle()
    assert (office.folder_of("invoice 1"), office.folder_of("order 1")) == (["Invoices"], ["Orders"])


def test_restarted_inbox_makes_no_old_mail_new(make_office: Callable[..., Office]) -> None:
    office = make_office()
    seen = office.deliver("invoice old", arrived=office.clock() - timedelta(days=400))
    one_pass(office.desk)
    with office.database.begin() as tx:  # forgotten since, or beyond what the first look reported
        deletion.forget_older_than(tx, office.desk.mailbox_id, office.clock() + timedelta(days=1))
    office.box.restart_uids("INBOX")
    office.settle()
    assert office.folder_of("invoice old") == ["INBOX"]
    assert seen.ref != office.ref_of("invoice old")


def test_new_mail_that_a_person_filed_before_its_time_is_not_ours_when_it_comes_back(office: Office) -> None:
    office.deliver("invoice 1")
    one_pass(office.desk)
    office.box.move_by_person(office.ref_of("invoice 1"), "Orders")
    one_pass(office.desk)
    office.box.move_by_person(office.ref_of("invoice 1"), "INBOX")
    for _ in range(2):
        office.settle()
    assert office.folder_of("invoice 1") == ["INBOX"]
    assert office.lessons() == []


def test_copy_that_a_person_made_is_no_correction_and_is_not_sorted(office: Office) -> None:
    office.deliver("puzzle 1")
    office.settle()
    office.box.copy_by_person(office.ref_of("puzzle 1"), "Orders")
    for _ in range(3):
        office.settle()
    assert office.corrections() == []
    assert sorted(office.folder_of("puzzle 1")) == ["INBOX", "Orders"]
    with office.database.begin() as tx:
        assert messages.unjudged(tx, office.desk.mailbox_id, office.clock()) == []


def test_refused_login_is_not_swallowed(office: Office) -> None:
    office.box.fail_next(LoginRefused("memory", "No."), when="before")
    with pytest.raises(LoginRefused):
        one_pass(office.desk)


def test_paused_mailbox_sorts_nothing_and_catches_up_later(office: Office) -> None:
    with office.database.begin() as tx:
        mailboxes.set_paused(tx, office.desk.mailbox_id, "maintenance")
    office.deliver("invoice 1")
    office.settle()
    assert office.folder_of("invoice 1") == ["INBOX"]
    with office.database.begin() as tx:
        mailboxes.set_paused(tx, office.desk.mailbox_id, None)
    one_pass(office.desk)
    assert office.folder_of("invoice 1") == ["Invoices"]


def test_stop_is_honoured_between_messages(office: Office) -> None:
    for number in range(3):
        office.deliver(f"invoice {number}")
    one_pass(office.desk)
    office.clock.advance(minutes=3)
    office.desk.stop = lambda: (
        len(list(office.box.everything()))
        > sum(office.folder_of(f"invoice {number}") == ["INBOX"] for number in range(3))
    )
    assert one_pass(office.desk).sorted.outcomes == {"done": 1}


def test_undo_puts_back_what_nobody_touched_and_it_is_not_sorted_again(office: Office) -> None:
    for number in range(3):
        office.deliver(f"invoice {number}")
    began = office.clock()
    office.settle()
    office.box.move_by_person(office.ref_of("invoice 1"), "Orders")
    office.settle()
    office.box.flag_by_person(office.ref_of("invoice 2"), "\\Flagged")
    assert undo(office.desk, began, None, dry_run=True) == Undone(1, 2)
    assert undo(office.desk, began, None, dry_run=False) == Undone(1, 2)
    for _ in range(3):
        office.settle()
    assert [office.folder_of(f"invoice {number}") for number in range(3)] == [["INBOX"], ["Orders"], ["Invoices"]]
    assert office.corrections() == [("correction", "Orders")]


def test_undo_of_an_unknown_category_names_those_there_are(office: Office) -> None:
    with pytest.raises(PostroomError, match="Invoices, Orders"):
        undo(office.desk, office.clock(), "Inovices", dry_run=False)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2h", "2026-03-02T07:00"),
        ("08:30", "2026-03-02T08:30"),
        ("23:00", "2026-03-01T23:00"),
        ("2026-03-01", "2026-03-01T00:00"),
    ],
)
def test_moments_are_read_as_people_write_them(text: str, meant: str) -> None:
    now = datetime(2026, 3, 2, 9, 0).astimezone()
    assert moment(text, now) == datetime.fromisoformat(meant).astimezone()


def test_moment_that_cannot_be_read_says_how_to_write_it() -> None:
    with pytest.raises(BadMoment, match="Write 2h, 09:00"):
        moment("yesterday", START)


def test_a_folder_whose_mail_two_people_just_moved_elsewhere_rests(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person has begun to keep invoices among the orders; no model knows before the night."""
    ask = daemon.passes.decide.current_policy

    def policy(tx: Tx, desk: Desk, classifier: Any) -> Policy:
        made = ask(tx, desk, classifier)
        return replace(
            made, resting=resting(reversed(evidence(tx, desk.mailbox_id, desk.clock())), made.thresholds, ())
        )

    monkeypatch.setattr("daemon.passes.decide.current_policy", policy)
    for number in (1, 2):
        office.deliver(f"invoice {number}", f"Something else each time: {number}.")
        office.settle()
        assert office.folder_of(f"invoice {number}") == ["Invoices"]
        office.box.move_by_person(office.ref_of(f"invoice {number}"), "Orders")
        office.settle()
    office.deliver("invoice 3")
    office.settle()
    assert office.folder_of("invoice 3") == ["INBOX"]
    with office.database.begin() as tx:
        reason = decisions.since(tx, office.desk.mailbox_id, START)[-1].reason
    assert (
        "people put 2 of the last 2 such mails elsewhere; two in a row that people put into Invoices end that" in reason
    )
