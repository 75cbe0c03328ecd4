"""The kinds of values in the settings: durations, paths, names, precisions, each with its own words for a mistake; and
what the environment says instead of the file."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource

from daemon.settings.durations import Window, format_duration, parse_duration


def _as_duration(value: object) -> timedelta:
    return value if isinstance(value, timedelta) else parse_duration(str(value))


def _as_window(value: object) -> Window:
    return value if isinstance(value, Window) else Window.parse(str(value))


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta():
        raise ValueError("must be longer than nothing; write 90s, 5m, 2h or 180d.")
    return value


def _absolute_or_none(value: object) -> str | None:
    if value is None or value == "":
        return None
    return str(_absolute(Path(str(value))))  # as text, which JSON may hold as well


def _absolute(value: Path) -> Path:
    if not value.is_absolute():
        raise ValueError(f'"{value}" is not a whole path; begin it with "/".')
    return value


def _as_sender_rule(value: str) -> str:
    rule = value.strip().lower()
    name, at, domain = rule.rpartition("@")
    if not at or not domain or any(letter in rule for letter in "<>, *") or "@" in name:
        raise ValueError(f'"{value}" is neither an address nor a domain; write "ann@example.org" or "@example.org".')
    return rule


def _shown_path(value: Path | None) -> str:
    return "" if value is None else str(value)


def _date_or_none(value: object) -> object:
    return None if value == "" else value


def _shown_date(value: date | None) -> str:
    return "" if value is None else value.isoformat()


Duration = Annotated[timedelta, BeforeValidator(_as_duration), PlainSerializer(format_duration)]
Span = Annotated[Duration, AfterValidator(_positive)]
"""A duration that cannot be zero."""
TimeWindow = Annotated[Window, BeforeValidator(_as_window), PlainSerializer(str)]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
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
Quantization = Literal[
    "auto", "int8", "int8_float32", "float32", "f16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "q4_K_M"
]
FORMS = {
    "embedded": ("auto", "int8", "int8_float32", "float32"),
    "ollama": ("auto", "f16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "q4_K_M"),
    "openai": ("auto", "f16", "q8_0", "float32"),
}
"""Which quantization each kind of engine can serve."""
FolderRole = Literal["neutral", "never", "category", "review"]


class Overrides(EnvSettingsSource):
    """Environment variables. A list is JSON; any other text is checked as it would be in the file."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """JSON where it is JSON."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value
