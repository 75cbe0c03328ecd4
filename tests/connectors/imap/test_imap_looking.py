"""How IMAP is looked at: cheaply, in bounded pieces, without a trace; and how it is listened at."""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.base import MOVED, Move, Watch
from connectors.errors import FolderMissing, Unreachable
from connectors.imap import asking as imap_asking
from connectors.imap import changes as imap_changes
from connectors.imap import session as imap_session
from connectors.imap import texts as imap_texts
from connectors.imap.answers import copied, deleted_in, states_in, vanished_in
from connectors.imap.changes import read_cursor, write_cursor
from connectors.imap.line import CHUNK, MOST_UNREAD, Line
from connectors.imap.mailbox import ImapConnector
from connectors.imap.sightings import uid_sets
from tests.contract import arrive, find, ignore, watch
from tests.faults import FaultyLine
from tests.imap_fixtures import ImapWorld, closing
from tests.servers.dovecot import Dovecot
from tests.servers.hands import make_mail
from tests.servers.private import make_certificate

pytestmark = pytest.mark.imap

PATIENCE_S = 45
"""Where a machine has given all its inotify instances away, Dovecot looks every 30 seconds by itself."""
SERVERS = ["dovecot_world", "cyrus_world", "courier_world"]


@pytest.fixture
def any_world(request: pytest.FixtureRequest) -> ImapWorld:
    world: ImapWorld = request.getfixturevalue(request.param)
    return world


@pytest.fixture
def counted(dovecot_world: ImapWorld) -> Iterator[tuple[ImapConnector, FaultyLine]]:
    """A connector whose commands are counted."""
    with FaultyLine(dovecot_world.server.port) as line:
        with ImapConnector(dovecot_world.account(port=line.port)) as connector:
            yield connector, line
        line.fault = None


def test_a_poll_in_which_nothing_happened_is_one_command_for_all_folders(
    dovecot_world: ImapWorld, counted: tuple[ImapConnector, FaultyLine]
) -> None:
    connector, line = counted
    for number in range(40):
        dovecot_world.hands.create(f"Customers/{number}")
    known = {f"Customers/{number}": frozenset[int]() for number in range(40)}
    cursor = connector.changes(None, Watch("INBOX", known)).cursor
    for expected in (["UNSELECT", "LIST"], ["LIST"]):  # a folder may be open from the last look
        line.commands.clear()
        changes = connector.changes(cursor, Watch("INBOX", known))
        assert line.commands == expected
        assert changes.cursor == cursor


def test_only_the_folder_that_changed_is_opened(
    dovecot_world: ImapWorld, counted: tuple[ImapConnector, FaultyLine]
) -> None:
    connector, line = counted
    dovecot_world.deliver("one")
    seen = connector.newest("INBOX", 1)[0]
    cursor = connector.changes(None, watch(dovecot_world, arrived=(seen,))).cursor
    dovecot_world.deliver("two")
    line.commands.clear()
    changes = connector.changes(cursor, watch(dovecot_world, arrived=(seen,)))
    assert len(changes.arrived) == 1
    assert line.commands.count("EXAMINE") <= 2
    assert "SELECT" not in line.commands


def test_looking_never_selects_for_writing_and_never_stores(
    dovecot_world: ImapWorld, counted: tuple[ImapConnector, FaultyLine]
) -> None:
    connector, line = counted
    dovecot_world.deliver("one")
    cursor = connector.changes(None, watch(dovecot_world)).cursor
    connector.changes(cursor, watch(dovecot_world))
    seen = connector.newest("INBOX", 5)
    list(connector.fetch([sighting.ref for sighting in seen]))
    connector.folders()
    changing = {"SELECT", "UID STORE", "UID MOVE", "UID COPY", "UID EXPUNGE", "EXPUNGE", "CLOSE", "CREATE", "APPEND"}
    assert not changing & set(line.commands)


