"""The whole daemon under faults: a real process, its database, a real server, a line that fails; then restarts.

    DaemonOffice   a mailbox and a state directory in which the next mail of a known thread will be moved
    Daemons        forks `postroom once` from a parent that has everything loaded: a process each, without a second each
    one_fault      deliver | once, under a fault | restarts until it is at rest | what lies where, what is written

    python -m tests.daemon_faults        every command of every path, in every way       (make faults)

The model answers nothing: people filed a mail of the thread by hand, and replies follow.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Self

import click

from connectors.errors import ConnectorError
from connectors.imap.mailbox import ImapConnector
from daemon.commands.progress import counting_bar
from daemon.mistakes import PostroomError
from daemon.passes.desk import utc_now
from daemon.passes.mailroom import open_mailroom
from daemon.passes.one_pass import one_pass
from daemon.settings import Settings
from daemon.state.lock import StateLock
from tests import ROOT
from tests.a_model import put_model
from tests.contract import Lying
from tests.faults import KILLS, MOMENTS, Fault, FaultyLine
from tests.imap_fixtures import GmailWorld, ImapServer, ImapWorld
from tests.long_run import Tally, daemon_log
from tests.servers.courier import CAPABILITIES, Courier
from tests.servers.cyrus import Cyrus
from tests.servers.dovecot import Dovecot
from tests.servers.gmail import Gmail
from tests.servers.greenmail import GreenMail
from tests.servers.hands import make_mail
from tests.servers.james import James
from tests.service_process import SETTINGS

THREAD = "<thread@example.org>"
SUBJECT = "Re: Invoice 7"
STALLED_SECONDS = 0.5
MOST_RESTARTS = 6
NEITHER = CAPABILITIES.replace(" UIDPLUS", "")


@dataclass(frozen=True)
class Way:
    """One way through the client: a server, and what it does not tell about itself."""

    name: str
    server: type[Dovecot] | type[Cyrus] | type[Courier] | type[Gmail] | type[GreenMail] | type[James]
    hide: tuple[str, ...] = ()
    act_by: str = "move"

    @property
    def marks_only(self) -> bool:
        """Is the original only marked as deleted?"""
        return "UIDPLUS" in self.hide


WAYS = (
    Way("dovecot", Dovecot),
    Way("dovecot, no MOVE", Dovecot, ("MOVE",)),
    Way("dovecot, neither", Dovecot, ("MOVE", "UIDPLUS")),
    Way("dovecot, bare", Dovecot, ("MOVE", "CONDSTORE", "QRESYNC", "LIST-STATUS", "LIST-EXTENDED", "UNSELECT")),
    Way("dovecot, tags", Dovecot, act_by="tag"),
    Way("cyrus", Cyrus),
    Way("cyrus, no MOVE", Cyrus, ("MOVE",)),
    Way("courier", Courier),
    Way("courier, neither", Courier, ("UIDPLUS",)),
    Way("gmail", Gmail),
    Way("greenmail", GreenMail),
    Way("james", James),
)


class Daemons:
    """`with Daemons() as daemons: daemons.once(config)`: a real process for each, forked from a loaded parent."""

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.daemon_faults", "--parent"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "POSTROOM_STRICT_LOGS": "1", "OMP_NUM_THREADS": "1"},
        )
        return self

    def once(self, config: Path, *words: str, settle: float = 0.0) -> Once:
        """Start one pass. `settle` shortens what the daemon waits for, nothing else."""
        assert self.process.stdin
        job = {"config": str(config), "words": words or ["once"], "settle": settle}
        print(json.dumps(job), file=self.process.stdin, flush=True)
        return Once(self.process)

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


class Once:
    """One pass of the daemon in its own process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        self.lines = process.stdout
        self.pid = int(json.loads(self.lines.readline())["pid"])

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> tuple[int, str]:
        """Its exit code (negative: the signal) and what it said on standard error."""
        said = json.loads(self.lines.readline())
        return int(said["code"]), str(said["said"])


