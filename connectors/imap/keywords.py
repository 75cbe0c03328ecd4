"""Tags in IMAP: keywords (RFC 9051 section 2.3.2), at Gmail labels. Put on, taken off, and read back, because servers
say OK and keep nothing; and how they stand on the messages that we know.

    changed    one FETCH with CHANGEDSINCE where the server counts changes (RFC 7162), and its counter moved
               all of the known messages where it does not, when somebody asks for it
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from connectors.base import (
    MOVED,
    Identity,
    MessageRef,
    Note,
    Progress,
    Recovered,
    Sighting,
    Tag,
    Tagged,
    Unfinished,
    Watch,
    is_touched,
)
from connectors.errors import ActionRefused, FolderMissing, MessageGone
from connectors.imap.answers import Selected, State
from connectors.imap.mark import mark, unmark
from connectors.imap.move import check_message
from connectors.imap.session import Session
from connectors.imap.sightings import tags_of
from connectors.tag_words import KEYWORD

# An atom, or one of the four system flags that mean no deletion.
_WORD = re.compile(rf"{KEYWORD.pattern}|\\(Seen|Answered|Flagged|Draft)")
MOST_READ = 5000
"""Messages whose tags are read at once where the server does not tell what changed: the newest of those we know."""
READ_BATCH = 500


def tag(
    session: Session,
    ref: MessageRef,
    identity: Identity,
    action: Tag,
    note: Note,
    unless: frozenset[str] = frozenset(),
) -> MessageRef:
    """Put tags on and take them off; see `Connector.apply`. Raises ActionRefused where the server keeps none."""
    place = f"{session.name}, {ref.key}"
    if session.abilities.gmail:
        _check_labels(session, place, action)
    else:
        _check_words(place, action)
    selected, _ = check_message(session, ref, identity, write=True, unless=unless)
    if not session.abilities.gmail and not all(selected.keeps(word) for word in action.add):
        raise ActionRefused(place, "This server keeps no keywords of ours.", "Use folders for this mailbox.")
    note(Progress("tagging"))
    if session.abilities.gmail:
        _label(session, ref, selected, action)
    else:
        # The mark and the tag in one command, so that nothing comes between them.
        marks = {MOVED} if selected.keeps(MOVED) else set()
        add, remove = (action.add | marks, action.remove) if action.add else (action.add, action.remove | marks)
        session.store(ref.uid, add=sorted(add), remove=sorted(remove))
    if not carries(_tags(session, ref.uid), action):
        raise ActionRefused(place, "The server said OK and did not keep the tag.", "Use folders for this mailbox.")
    return ref


def _check_words(place: str, action: Tag) -> None:
    for word in sorted(action.add | action.remove):
        if not _WORD.fullmatch(word):
            raise ActionRefused(place, f'"{word}" cannot be a keyword.', "Use letters, digits, - and _.")


def _check_labels(session: Session, place: str, action: Tag) -> None:
    """Labels are people's folders: we make none."""
    for label in sorted(action.add):
        if not session.exists(label):
            raise FolderMissing(place, f'There is no label "{label}".')


def _label(session: Session, ref: MessageRef, selected: Selected, action: Tag) -> None:
    for label in sorted(action.add):
        session.label(ref.uid, add=label)
    for label in sorted(action.remove):
        session.label(ref.uid, remove=label)
    if action.add:
        mark(session, ref, selected)
    else:
        unmark(session, ref)


def carries(found: frozenset[str], action: Tag) -> bool:
    """Does the message carry the tags as the action wants them? Their case means nothing: servers may change it."""
    lower = {flag.lower() for flag in found}
    return {word.lower() for word in action.add} <= lower and not {word.lower() for word in action.remove} & lower


def recover_tag(session: Session, unfinished: Unfinished, action: Tag) -> Recovered:
    """Look whether the tags are there. Putting them on again is safe, unless somebody has taken them off meanwhile:
    then our mark is still on."""
    ref = unfinished.ref
    try:
        check_message(session, ref, unfinished.identity, write=False)
        found = _tags(session, ref.uid)
    except MessageGone as error:
        return Recovered("explained", None, error.fact)
    if carries(found, action):
        return Recovered("done", ref, "The message carries the tags.")
    if action.add and is_touched(found, (MOVED.lower(),)):
        return Recovered("explained", ref, "Somebody took the tag off again.")
    return Recovered("undone", ref, "The message is where it was, without the tags.")


def _tags(session: Session, uid: int) -> frozenset[str]:
    """The tags of one message of the open folder. Raises MessageGone."""
    fetched = session.fetch([uid], session.tag_items()).get(uid)
    if fetched is None:
        raise MessageGone(session.name, "The message is no longer there.")
    return tags_of(fetched)


def changed(session: Session, old: State | None, now: State, watch: Watch) -> Iterator[Tagged]:
    """The known messages of the inbox whose tags may have changed between these numbers. Raises FolderMissing."""
    known = watch.known.get(watch.inbox, frozenset())
    since = None
    if not watch.every_tag:
        if not now.modseq or (old is not None and old.modseq == now.modseq):
            return  # nothing changed; or the server does not tell, and we shall be asked for all
        # A counter that went backwards is another one: a restored backup.
        since = old.modseq if old is not None and old.epoch == now.epoch and 0 < old.modseq <= now.modseq else None
    if not (known and watch.tags) or session.opened(watch.inbox).epoch != now.epoch:
        return
    uids = sorted(known)
    batches = [uids] if since is not None else _batches(uids[-MOST_READ:])
    for batch in batches:
        for uid, fetched in session.fetch(batch, session.tag_items(), since=since).items():
            if b"FLAGS" in fetched:
                yield Tagged(MessageRef(watch.inbox, now.epoch, uid), tags_of(fetched))


def _batches(uids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(uids), READ_BATCH):
        yield uids[start : start + READ_BATCH]


def tagged(session: Session, folder: str, word: str, limit: int) -> list[Sighting]:
    """The newest messages of a folder that carry this keyword, newest first. Raises FolderMissing."""
    selected = session.open(folder)
    wanted = session.search(f"KEYWORD {word} UNDELETED")[::-1][:limit] if KEYWORD.fullmatch(word) else []
    by_uid = {seen.ref.uid: seen for seen in session.sightings(folder, selected.epoch, wanted)}
    return [by_uid[uid] for uid in wanted if uid in by_uid]