def test_no_path_ever_sends_a_bare_expunge_or_close(courier_world: ImapWorld) -> None:
    _, seen = arrive(courier_world, "Invoice 7")
    with FaultyLine(courier_world.server.port) as line:
        with ImapConnector(courier_world.account(port=line.port)) as connector:
            connector.apply(seen.ref, seen.identity, Move(courier_world.first), ignore)
        assert "UID EXPUNGE" in line.commands
        assert not {"EXPUNGE", "CLOSE"} & set(line.commands)


@pytest.mark.parametrize("any_world", SERVERS, indirect=True)
def test_a_mail_of_fifty_megabytes_is_read_in_part_and_moved_whole(any_world: ImapWorld) -> None:
    head = make_mail("Drawings", "See the attached file.").partition(b"\r\n\r\n")
    line = b"0123456789abcdef" * 4 + b"\r\n"
    any_world.hands.put(head[0] + head[1] + head[2] + line * (50_000_000 // len(line)))
    seen = find(any_world, "Drawings")
    assert seen.size > 49_000_000
    (message,) = any_world.connector.fetch([seen.ref])
    assert "truncated" in message.marks
    assert "See the attached file." in message.text.body
    before = any_world.hands.contents()
    any_world.connector.apply(seen.ref, seen.identity, Move(any_world.second), ignore)
    assert [lying.content for lying in any_world.hands.contents()] == [lying.content for lying in before]


@pytest.mark.parametrize("any_world", SERVERS, indirect=True)
def test_flags_keywords_and_the_date_of_arrival_survive_a_move(any_world: ImapWorld) -> None:
    arrived = datetime(2020, 2, 29, 23, 59, 58, tzinfo=UTC)
    any_world.hands.put(make_mail("Old"), flags="\\Seen \\Answered $work", arrived=arrived)
    seen = find(any_world, "Old")
    assert seen.flags == {"\\Seen", "\\Answered", "$work"}
    assert seen.arrived == arrived
    any_world.connector.apply(seen.ref, seen.identity, Move(any_world.first), ignore)
    (now,) = any_world.connector.newest(any_world.first, 5)
    assert (now.flags, now.arrived, now.size) == (seen.flags | {MOVED}, seen.arrived, seen.size)


def test_folders_carry_their_special_use_their_delimiter_and_their_numbers(any_folders: ImapWorld) -> None:
    any_folders.deliver("one")
    by_name = {folder.name: folder for folder in any_folders.connector.folders()}
    assert by_name["INBOX"].messages == 1
    assert by_name["INBOX"].epoch > 0
    assert by_name[any_folders.first].delimiter == any_folders.server.separator
    if any_folders.server.name != "courier":
        assert by_name["Junk"].special_use == "junk"
        assert by_name["Archive"].special_use == "archive"


@pytest.fixture(params=SERVERS)
def any_folders(request: pytest.FixtureRequest) -> ImapWorld:
    world: ImapWorld = request.getfixturevalue(request.param)
    return world


def test_a_renamed_folder_keeps_its_mailbox_id_on_cyrus(cyrus_world: ImapWorld) -> None:
    before = {folder.name: folder.object_id for folder in cyrus_world.connector.folders()}
    assert before[cyrus_world.first]
    cyrus_world.hands.rename(cyrus_world.first, "Renamed")
    after = {folder.name: folder.object_id for folder in cyrus_world.connector.folders()}
    assert after["Renamed"] == before[cyrus_world.first]


def test_a_folder_that_cannot_be_selected_is_not_listed(dovecot_world: ImapWorld) -> None:
    dovecot_world.hands.create("Customers/Miller")
    dovecot_world.hands.create("Customers")
    dovecot_world.hands.remove("Customers")
    names = [folder.name for folder in dovecot_world.connector.folders()]
    assert "Customers/Miller" in names
    assert "Customers" not in names


def test_names_with_wildcards_quotes_and_numbers_are_names(dovecot_world: ImapWorld) -> None:
    names = ['100% "sure"', "a*b", "2024", "back\\slash", "NIL", "日本語 & Co"]
    for name in names:
        dovecot_world.hands.create(name)
    assert set(names) <= {folder.name for folder in dovecot_world.connector.folders()}
    dovecot_world.deliver("one")
    seen = find(dovecot_world, "one")
    ref = seen.ref
    for name in names:
        ref = dovecot_world.connector.apply(ref, seen.identity, Move(name), ignore)
        assert ref.folder == name


def test_a_pattern_is_no_proof_of_a_folder(dovecot_world: ImapWorld) -> None:
    dovecot_world.hands.create("axb")
    _, seen = arrive(dovecot_world, "one")
    with pytest.raises(FolderMissing):
        dovecot_world.connector.apply(seen.ref, seen.identity, Move("a%b"), ignore)


def test_large_folders_are_searched_in_windows(dovecot_world: ImapWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(23):
        dovecot_world.deliver(f"mail {number}")
    monkeypatch.setattr(imap_changes, "SEARCH_WINDOW", 4)
    monkeypatch.setattr(imap_asking, "SEARCH_WINDOW", 4)
    monkeypatch.setattr(imap_session, "FETCH_BATCH", 3)
    connector = dovecot_world.another()
    first = connector.changes(None, watch(dovecot_world, first_look=9))
    assert [sighting.ref.uid for sighting in first.arrived] == list(range(15, 24))
    assert [sighting.ref.uid for sighting in connector.newest("INBOX", 2)] == [23, 22]
    for number in range(11):
        dovecot_world.deliver(f"later {number}")
    changes = connector.changes(first.cursor, watch(dovecot_world, arrived=first.arrived))
    assert [sighting.ref.uid for sighting in changes.arrived] == list(range(24, 35))


def test_much_is_reported_in_pieces_and_each_mail_once(
    dovecot_world: ImapWorld, dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap_changes, "MOST", 4)
    connector = dovecot_world.connector
    cursor = connector.changes(None, watch(dovecot_world)).cursor
    for number in range(11):
        dovecot_world.deliver(f"mail {number}")
    arrived, more = [], True
    while more:
        changes = connector.changes(cursor, watch(dovecot_world, arrived=arrived))
        assert len(changes.arrived) <= 4
        arrived, cursor, more = [*arrived, *changes.arrived], changes.cursor, changes.more
    assert len({seen.ref.uid for seen in arrived}) == len(arrived) == 11
    dovecot.doveadm("mailbox", "update", "-u", dovecot_world.user, "--uid-validity", "424243", "INBOX")
    again, relisted, more = [], [], True
    while more:
        changes = connector.changes(cursor, watch(dovecot_world, arrived=again))
        again, cursor, more = [*again, *changes.arrived], changes.cursor, changes.more
        relisted.append((changes.restarted, changes.relisted))
    assert [seen.identity for seen in again] == [seen.identity for seen in arrived]
    assert relisted == [(("INBOX",), ("INBOX",)), ((), ("INBOX",)), ((), ("INBOX",))]


def test_qresync_tells_what_left_without_a_search_where_nothing_did(
    dovecot_world: ImapWorld, counted: tuple[ImapConnector, FaultyLine]
) -> None:
    connector, line = counted
    dovecot_world.deliver("stays")
    dovecot_world.deliver("goes")
    first = connector.changes(None, watch(dovecot_world))
    dovecot_world.hands.flag("stays", "\\Seen")
    line.commands.clear()
    quiet = connector.changes(first.cursor, watch(dovecot_world, arrived=first.arrived))
    assert quiet.vanished == ()
    assert not {"UID SEARCH", "UID FETCH"} & set(line.commands)
    dovecot_world.move("goes", dovecot_world.first)
    line.commands.clear()
    moved = connector.changes(quiet.cursor, watch(dovecot_world, arrived=first.arrived))
    assert (len(moved.vanished), len(moved.arrived)) == (1, 1)
    assert line.commands.count("UID SEARCH") == 1, "what the server claims is looked up"
    assert len(line.commands) <= 6


def test_server_that_names_too_much_is_not_believed(dovecot_world: ImapWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    dovecot_world.deliver("stays")
    dovecot_world.deliver("goes")
    connector = dovecot_world.another()
    first = connector.changes(None, watch(dovecot_world))
    monkeypatch.setattr(imap_session.Session, "resync", lambda self, folder, epoch, modseq, known: {*known, 4711})
    dovecot_world.move("goes", dovecot_world.first)
    moved = connector.changes(first.cursor, watch(dovecot_world, arrived=first.arrived))
    assert [ref.uid for ref in moved.vanished] == [first.arrived[1].ref.uid]


def test_mark_of_deletion_is_told_by_qresync(dovecot_world: ImapWorld) -> None:
    dovecot_world.deliver("marked")
    connector = dovecot_world.another()
    first = connector.changes(None, watch(dovecot_world))
    dovecot_world.hands.flag("marked", "\\Deleted")
    changes = connector.changes(first.cursor, watch(dovecot_world, arrived=first.arrived))
    assert changes.vanished == (first.arrived[0].ref,)


def test_answers_about_what_vanished_are_read_as_sets() -> None:
    known = {1, 7, 8, 41, 42, 43, 44, 45, 46, 50}
    assert vanished_in([b"(EARLIER) 41,43:45", b"7", None], known) == {41, 43, 44, 45, 7}
    assert vanished_in([b"45:43,44,1:4294967295"], known) == known
    assert deleted_in([b"1 (UID 5 FLAGS (\\Seen \\Deleted) MODSEQ (6))", b"2 (UID 6 FLAGS ())"]) == {5}


def test_every_one_of_many_bodies_is_fetched(dovecot_world: ImapWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap_texts, "LARGEST_BATCH", 1000)
    for number in range(9):
        dovecot_world.deliver(f"mail {number}", body="x " * 100)
    refs = [sighting.ref for sighting in dovecot_world.connector.newest("INBOX", 50)]
    subjects = {message.text.subject for message in dovecot_world.connector.fetch(refs)}
    assert subjects == {f"mail {number}" for number in range(9)}


@contextmanager
def tls_pair(folder: Path) -> Iterator[tuple[ssl.SSLSocket, Callable[[bytes], bytes], socket.socket]]:
    """Our end of a TLS connection; what makes a record of the other end; and the wire that the record is to go on."""
    certificate = make_certificate(folder, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, folder / "key.pem")
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(coming, going, server_side=True)
    here, wire = socket.socketpair()

    def shake() -> None:
        while True:
            try:
                server.do_handshake()
                break
            except ssl.SSLWantReadError:
                wire.sendall(going.read())
                coming.write(wire.recv(CHUNK))
        wire.sendall(going.read())

    def record(data: bytes) -> bytes:
        server.write(data)
        return going.read()

    other = threading.Thread(target=shake)
    other.start()
    client = ssl.create_default_context(cafile=str(certificate))
    with wire, client.wrap_socket(here, server_hostname="localhost") as ours:
        other.join()
        yield ours, record, wire


def hears(connector: ImapConnector, seconds: float) -> bool:
    """Does it hear of anything within so many seconds? It must be listening at this file."""
    file, end = connector.listen(), time.monotonic() + seconds
    assert file is not None
    while not connector.heard():
        if not select.select([file], [], [], max(end - time.monotonic(), 0))[0]:
            return False
    return True


@pytest.mark.parametrize("any_world", [*SERVERS, "pymap_world"], indirect=True)
def test_a_new_mail_is_heard(any_world: ImapWorld) -> None:
    timer = threading.Timer(0.2, lambda: any_world.deliver("news"))
    any_world.connector.capabilities()
    timer.start()
    assert hears(any_world.opened[0], PATIENCE_S)
    timer.join()
    cursor = any_world.connector.changes(None, watch(any_world)).cursor
    assert not hears(any_world.opened[0], 0.3), "nothing has come since"
    any_world.deliver("more news")  # the server is in the middle of an IDLE, which the next call ends
    assert len(any_world.connector.changes(cursor, watch(any_world)).arrived) == 1


def test_a_new_mail_is_heard_over_tls(dovecot: Dovecot, dovecot_world: ImapWorld) -> None:
    for tls, port in (("implicit", dovecot.tls_port), ("starttls", dovecot.port)):
        connector = dovecot_world.another(host="localhost", port=port, tls=tls, ca_file=dovecot.certificate)
        timer = threading.Timer(0.2, lambda: dovecot_world.deliver("news"))
        timer.start()
        assert hears(connector, PATIENCE_S)
        timer.join()


def test_what_is_heard_of_a_tls_connection_waits_for_nothing_and_leaves_nothing_unseen(tmp_path: Path) -> None:
    """The socket shows neither what is decrypted already nor that only half a record has come."""
    with tls_pair(tmp_path) as (ours, theirs, wire):
        line = Line("office", 20.0, threading.Event())
        record = theirs(b"* 3 EXISTS\r\n")
        wire.sendall(record[:10])
        assert line.come(ours) == []
        wire.sendall(record[10:] + theirs(b"* 4 EXISTS\r\n") + theirs(b"* OK Still here\r\n"))
        assert line.come(ours) == [b"* 3 EXISTS", b"* 4 EXISTS", b"* OK Still here"]
        assert select.select([ours], [], [], 0)[0] == []
        assert line.readline(ours) == b"* 3 EXISTS\r\n", "what was heard is there to be read"
        wire.close()
        with pytest.raises(OSError, match="hung up"):
            line.come(ours)


def test_what_comes_while_nobody_asks_is_bounded() -> None:
    here, there = socket.socketpair()
    with here, there:
        line = Line("office", 20.0, threading.Event())

        def talk() -> None:
            with suppress(OSError):  # nobody reads it to its end
                there.sendall(b"* OK Still here\r\n" * 40_000)

        talking = threading.Thread(target=talk)
        talking.start()
        while len(line._received) <= MOST_UNREAD:
            line.come(here)
        assert len(line._received) <= MOST_UNREAD + CHUNK
        here.close()
        talking.join()


def test_a_server_without_idle_is_not_listened_at(dovecot_world: ImapWorld) -> None:
    session: Any = dovecot_world.opened[0]._session()
    object.__setattr__(session.abilities, "idle", False)
    assert dovecot_world.connector.listen() is None
    assert not dovecot_world.connector.heard()


def test_closing_ends_the_listening_and_the_descriptor_is_another_connections(dovecot_world: ImapWorld) -> None:
    connector = dovecot_world.another()
    assert not hears(connector, 0)
    connector.close()
    assert not connector.heard()
    assert connector.folders()


def test_a_server_that_leaves_while_we_listen_is_noticed(user: str) -> None:
    with Dovecot() as server:
        for world in closing(ImapWorld(server, user)):
            timer = threading.Timer(0.3, server.halt)
            timer.start()
            with pytest.raises(Unreachable):
                hears(world.opened[0], 60)
            timer.join()
            server.start()
            assert world.connector.folders()


def test_uid_sets_join_neighbours_and_stay_short() -> None:
    assert uid_sets([3, 1, 2, 9]) == ["1:3,9"]
    assert uid_sets([]) == []
    many = uid_sets(range(1, 20_000, 2), longest=500)
    assert all(len(one) <= 500 for one in many)
    assert [int(word) for one in many for word in one.split(",")] == list(range(1, 20_000, 2))


def test_copyuid_counts_only_for_the_message_that_was_moved() -> None:
    assert copied([b"7 3 12"], 3, "Orders") is not None
    assert copied([b"7 4 12"], 3, "Orders") is None
    assert copied([None], 3, "Orders") is None
    assert copied([b"7 3:4 12"], 3, "Orders") is None


def test_status_answers_are_read_with_any_name() -> None:
    answer = [b'"a b" (MESSAGES 2 UIDNEXT 5 UIDVALIDITY 9)', (b"{3}", b"x\xc3\xa9"), b" (UIDNEXT 1 UIDVALIDITY 2)"]
    assert [state.uidnext for state, _ in states_in(answer).values()] == [5, 1]


def test_a_cursor_survives_its_own_writing() -> None:
    cursor = '{"Büro":[1,2,3,4],"INBOX":[5,6,7,0]}'
    assert write_cursor(read_cursor(cursor)) == cursor
