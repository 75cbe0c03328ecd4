"""Put back what Postroom moved, as far as nobody has touched it since.

    journal: moves since a moment | still where we put them? | plan, act, record like any other move

What a person moved, flagged, answered or deleted since then stays as that person left it. What was put back is never
sorted again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.base import Move
from daemon.act import act
from daemon.desk import Desk
from daemon.durations import parse_duration
from daemon.errors import ExitCode, PostroomError
from daemon.store import journal, learning, mailboxes, messages
from daemon.store.database import Tx
from daemon.store.records import JournalEntry, KnownSighting

TOUCHED = {"\\flagged", "\\answered"}


class BadMoment(PostroomError):
    """A time that cannot be read."""

    exit_code = ExitCode.MISTAKE


@dataclass(frozen=True)
class Undone:
    """How many were put back, and how many were left because somebody had touched them."""

    back: int
    touched: int


def moment(text: str, now: datetime) -> datetime:
    """What "2h", "09:00", "2026-11-22" or "2026-11-22T09:00" means, in local time. Raises BadMoment. Pure."""
    here = now.astimezone()
    try:
        return here - parse_duration(text)
    except ValueError:
        pass
    try:
        if ":" in text and "-" not in text:
            hours, minutes = map(int, text.split(":"))
            today = here.replace(hour=hours, minute=minutes, second=0, microsecond=0)
            return today if today <= here else today - timedelta(days=1)
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadMoment(
            "--since", f'"{text}" is not a time.', "Write 2h, 09:00, 2026-11-22 or 2026-11-22T09:00."
        ) from None
    return found if found.tzinfo else found.astimezone()


def undo(desk: Desk, since: datetime, category: str | None, *, dry_run: bool) -> Undone:
    """Put back what was moved since then; `category`: only what went there, by name. Raises ConnectorError."""
    with desk.database.begin() as tx:
        if category is not None:
            names = {each.name: each.folder for each in mailboxes.categories(tx, desk.mailbox_id)}
            if category not in names:
                raise PostroomError(
                    "--category", f'there is no category "{category}".', f"There are: {', '.join(names)}."
                )
            category = names[category]
        moved = [
            entry
            for entry in journal.ended_since(tx, desk.mailbox_id, since)
            if entry.kind == "sort" and isinstance(entry.action, Move) and category in (None, entry.action.folder)
        ]
        ours = [(entry, _untouched(tx, desk, entry)) for entry in moved]
    flags = _flags(desk, [place for _, place in ours if place is not None])
    back = touched = 0
    for entry, place in ours:
        if place is None or flags.get(place.id, TOUCHED) & TOUCHED:
            touched += 1
            continue
        if not dry_run and not _put_back(desk, entry, place):
            touched += 1
            continue
        back += 1
    return Undone(back, touched)


def _untouched(tx: Tx, desk: Desk, entry: JournalEntry) -> KnownSighting | None:
    """The message's place, if it is still where we put it and no person has said anything about it."""
    if entry.landed is None or learning.corrections(tx, desk.mailbox_id, message=entry.message):
        return None
    place = messages.sighting_at(tx, desk.mailbox_id, entry.landed)
    return place if place is not None and place.ours and place.message == entry.message else None


def _flags(desk: Desk, places: list[KnownSighting]) -> dict[int, set[str]]:
    """The flags of what is still there, by sighting."""
    found = {message.sighting.ref: message for message in desk.connector.fetch([place.ref for place in places])}
    return {
        place.id: {flag.lower() for flag in found[place.ref].sighting.flags} for place in places if place.ref in found
    }


def _put_back(desk: Desk, entry: JournalEntry, place: KnownSighting) -> bool:
    action = Move(entry.ref.folder)
    with desk.database.begin() as tx:
        known = messages.get(tx, entry.message)
        plan = journal.plan(tx, known.id, place.ref, action, desk.clock(), decision=entry.decision, kind="undo")
    acted = act(desk, known.id, place, known.identity, action, plan)
    with desk.database.begin() as tx:
        messages.set_state(tx, known.id, "left")
    return acted.status == "done"
