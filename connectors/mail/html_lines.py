"""The lines of an HTML mail while it is walked, and which of them are history.

Quoted text gets "> " before each line; what is history to the end gets a line above it that `quotes.py` knows from
plain text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from connectors.mail import html_history as history
from connectors.mail.envelope import Envelope
from connectors.mail.header_blocks import label
from connectors.mail.headers import INVISIBLE
from connectors.mail.quote_words import plain_signs

LONGEST_TEXT = 150_000
MOST_LINES = 20_000
DEEPEST_QUOTE = 5
HISTORY = "-----Original Message-----"
FORWARDED = "---------- Forwarded message ----------"

_SPACES = re.compile(r"[ \t\n\r\xa0]+")


@dataclass(slots=True)
class _Line:
    text: str
    depth: int = 0
    is_label: bool = False
    """It begins with a bold word and a colon."""
    is_ruled: bool = False
    """A drawn line stands above it."""
    mark: str = ""
    """The line to put above it."""

    @property
    def is_field(self) -> bool:
        """Does it look like a field of a mail's header?"""
        return self.is_label or history.is_label(self.text)


class Writer:
    """Collects lines while the tree is walked. `forwarded`: the first mail in this mail is its content."""

    def __init__(self, forwarded: bool, subject: str) -> None:
        self._envelope = Envelope(subject=subject)
        self._lines: list[_Line] = []
        self._pieces: list[str] = []
        self._left = LONGEST_TEXT
        self._depth = 0
        self._expects_quote = False
        self._own_letters = 0
        self._forwarded = forwarded
        self._has_history = False
        self._is_ruled = False
        self._mark = ""
        self._has_hard_space = False
        self._wants_gap = False
        self._bullet = ""
        self._bold = ""
        self._is_past_bold = False
        self.lists: list[int] = []
        """Of each open list the next number, or 0 for one with bullets."""

    # --- text

    def text(self, text: str, keeps_lines: bool = False, is_bold: bool = False) -> None:
        """Running text. White space is one blank, unless the element keeps its lines."""
        if self._left <= 0:
            return
        text = text[: self._left]
        self._left -= len(text)
        if keeps_lines and "\n" in text:
            first, *rest = text.split("\n")
            self._piece(first, is_bold)
            for line in rest:
                self.line_break()
                self._piece(line, is_bold)
            return
        self._piece(text, is_bold)

    def _piece(self, text: str, is_bold: bool) -> None:
        if "\xa0" in text:
            self._has_hard_space = True
        if not self._is_past_bold and text and not text.isspace():
            if is_bold and len(self._bold) < 60:
                self._bold += text
            else:
                first = text.lstrip()[:1]
                self._bold += first if first in history.COLONS else ""
                self._is_past_bold = True
        self._pieces.append(text)

    def cell(self) -> None:
        self._pieces.append(" ")

    def line_break(self) -> None:
        """<br>: the line ends, also an empty one."""
        self._end_line(is_certain=True)

    def block(self) -> None:
        """A block begins or ends. An element of nothing but hard spaces is an empty line."""
        self._end_line(is_certain=self._has_hard_space)

    def gap(self) -> None:
        """As `block`, and an empty line stands between what was and what comes."""
        self.block()
        self._wants_gap = True

    def bullet(self) -> None:
        """An item of the innermost open list begins."""
        number = self.lists[-1] if self.lists else 0
        self._bullet = f"{number}. " if number else "* "
        if number:
            self.lists[-1] += 1

    def _end_line(self, is_certain: bool) -> None:
        text = _SPACES.sub(" ", "".join(self._pieces)).strip()
        if not (text.isascii() and text.isprintable()):
            text = INVISIBLE.sub("", text).strip()
        bold = self._bold.strip()
        self._pieces.clear()
        self._bold, self._is_past_bold, self._has_hard_space = "", False, False
        if text:
            if self._wants_gap and self._lines and self._lines[-1].text:
                self._lines.append(_Line("", min(self._depth, self._lines[-1].depth)))
            is_label = (len(bold) > 1 and bold.endswith(tuple(history.COLONS))) or history.is_label(bold)
            line = _Line(self._bullet + text, self._depth, is_label, self._is_ruled, self._mark)
            self._bullet, self._wants_gap, self._is_ruled, self._mark = "", False, False, ""
            self._lines.append(line)
            self._own_letters += 0 if self._depth else len(text)
        elif is_certain and self._lines and self._lines[-1].text:
            self._lines.append(_Line("", min(self._depth, self._lines[-1].depth)))
        if len(self._lines) > MOST_LINES:
            self._left = 0

    # --- history

    def rule(self) -> None:
        """A drawn line."""
        self.block()
        self._is_ruled = True

    def rest_is_history(self, shows_header: bool) -> None:
        """From the next line on nothing is the sender's. A second mark is an older mail only if it shows a header."""
        self.block()
        if self._depth == 0 and not self._mark and (shows_header or not self._has_history):
            self._mark = FORWARDED if self._forwarded else HISTORY
            self._forwarded, self._has_history = False, True

    def forward(self) -> None:
        """The next lines are a forwarded mail."""
        self.block()
        self._wants_gap = True
        if self._depth == 0:
            self._mark = FORWARDED
            self._forwarded = False

    def expect_quote(self) -> None:
        """In a holder: the line above its first quote is an attribution, whatever it looks like."""
        self.block()
        self._expects_quote = True

    def indent(self, depth: int) -> None:
        """What follows is quoted so deep, wherever it stands."""
        self.gap()
        self._depth = depth

    def open_quote(self) -> int:
        """Quoted text begins; what `indent` wants after it is returned."""
        self.gap()
        self.quote_attribution()
        depth = self._depth
        self._depth += 1
        return depth

    @property
    def depth(self) -> int:
        return self._depth

    @property
    def is_forward(self) -> bool:
        """Is the first mail in this mail still to come, and content?"""
        return self._forwarded and self._depth == 0

    def last_text(self) -> str:
        """The last line so far; a line that is being written does not count."""
        return next((line.text for line in self._lines[:-4:-1] if line.text), "")

    def quote_attribution(self) -> None:
        """The attribution above a quote belongs to it, and is no line of the sender's."""
        self.block()
        index = len(self._lines) - 1
        while index >= 0 and not self._lines[index].text and len(self._lines) - index < 4:
            index -= 1
        is_expected, self._expects_quote = self._expects_quote, False
        if not self._is_open(index):
            return
        text = self._lines[index].text
        if self._is_open(index - 1) and history.is_wrapped_attribution(self._lines[index - 1].text, text):
            self._move_into_quote(index - 1)
            self._move_into_quote(index)
        elif history.is_attribution(text) or (is_expected and history.might_be_attribution(text, is_expected)):
            self._move_into_quote(index)
            if self._is_open(index - 1) and history.DASHED.match(self._lines[index - 1].text):
                self._move_into_quote(index - 1)
        elif "@" in text and history.DASHED.match(text):
            self._move_into_quote(index)
        elif history.might_be_attribution(text):
            self._lines.insert(index, _Line("", self._depth))

    def _is_open(self, index: int) -> bool:
        """Is it a line of text, as deep as what comes?"""
        return index >= 0 and bool(self._lines[index].text) and self._lines[index].depth == self._depth

    def _move_into_quote(self, index: int) -> None:
        line = self._lines[index]
        own, said = history.split_attribution(line.text)
        line.text, line.depth = said, line.depth + 1
        if own:
            self._lines.insert(index, _Line(own, self._depth))

    # --- what comes out

    def drop(self, start: int) -> None:
        """Forget the lines from `start` on."""
        self.block()
        del self._lines[start:]

    def written(self, start: int = 0) -> list[str]:
        """The lines from `start` on, so far."""
        self.block()
        return [line.text for line in self._lines[start:]]

    @property
    def own_letters(self) -> int:
        """About how much the sender wrote so far."""
        return self._own_letters

    @property
    def count(self) -> int:
        """How many lines there are."""
        self.block()
        return len(self._lines)

    def result(self, finds_headers: bool) -> str:
        """All lines, with the marks of history that `quotes.py` reads."""
        self.block()
        if finds_headers:
            self._mark_headers()
        lines: list[str] = []
        for line in self._lines:
            if line.mark:
                lines += ["", line.mark]
                if history.DASHED.match(line.text):
                    continue  # it says the same in the sender's language
            lines.append("> " * min(line.depth, DEEPEST_QUOTE) + line.text if line.depth else line.text)
        return "\n".join(lines)

    def _mark_headers(self) -> None:
        """Fields below a drawn line, or below one of dashes, are the header of another mail, in any language."""
        index = 0
        while index < len(self._lines):
            line = self._lines[index]
            above = next((one for one in self._lines[max(0, index - 2) : index][::-1] if one.text), line)
            is_dashed = bool(history.DASHED.match(above.text)) and above.depth == 0
            if line.depth or line.mark or not (line.is_ruled or is_dashed) or not line.is_field:
                index += 1
                continue
            fields, end = self._fields(index)
            if history.is_header(fields, line.is_label) and self._is_about(fields) and not above.mark:
                (above if is_dashed else line).mark = FORWARDED if self._forwarded else HISTORY
                self._forwarded = False
            index = max(end, index + 1)

    def _is_about(self, fields: list[str]) -> bool:
        """Does one of the fields name what this mail is about? Bookings have date and address, too."""
        if {"from", "date", "subject"} <= {label(line) for line in fields}:
            return True
        return any(self._envelope.is_about(plain_signs(line).partition(":")[2].strip()) for line in fields)

    def _fields(self, start: int) -> tuple[list[str], int]:
        """The fields from here on, with wrapped lines and single empty ones between them, and the line after them."""
        fields: list[str] = []
        end = start
        while end < min(len(self._lines), start + 16) and not self._lines[end].depth:
            line = self._lines[end]
            if line.is_field:
                fields.append(line.text)
            elif not any(one.is_field for one in self._lines[end + 1 : end + (4 if line.text else 2)]):
                break
            end += 1
        return fields, end
