"""What a poll costs, beside the bare protocol exchange by a hand-written client on a raw socket, in one run.

    python -m benchmarks.imap [--out FILE] [--servers dovecot,courier,cyrus] [--rounds 15]

    private server | fill 30 x 1,000 and 200 x 500 | for each path: nothing changed; one message moved | ratio
                                                   | the daemon: start, a pass, memory

*bare* sends the fewest commands that can answer the question, reads up to each tagged line and parses nothing. *ours*
is `Connector.changes`, everything included. Both see the same state, in turn, with 50 watched messages a folder; the
median of the rounds counts. Cyrus syncs every message to the disk and takes minutes to fill: it holds a tenth of the
mail, which says so in its row.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from connectors.base import Watch
from connectors.imap import ImapSettings
from connectors.imap.account import ImapAccount
from connectors.imap.mailbox import ImapConnector
from connectors.imap.sightings import HEADER_ITEM, uid_sets
from daemon.model.engines.engine_kinds import EmbeddedSettings
from daemon.passes.desk import Desk
from daemon.passes.one_pass import one_pass
from daemon.settings import SortingSettings
from daemon.store import mailboxes
from daemon.store.database import Database
from daemon.training.registry import Registry
from tests.servers.courier import Courier
from tests.servers.cyrus import Cyrus
from tests.servers.dovecot import Dovecot
from tests.servers.private import PASSWORD

SIZES = {"dovecot": ((30, 1000), (200, 500)), "courier": ((30, 1000), (200, 500)), "cyrus": ((30, 100), (200, 50))}
WATCHED = 50
ITEMS = f"(FLAGS INTERNALDATE RFC822.SIZE {HEADER_ITEM})"


class Bare:
    """A client that knows just enough: one command, then bytes up to its tagged line."""

    def __init__(self, port: int, user: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tag = 0
        self.socket.recv(65536)
        self.ask(f"LOGIN {user} {PASSWORD}")

    def ask(self, command: str | bytes) -> bytes:
        """Send one command; everything up to and including its tagged answer."""
        self.tag += 1
        tag = f"t{self.tag}".encode()
        raw = command if isinstance(command, bytes) else command.encode()
        self.socket.sendall(tag + b" " + raw + b"\r\n")
        answer = b""
        end = b"\r\n" + tag + b" "
        while not (answer.endswith(b"\r\n") and (end in answer[-4000:] or answer.startswith(tag + b" "))):
            got = self.socket.recv(262144)
            if not got:
                raise ConnectionError(answer[-200:])
            answer += got
        return answer

    def append(self, folder: str, raw: bytes) -> None:
        """One message, in the way that every server knows."""
        self.socket.sendall(b'a APPEND "%s" {%d}\r\n' % (folder.encode(), len(raw)))
        self.socket.recv(65536)
        self.socket.sendall(raw + b"\r\n")
        answer = b""
        while b"a OK" not in answer:
            answer += self.socket.recv(65536)

    def number(self, folder: str, item: str) -> int:
        """One number of STATUS."""
        found = re.search(rb"%s (\d+)" % item.encode(), self.ask(f'STATUS "{folder}" ({item})'))
        return int(found[1]) if found else 0


@dataclass(frozen=True)
class Way:
    """How a poll is made: what tells that a folder changed, and what tells what left it."""

    name: str
    list_status: bool
    qresync: bool


PATHS = (
    Way("LIST-STATUS, QRESYNC", True, True),
    Way("LIST-STATUS, search", True, False),
    Way("STATUS each, QRESYNC", False, True),
    Way("STATUS each, search", False, False),
)


@dataclass
class Figure:
    """One comparison. Times are medians in milliseconds; `commands` is what ours sent, in round trips."""

    server: str
    folders: int
    messages: int
    path: str
    what: str
    bare_ms: float
    ours_ms: float
    ratio: float
    commands: int


def mail(number: int) -> bytes:
    """Some 1.3 kB, each with an id of its own."""
    head = (
        f"From: Ann Lee <ann{number % 97}@example.org>\r\nTo: office@example.com\r\nSubject: Matter {number}\r\n"
        f"Date: Mon, 02 Mar 2026 10:{number // 60 % 60:02}:{number % 60:02} +0100\r\n"
        f"Message-ID: <{number}@bench.example>\r\n\r\n"
    )
    return head.encode() + b"The parts have come and lie in the hall until somebody fetches them.\r\n" * 16


def fill(server: Any, user: str, folders: int, count: int) -> list[str]:
    """Folders with `count` messages each; returns their names, the inbox first."""
    names = ["INBOX", *(f"{server.prefix}Matters{number}" for number in range(folders - 1))]
    bare = Bare(server.port, user)
    number = 0
    for name in names:
        if name != "INBOX":
            bare.ask(f'CREATE "{name}"')
        raws = [mail(number + index) for index in range(count)]
        number += count
        if server.name == "courier" and name != "INBOX":  # which gets another UIDVALIDITY when filled by hand
            home = server.maildir(user)
            place = home / "cur" if name == "INBOX" else home / ("." + name.removeprefix(server.prefix)) / "cur"
            for index, raw in enumerate(raws):
                file = place / f"{1_770_000_000 + index}.{number}_{index}.bench:2,"
                file.write_bytes(raw)
            server.account.own(place)
        elif server.name == "dovecot":  # MULTIAPPEND
            words = [f'APPEND "{name}"'.encode()]
            words += [b" {%d+}\r\n%s" % (len(raw), raw) for raw in raws]
            bare.ask(b"".join(words))
        else:
            for raw in raws:
                bare.append(name, raw)
        bare.ask(f'STATUS "{name}" (MESSAGES UIDNEXT)')
    return names


def say(text: str) -> None:
    """One line, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def median_ms(durations: list[float]) -> float:
    """Median of seconds, in milliseconds."""
    return round(statistics.median(durations) * 1000, 2)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what it returned."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


