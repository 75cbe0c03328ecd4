"""The nights: when the window opens every mailbox trains that is due, and what the nights come to is minded.

    the window opens, the service starts, the machine wakes | who is due, longest waiting first
    | train, side by side as far as cores and memory allow | still due: again in a minute

Which training is due is asked of the database and `daemon.rules.schedule`, so a restart or a reload forgets nothing.
One that fails, or is killed, costs its own mailbox a night and the others nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.base import BaseScheduler

from daemon.mistakes import PostroomError
from daemon.passes.desk import Desk
from daemon.passes.mailroom import Mailroom
from daemon.privacy.retention import hold, hold_others
from daemon.report import concerns
from daemon.rules.schedule import last_attempt, longest_waiting, may_begin, night_is_due, owed
from daemon.service.logs import told_only
from daemon.service.rounds import Round
from daemon.service.triggers import Every, Opening, put_forward
from daemon.settings import Settings
from daemon.settings.zone import office_time
from daemon.state.kept import sweep_kept
from daemon.store import learning, mailboxes, training
from daemon.training import machine
from daemon.training.hand_over import train
from daemon.training.places import places, sweep
from daemon.training.trainer_process import BrokenOff
from daemon.training.training_dir import at_work

log = structlog.get_logger()

NIGHT, MINDING = "the night", "how the nights are"
"""The jobs, and the executors of one thread each, by name."""
MIND_EVERY = timedelta(minutes=10)
"""It costs as much as a poll, and what it finds is hours old."""
AGAIN = timedelta(minutes=1)
"""After so long the night is asked once more where somebody is still due: another training was at work, say."""

FIRST_NEED_MB = 2700
"""What a training takes of memory at most (docs/benchmarks.md), as long as none has said."""

Runs = Sequence[tuple[datetime, str | None]]
"""A mailbox's latest trainings: (started, outcome), the newest first."""


