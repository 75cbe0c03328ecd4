"""When a job of the service's scheduler fires: triggers for APScheduler that its own do not replace.

Its interval trigger counts through every firing that was missed, so a clock that is put right by years holds up all
jobs for minutes; its cron trigger fires twice, or at another hour, in the nights when the clock is put forward or back.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.base import BaseTrigger

from daemon.rules.schedule import next_opening
from daemon.settings.windows import Window
from daemon.settings.zone import office_time


class Every(BaseTrigger):  # type: ignore[misc]
    """At even distances; what was missed counts once, and the next is an interval later."""

    def __init__(self, interval: timedelta) -> None:
        self.interval = interval

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """The next firing, later than now."""
        even = now if previous_fire_time is None else previous_fire_time + self.interval
        return even if even > now else now + self.interval


class Opening(BaseTrigger):  # type: ignore[misc]
    """Whenever a window opens on the office's clock, once a night also in those when it is put forward or back."""

    def __init__(self, window: Window) -> None:
        self.window = window

    def get_next_fire_time(self, _previous_fire_time: datetime | None, now: datetime) -> datetime:
        """The next opening, later than now."""
        return next_opening(office_time(now), self.window)


EVERY = timedelta(minutes=1)


def every_minute(scheduler: BaseScheduler, name: str, do: Callable[[], None]) -> None:
    """Plan a job that has a thread of its own, the first time in a few seconds."""
    scheduler.add_executor(ThreadPoolExecutor(1), name)
    scheduler.add_job(do, Every(EVERY), id=name, executor=name, next_run_time=datetime.now(UTC) + EVERY / 12)


def put_forward(scheduler: BaseScheduler, name: str) -> None:
    """Run a job now that is planned for later than by its own trigger, by a clock that was ahead a moment.

    Nothing where there is no such job, or it is on hold.
    """
    job, now = scheduler.get_job(name), datetime.now(UTC)
    planned = None if job is None else job.next_run_time
    if planned is not None and planned > job.trigger.get_next_fire_time(None, now):
        job.modify(next_run_time=now)
