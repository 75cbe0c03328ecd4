"""What the store gives back: plain frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from connectors.base import Action, Identity, MailText, MessageRef, Progress, Role

Mode = Literal["shadow", "live"]

MessageState = Literal["new", "existing", "sorted", "left", "elsewhere", "gone", "placed"]
"""new: waits to be sorted. existing: was in the inbox before Postroom, left alone. sorted: acted on (or would have, in
shadow). left: decided to leave. elsewhere: first seen outside the inbox. gone: vanished before we came to it. placed:
put into the inbox by somebody, not delivered."""

ActionState = Literal["planned", "sent", "done", "failed", "explained"]

CorrectionKind = Literal["correction", "filing", "rejection", "agreement"]
"""correction: moved from where we had put it. filing: a person filed what we had left. rejection: put back into the
inbox. agreement: filed by a person just as we had decided in shadow."""

INTERRUPTED = "Training was interrupted; nothing was changed."
"""The verdict of a training whose process died."""

DecisionSource = Literal["model", "thread", "memory", "copy", "owner", "newcomer", "rule", "none"]
"""memory: a lesson that it nearly repeats. copy: another copy of the same mail. owner: a
rule of the settings. newcomer: left, for it looks like mail
of a folder that the model does not know yet. rule: not to be touched. none: there is no model."""
FILERS: Mapping[DecisionSource, str] = {
    "model": "model",
    "thread": "thread",
    "memory": "near copy",
    "copy": "other copy",
    "owner": "your rules",
}
"""Who files, as people read it."""
NOTHING_TO_FOLLOW: frozenset[DecisionSource] = frozenset({"newcomer", "rule", "none"})
"""What another copy of the mail does not go by: it is asked about anew."""


@dataclass(frozen=True)
class Mailbox:
    """One watched mailbox as remembered."""

    id: int
    name: str
    kind: str
    mode: Mode
    cursor: str | None
    paused: str | None
    created: datetime
    polled: datetime | None
    trouble: str | None
    last_arrival: datetime | None
    stopped: str | None = None
    """Why the mailbox looks wrong: nothing is read, moved or recorded until a person resumes it."""
    vouched: datetime | None = None
    evidence_from: datetime | None = None
    """Overrides of what was filed earlier no longer count for the breakers."""
    contents: dict[str, int] | None = None
    """How many messages each folder held at the last listing; None: the server does not count."""
    seen_until: datetime | None = None
    """When the last look that left nothing out began: all that had arrived by then has been seen."""
    server_clock: dict[str, Any] | None = None
    """What the last arrivals say of it: see `daemon.rules.delivery`."""
    others_moves: int = 0
    """Moves by a Postroom that this database knows nothing of: a second one, or this one before a restore."""
    others_moved: datetime | None = None
    """When the last of them was seen."""
    restored: datetime | None = None
    """When we noticed that the database was restored from a backup."""
    tags: list[str] | None = None
    """The tags whose changes the last look heard of; None: of none."""
    unreadable: dict[str, str] | None = None
    """Folders that the last look could not look into, and why."""
    reread: int = 0
    """How often a lesson got the text of its files later."""
    account: dict[str, str] | None = None
    lender: int | None = None
    """Whose mailbox it was at the last look that went well: keys of the settings, with their values."""
    turns: str | None = None
    """Why it has a connection only in turn with other mailboxes of its server; None: it keeps its own."""


@dataclass(frozen=True)
class Guess:
    """A folder's role, and in words why: the owner said so, the server says so, or its name looks like it.

    `could_be`: nothing in its name speaks against a category.
    """

    role: Role
    why: str
    could_be: bool = False


@dataclass(frozen=True)
class KnownFolder:
    """A folder and the role it plays."""

    name: str
    role: Role
    object_id: str | None
    epoch: int
    missing_since: datetime | None
    known_as: str | None = None
    """Its first name, by which the settings may still call it; None: never renamed."""
    offered: datetime | None = None
    """When it appeared, if nobody has said yet what it is for."""
    why: str = ""
    """Why it has its role, in words."""
    could_be: bool = False
    """Nothing in its name speaks against a category."""
    messages: int | None = None


@dataclass(frozen=True)
class Category:
    """What a message can be about, and the place it belongs. `uid` survives every renaming."""

    uid: str
    name: str
    folder: str
    description: str = ""
    hides: bool = False
    precision: float | None = None
    paused: str | None = None
    listed_as: str | None = None
    """Its folder's name in the settings, which a rename on the server leaves behind."""
    tag: str | None = None
    """How its mail is tagged; None: the mailbox is sorted by moving."""
    mode: Mode | None = None
    """For this category alone; None: as the mailbox."""


