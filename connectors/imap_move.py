"""Moving one message so that nothing is ever lost, and finding out after a crash what became of it.

    look at the message | look at the target | note | UID MOVE                                        | verify
                                             | note | UID COPY | note | mark + UID EXPUNGE of that UID | verify
    recover:  what the journal noted + what lies at both places now = done, finished, undone or explained

The first path needs MOVE (RFC 6851), the second UIDPLUS (RFC 4315). With neither the copy is made and the original only
marked as deleted: expunging it would destroy what others have marked. OK proves nothing, because servers answer OK to a
move of nothing: COPYUID proves it, or finding the message.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from connectors.base import Identity, MessageRef, Note, Progress, Recovered, Sighting, Unfinished
from connectors.errors import ActionRefused, ConnectorError, FolderMissing, MessageGone, Unexplained
from connectors.imap_answers import Selected, State, same_folder
from connectors.imap_session import Session
from connectors.imap_sightings import is_deleted, same_content, same_message

DELETED = ("\\Deleted",)


def move(session: Session, ref: MessageRef, identity: Identity, folder: str, note: Note) -> MessageRef:
    """Put the message into `folder`; see `Connector.apply`."""
    if same_folder(folder, ref.folder):
        check_message(session, ref, identity, write=False)
        return ref
    place = f'{session.name}, folder "{folder}"'
    if not session.exists(folder):
        raise FolderMissing(place, "There is no such folder.")
    target = session.state(folder)
    source = check_message(session, ref, identity, write=True)
    if session.abilities.move:
        note(Progress("moving", target_epoch=target.epoch, uidnext=target.uidnext))
        new = session.move(ref.uid, folder)
        return new or _find_moved(session, ref, identity, folder, target)
    if source.permanent_flags is not None and "\\deleted" not in source.permanent_flags:
        raise ActionRefused(
            f'{session.name}, folder "{ref.folder}"', "The account may not delete here, so it may not move."
        )
    return _copy_and_remove(session, ref, identity, folder, target, note)


def check_message(session: Session, ref: MessageRef, identity: Identity, *, write: bool) -> Selected:
    """Open the folder and make sure that the message lies there, not marked as deleted. Raises MessageGone."""
    place = f"{session.name}, {ref.key}"
    try:
        selected = session.open(ref.folder, write=write)
    except FolderMissing as error:
        raise MessageGone(place, "The folder no longer exists.") from error
    if selected.epoch != ref.epoch:
        raise MessageGone(place, "The folder's UIDs restarted.")
    seen = session.look(ref)
    if seen is None or is_deleted(seen):
        raise MessageGone(place, "The message is no longer there.")
    if not same_message(seen.identity, identity):
        raise MessageGone(place, "Another message lies there.")
    return selected


def _find_moved(session: Session, ref: MessageRef, identity: Identity, folder: str, target: State) -> MessageRef:
    """After an OK without COPYUID: nothing was moved, or the server doesn't say where to."""
    copies = _copies(session, identity, folder, target.epoch, target.uidnext)
    if copies:
        return copies[-1]
    session.open(ref.folder)
    if session.is_there(ref):
        raise ActionRefused(f"{session.name}, {ref.key}", "The server said OK and moved nothing.")
    raise MessageGone(f"{session.name}, {ref.key}", "The message is no longer there.")


def _copy_and_remove(
    session: Session, ref: MessageRef, identity: Identity, folder: str, target: State, note: Note
) -> MessageRef:
    original = session.fingerprint(ref.uid)
    note(Progress("copying", target_epoch=target.epoch, uidnext=target.uidnext))
    copy = session.copy(ref.uid, folder)
    if copy is None:
        copies = _copies(session, identity, folder, target.epoch, target.uidnext, original)
        session.open(ref.folder, write=True)
        if len(copies) > 1:
            raise Unexplained(f"{session.name}, {ref.key}", f'Several copies appeared in "{folder}".')
        if not copies:
            raise MessageGone(f"{session.name}, {ref.key}", "The message is no longer there.")
        copy = copies[0]
    note(Progress("copied", target_epoch=target.epoch, uidnext=target.uidnext, copy=copy))
    note(Progress("removing", target_epoch=target.epoch, uidnext=target.uidnext, copy=copy))
    if not session.is_there(ref):
        # A person or another daemon was faster: with our copy the message would be there twice.
        check_message(session, copy, identity, write=True)
        remove(session, copy)
        raise MessageGone(f"{session.name}, {ref.key}", "Somebody took the message while it was copied.")
    try:
        remove(session, ref)
    except ActionRefused:
        _retreat(session, ref, identity, copy)
        raise
    return copy


def remove(session: Session, ref: MessageRef) -> None:
    """Take the original away, from an open folder, once its copy is proved. Raises ActionRefused if it stays."""
    session.store(ref.uid, add=DELETED)
    if session.abilities.uidplus:
        session.expunge(ref.uid)
        if session.look(ref) is not None:
            # Dovecot does so where the right to expunge is missing.
            raise ActionRefused(f"{session.name}, {ref.key}", "The server said OK and did not remove the original.")


def _retreat(session: Session, ref: MessageRef, identity: Identity, copy: MessageRef) -> None:
    """The original may not be removed: take our own copy back, by its UID, so that nothing lies there twice."""
    try:
        if not session.is_there(ref):
            session.store(ref.uid, remove=DELETED)
        if not session.is_there(ref):
            raise Unexplained(f"{session.name}, {ref.key}", "The original is gone, though it may not be removed.")
        check_message(session, copy, identity, write=True)
        remove(session, copy)
    except ConnectorError as error:
        raise Unexplained(
            f"{session.name}, {ref.key}", f'The message lies in "{copy.folder}" too, and neither can be removed.'
        ) from error


