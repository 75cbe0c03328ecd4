"""What a server may take of us: one answer's time, and memory. No timing is judged but by what is said at the end."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from connectors.base import Identity, MessageRef, Move, Watch
from connectors.errors import ConnectorError, Unreachable
from connectors.imap import line
from connectors.imap.account import ImapAccount
from connectors.imap.mailbox import ImapConnector
from tests import ROOT
from tests.servers.hostile import GREETING, HostileImap, Pieces, dribbled, flood

WATCH = Watch(inbox="INBOX", known={"INBOX": frozenset({1, 2, 3})})
LONG = b"* OK " + 600 * b"x" + b"\r\n{tag} OK done\r\n"
"""Dribbled, it takes two minutes."""
MIB = 1024 * 1024
MOST_MORE = 200 * MIB


def account(port: int, timeout: float) -> ImapAccount:
    return ImapAccount("office", "127.0.0.1", port, "u", lambda: "p", tls="none", timeout=timeout)


def look(connector: ImapConnector) -> object:
    """Everything that a pass asks of a server which has nothing new."""
    connector.folders()
    connector.changes(None, WATCH)
    return list(connector.fetch([MessageRef("INBOX", 7, 1)]))


@pytest.mark.parametrize("command", [GREETING, b"CAPABILITY", b"LOGIN", b"LIST", b"STATUS", b"UID SEARCH"])
def test_a_server_that_dribbles_is_cut_off(command: bytes) -> None:
    said = LONG if command != GREETING else LONG.replace(b"{tag}", b"*")
    with (
        HostileImap(command, dribbled(said)) as server,
        ImapConnector(account(server.port, 3)) as connector,
        pytest.raises(Unreachable, match="takes too long over one answer"),
    ):
        look(connector)


def test_a_message_that_dribbles_is_cut_off_and_left_out() -> None:
    """Twice at the probe for X-GUID, which is then done without, and twice at the message itself."""
    with HostileImap(b"UID FETCH", dribbled(LONG)) as server, ImapConnector(account(server.port, 1)) as connector:
        assert look(connector) == []


def test_a_server_that_is_silent_is_cut_off() -> None:
    with (
        HostileImap(b"LIST", b"") as server,
        ImapConnector(account(server.port, 1)) as connector,
        pytest.raises(Unreachable, match="did not answer in time"),
    ):
        connector.folders()


def test_a_large_answer_that_flows_may_take_longer_than_timeout() -> None:
    body = 16 * 65536 * b"x"

    def flowing() -> Iterator[bytes]:
        yield b"* 1 FETCH (UID 1 FLAGS () RFC822.SIZE %d BODY[HEADER.FIELDS (X)] {8}\r\n" % len(body)
        yield b"From: a\n BODY[]<0> {%d}\r\n" % len(body)
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]
            time.sleep(0.4)
        yield b")\r\n{tag} OK done\r\n"

    with HostileImap(b"UID FETCH", flowing) as server, ImapConnector(account(server.port, 5)) as connector:
        began = time.monotonic()
        (message,) = connector.fetch([MessageRef("INBOX", 7, 1)])
        assert time.monotonic() - began > 5, "else it shows nothing"
        assert message.sighting.size == len(body)


def test_who_breaks_off_ends_what_is_being_read() -> None:
    raised: list[ConnectorError] = []

    def ask() -> None:
        try:
            connector.folders()
        except ConnectorError as error:
            raised.append(error)

    with HostileImap(b"LIST", dribbled(LONG)) as server, ImapConnector(account(server.port, 600)) as connector:
        asking = threading.Thread(target=ask)
        asking.start()
        while b'LIST "" *' not in b" ".join(server.asked).replace(b'"*"', b"*"):
            time.sleep(0.05)
        connector.break_off()
        asking.join(60)
        assert not asking.is_alive()
        assert "Postroom ends" in str(raised[0])


def test_huge_headers_that_somebody_sent_are_asked_for_in_smaller_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else all that anybody has to do to stop a mailbox is to send it enough of them between two polls."""
    header = b"Message-ID: <1@x>\r\nReferences: " + 600_000 * b"x" + b"\r\n\r\n"
    monkeypatch.setattr(line, "LARGEST_ANSWER", 1_000_000)

    def each_with_its_own() -> Iterator[bytes]:
        for uid in re.findall(rb"\d+", re.sub(rb"1:3", b"1,2,3", server.asked[-1].split()[2])):
            start = b"* %b FETCH (UID %b FLAGS () RFC822.SIZE 10 BODY[HEADER.FIELDS (X)] {%d}\r\n"
            yield start % (uid, uid, len(header)) + header + b")\r\n"
        yield b"{tag} OK done\r\n"

    with HostileImap(b"UID FETCH", each_with_its_own) as server, ImapConnector(account(server.port, 60)) as connector:
        assert len(connector.newest("INBOX", 3)) == 3
        assert sum(asked.startswith(b"LOGIN") for asked in server.asked) == 2, "it hung up over the first answer"


