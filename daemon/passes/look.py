"""Look at the mailbox: what arrived, what left; and write it down.

    list folders, now and then | changes since the cursor | is it a message we know? | sightings, new messages

Recording (`daemon.passes.arrivals`) is one transaction with the connector's cursor, so a crash sees nothing twice and
misses nothing. A look that found nothing writes nothing, but for a note now and then that we looked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import structlog

from connectors.base import Changes, Sighting, Watch
from connectors.errors import ActionRefused, FolderMissing
from daemon.passes import guard, tagging
from daemon.passes.arrivals import Looked, record, record_young
from daemon.passes.desk import Desk
from daemon.passes.folder_list import list_folders
from daemon.rules.delivery import is_young
from daemon.store import mailboxes, messages, withheld
from daemon.store.database import Tx
from daemon.store.records import Mailbox

log = structlog.get_logger()

FOLDERS_EVERY = timedelta(minutes=10)
OLDER = timedelta(seconds=30)
"""By so much a database has to be older than the watermark beside it, which is written a moment later."""
YOUNG = 50
"""So many messages of each folder are looked at, at the first look, for those that came a moment ago."""


@dataclass(frozen=True)
class Known:
    """What the database knows before a look. `tags`: those that are watched; `early`: new messages that left early."""

    mailbox: Mailbox
    tags: frozenset[str] | None
    watch: Watch
    early: Sequence[int]

    @classmethod
    def of(cls, tx: Tx, desk: Desk, mailbox: Mailbox) -> Known:
        """`mailbox`: as it is in this transaction."""
        tags = tagging.watched(tx, desk)
        early = messages.left_early(tx, desk.mailbox_id, desk.settings.inbox)
        return cls(mailbox, tags, _watch(tx, desk, mailbox, tags), early)


class KnownUids(Mapping[str, frozenset[int]]):
    """The UIDs that we know in each watched folder, read when somebody asks: where nothing changed nobody does."""

    def __init__(self, desk: Desk, folders: Sequence[str]) -> None:
        self._desk, self._folders = desk, dict.fromkeys(folders)

    @cached_property
    def _uids(self) -> dict[str, frozenset[int]]:
        with self._desk.database.read() as tx:
            return messages.known_uids(tx, self._desk.mailbox_id, list(self._folders))

    def __getitem__(self, folder: str) -> frozenset[int]:
        if folder not in self._folders:
            raise KeyError(folder)
        return self._uids[folder]

    def __contains__(self, folder: object) -> bool:
        return folder in self._folders

    def __iter__(self) -> Iterator[str]:
        return iter(self._folders)

    def __len__(self) -> int:
        return len(self._folders)


def look(desk: Desk, known: Known | None = None) -> Looked:
    """Bring the record up to date with the server. `known`: read just before, if nothing was done since.

    Raises what the connector raises; what was recorded stays true."""
    now = desk.clock()
    if desk.folders_listed is None or abs(now - desk.folders_listed) >= FOLDERS_EVERY:
        list_folders(desk)
        known = None
    looked, more = _look_once(desk, known)
    while more and not desk.stop():
        part, more = _look_once(desk)
        looked += part
    if looked.missing:
        list_folders(desk)
        looked += _look_once(desk)[0]  # else what came to a renamed folder would be known only at the next pass
    return looked


def check(desk: Desk) -> None:
    """Is this still the mailbox that we know? Records nothing but the folders. Raises LooksWrong and ConnectorError."""
    list_folders(desk)
    with desk.database.read() as tx:
        mailbox = mailboxes.get(tx, desk.mailbox_id)
        watch = _watch(tx, desk, mailbox)
    guard.check_changes(desk, mailbox, watch, desk.connector.changes(mailbox.cursor, watch))


def _look_once(desk: Desk, known: Known | None = None) -> tuple[Looked, bool]:
    """One call of the connector, recorded; and whether it has more to tell."""
    now = desk.clock()
    if known is None:
        with desk.database.read() as tx:
            known = Known.of(tx, desk, mailboxes.get(tx, desk.mailbox_id))
    mailbox, tags, watch, early = known.mailbox, known.tags, known.watch, known.early
    changes = desk.connector.changes(mailbox.cursor, watch)
    guard.check_changes(desk, mailbox, watch, changes)
    desk.restored = desk.restored or _is_restored(desk, mailbox)
    young = _young(desk, watch, now) if mailbox.cursor is None else []
    news = tagging.news_of(desk, mailbox, tags, changes.tagged)
    heard = None if tags is None else sorted(tags)
    quiet = _is_quiet(changes, mailbox) and not watch.again and not news and heard == mailbox.tags and not desk.restored
    if quiet and not early and not _is_to_be_noted(desk, mailbox, now):
        looked = Looked(missing=changes.missing)
    else:
        with desk.database.begin() as tx:
            tagging.record(tx, desk, mailbox, news)
            looked = record(tx, desk, changes, mailbox, watch.again)
            if desk.restored and not changes.more:
                mailboxes.set_restored(tx, desk.mailbox_id, now)
                # Whoever asked for old mail to be sorted may have taken that back since the backup, or undone it.
                messages.leave_there_before(tx, mailbox.id, desk.settings.inbox, mailbox.created)
            record_young(tx, desk, young, now)
            if changes.unreadable != (mailbox.unreadable or {}):
                mailboxes.set_unreadable(tx, desk.mailbox_id, changes.unreadable)
            if heard != mailbox.tags:
                mailboxes.set_tags(tx, desk.mailbox_id, heard)
            mailboxes.looked(
                tx,
                desk.mailbox_id,
                now,
                cursor=changes.cursor if changes.cursor != mailbox.cursor else None,
                arrival=looked.new > 0,
                whole=not changes.more,
            )
        if desk.watermark is not None and not changes.more:
            desk.watermark.write(now)
    desk.looked = now
    if not changes.more:
        if desk.restored:
            log.warning("database-restored", mailbox=desk.settings.name, until=mailbox.seen_until)
        desk.seen_until, desk.restored = now, False
    if watch.every_tag:
        desk.tags_read = now
    if changes.withheld:
        log.warning("withheld", mailbox=desk.settings.name, count=len(changes.withheld))
    if looked.others:
        log.warning("moved-by-another", mailbox=desk.settings.name, count=looked.others)
    if changes.restarted or changes.relisted:
        log.warning(
            "uids-restarted",
            mailbox=desk.settings.name,
            folders=list(dict.fromkeys((*changes.restarted, *changes.relisted))),
            rematched=looked.rematched,
        )
    return looked, changes.more


def _watch(tx: Tx, desk: Desk, mailbox: Mailbox, tags: frozenset[str] | None = None) -> Watch:
    """What the connector is to look for; of tags only these."""
    return Watch(
        desk.settings.inbox,
        KnownUids(desk, watched_folders(tx, desk)),
        tags=tags or frozenset(),
        every_tag=tagging.wants_all(desk, mailbox, tags),
        again=withheld.due(tx, desk.mailbox_id, desk.clock(), desk.clock() + withheld.LONGEST_PAUSE),
    )


def _is_restored(desk: Desk, mailbox: Mailbox) -> bool:
    """Has more of this mailbox been seen than its database knows?

    The first look of a process asks the watermark. A later one knows by itself, and allows for quiet looks that the
    database did not hear of: a backup may be copied over the open file.
    """
    if mailbox.seen_until is None:
        return False
    if desk.looked is not None:
        return desk.seen_until is not None and desk.seen_until - mailbox.seen_until > mailboxes.QUIET_NOTE + OLDER
    mark = desk.watermark.read() if desk.watermark is not None else None
    return mark is not None and mark - mailbox.seen_until > OLDER


def _young(desk: Desk, watch: Watch, now: datetime) -> list[Sighting]:
    """What came to the watched folders just before the first look."""
    found = []
    for folder in watch.known.keys() - {watch.inbox}:
        with suppress(FolderMissing, ActionRefused):
            found += [seen for seen in desk.connector.newest(folder, YOUNG) if is_young(seen.arrived, now)]
    return found


def _is_quiet(changes: Changes, mailbox: Mailbox) -> bool:
    found = changes.arrived or changes.vanished or changes.restarted or changes.relisted or changes.withheld
    as_told = changes.cursor == mailbox.cursor and changes.unreadable == (mailbox.unreadable or {})
    return not found and as_told


def _is_to_be_noted(desk: Desk, mailbox: Mailbox, now: datetime) -> bool:
    """Should the database hear of this look although it found nothing? Trouble is over at once; and the first look of
    a process says that somebody looks again."""
    if mailbox.trouble is not None or mailbox.polled is None or desk.looked is None:
        return True
    return abs(now - mailbox.polled) >= mailboxes.QUIET_NOTE  # clocks are set back, too


def watched_folders(tx: Tx, desk: Desk) -> list[str]:
    """The inbox and every present folder in which a message's place means something."""
    roles = {"inbox", "category", "review"}
    if desk.settings.act_by == "tag" and desk.settings.labels:
        roles.remove("category")  # what lies there is seen in the inbox, by its label
    return [
        folder.name
        for folder in mailboxes.folders(tx, desk.mailbox_id)
        if folder.role in roles and folder.missing_since is None
    ]