class Nights:
    """Trains for every mailbox. `breaks_off`: why a training must end now; `awake_since`: of the service."""

    def __init__(
        self,
        scheduler: BaseScheduler,
        mailroom: Mailroom,
        desks: Sequence[Desk],
        settings: Settings,
        rounds: Mapping[str, Round],
        clock: Callable[[], datetime],
        awake_since: Callable[[], datetime | None],
        breaks_off: Callable[[], BrokenOff | None],
    ) -> None:
        self._scheduler = scheduler
        self._mailroom = mailroom
        self._desks = desks
        self.settings = settings
        """Of mailboxes those of the last reload; all else stays as it was opened."""
        self._rounds = rounds
        self._clock = clock
        self._awake_since = awake_since
        self._breaks_off = breaks_off
        self._training = threading.Lock()
        self._needs: list[int] = []
        """What the trainings so far took of memory at most, in MB."""

    def plan(self) -> None:
        """Put the two jobs on the scheduler. The night is asked at once as well: one may be due, or owed."""
        for name in (NIGHT, MINDING):
            self._scheduler.add_executor(ThreadPoolExecutor(1), name)
        opening, now = Opening(self.settings.training.window), datetime.now(UTC)
        self._scheduler.add_job(self.train_all, opening, id=NIGHT, executor=NIGHT, next_run_time=now)
        self._scheduler.add_job(self.mind_all, Every(MIND_EVERY), id=MINDING, executor=MINDING, next_run_time=now)

    def catch_up(self) -> None:
        """Ask now what a clock that was ahead holds up."""
        for name in (NIGHT, MINDING):
            put_forward(self._scheduler, name)

    def end(self) -> None:
        """Wait for a training that ends; then nobody trains any more, nor plans. The service must be interrupted."""
        self._training.acquire()

    def ask_again(self) -> None:
        """The mailboxes are others now: ask who is due and how the nights are. A night at work asks at its end."""
        now = datetime.now(UTC)
        self._scheduler.modify_job(MINDING, next_run_time=now)
        if not self._training.locked():
            self._scheduler.modify_job(NIGHT, next_run_time=now)

    def is_due(self, runs: Runs) -> bool:
        """Is a training of the mailbox with these trainings due now?"""
        now = self._clock()
        since = self._awake_since() or now
        return owed(runs) or night_is_due(office_time(now), self.settings.training.window, last_attempt(runs), since)

    def train_all(self) -> None:
        """Train for every mailbox that is due, who has waited longest first; and ask again where somebody still is."""
        if not self._training.acquire(blocking=False):
            return  # the service has ended: `end` holds it, and gives it to nobody
        try:
            if self._breaks_off() is None:
                self._train_all()
        finally:
            self._training.release()

    def _train_all(self) -> None:
        database, desks = self._mailroom.database, self._teachers()
        by_name, runs = {desk.settings.name: desk for desk in desks}, self._runs(desks)
        waiting = longest_waiting({name: last_attempt(latest) for name, latest in runs.items()})
        if any(map(self.is_due, runs.values())):
            with told_only():
                sweep(database, self.settings.state_dir, self._clock())
            sweep_kept(self.settings.state_dir, self._clock())
            with told_only():
                hold_others(database, {desk.mailbox_id for desk in desks}, self.settings, self._clock())
        self._side_by_side([(by_name[name], runs[name]) for name in waiting])
        runs = self._runs(self._teachers())
        if self._breaks_off() is None and (not runs or any(map(self.is_due, runs.values()))):
            self._scheduler.modify_job(NIGHT, next_run_time=datetime.now(UTC) + AGAIN)

    def _teachers(self) -> list[Desk]:
        """The mailboxes with nights of their own: not those that share another's model."""
        return [desk for desk in list(self._desks) if not desk.settings.share]

    def _side_by_side(self, waiting: Sequence[tuple[Desk, Runs]]) -> None:
        """Train for those who are due, in this order, each as soon as there is room beside those before it."""
        most, at_first = places(self.settings.training), machine.free_memory_mb()
        working: set[futures.Future[None]] = set()
        with futures.ThreadPoolExecutor(most) as trainings:
            for desk, runs in waiting:
                while not may_begin(len(working), most, self._need_mb(), (at_first, machine.free_memory_mb())):
                    _, working = futures.wait(working, return_when=futures.FIRST_COMPLETED)
                # Asked anew before each: the window may have ended during the training before.
                if self._breaks_off_for(desk) is None and self.is_due(runs):
                    working.add(trainings.submit(self._train_one, desk))

    def _breaks_off_for(self, desk: Desk) -> BrokenOff | None:
        """The same for one mailbox: its training ends when it leaves or begins to share, and goes on else."""
        known = any(box.name == desk.settings.name and not box.share for box in self.settings.mailboxes)
        return self._breaks_off() or (None if known else "reloaded")

    def _need_mb(self) -> int:
        return max(self._needs, default=FIRST_NEED_MB)

    def _train_one(self, desk: Desk) -> None:
        """Train for this mailbox; whatever goes wrong is told, and ends nothing else."""
        try:
            self._train(desk)
            self._scheduler.modify_job(MINDING, next_run_time=datetime.now(UTC))
        except PostroomError as error:
            log.warning("training-trouble", mailbox=desk.settings.name, problem=str(error))
        except Exception:
            log.exception("bug", mailbox=desk.settings.name)

    def _runs(self, desks: Sequence[Desk]) -> dict[str, Runs]:
        """Each mailbox's latest trainings; nothing where the database does not say, which is logged."""
        now, most = self._clock(), training.RUNS_JUDGED
        with told_only(), self._mailroom.database.read() as tx:
            latest = {desk.settings.name: training.runs(tx, desk.mailbox_id, most, until=now) for desk in desks}
            return {name: [(run.started, run.outcome) for run in found] for name, found in latest.items()}
        return {}

    def _train(self, desk: Desk) -> None:
        now, mailroom = self._clock(), self._mailroom
        hold(desk.database, desk.mailbox_id, self.settings, now)
        usable, _ = mailroom.registry.in_use(desk.mailbox_id, sums=True)
        with desk.database.begin() as tx:
            fresh = training.fresh_lessons(tx, desk.mailbox_id, usable)
            if fresh < self.settings.training.min_corrections:
                newest, count = learning.lesson_state(tx, desk.mailbox_id)
                run = training.start_run(tx, desk.mailbox_id, now, count, newest)
                training.end_run(tx, run, now, "skipped", f"Only {fresh} new lessons: nothing worth a training.")
                return
        database, registry, stop = mailroom.database, mailroom.registry, partial(self._breaks_off_for, desk)
        done = train(database, registry, self.settings, desk.mailbox_id, self._clock, stop=stop)
        if done.peak_memory_mb:
            self._needs.append(done.peak_memory_mb)

    def mind_all(self) -> None:
        """Say of every mailbox what is wrong with its nights, also of those that come at a reload meanwhile. A training
        that is due begins just now."""
        minded: list[Desk] = []
        while some := [desk for desk in list(self._desks) if not any(desk is one for one in minded)]:
            runs = self._runs(self._teachers())
            for desk in some:
                with told_only():
                    self.mind(desk, begins=desk.settings.name in runs and self.is_due(runs[desk.settings.name]))
            minded += some

    def mind(self, desk: Desk, begins: bool = False) -> None:
        """A service that never learns looks as well as one that does: say it once, until something changes.

        `begins`: the training that may be missing is about to begin.
        """
        working = begins or at_work(self.settings.state_dir)
        round_ = self._rounds.get(desk.settings.name, Round())  # nobody's, where it has just left
        usable, round_.model = desk.registry.in_use(desk.mailbox_id)
        with desk.database.read() as tx:
            mailbox = mailboxes.get(tx, desk.mailbox_id)
            trouble = concerns.nights(
                tx, mailbox, self.settings.training, self._clock(), at_work=working, usable=usable
            )
        words = None if trouble is None else trouble.words
        if words is not None and words != round_.training:
            log.warning("training-trouble", mailbox=desk.settings.name, problem=words)
        round_.training, round_.minded = words, True
