"""Do one thing to one message: write the intent, act, verify, write the outcome. And after a crash: finish or
explain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import structlog

from connectors.base import Action, Identity, MessageRef, Progress, Recovered, Tag, Unfinished
from connectors.errors import ActionRefused, FolderMissing, MessageGone, MessageTouched, Unexplained, Unreachable
from daemon.passes.desk import Desk
from daemon.passes.tagging import record_ours
from daemon.store import decisions, journal, messages
from daemon.store.database import Tx
from daemon.store.message_names import in_log
from daemon.store.records import JournalEntry, KnownSighting

log = structlog.get_logger()

MOST_CUT_SHORT = 2
"""So often a message may be tried whose action ended in nobody knew what. A crash of ours does not count."""
MOST_UNCLEAR = 5
"""So often it is asked what became of one action."""


@dataclass(frozen=True)
class Acted:
    """How an action ended. `where` is the message's place now, if that is known."""

    status: Literal["done", "gone", "touched", "refused", "unclear"]
    where: MessageRef | None
    explanation: str | None = None


def act(
    desk: Desk,
    message: int,
    sighting: KnownSighting,
    identity: Identity,
    action: Action,
    entry: int,
    unless: frozenset[str] = frozenset(),
) -> Acted:
    """Carry out the journal's entry, unless the message carries one of these flags by now.

    Raises Unreachable and NeedsPerson; `recover` then finds out what happened.
    """

    def note(progress: Progress) -> None:
        with desk.database.begin() as tx:
            journal.note(tx, entry, progress)

    try:
        landed = desk.connector.apply(sighting.ref, identity, action, note, unless)
    except MessageGone as error:
        return _failed(desk, entry, message, Acted("gone", None, str(error)))
    except MessageTouched as error:
        return _failed(desk, entry, message, Acted("touched", sighting.ref, str(error)))
    except (FolderMissing, ActionRefused) as error:
        return _failed(desk, entry, message, Acted("refused", sighting.ref, str(error)))
    except Unexplained as error:
        log.warning("unexplained", mailbox=desk.settings.name, **in_log(identity, sighting.ref), entry=entry)
        with desk.database.begin() as tx:
            journal.unclear(tx, entry)
        return Acted("unclear", None, str(error))  # the entry stays open: the next pass asks `recover`
    except Unreachable:
        with desk.database.begin() as tx:
            journal.unclear(tx, entry)
        raise
    with desk.database.begin() as tx:
        journal.end(tx, entry, "done", desk.clock(), landed=landed, explanation=None)
        _moved(tx, desk, message, sighting.ref, landed)
        if isinstance(action, Tag):
            record_ours(tx, desk, message, action)
        messages.set_state(tx, message, "sorted")
    return Acted("done", landed)


def _failed(desk: Desk, entry: int, message: int, acted: Acted) -> Acted:
    with desk.database.begin() as tx:
        journal.end(tx, entry, "failed", desk.clock(), landed=acted.where, explanation=acted.explanation)
        messages.set_state(tx, message, "gone" if acted.status == "gone" else "left")
    return acted


def _moved(tx: Tx, desk: Desk, message: int, old: MessageRef, new: MessageRef) -> None:
    if old == new:
        return
    now = desk.clock()
    messages.mark_gone(tx, desk.mailbox_id, [old], now)
    seen = messages.sighting_at(tx, desk.mailbox_id, new)
    if seen is not None:  # a running service looked while this command acted
        messages.mark_ours(tx, seen.id)
    else:
        messages.add_sighting(tx, desk.mailbox_id, message, new, now, ours=True, who=None, judged=True)


def recover(desk: Desk) -> int:
    """Finish or explain every action that was cut short. Returns how many there were."""
    with desk.database.read() as tx:
        open_entries = journal.unfinished(tx, desk.mailbox_id)
    for entry in open_entries:
        _recover_one(desk, entry)
    return len(open_entries)


def _recover_one(desk: Desk, entry: JournalEntry) -> None:
    with desk.database.read() as tx:
        identity = messages.get(tx, entry.message).identity
    if entry.state == "planned":  # nothing was sent: the plan row is all there is
        recovered = Recovered("undone", entry.ref, "Nothing had been sent.")
    else:
        try:
            recovered = desk.connector.recover(Unfinished(entry.ref, identity, entry.action, entry.progress))
        except (FolderMissing, ActionRefused, MessageGone) as error:
            # It would be refused at every pass, and nothing else of this mailbox would ever be looked at again.
            recovered = Recovered("explained", None, str(error))
        except (Unexplained, Unreachable) as error:
            if isinstance(error, Unreachable):  # is the server away, or does it hang up whenever this is asked?
                desk.connector.folders()
            with desk.database.begin() as tx:
                journal.unclear(tx, entry.id)
            log.warning("unexplained", mailbox=desk.settings.name, **in_log(identity, entry.ref), entry=entry.id)
            if entry.unclear + 1 < MOST_UNCLEAR:
                return  # the entry stays open, and its message alone waits
            recovered = Recovered("explained", None, str(error))
    outcome, ref, explanation = recovered.outcome, recovered.ref, recovered.explanation
    log.info("recovered", mailbox=desk.settings.name, **in_log(identity, entry.ref), status=outcome)
    with desk.database.begin() as tx:
        if outcome in ("done", "finished"):
            journal.end(tx, entry.id, "done", desk.clock(), landed=ref, explanation=explanation)
            if isinstance(entry.action, Tag):
                record_ours(tx, desk, entry.message, entry.action)
            elif ref is not None:
                _moved(tx, desk, entry.message, entry.ref, ref)
            messages.set_state(tx, entry.message, "sorted")
        elif outcome == "undone":
            journal.end(tx, entry.id, "failed", desk.clock(), landed=ref, explanation=explanation)
            if messages.get(tx, entry.message).state == "new":
                _try_again(tx, desk, entry)
        else:
            journal.end(tx, entry.id, "explained", desk.clock(), landed=ref, explanation=explanation)
            messages.set_state(tx, entry.message, "left")


def _try_again(tx: Tx, desk: Desk, entry: JournalEntry) -> None:
    """Nothing had happened to the message: it is due again, unless that has been so too often."""
    unclear = [one for one in journal.of_message(tx, entry.message) if one.unclear and one.kind == entry.kind]
    if len(unclear) < MOST_CUT_SHORT:
        messages.set_state(tx, entry.message, "new", due=desk.clock())
        return
    messages.set_state(tx, entry.message, "left")
    remark = f"not touched: {len(unclear)} times the server's answer did not tell what had become of it"
    decisions.add_remark(tx, entry.message, desk.clock(), remark)
