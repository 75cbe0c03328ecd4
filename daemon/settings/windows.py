"""A part of every day, as people write it in the settings: "01:00-05:00", "22:00-04:00"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time
from typing import Self


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

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"
