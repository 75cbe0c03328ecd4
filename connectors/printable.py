r"""Text for a person's eyes: no character in it steers a terminal, a pager or the order of what is read.

Names of folders, answers of servers and mail hold whatever somebody put there: escape sequences that change a
terminal's title or retype a line (C0, C1 and DEL; ECMA-48), and marks that turn the reading direction, so that one
name looks like another (Unicode UAX #9). They are shown as \u001b, which JSON and TOML read as the character itself.
A protocol gets the text as it is. So are characters that the terminal's charset lacks (ISO 8859-1 knows no "≥").
"""

from __future__ import annotations

import codecs
import io
import re
from typing import Any

_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    r"""The text with everything that steers spelt out: \u001b. Line ends and tabs stay."""
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _spelt_out(error: UnicodeError) -> tuple[str, int]:
    """What a terminal's charset lacks, in UTF-16 units, as JSON wants them."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4)), error.end


codecs.register_error("spelt-out", _spelt_out)


class PrintableStream:
    """A text stream that prints only what is printable; else it is `raw`, the stream behind it."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        if isinstance(raw, io.TextIOWrapper):
            raw.reconfigure(errors="spelt-out")

    def write(self, text: str) -> int:
        """Print it. Returns how many characters were taken, as streams do."""
        self.raw.write(printable(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Print them all."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


def raw_of(stream: Any) -> Any:
    """The stream behind a `PrintableStream`, for who cleans the text and then colours it."""
    return stream.raw if isinstance(stream, PrintableStream) else stream
