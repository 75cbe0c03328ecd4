"""Request Tracker's history read as moves: pure functions, no server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import MessageRef, Watch
from connectors.request_tracker.history import (
    Cursor,
    HighWater,
    QueueChange,
    TicketMove,
    is_person,
    last_changes,
    others_moves,
    vanished_refs,
)
from connectors.request_tracker.queues import as_mail, first_mail
from connectors.request_tracker.rest2 import Attachment, Transaction, User, login_headers

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
INBOX, BILLING, TECH = 1, 3, 4
NAMES = {INBOX: "Inbox", BILLING: "Billing", TECH: "Tech"}


def change(number: int, old: int | None, new: int | None, by: str = "agent", ticket: int = 7) -> QueueChange:
    return QueueChange(number, ticket, old, new, by, NOON + timedelta(seconds=number))


def move(queue: int | None, by: str | None = "agent", ticket: int = 7) -> TicketMove:
    return TicketMove(ticket, queue, by, NOON)


def test_a_move_by_a_person_is_told_with_author_and_time() -> None:
    assert others_moves([change(1, INBOX, BILLING)], own="bot") == [
        TicketMove(7, BILLING, "agent", NOON + timedelta(seconds=1))
    ]


def test_our_own_moves_are_left_out_however_our_name_is_spelt() -> None:
    assert others_moves([change(1, INBOX, BILLING, by="Bot")], own="bot") == []


def test_a_correction_in_the_same_batch_as_our_move_counts_from_where_we_put_it() -> None:
    steps = [change(1, INBOX, BILLING, by="bot"), change(2, BILLING, INBOX)]
    assert [(one.ticket, one.queue) for one in others_moves(steps, own="bot")] == [(7, INBOX)]


def test_the_last_of_several_moves_counts_whatever_their_order_in_the_answer() -> None:
    steps = [change(3, TECH, BILLING, by="boss"), change(1, INBOX, BILLING), change(2, BILLING, TECH)]
    assert [(one.queue, one.by) for one in others_moves(steps, own="bot")] == [(BILLING, "boss")]


def test_there_and_back_is_no_move() -> None:
    assert others_moves([change(1, INBOX, BILLING), change(2, BILLING, INBOX)], own="bot") == []


@pytest.mark.parametrize("by", ["RT_System", "robot", "ROBOT"])
def test_automation_moves_without_a_name(by: str) -> None:
    assert [one.by for one in others_moves([change(1, INBOX, BILLING, by=by)], "bot", {"Robot"})] == [None]


def test_a_person_after_automation_has_the_last_word() -> None:
    steps = [change(1, INBOX, BILLING, by="robot"), change(2, BILLING, TECH)]
    assert [(one.queue, one.by) for one in others_moves(steps, "bot", {"robot"})] == [(TECH, "agent")]


def test_a_ticket_that_was_moved_and_then_deleted_is_out_of_sight() -> None:
    assert [one.queue for one in others_moves([change(1, INBOX, BILLING), change(2, None, None)], own="bot")] == [None]


def test_who_put_a_ticket_where_it_lies_is_the_last_who_did_so() -> None:
    steps = [change(3, INBOX, BILLING, by="bot"), change(1, INBOX, BILLING), change(2, TECH, BILLING, ticket=8)]
    assert {one.ticket: one.by for one in last_changes(steps).values()} == {7: "bot", 8: "agent"}


@pytest.mark.parametrize(
    ("name", "person"), [("agent", True), ("Bot", False), ("RT_System", False), ("ROBOT", False), ("robots", True)]
)
def test_a_person_is_neither_we_nor_automation(name: str, person: bool) -> None:
    assert is_person(name, "bot", {"Robot"}) is person


def test_tickets_do_not_mix() -> None:
    steps = [change(1, INBOX, BILLING, ticket=7), change(2, BILLING, INBOX, ticket=8)]
    assert {one.ticket: one.queue for one in others_moves(steps, own="bot")} == {7: BILLING, 8: INBOX}


def test_only_places_where_we_know_the_ticket_vanish() -> None:
    watch = Watch("Inbox", {"Inbox": frozenset({7}), "Billing": frozenset({8}), "Tech": frozenset()})
    moves = [move(BILLING, ticket=7), move(BILLING, ticket=8), move(None, ticket=9)]
    assert vanished_refs(moves, NAMES, watch) == (MessageRef("Inbox", 0, 7),)


def test_a_move_to_a_queue_that_we_cannot_see_vanishes() -> None:
    watch = Watch("Inbox", {"Inbox": frozenset({7})})
    assert vanished_refs([move(99)], NAMES, watch) == (MessageRef("Inbox", 0, 7),)
    assert vanished_refs([move(None)], NAMES, watch) == (MessageRef("Inbox", 0, 7),)


# Marks


def test_a_mark_remembers_what_it_saw_just_below() -> None:
    mark = HighWater().advance([5, 9, 60], back=50)
    assert (mark.last, sorted(mark.recent), mark.start(50)) == (60, [60], 10)
    assert HighWater().start(50) == 0


def test_what_was_met_elsewhere_is_remembered_without_raising_the_mark() -> None:
    mark = HighWater(10, frozenset({10})).advance([], back=50, also=[40])
    assert (mark.last, sorted(mark.recent)) == (10, [10, 40])


def test_a_mark_does_not_change_when_nothing_happens() -> None:
    mark = HighWater().advance([5, 9, 60], back=50)
    assert mark.advance([60], back=50) == mark


@given(
    order=st.permutations(range(1, 31)),
    cuts=st.lists(st.integers(0, 30), max_size=5),
)
def test_ids_that_become_visible_late_are_seen_once_and_never_missed(order: list[int], cuts: list[int]) -> None:
    mark, seen = HighWater(), []
    for cut in [*sorted(cuts), 30]:
        listed = sorted(one for one in order[:cut] if one > mark.start(30))
        seen += [one for one in listed if one not in mark.recent]
        mark = mark.advance(listed, back=30)
    assert sorted(seen) == list(range(1, 31))


@given(
    st.builds(
        Cursor,
        *[st.builds(HighWater, st.integers(0, 10**9), st.frozensets(st.integers(0, 10**9), max_size=5))] * 2,
    )
)
def test_a_cursor_survives_being_saved(cursor: Cursor) -> None:
    assert Cursor.load(cursor.dump()) == cursor


@given(st.text())
def test_any_other_text_is_no_cursor(text: str) -> None:
    assert Cursor.load(text) is None


@pytest.mark.parametrize(
    "text",
    [
        None,
        "null",
        "7",
        "[]",
        "{}",
        '{"tickets": [], "changes": []}',
        '{"tickets": [1]}',
        '{"tickets": [true], "changes": [1]}',
        '{"tickets": ["1"], "changes": [1]}',
        '{"tickets": 1, "changes": 1}',
        "[" * 100_000,
    ],
)
def test_a_cursor_of_another_kind_is_none(text: str | None) -> None:
    assert Cursor.load(text) is None


# What RT sends


def transaction(**fields: object) -> Transaction:
    sent = {"id": "71", "ObjectId": "7", "Creator": {"id": "agent"}, "Created": "2026-11-22T12:00:00Z", **fields}
    return Transaction.model_validate(sent)


def test_a_change_of_queue_is_read_from_strings() -> None:
    line = transaction(Type="Set", OldValue="1", NewValue="3")
    assert line.queue_change() == QueueChange(71, 7, 1, 3, "agent", NOON)


def test_a_deletion_and_a_merge_are_out_of_sight() -> None:
    deleted = transaction(Type="Status", OldValue="new", NewValue="deleted").queue_change()
    merged = transaction(Type="AddLink", OldValue=None, NewValue="fsck.com-rt://office.test/ticket/17").queue_change()
    assert deleted is not None
    assert merged is not None
    assert (deleted.new, merged.new) == (None, None)


def test_the_survivor_of_a_merge_stays_where_it_is() -> None:
    assert transaction(Type="AddLink", NewValue="fsck.com-rt://office.test/ticket/7").queue_change() is None


def test_a_user_is_written_as_in_a_mail() -> None:
    nameless = {"id": "ann@example.org", "RealName": "", "EmailAddress": None}
    named = {"id": "ann", "RealName": "Ann Lee", "EmailAddress": "ann@example.org"}
    assert str(User.model_validate(nameless)) == "ann@example.org"
    assert str(User.model_validate(named)) == "Ann Lee <ann@example.org>"


def part(number: int, transaction: int, kind: str, name: str = "", headers: str = "") -> Attachment:
    sent = {"id": number, "TransactionId": transaction, "ContentType": kind, "Filename": name, "Headers": headers}
    return Attachment.model_validate(sent)


def test_plain_text_of_the_first_transaction_is_the_mail() -> None:
    top = part(1, 51, "multipart/mixed", headers="To: help@office.test")
    html, plain = part(2, 51, "text/html"), part(3, 51, "text/plain")
    file, answer = part(4, 51, "text/plain", "notes.txt"), part(5, 60, "text/plain")
    assert first_mail([answer, file, plain, html, top]) == (plain, [file], "To: help@office.test")
    assert first_mail([top, html]) == (html, [], "To: help@office.test")
    assert first_mail([file]) == (None, [file], "")
    assert first_mail([]) == (None, [], "")


def test_a_ticket_becomes_the_mail_that_it_was() -> None:
    headers = (
        'Subject: Grüße\nTo: a@b.test,\n c@d.test\nContent-Type: multipart/mixed;\n boundary="x"\nContent-Length: 9'
    )
    mail = as_mail(headers, "text/html", "<p>Grüße</p>").decode()
    head, _, body = mail.partition("\n\n")
    assert body == "<p>Grüße</p>"
    assert "c@d.test" in head
    assert "multipart" not in head
    assert "content-type: text/html; charset=utf-8" in head


def test_login_headers_are_basic_with_a_user_and_a_token_without() -> None:
    assert login_headers("support", None, "1-27-abc") == {"Authorization": "token 1-27-abc"}
    assert login_headers("support", "bot", "ü") == {"Authorization": "Basic Ym90OsO8"}
