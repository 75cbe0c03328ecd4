"""The contract between Postroom and any world of mail: an IMAP account, a helpdesk, a test's memory.

    folders()                     what places exist
    changes(cursor, watch)        what arrived and what left since the last look     -> Changes
    newest(folder, limit)         what lies in a folder already                      -> [Sighting]
    filed_by_people(folder, ..)   what people put there (first lessons)              -> [Sighting]
    tagged_by_people(folder, ..)  what people tagged there (first lessons)           -> [Sighting]
    fetch(refs, papers=True)      the text of a few messages, and their files        -> Message ...
    withheld(refs)                what `fetch` left out and is there all the same    -> {ref: why}
    apply(ref, action, note)      move or tag one message, verified                  -> MessageRef
    recover(unfinished)           after a crash: what became of a half-done action   -> Recovered

Words. A *folder* is any place a message lies in; a helpdesk's queues are its folders. A *ref* says where a message was
seen: it is an address, not an identity. An *identity* is what survives a move. A *sighting* joins the two.
A connector reads, moves and tags. It decides nothing, remembers nothing between calls but its connection, and raises
only the errors of `connectors.errors`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Literal, Self


@dataclass(frozen=True, order=True)
class MessageRef:
    """Where a message was seen. UIDs restart in every folder, so only all three together name a place.

    `epoch` is IMAP's UIDVALIDITY (RFC 3501 section 2.3.1.1); helpdesks, whose ids never restart, use 0.
    """

    folder: str
    epoch: int
    uid: int

    @property
    def key(self) -> str:
        """A name for logs: it says nothing about the message."""
        return f"{self.folder}/{self.epoch}/{self.uid}"


@dataclass(frozen=True)
class Identity:
    """What survives a move, strongest first. `object_id` is the server's own and carries its kind: "emailid:M6d99".

    Kinds: emailid (RFC 8474), gmmsgid (Gmail), guid (Dovecot's X-GUID), ticket (helpdesks). No single one is proof of
    uniqueness: Cyrus derives EMAILID from the content, Message-IDs are missing or reused. `digest` is a sha256 over
    Message-ID, Date, From, Subject and size, in hex.
    """

    object_id: str | None
    message_id: str | None
    digest: str
    origin: str = field(default="", compare=False)
    """The same for every copy of one mail, however it came (directly and by a list): a hash of Message-ID and Date,
    since a Message-ID alone may be reused. Says nothing about which copy this is. "" if it cannot be told."""

    @property
    def labelled(self) -> bool:
        """Does it lie once and show up in a folder per label (Gmail)? Else a second place is a second copy."""
        return self.object_id is not None and self.object_id.startswith("gmmsgid:")


@dataclass(frozen=True)
class Sighting:
    """One message in one folder, without its text."""

    ref: MessageRef
    identity: Identity
    flags: frozenset[str] = frozenset()
    """System flags and keywords as the server spells them: \\Seen, \\Flagged, $label."""
    arrived: datetime | None = None
    """When the server received it (INTERNALDATE, kept by a move); aware, UTC."""
    size: int = 0
    references: tuple[str, ...] = ()
    """Message-IDs of the thread, oldest first: References, then In-Reply-To."""
    by: str | None = None
    """Who put it here, where the server tells (helpdesks). None: unknown, as always in IMAP."""
    at: datetime | None = None
    """When it was put here, where the server tells; aware, UTC."""
    saved: datetime | None = None
    """When it came into this folder, be it by a move or by delivery (SAVEDATE, RFC 8514); aware, UTC. None: unknown."""


@dataclass(frozen=True)
class MailText:
    """The part of a message that the model may read: decoded, cleaned, bounded. Nothing here is trusted."""

    sender: str = ""
    to: str = ""
    list_id: str = ""
    subject: str = ""
    attachments: tuple[str, ...] = ()
    """One entry an attachment: "invoice-0815.pdf (application/pdf)"."""
    body: str = ""
    attached_text: str = ""
    """What its files say (`daemon.papers.attached_text`); "" where nobody has read them. It belongs to the mail's text
    and is no part of what tells the mail again: the same mail may have been read by an older Postroom, or without."""

    def __post_init__(self) -> None:
        # Half of a character, where a helpdesk cut a text and JSON let it pass: no tokenizer and no file takes it.
        for key in ("sender", "to", "list_id", "subject", "body", "attached_text"):
            object.__setattr__(self, key, _whole(getattr(self, key)))
        object.__setattr__(self, "attachments", tuple(map(_whole, self.attachments)))


def _whole(text: str) -> str:
    """The text without lone surrogates, which are no characters."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


Mark = Literal["encrypted", "signed", "calendar", "bounce", "automatic", "truncated"]


@dataclass(frozen=True)
class Paper:
    """A file as it was attached, whole. Its name is the sender's word and may lie about what it is."""

    name: str
    data: bytes = field(default=b"", repr=False)
    lacking: str = ""
    """Why its bytes are not here, in words for people: "larger than 32 MB". "": they are."""


@dataclass(frozen=True)
class Message:
    """One message as fetched: where, which, its text, and marks that may forbid acting on it."""

    sighting: Sighting
    text: MailText
    marks: frozenset[Mark] = frozenset()
    senders: frozenset[str] = frozenset()
    """Every address in From, Sender and Reply-To, bare and in small letters."""
    recipients: frozenset[str] = frozenset()
    """Every address in To and Cc, in the same form."""
    papers: tuple[Paper, ...] = field(default=(), repr=False)
    """The files to be read, if `Connector.fetch` was asked for them. Up to 32 MB each: whoever fetches lets go of them
    before the next message."""


Role = Literal["inbox", "category", "review", "neutral", "never"]


@dataclass(frozen=True)
class Folder:
    """One folder as the server lists it. `name` is decoded Unicode, the form used everywhere in Postroom."""

    name: str
    delimiter: str | None = "/"
    special_use: str | None = None
    """Lower case without the backslash, as RFC 6154 names them: "archive", "drafts", "junk", "sent", "trash", "all"."""
    messages: int | None = None
    object_id: str | None = None
    """MAILBOXID (RFC 8474) or a queue's id: survives a rename."""
    epoch: int = 0


@dataclass(frozen=True)
class Watch:
    """What the caller wants to hear about: the inbox, and for every watched folder the UIDs it knows there.

    Folders of any other role are not looked into. `known` lets a connector say which of *our* messages left a folder
    without listing all that the folder holds.
    """

    inbox: str
    known: Mapping[str, frozenset[int]]
    first_look: int = 2000
    """With no cursor yet: how many of the inbox's newest messages to report as arrived."""
    tags: frozenset[str] = frozenset()
    """Tags whose changes on known messages in the inbox are to be reported; their case means nothing."""
    again: tuple[MessageRef, ...] = ()
    """Messages that an earlier look reported as `withheld`: to be reported as arrived, or as withheld again."""
    every_tag: bool = False
    """Report how the tags of all known messages in the inbox stand, changed or not: asked for now and then."""


@dataclass(frozen=True)
class Tagged:
    """How the tags of one known message stand now."""

    ref: MessageRef
    tags: frozenset[str]
    """All that it carries, as the server spells them; flags may be among them."""
    by: str | None = None
    """Who changed them last, where the server tells."""
    by_program: bool = False
    """The server tells that a program did, ours or another: it says nothing about what people want."""


@dataclass(frozen=True)
class Changes:
    """What happened since the cursor. Recorded in one transaction with `cursor`, nothing is seen twice or missed.

    A move by a person appears as one `vanished` ref and one `arrived` sighting, possibly in different calls.
    """

    cursor: str
    """Opaque, for the next call. Changed only if something changed."""
    arrived: tuple[Sighting, ...] = ()
    vanished: tuple[MessageRef, ...] = ()
    restarted: tuple[str, ...] = ()
    """Folders whose UIDs restarted: old refs there mean nothing, all that lies there now is in `arrived`."""
    missing: tuple[str, ...] = ()
    """Watched folders that no longer exist. Their place in the cursor is kept: see `Connector.renamed`."""
    relisted: tuple[str, ...] = ()
    """Folders of which everything is being reported again, as their UIDs restarted: what is unknown there is old."""
    more: bool = False
    """There was too much for one call: call again at once."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Watched folders that are there and could not be looked into, and why. Their place in the cursor is kept."""
    withheld: Mapping[MessageRef, str] = field(default_factory=dict)
    """What arrived, or was asked about `again`, and lies there, but is not given by the server: and why, in words."""
    tagged: tuple[Tagged, ...] = ()
    """Known messages in the inbox whose tags may have changed. One too many is no mistake, one too few is."""


@dataclass(frozen=True)
class Move:
    """Put the message into this folder."""

    folder: str


@dataclass(frozen=True)
class Tag:
    """Put tags on and take them off; the message stays. Their case means nothing."""

    add: frozenset[str] = frozenset()
    remove: frozenset[str] = frozenset()


Action = Move | Tag

MOVED = "$Postroom"
"""The keyword that a connector leaves on what it moves or tags, where the server keeps keywords: so that a second
Postroom on the mailbox, or this one after its database was restored, takes nothing that a daemon did for a
person's."""

Step = Literal["planned", "moving", "copying", "copied", "removing", "tagging"]


@dataclass(frozen=True)
class Progress:
    """How far an action has come. A connector notes it *before* the command that it announces.

    copied: the copy exists at `copy`. `uidnext` is the target's next UID before the first command, so that after a
    crash a copy of ours can be told from older mail. At Gmail the copy is the same message under its new label.
    """

    step: Step
    target_epoch: int | None = None
    uidnext: int | None = None
    copy: MessageRef | None = None


Note = Callable[[Progress], None]


@dataclass(frozen=True)
class Unfinished:
    """An action that a crash or a dead connection left half done, as the journal knows it."""

    ref: MessageRef
    identity: Identity
    action: Action
    progress: Progress


@dataclass(frozen=True)
class Recovered:
    """What became of an unfinished action. `ref` is where the message is now, None if nobody can tell.

    done: it had happened. finished: we completed it now. undone: it had not happened, the message is where it was.
    explained: something else happened to the message (gone, in two places we may not touch); `explanation` says what.
    """

    outcome: Literal["done", "finished", "undone", "explained"]
    ref: MessageRef | None
    explanation: str


@dataclass(frozen=True)
class Capabilities:
    """What this server can do, read after login."""

    move: bool = True
    """Can a message be moved without leaving anything behind?"""
    tags: bool = False
    tells_tags: bool = True
    """Does `changes` report tags that changed by itself? Else `Watch.every_tag` has to ask now and then."""
    notes: tuple[str, ...] = field(default=())
    """Plain sentences for `postroom check`: "moves by UID MOVE", "no keywords: folders only"."""


@dataclass(frozen=True)
class Tried:
    """A move that was tried with a message of its own. `clock_off`: seconds that the server's clock is before ours."""

    folder: str
    clock_off: float | None = None


LISTENING_S = 8 * 60
"""So long a listening lasts at most: servers and routers forget a silent connection after half an hour at best (RFC
2177), ten minutes at worst."""
TAGS_LOOKED_FOR = 2000
"""Messages of a folder that are looked through for a tag, where the server cannot search for it."""


class Connector(ABC):
    """One mailbox. Use it as a context manager; a dead connection is opened again by the next call."""

    name: str
    server: str = ""
    """With which server it shares a limit of connections, in words that are the same for every mailbox there; "": it
    keeps none between two calls, or nobody knows."""

    @abstractmethod
    def capabilities(self) -> Capabilities:
        """Log in if need be and say what the server can do."""

    @abstractmethod
    def folders(self) -> list[Folder]:
        """All selectable folders, by name. The only proof that a folder exists."""

    @abstractmethod
    def changes(self, cursor: str | None, watch: Watch) -> Changes:
        """What arrived in and vanished from the watched folders since `cursor`.

        With no cursor: the inbox's newest messages as arrived; the other folders start from now.
        A cursor that the connector can't read counts as none.
        """

    def renamed(self, cursor: str, names: Mapping[str, str]) -> str:  # noqa: ARG002 - for cursors that hold names
        """The same cursor after folders were renamed: old name -> new name."""
        return cursor

    def remember(self, cursor: str | None) -> None:  # noqa: B027 - for connectors that learn something
        """Take over what a cursor knows about the server, so that `capabilities` tells it."""

    @abstractmethod
    def newest(self, folder: str, limit: int) -> list[Sighting]:
        """The newest messages of one folder, newest first. Raises FolderMissing."""

    def filed_by_people(self, folder: str, limit: int) -> list[Sighting]:
        """What people put into this folder, as far as the server tells, newest first: what lessons are made of.

        A server that tells nobody's name (IMAP) gives its newest messages. Raises FolderMissing.
        """
        return self.newest(folder, limit)

    def tagged_by_people(self, folder: str, tag: str, limit: int) -> list[Sighting]:
        """What people tagged so in this folder, as far as the server tells, newest first. Raises FolderMissing.

        For servers that cannot search for a tag: what carries it among the newest messages.
        """
        newest = self.newest(folder, TAGS_LOOKED_FOR)
        return [one for one in newest if tag.lower() in map(str.lower, one.flags)][:limit]

    @abstractmethod
    def fetch(self, refs: Sequence[MessageRef], *, papers: bool = False, pictures: bool = False) -> Iterator[Message]:
        """The messages that are still there and given, in any order; of one that the server refuses the others do not
        suffer. Changes nothing on the server, not even \\Seen.

        `papers`: with the files of those whose own words are few (`connectors.mail.own_words`); nothing else is
        fetched for it. `pictures`: and with JPEG, PNG and TIFF that are attached, where documents leave room for them.
        """

    def withheld(self, refs: Sequence[MessageRef]) -> Mapping[MessageRef, str]:  # noqa: ARG002 - nothing is withheld
        """Of messages that `fetch` has just left out: which lie there all the same, and why the server does not give
        them, in words for people and without a word of mail. The others are gone."""
        return {}

    @abstractmethod
    def apply(
        self,
        ref: MessageRef,
        identity: Identity,
        action: Action,
        note: Note,
        unless: frozenset[str] = frozenset(),
    ) -> MessageRef:
        """Do it, verify it, and return where the message is now. `note` is called before every changing command.

        `unless`: flags and keywords, in small letters. If the message carries one of them by now, nothing is done:
        people flag and answer mail between our fetch and our move.
        Raises MessageGone if a person was faster or another message lies there, MessageTouched for `unless`,
        FolderMissing, ActionRefused (nothing happened), Unreachable or Unexplained (ask `recover` what happened).
        """

    @abstractmethod
    def recover(self, unfinished: Unfinished) -> Recovered:
        """Find out what became of a half-done action, and finish it where that is safe."""

    def try_move(self) -> Tried | None:
        """Move a message of its own between folders of its own, as `apply` does, and remove all of it. None: a world
        where that cannot be done without touching what people see. Raises ConnectorError."""
        return None

    def certificate(self) -> tuple[datetime, datetime] | None:
        """From when until when the server's certificate holds; None: there is none, or nobody can tell."""
        return None

    @abstractmethod
    def close(self) -> None:
        """Leave the server. Never raises."""

    def break_off(self) -> None:  # noqa: B027 - for those who wait for a server
        """From another thread: end what is being done with the server, for good. The call in progress raises
        Unreachable within seconds, and an action that it cut short is for `recover`. Never raises."""

    def listen(self) -> int | None:
        """Begin to listen, where the server can call. Returns the descriptor of a file that becomes readable when
        something came (`select`): then `heard` is to be asked. None: nobody calls. Every other call ends it, and it is
        begun anew after `LISTENING_S` at the latest. A hint; polling is the truth."""
        return None

    def heard(self) -> bool:
        """Something came at the file of `listen`: may something have changed? Reads what came and waits for nothing:
        one thread listens for all mailboxes. Raises Unreachable where the connection broke."""
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def is_touched(flags: Iterable[str], unless: Iterable[str]) -> bool:
    """Does a message with these flags carry one of `unless`? The case of flags means nothing (RFC 9051, 2.3.2)."""
    return not {flag.lower() for flag in flags}.isdisjoint(unless)


def refs_by_folder(refs: Iterable[MessageRef]) -> dict[tuple[str, int], list[int]]:
    """UIDs grouped by (folder, epoch), ascending: one command a folder instead of one a message."""
    groups: dict[tuple[str, int], list[int]] = {}
    for ref in sorted(refs):
        groups.setdefault((ref.folder, ref.epoch), []).append(ref.uid)
    return groups