@dataclass(frozen=True)
class KnownMessage:
    """One message, wherever it is."""

    id: int
    identity: Identity
    thread: str | None
    arrived: datetime | None
    first_seen: datetime
    state: MessageState


@dataclass(frozen=True)
class KnownSighting:
    """One place in which a message was seen. `gone` is when it had left."""

    id: int
    message: int
    ref: MessageRef
    seen: datetime
    gone: datetime | None
    ours: bool
    who: str | None
    judged: bool
    since: datetime | None = None
    """The look before it was `seen`: it was put there no earlier. None: nobody had looked."""
    put: datetime | None = None
    """When it was put there, where the server tells."""


@dataclass(frozen=True)
class Tagging:
    """The categories' tags that a message carried from `seen` on, in small letters. `ours`: by our own doing."""

    id: int
    message: int
    tags: frozenset[str]
    seen: datetime
    ours: bool
    who: str | None
    judged: bool
    since: datetime | None = None
    """It changed after this moment, when all had been seen last; None: nobody knows."""


class HintKind(NamedTuple):
    """What a hint rests on (daemon.rules.hints): hints of one kind are about equally often right."""

    source: Literal["thread", "memory"]
    """As a decision's."""
    shape: str
    """Where the thread or the copies lie, and how alike they are, in words for `why`."""
    age: str
    """How long after the last of them the mail came, in words."""


@dataclass(frozen=True)
class ReadFile:
    """What became of one file of a mail that was decided about.

    `status`: that of `daemon.papers.paper`, "lacking" (its bytes were not to be had: `why`), "no time" (enough was
    read in this look) or "unseen" (a picture, where OCR is wanted and does not work). `invoice`: the line of an
    electronic invoice. `ocr`: it was read from a picture of a page.
    """

    name: str
    status: str
    kind: str = ""
    ocr: bool = False
    invoice: str = ""
    why: str = ""


@dataclass(frozen=True)
class StoredDecision:
    """What we thought of one message, and why."""

    id: int
    message: int
    at: datetime
    category: str | None
    best: str | None
    probability: float | None
    runner_up: str | None
    runner_up_probability: float | None
    source: DecisionSource
    reason: str
    model: str | None
    mode: Mode
    confirmed: datetime | None = None
    """When we noticed that people had read the mail where we put it, and left it there."""
    hint: HintKind | None = None
    """What a filing by a hint rests on."""
    sureness: float | None = None
    """Of `best`; None: the model stated no more than probabilities."""
    files: tuple[ReadFile, ...] = ()
    """What the mail's files were read for it, where its own words are few."""


@dataclass(frozen=True)
class Filed:
    """A message that was filed, by which model, and whether people put it elsewhere. `model` None: by a hint."""

    at: datetime
    model: str | None
    overridden: bool
    asked: bool = False
    """They did so in a bulk move that waits for a person's word."""
    category: str = ""
    agreed: bool = False
    """A person put it there, too. Mail that nobody touched is neither agreed nor overridden."""


