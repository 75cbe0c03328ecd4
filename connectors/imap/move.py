"""Moving one message so that nothing is ever lost. What became of a move after a crash: `recover_move`.

    look at the target | look at the message | note | UID MOVE                                        | verify
                                             | note | UID COPY | note | mark + UID EXPUNGE of that UID | verify

The first path needs MOVE (RFC 6851), the second UIDPLUS (RFC 4315). With neither the copy is made and the original only
marked as deleted: expunging it would destroy what others have marked. OK proves nothing, because servers answer OK to a
move of nothing: COPYUID proves it, or finding the message.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from connectors.base import MOVED, Identity, MessageRef, Note, Progress, Sighting, is_touched
from connectors.errors import ActionRefused, ConnectorError, FolderMissing, MessageGone, MessageTouched, Unexplained
from connectors.imap.answers import Selected, State, same_folder
from connectors.imap.avoided import COPY
from connectors.imap.mark import mark, unmark
from connectors.imap.session import Session
from connectors.imap.sightings import is_deleted, same_content, same_headers, same_message

DELETED = ("\\Deleted",)
VIRTUAL = {"\\all", "\\flagged", "\\important"}
HIDDEN_LOOKS, HIDDEN_SECONDS, HIDDEN_MOST = 5, 0.1, 100


def move(
    session: Session,
    ref: MessageRef,
    identity: Identity,
    folder: str,
    note: Note,
    unless: frozenset[str] = frozenset(),
) -> MessageRef:
    """Put the message into `folder`; see `Connector.apply`."""
    if same_folder(folder, ref.folder):
        check_message(session, ref, identity, write=False)
        return ref
    place = f'{session.name}, folder "{folder}"'
    if not session.exists(folder):
        raise FolderMissing(place, "There is no such folder.")
    target = session.state(folder)
    if not target.uidnext:
        raise ActionRefused(place, "The server does not tell its next UID, so a copy could not be found again.")
    keeper = session.keeper(folder, target.epoch)
    source, seen = check_message(session, ref, identity, write=True, unless=unless)
    if lost := flags_lost(seen.flags, keeper):
        raise ActionRefused(
            place,
            f"The account may not set flags there, so the message would lose {', '.join(lost)}.",
            "Grant it the rights s and w on that folder (RFC 4314), and restart Postroom.",
        )
    if not session.abilities.move and not session.experience.copies:
        raise untraceable(session, ref, folder)
    original = session.fingerprint(ref.uid)
    places = (source, keeper)
    if session.abilities.move:
        return _move(session, ref, identity, folder, target, original, note, places)
    if source.permanent_flags is not None and "\\deleted" not in source.permanent_flags:
        raise ActionRefused(
            f'{session.name}, folder "{ref.folder}"', "The account may not delete here, so it may not move."
        )
    note(Progress("copying", target_epoch=target.epoch, uidnext=target.uidnext))
    mark(session, ref, *places)
    try:
        copy = session.copy(ref.uid, folder)
    except ActionRefused:
        unmark(session, ref)
        raise
    if copy is None:
        copies = copies_since(session, identity, folder, target, original)
        if len(copies) > 1:
            raise Unexplained(f"{session.name}, {ref.key}", f'Several copies appeared in "{folder}".')
        if not copies and not _stands(session, ref, identity):
            raise MessageGone(f"{session.name}, {ref.key}", "The message is no longer there.")
        if not copies:
            unmark(session, ref)
            session.experience.avoided.remember([COPY])
            raise untraceable(session, ref, folder)
        copy = copies[0]
    return _remove_original(session, ref, identity, target, copy, original, note)


def untraceable(session: Session, ref: MessageRef, folder: str) -> ActionRefused:
    """The original is where it was, the server said OK, and nothing can be told of the copy."""
    return ActionRefused(
        f"{session.name}, {ref.key}",
        f'The server says OK to a copy into "{folder}", and none can be found there; the message stays where it is.',
        "Postroom copies nothing on this server any more. Look into that folder: a copy may lie there.",
    )


def flags_lost(flags: Iterable[str], keeper: Selected) -> list[str]:
    """Which of a message's flags its copy in that folder would not have."""
    ours = ("\\recent", "\\deleted", MOVED.lower())
    return sorted(flag for flag in flags if flag.lower() not in ours and not keeper.keeps(flag))


