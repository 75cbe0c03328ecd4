"""What arrived and what left: cheap where nothing happened, bounded where much did.

    cursor | one LIST-STATUS, or STATUS per watched folder | unchanged folders are skipped
           | UIDs restarted?  -> all that lies there
           | UIDs from the old UIDNEXT to the new   -> arrived
           | which of the known UIDs are still there?      -> vanished

Vanished messages are asked for among the known UIDs only, even where QRESYNC could list them: one path for every
server, answers bounded by what is watched, marks of deletion included, and no trust in how long a server remembers.

The cursor is the numbers of STATUS per watched folder. What comes in while we look has a UID beyond the UIDNEXT that we
started from: it is left for the next call, so nothing is reported twice or missed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, field

from connectors.base import Changes, MessageRef, Sighting, Watch
from connectors.errors import ActionRefused, FolderMissing
from connectors.imap_answers import State
from connectors.imap_session import SEARCH_WINDOW, Session


@dataclass
class _Found:
    """What one look collects."""

    arrived: list[Sighting] = field(default_factory=list)
    vanished: list[MessageRef] = field(default_factory=list)
    restarted: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def find_changes(session: Session, cursor: str | None, watch: Watch) -> Changes:
    """See `Connector.changes`."""
    before = read_cursor(cursor)
    first = not before
    found = _Found()
    now: dict[str, State] = {}
    looked_at: set[str] = set()
    folders = list(dict.fromkeys((watch.inbox, *watch.known)))
    for folder, state in _states(session, folders):
        if state is None:
            found.missing.append(folder)
            continue
        old = before.get(folder)
        known = watch.known.get(folder, frozenset())
        now[folder] = state
        if old == state:
            continue
        looked_at.add(folder)
        try:
            if old is not None and old.epoch != state.epoch:
                found.restarted.append(folder)
                found.arrived += _lying(session, folder, state, 1)
            elif old is not None:
                found.arrived += _lying(session, folder, state, old.uidnext)
                found.vanished += _gone(session, folder, state, known)
            elif first and folder == watch.inbox:
                found.arrived += reversed(newest(session, folder, watch.first_look))
                found.vanished += _gone(session, folder, state, known)
            else:
                found.vanished += _gone(session, folder, state, known)
        except FolderMissing:  # deleted between the two commands
            found.missing.append(folder)
            del now[folder]
    unreadable = [folder for folder in folders if folder not in now and folder not in found.missing]
    now.update((folder, before[folder]) for folder in unreadable if folder in before)
    if found.arrived and not session.abilities.condstore:
        _find_marked(session, watch, now, looked_at, found)
    return Changes(
        cursor=write_cursor(now),
        arrived=tuple(found.arrived),
        vanished=tuple(found.vanished),
        restarted=tuple(found.restarted),
        missing=tuple(found.missing),
    )


def newest(session: Session, folder: str, limit: int) -> list[Sighting]:
    """The newest messages of a folder, newest first. Raises FolderMissing."""
    selected = session.open(folder)
    uids: list[int] = []
    last = selected.messages
    if last <= SEARCH_WINDOW:
        uids, last = session.search("UNDELETED"), 0
    while last > 0 and len(uids) < limit:
        # Message numbers follow the UIDs, so the newest are at the end (RFC 9051 section 2.3.1.2).
        first = max(last - max(limit, SEARCH_WINDOW) + 1, 1)
        uids = session.search(f"{first}:{last} UNDELETED") + uids
        last = first - 1
    wanted = uids[::-1][:limit]
    by_uid = {seen.ref.uid: seen for seen in session.sightings(folder, selected.epoch, wanted)}
    return [by_uid[uid] for uid in wanted if uid in by_uid]


def read_cursor(cursor: str | None) -> dict[str, State]:
    """Folder -> numbers at the last look; empty if there is no cursor or it is not one of ours."""
    try:
        places = json.loads(cursor) if cursor else {}
        return {str(folder): State(*map(int, numbers)) for folder, numbers in places.items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def write_cursor(states: Mapping[str, State]) -> str:
    """Equal states give equal cursors."""
    places = {folder: astuple(state) for folder, state in states.items()}
    return json.dumps(places, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _states(session: Session, folders: list[str]) -> Iterator[tuple[str, State | None]]:
    """Each watched folder with its numbers, None if it is missing. One command for all where the server can."""
    session.leave()
    listed = {}
    if session.abilities.list_status and len(folders) > 1:
        listed = {one.name: one for one in session.folders(numbers=True)}
    for folder in folders:
        if session.abilities.list_status and len(folders) > 1:
            one = listed.get(folder)
            if one is None or not one.selectable:
                yield folder, None
                continue
            if one.state is not None:
                yield folder, one.state
                continue
        try:
            yield folder, session.state(folder)
        except FolderMissing:
            yield folder, None
        except ActionRefused:
            # There, but not ours to look into. That must not end the poll, unless it is the inbox itself.
            if folder == folders[0]:
                raise


def _lying(session: Session, folder: str, state: State, first: int) -> Iterable[Sighting]:
    """What has a UID from `first` up to the UIDNEXT of `state`."""
    if state.uidnext <= first:
        return
    selected = session.open(folder)
    if selected.epoch != state.epoch:  # restarted between the two commands: the next look will tell
        return
    uids = session.uids_between(first, state.uidnext, selected.messages)
    yield from session.sightings(folder, state.epoch, uids)


def _gone(session: Session, folder: str, state: State, known: frozenset[int]) -> Iterable[MessageRef]:
    """Which known UIDs are no longer there. Asks for the known ones only, whatever else the folder holds."""
    if not known:
        return
    if session.open(folder).epoch != state.epoch:
        return
    there = session.among(known)
    for uid in sorted(known - there):
        yield MessageRef(folder, state.epoch, uid)


def _find_marked(session: Session, watch: Watch, now: Mapping[str, State], looked_at: set[str], found: _Found) -> None:
    """Originals that a client without MOVE copied and only marked as deleted.

    The numbers of a folder don't change by a mark, unless the server counts changes (CONDSTORE). So when something
    arrived somewhere, the folders that look unchanged are asked too.
    """
    for folder, known in watch.known.items():
        if known and folder in now and folder not in looked_at:
            try:
                found.vanished += _gone(session, folder, now[folder], known)
            except (FolderMissing, ActionRefused):
                continue  # the next look will tell
