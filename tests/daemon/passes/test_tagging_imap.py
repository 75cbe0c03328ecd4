"""Tags on real servers: we tag, a person changes tags, the lesson appears; undo and why. With CONDSTORE and without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.base import Progress, Tag, Tagged, Watch
from connectors.errors import MessageTouched
from connectors.imap import keywords
from connectors.imap.mailbox import ImapConnector
from connectors.mailbox_settings import CategorySettings
from daemon.passes.desk import Desk
from daemon.passes.one_pass import one_pass
from daemon.passes.put_back import Undone, undo
from daemon.report.story import message_story
from daemon.store import learning, mailboxes, messages
from tests.contract import find, ignore, recover
from tests.daemon.passes.test_gmail_pass import label
from tests.fakes import START
from tests.imap_desk import open_desk, pass_time
from tests.imap_fixtures import ImapWorld
from tests.servers.hands import make_mail

pytestmark = pytest.mark.imap
TAGGED = (CategorySettings(name="Büro & Straße"), CategorySettings(name="Orders"))


@pytest.fixture(params=["dovecot_world", "cyrus_world", "courier_world"])
def world(request: pytest.FixtureRequest) -> ImapWorld:
    found: ImapWorld = request.getfixturevalue(request.param)
    found.first, found.second = "Büro & Straße", "Orders"  # categories that have no folder of that name to lie in
    for folder in found.hands.folders():
        if folder.endswith(("Straße", "Orders")):
            found.hands.remove(folder)
    return found


@pytest.fixture
def desk(world: ImapWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    desk = open_desk(world, tmp_path, monkeypatch, act_by="tag", category=TAGGED)
    yield desk
    desk.database.close()


def settle(desk: Desk) -> None:
    pass_time(desk, minutes=11)


def taught(desk: Desk) -> tuple[list[tuple[str, str | None, str]], list[str]]:
    """Corrections, and the names of the lessons' categories."""
    with desk.database.read() as tx:
        names = {one.uid: one.name for one in mailboxes.categories(tx, desk.mailbox_id)}
        said = [(one.kind, one.from_folder, one.to_folder) for one in learning.corrections(tx, desk.mailbox_id)]
        return said, [names[one.category] for one in learning.lessons(tx, desk.mailbox_id)]


def test_a_tag_that_a_person_changes_is_a_lesson_and_our_own_is_none(desk: Desk, world: ImapWorld) -> None:
    world.deliver("order 1")
    world.deliver("puzzle 2")
    settle(desk)
    settle(desk)
    assert (world.hands.tags("order 1"), world.hands.tags("puzzle 2")) == ({"orders"}, set())
    assert taught(desk) == ([], [])
    world.hands.flag("order 1", "Buro-Strasse", "\\Seen")
    settle(desk)
    assert taught(desk) == ([], []), "with two tags nobody knows which is meant"
    world.hands.unflag("order 1", "Orders")
    world.hands.flag("puzzle 2", "ORDERS")
    settle(desk)
    settle(desk)
    said, lessons = taught(desk)
    assert sorted(said) == [("correction", "Orders", "Buro-Strasse"), ("filing", "INBOX", "Orders")]
    assert sorted(lessons) == ["Büro & Straße", "Orders"]
    assert world.hands.tags("order 1") == {"buro-strasse", "\\seen"}


def test_a_tag_that_a_person_takes_off_stays_off(desk: Desk, world: ImapWorld) -> None:
    world.deliver("order 1")
    settle(desk)
    world.hands.unflag("order 1", "Orders")
    settle(desk)
    settle(desk)
    assert taught(desk) == ([("rejection", "Orders", "INBOX")], [])
    assert world.hands.tags("order 1") == set()


def test_undo_and_why_know_tags(desk: Desk, world: ImapWorld) -> None:
    world.deliver("order 1", message_id="<one@example.org>")
    world.deliver("order 2")
    settle(desk)
    world.hands.flag("order 1", "Buro-Strasse")
    world.hands.unflag("order 1", "Orders")
    assert undo(desk, START, None, dry_run=False) == Undone(1, 1)
    settle(desk)
    settle(desk)
    assert (world.hands.tags("order 1"), world.hands.tags("order 2")) == ({"buro-strasse"}, set())
    assert taught(desk)[0] == [("correction", "Orders", "Buro-Strasse")]
    with desk.database.read() as tx:
        mailbox = mailboxes.get(tx, desk.mailbox_id)
        [message] = messages.named(tx, mailbox.id, "one@example.org")
        story = message_story(tx, mailbox, message)
    assert [(one["tags"], one["by"]) for one in story["tags"]] == [(["orders"], "postroom"), (["buro-strasse"], None)]


def test_a_sieve_rule_s_tag_teaches_nothing_and_is_left_alone(desk: Desk, world: ImapWorld) -> None:
    world.hands.put(make_mail("order 1"), flags="Buro-Strasse")
    settle(desk)
    settle(desk)
    assert world.hands.tags("order 1") == {"buro-strasse"}
    assert taught(desk) == ([], [])


