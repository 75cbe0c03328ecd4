"""One pass over a real RT: the pipeline, the ledger and the lessons do not know that it is no IMAP server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import FolderMissing
from connectors.mailbox_settings import CategorySettings
from connectors.request_tracker import RequestTrackerSettings
from daemon.passes.desk import Desk
from daemon.passes.first_lessons import learn_from_folders
from daemon.passes.folder_list import list_folders
from daemon.passes.one_pass import one_pass
from daemon.passes.put_back import Undone, undo
from daemon.rules.decision import Policy
from daemon.settings import SortingSettings
from daemon.store import learning, mailboxes, messages
from daemon.store.database import Database
from tests.contract import where
from tests.fakes import START, Clock, FakeClassifier, FakeRegistry
from tests.rt_fixtures import RtPerson, RtWorld

pytestmark = pytest.mark.rt


@pytest.fixture
def desk(rt_world: RtWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A live desk over two queues, with a model that files what begins with "invoice" in the first."""
    queues = tuple(CategorySettings(name=folder, folder=folder) for folder in (rt_world.first, rt_world.second))
    yield from live_desk(rt_world, tmp_path, monkeypatch, category=queues)


def live_desk(world: RtWorld, folder: Path, monkeypatch: pytest.MonkeyPatch, **more: Any) -> Iterator[Desk]:
    """After its first look. The model is sure that what begins with "invoice" belongs to the first category."""
    clock, model = Clock(), FakeClassifier({})
    database = Database.open(folder / "postroom.sqlite")
    values = {"name": "support", "url": world.server.url, "credential": "token", "inbox": world.inbox, "mode": "live"}
    settings = RequestTrackerSettings(**{**values, **more})
    with database.begin() as tx:
        mailbox = mailboxes.ensure(tx, settings.name, settings.kind, settings.mode, clock()).id
    registry: Any = FakeRegistry(model)
    desk = Desk(settings, SortingSettings(), database, world.connector, registry, mailbox, clock)
    list_folders(desk)
    with database.begin() as tx:
        categories = {category.uid: category for category in mailboxes.categories(tx, mailbox)}
    uids = {category.name: uid for uid, category in categories.items()}
    first, second = (uids[category.name] for category in settings.categories)
    model.answers = {"invoice": {first: 0.97, second: 0.03}}
    policy = Policy(categories, dict.fromkeys(categories, 0.9), "m1")
    monkeypatch.setattr("daemon.passes.decide.current_policy", lambda *_: policy)
    one_pass(desk)
    yield desk
    database.close()


def settle(desk: Desk) -> None:
    """Let a poll happen, and then enough time pass for new tickets and moves to count, and another poll."""
    one_pass(desk)
    desk.clock.advance(minutes=11)  # type: ignore[attr-defined]
    one_pass(desk)


def corrections(desk: Desk) -> list[tuple[str, str, str | None]]:
    with desk.database.begin() as tx:
        return [(each.kind, each.to_folder, each.who) for each in learning.corrections(tx, desk.mailbox_id)]


def lessons(desk: Desk) -> int:
    with desk.database.begin() as tx:
        return len(learning.lessons(tx, desk.mailbox_id))


def test_a_ticket_is_filed_and_our_own_move_teaches_nothing(desk: Desk, rt_world: RtWorld) -> None:
    rt_world.deliver("invoice 1")
    rt_world.deliver("puzzle 1")
    settle(desk)
    settle(desk)
    assert where(rt_world) == {"invoice 1": [rt_world.first], "puzzle 1": [rt_world.inbox]}
    assert (corrections(desk), lessons(desk)) == ([], 0)


def test_a_person_s_correction_is_a_lesson_with_its_author(desk: Desk, rt_world: RtWorld) -> None:
    rt_world.deliver("invoice 1")
    settle(desk)
    rt_world.move("invoice 1", rt_world.second)
    settle(desk)
    assert [(folder, who) for _, folder, who in corrections(desk)] == [(rt_world.second, "agent")]
    assert lessons(desk) == 1
    assert where(rt_world) == {"invoice 1": [rt_world.second]}


def test_a_ticket_that_a_person_puts_back_stays_in_the_inbox(desk: Desk, rt_world: RtWorld) -> None:
    rt_world.deliver("invoice 1")
    settle(desk)
    rt_world.move("invoice 1", rt_world.inbox)
    settle(desk)
    settle(desk)
    assert where(rt_world) == {"invoice 1": [rt_world.inbox]}
    assert [(kind, who) for kind, _, who in corrections(desk)] == [("rejection", "agent")]