def check_message(
    session: Session, ref: MessageRef, identity: Identity, *, write: bool, unless: frozenset[str] = frozenset()
) -> tuple[Selected, Sighting]:
    """Open the folder and make sure that the message lies there, not marked as deleted, with none of the flags in
    `unless`. Raises MessageGone, MessageTouched, and Unexplained where the server only does not show it."""
    place = f"{session.name}, {ref.key}"
    try:
        selected = session.open(ref.folder, write=write)
    except FolderMissing as error:
        raise MessageGone(place, "The folder no longer exists.") from error
    if selected.epoch != ref.epoch:
        raise MessageGone(place, "The folder's UIDs restarted.")
    seen = session.look(ref)
    if seen is None and session.among([ref.uid]):
        raise Unexplained(place, "The server lists the message and does not give it.")
    if seen is None or is_deleted(seen):
        raise MessageGone(place, "The message is no longer there.")
    if not same_message(seen.identity, identity):
        raise MessageGone(place, "Another message lies there.")
    if is_touched(seen.flags, unless):
        raise MessageTouched(place, "Somebody flagged or answered the message.")
    return selected, seen


def _move(
    session: Session,
    ref: MessageRef,
    identity: Identity,
    folder: str,
    target: State,
    original: str | None,
    note: Note,
    places: tuple[Selected, Selected],
) -> MessageRef:
    """UID MOVE, and what a server may make of it: all, nothing, or half, whatever it answered."""
    note(Progress("moving", target_epoch=target.epoch, uidnext=target.uidnext))
    mark(session, ref, *places)
    refused: ActionRefused | None = None
    new: MessageRef | None = None
    try:
        new = session.move(ref.uid, folder)
    except ActionRefused as error:
        refused = error
    left = session.look(ref)
    stands = left is not None and not is_deleted(left)
    if new is not None and not stands:
        return only_ours(session, identity, target, new)
    copies = [new] if new is not None else copies_since(session, identity, folder, target, original)
    if not stands and not copies and refused is None:
        # It was moved, whatever became of its headers on the way: what came with its Message-ID and Date is it.
        copies = copies_since(session, identity, folder, target, None)
    if not stands and copies:
        return copies[-1]
    if not stands:
        raise MessageGone(f"{session.name}, {ref.key}", "The message is no longer there.")
    if len(copies) == 1:  # copied and not removed
        return _remove_original(session, ref, identity, target, copies[0], original, note)
    if copies:
        raise Unexplained(f"{session.name}, {ref.key}", f'Several copies appeared in "{folder}".')
    unmark(session, ref)
    raise refused or ActionRefused(f"{session.name}, {ref.key}", "The server said OK and moved nothing.")


def _stands(session: Session, ref: MessageRef, identity: Identity) -> bool:
    """Does our message still lie there, not marked as deleted? Opens the folder to change it."""
    try:
        check_message(session, ref, identity, write=True)
    except MessageGone:
        return False
    return True


def _remove_original(
    session: Session,
    ref: MessageRef,
    identity: Identity,
    target: State,
    copy: MessageRef,
    original: str | None,
    note: Note,
) -> MessageRef:
    """The copy is proved. Make it the only one: mostly by removing the original, else by taking the copy back."""
    note(Progress("copied", target_epoch=target.epoch, uidnext=target.uidnext, copy=copy))
    note(Progress("removing", target_epoch=target.epoch, uidnext=target.uidnext, copy=copy))
    ours = False
    if _stands(session, ref, identity):
        try:
            ours = remove(session, ref)
        except ActionRefused:
            retreat(session, ref, identity, copy)
            raise
    other = None if ours else lying_elsewhere(session, identity, original, (ref.folder, copy.folder))
    if other is not None:  # a person was faster: with our copy the message would be there twice
        take_back(session, identity, copy, other)
        raise MessageGone(f"{session.name}, {ref.key}", "Somebody took the message while it was copied.")
    # Gone and nowhere else: another program removed it for a copy of its own, which it may take back for ours.
    return only_ours(session, identity, target, copy)


def only_ours(session: Session, identity: Identity, target: State, landed: MessageRef) -> MessageRef:
    """Two daemons that move one message into one folder at the same moment both succeed, on every server tried.

    Of the equal copies that came meanwhile the first one stays; whoever made a later one takes it back. The first is
    never taken back by anybody, so one always stays. Costs nothing as long as nothing else came in between.
    """
    if landed.epoch == target.epoch and landed.uid == target.uidnext:
        return landed
    session.open(landed.folder, write=True)
    ours = session.fingerprint(landed.uid)
    first = None if ours is None else _earlier(session, identity, landed, target, ours)
    if first is None:
        return landed
    take_back(session, identity, landed, first)
    raise MessageGone(f"{session.name}, {landed.key}", "Another program put the message there at the same moment.")