def _copies(
    session: Session, identity: Identity, folder: str, epoch: int, uidnext: int, original: str | None = None
) -> list[MessageRef]:
    """What came into the folder since it had that UIDNEXT and is our message; with `original`, only exact copies."""
    selected = session.open(folder)
    first = uidnext if selected.epoch == epoch else 1
    uids = [uid for uid in session.search(f"UID {first}:* UNDELETED") if uid >= first]
    found = [
        seen.ref for seen in session.sightings(folder, selected.epoch, uids) if same_content(seen.identity, identity)
    ]
    return [ref for ref in sorted(found) if original is None or session.fingerprint(ref.uid) == original]


# After a crash


@dataclass(frozen=True)
class Facts:
    """What lies at both places now."""

    source: Literal["there", "marked", "gone"]
    copies: tuple[MessageRef, ...]
    """In the target, since the action began; exact copies where the original is there to be compared."""
    noted_copy: bool
    """Is the copy that the journal noted still where it was?"""


Verdict = tuple[Literal["done", "finish", "restore", "undone", "explained"], MessageRef | None, str]


def judge(progress: Progress, ref: MessageRef, folder: str, facts: Facts) -> Verdict:
    """What became of a half-done move. Pure.

    finish: a copy of ours is proved, so the original is ours to remove. restore: our mark has to go from the original.
    In doubt nothing is touched. A mark on the original may be ours from an earlier restart, which notes nothing, so
    with an exact copy in the target it makes no difference.
    """
    newest = facts.copies[-1] if facts.copies else None
    match progress.step, facts.source:
        case (("copied" | "removing"), "there" | "marked") if facts.noted_copy:
            return "finish", progress.copy, f'The copy in "{folder}" was there, the original is removed now.'
        case (("copied" | "removing"), "gone") if facts.noted_copy:
            return "done", progress.copy, f'The message lies in "{folder}".'
        case (("copied" | "removing"), "there"):
            return "explained", ref, f'The original is where it was; somebody took its copy from "{folder}".'
        case (("copied" | "removing"), "marked"):
            return "restore", ref, f'The original is kept, because somebody took its copy from "{folder}".'
        case "copying", "there" | "marked" if len(facts.copies) == 1:
            return "finish", newest, f'The copy in "{folder}" was made, the original is removed now.'
        case (("moving" | "copying"), "gone") if newest:
            return "done", newest, f'The message lies in "{folder}".'
        case "moving", "marked" if newest:
            return "done", newest, f'The message lies in "{folder}"; the server left the original marked as deleted.'
        case _, "there" if not facts.copies:
            return "undone", ref, "The message is where it was."
        case _, "there":
            return "explained", ref, f'The message is where it was, and something just like it came to "{folder}".'
        case _, "marked":
            return "explained", newest, "Somebody deleted the message meanwhile."
        case _:
            return "explained", newest, f'The message is neither where it was nor in "{folder}": somebody took it.'


def recover_move(session: Session, unfinished: Unfinished, folder: str, settle: Callable[[], None]) -> Recovered:
    """See `Connector.recover`. `settle` waits until a command that is still on its way must have been carried out."""
    ref, progress = unfinished.ref, unfinished.progress
    if same_folder(folder, ref.folder):
        return Recovered("done", ref, f'The message was in "{folder}" already.')
    facts = _facts(session, unfinished, folder)
    verdict, where, why = judge(progress, ref, folder, facts)
    if verdict == "undone" and progress.step != "planned":
        settle()
        facts = _facts(session, unfinished, folder)
        verdict, where, why = judge(progress, ref, folder, facts)
    if verdict == "restore":
        session.open(ref.folder, write=True)
        session.store(ref.uid, remove=DELETED)
        return Recovered("explained", where, why)
    if verdict != "finish":
        return Recovered(verdict, where, why)
    try:
        session.open(ref.folder, write=True)
        remove(session, ref)
    except ActionRefused as refused:
        if where is None:
            raise
        try:
            _retreat(session, ref, unfinished.identity, where)
        except Unexplained as error:
            return Recovered("explained", where, error.fact)
        return Recovered("undone", ref, f"{refused.fact} The copy was taken back.")
    return Recovered("finished", where, why)


def _facts(session: Session, unfinished: Unfinished, folder: str) -> Facts:
    """Look at both places. Changes nothing."""
    ref, identity, progress = unfinished.ref, unfinished.identity, unfinished.progress
    seen = _at(session, ref, identity)
    original = session.fingerprint(ref.uid) if seen is not None and progress.step == "copying" else None
    copies: list[MessageRef] = []
    noted = False
    if session.exists(folder):
        if progress.uidnext is not None and progress.target_epoch is not None:
            copies = _copies(session, identity, folder, progress.target_epoch, progress.uidnext, original)
        if progress.copy is not None:
            copy = _at(session, progress.copy, identity)
            noted = copy is not None and not is_deleted(copy)
    source: Literal["there", "marked", "gone"]
    source = "gone" if seen is None else "marked" if is_deleted(seen) else "there"
    return Facts(source, tuple(copies), noted)


def _at(session: Session, ref: MessageRef, identity: Identity) -> Sighting | None:
    """Our message at this place, marked or not; None if it is not there or another one is."""
    try:
        selected = session.open(ref.folder)
    except FolderMissing:
        return None
    if selected.epoch != ref.epoch:
        return None
    seen = session.look(ref)
    return seen if seen is not None and same_message(seen.identity, identity) else None
