"""Look at the mailbox: which folders there are, what arrived, what left; and write it down.

    list folders -> roles, categories | changes since the cursor -> sightings, new messages

Recording is one transaction with the connector's cursor, so a crash sees nothing twice and misses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.base import Changes, Folder, MessageRef, Sighting, Watch
from connectors.errors import SetupWrong
from daemon import guard
from daemon.desk import Desk
from daemon.roles import guess_roles
from daemon.settings import CategorySettings, ImapSettings, RequestTrackerSettings
from daemon.settings_signin import GOOGLE_HOSTS, at_microsoft
from daemon.store import mailboxes, messages
from daemon.store.database import Tx
from daemon.store.records import Category, KnownMessage, KnownSighting, MessageState

AnyMailboxSettings = ImapSettings | RequestTrackerSettings

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
    guard.check_changes(desk, watch, changes)
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
    """Read the folders, guess their roles, keep the categories in step. Returns the folders that are new.

    Raises SetupWrong where the mailbox is to be tagged and the server keeps no tags.
    """
    settings = desk.settings
    if settings.act_by == "tag" and not desk.connector.capabilities().tags:
        raise SetupWrong(settings.name, no_tags(settings))
    listed = desk.connector.folders()
    guard.check_listing(desk, listed)
    now = desk.clock()
    roles = guess_roles(
        listed,
        settings.inbox,
        dict(settings.roles),
        review=settings.review_folder,
        categories=[category.folder for category in settings.categories],
    )
    with desk.database.begin() as tx:
        new, _missing = mailboxes.save_folders(tx, desk.mailbox_id, listed, roles, now)
        _keep_categories(tx, desk, {folder.name: _last_level(folder) for folder in listed}, now)
    desk.folders_listed = now
    return new


def no_tags(settings: AnyMailboxSettings) -> str:
    """Why `act_by = "tag"` cannot work here, and what can. Pure."""
    host = settings.host if isinstance(settings, ImapSettings) else ""
    why = "this server keeps no keywords"
    if at_microsoft(host):
        why = "Microsoft 365 keeps no keywords over IMAP (Outlook's categories are something else)"
    elif host.lower() in GOOGLE_HOSTS:
        why = "Gmail shows no keywords to people; it files by label"
    return f'{why}, so nothing can be tagged. Set act_by = "move".'


def _keep_categories(tx: Tx, desk: Desk, short: Mapping[str, str], now: datetime) -> None:
    """A category for every category folder. One whose folder is gone is paused, never dropped: its lessons stay."""
    folders = {folder.name: folder for folder in mailboxes.folders(tx, desk.mailbox_id)}
    here = {name for name, folder in folders.items() if folder.role == "category" and folder.missing_since is None}
    wanted: dict[str, Category | CategorySettings] = {each.folder: each for each in desk.settings.categories}
    if not wanted:
        wanted = {name: Category("", short.get(name, name), name) for name in sorted(here)}
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
        paused = None
        if folder not in here:
            there = folder in folders and folders[folder].missing_since is None
            paused = "its folder is no longer a category" if there else f'there is no folder "{folder}"'
        if paused != category.paused:
            mailboxes.update_category(tx, desk.mailbox_id, category.uid, paused=paused)


def _last_level(folder: Folder) -> str:
    """The part of a folder's name that people see in their tree."""
    return (folder.name.rsplit(folder.delimiter, 1)[-1] if folder.delimiter else folder.name) or folder.name


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
            left = max((each.gone for each in places if each.gone), default=candidate.first_seen)
            homeless.append((left, candidate))
        elif all(place.ref.folder != sighting.ref.folder for place in live):
            elsewhere.append(candidate)
    if homeless:
        return max(homeless, key=lambda pair: (pair[0], pair[1].id))[1]
    return elsewhere[0] if elsewhere else None


def _record_new(tx: Tx, desk: Desk, sighting: Sighting, now: datetime, *, first_look: bool) -> None:
    """A message met for the first time. Only what arrives in the inbox after the first look is to be sorted."""
    state: MessageState = "elsewhere"
    due: datetime | None = None
    if sighting.ref.folder == desk.settings.inbox:
        state = "existing" if first_look and not desk.settings.sort_existing else "new"
        due = now + desk.sorting.act_after if state == "new" else None
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
            messages.add_remark(tx, message, desk.clock(), "not touched: it left the inbox before its time came")
