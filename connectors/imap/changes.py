"""What arrived and what left: cheap where nothing happened, bounded where much did.

    cursor | one LIST-STATUS, or STATUS per watched folder | unchanged folders are skipped
           | UIDs restarted?  -> all that lies there
           | UIDs from the old UIDNEXT to the new   -> arrived
           | which of the known UIDs are still there?      -> vanished: by QRESYNC where offered, else by UID SEARCH

QRESYNC (RFC 7162) tells with the opening of a folder what left it, one round trip less. It is asked about the known
UIDs only, so that its answer is bounded by what is watched, and what it claims is looked up before it is believed: a
server that has forgotten its history names too much. Where MESSAGES shows that it named too little, all known UIDs are
looked up. Whoever has no QRESYNC, or whose counter went backwards (a restored backup), is asked by UID SEARCH.

The cursor is the numbers of STATUS per watched folder. What comes in while we look has a UID beyond the UIDNEXT that we
started from: it is left for the next call, so nothing is reported twice or missed. Much is reported in several calls.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace

from connectors.base import Changes, MessageRef, Sighting, Tagged, Watch
from connectors.errors import FolderMissing
from connectors.imap.answers import State
from connectors.imap.asking import SEARCH_WINDOW
from connectors.imap.keywords import changed
from connectors.imap.session import FETCH_BATCH, FolderUnreadable, Session
from connectors.imap.sightings import is_deleted

MOST = 5000
"""Sightings a call reports at most, so that neither a long absence nor restarted UIDs fill the memory."""
CATCHING_UP, RELISTING = -1, -2
"""In place of MESSAGES in a cursor: the folder has more to report; RELISTING: because its UIDs restarted."""


@dataclass
class _Found:
    """What one look collects."""

    arrived: list[Sighting] = field(default_factory=list)
    vanished: list[MessageRef] = field(default_factory=list)
    restarted: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    relisted: list[str] = field(default_factory=list)
    more: bool = False
    tagged: list[Tagged] = field(default_factory=list)
    withheld: dict[MessageRef, str] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)


def find_changes(session: Session, cursor: str | None, watch: Watch) -> Changes:
    """See `Connector.changes`."""
    before = read_cursor(cursor)
    first = not before
    found = _Found()
    now: dict[str, State] = {}
    looked_at: set[str] = set()
    folders = list(dict.fromkeys((watch.inbox, *watch.known)))
    for folder, state in _states(session, folders, found):
        if state is None:
            found.missing.append(folder)
            if folder in before:
                now[folder] = before[folder]
            continue
        old = before.get(folder)
        now[folder] = state
        if old == state:
            continue
        looked_at.add(folder)
        try:
            with session.minding(folder, inbox=watch.inbox):
                if old is None and first and folder == watch.inbox:
                    found.arrived += reversed(newest(session, folder, watch.first_look))
                    found.withheld |= _given_up(session, folder)
                    found.vanished += _gone(session, folder, state, watch.known.get(folder, frozenset()))
                else:
                    now[folder] = _compare(session, folder, old, state, watch.known.get(folder, frozenset()), found)
        except (FolderMissing, FolderUnreadable) as error:  # missing: deleted between the two commands
            if isinstance(error, FolderUnreadable):
                found.unreadable[folder] = str(error)
            else:
                found.missing.append(folder)
            del now[folder]
            if old is not None:
                now[folder] = old
    unreadable = [folder for folder in folders if folder not in now and folder not in found.missing]
    now.update((folder, before[folder]) for folder in unreadable if folder in before)
    for folder, state in now.items():
        if folder not in found.missing and folder not in found.unreadable:
            _ask_again(session, folder, state, watch, found)
    if found.arrived and not session.abilities.condstore:
        _find_marked(session, watch, now, looked_at, found)
    if watch.tags and watch.inbox in now and watch.inbox not in found.missing:
        found.tagged += changed(session, before.get(watch.inbox), now[watch.inbox], watch)
    return Changes(
        cursor=write_cursor(now),
        arrived=tuple(found.arrived),
        vanished=tuple(found.vanished),
        restarted=tuple(found.restarted),
        missing=tuple(found.missing),
        relisted=tuple(found.relisted),
        more=found.more,
        unreadable=found.unreadable,
        withheld=found.withheld,
        tagged=tuple(found.tagged),
    )


def _compare(
    session: Session, folder: str, old: State | None, state: State, known: frozenset[int], found: _Found
) -> State:
    """One folder whose numbers changed. Returns the numbers up to which it has been reported. Raises FolderMissing."""
    if old is None:
        found.vanished += _gone(session, folder, state, known)
        return state
    restarted = old.epoch != state.epoch
    if restarted:
        found.restarted.append(folder)
    relisting = restarted or old.messages == RELISTING
    if relisting:
        found.relisted.append(folder)
    first = 1 if restarted else old.uidnext
    told = None if restarted else _told(session, folder, old, state, known)
    sightings, reached = _lying(session, folder, state, first, MOST - len(found.arrived), found)
    if not restarted:
        # What a server tells has to add up: James leaves out what went above the last UID that stayed.
        adds_up = told is not None and old.messages + len(sightings) - len(told) == state.messages
        found.vanished += _gone(session, folder, state, told if told is not None and adds_up else known)
    found.arrived += [seen for seen in sightings if not is_deleted(seen)]
    if reached >= state.uidnext:
        return state
    found.more = True
    return replace(state, uidnext=reached, messages=RELISTING if relisting else CATCHING_UP)


def newest(session: Session, folder: str, limit: int) -> list[Sighting]:
    """The newest messages of a folder, newest first. Raises FolderMissing."""
    selected = session.open(folder)
    uids: list[int] = []
    last = selected.messages
    if last <= SEARCH_WINDOW:
        uids, last = session.uids_from(1), 0
    while last > 0 and len(uids) < limit:
        # Message numbers follow the UIDs, so the newest are at the end (RFC 9051 section 2.3.1.2).
        first = max(last - max(limit, SEARCH_WINDOW) + 1, 1)
        uids = session.search(f"{first}:{last} UNDELETED") + uids
        last = first - 1
    wanted = uids[::-1][:limit]
    by_uid = {seen.ref.uid: seen for seen in session.sightings(folder, selected.epoch, wanted)}
    return [by_uid[uid] for uid in wanted if uid in by_uid]


def lying(session: Session, folder: str, epoch: int, uids: Sequence[int]) -> list[MessageRef]:
    """Which of these lie there, not marked as deleted: as a SEARCH says, whatever a FETCH gives."""
    try:
        if session.open(folder).epoch != epoch:
            return []
    except FolderMissing:
        return []
    return [MessageRef(folder, epoch, uid) for uid in sorted(session.among(uids))]


def read_cursor(cursor: str | None) -> dict[str, State]:
    """Folder -> numbers at the last look; empty if there is no cursor or it is not one of ours."""
    try:
        places = json.loads(cursor) if cursor else {}
        return {str(folder): State(*map(int, numbers)) for folder, numbers in places.items() if folder}
    except (ValueError, TypeError, AttributeError):
        return {}


def write_cursor(states: Mapping[str, State], avoided: Iterable[str] = ()) -> str:
    """Equal states give equal cursors. `avoided`: see `connectors.imap.avoided`."""
    places: dict[str, Sequence[object]] = {folder: astuple(state) for folder, state in states.items()}
    if words := sorted(avoided):
        places[""] = words
    return json.dumps(places, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _states(session: Session, folders: list[str], found: _Found) -> Iterator[tuple[str, State | None]]:
    """Each watched folder with its numbers, None if it is missing. One command for all where the server can."""
    session.leave()
    session.enable_resync()
    listed = {}
    if session.abilities.list_status and len(folders) > 1:
        listed = {one.name: one for one in session.folders(numbers=True)}
    for folder in folders:
        if folder != folders[0] and (why := session.experience.shuns(folder)) is not None:
            found.unreadable[folder] = why
            continue
        if session.abilities.list_status and len(folders) > 1:
            one = listed.get(folder)
            if one is None or not one.selectable:
                yield folder, None
                continue
            if one.state is not None:
                yield folder, one.state
                continue
        state: State | None = None
        try:
            with session.minding(folder, inbox=folders[0]):
                state = session.state(folder)
        except FolderMissing:
            pass
        except FolderUnreadable as error:
            # There, but not ours to look into. That must not end the poll, unless it is the inbox itself.
            found.unreadable[folder] = str(error)
            continue
        yield folder, state


def _lying(
    session: Session, folder: str, state: State, first: int, most: int, found: _Found
) -> tuple[list[Sighting], int]:
    """At most so many with a UID from `first` up to the UIDNEXT of `state`, and the UID up to which that is all. Some
    may be marked as deleted."""
    if state.uidnext <= first:
        return [], state.uidnext
    selected = session.opened(folder)
    if selected.epoch != state.epoch:  # restarted between the two commands: the next look will tell
        return [], state.uidnext
    if state.uidnext - first <= min(FETCH_BATCH, most):  # few: one command instead of two
        return _given(session, folder, state.epoch, range(first, state.uidnext), found), state.uidnext
    uids = session.uids_between(first, state.uidnext, selected.messages)
    reached = uids[most] if len(uids) > most else state.uidnext
    return _given(session, folder, state.epoch, uids[:most], found), reached


def _given(session: Session, folder: str, epoch: int, uids: Sequence[int], found: _Found) -> list[Sighting]:
    """What lies at these UIDs of the open folder. What a SEARCH names and no FETCH gives is noted as withheld."""
    sightings = list(session.sightings(folder, epoch, uids))
    if lacking := set(uids) - {seen.ref.uid for seen in sightings}:
        why = _given_up(session, folder)
        for uid in sorted(session.among(lacking)):
            ref = MessageRef(folder, epoch, uid)
            found.withheld[ref] = why.get(ref, "The server answers without its header.")
    return sightings


def _given_up(session: Session, folder: str) -> dict[MessageRef, str]:
    """What the server has not given of this folder in the present look."""
    given_up = session.doubts.given_up if session.doubts is not None else {}
    return {ref: why for ref, why in given_up.items() if ref.folder == folder}


def _ask_again(session: Session, folder: str, state: State, watch: Watch, found: _Found) -> None:
    """What an earlier look was not given."""
    uids = [ref.uid for ref in watch.again if (ref.folder, ref.epoch) == (folder, state.epoch)]
    known = {seen.ref for seen in found.arrived} | found.withheld.keys()
    uids = [uid for uid in uids if MessageRef(folder, state.epoch, uid) not in known]
    if not uids:
        return
    try:
        if session.open(folder).epoch == state.epoch:
            seen = _given(session, folder, state.epoch, uids, found)
            found.arrived += [sighting for sighting in seen if not is_deleted(sighting)]
    except FolderMissing:
        return  # the next look will tell


def _told(session: Session, folder: str, old: State, state: State, known: frozenset[int]) -> frozenset[int] | None:
    """Which known UIDs left the folder, as QRESYNC tells; None: it is not there to be asked. Opens the folder."""
    if not known or not session.resyncs or not 0 < old.modseq <= state.modseq:
        return None
    return known & session.resync(folder, old.epoch, old.modseq, known)


def _gone(session: Session, folder: str, state: State, asked: frozenset[int]) -> Iterable[MessageRef]:
    """Which of these UIDs are no longer there. Asks for these only, whatever else the folder holds."""
    if not asked or session.opened(folder).epoch != state.epoch:
        return
    for uid in sorted(asked - session.among(asked)):
        yield MessageRef(folder, state.epoch, uid)


def _find_marked(session: Session, watch: Watch, now: Mapping[str, State], looked_at: set[str], found: _Found) -> None:
    """Originals that a client without MOVE copied and only marked as deleted.

    The numbers of a folder don't change by a mark, unless the server counts changes (CONDSTORE). So when something
    arrived somewhere, the folders that look unchanged are asked too.
    """
    for folder, known in watch.known.items():
        if known and folder in now and folder not in looked_at:
            if folder in found.unreadable:
                continue
            try:
                with session.minding(folder, inbox=watch.inbox):
                    found.vanished += _gone(session, folder, now[folder], known)
            except (FolderMissing, FolderUnreadable):
                continue  # the next look will tell
