"""Finding out after a crash what became of a half-done move.

what the journal noted + what lies at both places now = done, finished, undone or explained
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from connectors.base import Identity, MessageRef, Progress, Recovered, Sighting, Unfinished
from connectors.errors import ActionRefused, FolderMissing, MessageGone, Unexplained
from connectors.imap.answers import State, same_folder
from connectors.imap.move import DELETED, copies_since, lying_elsewhere, only_ours, remove, retreat, take_back
from connectors.imap.session import Session
from connectors.imap.sightings import is_deleted, same_content, same_message


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
            _only_one(session, unfinished.identity, ref, State(where.epoch, progress.uidnext, 0), where)
        except MessageGone as news:
            return Recovered("explained", None, news.fact)
        except Unexplained as doubt:
            return Recovered("explained", where, doubt.fact)
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
            retreat(session, ref, unfinished.identity, where)
        except Unexplained as error:
            return Recovered("explained", where, error.fact)
        return Recovered("undone", ref, f"{refused.fact} The copy was taken back.")
    return Recovered("finished", where, why)


def _only_one(session: Session, identity: Identity, ref: MessageRef, target: State, copy: MessageRef) -> None:
    """The original went while we were dead. Raises MessageGone after taking our copy back: it lies elsewhere."""
    session.open(copy.folder)
    other = lying_elsewhere(session, identity, session.fingerprint(copy.uid), (ref.folder, copy.folder))
    if other is not None:
        take_back(session, identity, copy, other)
        raise MessageGone(f"{session.name}, {copy.key}", "Somebody took the message while it was copied.")
    only_ours(session, identity, target, copy)


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
        copies = copies_since(session, identity, folder, State(progress.target_epoch, progress.uidnext, 0), original)
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