def parent() -> None:
    """Load everything, then fork a child for every job on standard input."""
    import connectors.imap.mailbox
    from daemon import cli
    from daemon.passes import mailroom

    with tempfile.TemporaryDirectory() as folder:  # so that no child has to load and compile it all again
        config = Path(folder, "config.toml")
        values = {"state": folder, "port": 1, "user": "nobody", "mode": "live", "mailbox": "", "sorting": ""}
        config.write_text(SETTINGS.format(**values))
        with mailroom.open_mailroom(Settings.load(config)) as opened:
            opened.desks()
            with suppress(Exception):
                one_pass(opened.desks()[0])
    for line in sys.stdin:
        job = json.loads(line)
        with tempfile.TemporaryFile() as said:
            child = os.fork()
            if child == 0:
                os.dup2(os.open(os.devnull, os.O_RDWR), 0)
                os.write(1, (json.dumps({"pid": os.getpid()}) + "\n").encode())
                os.dup2(said.fileno(), 1)
                os.dup2(said.fileno(), 2)
                mailroom.ImapConnector = partial(  # type: ignore[misc,assignment]
                    connectors.imap.mailbox.ImapConnector, settle=job["settle"]
                )
                sys.argv = ["postroom", "--config", job["config"], *job["words"]]
                code = 1
                try:
                    cli.main()
                    code = 0
                except SystemExit as end:
                    code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
                except BaseException:
                    import traceback

                    traceback.print_exc()
                    code = 70
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
            _, status = os.waitpid(child, 0)
            said.seek(0)
            words = said.read().decode(errors="replace")
        os.write(1, (json.dumps({"code": os.waitstatus_to_exitcode(status), "said": words}) + "\n").encode())


@dataclass(frozen=True)
class Verdict:
    """What a run left behind; all zero and no problem if all is well."""

    lost: int = 0
    duplicated: int = 0
    flags_changed: int = 0
    unexplained: int = 0
    problems: tuple[str, ...] = ()
    elsewhere: bool = False
    """Did the fault befall another command than the one it was meant for?"""

    @property
    def clean(self) -> bool:
        return not self.problems


