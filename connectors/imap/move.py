"""Moving one message so that nothing is ever lost, and finding out after a crash what became of it.

    look at the target | look at the message | note | UID MOVE                                        | verify
                                             | note | UID COPY | note | mark + UID EXPUNGE of that UID | verify
    recover:  what the journal noted + what lies at both places now = done, finished, undone or explained

The first path needs MOVE (RFC 6851), the second UIDPLUS (RFC 4315). With neither the copy is made and the original only
marked as deleted: expunging it would destroy what others have marked. OK proves nothing, because servers answer OK to a
move of nothing: COPYUID proves it, or finding the message.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from connectors.base import MOVED, Identity, MessageRef, Note, Progress, Recovered, Sighting, Unfinished, is_touched
from connectors.errors import ActionRefused, ConnectorError, FolderMissing, MessageGone, MessageTouched, Unexplained
from connectors.imap.answers import Selected, State, same_folder
from connectors.imap.mark import mark, unmark
from connectors.imap.session import Session
from connectors.imap.sightings import is_deleted, same_content, same_message

DELETED = ("\\Deleted",)
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
        copies = _copies(session, identity, folder, target, original)
        if len(copies) > 1:
            raise Unexplained(f"{session.name}, {ref.key}", f'Several copies appeared in "{folder}".')
        if not copies:
            raise MessageGone(f"{session.name}, {ref.key}", "The message is no longer there.")
        copy = copies[0]
    return _remove_original(session, ref, identity, target, copy, original, note)


def flags_lost(flags: Iterable[str], keeper: Selected) -> list[str]:
    """Which of a message's flags its copy in that folder would not have."""
    ours = ("\\recent", "\\deleted", MOVED.lower())
    return sorted(flag for flag in flags if flag.lower() not in ours and not keeper.keeps(flag))


def check_message(
    session: Session, ref: MessageRef, identity: Identity, *, write: bool, unless: frozenset[str] = frozenset()
) -> tuple[Selected, Sighting]:
    """Open the folder and make sure that the message lies there, not marked as deleted, with none of the flags in
    `unless`. Raises MessageGone and MessageTouched."""
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
        return _only_ours(session, identity, target, new)
    copies = [new] if new is not None else _copies(session, identity, folder, target, original)
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
    if _stands(session, ref, identity):
        try:
            remove(session, ref)
        except ActionRefused:
            _retreat(session, ref, identity, copy)
            raise
    elif _lies_elsewhere(session, identity, original, (ref.folder, copy.folder)):
        # A person was faster: with our copy the message would be there twice.
        check_message(session, copy, identity, write=True)
        remove(session, copy)
        raise MessageGone(f"{session.name}, {ref.key}", "Somebody took the message while it was copied.")
    # Gone and nowhere else: another program removed it for a copy of its own, which it may take back for ours.
    return _only_ours(session, identity, target, copy)


def _only_ours(session: Session, identity: Identity, target: State, landed: MessageRef) -> MessageRef:
    """Two daemons that move one message into one folder at the same moment both succeed, on every server tried.

    Of the equal copies that came meanwhile the first one stays; whoever made a later one takes it back. The first is
    never taken back by anybody, so one always stays. Costs nothing as long as nothing else came in between.
    """
    if landed.epoch == target.epoch and landed.uid == target.uidnext:
        return landed
    session.open(landed.folder, write=True)
    ours = session.fingerprint(landed.uid)
    if ours is None or not _came_later(session, identity, landed, target, ours):
        return landed
    # While another session changes a flag, Courier may not show the message at all (seen): its file has two names.
    for _ in range(HIDDEN_LOOKS):
        if _stands(session, landed, identity):
            remove(session, landed)
            break
        time.sleep(HIDDEN_SECONDS)
    raise MessageGone(f"{session.name}, {landed.key}", "Another program put the message there at the same moment.")


def _came_later(session: Session, identity: Identity, landed: MessageRef, target: State, ours: str) -> bool:
    """Did an equal copy come before this one? Looks again while UIDs before it show no message: there may be one."""
    for _ in range(HIDDEN_LOOKS):
        copies = _copies(session, identity, landed.folder, target, ours)
        if min(copies, default=landed) != landed:
            return True
        before = range(max(target.uidnext, landed.uid - HIDDEN_MOST), landed.uid)
        if landed.epoch != target.epoch or len(session.among(before)) == len(before):
            break
        time.sleep(HIDDEN_SECONDS)
    return False


def _lies_elsewhere(session: Session, identity: Identity, original: str | None, besides: tuple[str, str]) -> bool:
    """Is this very message in any other folder? Asks every folder, which is rarely needed. Without proof: no."""
    if original is None or not identity.message_id:
        return False
    for listed in session.folders():
        if not listed.selectable or any(same_folder(listed.name, known) for known in besides):
            continue
        try:
            epoch = session.open(listed.name).epoch
            uids = session.with_message_id(identity.message_id)
            seen = [sighting for sighting in session.sightings(listed.name, epoch, uids) if not is_deleted(sighting)]
            if any(session.fingerprint(sighting.ref.uid) == original for sighting in seen):
                return True
        except (FolderMissing, ActionRefused):
            continue
    return False