# Floods. Each is what a server would send, as Python that a process of its own runs.


def literal(start: bytes, size: int) -> Pieces:
    return flood(b"x" * MIB, size // MIB, b")\r\n{tag} OK done\r\n") if not start else _started(start, size)


def _started(start: bytes, size: int) -> Pieces:
    def pieces() -> Iterator[bytes]:
        yield b"%b {%d}\r\n" % (start, size)
        yield from literal(b"", size)()

    return pieces


def listed(count: int) -> Pieces:
    def pieces() -> Iterator[bytes]:
        for start in range(0, count, 1000):
            yield b"".join(b'* LIST () "/" "Folder %d"\r\n' % number for number in range(start, start + 1000))
        yield b"{tag} OK done\r\n"

    return pieces


MANY = 60_000 * b"1:9999," + b"1"
FLOODS: dict[str, tuple[bytes, Callable[[], Pieces], str]] = {
    "a literal of 3 GB": (b"LIST", lambda: literal(b"* LIST ()", 3072 * MIB), "a literal of 3221225472 bytes"),
    "a body of 1 GB": (
        b"UID FETCH",
        lambda: literal(b"* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 10 BODY[]<0>", 1024 * MIB),
        "a literal of 1073741824 bytes",
    ),
    "bodies without end": (
        b"UID FETCH",
        lambda: flood(b"* 1 FETCH (UID 1 BODY[]<0> {1048576}\r\n" + MIB * b"x" + b")\r\n", 1000),
        "more than 67108864 bytes in one answer",
    ),
    "3 million folders": (b"LIST", lambda: flood(b'* LIST () "/" INBOX\r\n', 3_000_000), "lines"),
    "300,000 folders": (b"LIST", lambda: listed(300_000), "lines"),
    "50,000 folders": (b"LIST", lambda: listed(50_000), "lists 50000 folders"),
    "a line without end": (b"LIST", lambda: flood(b"* LIST () x", 100_000_000), "a line of more than 1000000 bytes"),
    "found without end": (b"UID SEARCH", lambda: flood(b"* SEARCH" + 9000 * b" 1234567" + b"\r\n", 3000), "lines"),
    "hints without end": (b"NOOP", lambda: flood(b"* 1 EXPUNGE\r\n", 3_000_000), "lines"),
    "continuations without end": (b"LIST", lambda: flood(b"+ go on\r\n", 3_000_000), "lines"),
    "all that ever was has vanished": (
        b"EXAMINE",
        lambda: flood(
            b"* VANISHED (EARLIER) " + 9000 * b"1:4294967295," + b"1\r\n",
            40,
            b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n{tag} OK done\r\n",
        ),
        "",
    ),
    "copied without end": (
        b"UID MOVE",
        lambda: flood(
            b"", 0, b"{tag} OK [COPYUID 7 " + 60_000 * b"1:9999," + b"1 " + 60_000 * b"1:9999," + b"1] x\r\n"
        ),
        "",
    ),
}

CHILD = """
import json, sys
from pathlib import Path
from connectors.errors import ConnectorError
from tests.connectors.imap import test_imap_bounds as bounds
def held(): return 1024 * int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
before, told = held(), ""
with bounds.ImapConnector(bounds.account(int(sys.argv[1]), 20)) as connector:
    try:
        bounds.everything(connector)
    except ConnectorError as error:
        told = str(error)
print(json.dumps({"told": told, "more": held() - before}))
"""


def everything(connector: ImapConnector) -> None:
    """Every command that a flood may answer."""
    look(connector)
    session = connector._session()
    session._ask(session.client.noop)
    if session.abilities.qresync:
        session.leave()
        session.resync("INBOX", 7, 1, range(1, 5000))
    ref = MessageRef("INBOX", 7, 1)
    (seen,) = connector.newest("INBOX", 1)
    connector.apply(ref, seen.identity, Move("Orders"), lambda _: None)
    assert isinstance(seen.identity, Identity)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FLOODS)
def test_what_a_server_sends_takes_bounded_memory(kind: str) -> None:
    """A sentence that says what was too much, and less than 200 MB meanwhile."""
    command, pieces, sentence = FLOODS[kind]
    offers = b"CONDSTORE QRESYNC ENABLE" if command == b"EXAMINE" else b""
    with HostileImap(command, pieces(), offers=offers) as server:
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(server.port)], cwd=ROOT, capture_output=True, text=True, timeout=280
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["more"] < MOST_MORE, found
    assert sentence in found["told"], found
    assert found["told"].startswith("office"), found
