"""Look at the mailbox: what arrived, what left; and write it down.

    list folders, now and then | changes since the cursor | is it a message we know? | sightings, new messages

Recording is one transaction with the connector's cursor, so a crash sees nothing twice and misses nothing. A look that
found nothing writes nothing, but for a note now and then that we looked. A message is known again by the ladder of
`daemon.store.messages`; of several copies the one that has just left its place moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from connectors.base import Changes, Sighting, Watch
from daemon.passes import guard
from daemon.passes.desk import Desk
from daemon.passes.folder_list import list_folders
from daemon.store import decisions, mailboxes, messages
from daemon.store.database import Tx
from daemon.store.records import KnownMessage, Mailbox, MessageState

log = structlog.get_logger()

FOLDERS_EVERY = timedelta(minutes=10)
ON_THE_WAY = timedelta(minutes=10)
"""How long before the last look a message may have arrived and still be new: deliveries and clocks are late."""


@dataclass(frozen=True)
class Looked:
    """What one look found. `rematched`: known again in a folder whose UIDs restarted."""

    new: int = 0
    moved: int = 0
    vanished: int = 0
    rematched: int = 0
    missing: tuple[str, ...] = ()

    def __add__(self, other: Looked) -> Looked:
        return Looked(
            self.new + other.new,
            self.moved + other.moved,
            self.vanished + other.vanished,
            self.rematched + other.rematched,
            other.missing,
        )


def look(desk: Desk) -> Looked:
    """Bring the record up to date with the server. Raises what the connector raises; what was recorded stays true."""
    now = desk.clock()
    if desk.folders_listed is None or now - desk.folders_listed >= FOLDERS_EVERY:
        list_folders(desk)
    looked, more = _look_once(desk)
    while more and not desk.stop():
        part, more = _look_once(desk)
        looked += part
    if looked.missing:
        list_folders(desk)
    return looked


def _look_once(desk: Desk) -> tuple[Looked, bool]:
    """One call of the connector, recorded; and whether it has more to tell."""
    now = desk.clock()
    with desk.database.read() as tx:
        mailbox = mailboxes.get(tx, desk.mailbox_id)
        watch = Watch(desk.settings.inbox, messages.known_uids(tx, desk.mailbox_id, watched_folders(tx, desk)))
        early = messages.left_early(tx, desk.mailbox_id, desk.settings.inbox)
    changes = desk.connector.changes(mailbox.cursor, watch)
    guard.check_changes(desk, mailbox, watch, changes)
    if _is_quiet(changes, mailbox) and not early and not _is_to_be_noted(desk, mailbox, now):
        looked = Looked(missing=changes.missing)
    else:
        with desk.database.begin() as tx:
            looked = record(tx, desk, changes, mailbox)
            mailboxes.looked(
                tx,
                desk.mailbox_id,
                now,
                cursor=changes.cursor if changes.cursor != mailbox.cursor else None,
                arrival=looked.new > 0,
            )
    desk.looked = now
    if changes.restarted or changes.relisted:
        log.warning(
            "uids-restarted",
            mailbox=desk.settings.name,
            folders=list(dict.fromkeys((*changes.restarted, *changes.relisted))),
            rematched=looked.rematched,
        )
    return looked, changes.more


def _is_quiet(changes: Changes, mailbox: Mailbox) -> bool:
    found = changes.arrived or changes.vanished or changes.restarted or changes.relisted
    return not found and changes.cursor == mailbox.cursor


def _is_to_be_noted(desk: Desk, mailbox: Mailbox, now: datetime) -> bool:
    """Should the database hear of this look although it found nothing? Trouble is over at once; and the first look of
    a process says that somebody looks again."""
    if mailbox.trouble is not None or mailbox.polled is None or desk.looked is None:
        return True
    return abs(now - mailbox.polled) >= mailboxes.QUIET_NOTE  # clocks are set back, too


def watched_folders(tx: Tx, desk: Desk) -> list[str]:
    """The inbox and every present folder in which a message's place means something."""
    return [
        folder.name
        for folder in mailboxes.folders(tx, desk.mailbox_id)
        if folder.role in ("inbox", "category", "review") and folder.missing_since is None
    ]


