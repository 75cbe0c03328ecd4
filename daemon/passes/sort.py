"""Sort the new messages whose time has come.

    due messages | fetch, read files (daemon.passes.read_papers) | decide (daemon.passes.decide)
                 | decision and plan, in one transaction | act

In shadow everything happens but the move. For a batch the database is asked three times, whatever its size: what is
due, which model is in use, and all that the decisions need. What people say while it is worked on (`pause`, `shadow`,
a lesson, a folder) is heeded from the next message on. A message that stays costs one transaction that writes.
One that moves costs one for decision and intent, one for each step that the connector announces, and one for the
outcome: the journal's promise is that each of them is committed before the next command is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from connectors.base import Action, Move, Tag
from daemon.passes.act import act
from daemon.passes.decide import Asked, decisions_about
from daemon.passes.desk import Desk
from daemon.passes.folder_list import review_folder
from daemon.passes.read_papers import ReadMessage, fetch_read
from daemon.rules.decision import NOT_OURS, Decision, Policy, forbidding_flags
from daemon.rules.tags import in_use
from daemon.store import decisions, journal, learning, mailboxes, messages, withheld
from daemon.store.counting import Counting, counting
from daemon.store.database import Tx
from daemon.store.message_names import in_log
from daemon.store.records import Category, KnownMessage, KnownSighting, Mode, ReadFile

log = structlog.get_logger()

BATCH = 16
"""Messages fetched and classified together: enough to use a batch, few enough to stop soon."""


@dataclass
class Sorted:
    """What one round of sorting did, by outcome."""

    outcomes: dict[str, int] = field(default_factory=dict)

    def count(self, outcome: str) -> None:
        """One more."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1


@dataclass(frozen=True)
class _Said:
    """What people have said that decisions rest on. `review`: where unsure mail is to wait; None: where it is."""

    mode: Mode
    held: bool
    review: str | None
    categories: Sequence[Category]
    lessons: tuple[int, int]
    stands: Counting
    """As what the lessons of twin folders count."""


@dataclass(frozen=True)
class _Batch:
    """What is due now, and what holds for all of it."""

    said: _Said
    due: Sequence[tuple[KnownMessage, KnownSighting]]


def sort(desk: Desk) -> Sorted:
    """Sort what is due, in batches, until nothing is left, somebody says stop, or the mailbox is paused."""
    result = Sorted()
    while not desk.stop():
        with desk.database.read() as tx:
            batch = _next_batch(tx, desk)
        if not batch.due or not _sort_batch(desk, batch, result):
            break
    return result


def has_due(tx: Tx, desk: Desk) -> bool:
    """Is there mail to sort?"""
    return bool(messages.due(tx, desk.mailbox_id, desk.settings.inbox, desk.clock(), 1))


def _next_batch(tx: Tx, desk: Desk) -> _Batch:
    said = _said(tx, desk)
    limit = 0 if said.held else min(BATCH, _allowance(tx, desk))
    return _Batch(said, messages.due(tx, desk.mailbox_id, desk.settings.inbox, desk.clock(), limit))


def _said(tx: Tx, desk: Desk) -> _Said:
    mailbox = mailboxes.get(tx, desk.mailbox_id)
    return _Said(
        mailbox.mode,
        mailbox.paused is not None or mailbox.stopped is not None,
        review_folder(tx, desk),
        mailboxes.categories(tx, desk.mailbox_id),
        learning.lesson_state(tx, desk.mailbox_id),
        counting(tx, desk.mailbox_id),
    )


def _allowance(tx: Tx, desk: Desk) -> int:
    """How many more messages may be moved now: the breaker against a run-away."""
    now = desk.clock()
    recent = journal.done_between(tx, desk.mailbox_id, now - timedelta(minutes=1), now)
    return max(0, desk.sorting.max_moves_per_minute - recent)


