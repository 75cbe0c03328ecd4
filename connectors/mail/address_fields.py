"""Address fields as senders write them: names, brackets, comments, groups, broken ones.

Headers, field names | addresses: for reading | bare_addresses: for rules
"""

from __future__ import annotations

import re

from connectors.mail.charsets import guess_text
from connectors.mail.headers import LONGEST_FIELD, Headers, decode_header, one_line

LONGEST_ADDRESSES = 2_000
MOST_ADDRESSES = 8

_MARK = re.compile('[,;"<(]')
_CLOSES = {"<": ">", "(": ")"}


def addresses(headers: Headers, *names: str) -> str:
    """The first field of these names that holds an address: "Ann Lee <ann@example.org>, bob@example.org"."""
    for name in names:
        raw = headers.raw(name)
        if raw is None:
            continue
        text = headers.unlabelled(raw)
        found = _address_pairs(" ".join(text[:LONGEST_ADDRESSES].split()))
        if not found:  # some senders encode the whole field, brackets included
            found = _address_pairs(decode_header(text, LONGEST_ADDRESSES))
        shown = [_shown(person, address) for person, address in found[:MOST_ADDRESSES] if "@" in address]
        if any(shown):
            return ", ".join(dict.fromkeys(filter(None, shown)))
        if raw.strip():
            return decode_header(text, 200)
    return ""


def bare_addresses(headers: Headers, *names: str) -> frozenset[str]:
    """Every address in these fields, without names, in small letters: for rules, not for reading."""
    found: set[str] = set()
    for name in names:
        raw = headers.raw(name)
        if raw is not None:
            pairs = _address_pairs(" ".join(guess_text(raw)[:LONGEST_FIELD].split()))
            pairs = pairs or _address_pairs(decode_header(raw))
            found.update(one_line(address.strip("'"), 320).lower() for _, address in pairs)
    return frozenset(address for address in found if "@" in address)


def _address_pairs(value: str) -> list[tuple[str, str]]:
    """(name, address) of each mailbox in a list. Ours, because `email.utils` answers differently in each Python."""
    pairs: list[tuple[str, str]] = []
    before = ""
    for mailbox in _mailboxes(value):
        if "@" not in mailbox:
            before += mailbox + ","  # a name with a bare comma: Lee, Ann <ann@example.org>
            continue
        person, bracket, address = mailbox.rpartition("<")
        if not bracket:
            address, _, person = mailbox.rpartition(":")[2].partition("(")
        elif "@" not in address:
            person, address = "", person
        name = (before + person).strip(" ,)").removeprefix('"').removesuffix('"')
        pairs.append((name.replace('\\"', '"'), address.partition(">")[0].strip()))
        before = ""
    return pairs


def _mailboxes(value: str) -> list[str]:
    """The list cut at its commas and semicolons, in time that grows with its length only.

    Quoted names, bracketed addresses and comments may hold commas; the sign of an unclosed one is any character.
    """
    found: list[str] = []
    closing = {'"': _quote_ends(value), "<": None, "(": None}
    begin = position = 0
    while (mark := _MARK.search(value, position)) is not None:
        position = mark.end()
        sign = mark[0]
        if sign in ",;":
            found.append(value[begin : position - 1])
            begin = position
        elif sign in closing:
            ends = closing[sign]
            end = ends[position] if ends is not None else value.find(_CLOSES[sign], position)
            if end >= 0:
                position = end + 1
            elif ends is None:
                del closing[sign]  # none closes any more: nobody looks again
    return [mailbox for mailbox in (*found, value[begin:]) if mailbox]


def _quote_ends(value: str) -> list[int]:
    """Where a quoted string ends whose content begins at each position; -1: nowhere. A backslash quotes what follows
    it."""
    ends = [-1] * (len(value) + 2)
    if '"' in value:
        for position in range(len(value) - 1, -1, -1):
            sign = value[position]
            ends[position] = position if sign == '"' else ends[position + (2 if sign == "\\" else 1)]
    return ends


def _shown(person: str, address: str) -> str:
    name, place = one_line(decode_header(person).strip("\"' "), 100), one_line(address.strip("'"), 200)
    return f"{name} <{place}>" if name and name.lower() != place.lower() else place
