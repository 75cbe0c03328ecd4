"""Values as people write them in a mailbox's settings: durations ("90s", "1h30m", "180d"), paths, names, domains.
Each has its own words for a mistake."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

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


def _as_duration(value: object) -> timedelta:
    return value if isinstance(value, timedelta) else parse_duration(str(value))


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta():
        raise ValueError("must be longer than nothing; write 90s, 5m, 2h or 180d.")
    return value


def _absolute_or_none(value: object) -> str | None:
    if value is None or value == "":
        return None
    return str(absolute(Path(str(value))))  # as text, which JSON may hold as well


def absolute(value: Path) -> Path:
    """The same path. Raises ValueError for one that depends on the working directory."""
    if not value.is_absolute():
        raise ValueError(f'"{value}" is not a whole path; begin it with "/".')
    return value


def _shown_path(value: Path | None) -> str:
    return "" if value is None else str(value)


def _as_sender_rule(value: str) -> str:
    rule = value.strip().lower()
    name, at, domain = rule.rpartition("@")
    if not at or not domain or any(letter in rule for letter in "<>, *") or "@" in name:
        raise ValueError(f'"{value}" is neither an address nor a domain; write "ann@example.org" or "@example.org".')
    return rule


def _date_or_none(value: object) -> object:
    return None if value == "" else value


def _shown_date(value: date | None) -> str:
    return "" if value is None else value.isoformat()


Duration = Annotated[timedelta, BeforeValidator(_as_duration), PlainSerializer(format_duration)]
Span = Annotated[Duration, AfterValidator(_positive)]
"""A duration that cannot be zero."""
OptionalPath = Annotated[Path | None, BeforeValidator(_absolute_or_none), PlainSerializer(_shown_path)]
"""An absolute path; "" in the file means None."""
OptionalDate = Annotated[date | None, BeforeValidator(_date_or_none), PlainSerializer(_shown_date)]
"""A date; "" in the file means None."""
Precision = Annotated[float, Field(ge=0.5, le=0.999)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]
CredentialName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
OptionalCredentialName = Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,63})?$")]
Text = Annotated[str, Field(min_length=1)]
Domain = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$"), AfterValidator(str.lower)]
SenderRule = Annotated[str, AfterValidator(_as_sender_rule)]
"""An address, or "@domain" for all of a domain and the domains below it; in small letters."""
FolderRole = Literal["neutral", "never", "category", "review"]
Attachments = Literal["names", "text", "ocr"]
"""How attached files are known: by their names alone, by what they say, or also by what pictures of pages show."""
