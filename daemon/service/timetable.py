"""The service's timetable: one APScheduler with a job for every mailbox, one for the nights, one that minds them, and
one that tells people what is wrong.

Every job runs once at a time (`max_instances`), however late (no misfire), and what it missed counts once (`coalesce`).
Nothing is stored: what is due is known to the mailbox, the database and the clock, so a restart begins a new timetable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler

from daemon.passes.desk import Desk
from daemon.passes.mailroom import Mailroom
from daemon.service.looks import Looks
from daemon.service.metrics_file import MetricsFile
from daemon.service.nights import Nights
from daemon.service.rounds import Round
from daemon.service.telling import Alarms
from daemon.settings import Settings
from daemon.training.trainer_process import BrokenOff


class Timetable:
    """All that the service does by the clock. `interrupted`: why all of it must end now; None: it goes on."""

    def __init__(
        self,
        mailroom: Mailroom,
        desks: Sequence[Desk],
        settings: Settings,
        rounds: dict[str, Round],
        clock: Callable[[], datetime],
        awake_since: Callable[[], datetime | None],
        interrupted: Callable[[], BrokenOff | None],
    ) -> None:
        self.scheduler = BackgroundScheduler(
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}, timezone=UTC
        )
        self.desks = list(desks)
        """Changed by the service's own thread alone; any other reads a copy."""
        self.rounds = rounds
        self.looks = Looks(
            self.scheduler, self.desks, settings.sorting, rounds, clock, lambda: interrupted() is not None
        )
        self.nights = Nights(self.scheduler, mailroom, self.desks, settings, rounds, clock, awake_since, interrupted)
        self.alarms = Alarms(self.scheduler, self.desks, settings, rounds, clock, lambda: interrupted() is not None)
        self.metrics = MetricsFile(self.scheduler, self.desks, settings.metrics.file, rounds, clock)
        self.looks.plan()
        self.nights.plan()
        self.alarms.plan()
        self.metrics.plan()

    def start(self) -> None:
        """Let the jobs run, in threads of their own."""
        self.scheduler.start()

    def add(self, desks: Sequence[Desk]) -> None:
        """From now on these are looked at, too, and train."""
        self.rounds.update((desk.settings.name, Round(poll=desk.sorting.poll)) for desk in desks)
        self.desks.extend(desks)
        self.looks.add(desks)

    def remove(self, desk: Desk) -> None:
        """This one's last look has ended (`Looks.has_left`), and it is to be known no more."""
        self.desks.remove(desk)
        del self.rounds[desk.settings.name]

    def all_now(self) -> None:
        """Run every job at once that is not on hold: the clock by which they were planned stood still or was wrong."""
        for job in self.scheduler.get_jobs():
            if job.next_run_time is not None:
                job.modify(next_run_time=datetime.now(UTC))

    def catch_up(self) -> None:
        """Run what the clock by which it was planned holds up: call it every few seconds."""
        self.looks.catch_up()
        self.nights.catch_up()
        self.alarms.catch_up()
        self.metrics.catch_up()

    def end(self) -> None:
        """Wait for what is being done. The service must be interrupted.

        The scheduler's own shutdown waits for jobs with a lock that they need to plan what comes next, so they have
        to have ended before; and its thread may be about to submit what is due, so nothing may be.
        """
        self.scheduler.pause()
        self.looks.end()
        self.nights.end()
        for job in self.scheduler.get_jobs():
            job.pause()
        self.scheduler.shutdown(wait=True)