def test_a_ticket_that_a_person_took_first_is_theirs_and_teaches(desk: Desk, rt_world: RtWorld) -> None:
    rt_world.deliver("invoice 1")
    one_pass(desk)
    rt_world.move("invoice 1", rt_world.second)
    settle(desk)
    assert where(rt_world) == {"invoice 1": [rt_world.second]}
    assert [folder for _, folder, _ in corrections(desk)] == [rt_world.second]


def test_history_teaches_what_people_moved_and_who_did(
    desk: Desk, rt_world: RtWorld, rt_people: dict[str, RtPerson]
) -> None:
    # What happened before Postroom's database began, so RT alone can tell. A ticket's name says who had the last word.
    first, second = rt_world.first, rt_world.second
    bot, robot, agent = RtPerson(rt_world.server, "bot"), rt_people["robot"], rt_world.agent
    moves: dict[str, list[tuple[RtPerson, str]]] = {
        "agent moved": [(agent, first)],
        "agent moved twice": [(bot, first), (agent, second), (agent, first)],
        "bot moved": [(bot, first)],
        "bot moved after an agent": [(agent, first), (agent, second), (bot, first)],
        "robot moved": [(robot, first)],
        "agent moved on": [(agent, first), (agent, second)],
    }
    agent.create(first, "created there")
    for subject, steps in moves.items():
        ticket = agent.create(rt_world.inbox, subject)
        for person, queue in steps:
            person.change(ticket, Queue=queue)
    bot.close()

    connector = rt_world.connector
    texts = {
        each.sighting.ref: each.text.subject for each in connector.fetch([s.ref for s in connector.newest(first, 9)])
    }
    told = [(texts[seen.ref], seen.by) for seen in connector.filed_by_people(first, 9)]
    assert told == [("agent moved twice", "agent"), ("agent moved", "agent"), ("created there", None)]
    assert [texts[seen.ref] for seen in connector.filed_by_people(first, 1)] == ["agent moved twice"]
    with pytest.raises(FolderMissing):
        connector.filed_by_people("No such queue", 1)

    learn_from_folders(desk, per_folder=9, max_age=timedelta(days=9999))
    with desk.database.begin() as tx:
        taught = {lesson.text.subject for lesson in learning.lessons(tx, desk.mailbox_id)}
        who = {
            seen.who for each in learning.lessons(tx, desk.mailbox_id) for seen in messages.sightings(tx, each.message)
        }
    assert taught == {"agent moved", "agent moved twice", "agent moved on", "created there"}
    assert who == {"agent", None}


# -- tagged tickets


@pytest.fixture
def tagging(rt_world: RtWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A live desk that tags tickets of one queue with two categories, neither of which is a queue."""
    categories = (CategorySettings(name="Büro & Straße"), CategorySettings(name="Travel"))
    more = {"act_by": "tag", "tag_field": "Labels", "category": categories}
    yield from live_desk(rt_world, tmp_path, monkeypatch, **more)


def labels(rt_world: RtWorld, subject: str) -> list[str]:
    [ticket] = [one for one in rt_world.agent.tickets([rt_world.inbox]) if one["Subject"] == subject]
    return sorted(value for field in ticket["CustomFields"] if field["name"] == "Labels" for value in field["values"])


def test_a_value_that_a_person_changes_is_a_lesson_with_its_author(
    tagging: Desk, rt_world: RtWorld, rt_people: dict[str, RtPerson]
) -> None:
    desk = tagging
    for number in range(4):
        rt_world.deliver(f"invoice {number}")
    settle(desk)
    settle(desk)
    assert [labels(rt_world, f"invoice {number}") for number in range(4)] == [["Büro & Straße"]] * 4
    assert (corrections(desk), lessons(desk)) == ([], 0), "our own tag is no lesson"
    rt_world.agent.change(rt_world.number("invoice 0"), CustomFields={"Labels": ["Travel", "VIP"]})
    rt_world.agent.change(rt_world.number("invoice 1"), CustomFields={"Labels": []})
    rt_people["robot"].change(rt_world.number("invoice 2"), CustomFields={"Labels": ["Travel"]})
    settle(desk)
    settle(desk)
    assert sorted(corrections(desk)) == [("correction", "Travel", "agent"), ("rejection", rt_world.inbox, "agent")]
    assert lessons(desk) == 1
    assert undo(desk, START, None, dry_run=False) == Undone(1, 3)
    settle(desk)
    settle(desk)
    assert [labels(rt_world, f"invoice {number}") for number in range(4)] == [["Travel", "VIP"], [], ["Travel"], []]
    assert len(corrections(desk)) == 2
