"""What IMAP servers answer to CAPABILITY, LIST, STATUS, SELECT and COPYUID, as values of ours."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from imapclient.imap_utf7 import decode as decode_utf7
from imapclient.response_parser import parse_fetch_response, parse_response

from connectors.base import MessageRef
from connectors.imap.sightings import Fetched, as_text

_COPYUID = re.compile(r"(\d+) ([\d:,]+) ([\d:,]+)")
MOST_COPIED = 10_000


@dataclass(frozen=True)
class Abilities:
    """What the server offers after login, as far as we use it."""

    move: bool
    uidplus: bool
    condstore: bool
    qresync: bool
    list_status: bool
    list_extended: bool
    special_use: bool
    objectid: bool
    gmail: bool
    idle: bool
    unselect: bool
    savedate: bool

    @classmethod
    def of(cls, capabilities: Iterable[str]) -> Abilities:
        """From the words of a CAPABILITY answer. QRESYNC implies CONDSTORE (RFC 7162 section 3.2.3)."""
        words = {word.upper() for word in capabilities}
        return cls(
            move="MOVE" in words,
            uidplus="UIDPLUS" in words,
            condstore=bool({"CONDSTORE", "QRESYNC"} & words),
            qresync="QRESYNC" in words and "ENABLE" in words,
            list_status="LIST-STATUS" in words,
            list_extended="LIST-EXTENDED" in words,
            special_use="SPECIAL-USE" in words,
            objectid="OBJECTID" in words,
            gmail="X-GM-EXT-1" in words,
            idle="IDLE" in words,
            unselect="UNSELECT" in words,
            savedate="SAVEDATE" in words,
        )


@dataclass(frozen=True)
class State:
    """The numbers of a STATUS answer: equal numbers mean that nothing was added or removed."""

    epoch: int
    uidnext: int
    messages: int
    modseq: int = 0


@dataclass(frozen=True)
class Listed:
    """One line of a LIST answer."""

    name: str
    delimiter: str | None
    attributes: frozenset[str]
    state: State | None = None

    @property
    def selectable(self) -> bool:
        return not self.attributes & {"\\noselect", "\\nonexistent"}


@dataclass(frozen=True)
class Selected:
    """An opened folder."""

    epoch: int
    messages: int
    permanent_flags: frozenset[str] | None
    """Flags that can be kept, in lower case; None if the server doesn't say."""

    def keeps(self, word: str) -> bool:
        """Can the folder keep this flag? Without PERMANENTFLAGS all can be kept (RFC 9051 section 7.1)."""
        kept = self.permanent_flags
        return kept is None or word.lower() in kept or (self.keeps_keywords and not word.startswith("\\"))

    @property
    def keeps_keywords(self) -> bool:
        """Can the folder keep any keyword that we think of?"""
        return self.permanent_flags is None or "\\*" in self.permanent_flags


def copied(answers: Sequence[bytes | None], uid: int, folder: str) -> MessageRef | None:
    """COPYUID (RFC 4315 section 3): epoch, source UIDs, target UIDs. None unless it is about this very message.

    Both are sets of equal size in the same order; "7:7" and "7" are the same set. What does not add up proves nothing.
    """
    for answer in answers:
        found = _COPYUID.fullmatch(as_text(answer or b"").strip())
        if not found or int(found[1]) == 0:
            continue
        sources, targets = _uids(found[2]), _uids(found[3])
        if len(sources) == len(targets) and sources.count(uid) == 1 and (landed := targets[sources.index(uid)]) > 0:
            return MessageRef(folder, int(found[1]), landed)
    return None


def _uids(words: str) -> list[int]:
    """A UID set in its own order; empty if it is malformed or absurdly large."""
    uids: list[int] = []
    for word in words.split(","):
        ends = word.split(":")
        if len(ends) > 2 or not all(ends):
            return []
        first, last = sorted((int(ends[0]), int(ends[-1])))
        if last - first >= MOST_COPIED - len(uids):
            return []
        uids.extend(range(first, last + 1))
    return uids


