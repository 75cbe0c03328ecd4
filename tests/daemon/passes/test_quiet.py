"""A pass in which nothing changed: it only looks, in few transactions, and the database hears of it now and then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from connectors.base import Changes, Watch
from daemon.passes.correct import COPY_RESTS
from daemon.passes.one_pass import one_pass
from daemon.rules.schedule import POLLED_SLACK
from daemon.settings import SortingSettings
from daemon.store import mailboxes
from daemon.store.mailboxes import QUIET_NOTE
from daemon.store.records import Mailbox
from tests.daemon.passes.test_pipeline import Office, make_office, office
from tests.daemon.store.test_database import held_by_another

__all__ = ["make_office", "office"]

FEW = 3
"""What the look is to look for; which messages are known, for this connector always asks; whether anything is to be
done after it."""
QUESTIONS = 11
SOON = timedelta(seconds=20)


@contextmanager
def statements(of: Office) -> Iterator[list[str]]:
    """What is said to the database meanwhile."""
    said: list[str] = []

    def hear(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        said.append(statement.split("\n")[0])

    engine = of.database._engine
    event.listen(engine, "before_cursor_execute", hear)
    yield said
    event.remove(engine, "before_cursor_execute", hear)


def known(of: Office) -> Mailbox:
    with of.database.read() as tx:
        return mailboxes.everyone(tx)[0]


def polled(of: Office) -> datetime:
    found = known(of).polled
    assert found is not None
    return found


def quiet_office(make: Callable[..., Office]) -> Office:
    """With mail that was filed, mail that was left, and a correction that has been learnt: all is done."""
    made = make(sorting={"settle": timedelta(seconds=30)})
    for subject in ("invoice 1", "puzzle 1", "order 1"):
        made.deliver(subject)
    one_pass(made.desk)
    made.clock.advance(minutes=3)
    one_pass(made.desk)
    made.box.move_by_person(made.ref_of("puzzle 1"), "Orders")
    made.settle()
    one_pass(made.desk)
    return made


def test_a_quiet_pass_writes_nothing_and_begins_few_transactions(make_office: Callable[..., Office]) -> None:
    office = quiet_office(make_office)
    office.clock.now += SOON
    with statements(office) as said:
        done = one_pass(office.desk)
    assert done.sorted.outcomes == {}
    begun = [statement for statement in said if statement.startswith("BEGIN")]
    assert set(begun) == {"BEGIN"}, "none that takes the write lock"
    assert len(begun) <= FEW
    assert len([statement for statement in said if statement.startswith("SELECT")]) <= QUESTIONS
    assert {statement.split()[0] for statement in said} <= {"BEGIN", "PRAGMA", "SELECT"}


def test_which_messages_are_known_is_read_when_a_connector_asks_for_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing changed none has to, and a mailbox may have tens of thousands."""
    changes, read = office.box.changes, []

    def asks(cursor: str | None, watch: Watch) -> Changes:
        with statements(office) as said:
            assert set(watch.known) == {"INBOX", "Invoices", "Orders"}
            assert ("Elsewhere" in watch.known, len(watch.known)) == (False, 3)
            assert said == []
            read.append(watch.known["INBOX"])
            assert watch.known.get("Elsewhere") is None
            assert len([statement for statement in said if statement.startswith("SELECT")]) == 1
        return changes(cursor, watch)

    office.deliver("puzzle 1")
    one_pass(office.desk)
    monkeypatch.setattr(office.box, "changes", asks)
    one_pass(office.desk)
    assert [len(uids) for uids in read] == [1]


def test_a_quiet_pass_does_not_mind_that_another_process_writes(make_office: Callable[..., Office]) -> None:
    office = quiet_office(make_office)
    office.clock.now += SOON
    with held_by_another(office.place):
        assert one_pass(office.desk).looked.new == 0


def test_a_quiet_mailbox_is_noted_every_few_minutes(office: Office) -> None:
    first = polled(office)
    for _ in range(3):
        office.clock.now += QUIET_NOTE / 4
        one_pass(office.desk)
        assert polled(office) == first
    office.clock.now += QUIET_NOTE / 4
    one_pass(office.desk)
    assert polled(office) == office.clock.now
    office.clock.now -= timedelta(hours=2)  # a clock is put right
    one_pass(office.desk)
    assert polled(office) == office.clock.now


def test_most_polls_of_a_quiet_mailbox_write_nothing_and_it_is_not_called_late_for_it() -> None:
    assert 3 * SortingSettings().poll < QUIET_NOTE < POLLED_SLACK


def test_mail_and_moves_are_noted_at_once(office: Office) -> None:
    office.deliver("puzzle 1")
    office.clock.now += SOON
    one_pass(office.desk)
    assert polled(office) == office.clock.now == known(office).last_arrival


def test_the_first_look_of_a_process_is_noted(office: Office) -> None:
    office.desk.looked = None
    office.clock.now += SOON
    one_pass(office.desk)
    assert polled(office) == office.clock.now


def test_trouble_that_is_over_is_cleared_by_the_next_look(office: Office) -> None:
    with office.database.begin() as tx:
        mailboxes.looked(tx, office.desk.mailbox_id, office.clock(), trouble="the server does not answer")
    office.clock.now += SOON
    one_pass(office.desk)
    assert known(office).trouble is None


def test_a_copy_is_known_after_the_next_look_also_where_that_look_was_not_noted(
    make_office: Callable[..., Office],
) -> None:
    office = make_office(sorting={"settle": SOON})
    office.deliver("puzzle 1")
    one_pass(office.desk)
    office.clock.advance(minutes=3)
    one_pass(office.desk)
    office.box.copy_by_person(office.ref_of("puzzle 1"), "Orders")
    office.clock.now += SOON
    one_pass(office.desk)
    office.clock.now += COPY_RESTS
    for _ in range(2):
        office.clock.now += SOON
        one_pass(office.desk)
    with office.database.read() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM messages").scalar() == 2
