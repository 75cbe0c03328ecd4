"""Put back what Postroom moved, as far as nobody has touched it since.

    journal: moves and tags since a moment | still where we put them? | plan, act, record like any other action

What a person moved, flagged, answered or deleted since then stays as that person left it. What was put back is never
sorted again.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.base import Action, Move, Tag
from connectors.setting_values import parse_duration
from daemon.mistakes import ExitCode, PostroomError, WrongName
from daemon.passes.act import act
from daemon.passes.desk import Desk
from daemon.rules.tags import in_use
from daemon.store import journal, learning, mailboxes, messages, taggings
from daemon.store.database import Tx
from daemon.store.records import JournalEntry, KnownSighting

TOUCHED = {"\\flagged", "\\answered"}
BATCH = 50
Show = Callable[[str, int, int], None]
"""(what, done, total): for a progress bar."""


class BadMoment(PostroomError):
    """A time that cannot be read."""

    exit_code = ExitCode.MISTAKE


@dataclass(frozen=True)
class Undone:
    """How many were put back, and how many were left because somebody had touched them."""

    back: int
    touched: int


def moment(text: str, now: datetime, option: str = "--since") -> datetime:
    """What "2h", "09:00", "2026-11-22" or "2026-11-22T09:00" means, in local time. Raises BadMoment, which names the
    `option`."""
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
            option, f'"{text}" is not a time.', "Write 2h, 09:00, 2026-11-22 or 2026-11-22T09:00."
        ) from None
    return found if found.tzinfo else found.astimezone()


def undo(desk: Desk, since: datetime, category: str | None, *, dry_run: bool, show: Show | None = None) -> Undone:
    """Put back what was moved since then; `category`: only what went there, by name. Raises ConnectorError.

    What was put back before, by a call that was cut short, is not counted again.
    """
    with desk.database.read() as tx:
        wanted = _wanted(tx, desk, category)
        entries = [
            entry
            for entry in journal.ended_since(tx, desk.mailbox_id, since)
            if entry.kind == "sort" and (wanted is None or entry.action in wanted or _landed(entry) in wanted)
        ]
        entries = [entry for entry in entries if not _is_undone(tx, entry)]
    back = touched = 0
    for start in range(0, len(entries), BATCH):
        batch = entries[start : start + BATCH]
        with desk.database.read() as tx:
            ours = [(entry, _untouched(tx, desk, entry)) for entry in batch]
            tags = in_use(mailboxes.categories(tx, desk.mailbox_id)).keys()
        flags = _flags(desk, [place for _, place in ours if place is not None])
        for done, (entry, place) in enumerate(ours, start + 1):
            free = place is not None and _is_free(entry, flags.get(place.id, TOUCHED), tags)
            if free and (dry_run or _put_back(desk, entry)):
                back += 1
            else:
                touched += 1
            if show is not None:
                show("messages", done, len(entries))
    return Undone(back, touched)


def _wanted(tx: Tx, desk: Desk, category: str | None) -> list[Action] | None:
    """The actions that file under this category; None: any."""
    if category is None:
        return None
    names = mailboxes.category_names(tx, desk.mailbox_id)
    named = {names[one.uid]: one for one in mailboxes.categories(tx, desk.mailbox_id)}
    if category not in named:
        raise WrongName("--category", f'there is no category "{category}".', f"There are: {', '.join(named)}.")
    tag = named[category].tag
    return [Move(named[category].folder), *([Tag(add=frozenset({tag}))] if tag is not None else [])]


def _is_undone(tx: Tx, entry: JournalEntry) -> bool:
    return any(
        step.kind == "undo" and step.state == "done" and step.id > entry.id
        for step in journal.of_message(tx, entry.message)
    )


def _landed(entry: JournalEntry) -> Move | None:
    """A move to the folder under its present name, which may have changed since."""
    return Move(entry.landed.folder) if entry.landed is not None and isinstance(entry.action, Move) else None


def _untouched(tx: Tx, desk: Desk, entry: JournalEntry) -> KnownSighting | None:
    """The message's place, if it is still where we put it and no person has said anything about it."""
    if entry.landed is None or learning.corrections(tx, desk.mailbox_id, message=entry.message):
        return None
    place = messages.sighting_at(tx, desk.mailbox_id, entry.landed)
    if place is None or place.message != entry.message:
        return None
    if not isinstance(entry.action, Tag):
        return place if place.ours else None
    stands = taggings.last(tx, entry.message)
    return place if stands is not None and stands.ours else None


def _ours(action: Tag) -> Set[str]:
    return {tag.lower() for tag in action.add}


def _is_free(entry: JournalEntry, flags: Set[str], tags: Set[str]) -> bool:
    """Do the flags say that nobody has touched it, nor the tags that we put on? `tags`: those of all categories."""
    if flags & TOUCHED:
        return False
    if not isinstance(entry.action, Tag):
        return True
    ours = _ours(entry.action)
    return ours <= flags and not (tags - ours) & flags


def _flags(desk: Desk, places: list[KnownSighting]) -> dict[int, set[str]]:
    """The flags of what is still there, by sighting."""
    found = {message.sighting.ref: message for message in desk.connector.fetch([place.ref for place in places])}
    return {
        place.id: {flag.lower() for flag in found[place.ref].sighting.flags} for place in places if place.ref in found
    }


def _put_back(desk: Desk, entry: JournalEntry) -> bool:
    """Put one message back, while it is our turn: a service that runs beside us must not take our half-done action for
    a crash."""
    action: Action = Tag(remove=entry.action.add) if isinstance(entry.action, Tag) else Move(entry.ref.folder)
    with desk.turn():
        with desk.database.begin() as tx:
            place = _untouched(tx, desk, entry)
            if place is None:
                return False
            known = messages.get(tx, entry.message)
            unless = frozenset(TOUCHED)
            if isinstance(entry.action, Tag):
                unless |= in_use(mailboxes.categories(tx, desk.mailbox_id)).keys() - _ours(entry.action)
            plan = journal.plan(tx, known.id, place.ref, action, desk.clock(), decision=entry.decision, kind="undo")
        acted = act(desk, known.id, place, known.identity, action, plan, unless)
        with desk.database.begin() as tx:
            messages.set_state(tx, known.id, "left")
    return acted.status == "done"