class Bench:
    """One mailbox on one server by one path: ours and bare side by side."""

    def __init__(self, server: Any, user: str, names: list[str], path: Way) -> None:
        self.names, self.path = names, path
        self.bare, self.hands = Bare(server.port, user), Bare(server.port, user)
        self.connector = ImapConnector(account(server, user))
        session = self.connector._session()
        have = session.abilities
        self.possible = (have.list_status or not path.list_status) and (have.qresync or not path.qresync)
        session.abilities = replace(have, list_status=path.list_status, qresync=path.qresync)
        self.items = f"(MESSAGES UIDNEXT UIDVALIDITY{' HIGHESTMODSEQ' if have.condstore else ''})"
        self.known = {name: self._newest(name) for name in names} if self.possible else {}
        self.session = session

    def _newest(self, name: str) -> frozenset[int]:
        self.bare.ask(f'EXAMINE "{name}"')
        found = re.search(rb"\* SEARCH([\d ]*)", self.bare.ask("UID SEARCH ALL"))
        uids = [int(word) for word in found[1].split()] if found else []
        return frozenset(uids[-WATCHED:])

    def watch(self) -> Watch:
        return Watch("INBOX", self.known)

    def commands(self) -> int:
        """How many commands ours has sent so far."""
        return int(self.session.client._imap.tagnum)

    def bare_numbers(self) -> None:
        if self.path.list_status:
            self.bare.ask(f'LIST "" "*" RETURN (STATUS {self.items})')
        else:
            for name in self.names:
                self.bare.ask(f'STATUS "{name}" {self.items}')

    def nothing(self, rounds: int) -> tuple[float, float, int]:
        cursor = self.connector.changes(None, self.watch()).cursor
        cursor = self.connector.changes(cursor, self.watch()).cursor
        self.leave()
        bare, ours, sent = [], [], 0
        for _ in range(rounds):
            bare.append(timed(self.bare_numbers)[0])
            before = self.commands()
            seconds, changes = timed(lambda: self.connector.changes(cursor, self.watch()))
            assert changes.cursor == cursor
            ours.append(seconds)
            sent = self.commands() - before
        return median_ms(bare), median_ms(ours), sent

    def leave(self) -> None:
        """Nothing stays selected on the bare connection; "UNSELECT" is unknown to Courier."""
        self.bare.ask('EXAMINE "no such folder"')

    def one_move(self, rounds: int) -> tuple[float, float, int]:
        cursor = self.connector.changes(None, self.watch()).cursor
        source, target = self.names[1], self.names[2]
        if self.path.qresync:
            self.bare.ask("ENABLE QRESYNC")
        bare, ours, sent = [], [], 0
        for number in range(rounds):
            epoch, modseq = self.bare.number(source, "UIDVALIDITY"), 0
            if self.path.qresync:
                modseq = self.bare.number(source, "HIGHESTMODSEQ")
            uidnext = self.bare.number(target, "UIDNEXT")
            known = self.known[source]
            uid = max(known)
            self.hands.ask(f'SELECT "{source}"')
            if b" OK" not in self.hands.ask(f'UID MOVE {uid} "{target}"')[-60:]:
                self.hands.ask(f'UID COPY {uid} "{target}"')
                self.hands.ask(f"UID STORE {uid} +FLAGS.SILENT (\\Deleted)")
                self.hands.ask(f"UID EXPUNGE {uid}")
            self.hands.ask('EXAMINE "no such folder"')
            sets = ",".join(uid_sets(known))

            def exchange(
                source: str = source,
                target: str = target,
                epoch: int = epoch,
                modseq: int = modseq,
                sets: str = sets,
                uidnext: int = uidnext,
            ) -> None:
                self.bare_numbers()
                if self.path.qresync:
                    self.bare.ask(f'EXAMINE "{source}" (QRESYNC ({epoch} {modseq} {sets}))')
                else:
                    self.bare.ask(f'EXAMINE "{source}"')
                    self.bare.ask(f"UID SEARCH UID {sets} UNDELETED")
                self.bare.ask(f'EXAMINE "{target}"')
                self.bare.ask(f"UID FETCH {uidnext}:* {ITEMS}")

            def look(cursor: str = cursor) -> Any:
                return self.connector.changes(cursor, self.watch())

            before = self.commands()
            if number % 2:
                bare.append(timed(exchange)[0])
                before = self.commands()
                seconds, changes = timed(look)
            else:
                seconds, changes = timed(look)
            sent = self.commands() - before
            if not number % 2:
                bare.append(timed(exchange)[0])
            ours.append(seconds)
            self.leave()
            assert [ref.uid for ref in changes.vanished] == [uid], (changes.vanished, uid)
            assert [seen.ref.folder for seen in changes.arrived] == [target]
            cursor = changes.cursor
            self.known[source] -= {uid}
            self.known[target] |= {changes.arrived[0].ref.uid}
            source, target = target, source
        return median_ms(bare), median_ms(ours), sent


