"""Times as people write them in the settings: "90s", "5m", "1h30m", "180d"; and windows like "01:00-05:00"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Self

UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1), "s": timedelta(seconds=1)}
PART = re.compile(r"(\d+(?:\.\d+)?)\s*([dhms])")


def parse_duration(text: str) -> timedelta:
    """The duration that `text` means. Raises ValueError with the right spelling."""
    compact = text.strip().lower()
    if not re.fullmatch(rf"(?:{PART.pattern}\s*)+", compact):
        raise ValueError(f'"{text}" is not a duration; write 90s, 5m, 2h or 180d.')
    try:
        return sum((float(number) * UNITS[unit] for number, unit in PART.findall(compact)), timedelta())
    except OverflowError:
        raise ValueError(f'"{text}" is longer than time itself; write 90s, 5m, 2h or 180d.') from None


def format_duration(duration: timedelta) -> str:
    """In the largest units: 90 seconds are "1m30s". `parse_duration` reads it back, to the millisecond."""
    if not duration:
        return "0s"
    rest, parts = duration, []
    for unit, length in UNITS.items():
        if unit == "s":
            seconds = round(rest / length, 3)
            parts += [f"{seconds:g}s"] if seconds else []
        elif count := rest // length:
            parts.append(f"{count}{unit}")
            rest -= count * length
    return "".join(parts) or "0s"


@dataclass(frozen=True)
class Window:
    """A part of every day, in local time; `end` is outside. It may cross midnight; equal ends mean the whole day."""

    start: time
    end: time

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "01:00-05:00" or "22:00-04:00". Raises ValueError with the right spelling."""
        match = re.fullmatch(r"\s*(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)\s*", text)
        try:
            if match is None:
                raise ValueError
            start_hour, start_minute, end_hour, end_minute = map(int, match.groups())
            return cls(time(start_hour, start_minute), time(end_hour % 24 if end_minute == 0 else end_hour, end_minute))
        except ValueError:
            raise ValueError(f'"{text}" is not a time window; write 01:00-05:00 or 22:00-04:00.') from None

    def contains(self, moment: time) -> bool:
        """Is this local time inside the window?"""
        if self.start == self.end:
            return True
        if self.start < self.end:
            return self.start <= moment < self.end
        return moment >= self.start or moment < self.end

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"