def remove(session: Session, ref: MessageRef) -> None:
    """Take the original away, from an open folder, once its copy is proved. Raises ActionRefused if it stays."""
    session.store(ref.uid, add=DELETED)
    if session.abilities.uidplus:
        session.expunge(ref.uid)
    seen = session.look(ref)
    if seen is not None and (session.abilities.uidplus or not is_deleted(seen)):
        # Dovecot does so where the right to mark or to expunge is missing.
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


def _copies(session: Session, identity: Identity, folder: str, before: State, original: str | None) -> list[MessageRef]:
    """What came into the folder since `before` and is our message; with `original`, only exact copies.

    Where the UIDs restarted, that is all that lies there: see `Facts.restarted`.
    """
    selected = session.open(folder)
    first = before.uidnext if selected.epoch == before.epoch else 1
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
    restarted: bool = False
    """Did the target's UIDs restart since? Then `copies` may hold what lay there before, and the noted copy's UID is
    void."""


Verdict = tuple[Literal["done", "finish", "restore", "undone", "explained"], MessageRef | None, str]


def move_verdict(progress: Progress, ref: MessageRef, folder: str, facts: Facts) -> Verdict:
    """What became of a half-done move.

    finish: a copy of ours is proved, so the original is ours to remove. restore: our mark has to go from the original.
    In doubt nothing is touched. A mark on the original may be ours from an earlier restart, which notes nothing, so
    with an exact copy in the target it makes no difference.
    """
    newest = facts.copies[-1] if facts.copies else None
    only = newest if len(facts.copies) == 1 else None
    removable = f'The copy in "{folder}" was made, the original is removed now.'
    match progress.step, facts.source:
        case (("copied" | "removing"), "there" | "marked") if facts.noted_copy:
            return "finish", progress.copy, removable
        case (("copied" | "removing"), "gone") if facts.noted_copy:
            return "done", progress.copy, f'The message lies in "{folder}".'
        case (("copied" | "removing"), "there" | "marked") if facts.restarted and only:
            return "finish", only, removable
        case (("copied" | "removing"), "gone") if facts.restarted and newest:
            return "done", newest, f'The message lies in "{folder}", whose UIDs restarted.'
        case (("copied" | "removing"), "there"):
            return "explained", ref, f'The original is where it was; somebody took its copy from "{folder}".'
        case (("copied" | "removing"), "marked"):
            return "restore", ref, f'The original is kept, because somebody took its copy from "{folder}".'
        case (("moving" | "copying"), "there") if only and not facts.restarted:
            return "finish", only, removable
        case "copying", "marked" if only and not facts.restarted:
            return "finish", only, removable
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
    place = _renumbered(session, ref, unfinished.identity)
    if place is None:
        return Recovered("explained", None, f'The UIDs of "{ref.folder}" restarted, and several like it lie there.')
    if place != ref:
        ref, unfinished = place, replace(unfinished, ref=place)
    facts = _facts(session, unfinished, folder)
    verdict, where, why = move_verdict(progress, ref, folder, facts)
    if not facts.copies and progress.step in ("moving", "copying"):
        settle()
        facts = _facts(session, unfinished, folder)
        verdict, where, why = move_verdict(progress, ref, folder, facts)
    if verdict == "done" and where is not None and where == progress.copy and progress.uidnext is not None:
        try:
            _only_ours(session, unfinished.identity, State(where.epoch, progress.uidnext, 0), where)
        except MessageGone as news:
            return Recovered("explained", None, news.fact)
    if verdict != "restore" and verdict != "finish":
        return Recovered(verdict, where, why)
    try:
        if session.open(ref.folder, write=True).epoch != ref.epoch:
            raise Unexplained(f"{session.name}, {ref.key}", "The folder's UIDs restarted while Postroom looked.")
        if verdict == "restore":
            session.store(ref.uid, remove=DELETED)
            return Recovered("explained", where, why)
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


def _renumbered(session: Session, ref: MessageRef, identity: Identity) -> MessageRef | None:
    """Where the original lies if its folder's UIDs restarted, else `ref`. None: several could be it."""
    try:
        selected = session.open(ref.folder)
    except FolderMissing:
        return ref
    if selected.epoch == ref.epoch:
        return ref
    uids = session.search("ALL")
    found = [
        seen.ref
        for seen in session.sightings(ref.folder, selected.epoch, uids)
        if same_content(seen.identity, identity)
    ]
    return None if len(found) > 1 else found[0] if found else ref


def _facts(session: Session, unfinished: Unfinished, folder: str) -> Facts:
    """Look at both places. Changes nothing."""
    ref, identity, progress = unfinished.ref, unfinished.identity, unfinished.progress
    seen = _at(session, ref, identity)
    original = session.fingerprint(ref.uid) if seen is not None else None
    copies: list[MessageRef] = []
    noted = restarted = False
    if progress.uidnext is not None and progress.target_epoch is not None and session.exists(folder):
        before = session.state(folder)
        restarted = before.epoch != progress.target_epoch
        copies = _copies(session, identity, folder, State(progress.target_epoch, progress.uidnext, 0), original)
    if progress.copy is not None:
        copy = _at(session, progress.copy, identity)
        noted = copy is not None and not is_deleted(copy)
    source: Literal["there", "marked", "gone"]
    source = "gone" if seen is None else "marked" if is_deleted(seen) else "there"
    return Facts(source, tuple(copies), noted, restarted)


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
