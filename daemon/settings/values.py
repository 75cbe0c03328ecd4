"""What the daemon's own settings hold beside the values of a mailbox, each with its own words for a mistake; and what
the environment says instead of the file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource

from connectors.setting_values import OptionalPath, absolute
from daemon.settings.windows import Window


def _as_window(value: object) -> Window:
    return value if isinstance(value, Window) else Window.parse(str(value))


def _as_ocr_language(value: str) -> str:
    if not re.fullmatch(r"[a-z]{3}(_[A-Za-z]+)*|script/[A-Z][A-Za-z]+(_vert)?", value):
        raise ValueError(
            f'"{value}" is no language of tesseract\'s. Write "deu", "eng", "fra", "chi_sim" or the like: '
            "`tesseract --list-langs` lists what is installed."
        )
    return value


def _as_command(value: tuple[str, ...]) -> tuple[str, ...]:
    if value and not value[0].startswith("/"):
        raise ValueError(
            f'"{value[0]}" is no whole path; name the program by one, for example "/usr/local/bin/tell-it".'
        )
    if any("\0" in word for word in value):
        raise ValueError("a word of it holds a zero byte.")
    return value


def _as_prom_file(value: Path | None) -> Path | None:
    if value is not None and value.suffix != ".prom":
        raise ValueError(f'"{value}" does not end in .prom; the textfile collector reads no other files.')
    return value


TimeWindow = Annotated[Window, BeforeValidator(_as_window), PlainSerializer(str)]
AbsolutePath = Annotated[Path, AfterValidator(absolute)]
AlarmCommand = Annotated[tuple[str, ...], AfterValidator(_as_command)]
"""A program by its whole path, and its first arguments; empty: there is none."""
PromFile = Annotated[OptionalPath, AfterValidator(_as_prom_file)]
"""A whole path that ends in .prom; "" in the file means None."""
OcrLanguage = Annotated[str, AfterValidator(_as_ocr_language)]
"""As tesseract calls it and its data file: three letters of ISO 639-2, or a script."""


class Overrides(EnvSettingsSource):
    """Environment variables. A list is JSON; any other text is checked as it would be in the file."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """JSON where it is JSON."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value