def test_a_person_s_tag_of_the_last_moment_is_respected(world: ImapWorld) -> None:
    world.deliver("order 1")
    seen = find(world, "order 1")
    world.hands.flag("order 1", "Buro-Strasse")
    unless = frozenset({"orders", "buro-strasse"})
    with pytest.raises(MessageTouched):
        world.connector.apply(seen.ref, seen.identity, Tag(frozenset({"Orders"})), ignore, unless)
    assert world.hands.tags("order 1") == {"buro-strasse"}


@pytest.mark.parametrize("name", ["dovecot_world", "gmail_world"])
def test_a_tag_that_a_person_took_off_before_we_knew_it_was_on_stays_off(
    name: str, request: pytest.FixtureRequest
) -> None:
    world: ImapWorld = request.getfixturevalue(name)
    world.deliver("order 1")
    seen = find(world, "order 1")
    ours = Tag(frozenset({world.second}))
    assert recover(world, seen, ours, Progress("tagging")).outcome == "undone"
    world.connector.apply(seen.ref, seen.identity, ours, ignore)
    assert recover(world, seen, ours, Progress("tagging")).outcome == "done"
    if name == "gmail_world":
        label(world, "order 1", "-", world.second)
    else:
        world.hands.unflag("order 1", world.second)
    recovered = recover(world, seen, ours, Progress("tagging"))
    assert (recovered.outcome, recovered.ref, recovered.explanation) == (
        "explained",
        seen.ref,
        "Somebody took the tag off again.",
    )


@pytest.mark.parametrize("name", ["dovecot_world", "cyrus_world"])
def test_what_changed_is_asked_for_and_not_what_stands(name: str, request: pytest.FixtureRequest) -> None:
    world: ImapWorld = request.getfixturevalue(name)
    for number in range(3):
        world.deliver(f"mail {number}")
    known = {seen.ref.uid for seen in world.connector.newest("INBOX", 9)}
    watch = Watch("INBOX", {"INBOX": frozenset(known)}, tags=frozenset({"orders"}))
    cursor = world.connector.changes(None, watch).cursor
    assert world.connector.changes(cursor, watch).tagged == ()
    world.hands.flag("mail 1", "Orders")
    changes = world.connector.changes(cursor, watch)
    [(uid, tags)] = [(one.ref.uid, one.tags) for one in changes.tagged]
    assert (uid, tags) == (sorted(known)[1], {"Orders"})
    assert world.connector.changes(changes.cursor, watch).tagged == ()
    assert world.connector.capabilities().tells_tags


def test_where_the_server_does_not_count_all_is_read_when_asked_for(
    courier_world: ImapWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = courier_world
    monkeypatch.setattr(keywords, "READ_BATCH", 2)
    monkeypatch.setattr(keywords, "MOST_READ", 3)
    for number in range(4):
        world.deliver(f"mail {number}")
    world.hands.flag("mail 3", "Orders")
    refs = sorted(seen.ref for seen in world.connector.newest("INBOX", 9))
    watch = Watch("INBOX", {"INBOX": frozenset(ref.uid for ref in refs)}, tags=frozenset({"orders"}))
    cursor = world.connector.changes(None, watch).cursor
    assert not world.connector.capabilities().tells_tags
    assert world.connector.changes(cursor, watch).tagged == ()
    asked = Watch(watch.inbox, watch.known, tags=watch.tags, every_tag=True)
    none: frozenset[str] = frozenset()
    tagged = [Tagged(refs[1], none), Tagged(refs[2], none), Tagged(refs[3], frozenset({"Orders"}))]
    assert sorted(world.connector.changes(cursor, asked).tagged, key=lambda one: one.ref) == tagged


def test_people_s_tags_are_found_by_search(dovecot_world: ImapWorld) -> None:
    world = dovecot_world
    for number in range(4):
        world.deliver(f"mail {number}")
    for number in (0, 2, 3):
        world.hands.flag(f"mail {number}", "Orders")
    assert isinstance(world.connector, ImapConnector)
    found = world.connector.tagged_by_people("INBOX", "orders", 2)
    assert [seen.ref.uid for seen in found] == [4, 3]
    assert world.connector.tagged_by_people("INBOX", "Never seen", 2) == []
    assert world.connector.tagged_by_people("INBOX", "Nobody", 2) == []


def test_a_look_after_the_service_stood_still_tells_what_changed_meanwhile(desk: Desk, world: ImapWorld) -> None:
    world.deliver("order 1")
    settle(desk)
    desk.connector.close()
    world.hands.unflag("order 1", "Orders")
    world.hands.flag("order 1", "Buro-Strasse")
    desk.folders_listed = desk.tags_read = desk.looked = None
    desk.clock.advance(days=2)  # type: ignore[attr-defined]
    one_pass(desk)
    settle(desk)
    assert taught(desk)[0] == [("correction", "Orders", "Buro-Strasse")]