def _sort_batch(desk: Desk, batch: _Batch, result: Sorted) -> bool:
    """Sort one batch. False if the batch was not finished, so that nobody asks for the next one.

    What somebody says meanwhile counts from the next message on: the rest is due still, and is decided about anew.
    """
    fetched = {read.message.sighting.ref: read for read in fetch_read(desk, [place.ref for _, place in batch.due])}
    lacking = [place.ref for _, place in batch.due if place.ref not in fetched]
    not_given = desk.connector.withheld(lacking) if lacking else {}
    found = [(known, place, fetched[place.ref]) for known, place in batch.due if place.ref in fetched]
    decided = decisions_about(desk, [Asked(read.message, known) for known, _, read in found])
    made = {place.id: decision for (_, place, _), decision in zip(found, decided.made, strict=True)}
    for known, place in batch.due:
        if desk.stop():
            return False
        if place.id not in made:
            result.count(_not_fetched(desk, known, place, not_given.get(place.ref)))
            continue
        outcome = _carry_out(desk, batch.said, known, place, fetched[place.ref], decided.policy, made[place.id])
        if outcome is None:
            break
        result.count(outcome)
    return bool(made) or not not_given  # a server that gives nothing is not asked for the next ones at once


def _not_fetched(desk: Desk, known: KnownMessage, place: KnownSighting, why: str | None) -> str:
    """`why`: it is there, and the server does not give it; None: it is gone. Returns the outcome's name."""
    now = desk.clock()
    with desk.database.begin() as tx:
        if why is None:  # which the next look will tell
            messages.set_state(tx, known.id, "gone")
            decisions.add_remark(tx, known.id, now, f"not touched: {NOT_OURS['gone']}")
            return "gone"
        held = withheld.note(tx, desk.mailbox_id, place.ref, why, now, message=known.id)
        messages.set_state(tx, known.id, "left" if held.again is None else "new", due=held.again)
        if held.again is None:
            remark = f"not touched: the server did not give it in {held.tries} tries. {why}"
            decisions.add_remark(tx, known.id, now, remark)
    log.warning("withheld", mailbox=desk.settings.name, **in_log(known.identity, place.ref), tries=held.tries)
    return "withheld"


def _carry_out(
    desk: Desk,
    said: _Said,
    known: KnownMessage,
    place: KnownSighting,
    read: ReadMessage,
    policy: Policy,
    decision: Decision,
) -> str | None:
    """Write the decision down and act on it. Returns the outcome's name; None: people have said something else since,
    and nothing was done."""
    category = policy.categories[decision.category] if decision.category is not None else None
    unsure = category is None and decision.source not in ("rule", "owner")
    mode = said.mode if category is None or category.mode is None else category.mode
    action = _action(desk, said, category) if mode == "live" and (unsure or category is not None) else None
    now = desk.clock()
    with desk.database.begin() as tx:
        if _said(tx, desk) != said:
            return None
        withheld.of_message_given(tx, known.id)
        decision_id = write_down(tx, known.id, now, decision, policy.model, mode, read.files)
        if action is None:
            messages.set_state(tx, known.id, "sorted" if category is not None else "left")
        else:
            entry = journal.plan(tx, known.id, place.ref, action, now, decision=decision_id, kind="sort")
    outcome = "would-file" if category is not None else "left"
    if action is not None:
        forbidden = forbidding_flags(desk.sorting) | in_use(said.categories).keys()
        outcome = act(desk, known.id, place, read.message.sighting.identity, action, entry, forbidden).status
    log.info(
        "sorted",
        mailbox=desk.settings.name,
        **in_log(known.identity, place.ref),
        status=outcome,
        category=decision.category,
        source=decision.source,
        probability=None if decision.probability is None else round(decision.probability, 3),
        model=policy.model,
    )
    return outcome


def write_down(
    tx: Tx,
    message: int,
    now: datetime,
    decision: Decision,
    model: str | None,
    mode: Mode,
    files: Sequence[ReadFile] = (),
) -> int:
    """Store what was decided about a message, by which model in use and which of its files. Returns the stored
    decision's id."""
    return decisions.add(
        tx,
        message,
        now,
        category=decision.category,
        best=decision.best,
        probability=decision.probability,
        runner_up=decision.runner_up,
        runner_up_probability=decision.runner_up_probability,
        source=decision.source,
        reason=decision.reason,
        model=model,
        mode=mode,
        hint=decision.hint,
        sureness=decision.sureness,
        files=files,
    )


def _action(desk: Desk, said: _Said, category: Category | None) -> Action | None:
    if category is None:
        return Move(said.review) if said.review is not None else None
    if desk.settings.act_by == "tag":
        assert category.tag is not None
        return Tag(add=frozenset({category.tag}))
    return Move(category.folder)
