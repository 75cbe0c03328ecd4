"""What a message is called, in logs and tables, and which message somebody means by such a name.

<id@host>, id@host        its Message-ID
3f2a9c01b7de              its short name, which says nothing about it
INBOX/1/17                a place in which it was seen: folder, UIDVALIDITY, UID
17                        the ticket, the lesson or the correction of this number
ticket:17, lesson:17, correction:17        this one alone
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, exists, select

from connectors.base import Identity, MessageRef
from daemon.store import messages
from daemon.store import tables as t
from daemon.store.database import Tx
from daemon.store.records import KnownMessage

SHORT = 12
"""Hexadecimal digits. Of 100,000 messages two share a short name once in 50,000 mailboxes."""
_HEX = re.compile(rf"[0-9a-f]{{{SHORT},64}}")
_PLACE = re.compile(r"(.+)/(\d{1,10})/(\d{1,10})")
_NUMBER = re.compile(r"(?:(ticket|lesson|correction):|#)?(\d{1,18})")


@dataclass(frozen=True)
class Meant:
    """A message, and what it was called: "ticket:17" of what was only "17"."""

    message: KnownMessage
    name: str


def short_name(identity: Identity) -> str:
    """The first digits of the sha256 of the Message-ID without <>; where there is none, of the digest."""
    return _full_name(identity.message_id, identity.digest)[:SHORT]


def in_log(identity: Identity, ref: MessageRef) -> dict[str, str]:
    """How a line of the log names the message at `ref`, without a word of it; `postroom why` takes the name."""
    return {"message": short_name(identity), "folder": ref.folder}


def _full_name(message_id: str | None, digest: str) -> str:
    return digest if message_id is None else hashlib.sha256(message_id.strip("<>").encode()).hexdigest()


def place_of(said: str) -> MessageRef | None:
    """The place, if `said` has the form of one."""
    found = _PLACE.fullmatch(said)
    return None if found is None else MessageRef(found[1], int(found[2]), int(found[3]))


def meant(tx: Tx, mailbox: int, said: str) -> list[Meant]:
    """All messages of the mailbox that are called so, each once for every kind of name that fits."""
    return [Meant(message, name) for name, message in _meant(tx, mailbox, said.strip())]


def _meant(tx: Tx, mailbox: int, said: str) -> Iterator[tuple[str, KnownMessage]]:
    for message in messages.named(tx, mailbox, said):
        yield said, message
    if (place := place_of(said)) is not None:
        seen = t.sightings.c
        here = and_(seen.folder == place.folder, seen.epoch == place.epoch, seen.uid == place.uid)
        for message in _where(tx, mailbox, exists().where(seen.message_id == t.messages.c.id, here)):
            yield said, message
    if _HEX.fullmatch(said.lower()):
        for message in _by_hash(tx, mailbox, said.lower()):
            yield said, message
    if (number := _NUMBER.fullmatch(said)) is not None:
        yield from _numbered(tx, mailbox, number[1], int(number[2]))


def _numbered(tx: Tx, mailbox: int, kind: str | None, number: int) -> Iterator[tuple[str, KnownMessage]]:
    tables = {"lesson": t.lessons, "correction": t.corrections}
    of = t.messages.c
    wanted: dict[str, ColumnElement[bool]] = {"ticket": of.object_id == f"ticket:{number}"} | {
        name: exists().where(table.c.message_id == of.id, table.c.id == number) for name, table in tables.items()
    }
    for name, which in wanted.items():
        if kind in (None, name):
            for message in _where(tx, mailbox, which):
                yield f"{name}:{number}", message


def _by_hash(tx: Tx, mailbox: int, digits: str) -> list[KnownMessage]:
    """No column holds the hash: a person asks for one now and then, and 100,000 are hashed in a quarter of a second."""
    m = t.messages.c
    rows = tx.execute(select(m.id, m.rfc_id, m.digest).where(m.mailbox_id == mailbox))
    ids = [row.id for row in rows if _full_name(row.rfc_id, row.digest).startswith(digits)]
    return _where(tx, mailbox, m.id.in_(ids[:100]))


def _where(tx: Tx, mailbox: int, which: ColumnElement[bool]) -> list[KnownMessage]:
    query = select(t.messages.c.id).where(t.messages.c.mailbox_id == mailbox, which).order_by(t.messages.c.id)
    return [messages.get(tx, found) for found in tx.execute(query).scalars().all()]
