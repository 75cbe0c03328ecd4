"""Request Tracker: the shared contract and its own habits, on a real RT 5."""

from __future__ import annotations

import base64
import logging
from dataclasses import replace

import pytest

from connectors.base import Connector, MessageRef, Move, Progress, Sighting, Tag, Tagged, Unfinished, Watch
from connectors.errors import (
    ActionRefused,
    ConnectorError,
    LoginRefused,
    MessageGone,
    MessageTouched,
    SetupWrong,
    Unexplained,
    Unreachable,
)
from connectors.request_tracker import queues, rest2
from connectors.request_tracker.history import Cursor
from connectors.request_tracker.queues import RequestTrackerAccount, RequestTrackerConnector
from tests.contract import ConnectorTests, World, arrive, find, ignore, recover, refuse, start, watch, where
from tests.rt_fixtures import RtPerson, RtWorld
from tests.servers.rt import PASSWORDS

pytestmark = pytest.mark.rt


class TestRequestTracker(ConnectorTests):
    """A real RT passes what every connector passes."""

    @pytest.fixture
    def world(self, rt_world: RtWorld) -> World:
        return rt_world


@pytest.fixture
def world(rt_world: RtWorld) -> RtWorld:
    return rt_world


@pytest.fixture
def robot(rt_people: dict[str, RtPerson]) -> RtPerson:
    return rt_people["robot"]


def only(connector: Connector, folder: str) -> Sighting:
    (sighting,) = connector.newest(folder, 10)
    return sighting


# Who we are


def test_it_logs_in_by_token_or_by_password(world: RtWorld) -> None:
    assert 'logged in as "bot"' in world.connector.capabilities().notes[0]
    by_password = world.another(user="bot", secret=lambda: PASSWORDS["bot"] + "\n")
    assert 'logged in as "bot"' in by_password.capabilities().notes[0]


@pytest.mark.parametrize(
    ("user", "secret"),
    [
        (None, "1-27-00000000000000000000000000000000"),
        (None, "not a token"),
        (None, "nodashes"),
        (None, ""),
        (None, "1-27-ä"),
        ("bot", "wrong"),
        ("bot", ""),
        ("nobody-of-that-name", "wrong"),
        ("ä:ö", "ü"),
    ],
)
def test_a_wrong_token_or_password_needs_a_person(world: RtWorld, user: str | None, secret: str) -> None:
    connector = world.another(user=user, secret=lambda: secret)
    for ask in (connector.capabilities, connector.folders, lambda: connector.changes(None, watch(world))):
        with pytest.raises(LoginRefused, match="support"):
            ask()