@dataclass(frozen=True)
class JournalEntry:
    """One action: what was meant, how far it came, where the message is now."""

    id: int
    message: int
    decision: int | None
    kind: str
    ref: MessageRef
    action: Action
    state: ActionState
    progress: Progress
    landed: MessageRef | None
    planned: datetime
    ended: datetime | None
    explanation: str | None
    unclear: int = 0
    """How often nobody could tell what had become of it."""


@dataclass(frozen=True)
class Withheld:
    """A message that lies there and that the server does not give. `message` None: not even its header came.
    `since`: when all had been seen last before that; None: nobody had looked. `again`: when it is tried again; None:
    never."""

    ref: MessageRef
    message: int | None
    why: str
    first: datetime
    since: datetime | None
    tries: int
    again: datetime | None

    def is_due(self, now: datetime) -> bool:
        """May it be asked for again?"""
        return self.again is not None and self.again <= now


@dataclass(frozen=True)
class Correction:
    """A person put a message somewhere. `to_category` None: back in the inbox."""

    id: int
    message: int
    at: datetime
    kind: CorrectionKind
    from_category: str | None
    to_category: str | None
    from_folder: str | None
    to_folder: str
    who: str | None
    voided: datetime | None
    batch: int | None = None
    """The bulk move that it was a part of."""
    waits: bool = False
    """That bulk move waits for a person's word, and this teaches nothing."""


@dataclass(frozen=True)
class Batch:
    """A bulk move: many messages that people put into one folder within minutes. `closed` None: it waits for a person's
    word, and none of it has taught anything."""

    id: int
    opened: datetime
    folder: str
    who: str | None
    category: str | None
    """What it will teach; None: it was put back into the inbox."""
    sources: Mapping[str, int]
    """From which folders, and how many: without what was taken back."""
    lying: int
    """So many still lie where they were put."""
    closed: datetime | None = None
    outcome: str | None = None
    because: str | None = None

    @property
    def members(self) -> int:
        """How many messages it is about."""
        return sum(self.sources.values())


@dataclass(frozen=True)
class Lesson:
    """One labelled text that training may use. Always from a person. `voided`: it teaches nothing since then, and its
    text has gone."""

    id: int
    message: int | None
    category: str
    text: MailText
    thread: str | None
    at: datetime
    weight: float
    source: str
    frozen: bool
    voided: datetime | None = None


TwinChoice = Literal["merge", "here", "differ"]
"""merge: both folders are one. here: new mail goes into one of them, and what is put into the other teaches nothing.
differ: they mean two things."""


@dataclass(frozen=True)
class TwinPair:
    """Two categories, by uid, that seem to mean the same. `why`: sentences without names.

    `lately`: the one that people use lately, where that is clear; `over`: it has taken over from the other. `choice`:
    what a person said; `into` is then the category that stays.
    """

    id: int
    one: str
    other: str
    why: tuple[str, ...]
    since: datetime
    lately: str | None = None
    lately_since: datetime | None = None
    over: bool = False
    choice: TwinChoice | None = None
    into: str | None = None
    chosen: datetime | None = None

    def beside(self, uid: str) -> str:
        """The other of the two."""
        return self.other if uid == self.one else self.one


@dataclass(frozen=True)
class ModelRecord:
    """One trained model in the registry."""

    version: str
    folder: str
    state: Literal["current", "previous", "kept", "rejected", "removed"]
    created: datetime
    promoted: datetime | None
    verdict: str
    exam: dict[str, Any]
    withdrawn: datetime | None = None
    """When it was taken out of use by itself, and why."""
    withdrawn_because: str | None = None
    run: int | None = None
    """The training that made it; None: nobody knows."""


@dataclass(frozen=True)
class TrainingRun:
    """One night's attempt."""

    id: int
    started: datetime
    ended: datetime | None
    outcome: str | None
    verdict: str | None
    lessons: int
    newest_lesson: int
    report: tuple[str, ...] = ()
    """What the trainer said about the lessons, in sentences."""
    contradictions: tuple[tuple[int, int], ...] = ()
    """Pairs of lessons: near-identical mails in different categories."""