class DaemonOffice:
    """A mailbox with all that makes moving hard, and the state of a daemon that has looked at it once."""

    def __init__(self, path: Way, server: ImapServer, user: str, daemons: Daemons, folder: Path) -> None:
        self.path, self.daemons, self.folder = path, daemons, folder
        self.world = GmailWorld(server, user) if path.server is Gmail else ImapWorld(server, user)
        self.target = self.world.first
        self.sent: list[str] = []
        hands = self.world.hands
        hands.dated = False  # the mail of each run arrives now
        hands.put(make_mail("Somebody's mail", message_id="<twin@example.org>"), flags="\\Deleted")
        hands.put(make_mail("Reply", message_id="<twin@example.org>"))
        hands.put(make_mail("No id", message_id=None))
        hands.put(make_mail("Marked", message_id=None), folder=self.target, flags="\\Deleted")
        hands.put(make_mail(SUBJECT, "An older one.", message_id="<7@example.org>"), folder=self.target)
        self.rest = Counter((lying.folder, lying.subject, lying.content) for lying in self.world.contents())
        self.base = self.state_of("base")
        self._teach()

    def state_of(self, name: str) -> Path:
        """A fresh state directory with the password in it."""
        state = self.folder / name
        credentials = state / "credentials"
        credentials.mkdir(parents=True, mode=0o700)
        secret = credentials / "office-imap"
        secret.touch(mode=0o600)
        secret.write_text("open-sesame")
        return state

    def configure(self, state: Path, port: int, timeout: float = 20.0) -> Path:
        """The settings of a daemon on this state, over this port, which waits so many seconds for an answer."""
        config = state.with_suffix(f".{port}.toml")
        mailbox = f'act_by = "{self.path.act_by}"\ntimeout = "{timeout}s"'
        values = {"state": state, "port": port, "user": self.world.user, "mode": "live", "mailbox": mailbox}
        config.write_text(SETTINGS.format(sorting="", **values))
        return config

    def _teach(self) -> None:
        """Look once, then let a person file the thread's first mail by hand."""
        hands = self.world.hands
        with FaultyLine(self.world.server.port, hide=self.path.hide) as line:
            config = self.configure(self.base, line.port)
            self.restart(config)
            hands.put(make_mail("Invoice 7", message_id=THREAD))
            self.restart(config)
            hands.move("Invoice 7", self.target)
            self.restart(config)
            self.restart(config, later=timedelta(minutes=1))  # now it has settled
        [(count,)] = self.query(self.base, "SELECT count(*) FROM lessons")
        assert count == 1
        put_model(self.base, "office", utc_now())
        self.clean_up()

    @staticmethod
    def restart(config: Path, settle: float = 0.0, later: timedelta = timedelta()) -> None:
        """A pass of a daemon that starts afresh on what lies on the disk. In this process: a new one costs a second."""
        settings = Settings.load(config)
        with (
            StateLock(settings.state_dir),
            open_mailroom(settings, clock=lambda: utc_now() + later) as mailroom,
        ):
            [desk] = mailroom.desks()
            assert isinstance(desk.connector, ImapConnector)
            desk.connector.settle = settle
            one_pass(desk)

    def _fine(self, config: Path) -> None:
        code, said = self.daemons.once(config).wait()
        assert code == 0, said

    @staticmethod
    def query(state: Path, sql: str) -> list[Any]:
        with closing(sqlite3.connect(state / "postroom.sqlite")) as database:
            return database.execute(sql).fetchall()

    def copy(self, name: str) -> Path:
        """The state as it was when the office was furnished."""
        state = self.folder / name
        shutil.rmtree(state, ignore_errors=True)
        shutil.copytree(self.base, state)
        return state

    def deliver(self) -> None:
        """The mail that the next pass will move: the same bytes every time, so that every run must end the same."""
        mail = make_mail(SUBJECT, "See below.", "<8@example.org>", References=THREAD, In_Reply_To=THREAD)
        self.world.hands.put(mail, flags="\\Seen $work")

    def commands(self) -> list[str]:
        """What the daemon sends to move one mail; and how the mailbox must look afterwards, in every run."""
        for _ in range(2):  # from the second time on the folders have changed since the base, and a few more are sent
            if self.sent:
                self.clean_up()
            state = self.copy("count")
            self.deliver()
            [(_, _, before)] = self._ours()
            with FaultyLine(self.world.server.port, hide=self.path.hide) as line:
                self._fine(self.configure(state, line.port))
                self.sent = list(line.commands)
        self.expected = Counter(self._key(lying) for _, _, lying in self._ours())
        moved = (self.target, SUBJECT, before.content)
        if self.path.act_by == "tag":
            [(folder, _, content)] = self.expected
            assert (folder, content != before.content) == (self.world.inbox, True)
        elif self.path.marks_only:
            assert sorted(folder for folder, _, _ in self.expected) == sorted([self.world.inbox, self.target])
            assert self.expected[moved] == 1
        else:
            assert self.expected == Counter([moved])
        self.unmoved = Counter([self._key(before)])
        verdict = self.verdict(state)
        assert verdict.clean, verdict
        self.clean_up()
        return self.sent

    @staticmethod
    def _key(lying: Lying) -> tuple[str, str, str]:
        return lying.folder, lying.subject, lying.content

    def _ours(self) -> list[tuple[str, str, Lying]]:
        """What lies there now and did not at the beginning."""
        rest = Counter(self.rest)
        ours = []
        for folder, uid, lying in self.world.look():
            if rest[self._key(lying)] > 0:
                rest[self._key(lying)] -= 1
            else:
                ours.append((folder, uid, lying))
        self.missing = list((+rest).elements())
        return ours

    def strike(self, state: Path, fault: Fault, settle: float = 0.0) -> tuple[int, str, str]:
        """One pass under one fault: exit code, words, and the command that it befell."""
        started: list[Once] = []
        ready = threading.Event()

        def kill() -> None:
            ready.wait(10)
            started[0].kill()

        timeout = 20.0 if fault.kill else STALLED_SECONDS
        with FaultyLine(self.world.server.port, fault, kill, hide=self.path.hide) as line:
            config = self.configure(state, line.port, timeout)
            started.append(self.daemons.once(config, settle=settle))
            ready.set()
            code, said = started[0].wait()
            befell = line.commands[fault.command - 1] if line.struck else "nothing"
        config.unlink()
        return code, said, befell

    def at_rest(self, state: Path, settle: float = 0.0) -> list[str]:
        """Restart until a pass finds nothing to do. Returns what went wrong meanwhile."""
        with FaultyLine(self.world.server.port, hide=self.path.hide) as line:
            config = self.configure(state, line.port)
            for _ in range(MOST_RESTARTS):
                try:
                    self.restart(config, settle)
                except (ConnectorError, PostroomError) as error:
                    return [f"the restart failed: {error}"]
                [(left,)] = self.query(
                    state,
                    "SELECT (SELECT count(*) FROM actions WHERE state IN ('planned', 'sent'))"
                    " + (SELECT count(*) FROM messages WHERE state = 'new')",
                )
                if left == 0:
                    return []
        return [f"not at rest after {MOST_RESTARTS} restarts"]

    def verdict(self, state: Path, *, moved: bool = True) -> Verdict:
        """Compare what lies there with what must, and with what the journal says."""
        ours = self._ours()
        must = self.expected if moved else self.unmoved
        after = Counter(self._key(lying) for _, _, lying in ours)
        missing = [*self.missing, *(must - after).elements()]
        extra = list((after - must).elements())
        changed = sum((Counter(each[:2] for each in missing) & Counter(each[:2] for each in extra)).values())
        places = {
            (folder, int(uid)) for folder, uid, _ in ours if not (self.path.marks_only and folder == self.world.inbox)
        }
        wrong = self._journal(state, places, moved=moved)
        problems = [f"missing: {each}" for each in missing] + [f"unexpected: {each}" for each in extra] + wrong
        return Verdict(len(missing) - changed, len(extra) - changed, changed, len(wrong), tuple(problems))

    def _journal(self, state: Path, places: set[tuple[str, int]], *, moved: bool) -> list[str]:
        """What the journal does not explain."""
        wrong = []
        actions = self.query(state, "SELECT state, to_folder, to_uid, explanation, ended FROM actions ORDER BY id")
        for outcome, _, _, explanation, ended in actions:
            if outcome not in ("done", "failed", "explained") or ended is None:
                wrong.append(f"unfinished: {outcome}")
            elif outcome != "done" and not explanation:
                wrong.append(f"{outcome} without a word")
        live = self.query(
            state,
            "SELECT s.folder, s.uid, m.state FROM sightings s JOIN messages m ON m.id = s.message_id WHERE s.gone IS"
            f" NULL AND m.thread = '{THREAD}' AND m.rfc_id != '{THREAD}'",
        )
        if {(folder, uid) for folder, uid, _ in live} != places:
            wrong.append(f"the record says {live}, the mailbox {places}")
        if moved:
            done = [(folder, uid) for outcome, folder, uid, _, _ in actions if outcome == "done"]
            if not done or {done[-1]} != places:
                wrong.append(f"the journal says {actions}, the mailbox {places}")
            if {state_ for _, _, state_ in live} != {"sorted"}:
                wrong.append(f"not sorted: {live}")
        return wrong

    def clean_up(self) -> None:
        """Take away what did not lie there at the beginning."""
        doomed: dict[str, list[str]] = {}
        for folder, uid, _ in self._ours():
            doomed.setdefault(folder, []).append(uid)
        for folder, uids in doomed.items():
            self.world.hands.expunge(folder, uids)

    def one_fault(self, fault: Fault) -> Verdict:
        """Deliver, one pass under a fault, restarts until it is at rest, verdict."""
        state = self.copy("run")
        self.deliver()
        code, said, befell = self.strike(state, fault)
        crashed = [f"a bug: {said}"] if code in (1, 70) and "Traceback" in said else []
        if elsewhere := befell != self.sent[fault.command - 1]:
            crashed.append(f"the fault befell {befell} and not {self.sent[fault.command - 1]}")
        # Only a command that nobody waited for may still be on its way; elsewhere the line saw to it.
        stuck = self.at_rest(state, settle=1.0 if fault.moment == "race" else 0.0)
        verdict = self.verdict(state)
        self.clean_up()
        problems = (*crashed, *stuck, *verdict.problems)
        counted = (verdict.lost, verdict.duplicated, verdict.flags_changed, verdict.unexplained)
        return Verdict(*counted, problems, elsewhere)

    def close(self) -> None:
        self.world.close()


