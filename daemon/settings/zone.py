"""The office's clock: the machine's time zone with all its rules, not only how far it is from UTC at the moment."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfoNotFoundError

from tzlocal import get_localzone


def office_time(moment: datetime) -> datetime:
    """The moment in local time. Its zone knows when the clock is put forward and back, unless the machine has no
    data on time zones."""
    try:
        return moment.astimezone(get_localzone())
    except (ZoneInfoNotFoundError, OSError, ValueError):
        return moment.astimezone()