def fetched_by_uid(lines: Sequence[Any], wanted: Collection[int]) -> dict[int, Fetched]:
    """The answers to a UID FETCH by UID, of the wanted messages only.

    Servers tell of other messages meanwhile, by number and without a UID (RFC 9051 section 7.5.2): a number must not be
    taken for a UID.
    """
    found: dict[int, dict[bytes, Any]] = {}
    answer: list[Any] = []
    for line in lines:
        if line is None:
            continue
        answer.append(line)
        if isinstance(line, tuple):  # a literal: the rest of this answer follows
            continue
        for fetched in parse_fetch_response(answer, normalise_times=False, uid_is_key=False).values():
            if (uid := fetched.get(b"UID")) in wanted:
                found.setdefault(uid, {}).update(fetched)
        answer = []
    return dict(found)


def same_folder(one: str, other: str) -> bool:
    """INBOX is the one name that has no case (RFC 9051 section 5.1)."""
    return one == other or one.upper() == other.upper() == "INBOX"


def listed_in(lines: Sequence[object]) -> list[Listed]:
    words = parse_response([line for line in lines if line not in (b"", None)])
    return [
        Listed(
            name=_folder_name(words[index + 2]),
            delimiter=as_text(words[index + 1]) if words[index + 1] is not None else None,
            attributes=frozenset(as_text(attribute).lower() for attribute in words[index]),
        )
        for index in range(0, len(words), 3)
    ]


def states_in(lines: Sequence[object]) -> dict[str, tuple[State, str | None]]:
    """Folder -> its numbers and its MAILBOXID."""
    words = parse_response([line for line in lines if line not in (b"", None)])
    states: dict[str, tuple[State, str | None]] = {}
    for index in range(0, len(words) - 1, 2):
        pairs = words[index + 1]
        values = {as_text(pairs[i]).upper(): pairs[i + 1] for i in range(0, len(pairs), 2)}
        state = State(
            epoch=int(values.get("UIDVALIDITY", 0)),
            uidnext=int(values.get("UIDNEXT", 0)),
            messages=int(values.get("MESSAGES", 0)),
            modseq=int(values.get("HIGHESTMODSEQ", 0)),
        )
        object_id = as_text(values["MAILBOXID"]) if values.get("MAILBOXID") else None
        states[_folder_name(words[index])] = (state, object_id)
    return states


def vanished_in(lines: Sequence[object], known: Collection[int]) -> set[int]:
    """The known UIDs among those of VANISHED answers (RFC 7162 section 3.2.10): "(EARLIER) 41,43:116"."""
    ours = sorted(known)
    begun = [0] * (len(ours) + 1)  # how many more runs hold this UID than the one before it
    for line in lines:
        for word in re.findall(r"[\d:,]+", as_text(line or b"")):
            for run in word.split(","):
                first, _, last = run.partition(":")
                low, high = sorted((int(first), int(last or first)))
                begun[bisect_left(ours, low)] += 1
                begun[bisect_right(ours, high)] -= 1
    return {uid for uid, runs in zip(ours, accumulate(begun), strict=False) if runs}


def deleted_in(lines: Sequence[object]) -> set[int]:
    """UIDs of FETCH answers whose flags say that the message is marked as deleted."""
    found: set[int] = set()
    for line in lines:
        text = as_text(line or b"")
        uid = re.search(r"\bUID (\d+)", text)
        if uid and re.search(r"FLAGS \([^)]*\\Deleted\b", text, re.IGNORECASE):
            found.add(int(uid[1]))
    return found


def with_state(listed: Listed, states: dict[str, tuple[State, str | None]]) -> Listed:
    """A line of LIST with what LIST-STATUS said about it."""
    return replace(listed, state=states[listed.name][0]) if listed.name in states else listed


def is_news(said: Iterable[Sequence[object]]) -> bool:
    """Messages came, went or changed. "Still here" is no news."""
    return any(word in (b"EXISTS", b"EXPUNGE", b"FETCH", b"VANISHED") for line in said for word in line)


def _folder_name(word: object) -> str:
    name: str = decode_utf7(word) if isinstance(word, bytes) else as_text(word)
    return "INBOX" if name.upper() == "INBOX" else name
