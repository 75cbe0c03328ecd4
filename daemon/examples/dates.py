"""A column of dates as people and spreadsheets write them: ISO, a mail's, 31.12.2025, 12/31/2025 2:05 PM, 31 Dec 2025,
serial numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from daemon.examples.columns import plain

_CLOCK = r"(?:[,T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?)?\s*(?:Uhr|h|([ap])\.?m\.?)?\s*(?:UTC|GMT|Z)?"
_WEEKDAY = r"(?:[^\W\d]{2,10}\.?,?\s+)?"
_PARTS = re.compile(rf"{_WEEKDAY}(\d{{1,4}})([./-])(\d{{1,2}})\2(\d{{1,4}}){_CLOCK}", re.IGNORECASE)
_DAY_FIRST = re.compile(rf"{_WEEKDAY}(\d{{1,2}})[.,/ -]+([^\W\d]{{3,10}})[.,/ -]+(\d{{2,4}}){_CLOCK}", re.IGNORECASE)
_MONTH_FIRST = re.compile(
    rf"{_WEEKDAY}([^\W\d]{{3,10}})[. ]+(\d{{1,2}})(?:st|nd|rd|th)?[., ]+(\d{{4}}){_CLOCK}", re.IGNORECASE
)
_COMPACT = re.compile(r"(?:19|20)\d{6}(?:T?\d{4}(?:\d{2})?)?Z?")
_MONTHS = {
    word: number
    for number, words in enumerate(
        ("jan ene gen", "feb fev", "mar maa", "apr avr abr", "may mai mag mei", "jun juin giu", "jul juil lug",
         "aug aou ago", "sep set", "oct okt ott", "nov", "dec dez dic"), 1,
    )
    for word in words.split()
}  # fmt: skip
"""How months begin in the languages of the columns' names, without accents."""
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
        if named := _DAY_FIRST.fullmatch(cell):
            return _of_day(named[1], _month(named[2]), named[3], named.groups()[3:])
        if named := _MONTH_FIRST.fullmatch(cell):
            return _of_day(named[2], _month(named[1]), named[3], named.groups()[3:])
        if _COMPACT.fullmatch(cell):
            return _aware(datetime.fromisoformat(cell if len(cell) < 12 or "T" in cell else f"{cell[:8]}T{cell[8:]}"))
        if _NUMBER.fullmatch(cell):
            return _of_number(float(cell.replace(",", ".")))
        return _aware(datetime.fromisoformat(_ZONE.sub("+00:00", cell)))
    except (ValueError, OverflowError):
        pass
    try:
        return _aware(parsedate_to_datetime(cell))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


_ZONE = re.compile(r"\s*(?:Z|UTC|GMT)$")


def _month(word: str) -> int:
    """Raises ValueError."""
    bare = plain(word)
    for length in (4, 3):
        if number := _MONTHS.get(bare[:length]):
            return number
    raise ValueError(word)


def _of_parts(match: re.Match[str], month_first: bool) -> datetime:
    first, _, second, third, *clock = match.groups()
    if len(first) == 4:
        return _of_day(third, int(second), first, clock)
    if month_first and match[2] == "/":
        return _of_day(second, int(first), third, clock)
    return _of_day(first, int(second), third, clock)


def _of_day(day: str, month: int, year: str, clock: Sequence[str | None]) -> datetime:
    """Raises ValueError for a day or an hour that no calendar has."""
    hour, minute, seconds = (int(part or 0) for part in clock[:3])
    if half := clock[3]:
        hour = hour % 12 + 12 * (half in "pP")
    whole = int(year)
    if len(year) < 4:
        whole += 2000 if whole < 70 else 1900 if whole < 100 else 0
    return datetime(whole, month, int(day), hour, minute, seconds, tzinfo=UTC)


def _of_number(value: float) -> datetime | None:
    if _SERIAL[0] < value < _SERIAL[1]:
        return _FIRST_DAY + timedelta(days=value)
    for scale in (1, 1000):
        if _SECONDS[0] < value / scale < _SECONDS[1]:
            return datetime.fromtimestamp(value / scale, UTC)
    return None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
