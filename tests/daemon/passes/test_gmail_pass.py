"""One pass at Gmail: a message with several labels is seen in several folders, handled once and learnt once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest

from connectors.base import MessageRef, Role
from connectors.imap import ImapSettings
from connectors.mailbox_settings import CategorySettings
from daemon.passes.desk import Desk
from daemon.passes.first_lessons import learn_from_folders
from daemon.passes.folder_list import list_folders
from daemon.passes.one_pass import one_pass
from daemon.passes.put_back import Undone, undo
from daemon.rules.correction import label_means
from daemon.rules.decision import Policy
from daemon.settings import SortingSettings
from daemon.store import learning, mailboxes
from daemon.store.database import Database
from daemon.store.records import KnownSighting
from tests.contract import where
from tests.fakes import START, Clock, FakeClassifier, FakeRegistry
from tests.imap_fixtures import ImapWorld
from tests.servers.hands import make_mail, ok, quoted


@pytest.fixture
def desk(gmail_world: ImapWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A live desk over two labels, with a model that files what begins with "invoice" under the first."""
    yield from open_desk(gmail_world, tmp_path, monkeypatch)


@pytest.fixture
def tagging(gmail_world: ImapWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """The same, with mail that gets its label and stays in the inbox."""
    yield from open_desk(gmail_world, tmp_path, monkeypatch, act_by="tag")


def open_desk(
    world: ImapWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act_by: Literal["move", "tag"] = "move"
) -> Iterator[Desk]:
    """The desk, closed when its test is over."""
    clock, model = Clock(), FakeClassifier({})
    database = Database.open(tmp_path / "postroom.sqlite")
    settings = ImapSettings(
        name="office",
        host="imap.gmail.com",  # the connector is the simulator's; the name tells what a folder is there
        act_by=act_by,
        user=world.user,
        mode="live",
        category=tuple(CategorySettings(name=folder, folder=folder) for folder in (world.first, world.second)),
    )
    with database.begin() as tx:
        mailbox = mailboxes.ensure(tx, settings.name, settings.kind, settings.mode, clock()).id
    registry = FakeRegistry(model)
    desk = Desk(settings, SortingSettings(), database, world.connector, registry, mailbox, clock)  # type: ignore[arg-type]
    list_folders(desk)
    with database.begin() as tx:
        categories = {category.uid: category for category in mailboxes.categories(tx, mailbox)}
    uids = {category.folder: uid for uid, category in categories.items()}
    model.answers = {"invoice": {uids[world.first]: 0.97, uids[world.second]: 0.03}}
    policy = Policy(categories, dict.fromkeys(categories, 0.9), "m1")
    monkeypatch.setattr("daemon.passes.decide.current_policy", lambda *_: policy)
    one_pass(desk)
    yield desk
    database.close()


def settle(desk: Desk) -> None:
    one_pass(desk)
    desk.clock.advance(minutes=11)  # type: ignore[attr-defined]
    one_pass(desk)


def label(world: ImapWorld, subject: str, sign: str, folder: str) -> None:
    """A person clicks a label on or off, on the message as All Mail shows it."""
    imap = world.hands.imap
    ok(imap.select(quoted("[Gmail]/All Mail")))
    (uids,) = ok(imap.uid("SEARCH", "SUBJECT", f'"{subject}"'))
    name = folder if folder.startswith("\\") else quoted(folder)
    ok(imap.uid("STORE", uids.decode(), f"{sign}X-GM-LABELS", f"({name})"))
    world.hands.leave()


def kinds(desk: Desk) -> list[tuple[str, str]]:
    with desk.database.begin() as tx:
        return [(each.kind, each.to_folder) for each in learning.corrections(tx, desk.mailbox_id)]


def lessons(desk: Desk) -> int:
    with desk.database.begin() as tx:
        return len(learning.lessons(tx, desk.mailbox_id))


@pytest.mark.imap
def test_a_change_of_label_is_a_correction_and_learnt_once(desk: Desk, gmail_world: ImapWorld) -> None:
    world = gmail_world
    world.deliver("invoice 7")
    settle(desk)
    assert where(world) == {"invoice 7": [world.first]}
    label(world, "invoice 7", "+", world.second)
    settle(desk)
    assert (kinds(desk), lessons(desk)) == ([], 0), "with two labels nobody knows which is meant"
    label(world, "invoice 7", "-", world.first)
    settle(desk)
    settle(desk)
    assert (kinds(desk), lessons(desk)) == ([("correction", world.second)], 1)


@pytest.mark.imap
def test_move_to_inbox_keeps_the_label_and_nothing_is_sorted_again(desk: Desk, gmail_world: ImapWorld) -> None:
    world = gmail_world
    world.deliver("invoice 7")
    settle(desk)
    label(world, "invoice 7", "+", "\\Inbox")
    settle(desk)
    settle(desk)
    assert where(world) == {"invoice 7": sorted([world.first, world.inbox])}
    assert (kinds(desk), lessons(desk)) == ([], 0)


@pytest.mark.imap
def test_a_label_in_the_inbox_is_a_persons_word_and_left_alone(desk: Desk, gmail_world: ImapWorld) -> None:
    world = gmail_world
    world.deliver("invoice 7")
    one_pass(desk)
    desk.clock.advance(minutes=1)  # type: ignore[attr-defined]
    label(world, "invoice 7", "+", world.second)
    settle(desk)
    settle(desk)
    assert where(world) == {"invoice 7": sorted([world.second, world.inbox])}
    assert (kinds(desk), lessons(desk)) == ([("filing", world.second)], 1)
    label(world, "invoice 7", "-", "\\Inbox")  # archived later: no second lesson
    settle(desk)
    assert (kinds(desk), lessons(desk)) == ([("filing", world.second)], 1)


@pytest.mark.imap
def test_first_lessons_take_a_message_with_two_labels_once(desk: Desk, gmail_world: ImapWorld) -> None:
    world = gmail_world
    world.deliver("an order")
    label(world, "an order", "+", world.first)
    label(world, "an order", "+", world.second)
    label(world, "an order", "-", "\\Inbox")
    learn_from_folders(desk, per_folder=10, max_age=timedelta(days=9999))
    assert lessons(desk) == 1


@pytest.mark.imap
def test_a_label_is_the_tag_and_the_message_stays_in_the_inbox(tagging: Desk, gmail_world: ImapWorld) -> None:
    desk, world = tagging, gmail_world
    world.deliver("invoice 7")
    settle(desk)
    settle(desk)
    assert where(world) == {"invoice 7": sorted([world.first, world.inbox])}
    assert (kinds(desk), lessons(desk)) == ([], 0), "our own label is no lesson, wherever it shows"
    label(world, "invoice 7", "+", world.second)
    settle(desk)
    assert (kinds(desk), lessons(desk)) == ([], 0), "with two labels nobody knows which is meant"
    label(world, "invoice 7", "-", world.first)
    settle(desk)
    settle(desk)
    assert (kinds(desk), lessons(desk)) == ([("correction", world.second)], 1)
    label(world, "invoice 7", "-", "\\Inbox")  # archived later: no second lesson
    settle(desk)
    assert (kinds(desk), lessons(desk)) == ([("correction", world.second)], 1)


@pytest.mark.imap
def test_a_label_that_is_taken_off_stays_off_and_undo_takes_off_ours(tagging: Desk, gmail_world: ImapWorld) -> None:
    desk, world = tagging, gmail_world
    for number in range(3):
        world.hands.put(make_mail(f"invoice {number}"), arrived=desk.clock())
        settle(desk)  # one by one: of several texts in one answer the simulator gives the first
    label(world, "invoice 0", "-", world.first)
    label(world, "invoice 1", "+", world.second)
    assert undo(desk, START, None, dry_run=False) == Undone(1, 2)
    settle(desk)
    settle(desk)
    assert kinds(desk) == [("rejection", world.inbox)]
    assert where(world) == {
        "invoice 0": [world.inbox],
        "invoice 1": sorted([world.first, world.second, world.inbox]),
        "invoice 2": [world.inbox],
    }


@pytest.mark.imap
def test_a_label_that_is_gone_pauses_its_category_as_a_folder_does(tagging: Desk, gmail_world: ImapWorld) -> None:
    gmail_world.hands.remove(gmail_world.first)
    list_folders(tagging)
    with tagging.database.begin() as tx:
        paused = {one.folder: one.paused for one in mailboxes.categories(tx, tagging.mailbox_id)}
    assert paused == {gmail_world.first: f'there is no folder "{gmail_world.first}"', gmail_world.second: None}


# -- the rule itself

ROLES: dict[str, Role] = {"INBOX": "inbox", "A": "category", "B": "category", "Done": "neutral"}


def seen(number: int, folder: str, minute: int, *, gone: bool = False) -> KnownSighting:
    at = START + timedelta(minutes=minute)
    return KnownSighting(number, 1, MessageRef(folder, 1, number), at, at if gone else None, False, None, False)


@pytest.mark.parametrize(
    ("places", "meaning"),
    [
        ([seen(1, "INBOX", 0), seen(2, "A", 5)], "judge"),
        ([seen(1, "INBOX", 0, gone=True), seen(2, "A", 5)], "judge"),
        ([seen(1, "INBOX", 0), seen(2, "A", 0)], "nothing"),
        ([seen(1, "INBOX", 0), seen(2, "A", 5), seen(3, "B", 9)], "wait"),
        ([seen(1, "INBOX", 0), seen(2, "A", 5, gone=True), seen(3, "B", 9)], "judge"),
        ([seen(1, "INBOX", 0, gone=True), seen(2, "A", 5), seen(3, "INBOX", 9)], "nothing"),
        ([seen(1, "INBOX", 0, gone=True), seen(2, "A", 5, gone=True), seen(3, "INBOX", 9)], "judge"),
        ([seen(1, "INBOX", 0), seen(2, "Done", 5), seen(3, "A", 9)], "judge"),
    ],
)
def test_what_a_label_means(places: list[KnownSighting], meaning: str) -> None:
    assert label_means(places[-1], places, ROLES) == meaning
