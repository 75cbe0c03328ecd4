"""The keyword that Postroom leaves on what it moves (`connectors.base.MOVED`), where the server keeps keywords.

It is put on before the move, with which it travels, and taken off again if the server refuses the move. Without it the
mail moves all the same: a server that keeps none cannot tell a second Postroom's moves from a person's.
"""

from __future__ import annotations

from contextlib import suppress

from connectors.base import MOVED, MessageRef
from connectors.errors import ActionRefused, FolderMissing
from connectors.imap.answers import Selected
from connectors.imap.avoided import KEYWORDS
from connectors.imap.failures import NotUnderstood
from connectors.imap.session import Session


def mark(session: Session, ref: MessageRef, *places: Selected) -> None:
    """Put the keyword on a message of the open folder, if each of these places keeps it. A server that does not
    understand that is not asked for it again."""
    avoided = session.experience.avoided
    if KEYWORDS in avoided.words or not all(place.keeps(MOVED) for place in places):
        return
    try:
        with session.optional(KEYWORDS):
            session.store(ref.uid, add=(MOVED,))
        avoided.worked(KEYWORDS)
    except ActionRefused:
        return
    except NotUnderstood:
        avoided.remember([KEYWORDS])
        raise


def unmark(session: Session, ref: MessageRef) -> None:
    """Take it off again, as far as the server lets us: the message was not moved."""
    with suppress(ActionRefused, FolderMissing):
        source = session.open(ref.folder, write=True)
        if source.epoch == ref.epoch and source.keeps(MOVED):
            session.store(ref.uid, remove=(MOVED,))