def _earlier(session: Session, identity: Identity, landed: MessageRef, target: State, ours: str) -> MessageRef | None:
    """The equal copy that came before this one. Looks again while a UID before it shows nothing: it may be that one."""
    for _ in range(HIDDEN_LOOKS):
        first = min(copies_since(session, identity, landed.folder, target, ours), default=landed)
        if first != landed:
            return first
        before = range(max(target.uidnext, landed.uid - HIDDEN_MOST), landed.uid)
        if landed.epoch != target.epoch or len(session.among(before)) == len(before):
            break
        time.sleep(HIDDEN_SECONDS)
    return None


def lying_elsewhere(
    session: Session, identity: Identity, original: str | None, besides: tuple[str, str]
) -> MessageRef | None:
    """Where this very message lies in any other folder. Asks every folder, which is rarely needed. Without proof: None.

    Folders that only show what lies in others (RFC 6154: \\All, \\Flagged) do not count.
    """
    if original is None or not identity.message_id:
        return None
    for listed in session.folders():
        known = any(same_folder(listed.name, folder) for folder in besides)
        if known or not listed.selectable or listed.attributes & VIRTUAL:
            continue
        try:
            epoch = session.open(listed.name).epoch
            uids = session.with_message_id(identity.message_id)
            for seen in list(session.sightings(listed.name, epoch, uids)):
                if not is_deleted(seen) and session.fingerprint(seen.ref.uid) == original:
                    return seen.ref
        except (FolderMissing, ActionRefused):
            continue
    return None


def remove(session: Session, ref: MessageRef) -> bool:
    """Take the original away, from an open folder, once its copy is proved. False: somebody was faster.

    Raises ActionRefused if it stays.
    """
    session.store(ref.uid, add=DELETED)
    if session.is_gone(ref.uid):
        return False
    if session.abilities.uidplus:
        session.expunge(ref.uid)
    else:
        session.open(ref.folder, write=True)  # imap4d writes a mark down only when the folder is left (seen)
    seen = session.look(ref)
    if seen is not None and (session.abilities.uidplus or not is_deleted(seen)):
        # Dovecot does so where the right to mark or to expunge is missing.
        raise ActionRefused(f"{session.name}, {ref.key}", "The server said OK and did not remove the original.")
    return True


def take_back(session: Session, identity: Identity, copy: MessageRef, other: MessageRef) -> None:
    """Remove our copy: the message lies at `other`, where somebody else put it. Raises Unexplained in doubt.

    While another session changes a flag, Courier may not show the message at all (seen): its file has two names.
    A virtual folder shows the very message that lies in ours: then the mark shows there too, and nothing is removed.
    """
    for _ in range(HIDDEN_LOOKS):
        if _stands(session, copy, identity):
            session.store(copy.uid, add=DELETED)
            session.open(other.folder)
            seen = session.look(other)
            session.open(copy.folder, write=True)
            if seen is None or is_deleted(seen):
                session.store(copy.uid, remove=DELETED)
                raise Unexplained(f"{session.name}, {other.key}", "It only shows what lies in another folder.")
            remove(session, copy)
            return
        time.sleep(HIDDEN_SECONDS)
    raise Unexplained(f"{session.name}, {copy.key}", "Our copy is not there to be taken back.")


def retreat(session: Session, ref: MessageRef, identity: Identity, copy: MessageRef) -> None:
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


def copies_since(
    session: Session, identity: Identity, folder: str, before: State, original: str | None
) -> list[MessageRef]:
    """What came into the folder since `before` and is our message; with `original`, only exact copies.

    Where none is exact in size and date of arrival, neither counts: Message-ID, Date and all headers have to agree.
    Where the UIDs restarted, that is all that lies there: see `Facts.restarted`.
    """
    selected = session.open(folder)
    first = before.uidnext if selected.epoch == before.epoch else 1
    came = sorted(session.sightings(folder, selected.epoch, session.uids_from(first)), key=lambda seen: seen.ref)
    found = [seen.ref for seen in came if same_content(seen.identity, identity)]
    exact = [ref for ref in found if original is None or session.fingerprint(ref.uid) == original]
    if exact or identity.message_id is None:
        return exact
    named = [seen.ref for seen in came if _same_origin(seen.identity, identity)]
    return [ref for ref in named if original is None or same_headers(session.fingerprint(ref.uid), original)]


def _same_origin(one: Identity, other: Identity) -> bool:
    """Message-ID and date, as the sender wrote them."""
    return one.message_id == other.message_id and one.origin == other.origin
