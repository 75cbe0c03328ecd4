"""A column of dates as people and spreadsheets write them: ISO, a mail's, 31.12.2025, 12/31/2025, serial numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_PARTS = re.compile(
    r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})(?:[,T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?)?\s*(?:Uhr)?"
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_FIRST_DAY = datetime(1899, 12, 30, tzinfo=UTC)
"""Day 0 of a spreadsheet's serial dates (ECMA-376 part 1, section 18.17.4.1: 1900 counts as a leap year)."""
_SERIAL = (20_000, 80_000)
_SECONDS = (5e8, 5e9)


def read_dates(cells: Sequence[str]) -> list[datetime | None]:
    """Each cell's moment, aware; None for what cannot be read. The whole column says whether 4/5 is in April or May."""
    found = [_PARTS.fullmatch(cell.strip()) for cell in cells]
    slashed = [match for match in found if match and match[2] == "/" and len(match[1]) < 3]
    month_first = any(int(match[3]) > 12 for match in slashed) and not any(int(match[1]) > 12 for match in slashed)
    return [_read(cell.strip(), match, month_first) for cell, match in zip(cells, found, strict=True)]


def _read(cell: str, match: re.Match[str] | None, month_first: bool) -> datetime | None:
    try:
        if match is not None and (len(match[1]) < 3 or match[2] != "-"):
            return _of_parts(match, month_first)
        if _NUMBER.fullmatch(cell):
            return _of_number(float(cell.replace(",", ".")))
        return _aware(datetime.fromisoformat(cell.replace("Z", "+00:00")))
    except (ValueError, OverflowError):
        pass
    try:
        return _aware(parsedate_to_datetime(cell))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _of_parts(match: re.Match[str], month_first: bool) -> datetime:
    first, _, second, third, *clock = match.groups()
    hour, minute, seconds = (int(part or 0) for part in clock)
    if len(first) == 4:
        year, month, day = int(first), int(second), int(third)
    else:
        day, month, year = int(first), int(second), int(third)
        if month_first and match[2] == "/":
            day, month = month, day
        year += 2000 if year < 70 else 1900 if year < 100 else 0
    return datetime(year, month, day, hour, minute, seconds, tzinfo=UTC)


def _of_number(value: float) -> datetime | None:
    if _SERIAL[0] < value < _SERIAL[1]:
        return _FIRST_DAY + timedelta(days=value)
    for scale in (1, 1000):
        if _SECONDS[0] < value / scale < _SECONDS[1]:
            return datetime.fromtimestamp(value / scale, UTC)
    return None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
