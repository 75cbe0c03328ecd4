"""Sort the new messages whose time has come.

    due messages | fetch | decide (daemon.passes.decide) | decision and plan, in one transaction | act

In shadow everything happens but the move. For a batch the database is asked three times, whatever its size: what is
due, which model is in use, and all that the decisions need. A message that stays costs one transaction that writes.
One that moves costs one for decision and intent, one for each step that the connector announces, and one for the
outcome: the journal's promise is that each of them is committed before the next command is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from connectors.base import Action, Message, Move, Tag
from daemon.passes.act import act
from daemon.passes.decide import Asked, decisions_about
from daemon.passes.desk import Desk
from daemon.passes.folder_list import review_folder
from daemon.rules.decision import Decision, Policy
from daemon.rules.tags import keyword
from daemon.store import decisions, journal, mailboxes, messages
from daemon.store.database import Tx
from daemon.store.records import Category, KnownMessage, KnownSighting, Mailbox

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
class _Batch:
    """What is due now, and what holds for all of it. `review`: where unsure mail is to wait; None: where it is."""

    mailbox: Mailbox
    review: str | None
    due: Sequence[tuple[KnownMessage, KnownSighting]]


def sort(desk: Desk) -> Sorted:
    """Sort what is due, in batches, until nothing is left or somebody says stop."""
    result = Sorted()
    while not desk.stop():
        with desk.database.read() as tx:
            batch = _next_batch(tx, desk)
        if not batch.due or not _sort_batch(desk, batch, result):
            break
    return result


def _next_batch(tx: Tx, desk: Desk) -> _Batch:
    limit = min(BATCH, _allowance(tx, desk))
    due = messages.due(tx, desk.mailbox_id, desk.settings.inbox, desk.clock(), limit)
    return _Batch(mailboxes.get(tx, desk.mailbox_id), review_folder(tx, desk) if due else None, due)


def _allowance(tx: Tx, desk: Desk) -> int:
    """How many more messages may be moved now: the breaker against a run-away."""
    recent = journal.done_since(tx, desk.mailbox_id, desk.clock() - timedelta(minutes=1))
    return max(0, desk.sorting.max_moves_per_minute - recent)


def _sort_batch(desk: Desk, batch: _Batch, result: Sorted) -> bool:
    """Sort one batch. False if the batch was not finished, so that nobody asks for the next one."""
    fetched = {message.sighting.ref: message for message in desk.connector.fetch([place.ref for _, place in batch.due])}
    found = [(known, place, fetched[place.ref]) for known, place in batch.due if place.ref in fetched]
    decided = decisions_about(desk, [Asked(message, known) for known, _, message in found])
    made = {place.id: decision for (_, place, _), decision in zip(found, decided.made, strict=True)}
    for known, place in batch.due:
        if desk.stop():
            return False
        if place.id not in made:  # gone since the last look, which the next one will tell
            with desk.database.begin() as tx:
                messages.set_state(tx, known.id, "gone")
            result.count("gone")
            continue
        message = fetched[place.ref]
        result.count(_carry_out(desk, batch, known, place, message, decided.policy, made[place.id]))
    return True


def _carry_out(
    desk: Desk,
    batch: _Batch,
    known: KnownMessage,
    place: KnownSighting,
    message: Message,
    policy: Policy,
    decision: Decision,
) -> str:
    """Write the decision down and act on it. Returns the outcome's name."""
    category = policy.categories[decision.category] if decision.category is not None else None
    action = _action(desk, batch, category) if batch.mailbox.mode == "live" else None
    now = desk.clock()
    with desk.database.begin() as tx:
        decision_id = decisions.add(
            tx,
            known.id,
            now,
            category=decision.category,
            best=decision.best,
            probability=decision.probability,
            runner_up=decision.runner_up,
            runner_up_probability=decision.runner_up_probability,
            source=decision.source,
            reason=decision.reason,
            model=policy.model,
            mode=batch.mailbox.mode,
        )
        if action is None:
            messages.set_state(tx, known.id, "sorted" if category is not None else "left")
        else:
            entry = journal.plan(tx, known.id, place.ref, action, now, decision=decision_id, kind="sort")
    outcome = "would-file" if category is not None else "left"
    if action is not None:
        outcome = act(desk, known.id, place, message.sighting.identity, action, entry).status
    log.info(
        "sorted",
        mailbox=desk.settings.name,
        message=known.id,
        status=outcome,
        category=decision.category,
        source=decision.source,
        probability=None if decision.probability is None else round(decision.probability, 3),
        model=policy.model,
    )
    return outcome


def _action(desk: Desk, batch: _Batch, category: Category | None) -> Action | None:
    if category is None:
        return Move(batch.review) if batch.review is not None else None
    if desk.settings.act_by == "tag":
        return Tag(add=frozenset({keyword(category.name)}))
    return Move(category.folder)
