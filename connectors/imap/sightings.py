"""From the answer to a FETCH to a sighting: where, which, when, how large.

    FETCH items | header fields | identity by the ladder EMAILID > X-GM-MSGID > X-GUID > Message-ID + digest | Sighting

Pure functions on what IMAPClient parsed. Which object id a server knows is decided once, by `Session.sighting_items`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from imapclient.datetime_util import parse_to_datetime
from imapclient.imap_utf7 import decode as decode_utf7

from connectors.base import Identity, MessageRef, Sighting
from connectors.mail.headers import digest, message_ids, origin, split_headers, thread_ids

HEADER_ITEM = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT REFERENCES IN-REPLY-TO)]"
BASIC_ITEMS = ("FLAGS", "INTERNALDATE", "RFC822.SIZE", HEADER_ITEM)

EARLIEST = 1980
BOOKKEEPING = re.compile(
    rb"^(?:Status|X-Status|X-Keywords|X-UID|X-IMAP|X-IMAPbase):.*\r?\n", re.IGNORECASE | re.MULTILINE
)
"""Header fields in which a server keeps its own numbers and flags in an mbox; imap4d shows them (seen)."""

# The FETCH item that names a message across folders, and the kind that it gets in an Identity.
OBJECT_KINDS = {"EMAILID": "emailid", "X-GM-MSGID": "gmmsgid", "X-GUID": "guid"}

Fetched = Mapping[bytes, Any]
"""What IMAPClient makes of one message's FETCH answer."""


def sighting(ref: MessageRef, fetched: Fetched, object_item: str | None) -> Sighting | None:
    """One message's answer as a sighting; None if the server gave no header, as for a message that just went. Size 0:
    the server does not tell it."""
    header = part(fetched, b"BODY[HEADER.FIELDS")
    told = fetched.get(b"RFC822.SIZE")
    size = told if isinstance(told, int) else 0
    if header is None:
        return None
    fields, _ = split_headers(header.replace(b"\r\n", b"\n"))
    ids = message_ids(fields.raw("message-id"))
    identity = Identity(
        object_id=_object_id(fetched, object_item),
        message_id=ids[0] if ids else None,
        digest=digest(fields.raw("message-id"), fields.raw("date"), fields.raw("from"), fields.raw("subject"), size),
        origin=origin(fields.raw("message-id"), fields.raw("date")),
    )
    return Sighting(
        ref=ref,
        identity=identity,
        flags=tags_of(fetched),
        arrived=_utc(fetched.get(b"INTERNALDATE")),
        size=size,
        references=thread_ids(fields),
        saved=_saved(fetched.get(b"SAVEDATE")),
    )


def part(fetched: Fetched, start: bytes) -> bytes | None:
    """The body part whose name starts so: servers differ in the case, order and quotes of what follows."""
    for name, value in fetched.items():
        if name.upper().startswith(start):
            # IMAPClient makes a number of a header or body that consists of digits.
            return value if isinstance(value, bytes) else None if value is None else str(value).encode()
    return None


def flags(fetched: Fetched) -> frozenset[str]:
    """Flags and keywords but \\Recent, which says something about the session and not about the message."""
    found = fetched.get(b"FLAGS") or ()
    return frozenset(text for text in map(as_text, found) if text != "\\Recent")


def tags_of(fetched: Fetched) -> frozenset[str]:
    """Flags and keywords, and Gmail's labels: all that people may call a tag. Gmail shows no label of the open
    folder."""
    labels = fetched.get(b"X-GM-LABELS") or ()
    return flags(fetched) | {decode_utf7(one) if isinstance(one, bytes) else as_text(one) for one in labels}


def is_deleted(seen: Sighting) -> bool:
    """Marked as deleted: for the person who did it the message is gone."""
    return any(flag.lower() == "\\deleted" for flag in seen.flags)


def same_message(one: Identity, other: Identity) -> bool:
    """Do both name the same message? The server's own id decides where both have one of its kind, else the digest.

    Where the digest differs a Message-ID still may agree: Exchange only estimates sizes. That is enough at the very
    place where the message was seen, and never enough to find it elsewhere: see `same_content`.
    """
    if one.object_id and other.object_id and _kind(one) == _kind(other):
        return one.object_id == other.object_id
    return one.digest == other.digest or (one.message_id is not None and one.message_id == other.message_id)


def same_content(one: Identity, other: Identity) -> bool:
    """Are both the same mail? Strict, to find a copy among other mail: a reused Message-ID alone does not do."""
    if one.object_id and other.object_id and _kind(one) == _kind(other):
        return one.object_id == other.object_id
    return one.digest == other.digest


def fingerprint(fetched: Fetched) -> str | None:
    """All headers, size and date of arrival in one word: two deliveries of one mail differ in it, a copy does not."""
    header = part(fetched, b"BODY[HEADER]")
    if header is None:
        return None
    rest = f"{fetched.get(b'RFC822.SIZE')} {_utc(fetched.get(b'INTERNALDATE'))}"
    return f"{hashlib.sha256(BOOKKEEPING.sub(b'', header)).hexdigest()} {rest}"


def same_headers(one: str | None, other: str | None) -> bool:
    """Do two fingerprints agree in the headers? Some servers estimate sizes; imap4d counts its own numbers in them, and
    gives a copy the date of the copying (seen)."""
    return one is not None and other is not None and one.split()[0] == other.split()[0]


def uid_sets(uids: Iterable[int], longest: int = 4000) -> list[str]:
    """UIDs as IMAP sets ("1:4,9"), as many as needed so that no command line grows past `longest` characters."""
    runs: list[list[int]] = []
    for uid in sorted(set(uids)):
        if runs and uid == runs[-1][1] + 1:
            runs[-1][1] = uid
        else:
            runs.append([uid, uid])
    sets: list[str] = []
    for first, last in runs:
        word = str(first) if first == last else f"{first}:{last}"
        if sets and len(sets[-1]) + len(word) < longest:
            sets[-1] += "," + word
        else:
            sets.append(word)
    return sets


def as_text(value: object) -> str:
    """A flag, name or id, which IMAPClient gives as bytes, as a number, or in brackets."""
    if isinstance(value, tuple):
        return as_text(value[0]) if value else ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _object_id(fetched: Fetched, object_item: str | None) -> str | None:
    if object_item is None:
        return None
    value = fetched.get(object_item.encode())
    text = as_text(value) if value is not None else ""
    return f"{OBJECT_KINDS[object_item]}:{text}" if text else None


def _kind(identity: Identity) -> str:
    return (identity.object_id or "").partition(":")[0]


def _saved(value: object) -> datetime | None:
    """RFC 8514 section 4.3: a date-time, or NIL where the server has not noted it."""
    if not isinstance(value, bytes):
        return None
    try:
        told = parse_to_datetime(value, normalise=False)
        return None if told.tzinfo is None else told.astimezone(UTC)
    except (ValueError, OverflowError):
        return None  # a hint that cannot be read is none


def _utc(value: object) -> datetime | None:
    """INTERNALDATE; None for one before there was any IMAP, which servers write that have none (1970)."""
    return value.astimezone(UTC) if isinstance(value, datetime) and value.year >= EARLIEST else None
