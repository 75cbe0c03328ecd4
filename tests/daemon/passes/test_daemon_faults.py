"""The whole daemon, its database and a real server: whatever breaks, at the next rest all mail is where it must be.

A deterministic selection; `make faults` runs every command of every path in every way.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.connectors.imap.test_imap_move import RIGHTS
from tests.daemon_faults import THREAD, WAYS, DaemonOffice, Daemons, Once, Way
from tests.faults import Fault, FaultyLine
from tests.imap_fixtures import ImapServer
from tests.servers.cyrus import Cyrus
from tests.servers.dovecot import Dovecot
from tests.servers.hands import make_mail, quoted

pytestmark = [pytest.mark.imap, pytest.mark.slow]


@pytest.fixture(scope="module")
def daemons() -> Iterator[Daemons]:
    with Daemons() as started:
        yield started


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    """A second parent, for two daemons at once; it answers, so it has loaded everything."""
    with Daemons() as started:
        started.once(tmp_path_factory.mktemp("others") / "none.toml", "config").wait()
        yield started


MakeOffice = Callable[[Way, ImapServer], DaemonOffice]


@pytest.fixture
def make_office(daemons: Daemons, tmp_path: Path, user: str) -> Iterator[MakeOffice]:
    made: list[DaemonOffice] = []

    def make(way: Way, server: ImapServer) -> DaemonOffice:
        place = tmp_path / "office"
        place.mkdir()
        made.append(DaemonOffice(way, server, user, daemons, place))
        return made[-1]

    yield make
    for office in made:
        office.close()


@pytest.fixture
def office(make_office: MakeOffice, request: pytest.FixtureRequest) -> DaemonOffice:
    """On the servers of the whole run; the parameter is the name of a way."""
    way = next(way for way in WAYS if way.name == getattr(request, "param", "dovecot"))
    return make_office(way, request.getfixturevalue(way.server.name))


@pytest.mark.parametrize(
    "office",
    [
        "dovecot",
        "dovecot, no MOVE",
        "dovecot, tags",
        "cyrus",
        "courier",
        "courier, neither",
        "greenmail",
        "james",
    ],
    indirect=True,
)
def test_a_daemon_that_is_killed_or_cut_off_while_it_acts_puts_everything_right(office: DaemonOffice) -> None:
    commands = office.commands()
    changing = [n for n, words in enumerate(commands, 1) if words in ("UID MOVE", "UID COPY", "UID STORE")]
    for fault in (
        Fault(changing[0], "after", kill=True),
        Fault(changing[-1], "race", kill=True),
        Fault(changing[-1], "answer"),
    ):
        verdict = office.one_fault(fault)
        assert verdict.clean, (fault, commands[fault.command - 1], verdict)


def during(office: DaemonOffice, state: Path, command: bytes, what: Callable[[int], object]) -> tuple[int, str]:
    """One pass; `what` (given its process) happens between its first such command and the server's hearing of it."""
    started: list[Once] = []
    ready = threading.Event()
    happened: list[bytes] = []

    def change(line: bytes) -> bytes:
        if line.partition(b" ")[2].startswith(command) and not happened:
            happened.append(line)
            ready.wait(10)
            what(started[0].pid)
        return line

    with FaultyLine(office.world.server.port, change=change, hide=office.path.hide) as line:
        started.append(office.daemons.once(office.configure(state, line.port, timeout=30.0)))
        ready.set()
        ended = started[0].wait()
    assert happened
    return ended