CHANGING = ("UID MOVE", "UID COPY", "UID STORE", "UID EXPUNGE")


def all_faults(commands: Sequence[str]) -> list[Fault]:
    """Every command, in every way; those that change something first, because most is at stake there."""
    numbers = sorted(range(1, len(commands) + 1), key=lambda number: commands[number - 1] not in CHANGING)
    ways = [(moment, False) for moment in MOMENTS] + [(moment, True) for moment in KILLS]
    return [Fault(number, moment, kill) for number in numbers for moment, kill in ways]


@contextmanager
def offices(daemons: Daemons, folder: Path, paths: Sequence[Way] = WAYS) -> Iterator[list[DaemonOffice]]:
    """An office for each path, a server for each kind."""
    with ExitStack() as stack:
        servers: dict[str, ImapServer] = {}
        made = []
        for number, path in enumerate(paths):
            user = f"office{number}"
            if path.server.name not in servers:
                server = Gmail(user) if path.server is Gmail else path.server()
                servers[path.server.name] = stack.enter_context(server)
            place = folder / str(number)
            place.mkdir()
            office = DaemonOffice(path, servers[path.server.name], user, daemons, place)
            stack.callback(office.close)
            made.append(office)
        yield made


@dataclass
class FaultTally(Tally):
    """The figures, and a line for each run that went wrong."""

    bad: list[str] = field(default_factory=list)

    def judge(self, verdict: Verdict, what: str) -> None:
        self.runs += 1
        self.faults += 1
        self.add(
            lost=verdict.lost,
            duplicated=verdict.duplicated,
            flags_changed=verdict.flags_changed,
            unexplained=verdict.unexplained,
        )
        if not verdict.clean:
            self.bad.append(f"{what}: {'; '.join(verdict.problems)}")


