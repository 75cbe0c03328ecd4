"""The console that commands show things on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console, ConsoleOptions
from rich.segment import Segment
from rich.text import Text

from connectors.printable import printable, raw_of


class PrintableConsole(Console):
    """A console on which nothing that is shown steers the terminal: what rich adds by itself, as colours, does."""

    @property
    def file(self) -> Any:
        """Where it prints: past the stream that would clean rich's own codes."""
        return raw_of(super().file)

    @file.setter
    def file(self, new_file: Any) -> None:
        self._file = new_file

    def render_str(self, text: str, **how: Any) -> Text:
        """As rich does: before it counts how wide the text is."""
        return super().render_str(printable(text), **how)

    def render(self, renderable: Any, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """As rich does, with what steers spelt out."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)
