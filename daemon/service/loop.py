"""The service as a process: it opens what it needs, keeps a timetable, and ends politely.

    lock | open | timetable | READY | watchdog, status ... | STOPPING | finish the message in hand | close in reverse

TERM and INT stop, HUP reads the settings again: what concerns single mailboxes changes while the others work
(`daemon.service.changeover`), all else opens everything anew. A mailbox in trouble is tried again with growing pauses;
one that needs a person is left alone until HUP or a restart, and says so. One mailbox's trouble never stops another.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType

import structlog

from daemon.mistakes import ExitCode, PostroomError
from daemon.passes.desk import Desk, utc_now
from daemon.passes.mailroom import Mailroom, open_mailroom
from daemon.rules.schedule import PASS_GRACE
from daemon.service import logs
from daemon.service.changeover import Changeover, in_place, take_up
from daemon.service.logs import told_only
from daemon.service.rounds import Round, status_line
from daemon.service.systemd import Notifier
from daemon.service.timetable import Timetable
from daemon.settings import Settings
from daemon.state.kept import sweep_kept
from daemon.state.lock import StateLock
from daemon.state.open_files import make_room
from daemon.state.refused_reload import forget_refused, note_refused
from daemon.store import mailboxes
from daemon.store.database import DatabaseGone
from daemon.training.places import sweep
from daemon.training.trainer_process import BrokenOff

log = structlog.get_logger()

AFTERWARDS = (
    "Nothing is moved until somebody says that the right one lies there: `postroom resume`. To put it there, stop the "
    "service, delete postroom.sqlite with its -wal and -shm, copy the right one there, and start. "
    "A new, empty one begins in shadow, without lessons."
)
READY_S = 10.0
"""So long a reload lasts at most, to systemd, while mailboxes leave: a server may let one wait for a minute."""
PING_S = 1.0
"""Between two signs of life while the service ends or reads its settings again."""
SLEPT = timedelta(minutes=10)
"""Between two signs of life lie seconds. After longer than this the machine slept, or was held."""
PUT_BACK = timedelta(minutes=1)
"""A clock that is put back by more holds up what was planned by it."""
STOP_GRACE = timedelta(seconds=30)
"""So long what is being done with the servers may go on when the service ends; then it is broken off. Well below
TimeoutStopSec of the unit."""


@dataclass
class Service:
    """One run of the service. `run` returns the exit code."""

    config: Path
    settings: Settings
    notifier: Notifier = field(default_factory=Notifier)
    clock: Callable[[], datetime] = utc_now
    stopping: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)
    """Somebody wants the settings to be read again."""
    reloading: threading.Event = field(default_factory=threading.Event)
    """They were, and all that works by the old ones is to end."""
    reload_ends: float | None = None
    """A reload is being done in place, and systemd hears of its end by then, in seconds of the monotonic clock."""
    gone: str | None = None
    """What happened to the database that was open, in words: the one that lies there now is to be opened."""
    rounds: dict[str, Round] = field(default_factory=dict)
    refused: str = ""
    """What of the settings that the last reload found cannot be used."""
    awake_since: datetime | None = None
    """When the service began, or when the machine last woke from a sleep."""
    timetable: Timetable | None = None
    stuck: str | None = None
    """Why nothing is done any more, in words, and the log has it."""

    def run(self) -> int:
        """Work until told to stop. Raises PostroomError (AlreadyRunning, StoreError) before anything was done."""
        self._listen()
        with StateLock(self.settings.state_dir):
            forget_refused(self.settings.state_dir)
            while not self.stopping.is_set():
                self.reloading.clear()
                self._run_until_change()
        log.info("stopped")
        return ExitCode.OK

    def _listen(self) -> None:
        def stop(_signal: int, _frame: FrameType | None) -> None:
            self.stopping.set()

        def reload(_signal: int, _frame: FrameType | None) -> None:
            self.asked.set()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGHUP, reload)

    def _interrupted(self) -> bool:
        return self.stopping.is_set() or self.reloading.is_set() or self.gone is not None

    def _run_until_change(self) -> None:
        make_room(len(self.settings.mailboxes))
        with open_mailroom(self.settings, clock=self.clock, stop=self._interrupted) as mailroom:
            seen = self.clock()
            self.awake_since = self.awake_since or seen  # no reload makes it have slept
            sweep(mailroom.database, self.settings.state_dir, seen)
            sweep_kept(self.settings.state_dir, seen)
            desks = mailroom.desks()
            for desk in desks:
                take_up(mailroom, desk)
            self._begin_paused(desks)
            timetable = self._plan(mailroom, desks)
            changeover = Changeover(mailroom, timetable)
            timetable.start()
            log.info("started", mailboxes=len(desks))
            self.notifier.ready()
            pause = min(self.notifier.watchdog_interval() or 5.0, 5.0)
            while not self._interrupted():
                if self.asked.is_set():
                    self._heed(changeover)
                self._change(changeover)
                seen = self._awake(seen)
                self._mind_database(mailroom)
                timetable.catch_up()
                timetable.looks.mind_hanging()
                if self._healthy(mailroom):
                    self.notifier.watchdog()
                self.notifier.status(self._status())
                self._sleep(0.2 if changeover.going else pause)
            if self.stopping.is_set():
                self.notifier.stopping()
            else:
                self.notifier.reloading()
            self._finish(changeover, timetable, mailroom)

    def _finish(self, changeover: Changeover, timetable: Timetable, mailroom: Mailroom) -> None:
        """Wait for what is being done, and stay alive meanwhile: a message in hand may take longer than the watchdog
        grants. What takes longer than a pass ever may hangs."""

        def end() -> None:
            changeover.end()
            timetable.end()
            mailroom.leave_all()  # a server may take its time over a farewell, too

        with futures.ThreadPoolExecutor(1) as beside:
            ended = beside.submit(end)
            patience = time.monotonic() + PASS_GRACE.total_seconds()
            told = self.stopping.is_set()
            stopped: float | None = None
            while not futures.wait([ended], timeout=PING_S).done:
                if self.stopping.is_set() and not told:  # during a reload
                    self.notifier.stopping()
                    told = True
                if self.stopping.is_set():
                    stopped = stopped or time.monotonic()
                    if time.monotonic() - stopped > STOP_GRACE.total_seconds():
                        mailroom.break_off()
                if time.monotonic() < patience and self._answers(mailroom):
                    self.notifier.watchdog()
            ended.result()

    def _awake(self, seen: datetime) -> datetime:
        """The time now. `seen`: at the sign of life before; a night that lies between was slept through."""
        now = self.clock()
        if now - seen > SLEPT:
            log.warning("slept", problem=f"The machine slept, or the service was held, for {now - seen}.")
            self.awake_since = now
        elif self.awake_since is not None and now < self.awake_since:
            self.awake_since = now  # the clock was ahead, and is right again
        if self.timetable is not None and not -PUT_BACK < now - seen < SLEPT:
            self.timetable.all_now()
        return now

    def _sleep(self, seconds: float) -> None:
        # Signal handlers run between bytecodes of this thread: wait in short steps for either event.
        for _ in range(max(1, round(seconds / 0.2))):
            if self._interrupted() or self.asked.is_set() or self.stopping.wait(0.2):
                return

    def _plan(self, mailroom: Mailroom, desks: list[Desk]) -> Timetable:
        self.rounds = {desk.settings.name: Round(poll=desk.sorting.poll) for desk in desks}
        self.timetable = Timetable(
            mailroom, desks, self.settings, self.rounds, self.clock, lambda: self.awake_since, self._breaks_off
        )
        return self.timetable

    def _breaks_off(self) -> BrokenOff | None:
        """Why a training must end now: nobody waits two hours for new settings, and it would use the old ones."""
        if self.stopping.is_set():
            return "stopped"
        return "reloaded" if self.reloading.is_set() or self.gone is not None else None

    # --- how we are

    def _healthy(self, mailroom: Mailroom) -> bool:
        """The database answers, and not every mailbox that is to be looked at has given no sign of life for too long.

        A pass that hangs costs its own mailbox. Once such passes hold all turns nobody begins any more, and that is
        seen here; as is everything else that keeps passes from beginning, whatever it may be.
        """
        now = time.monotonic()
        due = [round_ for round_ in self.rounds.values() if round_.needs_person is None]
        if not due or not all(round_.overdue(now) for round_ in due):
            self.stuck = None
            return self._answers(mailroom)
        silent = round((now - max(round_.alive for round_ in due)) / 60)
        words = f"nothing has been done in any mailbox for {silent} minutes, though the service runs"
        if self.stuck is None:
            log.error("stuck", problem=f"{words}. Where a watchdog watches, it restarts the service.")
        self.stuck = words
        return False

    def _mind_database(self, mailroom: Mailroom) -> None:
        """A database that was deleted or replaced ends all that works with it; then what lies there now is opened."""
        try:
            mailroom.database.check_place()
        except DatabaseGone as error:
            log.error("database-gone", problem=str(error))
            self.gone = error.fact

    def _begin_paused(self, desks: list[Desk]) -> None:
        """With another database than a moment ago, whatever it knows: a person looks before mail is moved by it."""
        if self.gone is not None:
            words = f"The database was not the same any more: {self.gone} {AFTERWARDS}"
            for desk in desks:
                with desk.database.begin() as tx:
                    if mailboxes.get(tx, desk.mailbox_id).paused is None:
                        mailboxes.set_paused(tx, desk.mailbox_id, words)
            log.error("paused", problem=words)
            self.gone = None

    def _answers(self, mailroom: Mailroom) -> bool:
        """Does the database?"""
        with told_only(), mailroom.database.read() as tx:
            mailboxes.count(tx)
            return True
        return False

    def _status(self) -> str:
        return status_line(self.rounds, self.refused, self.stuck)

    def _heed(self, changeover: Changeover) -> None:
        """Read the settings again, while all goes on, and go over to them: in place, or all that works is to end."""
        self.asked.clear()
        before = self.settings
        if self._reload() and not in_place(before, self.settings):
            self.reloading.set()
            return
        self.notifier.reloading()
        self.reload_ends = time.monotonic() + READY_S
        if self.settings is not before:
            changeover.take(self.settings)

    def _change(self, changeover: Changeover) -> None:
        """What a reload in place still has to do."""
        changeover.go_on()
        if self.reload_ends is not None and (not changeover.going or time.monotonic() > self.reload_ends):
            self.notifier.ready()
            self.reload_ends = None

    def _reload(self) -> bool:
        """Are there settings to work by from now on? Not where those of the file cannot be used."""
        try:
            fresh, broken = Settings.load_rest(self.config, self.settings)
        except PostroomError as error:
            self._refuse(str(error))
            return False
        if fresh.state_dir != self.settings.state_dir:
            self._refuse("`state_dir` cannot change while the service runs. Restart it.")
            return False
        self.refused = ""
        forget_refused(fresh.state_dir)
        self.settings = fresh
        logs.configure(fresh.log)
        log.info("settings-reloaded", mailboxes=len(fresh.mailboxes))
        for problem in broken:
            log.error("settings-refused", problem=f"{problem} Until then its mailboxes go on as before.")
        if broken:
            note_refused(fresh.state_dir, self.clock(), "\n".join(f"  - {one}" for one in broken), partly=True)
            files = list(dict.fromkeys(problem.partition(": ")[0] for problem in broken))
            others = f" and {len(files) - 1} more" if files[1:] else ""
            self.refused = f"{files[0]}{others} cannot be used, and what stood there before goes on"
        return True

    def _refuse(self, why: str) -> None:
        """The old settings go on."""
        log.error("settings-refused", problem=why)
        note_refused(self.settings.state_dir, self.clock(), why)
        self.refused = "the settings as they are now were refused, the old ones go on"