def exhaustive(paths: Sequence[Way], most: int | None = None) -> FaultTally:
    """Every fault at every command of these paths, one after the other: servers end a session that waits too long.

    `most`: only the first so many of each path, which are those at commands that change something.
    """
    total = FaultTally()
    with Daemons() as daemons:
        for path in paths:
            with (
                tempfile.TemporaryDirectory(prefix="postroom-faults-") as folder,
                offices(daemons, Path(folder), [path]) as [office],
            ):
                began = time.monotonic()
                _all_of(office, total, most)
            click.echo(f"{path.name}: {time.monotonic() - began:.0f} s", err=True)
    return total


def _all_of(office: DaemonOffice, total: FaultTally, most: int | None) -> None:
    commands = office.commands()
    faults = all_faults(commands)[:most]
    click.echo(f"{office.path.name}: {len(commands)} commands, {len(faults)} faults", err=True)
    with counting_bar(False, "faults on") as show:
        for number, fault in enumerate(faults):
            verdict = office.one_fault(fault)
            if verdict.elsewhere and len(verdict.problems) == 1:
                # In a mailbox of hundreds of moves a server forgets its history, and the daemon asks otherwise.
                commands = office.commands()
                verdict = office.one_fault(fault)
            total.judge(verdict, f"{office.path.name}: {fault} at {commands[fault.command - 1]}")
            if not verdict.clean:
                click.echo(total.bad[-1], err=True)
            if show:
                show(office.path.name, number + 1, len(faults))


def main() -> int:
    parser = argparse.ArgumentParser(description="The whole daemon under every fault at every command of every path.")
    parser.add_argument("--path", default="", help="only the paths whose name starts so")
    parser.add_argument("--most", type=int, help="only so many faults on each path, to try the command out")
    parser.add_argument("--log", type=Path, default=Path("build/faults.log"), help="what the daemon says goes there")
    parser.add_argument("--parent", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.parent:
        parent()
        return 0
    paths = [path for path in WAYS if path.name.startswith(arguments.path)]
    if not paths:
        parser.error(f"no path starts with {arguments.path!r}: {', '.join(path.name for path in WAYS)}")
    with daemon_log(arguments.log):
        total = exhaustive(paths, arguments.most)
    total.tell()
    return 1 if total.bad else 0


if __name__ == "__main__":
    sys.exit(main())
