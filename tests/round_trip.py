"""Every mail of an archive through every server, there and back, with identical bytes:  make round-trip DATA=F.tar.gz

    APPEND | read back | MIME to text | move | move back | read back: bytes, flags and date of arrival compared

Any tar of files with one mail each. Standard output is one JSON object; the exit code is 1 if anything differed.
"""

from __future__ import annotations

import argparse
import hashlib
import imaplib
import json
import re
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from connectors.base import Move
from daemon.commands.progress import counting_bar
from tests.contract import ignore
from tests.imap_fixtures import ImapServer, ImapWorld
from tests.long_run import daemon_log
from tests.servers.courier import Courier
from tests.servers.cyrus import Cyrus
from tests.servers.dovecot import Dovecot
from tests.servers.hands import ARRIVED, quoted

BATCH = 200
"""Mails in a mailbox at once: a new user for each batch keeps folders small."""


@dataclass
class Trip:
    """What became of the mails on one server."""

    messages: int = 0
    refused: int = 0
    """Not taken by the server at delivery: nothing of ours has touched them."""
    altered_by_server: int = 0
    """Came back from APPEND with other bytes than they were sent with: the server's doing, before anything of ours."""
    unread: int = 0
    unmoved: int = 0
    changed: int = 0
    """After the moves: lost, doubled, or with other bytes, flags or date."""
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        return not (self.unread or self.unmoved or self.changed)


def read_archive(path: Path) -> list[bytes]:
    """Every mail with the line ends that IMAP carries (RFC 3501 section 2.3.1)."""
    mails = []
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith((".eml", ".txt", ".")) else None
            if file is not None:
                mails.append(re.sub(rb"\r\n|\r|\n", b"\r\n", file.read()))
    return mails


def batches(mails: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(mails), BATCH):
        yield mails[start : start + BATCH]


def one_batch(world: ImapWorld, mails: list[bytes], trip: Trip) -> None:
    """APPEND, read, move there and back."""
    date = imaplib.Time2Internaldate(ARRIVED)
    sent = Counter[str]()
    for mail in mails:
        trip.messages += 1
        if world.hands.imap.append(quoted(world.inbox), "(\\Seen)", date, mail)[0] != "OK":
            trip.refused += 1
        else:
            sent[hashlib.sha256(mail).hexdigest()] += 1
    trip.altered_by_server += sum((sent - stored(world)).values())
    before = contents(world)
    seen = world.connector.newest(world.inbox, len(mails))
    read = {message.sighting.ref for message in world.connector.fetch([each.ref for each in seen])}
    trip.unread += sum(sent.values()) - len(read)
    for sighting in seen:
        moved = world.connector.apply(sighting.ref, sighting.identity, Move(world.first), ignore)
        trip.unmoved += moved.folder != world.first
    there = Counter({(world.first, content): times for (_, content), times in before.items()})
    trip.changed += differences(there, contents(world))
    for sighting in world.connector.newest(world.first, len(mails)):
        world.connector.apply(sighting.ref, sighting.identity, Move(world.inbox), ignore)
    trip.changed += differences(before, contents(world))


def stored(world: ImapWorld) -> Counter[str]:
    """What the server gives back, byte for byte."""
    imap = world.hands.imap
    imap.select(quoted(world.inbox), readonly=True)
    answer = imap.uid("FETCH", "1:*", "(BODY.PEEK[])")[1]
    return Counter(hashlib.sha256(item[1]).hexdigest() for item in answer if isinstance(item, tuple))


def contents(world: ImapWorld) -> Counter[tuple[str, str]]:
    """Folder and all that must survive."""
    return Counter((lying.folder, lying.content) for lying in world.contents())


def differences(one: Counter[tuple[str, str]], other: Counter[tuple[str, str]]) -> int:
    return sum((one - other).values()) + sum((other - one).values())


def through(server: ImapServer, mails: list[bytes], show: object) -> Trip:
    trip = Trip()
    began = time.monotonic()
    for number, batch in enumerate(batches(mails)):
        with closing(ImapWorld(server, f"trip{number}")) as world:
            one_batch(world, batch, trip)
        if callable(show):
            show(server.name, trip.messages, len(mails))
    trip.seconds = round(time.monotonic() - began, 1)
    return trip


def main() -> int:
    parser = argparse.ArgumentParser(description="Every mail of an archive through every server, there and back.")
    parser.add_argument("--data", type=Path, required=True, help="a tar of files with one mail each")
    parser.add_argument("--log", type=Path, default=Path("build/round-trip.log"), help="the daemon's words go there")
    parser.add_argument("--most", type=int, default=10**9, help="only so many mails")
    arguments = parser.parse_args()
    mails = read_archive(arguments.data)[: arguments.most]
    if not mails:
        raise click.ClickException(f"{arguments.data} holds no mail.")
    trips: dict[str, Trip] = {}
    with daemon_log(arguments.log), counting_bar(False, "mails through") as show:
        for kind in (Dovecot, Courier, Cyrus):
            with kind() as server:
                trips[server.name] = through(server, mails, show)
    click.echo(json.dumps({name: asdict(trip) for name, trip in trips.items()}))
    return 0 if all(trip.clean for trip in trips.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