def test_a_dry_run_sends_nothing_that_changes_anything(office: DaemonOffice) -> None:
    """With mail that is due and an action that was cut short. EXAMINE alone would not protect: see the commands."""
    commands = office.commands()
    state = office.copy("run")
    office.deliver()
    office.strike(state, Fault(commands.index("UID MOVE") + 1, "before", kill=True))
    office.world.hands.put(make_mail("Re: Invoice 7 again", References=THREAD))
    before = sorted(office.world.contents())
    with FaultyLine(office.world.server.port) as line:
        code, said = office.daemons.once(office.configure(state, line.port), "once", "--dry-run").wait()
        sent = set(line.commands)
    assert code == 0, said
    assert "Nothing was changed." in said
    looking = {
        "CAPABILITY",
        "LOGIN",
        "ID",
        "ENABLE",  # of this connection alone
        "LIST",
        "STATUS",
        "EXAMINE",
        "UNSELECT",
        "NOOP",
        "UID SEARCH",
        "UID FETCH",
        "LOGOUT",
    }
    assert "UID FETCH" in sent
    assert sent <= looking
    assert sorted(office.world.contents()) == before
    assert office.query(state, "SELECT state FROM actions") == [("sent",)]


@pytest.mark.parametrize("kind", [Dovecot, Cyrus])
def test_a_server_that_restarts_while_the_daemon_acts(kind: type[Dovecot], make_office: MakeOffice) -> None:
    with kind() as server:
        office = make_office(Way(server.name, kind), server)
        office.commands()
        state = office.copy("run")
        office.deliver()

        def restart(_: int) -> None:
            server.halt()
            server.start()

        code, said = during(office, state, b"UID MOVE", restart)
        assert code == 75, said
        office.world.hands.imap.shutdown()
        office.world.hands.connect()
        assert office.at_rest(state, settle=1.0) == []
        verdict = office.verdict(state)
        assert verdict.clean, verdict


def test_a_full_mailbox_leaves_the_mail_and_says_so(make_office: MakeOffice) -> None:
    with Cyrus(quota=8) as server:
        office = make_office(Way("cyrus, no MOVE", Cyrus, ("MOVE",)), server)
        office.commands()
        state = office.copy("run")
        office.deliver()
        hands = office.world.hands
        for size in (3000, 1000, 300, 100, 10):
            while hands.imap.append("INBOX", "", None, make_mail("Filler", "x" * size, None))[0] == "OK":
                pass
        office.rest.update(office._key(lying) for _, _, lying in office._ours() if lying.subject == "Filler")
        assert office.at_rest(state) == []
        verdict = office.verdict(state, moved=False)
        assert verdict.clean, verdict
        [(outcome, why)] = office.query(state, "SELECT state, explanation FROM actions")
        assert outcome == "failed"
        assert "quota" in why.lower()


@pytest.mark.parametrize("hide", [(), ("MOVE",)], ids=["move", "copy"])
def test_without_permission_the_daemon_leaves_the_mail_and_says_so(
    make_office: MakeOffice, hide: tuple[str, ...]
) -> None:
    with Dovecot(extra=RIGHTS.replace("IMAP4rev1 UIDPLUS", "IMAP4rev1 MOVE UIDPLUS LITERAL+")) as server:
        office = make_office(Way("dovecot", Dovecot, hide), server)
        office.commands()
        state = office.copy("run")
        office.deliver()
        answer = office.world.hands.imap._simple_command("SETACL", quoted(office.target), "owner", "lra")
        assert answer[0] == "OK"
        assert office.at_rest(state) == []
        verdict = office.verdict(state, moved=False)
        assert verdict.clean, verdict
        assert office.query(state, "SELECT state FROM actions") == [("failed",)]


@pytest.mark.parametrize("office", ["dovecot", "courier"], indirect=True)
def test_a_target_that_is_deleted_while_the_daemon_acts_leaves_the_mail(office: DaemonOffice) -> None:
    office.commands()
    state = office.copy("run")
    office.deliver()
    gone = [key for key in office.rest if key[0] == office.target]
    command = b"UID MOVE" if office.path.name == "dovecot" else b"UID COPY"
    during(office, state, command, lambda _: office.world.hands.remove(office.target))
    for key in gone:
        del office.rest[key]
    assert office.at_rest(state) == []
    verdict = office.verdict(state, moved=False)
    assert verdict.clean, verdict


