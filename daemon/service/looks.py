"""The looks at the mailboxes: a job each on the service's scheduler.

    due, or a hint of the server | its turn | one pass | well: listen | trouble: later, later still | a person: on hold

`passes_at_once` is the size of the pool that passes work in. Mailboxes whose last pass failed have a pool of their own,
half as large, so that those whose server lets them wait until a time-out leave room for the others; together they work
on no more than `passes_at_once`. Who waits or listens holds no turn and no connection of the database.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.base import BaseScheduler
from structlog.contextvars import bound_contextvars

from connectors.base import LISTENING_S
from connectors.errors import ConnectorError, NeedsPerson, TooManyConnections
from daemon.mistakes import PostroomError
from daemon.model.engines.engine import EngineError
from daemon.passes.desk import Desk
from daemon.passes.mailroom import leave
from daemon.passes.one_pass import Pass, one_pass
from daemon.report import concerns
from daemon.rules.schedule import PASS_GRACE, after_hang_up, back_off, first_look
from daemon.service.ears import Ears
from daemon.service.logs import told_only
from daemon.service.rounds import Round
from daemon.service.triggers import Every
from daemon.service.turns import Turns
from daemon.settings import SortingSettings
from daemon.store import mailboxes

log = structlog.get_logger()

PASSES, TROUBLED = "passes", "troubled"
"""The executors, by name."""
SLOW_S = 20.0
"""A pass that takes longer counts as troubled: a few servers that let everybody wait must not hold all turns."""
SLACK_S = 2.0
"""The scheduler is so late at most, as long as nobody sets its clock."""
LINE_S = 0.2
"""So long a look waits for another at the same mailbox: it has just ended, or does not end soon."""
HUNG_UP_S = 1.0
"""A server may need a moment until it counts a connection that we closed no more."""
SILENCE_EVERY = timedelta(minutes=30)
HANGS = "The others go on. `systemctl restart postroom` ends it."
AFTER_A_BUG = timedelta(minutes=5)


class Looks:
    """Looks at every mailbox when it is due. `interrupted`: the service ends or reads its settings again."""

    def __init__(
        self,
        scheduler: BaseScheduler,
        desks: Sequence[Desk],
        sorting: SortingSettings,
        rounds: Mapping[str, Round],
        clock: Callable[[], datetime],
        interrupted: Callable[[], bool],
    ) -> None:
        self._scheduler = scheduler
        self._desks = desks
        self._sorting = sorting
        self._rounds = rounds
        self._clock = clock
        self._interrupted = interrupted
        for desk in desks:
            _note_signs(desk, rounds[desk.settings.name])
        self.at_work = threading.Semaphore(sorting.passes_at_once)
        """Held by every pass, of both pools."""
        self._ears = Ears(self._heard)
        self._turns = Turns()

    def plan(self) -> None:
        """Put a job for every mailbox on the scheduler."""
        at_once = self._sorting.passes_at_once
        self._recall_turns(self._desks)
        self._scheduler.add_executor(ThreadPoolExecutor(at_once), PASSES)
        self._scheduler.add_executor(ThreadPoolExecutor(max(1, at_once // 2)), TROUBLED)
        for position, desk in enumerate(self._desks):
            self._plan_first(desk, first_look(position, len(self._desks), at_once, desk.sorting.poll))

    def _plan_first(self, desk: Desk, wait: timedelta) -> None:
        poll, first = desk.sorting.poll, datetime.now(UTC) + wait
        self._rounds[desk.settings.name].due = time.monotonic() + wait.total_seconds()
        self._scheduler.add_job(self.look, Every(poll), [desk], id=job_of(desk), executor=PASSES, next_run_time=first)

    def add(self, desks: Sequence[Desk]) -> None:
        """Look at these as well, who have their rounds: a few at once, the others spread over a `poll`."""
        self._recall_turns(desks)
        for position, desk in enumerate(desks):
            _note_signs(desk, self._rounds[desk.settings.name])
            self._plan_first(desk, first_look(position, len(desks), self._sorting.passes_at_once, desk.sorting.poll))

    def has_left(self, desk: Desk) -> bool:
        """Has the last look at this mailbox, which leaves, ended? Then nobody looks or listens there any more. Asked
        again until it has."""
        if not self._rounds[desk.settings.name].line.acquire(blocking=False):
            return False
        self._ears.forget(desk)  # only now: the look that has just ended may have begun to listen
        self._scheduler.remove_job(job_of(desk))
        self._call(self._turns.leaves(desk.settings.name), timedelta(seconds=HUNG_UP_S))
        return True

    def _recall_turns(self, desks: Sequence[Desk]) -> None:
        """What a service before this one noted stands until the first look."""
        for desk in desks:
            with told_only(), desk.database.read() as tx:
                self._rounds[desk.settings.name].turns = mailboxes.get(tx, desk.mailbox_id).turns

    def catch_up(self) -> None:
        """Look now where a look is due, though the scheduler plans it for later: by a clock that was ahead a moment."""
        for desk in self._desks:
            round_, job = self._rounds[desk.settings.name], self._scheduler.get_job(job_of(desk))
            waits = job is not None and job.next_run_time is not None and not round_.working
            if waits and time.monotonic() - round_.due > SLACK_S and job.next_run_time > datetime.now(UTC):
                job.modify(next_run_time=datetime.now(UTC))

    def end(self) -> None:
        """Wait for who works; then nobody works or listens any more, nor plans. The service must be interrupted."""
        for round_ in self._rounds.values():
            round_.line.acquire()
        self._ears.end()

    def look(self, desk: Desk) -> None:
        """One pass, and the plan for what comes after it."""
        round_ = self._rounds.get(desk.settings.name)
        if round_ is None or desk.leaving:  # it waited in the pool meanwhile, and the round may be its successor's
            return
        round_.due = time.monotonic() + desk.sorting.poll.total_seconds()
        if self._interrupted() or not round_.line.acquire(timeout=LINE_S):
            return
        try:
            with bound_contextvars(mailbox=desk.settings.name):
                may_enter, asked = self._turns.enter(desk.settings.name, desk.connector.server, time.monotonic())
                self._call(asked)
                if may_enter:
                    with self.at_work:
                        self._look(desk, round_)
        finally:
            round_.line.release()

    def _look(self, desk: Desk, round_: Round) -> None:
        wait, well = None, False
        if not self._ends(desk):  # while it waited for its turn
            if self._ears.forget(desk):
                round_.broken = 0
            began = time.monotonic()
            wait = self._work(desk, round_)
            self._plan_next(desk, round_, wait, slow=time.monotonic() - began > SLOW_S)
            well = wait is None and round_.needs_person is None
            self._note_turns(desk, round_)
        if self._turns.ends(desk.settings.name, well=well) or round_.cut_off:
            self._hang_up(desk)
        elif well and not self._ends(desk):
            self._listen(desk, round_)

    def _hang_up(self, desk: Desk) -> None:
        """Leave the server, so that it has room for the next one in line."""
        leave(desk)
        self._call(self._turns.gone(desk.settings.name), timedelta(seconds=HUNG_UP_S))

    def _call(self, name: str | None, wait: timedelta = timedelta()) -> None:
        """Look at this mailbox sooner than planned: it waits for a connection, or another one waits for its."""
        job = None if name is None else self._scheduler.get_job(job_called(name))
        round_ = None if name is None else self._rounds.get(name)
        if round_ is None or job is None or job.next_run_time is None or self._interrupted():
            return  # it has left, or a person is needed
        self._look_in(job.args[0], round_, wait)

    def _note_turns(self, desk: Desk, round_: Round) -> None:
        """Say once that mailboxes take turns at this server, or that they do so no longer."""
        words = self._turns.in_words(desk.settings.name)
        if words != round_.turns:
            with told_only():
                with desk.database.begin() as tx:
                    mailboxes.set_turns(tx, desk.mailbox_id, words)
                round_.turns = words

    def _ends(self, desk: Desk) -> bool:
        return desk.leaving or self._interrupted()

    def _plan_next(self, desk: Desk, round_: Round, wait: timedelta | None, *, slow: bool) -> None:
        """The scheduler has planned the next look for one `poll` later; that stands where all is well."""
        executor = TROUBLED if slow or wait is not None else PASSES
        job = self._scheduler.get_job(job_of(desk))
        if round_.needs_person is not None:
            job.modify(next_run_time=None)  # until the settings are read again
        elif wait is not None:
            round_.due = time.monotonic() + wait.total_seconds()
            job.modify(executor=executor, next_run_time=datetime.now(UTC) + wait)
        elif job.executor != executor:
            job.modify(executor=executor)

    def _listen(self, desk: Desk, round_: Round) -> None:
        """Listen for the server's hint until the next look, which may come for it. Polling stays the truth."""
        with told_only():
            try:
                listens = self._ears.listen(desk)
            except ConnectorError:
                self._heard(desk, broken=True)
                return
            if listens and round_.due - time.monotonic() > LISTENING_S:  # the next look renews it
                self._look_in(desk, round_, timedelta(seconds=LISTENING_S))

    def _heard(self, desk: Desk, broken: bool) -> None:
        """Look at once; where the connection broke not at once, and later every time, so that a server which hangs up
        whenever we listen is not hammered with logins: the look says what is wrong."""
        round_ = self._rounds[desk.settings.name]
        if not broken:
            round_.broken = 0
            self._look_in(desk, round_, timedelta())
            return
        round_.broken += 1
        wait = after_hang_up(round_.broken, random.random())
        if time.monotonic() + wait.total_seconds() < round_.due:
            self._look_in(desk, round_, wait)

    def _look_in(self, desk: Desk, round_: Round, wait: timedelta) -> None:
        round_.due = time.monotonic() + wait.total_seconds()
        self._scheduler.get_job(job_of(desk)).modify(next_run_time=datetime.now(UTC) + wait)

    def _work(self, desk: Desk, round_: Round) -> timedelta | None:
        """One pass. How long to wait after trouble; None: nothing went wrong, or a person is needed."""
        round_.alive, round_.working, round_.cut_off = time.monotonic(), True, False
        began = round_.alive
        try:
            done = one_pass(desk)
        except NeedsPerson as error:
            round_.cut_off = True
            round_.needs_person = str(error)
            self._note_trouble(desk, str(error))
            log.error("needs-person", problem=str(error))  # `status` knows of it by now
        except (ConnectorError, EngineError, PostroomError) as error:
            round_.failures += 1
            round_.cut_off = isinstance(error, ConnectorError)
            wait = back_off(round_.failures, desk.sorting.poll, random.random())
            if isinstance(error, TooManyConnections):
                self._call(self._turns.refused(desk.settings.name, time.monotonic(), again=round_.failures > 1))
            again_in = round(wait.total_seconds())
            log.warning("trouble", problem=str(error), times=round_.failures, again_in=again_in)
            times = f" {round_.failures} times in a row by now." if round_.failures > 1 else ""
            self._note_trouble(desk, f"{error}{times}")
            return wait
        except (Exception, SystemExit):  # another package's connector may do anything
            # A bug must not end the service silently: the traceback goes to the log, the mail stays where it is.
            round_.failures += 1
            round_.cut_off = True
            log.exception("bug")
            self._note_trouble(desk, "An unexpected error; see the log.")
            return back_off(round_.failures, AFTER_A_BUG, random.random())
        else:
            round_.failures = 0
            round_.held = done.paused is not None
            _tell(done)
            self._mind_silence(desk, round_)
            round_.looked = True  # last: from now on all that is known of it counts
        finally:
            round_.working = round_.hangs = False
            round_.alive = time.monotonic()
            round_.seconds += round_.alive - began
            round_.succeeded += round_.needs_person is None and not round_.failures
            round_.failed += round_.needs_person is not None or bool(round_.failures)
        return None

    def _mind_silence(self, desk: Desk, round_: Round) -> None:
        """Silent stops are the worst failure: say once that no mail comes any more."""
        now = self._clock()
        if round_.silence_asked is not None and abs(now - round_.silence_asked) < SILENCE_EVERY:
            return
        round_.silence_asked = now
        with told_only():
            with desk.database.read() as tx:
                words = concerns.silence(tx, mailboxes.get(tx, desk.mailbox_id), now)
            if words is not None and not round_.silent:
                log.error("silence", problem=words)
            round_.silent = words is not None

    def mind_hanging(self) -> None:
        """Say once of a pass that it gives no sign of life. It costs its own mailbox and its turn, nobody else."""
        for desk in self._desks:
            round_ = self._rounds[desk.settings.name]
            silent = time.monotonic() - round_.alive
            if round_.working and not round_.hangs and silent > PASS_GRACE.total_seconds():
                round_.hangs = True
                words = f"{desk.settings.name}: the pass has done nothing for {round(silent / 60)} minutes. {HANGS}"
                log.error("hangs", mailbox=desk.settings.name, problem=words)
                self._note_trouble(desk, words)

    def _note_trouble(self, desk: Desk, trouble: str) -> None:
        with told_only(), desk.database.begin() as tx:  # perhaps the database itself is the trouble
            mailboxes.looked(tx, desk.mailbox_id, self._clock(), trouble=trouble)


def _note_signs(desk: Desk, round_: Round) -> None:
    """Whenever a pass asks, between two messages, whether it is to stop, that is a sign of life."""
    stop = desk.stop

    def ask() -> bool:
        round_.alive = time.monotonic()
        return stop() or desk.leaving

    desk.stop = ask


def job_of(desk: Desk) -> str:
    """What the scheduler calls this mailbox's job."""
    return job_called(desk.settings.name)


def job_called(name: str) -> str:
    """The same, by the mailbox's name."""
    return f"look at {name}"


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
