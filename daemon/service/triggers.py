"""When a job of the service's scheduler fires: triggers for APScheduler that its own do not replace.

Its interval trigger counts through every firing that was missed, so a clock that is put right by years holds up all
jobs for minutes; its cron trigger fires twice, or at another hour, in the nights when the clock is put forward or back.
"""

from __future__ import annotations

from datetime import datetime, timedelta

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
