"""What sorting costs the database: few questions a batch, and for each message as many commits as the journal needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from daemon.passes.one_pass import one_pass
from daemon.passes.sort import BATCH, sort
from daemon.store import journal
from tests.daemon.passes.test_pipeline import Office, make_office, office
from tests.daemon.passes.test_quiet import statements

__all__ = ["make_office", "office"]

READS_A_BATCH = 2
"""What is due, and all that the decisions need. The real registry asks once more which model is in use."""
READS_AT_THE_END = 1
"""Nothing is due any more."""


def sorted_at_a_cost(office: Office, *subjects: str) -> tuple[dict[str, int], Counter[str]]:
    """What became of these mails, and how many transactions that looked or wrote were begun for it."""
    for number, subject in enumerate(subjects):
        office.deliver(f"{subject} {number}", body=f"{subject} number {number}, please see to it")
    one_pass(office.desk)
    office.clock.advance(minutes=3)
    with statements(office) as said:
        done = sort(office.desk)
    return done.outcomes, Counter(statement for statement in said if statement.startswith("BEGIN"))


def test_mail_that_stays_is_written_once_and_a_batch_is_read_twice(office: Office) -> None:
    outcomes, begun = sorted_at_a_cost(office, *["puzzle"] * BATCH)
    assert outcomes == {"left": BATCH}
    assert begun == {"BEGIN": READS_A_BATCH + READS_AT_THE_END, "BEGIN IMMEDIATE": BATCH}


def test_a_second_batch_is_read_as_often_again(office: Office) -> None:
    _, begun = sorted_at_a_cost(office, *["puzzle"] * (BATCH + 1))
    assert begun == {"BEGIN": 2 * READS_A_BATCH + READS_AT_THE_END, "BEGIN IMMEDIATE": BATCH + 1}


def test_a_move_is_committed_as_intent_before_its_one_command_and_as_outcome(office: Office) -> None:
    outcomes, begun = sorted_at_a_cost(office, *["invoice"] * 5)
    assert outcomes == {"done": 5}
    assert begun == {"BEGIN": READS_A_BATCH + READS_AT_THE_END, "BEGIN IMMEDIATE": 3 * 5}


def test_in_shadow_all_mail_is_written_once(make_office: Callable[..., Office]) -> None:
    outcomes, begun = sorted_at_a_cost(make_office(mode="shadow"), "invoice", "puzzle", "order")
    assert outcomes == {"would-file": 2, "left": 1}
    assert begun["BEGIN IMMEDIATE"] == 3


def test_the_intent_is_committed_before_the_first_command_and_the_step_before_its_own(office: Office) -> None:
    """Looked at from a second connection, which sees only what is committed."""
    seen: list[tuple[str, str]] = []
    apply = office.box.apply

    def look(when: str) -> None:
        with office.database.read() as tx:
            since = office.clock() - timedelta(hours=1)
            [entry] = journal.unfinished(tx, office.desk.mailbox_id) or journal.ended_since(
                tx, office.desk.mailbox_id, since
            )
        seen.append((when, entry.state))

    def watched(ref, identity, action, note, unless):  # type: ignore[no-untyped-def]
        look("called")

        def noted(progress):  # type: ignore[no-untyped-def]
            note(progress)
            look("announced")

        landed = apply(ref, identity, action, noted, unless)
        look("acted")
        return landed

    office.box.apply = watched  # type: ignore[method-assign]
    sorted_at_a_cost(office, "invoice")
    look("ended")
    assert seen == [("called", "planned"), ("announced", "sent"), ("acted", "sent"), ("ended", "done")]