def test_the_secret_is_shown_nowhere(world: RtWorld, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = world.server.tokens["bot"]
    _, seen = arrive(world, "Invoice 7")
    world.connector.apply(seen.ref, seen.identity, Move(world.first), ignore)
    shown = [repr(world.account), str(world.account), repr(vars(world.connector)), caplog.text]
    assert not [text for text in shown if token in text or "Invoice 7" in text or "ann@example.org" in text]


def test_an_inbox_that_does_not_exist_is_a_mistake_in_the_settings(world: RtWorld) -> None:
    connector = world.another(inbox="No such place")
    with pytest.raises(SetupWrong, match="No such place"):
        connector.capabilities()
    with pytest.raises(SetupWrong, match="No such place"):
        connector.changes(None, Watch("No such place", {}))


def test_an_address_beside_the_api_is_doubted(world: RtWorld) -> None:
    """RT answers with a page for people, and 200."""
    with pytest.raises(Unexplained, match="Is this the helpdesk's address"):
        world.another(url=world.server.url + "/elsewhere").folders()


# What people did


def test_a_move_comes_with_its_author_and_time(world: RtWorld) -> None:
    cursor, seen = arrive(world, "Invoice 7")
    world.move("Invoice 7", world.first)
    (moved,) = world.connector.changes(cursor, watch(world, arrived=(seen,))).arrived
    assert moved.by == "agent"
    assert seen.by is None
    assert seen.arrived is not None
    assert moved.at is not None
    assert moved.at >= seen.arrived
    assert moved.arrived == seen.arrived


def test_our_own_moves_are_no_news(world: RtWorld) -> None:
    cursor, seen = arrive(world, "Invoice 7")
    world.connector.apply(seen.ref, seen.identity, Move(world.first), ignore)
    changes = world.connector.changes(cursor, watch(world, arrived=(seen,)))
    assert (changes.arrived, changes.vanished) == ((), ())


def test_a_correction_of_our_move_is_a_move_from_where_we_put_it(world: RtWorld) -> None:
    cursor, seen = arrive(world, "Invoice 7")
    ours = world.connector.apply(seen.ref, seen.identity, Move(world.first), ignore)
    world.move("Invoice 7", world.second)
    changes = world.connector.changes(cursor, watch(world, arrived=(replace(seen, ref=ours),)))
    assert changes.vanished == (ours,)
    assert [sighting.ref for sighting in changes.arrived] == [MessageRef(world.second, 0, seen.ref.uid)]


def test_of_several_moves_the_last_counts_and_is_told_once(world: RtWorld) -> None:
    cursor, seen = arrive(world, "Invoice 7")
    for folder in (world.first, world.inbox, world.first, world.second):
        world.move("Invoice 7", folder)
    changes = world.connector.changes(cursor, watch(world, arrived=(seen,)))
    assert changes.vanished == (seen.ref,)
    assert [sighting.ref.folder for sighting in changes.arrived] == [world.second]
    assert world.connector.changes(changes.cursor, watch(world)).arrived == ()


def test_a_ticket_moved_there_and_back_has_not_moved(world: RtWorld) -> None:
    cursor, seen = arrive(world, "Invoice 7")
    for folder in (world.first, world.inbox):
        world.move("Invoice 7", folder)
    changes = world.connector.changes(cursor, watch(world, arrived=(seen,)))
    assert (changes.arrived, changes.vanished) == ((), ())


def test_what_automation_moves_leaves_but_teaches_nothing(world: RtWorld, robot: RtPerson) -> None:
    cursor, seen = arrive(world, "Invoice 7")
    robot.change(seen.ref.uid, Queue=world.first)
    changes = world.connector.changes(cursor, watch(world, arrived=(seen,)))
    assert (changes.arrived, changes.vanished) == ((), (seen.ref,))


def test_what_automation_puts_into_the_inbox_is_new_mail(world: RtWorld, robot: RtPerson) -> None:
    number = world.agent.create(world.first, "Invoice 7")
    cursor = start(world)
    robot.change(number, Queue=world.inbox)
    changes = world.connector.changes(cursor, watch(world))
    assert [(sighting.ref, sighting.by) for sighting in changes.arrived] == [(MessageRef(world.inbox, 0, number), None)]
    assert world.connector.changes(changes.cursor, watch(world)).arrived == ()


def test_a_ticket_that_a_person_puts_into_the_inbox_arrives_once(world: RtWorld) -> None:
    cursor = start(world)
    number = world.agent.create(world.first, "Invoice 7")
    world.move("Invoice 7", world.inbox)
    changes = world.connector.changes(cursor, watch(world))
    assert [(sighting.ref.uid, sighting.by) for sighting in changes.arrived] == [(number, "agent")]
    assert world.connector.changes(changes.cursor, watch(world)).arrived == ()


def test_a_move_out_of_sight_only_vanishes(world: RtWorld) -> None:
    cursor, seen = arrive(world, "Invoice 7")
    world.move("Invoice 7", "Sales")
    changes = world.connector.changes(cursor, watch(world, arrived=(seen,)))
    assert (changes.arrived, changes.vanished) == ((), (seen.ref,))


def test_a_merged_ticket_vanishes_and_cannot_be_moved(world: RtWorld) -> None:
    cursor = start(world)
    world.deliver("Invoice 7")
    world.deliver("Invoice 7 again")
    kept, merged = world.connector.changes(cursor, watch(world)).arrived
    cursor = start(world)
    world.agent.change(merged.ref.uid, MergeInto=kept.ref.uid)
    changes = world.connector.changes(cursor, watch(world, arrived=(kept, merged)))
    assert (changes.arrived, changes.vanished) == ((), (merged.ref,))
    assert [message.sighting.ref for message in world.connector.fetch([kept.ref, merged.ref])] == [kept.ref]
    with pytest.raises(MessageGone):
        world.connector.apply(merged.ref, merged.identity, Move(world.first), refuse)
    assert recover(world, merged, Move(world.first), Progress("moving")).outcome == "explained"


def test_a_deleted_ticket_cannot_be_moved_and_is_explained(world: RtWorld) -> None:
    _, seen = arrive(world, "Invoice 7")
    world.delete("Invoice 7")
    with pytest.raises(MessageGone):
        world.connector.apply(seen.ref, seen.identity, Move(world.first), refuse)
    assert recover(world, seen, Move(world.first), Progress("moving")).ref is None


def test_a_resolved_ticket_is_answered_and_still_there(world: RtWorld) -> None:
    cursor, seen = arrive(world, "Invoice 7")
    world.agent.change(seen.ref.uid, Status="resolved")
    changes = world.connector.changes(cursor, watch(world, arrived=(seen,)))
    assert (changes.arrived, changes.vanished) == ((), ())
    assert only(world.connector, world.inbox).flags == {"\\Answered"}


def test_many_tickets_come_page_by_page_each_once(world: RtWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest2, "PAGE", 3)
    monkeypatch.setattr(rest2, "MOST_AT_ONCE", 5)
    monkeypatch.setattr(queues, "TICKETS_BACK", 2)
    cursor = start(world)
    numbers = [world.agent.create(world.inbox, f"Invoice {n}") for n in range(7)]
    seen: list[int] = []
    while arrived := (changes := world.connector.changes(cursor, watch(world))).arrived:
        seen += [sighting.ref.uid for sighting in arrived]
        cursor = changes.cursor
    assert seen == numbers
    assert [sighting.ref.uid for sighting in world.connector.newest(world.inbox, 6)] == numbers[:0:-1]
    assert {world.inbox, world.first, world.second} <= {folder.name for folder in world.connector.folders()}
    refs = [MessageRef(world.inbox, 0, number) for number in numbers]
    assert sorted(message.sighting.ref for message in world.connector.fetch(refs)) == refs


def test_a_ticket_that_became_visible_late_is_not_missed(world: RtWorld) -> None:
    cursor, late = arrive(world, "slow")
    world.deliver("quick")
    seen_first = Cursor.load(world.connector.changes(cursor, watch(world)).cursor)
    assert seen_first is not None
    # As if "slow" had been committed after "quick" was seen: its number is lower, and the mark has not met it.
    without = replace(
        seen_first, tickets=replace(seen_first.tickets, recent=seen_first.tickets.recent - {late.ref.uid})
    )
    arrived = world.connector.changes(without.dump(), watch(world)).arrived
    assert [sighting.ref for sighting in arrived] == [late.ref]


# What a ticket says


def test_the_text_is_that_of_the_first_mail(world: RtWorld) -> None:
    number = world.agent.create(world.inbox, "Rechnung", Content="Bitte zahlen. Grüße")
    world.agent.ask("POST", f"ticket/{number}/correspond", json={"Content": "An answer.", "ContentType": "text/plain"})
    (message,) = world.connector.fetch([MessageRef(world.inbox, 0, number)])
    assert message.text.sender == "ann@example.org"
    assert message.text.body.startswith("Bitte zahlen. Grüße")
    assert "An answer." not in message.text.body


def test_a_mail_in_html_is_read_as_text(world: RtWorld) -> None:
    html = '<p>Please <b>pay</b>.</p><p style="display:none">free money</p>'
    number = world.agent.create(world.inbox, "Invoice", Content=html, ContentType="text/html")
    (message,) = world.connector.fetch([MessageRef(world.inbox, 0, number)])
    assert "Please pay." in message.text.body
    assert "free money" not in message.text.body


def test_attachments_are_named_and_not_read(world: RtWorld) -> None:
    file = base64.b64encode(b"%PDF secret").decode()
    attached = [{"FileName": "Rechnung-0815.pdf", "FileType": "application/pdf", "FileContent": file}]
    number = world.agent.create(world.inbox, "Invoice", Attachments=attached)
    (message,) = world.connector.fetch([MessageRef(world.inbox, 0, number)])
    assert message.text.attachments == ("Rechnung-0815.pdf (application/pdf)",)
    assert message.text.body == "The parts have come."


def test_a_ticket_without_requestor_or_text_is_read_too(world: RtWorld) -> None:
    made = world.agent.ask("POST", "ticket", json={"Queue": world.inbox})
    (message,) = world.connector.fetch([MessageRef(world.inbox, 0, int(made["id"]))])
    assert message.text.body == ""
    assert message.text.sender


def test_a_text_that_is_too_large_is_left_to_people(world: RtWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "LARGEST_TEXT", 1000)
    number = world.agent.create(world.inbox, "Invoice", Content="word " * 300)
    (message,) = world.connector.fetch([MessageRef(world.inbox, 0, number)])
    assert (message.text.body, message.marks) == ("", frozenset({"truncated"}))
    assert message.text.subject == "Invoice"


# Acting while others act


def test_a_person_who_is_faster_by_a_moment_wins(world: RtWorld) -> None:
    _, seen = arrive(world, "Invoice 7")
    with pytest.raises(MessageGone):
        world.connector.apply(
            seen.ref, seen.identity, Move(world.first), lambda _: world.move("Invoice 7", world.second)
        )
    assert where(world) == {"Invoice 7": [world.second]}


def test_a_ticket_that_changed_meanwhile_is_left_for_the_next_poll(world: RtWorld) -> None:
    _, seen = arrive(world, "Invoice 7")

    def comment(_: Progress) -> None:
        text = {"Content": "I am on it.", "ContentType": "text/plain"}
        world.agent.ask("POST", f"ticket/{seen.ref.uid}/comment", json=text)

    with pytest.raises(ActionRefused, match="same moment"):
        world.connector.apply(seen.ref, seen.identity, Move(world.first), comment)
    assert where(world) == {"Invoice 7": [world.inbox]}
    assert world.connector.apply(seen.ref, seen.identity, Move(world.first), ignore).folder == world.first


def test_a_change_that_rt_only_claims_is_noticed(world: RtWorld) -> None:
    """RT answers 200 and one sentence when the queue was disabled in the meantime."""
    _, seen = arrive(world, "Invoice 7")
    with pytest.raises(ActionRefused, match="disabled"):
        world.connector.apply(
            seen.ref,
            seen.identity,
            Move(world.first),
            lambda _: world.root.ask("PUT", f"queue/{world.first}", json={"Disabled": 1}),
        )
    assert find(world, "Invoice 7").ref == seen.ref


def test_a_server_that_stops_in_the_middle_leaves_a_plan_that_is_recovered(world: RtWorld) -> None:
    _, seen = arrive(world, "Invoice 7")
    notes: list[Progress] = []

    def stop(progress: Progress) -> None:
        notes.append(progress)
        world.server.stop()

    unfinished = Unfinished(seen.ref, seen.identity, Move(world.first), Progress("moving"))
    try:
        with pytest.raises(Unreachable):
            world.connector.apply(seen.ref, seen.identity, Move(world.first), stop)
        with pytest.raises(Unreachable):
            world.connector.recover(unfinished)
    finally:
        world.server.start()
    assert [progress.step for progress in notes] == ["moving"]
    recovered = world.connector.recover(unfinished)
    assert (recovered.outcome, recovered.ref) == ("undone", seen.ref)
    assert where(world) == {"Invoice 7": [world.inbox]}


# Tags


def test_tags_of_others_stay(world: RtWorld) -> None:
    _, seen = arrive(world, "Invoice 7")
    world.agent.change(seen.ref.uid, CustomFields={"Labels": ["urgent", "old"]})
    action = Tag(add=frozenset({"invoice"}), remove=frozenset({"old"}))
    world.connector.apply(seen.ref, seen.identity, action, ignore)
    assert only(world.connector, world.inbox).flags == {"urgent", "invoice"}
    assert recover(world, seen, action, Progress("tagging")).outcome == "done"
    other = Tag(add=frozenset({"order"}))
    assert recover(world, seen, other, Progress("tagging")).outcome == "undone"


def test_a_field_for_one_value_that_somebody_filled_in_is_left_to_them(world: RtWorld) -> None:
    _, seen = arrive(world, "Invoice 7")
    connector = world.another(tag_field="Category")
    connector.apply(seen.ref, seen.identity, Tag(add=frozenset({"invoice"})), ignore)
    assert only(connector, world.inbox).flags == {"invoice"}
    world.agent.change(seen.ref.uid, CustomFields={"Category": "VIP"})
    with pytest.raises(ActionRefused):
        connector.apply(seen.ref, seen.identity, Tag(add=frozenset({"order"})), ignore)
    assert only(connector, world.inbox).flags == {"VIP"}


def test_a_tag_of_the_last_moment_is_respected(world: RtWorld) -> None:
    _, seen = arrive(world, "Invoice 7")
    world.agent.change(seen.ref.uid, CustomFields={"Labels": ["Orders"]})
    with pytest.raises(MessageTouched, match="Somebody answered, closed or tagged ticket"):
        world.connector.apply(seen.ref, seen.identity, Tag(frozenset({"invoice"})), refuse, frozenset({"orders"}))
    assert only(world.connector, world.inbox).flags == {"Orders"}


def test_tags_come_with_who_changed_them(world: RtWorld, rt_people: dict[str, RtPerson]) -> None:
    _, seen = arrive(world, "Invoice 7")
    known = {world.inbox: frozenset({seen.ref.uid})}
    watch_tags = Watch(world.inbox, known, tags=frozenset({"orders"}))
    cursor = world.connector.changes(None, watch_tags).cursor
    assert world.connector.changes(cursor, watch_tags).tagged == ()
    steps = [(world.agent, "Orders"), (rt_people["robot"], "Travel")]
    told = []
    for person, value in steps:
        person.change(seen.ref.uid, CustomFields={"Labels": [value]})
        changes = world.connector.changes(cursor, watch_tags)
        told += changes.tagged
        cursor = changes.cursor
    world.connector.apply(seen.ref, seen.identity, Tag(frozenset({"ours"}), frozenset({"Travel"})), ignore)
    changes = world.connector.changes(cursor, watch_tags)
    told += changes.tagged
    assert told == [
        Tagged(seen.ref, frozenset({"Orders"}), by="agent"),
        Tagged(seen.ref, frozenset({"Travel"}), by_program=True),
        Tagged(seen.ref, frozenset({"ours"}), by_program=True),
    ]
    world.agent.change(seen.ref.uid, CustomFields={"Category": "VIP"})
    [other] = world.connector.changes(changes.cursor, watch_tags).tagged
    assert other == Tagged(seen.ref, frozenset({"ours"})), "another field's change is nobody's tag"
    every = Watch(world.inbox, known, tags=frozenset({"orders"}), every_tag=True)
    assert world.connector.changes(changes.cursor, every).tagged == (Tagged(seen.ref, frozenset({"ours"})),)


def test_people_s_tags_are_found_and_ours_are_not(world: RtWorld, rt_people: dict[str, RtPerson]) -> None:
    for subject in ("agent's", "robot's", "ours", "another"):
        world.deliver(subject)
    world.agent.change(world.number("agent's"), CustomFields={"Labels": ["It's", "more"]})
    rt_people["robot"].change(world.number("robot's"), CustomFields={"Labels": ["It's"]})
    world.agent.change(world.number("another"), CustomFields={"Labels": ["more"]})
    seen = find(world, "ours")
    world.connector.apply(seen.ref, seen.identity, Tag(frozenset({"It's"})), ignore)
    found = world.connector.tagged_by_people(world.inbox, "It's", 9)
    assert [(one.ref.uid, one.by) for one in found] == [(world.number("agent's"), "agent")]


def test_tags_that_are_there_already_are_not_written_again(world: RtWorld) -> None:
    _, seen = arrive(world, "Invoice 7")
    action = Tag(add=frozenset({"invoice"}))
    world.connector.apply(seen.ref, seen.identity, action, ignore)
    assert world.connector.apply(seen.ref, seen.identity, action, refuse) == seen.ref


@pytest.mark.parametrize("tag_field", ["Nope", None])
def test_tags_without_a_field_for_them_are_refused(world: RtWorld, tag_field: str | None) -> None:
    _, seen = arrive(world, "Invoice 7")
    connector = world.another(tag_field=tag_field)
    with pytest.raises(ActionRefused, match="has no"):
        connector.apply(seen.ref, seen.identity, Tag(add=frozenset({"invoice"})), refuse)
    assert only(world.connector, world.inbox).flags == frozenset()


def test_no_error_names_what_is_in_the_mail(world: RtWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """RT of another version may send what we cannot read: the message names fields only."""
    world.deliver("Invoice 7")
    monkeypatch.setitem(rest2._TICKET_FIELDS, "fields", "Subject,Queue,Status,Creator,Requestor")
    with pytest.raises(Unexplained, match="Created") as caught:
        world.connector.newest(world.inbox, 5)
    assert isinstance(caught.value, ConnectorError)
    assert "Invoice" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_account_that_would_send_its_token_unprotected_is_refused_at_once() -> None:
    account = RequestTrackerAccount("support", "http://rt.example.org", pytest.fail, "General")
    with pytest.raises(SetupWrong, match="unprotected"):
        RequestTrackerConnector(account)