def record(tx: Tx, desk: Desk, changes: Changes, mailbox: Mailbox) -> Looked:
    """Write down one look's changes. `mailbox`: as it was before the look."""
    now = desk.clock()
    for folder in changes.restarted:
        messages.folder_restarted(tx, desk.mailbox_id, folder, now)
    vanished = messages.mark_gone(tx, desk.mailbox_id, changes.vanished, now)
    new = moved = rematched = 0
    for sighting in changes.arrived:
        if messages.sighting_at(tx, desk.mailbox_id, sighting.ref) is not None:
            continue  # our own move, recorded when it was made; or a look that was repeated
        relisted = sighting.ref.folder in changes.relisted
        known = find_known(tx, desk, sighting) or (_migrated(tx, desk, sighting) if relisted else None)
        if known is None:
            if relisted and sighting.ref.folder != desk.settings.inbox:
                continue  # it lay there before, and nobody watched it
            _record_new(tx, desk, sighting, now, mailbox, relisted=relisted)
            new += 1
            continue
        before = messages.sightings(tx, known.id)[-1]
        same = relisted and before.ref.folder == sighting.ref.folder and before.ref.epoch != sighting.ref.epoch
        if same:  # it did not move, its UID is another: whoever put it there did so when we first saw it there
            messages.rename_sighting(tx, before.id, sighting.ref)
            rematched += 1
        else:
            ref, who = sighting.ref, sighting.by
            messages.add_sighting(tx, desk.mailbox_id, known.id, ref, now, ours=False, who=who, judged=False)
            moved += 1
    if not changes.more:  # else what has left may yet turn up under a new UID
        for message in messages.give_up_new(tx, desk.mailbox_id, desk.settings.inbox):
            decisions.add_remark(tx, message, now, "not touched: it left the inbox before its time came")
    return Looked(new, moved, vanished, rematched, changes.missing)


def find_known(tx: Tx, desk: Desk, sighting: Sighting) -> KnownMessage | None:
    """The known message that this is, where none is known to lie.

    Best is one that has left every place we knew. One that still lies in *another* folder may have been moved while we
    looked, or copied: `correct` waits until that is clear. One that still lies in this folder is another copy.
    """
    homeless: list[tuple[bool, datetime, int, KnownMessage]] = []
    elsewhere: list[KnownMessage] = []
    for candidate in messages.candidates(tx, desk.mailbox_id, sighting.identity, sighting.arrived):
        places = messages.sightings(tx, candidate.id)
        live = [place for place in places if place.gone is None]
        if not live:
            left = max((place.gone for place in places if place.gone), default=candidate.first_seen)
            homeless.append((candidate.arrived == sighting.arrived, left, candidate.id, candidate))
        elif all(place.ref.folder != sighting.ref.folder for place in live) and not _another(candidate, sighting):
            elsewhere.append(candidate)
    if homeless:
        return max(homeless, key=lambda found: found[:3])[3]
    return elsewhere[0] if elsewhere else None


def _migrated(tx: Tx, desk: Desk, sighting: Sighting) -> KnownMessage | None:
    """The message that lay here before all UIDs restarted, with another id of the server's own: mail was copied to a
    new server. Takes over the new id."""
    for candidate in messages.copies(tx, desk.mailbox_id, sighting.identity, sighting.arrived):
        places = messages.sightings(tx, candidate.id)
        last = places[-1].ref if places else sighting.ref
        here_before = last.folder == sighting.ref.folder and last.epoch != sighting.ref.epoch
        if here_before and all(place.gone is not None for place in places):
            messages.set_object_id(tx, candidate.id, sighting.identity.object_id)
            return candidate
    return None


def _another(candidate: KnownMessage, sighting: Sighting) -> bool:
    """Was this delivered at another moment than the candidate, which lies elsewhere? Then it is a second copy of the
    mail. Moves keep INTERNALDATE. Cyrus' EMAILID is a hash of the content, so it proves nothing here."""
    if candidate.arrived is None or sighting.arrived is None or candidate.arrived == sighting.arrived:
        return False
    object_id = sighting.identity.object_id
    return object_id is None or object_id != candidate.identity.object_id or object_id.startswith("emailid:")


def _record_new(tx: Tx, desk: Desk, sighting: Sighting, now: datetime, mailbox: Mailbox, *, relisted: bool) -> None:
    """A message met for the first time. Only what arrives in the inbox after the first look is to be sorted."""
    state: MessageState = "elsewhere"
    due: datetime | None = None
    if sighting.ref.folder == desk.settings.inbox:
        old = mailbox.cursor is None and not desk.settings.sort_existing
        if relisted:  # the inbox holds more than we ever looked at
            since = desk.looked or mailbox.polled or now
            old = sighting.arrived is None or sighting.arrived < since - ON_THE_WAY
        state = "existing" if old else "new"
        due = now + desk.sorting.act_after if state == "new" else None
    message = messages.add(tx, desk.mailbox_id, sighting, state, now, due)
    messages.add_sighting(tx, desk.mailbox_id, message, sighting.ref, now, ours=False, who=sighting.by, judged=True)
