"""A whole mailbox in memory: the connector for tests of logic, and the shortest example of the contract.

    box = MemoryConnector(folders=("INBOX", "Invoices"))
    seen = box.deliver(MailText(sender="ann@example.org", subject="Invoice 7"))       a mail arrives
    box.apply(seen.ref, seen.identity, Move("Invoices"), note=journal.append)         we act
    box.move_by_person(seen.ref, "Orders")                                            a person acts
    box.fail_next(Unreachable("memory", "The line is dead."), when="after")           and the world fails

It behaves like an IMAP server: UIDs belong to a folder, a move gives a new UID, nothing remembers where a message was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from connectors.base import (
    MOVED,
    Action,
    Capabilities,
    Changes,
    Connector,
    Folder,
    Identity,
    MailText,
    Mark,
    Message,
    MessageRef,
    Move,
    Note,
    Paper,
    Progress,
    Recovered,
    Sighting,
    Tagged,
    Unfinished,
    Watch,
    is_touched,
)
from connectors.errors import ActionRefused, ConnectorError, FolderMissing, MessageGone, MessageTouched
from connectors.mail import mime
from connectors.mail.attached_files import Rank, rank_inside
from connectors.mail.own_words import says_little
from connectors.mailbox_settings import Access, MailboxSettings

FIRST_ARRIVAL = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


@dataclass
class _Place:
    """One folder: what lies there by UID, and the two numbers that name its places."""

    name: str
    epoch: int
    uidnext: int
    messages: dict[int, Message]
    object_id: int
    special_use: str | None = None


class MemorySettings(MailboxSettings):
    """A mailbox that exists in this process only. No kind for an office: no file of settings can name it."""

    kind: Literal["in-memory"] = "in-memory"

    def connector(self, access: Access) -> Connector:  # noqa: ARG002
        """An empty one."""
        return MemoryConnector(self.name, ("INBOX", *(category.folder for category in self.categories)))


class MemoryConnector(Connector):
    """One mailbox in memory. `tags=False` makes a server without keywords, `object_ids=False` one without OBJECTID,
    "content" one like Cyrus, whose ids are a hash of the message. `clock`: the server's; None: a minute between
    two mails. `savedate`: it tells when a message came into its folder (RFC 8514), which takes a clock."""

    def __init__(
        self,
        name: str = "memory",
        folders: Sequence[str] = ("INBOX",),
        *,
        tags: bool = True,
        object_ids: bool | Literal["content"] = True,
        clock: Callable[[], datetime] | None = None,
        savedate: bool = False,
    ) -> None:
        self.name = name
        self.tags = tags
        self.object_ids = object_ids
        self.clock = clock
        self.savedate = savedate
        self.closed = False
        self._epochs = 1000
        self._serial = 0
        self._places: dict[str, _Place] = {}
        self._failure: tuple[ConnectorError, Literal["before", "after"]] | None = None
        for folder in folders:
            self.create_folder(folder)

    # What the world does

    def create_folder(self, name: str, special_use: str | None = None) -> None:
        """A new, empty folder. A name that is used again gets a new epoch, as on a real server."""
        self._epochs += 1
        self._places[name] = _Place(name, self._epochs, 1, {}, self._epochs, special_use)

    def delete_folder(self, name: str) -> None:
        """The folder and all that lies in it."""
        del self._places[name]

    def rename_folder(self, old: str, new: str) -> None:
        """Epoch and UIDs stay, as RFC 9051 section 6.3.6 has it."""
        place = self._places.pop(old)
        place.name = new
        place.messages = {
            uid: _lying(message, replace(message.sighting.ref, folder=new)) for uid, message in place.messages.items()
        }
        self._places[new] = place

    def restart_uids(self, name: str) -> None:
        """A new UIDVALIDITY: the same messages, other UIDs."""
        place = self._places[name]
        lying = list(place.messages.values())
        self._epochs += 1
        self._places[name] = replace(place, epoch=self._epochs, uidnext=1, messages={})
        for message in lying:
            self._put(name, message, message.sighting.saved)

    def deliver(
        self,
        mail: MailText | bytes,
        folder: str = "INBOX",
        *,
        message_id: str | None = "",
        references: Sequence[str] = (),
        flags: Sequence[str] = (),
        marks: Sequence[Mark] = (),
        arrived: datetime | None = None,
        by: str | None = None,
        date: str | None = None,
        papers: Sequence[Paper] = (),
    ) -> Sighting:
        """A mail arrives. Without `message_id` it gets one of its own; None: it has none. Bytes bring their own.

        `papers`: its files; bytes bring these, too, as far as they lie in the first megabyte.
        `date`: its Date header, if copies of one mail shall be told to be so.
        """
        self._serial += 1
        at = arrived or (self.clock() if self.clock else FIRST_ARRIVAL + timedelta(minutes=self._serial))
        if isinstance(mail, bytes):
            parsed = mime.parse(mail, papers=True, pictures=True)
            papers = (*parsed.papers, *papers)
            senders, recipients = parsed.senders, parsed.recipients
            text, marks, references = parsed.text, tuple(parsed.marks), parsed.references
            message_id, size = parsed.message_id, len(mail)
        else:
            senders, recipients = frozenset({mail.sender} - {""}), frozenset({mail.to} - {""})
            text, size = mail, len(mail.subject) + len(mail.body)
            message_id = f"<{self._serial}@memory.example>" if message_id == "" else message_id
        parts = (message_id or "", date or at.isoformat(), text.sender, text.subject, str(size))
        identity = Identity(
            object_id=self._object_id(parts),
            message_id=message_id,
            digest=hashlib.sha256("\n".join(parts).encode()).hexdigest(),
            origin=hashlib.sha256(f"{message_id}\n{date or at}".encode()).hexdigest() if message_id else "",
        )
        sighting = Sighting(
            ref=MessageRef(folder, 0, 0),
            identity=identity,
            flags=frozenset(flags),
            arrived=at,
            size=size,
            references=tuple(references),
            by=by,
        )
        ref = self._put(folder, Message(sighting, text, frozenset(marks), senders, recipients, tuple(papers)))
        return replace(sighting, ref=ref)

    def move_by_person(self, ref: MessageRef, folder: str) -> MessageRef:
        """Somebody drags the message to another folder."""
        return self._move(ref, folder)

    def delete_by_person(self, ref: MessageRef) -> None:
        """Somebody deletes the message for good."""
        del self._places[ref.folder].messages[ref.uid]

    def flag_by_person(self, ref: MessageRef, *flags: str) -> None:
        """Somebody reads, flags or answers the message: \\Seen, \\Flagged, \\Answered."""
        message = self._places[ref.folder].messages[ref.uid]
        sighting = replace(message.sighting, flags=message.sighting.flags | set(flags))
        self._places[ref.folder].messages[ref.uid] = replace(message, sighting=sighting)

    def tag_by_person(self, ref: MessageRef, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        """Somebody puts tags on the message or takes some off."""
        message = self._places[ref.folder].messages[ref.uid]
        flags = (message.sighting.flags - set(remove)) | set(add)
        self._places[ref.folder].messages[ref.uid] = replace(message, sighting=replace(message.sighting, flags=flags))

    def fail_next(self, error: ConnectorError, when: Literal["before", "after"] = "before") -> None:
        """The next call of the contract raises `error`: before it does anything, or after it has done all of it."""
        self._failure = (error, when)

    def lying_in(self, folder: str) -> list[Message]:
        """What lies in a folder, oldest first."""
        return list(self._places[folder].messages.values())

    def everything(self) -> list[Message]:
        """All messages of all folders."""
        return [message for place in self._places.values() for message in place.messages.values()]

    def copy_by_person(self, ref: MessageRef, folder: str) -> MessageRef:
        """Somebody copies the message: to a server it is the same one, under another UID."""
        return self._put(folder, self._places[ref.folder].messages[ref.uid])

    # The contract

    def capabilities(self) -> Capabilities:
        self._fail("before")
        note = "keywords as tags" if self.tags else "no keywords: folders only"
        return Capabilities(move=True, tags=self.tags, notes=("moves in memory", note))

    def folders(self) -> list[Folder]:
        self._fail("before")
        return [
            Folder(
                place.name,
                special_use=place.special_use,
                messages=len(place.messages),
                object_id=f"memory-folder:{place.object_id}" if self.object_ids else None,
                epoch=place.epoch,
            )
            for place in sorted(self._places.values(), key=lambda place: place.name)
        ]

    def changes(self, cursor: str | None, watch: Watch) -> Changes:
        self._fail("before")
        before = _read_cursor(cursor)
        arrived: list[Sighting] = []
        vanished: list[MessageRef] = []
        restarted: list[str] = []
        missing: list[str] = []
        now: dict[str, list[int]] = {}
        for folder in dict.fromkeys((watch.inbox, *watch.known)):
            place = self._places.get(folder)
            if place is None:
                missing.append(folder)
                if folder in before:
                    now[folder] = list(before[folder])
                continue
            now[folder] = [place.epoch, place.uidnext]
            epoch, uidnext = before.get(folder, (place.epoch, place.uidnext))
            if before and epoch != place.epoch:
                restarted.append(folder)
                arrived += [message.sighting for message in place.messages.values()]
                continue
            if not before and folder == watch.inbox:
                arrived += [message.sighting for message in list(place.messages.values())[-watch.first_look :]]
            arrived += [message.sighting for uid, message in place.messages.items() if uid >= uidnext]
            gone = sorted(watch.known.get(folder, frozenset()) - place.messages.keys())
            vanished += [MessageRef(folder, place.epoch, uid) for uid in gone]
        lying = self._places[watch.inbox].messages if watch.tags and watch.inbox in self._places else {}
        known_here = sorted(watch.known.get(watch.inbox, frozenset()) & lying.keys())
        changes = Changes(
            cursor=json.dumps(now, sort_keys=True),
            tagged=tuple(Tagged(lying[uid].sighting.ref, lying[uid].sighting.flags) for uid in known_here),
            arrived=tuple(arrived),
            vanished=tuple(vanished),
            restarted=tuple(restarted),
            missing=tuple(missing),
            relisted=tuple(restarted),
        )
        self._fail("after")
        return changes

    def renamed(self, cursor: str, names: Mapping[str, str]) -> str:
        places = {names.get(folder, folder): list(place) for folder, place in _read_cursor(cursor).items()}
        return json.dumps(places, sort_keys=True)

    def newest(self, folder: str, limit: int) -> list[Sighting]:
        self._fail("before")
        lying = [message.sighting for message in self._place(folder).messages.values()]
        return lying[::-1][:limit]

    def fetch(self, refs: Sequence[MessageRef], *, papers: bool = False, pictures: bool = False) -> Iterator[Message]:
        self._fail("before")
        for ref in refs:
            message = self._find(ref)
            if message is not None:
                given = message.papers if papers and says_little(message.text) else ()
                kept = [paper for paper in given if pictures or rank_inside(paper.name, paper.data) is not Rank.PICTURE]
                yield replace(message, papers=tuple(kept))

    def apply(
        self,
        ref: MessageRef,
        identity: Identity,
        action: Action,
        note: Note,
        unless: frozenset[str] = frozenset(),
    ) -> MessageRef:
        self._fail("before")
        message = self._find(ref)
        if message is None or message.sighting.identity != identity:
            raise MessageGone(f"{self.name}, {ref.key}", "The message is no longer there.")
        if is_touched(message.sighting.flags, unless):
            raise MessageTouched(f"{self.name}, {ref.key}", "Somebody flagged, answered or tagged the message.")
        if isinstance(action, Move):
            target = self._place(action.folder)
            if action.folder == ref.folder:
                return ref
            note(Progress("moving", target_epoch=target.epoch, uidnext=target.uidnext))
            if self.tags:
                self.flag_by_person(ref, MOVED)
            after = self._move(ref, action.folder)
        else:
            if not self.tags:
                raise ActionRefused(self.name, "This server keeps no keywords.", "Use folders for this mailbox.")
            note(Progress("tagging"))
            mark = frozenset({MOVED})
            flags = (message.sighting.flags | action.add) - action.remove
            flags = flags | mark if action.add else flags - mark
            tagged = replace(message, sighting=replace(message.sighting, flags=flags))
            self._places[ref.folder].messages[ref.uid] = tagged
            after = ref
        self._fail("after")
        return after

    def recover(self, unfinished: Unfinished) -> Recovered:
        self._fail("before")
        ref, action = unfinished.ref, unfinished.action
        message = self._find(ref)
        if message is not None and message.sighting.identity == unfinished.identity:
            if not isinstance(action, Move):
                flags = message.sighting.flags
                if action.add <= flags and not action.remove & flags:
                    return Recovered("done", ref, "The message carries the tags.")
                if action.add and MOVED in flags:
                    return Recovered("explained", ref, "Somebody took the tag off again.")
                return Recovered("undone", ref, "The message is where it was, without the tags.")
            if action.folder == ref.folder:
                return Recovered("done", ref, f"The message lies in {action.folder}.")
            return Recovered("undone", ref, "The message is where it was.")
        target = self._places.get(action.folder) if isinstance(action, Move) else None
        since = unfinished.progress.uidnext
        if target is not None and since is not None and target.epoch == unfinished.progress.target_epoch:
            for uid, message in target.messages.items():
                if uid >= since and message.sighting.identity == unfinished.identity:
                    return Recovered("done", message.sighting.ref, f"The message lies in {target.name}.")
        return Recovered("explained", None, "The message is neither where it was nor where it should go.")

    def close(self) -> None:
        self.closed = True

    def _fail(self, when: Literal["before", "after"]) -> None:
        if self._failure is not None and self._failure[1] == when:
            error, self._failure = self._failure[0], None
            raise error

    def _object_id(self, parts: tuple[str, ...]) -> str | None:
        if self.object_ids == "content":
            return f"emailid:{hashlib.sha256(repr(parts).encode()).hexdigest()[:12]}"
        return f"memory:{self._serial}" if self.object_ids else None

    def _place(self, folder: str) -> _Place:
        try:
            return self._places[folder]
        except KeyError:
            raise FolderMissing(f'{self.name}, folder "{folder}"', "There is no such folder.") from None

    def _find(self, ref: MessageRef) -> Message | None:
        place = self._places.get(ref.folder)
        return place.messages.get(ref.uid) if place is not None and place.epoch == ref.epoch else None

    def _put(self, folder: str, message: Message, saved: datetime | None = None) -> MessageRef:
        place = self._places[folder]
        ref = MessageRef(folder, place.epoch, place.uidnext)
        if self.savedate and self.clock:
            message = replace(message, sighting=replace(message.sighting, saved=saved or self.clock()))
        place.messages[place.uidnext] = _lying(message, ref)
        place.uidnext += 1
        return ref

    def _move(self, ref: MessageRef, folder: str) -> MessageRef:
        message = self._places[ref.folder].messages.pop(ref.uid)
        return self._put(folder, message)


def _lying(message: Message, ref: MessageRef) -> Message:
    return replace(message, sighting=replace(message.sighting, ref=ref))


def _read_cursor(cursor: str | None) -> dict[str, tuple[int, int]]:
    """Folder -> (epoch, uidnext); empty if there is no cursor or it is not ours."""
    try:
        places = json.loads(cursor) if cursor else {}
        return {str(folder): (int(epoch), int(uidnext)) for folder, (epoch, uidnext) in places.items()}
    except (ValueError, TypeError, AttributeError):
        return {}
