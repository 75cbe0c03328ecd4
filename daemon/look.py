"""Look at the mailbox: which folders there are, what arrived, what left; and write it down.

    list folders -> roles, categories | changes since the cursor -> sightings, new messages

Recording is one transaction with the connector's cursor, so a crash sees nothing twice and misses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.base import Changes, MessageRef, Sighting, Watch
from daemon.desk import Desk
from daemon.roles import guess_roles
from daemon.store import mailboxes, messages
from daemon.store.database import Tx
from daemon.store.records import Category, KnownMessage, KnownSighting

FOLDERS_EVERY = timedelta(minutes=10)


@dataclass(frozen=True)
class Looked:
    """What one look found."""

    new: int = 0
    moved: int = 0
    vanished: int = 0
    rematched: int = 0
    missing: tuple[str, ...] = ()


def look(desk: Desk) -> Looked:
    """Bring the record up to date with the server. Raises what the connector raises; then nothing was recorded."""
    now = desk.clock()
    if desk.folders_listed is None or now - desk.folders_listed >= FOLDERS_EVERY:
        list_folders(desk)
    with desk.database.begin() as tx:
        mailbox = mailboxes.find(tx, desk.settings.name)
        assert mailbox is not None
        watch = Watch(desk.settings.inbox, messages.known_uids(tx, desk.mailbox_id, watched_folders(tx, desk)))
    changes = desk.connector.changes(mailbox.cursor, watch)
    with desk.database.begin() as tx:
        looked = record(tx, desk, changes, first_look=mailbox.cursor is None)
        mailboxes.looked(
            tx,
            desk.mailbox_id,
            now,
            cursor=changes.cursor if changes.cursor != mailbox.cursor else None,
            arrival=looked.new > 0,
        )
    if changes.missing:
        list_folders(desk)
    return looked


def watched_folders(tx: Tx, desk: Desk) -> list[str]:
    """The inbox and every present folder in which a message's place means something."""
    return [
        folder.name
        for folder in mailboxes.folders(tx, desk.mailbox_id)
        if folder.role in ("inbox", "category", "review") and folder.missing_since is None
    ]


def list_folders(desk: Desk) -> list[str]:
    """Read the folders, guess their roles, keep the categories in step. Returns the folders that are new."""
    listed = desk.connector.folders()
    now = desk.clock()
    settings = desk.settings
    roles = guess_roles(
        listed,
        settings.inbox,
        dict(settings.roles),
        review=settings.review_folder,
        categories=[category.folder for category in settings.categories],
    )
    with desk.database.begin() as tx:
        new, _missing = mailboxes.save_folders(tx, desk.mailbox_id, listed, roles, now)
        _keep_categories(tx, desk, now)
    desk.folders_listed = now
    return new


def _keep_categories(tx: Tx, desk: Desk, now: datetime) -> None:
    """A category for every category folder. One whose folder is gone is paused, never dropped: its lessons stay."""
    folders = {folder.name: folder for folder in mailboxes.folders(tx, desk.mailbox_id)}
    here = {name for name, folder in folders.items() if folder.role == "category" and folder.missing_since is None}
    wanted = {each.folder: each for each in desk.settings.categories} or {
        name: Category("", name.rsplit("/", 1)[-1], name) for name in here
    }
    known = {category.folder: category for category in mailboxes.categories(tx, desk.mailbox_id)}
    for folder, each in wanted.items():
        if folder not in known:
            fresh = Category("", each.name, folder, each.description, each.hides, each.precision)
            known[folder] = mailboxes.add_category(tx, desk.mailbox_id, fresh, now)
        elif desk.settings.categories:
            mailboxes.update_category(
                tx,
                desk.mailbox_id,
                known[folder].uid,
                name=each.name,
                description=each.description,
                hides=each.hides,
                precision=each.precision,
            )
    for folder, category in known.items():
        if folder not in here:
            paused = f'there is no folder "{folder}"' if folder in wanted else "its folder is no longer a category"
        else:
            paused = None
        if paused != category.paused:
            mailboxes.update_category(tx, desk.mailbox_id, category.uid, paused=paused)