@pytest.mark.parametrize("office", ["dovecot", "dovecot, no MOVE"], indirect=True)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_uids_that_restart_while_the_daemon_is_dead(office: DaemonOffice, dovecot: Dovecot, moment: str) -> None:
    commands = office.commands()
    state = office.copy("run")
    office.deliver()
    number = commands.index("UID COPY" if office.path.hide else "UID MOVE") + 1
    office.strike(state, Fault(number, "before" if moment == "before" else "after", kill=True))
    for folder in ("INBOX", office.target):
        dovecot.doveadm("mailbox", "update", "-u", office.world.user, "--uid-validity", "2000000000", folder)
    # The step "copying" notes no copy, and after such a repair nobody can tell one that lay there before.
    in_doubt = bool(office.path.hide) and moment == "after"
    stuck = office.at_rest(state)
    assert stuck == []
    if in_doubt:
        [(outcome, why)] = office.query(state, "SELECT state, explanation FROM actions")
        assert (outcome, bool(why)) == ("explained", True)
    else:
        verdict = office.verdict(state)
        assert verdict.clean, verdict


def test_two_daemons_on_one_mailbox_move_a_mail_once(daemons: Daemons, others: Daemons, office: DaemonOffice) -> None:
    office.commands()
    for _ in range(3):
        one, two = office.copy("one"), office.copy("two")
        office.deliver()
        port = office.world.server.port
        first = daemons.once(office.configure(one, port))
        second = others.once(office.configure(two, port))
        for ended in (first.wait(), second.wait()):
            assert ended[0] == 0, ended
        assert office.at_rest(one) == []
        assert office.at_rest(two) == []
        [(_, _, lying)] = office._ours()
        assert office.expected == {office._key(lying): 1}
        assert office.missing == []
        unfinished = "SELECT count(*) FROM actions WHERE state IN ('planned', 'sent')"
        assert [office.query(state, unfinished) for state in (one, two)] == [[(0,)], [(0,)]]
        office.clean_up()


def test_two_daemons_on_one_state_directory_are_refused(others: Daemons, office: DaemonOffice) -> None:
    office.commands()
    state = office.copy("run")
    office.deliver()
    config = office.configure(state, office.world.server.port)
    refused: list[tuple[int, str]] = []
    during(office, state, b"UID MOVE", lambda _: refused.append(others.once(config).wait()))
    [(code, said)] = refused
    assert code == 75, said
    assert "another Postroom works here" in said
    assert office.verdict(state).clean


# A small disk takes root. Without it a limit on the size of files does nearly the same: SQLite says "disk I/O error".
LITTLE_ROOM = ["limit", "disk"] if os.geteuid() == 0 else ["limit"]


@pytest.mark.parametrize("how", LITTLE_ROOM)
@pytest.mark.parametrize("command", [b"UID MOVE", b"STATUS"], ids=["while it acts", "before it acts"])
def test_a_full_disk_under_the_database(office: DaemonOffice, tmp_path: Path, how: str, command: bytes) -> None:
    """Nothing is lost, the person is told, and with room again it goes on by itself."""
    office.commands()
    place = tmp_path / "small"
    place.mkdir()
    with ExitStack() as stack:
        if how == "disk":
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "postroom-test", str(place)], check=True)
            stack.callback(subprocess.run, ["umount", str(place)], check=True)
        state = place / "state"
        shutil.copytree(office.base, state)
        office.deliver()
        filler = place / "filler"

        def fill(process: int) -> None:
            if how == "limit":
                size = (state / "postroom.sqlite-wal").stat().st_size
                resource.prlimit(process, resource.RLIMIT_FSIZE, (size, size))
                return
            with filler.open("wb", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(bytes(4096))

        code, said = during(office, state, command, fill)
        assert code == 1, said
        assert ("the disk is full" if how == "disk" else "disk I/O error") in said
        assert "Traceback" not in said
        filler.unlink(missing_ok=True)
        assert office.at_rest(state) == []
        verdict = office.verdict(state)
        assert verdict.clean, verdict
