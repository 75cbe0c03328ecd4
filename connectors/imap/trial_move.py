"""A move, tried: with a message of its own, from one folder of its own to another, all of which go again.

    CREATE two | APPEND | newest | apply, as any move | newest, fetch | DELETE both, if nobody has put anything there

What a killed trial left is removed by the next one. People's folders are listed and not touched.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connectors.base import Folder, Move, Sighting, Tried
from connectors.errors import ActionRefused, ConnectorError, FolderMissing, Unexplained
from connectors.imap.session import Session

if TYPE_CHECKING:
    from connectors.imap.mailbox import ImapConnector

OURS = "Postroom-test-"
"""How such a folder's name begins; `daemon.rules.roles` lets the service look into none."""
NAME = re.compile(rf"(.*[./\\])?{OURS}[0-9a-f]{{8}}-[12]")
DOMAIN = "test.postroom.invalid"
MESSAGE = """\
From: Postroom <postroom@{domain}>
To: Postroom <postroom@{domain}>
Subject: A test of Postroom's, which removes it again
Date: {date}
Message-ID: <{id}@{domain}>
MIME-Version: 1.0
Content-Type: text/plain; charset=us-ascii

Postroom tries whether it can move a message on this server.
"""


def trial_move(connector: ImapConnector, session: Session) -> Tried:
    """Raises ConnectorError: what the server refuses, or what it said that was not so."""
    listed = connector.folders()
    for left in [folder.name for folder in listed if NAME.fullmatch(folder.name)]:
        _remove(connector, session, left)
    name = secrets.token_hex(4)
    start, end = (f"{_above(listed)}{OURS}{name}-{number}" for number in (1, 2))
    made: list[str] = []
    try:
        for folder in (start, end):
            session.create(folder)
            made.append(folder)
        tried = _try(connector, session, start, end, name)
    except BaseException:
        for folder in made:
            with suppress(ConnectorError):  # what happened before says more
                _remove(connector, session, folder)
        raise
    for folder in made:
        _remove(connector, session, folder)
    return tried


def _try(connector: ImapConnector, session: Session, start: str, end: str, name: str) -> Tried:
    place = f"{connector.name}, test folder"
    now = datetime.now(UTC)
    text = MESSAGE.format(domain=DOMAIN, id=name, date=now.strftime("%a, %d %b %Y %H:%M:%S +0000"))
    session.append(start, text.replace("\n", "\r\n").encode("ascii"))
    [seen] = _one(connector, start, place)
    moved = connector.apply(seen.ref, seen.identity, Move(end), lambda _: None)
    if connector.newest(start, 1):
        raise Unexplained(place, "The message was moved, and is still shown where it was.")
    [found] = _one(connector, end, place)
    if found.ref != moved or not list(connector.fetch([moved])):
        raise Unexplained(place, "The message was moved, and another one is there, or it cannot be read.")
    off = None if seen.arrived is None else (seen.arrived - now).total_seconds()
    return Tried(end, off)


def _one(connector: ImapConnector, folder: str, place: str) -> Sequence[Sighting]:
    seen = connector.newest(folder, 2)
    if len(seen) != 1:
        raise Unexplained(place, f"One message should lie in {folder}, and there are {len(seen)}.")
    return seen


def _remove(connector: ImapConnector, session: Session, folder: str) -> None:
    """A folder of ours, unless somebody has put something there. Raises ConnectorError."""
    with suppress(FolderMissing):
        lying = connector.newest(folder, 10)
        if any(not (seen.identity.message_id or "").endswith(f"@{DOMAIN}>") for seen in lying):
            fact = f'The folder "{folder}" of an earlier test holds mail that is not Postroom\'s, and stays.'
            raise ActionRefused(connector.name, fact, "Move that mail, and delete the folder.")
        session.open(connector.account.inbox)  # without UNSELECT a folder cannot be left otherwise, nor deleted then
        session.delete(folder)


def _above(listed: Sequence[Folder]) -> str:
    """What all other folders' names begin with where a server keeps them below the inbox ("INBOX.")."""
    others = [folder for folder in listed if folder.name.upper() != "INBOX"]
    for delimiter in {folder.delimiter for folder in listed if folder.delimiter}:
        begin = f"INBOX{delimiter}"
        if others and all(folder.name.upper().startswith(begin) for folder in others):
            return others[0].name[: len(begin)]
    return ""
