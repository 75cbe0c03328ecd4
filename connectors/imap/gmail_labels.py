"""Gmail files by label: add the folder's label, find the message there, drop the label of the folder it came from.

    look at the message | note | add the new label | find it by X-GM-MSGID | note | drop the old label | verify
    recover:  what lies at both places now = done, finished, undone or explained

A folder of Gmail is a label, and the message lies once, in All Mail. Nothing is marked as deleted and nothing expunged:
what Gmail makes of that depends on a setting of the account, which may say "delete forever". Both steps can be
repeated without harm, so a crash between them is finished by doing the second.
Gmail neither shows nor drops the label of the folder that is open, so the old one is dropped in the new folder.
https://developers.google.com/workspace/gmail/imap/imap-extensions
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from connectors.base import Identity, MessageRef, Note, Progress, Recovered, Unfinished
from connectors.errors import ActionRefused, FolderMissing, MessageGone, Unexplained
from connectors.imap.answers import same_folder
from connectors.imap.mark import mark
from connectors.imap.move import check_message
from connectors.imap.recover_move import Verdict
from connectors.imap.session import Session

SYSTEM_LABELS = {"\\flagged": "\\Starred", "\\important": "\\Important"}
NOT_OURS = {"\\trash", "\\junk", "\\sent", "\\drafts"}
"""Labels that mean more than a place: Gmail deletes by some, and the others are facts."""


def file(
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
    new, old = label_of(session, folder), label_of(session, ref.folder)
    target = session.state(folder)
    source, seen = check_message(session, ref, identity, write=True, unless=unless)
    number = message_number(seen.identity)
    if number is None:
        raise ActionRefused(f"{session.name}, {ref.key}", "Gmail names no X-GM-MSGID for it, so it cannot be followed.")
    labelled = find(session, folder, number) is not None  # by a person or a filter: not ours to take off
    session.open(ref.folder, write=True)
    note(Progress("copying", target_epoch=target.epoch, uidnext=target.uidnext))
    mark(session, ref, source)
    if new is not None:
        session.label(ref.uid, add=new)
    copy = find(session, folder, number)
    if copy is None:
        session.open(ref.folder)
        if session.is_there(ref):
            raise ActionRefused(f"{session.name}, {ref.key}", "Gmail said OK and did not add the label.")
        raise MessageGone(f"{session.name}, {ref.key}", "The message is no longer there.")
    note(Progress("copied", target_epoch=target.epoch, uidnext=target.uidnext, copy=copy))
    note(Progress("removing", target_epoch=target.epoch, uidnext=target.uidnext, copy=copy))
    try:
        take_off(session, ref, copy, old)
    except ActionRefused:
        if new is not None and not labelled:
            session.open(ref.folder, write=True)
            session.label(ref.uid, remove=new)
            if find(session, folder, number) is not None:
                raise Unexplained(f"{session.name}, {ref.key}", f'It lies in "{folder}" too.') from None
        raise
    return copy


def label_of(session: Session, folder: str) -> str | None:
    """The label that makes up this folder; None for All Mail, where everything lies. Raises FolderMissing."""
    place = f'{session.name}, folder "{folder}"'
    listed = next((one for one in session.folders(folder) if same_folder(one.name, folder) and one.selectable), None)
    if listed is None:
        raise FolderMissing(place, "There is no such folder.")
    if listed.attributes & NOT_OURS:
        raise ActionRefused(place, "Postroom files nothing into or out of Gmail's Trash, Spam, Sent and Drafts.")
    if same_folder(folder, "INBOX"):
        return "\\Inbox"
    if "\\all" in listed.attributes:
        return None
    return next((label for use, label in SYSTEM_LABELS.items() if use in listed.attributes), folder)


def message_number(identity: Identity) -> str | None:
    """Gmail's own number of the message, the same in all its folders."""
    kind, _, number = (identity.object_id or "").partition(":")
    return number if kind == "gmmsgid" and number.isdecimal() else None


def find(session: Session, folder: str, number: str) -> MessageRef | None:
    """Where this message lies in the folder. Opens it."""
    epoch = session.open(folder, write=True).epoch
    uids = session.search(f"X-GM-MSGID {number}")
    return MessageRef(folder, epoch, uids[-1]) if uids else None


def take_off(session: Session, ref: MessageRef, copy: MessageRef, old: str | None) -> None:
    """Drop the label of the folder that it came from. Raises ActionRefused if it stays, with both labels on."""
    if old is None:
        return
    session.open(copy.folder, write=True)
    session.label(copy.uid, remove=old)
    if session.open(ref.folder).epoch == ref.epoch and session.look(ref) is not None:
        raise ActionRefused(f"{session.name}, {ref.key}", "Gmail said OK and did not take the message out of here.")


# After a crash


def label_verdict(
    step: str, ref: MessageRef, folder: str, source: Literal["there", "gone"], copy: MessageRef | None
) -> Verdict:
    """What became of a half-done filing. finish: the new label is on, so the old one is ours to drop."""
    match source, copy:
        case "there", MessageRef():
            return "finish", copy, f'The label "{folder}" was there, the old one is dropped now.'
        case "gone", MessageRef():
            return "done", copy, f'The message lies in "{folder}".'
        case "there", None if step in ("copied", "removing"):
            return "explained", ref, f'Somebody took the label "{folder}" off again; the message is where it was.'
        case "there", None:
            return "undone", ref, "The message is where it was."
        case _:
            return "explained", None, f'The message is neither where it was nor in "{folder}": somebody took it.'


def recover_label(session: Session, unfinished: Unfinished, folder: str, settle: Callable[[], None]) -> Recovered:
    """See `Connector.recover`. `settle` waits until a command that is still on its way must have been carried out."""
    ref, number = unfinished.ref, message_number(unfinished.identity)
    if same_folder(folder, ref.folder):
        return Recovered("done", ref, f'The message was in "{folder}" already.')
    if number is None:
        return Recovered("explained", None, "Nothing names the message, so nobody can tell.")
    verdict, where, why = _look(session, unfinished, folder, number)
    if verdict == "undone" and unfinished.progress.step != "planned":
        settle()
        verdict, where, why = _look(session, unfinished, folder, number)
    if verdict != "finish":
        return Recovered(verdict if verdict != "restore" else "explained", where, why)
    assert where is not None
    try:
        take_off(session, ref, where, label_of(session, ref.folder))
    except ActionRefused as refused:
        return Recovered("explained", where, refused.fact)
    return Recovered("finished", where, why)


def _look(session: Session, unfinished: Unfinished, folder: str, number: str) -> Verdict:
    ref = unfinished.ref
    copy = find(session, folder, number) if session.exists(folder) else None
    there = session.exists(ref.folder) and find(session, ref.folder, number) is not None
    return label_verdict(unfinished.progress.step, ref, folder, "there" if there else "gone", copy)