def account(server: Any, user: str) -> ImapAccount:
    """This user, over plain loopback."""
    return ImapAccount("bench", "127.0.0.1", server.port, user, lambda: PASSWORD, tls="none", timeout=300.0)


def daemon_figures(server: Any, user: str) -> dict[str, Any]:
    """The daemon's own cost: a first pass, passes in which nothing happened, and how much memory all of it took."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database.open(Path(folder) / "postroom.sqlite")
        settings = ImapSettings(name="bench", host="localhost", user=user, credential="c")
        with database.begin() as tx:
            known = mailboxes.ensure(tx, "bench", "imap", "shadow", datetime.now(UTC))
        registry = Registry(database, EmbeddedSettings(), Path(folder) / "models")
        connector = ImapConnector(account(server, user))
        desk = Desk(settings, SortingSettings(), database, connector, registry, known.id)
        process = psutil.Process()
        before = process.memory_info().rss
        first, _ = timed(lambda: one_pass(desk))
        later = [timed(lambda: one_pass(desk))[0] for _ in range(9)]
        grown = process.memory_info().rss - before
        connector.close()
        registry.close()
        database.close()
    return {
        "server": server.name,
        "first_pass_s": round(first, 2),
        "quiet_pass_ms": median_ms(later),
        "memory_grown_mb": round(grown / 1e6, 1),
    }


def measure(server: Any, folders: int, count: int, rounds: int, figures: list[Figure], daemon: list[Any]) -> None:
    """All paths on one mailbox."""
    user = f"bench{folders}"
    seconds, names = timed(lambda: fill(server, user, folders, count))
    say(f"{server.name}: {folders} x {count} messages filled in {seconds:.1f} s")
    for path in PATHS:
        bench = Bench(server, user, names, path)
        if bench.possible:
            for what, work in (("nothing changed", bench.nothing), ("one move", bench.one_move)):
                bare, ours, sent = work(rounds)
                figure = Figure(server.name, folders, count, path.name, what, bare, ours, round(ours / bare, 2), sent)
                figures.append(figure)
                say(line(figure))
        bench.connector.close()
    daemon.append({**daemon_figures(server, user), "folders": folders, "messages": count})
    say(f"  daemon: {daemon[-1]}")


def line(figure: Figure) -> str:
    """One row for people."""
    size = f"{figure.folders} x {figure.messages}"
    return (
        f"{figure.server:8} {size:>10}  {figure.path:22} {figure.what:16} bare {figure.bare_ms:8.2f} ms"
        f"  ours {figure.ours_ms:8.2f} ms  ratio {figure.ratio:5.2f}  {figure.commands:3} round trips"
    )


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, help="also write the figures as JSON")
    parser.add_argument("--servers", default="dovecot,courier,cyrus")
    parser.add_argument("--rounds", type=int, default=15)
    chosen = parser.parse_args()
    figures: list[Figure] = []
    daemon: list[Any] = []
    kinds = {"dovecot": Dovecot, "courier": Courier, "cyrus": Cyrus}
    for name in chosen.servers.split(","):
        with kinds[name]() as server:
            for folders, count in SIZES[name]:
                measure(server, folders, count, chosen.rounds, figures, daemon)
    result = {"figures": [asdict(figure) for figure in figures], "daemon": daemon}
    if chosen.out:
        chosen.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    say(json.dumps({"ratio_median": round(statistics.median(figure.ratio for figure in figures), 2)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