# --- recording what changed


def record(tx: Tx, desk: Desk, changes: Changes, *, first_look: bool) -> Looked:
    """Write down one look's changes."""
    now = desk.clock()
    restarted = {folder: _live_in(tx, desk, folder) for folder in changes.restarted}
    for folder in changes.restarted:
        messages.folder_restarted(tx, desk.mailbox_id, folder, now)
    vanished = messages.mark_gone(tx, desk.mailbox_id, changes.vanished, now)
    new = moved = rematched = 0
    for sighting in changes.arrived:
        if messages.sighting_at(tx, desk.mailbox_id, sighting.ref) is not None:
            continue  # our own move, recorded when it was made; or a look that was repeated
        known = _find(tx, desk, sighting)
        if known is None:
            _record_new(tx, desk, sighting, now, first_look=first_look)
            new += 1
        elif (old := restarted.get(sighting.ref.folder, {}).pop(known.id, None)) is not None:
            _record_again(tx, desk, known, sighting, now, ours=old.ours, judged=old.judged)
            rematched += 1
        else:
            _record_again(tx, desk, known, sighting, now, ours=False, judged=False)
            moved += 1
    for ref in changes.vanished:
        _give_up_if_unsorted(tx, desk, ref)
    return Looked(new, moved, vanished, rematched, changes.missing)


def _live_in(tx: Tx, desk: Desk, folder: str) -> dict[int, KnownSighting]:
    return {sighting.message: sighting for sighting in messages.live_in(tx, desk.mailbox_id, folder)}


def _find(tx: Tx, desk: Desk, sighting: Sighting) -> KnownMessage | None:
    """The known message that this is.

    Best is one that has left every place we knew. One that still lies in *another* folder may have been moved while we
    looked, or copied: `correct` waits until that is clear. One that still lies in this folder is another copy.
    """
    homeless: list[tuple[datetime, KnownMessage]] = []
    elsewhere: list[KnownMessage] = []
    for candidate in messages.candidates(tx, desk.mailbox_id, sighting.identity):
        places = messages.sightings(tx, candidate.id)
        live = [place for place in places if place.gone is None]
        if not live:
            homeless.append((max((each.gone for each in places if each.gone), default=candidate.first_seen), candidate))
        elif all(place.ref.folder != sighting.ref.folder for place in live):
            elsewhere.append(candidate)
    if homeless:
        return max(homeless, key=lambda pair: (pair[0], pair[1].id))[1]
    return elsewhere[0] if elsewhere else None


def _record_new(tx: Tx, desk: Desk, sighting: Sighting, now: datetime, *, first_look: bool) -> None:
    """A message that we meet for the first time. Only what arrives in the inbox after the first look is to be sorted."""
    in_inbox = sighting.ref.folder == desk.settings.inbox
    if not in_inbox:
        state, due = "elsewhere", None
    elif first_look and not desk.settings.sort_existing:
        state, due = "existing", None
    else:
        state, due = "new", now + desk.sorting.act_after
    message = messages.add(tx, desk.mailbox_id, sighting, state, now, due)
    messages.add_sighting(tx, desk.mailbox_id, message, sighting.ref, now, ours=False, who=sighting.by, judged=True)


def _record_again(
    tx: Tx, desk: Desk, known: KnownMessage, sighting: Sighting, now: datetime, *, ours: bool, judged: bool
) -> None:
    messages.add_sighting(tx, desk.mailbox_id, known.id, sighting.ref, now, ours=ours, who=sighting.by, judged=judged)


def _give_up_if_unsorted(tx: Tx, desk: Desk, ref: MessageRef) -> None:
    """A new message that left the inbox before its time came is no longer ours to sort, even if it comes back."""
    for message, state in messages.were_at(tx, desk.mailbox_id, ref):
        if state == "new":
            messages.set_state(tx, message, "gone")
