"""Keywords as tags (RFC 9051 section 2.3.2): put on, taken off, and read back, because servers say OK and keep
nothing."""

from __future__ import annotations

import re

from connectors.base import Identity, MessageRef, Note, Progress, Recovered, Tag, Unfinished
from connectors.errors import ActionRefused, MessageGone
from connectors.imap.move import check_message
from connectors.imap.session import Session
from connectors.imap.sightings import flags

# An atom, or one of the four system flags that mean no deletion.
_KEYWORD = re.compile(r'[^\x00-\x20\x7f-\U0010ffff(){%*"\\\]]+|\\(Seen|Answered|Flagged|Draft)')


def tag(
    session: Session,
    ref: MessageRef,
    identity: Identity,
    action: Tag,
    note: Note,
    unless: frozenset[str] = frozenset(),
) -> MessageRef:
    """Add and remove keywords; see `Connector.apply`. Raises ActionRefused where the server keeps none."""
    place = f"{session.name}, {ref.key}"
    if session.abilities.gmail:
        raise ActionRefused(
            place, "Gmail shows no keywords to people.", "Use folders for this mailbox: they are labels."
        )
    for word in sorted(action.add | action.remove):
        if not _KEYWORD.fullmatch(word):
            raise ActionRefused(place, f'"{word}" cannot be a keyword.', "Use letters, digits, - and _.")
    selected, _ = check_message(session, ref, identity, write=True, unless=unless)
    if not all(selected.keeps(word) for word in action.add):
        raise ActionRefused(place, "This server keeps no keywords of ours.", "Use folders for this mailbox.")
    note(Progress("tagging"))
    session.store(ref.uid, add=sorted(action.add), remove=sorted(action.remove))
    if not carries(session.flags_of(ref.uid), action):
        raise ActionRefused(place, "The server said OK and did not keep the keyword.", "Use folders for this mailbox.")
    return ref


def carries(found: frozenset[str], action: Tag) -> bool:
    """Does the message carry the keywords as the tag wants them? Their case means nothing: servers may change it."""
    lower = {flag.lower() for flag in found}
    return {word.lower() for word in action.add} <= lower and not {word.lower() for word in action.remove} & lower


def recover_tag(session: Session, unfinished: Unfinished, action: Tag) -> Recovered:
    """Look whether the keywords are there. Putting them on again is safe, so nothing has to be finished here."""
    ref = unfinished.ref
    try:
        check_message(session, ref, unfinished.identity, write=False)
    except MessageGone as error:
        return Recovered("explained", None, error.fact)
    fetched = session.fetch([ref.uid], ("FLAGS",)).get(ref.uid, {})
    if carries(flags(fetched), action):
        return Recovered("done", ref, "The message carries the keywords.")
    return Recovered("undone", ref, "The message is where it was, without the keywords.")
