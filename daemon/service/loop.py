"""The service: looks at every mailbox on a schedule, trains at night, ends politely.

    lock | open | READY | poll jobs, night job | watchdog ... | STOPPING | finish the message in hand | close in reverse

TERM and INT stop, HUP reads the settings again. A mailbox in trouble is tried again with growing pauses; one that
needs a person is left alone until HUP or a restart, and says so. One mailbox's trouble never stops another.
Every mailbox has a thread; only `passes_at_once` work at the same moment, and who waits or listens holds nothing.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from structlog.contextvars import bound_contextvars

from connectors.errors import ConnectorError, NeedsPerson
from daemon.mistakes import ExitCode, PostroomError
from daemon.model.engines.engine import EngineError
from daemon.passes.desk import Desk, utc_now
from daemon.passes.one_pass import Pass, one_pass
from daemon.privacy.retention import hold, hold_others, void_never_senders
from daemon.report import concerns
from daemon.rules.schedule import back_off, first_look, last_attempt, longest_waiting, night_is_due, owed
from daemon.service import logs
from daemon.service.lock import StateLock
from daemon.service.mailroom import Mailroom, open_mailroom
from daemon.service.rounds import Round, status_line
from daemon.service.systemd import Notifier
from daemon.service.zone import office_time
from daemon.settings import Settings
from daemon.store import learning, mailboxes, training
from daemon.training.hand_over import sweep, train
from daemon.training.trainer_process import BrokenOff
from daemon.training.training_dir import at_work

log = structlog.get_logger()

NIGHT_CHECK_S = 60
PING_S = 1.0
"""Between two signs of life while the service ends or reads its settings again."""
LEAST_WAIT_S = 2.0
SILENCE_EVERY = timedelta(minutes=30)
SLEPT = timedelta(minutes=10)
"""Between two signs of life lie seconds. After longer than this the machine slept, or was held."""
PASS_GRACE = timedelta(minutes=10)
"""A pass that takes longer than this hangs: the watchdog stops pinging."""


@dataclass
class Service:
    """One run of the service. `run` returns the exit code."""

    config: Path
    settings: Settings
    notifier: Notifier = field(default_factory=Notifier)
    clock: Callable[[], datetime] = utc_now
    stopping: threading.Event = field(default_factory=threading.Event)
    reloading: threading.Event = field(default_factory=threading.Event)
    rounds: dict[str, Round] = field(default_factory=dict)
    refused: bool = False
    """The settings that the last reload found cannot be used."""
    at_work: threading.Semaphore = field(default_factory=threading.Semaphore)
    """Held by every pass; how many there are follows from the settings."""
    awake_since: datetime | None = None
    """When the service began, or when the machine last woke from a sleep."""
    in_trouble: threading.Semaphore = field(default_factory=threading.Semaphore)
    """Held besides by the passes of mailboxes whose last one failed: half as many, so that those whose server lets
    them wait until a time-out leave room for the others."""

    def run(self) -> int:
        """Work until told to stop. Raises PostroomError (AlreadyRunning, StoreError) before anything was done."""
        self._listen()
        with StateLock(self.settings.state_dir):
            while not self.stopping.is_set():
                self._run_until_change()
                if self.reloading.is_set() and not self.stopping.is_set():
                    self._reload()
        log.info("stopped")
        return ExitCode.OK

    def _listen(self) -> None:
        def stop(_signal: int, _frame: FrameType | None) -> None:
            self.stopping.set()

        def reload(_signal: int, _frame: FrameType | None) -> None:
            self.reloading.set()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGHUP, reload)

    def _interrupted(self) -> bool:
        return self.stopping.is_set() or self.reloading.is_set()

    def _run_until_change(self) -> None:
        with open_mailroom(self.settings, clock=self.clock, stop=self._interrupted) as mailroom:
            seen = self.clock()
            self.awake_since = self.awake_since or seen  # no reload makes it have slept
            sweep(mailroom.database, self.settings.state_dir, seen)
            desks = mailroom.desks()
            for desk in desks:  # the settings may name senders that they did not name before
                void_never_senders(mailroom.database, desk.mailbox_id, self.settings, seen)
            self.rounds = {desk.settings.name: Round() for desk in desks}
            self.limit_passes()
            scheduler = self._schedule(mailroom, desks)
            scheduler.start()
            log.info("started", mailboxes=len(desks))
            self.notifier.ready()
            pause = min(self.notifier.watchdog_interval() or 5.0, 5.0)
            while not self._interrupted():
                seen = self._awake(seen)
                if self._healthy(mailroom):
                    self.notifier.watchdog()
                self.notifier.status(self._status())
                self._sleep(pause)
            if self.stopping.is_set():
                self.notifier.stopping()
            else:
                self.notifier.reloading()
            for desk in desks:
                if self.rounds[desk.settings.name].waiting:
                    desk.connector.close()  # ends the wait
            self._finish(scheduler, mailroom)

    def _finish(self, scheduler: BackgroundScheduler, mailroom: Mailroom) -> None:
        """Wait for what is being done, and stay alive meanwhile: a message in hand may take longer than the watchdog
        grants. What takes longer than a pass ever may hangs."""
        with futures.ThreadPoolExecutor(1) as beside:
            ended = beside.submit(scheduler.shutdown, wait=True)
            patience = time.monotonic() + PASS_GRACE.total_seconds()
            told = self.stopping.is_set()
            while not futures.wait([ended], timeout=PING_S).done:
                if self.stopping.is_set() and not told:  # during a reload
                    self.notifier.stopping()
                    told = True
                if time.monotonic() < patience and self._healthy(mailroom):
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
        return now

    def limit_passes(self) -> None:
        """Let so many passes work at once as the settings say, from the next ones on."""
        at_once = self.settings.sorting.passes_at_once
        self.at_work, self.in_trouble = threading.Semaphore(at_once), threading.Semaphore(max(1, at_once // 2))

    def _sleep(self, seconds: float) -> None:
        # Signal handlers run between bytecodes of this thread: wait in short steps for either event.
        for _ in range(max(1, round(seconds / 0.2))):
            if self._interrupted() or self.stopping.wait(0.2):
                return

    def _schedule(self, mailroom: Mailroom, desks: list[Desk]) -> BackgroundScheduler:
        scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(len(desks) + 1)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=UTC,
        )
        now = datetime.now(UTC)
        sorting = self.settings.sorting
        for position, desk in enumerate(desks):
            first = now + first_look(position, len(desks), sorting.passes_at_once, sorting.poll)
            seconds = sorting.poll.total_seconds()
            scheduler.add_job(self._poll, "interval", seconds=seconds, args=[desk], next_run_time=first)
        scheduler.add_job(self._night, "interval", seconds=NIGHT_CHECK_S, args=[mailroom, desks], next_run_time=now)
        return scheduler

    # --- polling

    def _poll(self, desk: Desk) -> None:
        round_ = self.rounds[desk.settings.name]
        now = self.clock()
        if self._interrupted() or round_.needs_person or (round_.not_before is not None and now < round_.not_before):
            return
        with bound_contextvars(mailbox=desk.settings.name):
            next_poll = now + self.settings.sorting.poll
            self._poll_once(desk, round_)
            while round_.failures == 0 and not round_.needs_person and self._woken(desk, round_, next_poll):
                self._poll_once(desk, round_)

    def _woken(self, desk: Desk, round_: Round, next_poll: datetime) -> bool:
        """Wait for the server's hint until the next poll is due. True: look now. Polling stays the truth."""
        seconds = (next_poll - self.clock()).total_seconds() - 1
        if seconds < LEAST_WAIT_S or self._interrupted():
            return False
        round_.waiting = True
        try:
            return desk.connector.wait(seconds) and not self._interrupted()
        finally:
            round_.waiting = False

    def _poll_once(self, desk: Desk, round_: Round) -> None:
        with self.in_trouble if round_.failures else nullcontext(), self.at_work:
            if not self._interrupted():  # while it waited for its turn
                self._work(desk, round_)

    def _work(self, desk: Desk, round_: Round) -> None:
        round_.begun = self.clock()
        try:
            done = one_pass(desk)
        except NeedsPerson as error:
            round_.needs_person = str(error)
            log.error("needs-person", problem=str(error))
            self._note_trouble(desk, str(error))
        except (ConnectorError, EngineError, PostroomError) as error:
            round_.failures += 1
            wait = back_off(round_.failures, self.settings.sorting.poll, random.random())
            round_.not_before = self.clock() + wait
            log.warning("trouble", problem=str(error), again_in=round(wait.total_seconds()))
            self._note_trouble(desk, str(error))
        except Exception:
            # A bug must not end the service silently: the traceback goes to the log, the mail stays where it is.
            round_.failures += 1
            round_.not_before = self.clock() + back_off(round_.failures, timedelta(minutes=5), random.random())
            log.exception("bug")
            self._note_trouble(desk, "An unexpected error; see the log.")
        else:
            round_.failures, round_.not_before = 0, None
            round_.looked, round_.held = True, done.paused is not None
            _tell(done)
            self._mind_silence(desk, round_)
        finally:
            round_.begun = None

    def _mind_silence(self, desk: Desk, round_: Round) -> None:
        """Silent stops are the worst failure: say once that no mail comes any more."""
        now = self.clock()
        if round_.silence_asked is not None and now - round_.silence_asked < SILENCE_EVERY:
            return
        round_.silence_asked = now
        with _told_only():
            with desk.database.read() as tx:
                mailbox = mailboxes.find(tx, desk.settings.name)
                words = concerns.silence(tx, mailbox, now) if mailbox is not None else None
            if words is not None and not round_.silent:
                log.error("silence", problem=words)
            round_.silent = words is not None

    def _note_trouble(self, desk: Desk, trouble: str) -> None:
        with _told_only(), desk.database.begin() as tx:  # perhaps the database itself is the trouble
            mailboxes.looked(tx, desk.mailbox_id, self.clock(), trouble=trouble)

    # --- training

    def _night(self, mailroom: Mailroom, desks: list[Desk]) -> None:
        by_name = {desk.settings.name: desk for desk in desks}
        runs: dict[str, list[tuple[datetime, str | None]]] = {}
        with _told_only():
            runs = self._runs(mailroom, desks)
        attempts = {name: last_attempt(each) for name, each in runs.items()}
        put_off = {name for name, each in runs.items() if owed(each)}
        others_held = False
        for desk in desks:  # a training takes long, and what the last one came to is known
            with _told_only():
                name = desk.settings.name
                self._mind_training(desk, begins=name in put_off or self._is_due(attempts.get(name)))
        for name in longest_waiting(attempts):
            try:
                # Asked anew before each: the window may have ended during the training before.
                if not self._interrupted() and (name in put_off or self._is_due(attempts[name])):
                    if not others_held:
                        hold_others(mailroom.database, {each.mailbox_id for each in desks}, self.settings, self.clock())
                        others_held = True
                    self._train(mailroom, by_name[name])
                    if not self._interrupted():
                        self._mind_training(by_name[name])
            except PostroomError as error:
                log.warning("training-trouble", mailbox=name, problem=str(error))
            except Exception:
                log.exception("bug", mailbox=name)

    def _runs(self, mailroom: Mailroom, desks: list[Desk]) -> dict[str, list[tuple[datetime, str | None]]]:
        """Each mailbox's latest trainings: (started, outcome), the newest first."""
        now, most = self.clock(), training.RUNS_JUDGED
        with mailroom.database.read() as tx:
            runs = {desk.settings.name: training.runs(tx, desk.mailbox_id, most, until=now) for desk in desks}
        return {name: [(run.started, run.outcome) for run in each] for name, each in runs.items()}

    def _is_due(self, attempt: datetime | None) -> bool:
        now = self.clock()
        return night_is_due(office_time(now), self.settings.training.window, attempt, self.awake_since or now)

    def _train(self, mailroom: Mailroom, desk: Desk) -> None:
        now = self.clock()
        hold(desk.database, desk.mailbox_id, self.settings, now)
        usable, _ = mailroom.registry.in_use(desk.mailbox_id, sums=True)
        with desk.database.begin() as tx:
            fresh = training.fresh_lessons(tx, desk.mailbox_id, usable)
            if fresh < self.settings.training.min_corrections:
                newest, count = learning.lesson_state(tx, desk.mailbox_id)
                run = training.start_run(tx, desk.mailbox_id, now, count, newest)
                training.end_run(tx, run, now, "skipped", f"Only {fresh} new lessons: nothing worth a training.")
                return
        train(mailroom.database, mailroom.registry, self.settings, desk.mailbox_id, self.clock, stop=self._breaks_off)

    def _breaks_off(self) -> BrokenOff | None:
        """Why a training must end now: nobody waits two hours for new settings, and it would use the old ones."""
        if self.stopping.is_set():
            return "stopped"
        return "reloaded" if self.reloading.is_set() else None

    def _mind_training(self, desk: Desk, begins: bool = False) -> None:
        """A service that never learns looks as well as one that does: say it once, until something changes.

        `begins`: the training that may be missing is about to begin.
        """
        working = begins or at_work(self.settings.state_dir)
        round_ = self.rounds[desk.settings.name]
        usable, round_.model = desk.registry.in_use(desk.mailbox_id)
        with desk.database.read() as tx:
            mailbox = mailboxes.find(tx, desk.settings.name)
            assert mailbox is not None
            trouble = concerns.nights(tx, mailbox, self.settings.training, self.clock(), at_work=working, usable=usable)
        words = None if trouble is None else trouble.words
        if words is not None and words != round_.training:
            log.warning("training-trouble", mailbox=desk.settings.name, problem=words)
        round_.training = words

    # --- how we are

    def _healthy(self, mailroom: Mailroom) -> bool:
        """The database answers, and no pass has been running for too long."""
        now = self.clock()
        if any(round_.begun is not None and now - round_.begun > PASS_GRACE for round_ in self.rounds.values()):
            return False
        with _told_only(), mailroom.database.read() as tx:
            mailboxes.everyone(tx)
            return True
        return False

    def _status(self) -> str:
        return status_line(self.rounds, self.refused)

    def _reload(self) -> None:
        self.reloading.clear()
        try:
            fresh = Settings.load(self.config)
        except PostroomError as error:
            log.error("settings-refused", problem=str(error))  # the old ones go on
            self.refused = True
            return
        if fresh.state_dir != self.settings.state_dir:
            log.error("settings-refused", problem="`state_dir` cannot change while the service runs. Restart it.")
            self.refused = True
            return
        self.refused = False
        self.settings = fresh
        logs.configure(fresh.log)
        log.info("settings-reloaded")


@contextmanager
def _told_only() -> Iterator[None]:
    """For what is done beside passes: trouble with the database goes to the log and ends neither job nor service."""
    try:
        yield
    except PostroomError as error:
        log.error("trouble", problem=str(error))
    except Exception:
        log.exception("bug")


def _tell(done: Pass) -> None:
    quiet = not (done.recovered or done.looked.new or done.looked.moved or done.corrections or done.sorted.outcomes)
    write = log.debug if quiet else log.info
    write(
        "pass",
        recovered=done.recovered,
        new=done.looked.new,
        moved=done.looked.moved,
        rematched=done.looked.rematched,
        corrections=done.corrections,
        paused=done.paused,
        **{outcome.replace("-", "_"): count for outcome, count in sorted(done.sorted.outcomes.items())},
    )
