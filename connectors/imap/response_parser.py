"""The lines of an IMAP answer as values: one response at a time, so that a bad one costs itself and nothing else.

    records of imaplib | responses | tokens | lists, strings, numbers, atoms

IMAPClient's own lexer takes "[" for the beginning of a section wherever it stands, and one name or keyword with a
lonely "[" makes the whole answer unreadable to it, though that is a legal atom (RFC 9051 section 9: ATOM-CHAR) which
Dovecot keeps. Here an atom ends at a blank or a bracket of a list, and only BODY[ and BINARY[ open a section.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from imapclient.datetime_util import parse_to_datetime

DEEPEST = 100
"""Lists in lists: BODYSTRUCTURE of a mail whose parts are nested so deeply that nobody reads it."""

_BLANKS = re.compile(rb"[ \t\r\n]*")
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_LITERAL = re.compile(rb"~?\{(\d+)\+?\}\Z")
_SECTION = re.compile(rb"(?:BODY|BINARY)(?:\.PEEK|\.SIZE)?\[[^\]]{0,4000}\](?:<\d+(?:\.\d+)?>)?", re.IGNORECASE)
_ATOM = re.compile(rb"[^ \t\r\n()]+")
_KEY = re.compile(rb"[^ \t\r\n()\"\[{]+")
_FLAG = re.compile(rb"(?:[^ \t\r\n()]|\((?=[^ )\r\n])|\)(?![ )\r\n]|\Z))+")
_FLAG_LISTS = (b"FLAGS", b"PERMANENTFLAGS")


class Unreadable(ValueError):
    """This response is none that IMAP knows. Quotes nothing: it may be mail."""


def responses(records: Iterable[Any]) -> Iterator[list[Any]]:
    """The records of each response: imaplib cuts one at every literal, into (text, literal) and what follows it."""
    gathered: list[Any] = []
    for record in records:
        if record is None or (record == b"" and not gathered):
            continue
        gathered.append(record)
        if not isinstance(record, tuple):
            yield gathered
            gathered = []
    if gathered:
        yield gathered


def values(records: Sequence[Any]) -> list[Any]:
    """The values of one response: bytes, int, None for NIL, tuples for lists. Raises Unreadable."""
    reader = _Reader(records)
    found = []
    while not reader.ended():
        found.append(reader.value(0))
    return found


def fetch_items(records: Sequence[Any]) -> dict[bytes, Any]:
    """The items of one FETCH response, names in capitals: FLAGS as a tuple, INTERNALDATE as a datetime or None.

    What follows the closing bracket counts, too: there are servers that close it too early. An item that cannot be read
    ends the reading; those before it stand. Raises Unreadable where not even the list begins.
    """
    reader = _Reader(records)
    reader.value(0)  # the message's number
    reader.open()
    items: dict[bytes, Any] = {}
    while not reader.ended():
        try:
            if (name := reader.name()) is None:
                continue
            value = reader.flags() if name in _FLAG_LISTS else reader.value(0)
        except Unreadable:
            break
        items[name] = _moment(value) if name == b"INTERNALDATE" else value
    return items


def flags_in(text: bytes) -> tuple[bytes, ...]:
    """The flags of a list in brackets. Raises Unreadable."""
    return _Reader([text]).flags()


class _Reader:
    """One response, read from its beginning to its end."""

    def __init__(self, records: Sequence[Any]) -> None:
        self._records = list(records)
        self._text = b""
        self._literal: bytes | None = None
        self._place = 0
        self._next()

    def _next(self) -> bool:
        """The next record."""
        if not self._records:
            return False
        record = self._records.pop(0)
        self._text, self._literal = record if isinstance(record, tuple) else (record, None)
        if not isinstance(self._text, bytes):
            raise Unreadable("no bytes")
        self._place = 0
        return True

    def ended(self) -> bool:
        """Is there nothing more?"""
        while True:
            self._place = _BLANKS.match(self._text, self._place).end()  # type: ignore[union-attr]
            if self._place < len(self._text):
                return False
            if not self._next():
                return True

    def _peek(self) -> bytes:
        if self.ended():
            raise Unreadable("it ends too early")
        return self._text[self._place : self._place + 1]

    def _take(self, shape: re.Pattern[bytes]) -> bytes | None:
        found = shape.match(self._text, self._place)
        if found is None:
            return None
        self._place = found.end()
        return found[0]

    def open(self) -> None:
        """The bracket with which a list begins."""
        if self._peek() != b"(":
            raise Unreadable("no list")
        self._place += 1

    def name(self) -> bytes | None:
        """The name of a FETCH item; None for a bracket, which ends the list."""
        if self._peek() in (b"(", b")"):
            self._place += 1
            return None
        taken = self._take(_SECTION) or self._take(_KEY)
        if taken is None:
            raise Unreadable("no name of an item")
        return taken.upper()

    def value(self, depth: int) -> Any:
        """A list, string, number or atom."""
        begins = self._peek()
        if begins == b"(":
            return self._list(depth)
        if begins == b")":
            raise Unreadable("a list ends that never began")
        if begins == b'"' and (quoted := _QUOTED.match(self._text, self._place)) is not None:
            self._place = quoted.end()
            return re.sub(rb'\\(["\\])', rb"\1", quoted[1])
        if begins in b"{~" and self._literal is not None and _LITERAL.match(self._text, self._place):
            literal = self._literal
            self._place, self._literal = len(self._text), None
            return literal
        atom = self._take(_ATOM) or b""
        return None if atom.upper() == b"NIL" else int(atom) if _is_number(atom) else atom

    def _list(self, depth: int) -> tuple[Any, ...]:
        if depth > DEEPEST:
            raise Unreadable("too many lists in lists")
        self.open()
        found = []
        while self._peek() != b")":
            found.append(self.value(depth + 1))
        self._place += 1
        return tuple(found)

    def flags(self) -> tuple[bytes, ...]:
        """A list of flags and keywords: it holds no lists, so brackets inside a word are the word's."""
        if self._peek() != b"(":
            return () if self.value(0) is None else self._no_flags()
        self.open()
        found = []
        while self._peek() != b")":
            word = self.value(0) if self._peek() in b'"{' else self._take(_FLAG)
            if isinstance(word, bytes):
                found.append(word)
            else:  # a bracket that stands alone
                self._place += 1
        self._place += 1
        return tuple(found)

    def _no_flags(self) -> tuple[bytes, ...]:
        raise Unreadable("no list of flags")


def _is_number(atom: bytes) -> bool:
    return atom.isdigit() and len(atom) < 20 and (atom[:1] != b"0" or atom == b"0")


def _moment(value: Any) -> Any:
    """INTERNALDATE; None where it is no date."""
    if not isinstance(value, bytes):
        return None
    try:
        return parse_to_datetime(value, normalise=False)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
