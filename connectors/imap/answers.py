"""What IMAP servers answer to CAPABILITY, LIST, STATUS, SELECT and COPYUID, as values of ours."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import accumulate
from typing import Any

from imapclient.imap_utf7 import decode as decode_utf7
from imapclient.imap_utf7 import encode as encode_utf7

from connectors.base import MessageRef
from connectors.imap.response_parser import Unreadable, fetch_items, flags_in, responses, values
from connectors.imap.sightings import Fetched, as_text

_PERMANENT = re.compile(rb"\[PERMANENTFLAGS (\(.*\))\]", re.IGNORECASE | re.DOTALL)
MOST_DIGITS = 20
FIRST_PRINTABLE = 0x20
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
    id: bool = False

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
            id="ID" in words,
        )

    def without(self, words: Collection[str]) -> Abilities:
        """The same without what is not to be used; see `connectors.imap.avoided`."""
        gone = {word.lower().replace("-", "_") for word in words} & {field.name for field in fields(self)}
        if "condstore" in gone:  # QRESYNC implies it
            gone.add("qresync")
        return replace(self, **dict.fromkeys(gone, False))


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
    spelled: bytes | None = None
    """As the server writes the name, where we would write it otherwise."""

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
    uidnext: int = 0
    """0: the server doesn't say."""

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


def fetched_by_uid(lines: Sequence[Any], wanted: Container[int]) -> dict[int, Fetched]:
    """The answers to a UID FETCH by UID, of the wanted messages only. One that cannot be read is left out.

    Servers tell of other messages meanwhile, by number and without a UID (RFC 9051 section 7.5.2): a number must not be
    taken for a UID.
    """
    found: dict[int, dict[bytes, Any]] = {}
    for answer in responses(lines):
        try:
            items = fetch_items(answer)
        except Unreadable:
            continue
        uid = items.get(b"UID")
        if isinstance(uid, int) and uid in wanted:
            found.setdefault(uid, {}).update(items)
    return dict(found)


def found_by_search(lines: Sequence[object]) -> list[int]:
    """The numbers of all SEARCH answers, ascending: there are servers that send none, or one for each message."""
    words = [word for line in lines if isinstance(line, bytes) for word in line.split(b"(")[0].split()]
    return sorted({int(word) for word in words if word.isdigit() and len(word) < MOST_DIGITS})


def selected_in(untagged: Mapping[str, Sequence[Any]]) -> Selected:
    """An opened folder, by what SELECT or EXAMINE answered. Raises KeyError where it does not even say EXISTS."""
    kept = None
    for line in untagged.get("OK", []):
        found = _PERMANENT.match(line) if isinstance(line, bytes) else None
        if found:
            try:
                kept = frozenset(as_text(flag).lower() for flag in flags_in(found[1]))
            except Unreadable:
                continue
    return Selected(_number(untagged, "UIDVALIDITY"), int(untagged["EXISTS"][-1]), kept, _number(untagged, "UIDNEXT"))


def _number(untagged: Mapping[str, Sequence[Any]], name: str) -> int:
    said = untagged.get(name) or [b""]
    return int(said[-1]) if isinstance(said[-1], bytes) and said[-1].isdigit() else 0


def same_folder(one: str, other: str) -> bool:
    """INBOX is the one name that has no case (RFC 9051 section 5.1)."""
    return one == other or one.upper() == other.upper() == "INBOX"


def listed_in(lines: Sequence[object]) -> list[Listed]:
    """The folders of LIST answers. A line that cannot be read is left out, and so is a folder of a name's second
    spelling, or of a name that no command can hold."""
    found: dict[str, Listed] = {}
    for answer in responses(lines):
        try:
            attributes, delimiter, word = values(answer)[:3]
            name, spelled = folder_name(word)
            one = Listed(
                name=name,
                delimiter=as_text(delimiter) if delimiter is not None else None,
                attributes=frozenset(as_text(attribute).lower() for attribute in attributes),
                spelled=spelled,
            )
        except (ValueError, TypeError):
            continue
        if one.name not in found or found[one.name].spelled is not None:
            found[one.name] = one
    return list(found.values())


def states_in(lines: Sequence[object]) -> dict[str, tuple[State, str | None]]:
    """Folder -> its numbers, 0 for what is not told, and its MAILBOXID. A line that cannot be read is left out."""
    states: dict[str, tuple[State, str | None]] = {}
    for answer in responses(lines):
        try:
            word, pairs = values(answer)[:2]
            told = {as_text(pairs[i]).upper(): pairs[i + 1] for i in range(0, len(pairs) - 1, 2)}
            numbers = [int(told.get(name) or 0) for name in ("UIDVALIDITY", "UIDNEXT", "MESSAGES", "HIGHESTMODSEQ")]
            object_id = as_text(told["MAILBOXID"]) if told.get("MAILBOXID") else None
            states[folder_name(word)[0]] = State(*numbers), object_id
        except (ValueError, TypeError):
            continue
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
    """A line of LIST with what LIST-STATUS said about it, if that says enough."""
    state, _ = states.get(listed.name, (None, None))
    return replace(listed, state=state) if state is not None and state.epoch and state.uidnext else listed


def is_news(said: Iterable[object]) -> bool:
    """Messages came, went or changed: of lines as they came. "Still here" is no news."""
    words = (b"EXISTS", b"EXPUNGE", b"FETCH", b"VANISHED")
    return any(word in words for line in said if isinstance(line, bytes) for word in line[:60].upper().split())


def folder_name(word: object) -> tuple[str, bytes | None]:
    """What a folder is called, and how the server spells it where that is not as we would (RFC 9051 section 5.1).

    Some servers send names that are no modified UTF-7, and mean them. Raises ValueError for one that no command can
    hold.
    """
    raw = word if isinstance(word, bytes) else str(word).encode()
    if raw.upper() == b"INBOX":
        return "INBOX", None
    name = _decoded(raw)
    if encode_utf7(name) == raw:
        return name, None
    if min(raw) < FIRST_PRINTABLE:
        raise ValueError("control characters in a folder's name")
    return name, raw


def _decoded(raw: bytes) -> str:
    try:
        if raw.isascii():
            return str(decode_utf7(raw))
        return raw.decode()
    except ValueError:
        return raw.decode("latin-1")
