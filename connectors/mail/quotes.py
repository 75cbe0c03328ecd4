"""What the sender of a mail wrote, without what only travels along.

    text | normalise | split into own / quoted / reply / forwarded passages | strip signatures | join what counts |
    text

A passage is *own* text, lines *quoted* with ">", a *reply* (the history under "Am ... schrieb ...:" or an Outlook
header block) or *forwarded* mail. Own text and forwarded mail are kept. History is dropped, unless so little would be
left that the history is the content. A mail that answers nothing has no history: what it quotes is what it is about.
Everything is decided line by line with patterns anchored to one short line, so the time is linear in the text. That is
why no library does this here: those we measured take seconds for 4 KB of empty lines, and cut a mail off at its first
list ("- two chairs") or "Thanks,".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from connectors.mail.attributions import attribution
from connectors.mail.envelope import UNKNOWN, Envelope
from connectors.mail.header_blocks import header_block, marked_block
from connectors.mail.headers import INVISIBLE
from connectors.mail.quote_words import ABOVE_STEMS, ANSWERS_BELOW, FORWARDED, NODS, ORIGINAL, REPLY_ABOVE, RULE
from connectors.mail.strippers import drop_rule, letters, strip_tail

LONGEST_TEXT = 150_000
MOST_LINES = 6_000
# With fewer letters of its own, or with nothing but a nod ("Yes, please", "FYI"), a mail is about what it carries.
TOO_LITTLE = 3
# The newest passages of other people are read until so many letters are there.
ENOUGH = 60
LONGEST_NOD = 40
LONGEST_HEADER_LINE = 400
NARROWEST_WRAP = 72
"""Characters in a line beyond which mail programs break it (72 to 78: RFC 5322 section 2.1.1)."""

Kind = Literal["own", "quoted", "reply", "forwarded"]
OWN = ("own", "forwarded")
_Stripped = tuple[Kind, list[str], list[str]]
"""Kind, heading and lines of a passage."""

_DECORATED = re.compile(r"((?:> ?)+)[^<>]{1,80}?((?: ?<)+)")
_FRAMED = re.compile(r"\s*[*_]{0,2}\s?[-_=*~#—─]{3,}[^-_=~#—─]{2,60}[-_=~#—─]{3,}[*_]{0,2}\s*")
_WORD = re.compile(r"[^\W_]+")
_SENTENCE_ENDS = (".", "!", "?", ":", ";", "。", "！", "？", "…", ")", '"')


@dataclass
class _Passage:
    kind: Kind
    heading: list[str] = field(default_factory=list)
    """Of a header block: who and what about. Part of the content if the passage is kept."""
    lines: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Heading:
    """Where other people's words begin: whose they are, the line after it, and what of it is shown."""

    kind: Kind
    end: int
    shown: list[str] = field(default_factory=list)
    before: str = ""
    """What the sender wrote on the same line."""


def clean_body(plain: str, envelope: Envelope = UNKNOWN) -> str:
    """The text without quoted replies, signatures and legal boilerplate; forwarded content stays.

    Never empty if `plain` shows any text. What `envelope` knows makes the decisions surer; without it, the text is
    taken for that of a reply.
    """
    lines = normalise(plain)
    passages = _passages(list(lines), envelope)
    for stripping in (True, False):
        stripped = [
            (passage.kind, passage.heading, strip_tail(passage.lines, envelope) if stripping else passage.lines)
            for passage in passages
        ]
        kept = _joined(_wanted(stripped, envelope))
        if any(character.isalnum() for character in kept):
            return kept
    return _joined(lines)


def _wanted(passages: Sequence[_Stripped], envelope: Envelope) -> list[str]:
    """The lines of the passages that count. All below the first reply is history."""
    history = next((index for index, (kind, _, _) in enumerate(passages) if kind == "reply"), len(passages))
    announced = _announced(passages, history, envelope)
    own = _own_lines(passages[:history])
    if not letters(own):  # all that the sender wrote stands below what is quoted
        history = len(passages)
        own = _own_lines(passages)
    says_little = letters(own) < max(TOO_LITTLE, 1) or _is_nod(own)
    kept: list[str] = []
    carried = 0
    for index, (kind, heading, lines) in enumerate(passages):
        if (index < history and kind in OWN) or index == announced:
            kept += ["", *heading, *lines]
        elif says_little and carried < ENOUGH:
            kept += ["", *heading, *lines]
            carried += letters(lines)
    return kept


def _own_lines(passages: Sequence[_Stripped]) -> list[str]:
    return [line for kind, _, lines in passages if kind in OWN for line in lines]


def _announced(passages: Sequence[_Stripped], history: int, envelope: Envelope) -> int:
    """The passage of other people's words that the sender's point at; -1 if none."""
    if envelope.forwarded:  # the first mail below the sender's words is the content, or the first that is quoted
        headed = (index for index, (_, heading, _) in enumerate(passages) if heading)
        quoted = (index for index, (kind, _, _) in enumerate(passages) if kind in ("quoted", "reply"))
        return next(headed, next(quoted, -1))
    own = " ".join(_own_lines(passages[:history]))[:2_000]
    # "My answers are below in red": the history that follows holds the sender's own words.
    return history if history < len(passages) and ANSWERS_BELOW.search(own) else -1


def _is_nod(own: Sequence[str]) -> bool:
    text = " ".join(own)
    return len(text) < LONGEST_NOD and all(word in NODS for word in _WORD.findall(text.casefold()))


def normalise(plain: str) -> list[str]:
    """Lines without invisible characters, with single blanks, and never more than one empty line in a row."""
    text = plain[:LONGEST_TEXT].replace("\r\n", "\n").replace("\r", "\n").replace("\x0b", "\n").replace("\x0c", "\n")
    text = INVISIBLE.sub("", text.replace("\u2028", "\n").replace("\u2029", "\n"))
    lines: list[str] = []
    for line in text.split("\n", MOST_LINES)[:MOST_LINES]:
        line = " ".join(line.split())
        if line or (lines and lines[-1]):
            lines.append(line)
    return lines


def _joined(lines: list[str]) -> str:
    joined: list[str] = []
    for line in lines:
        if line or (joined and joined[-1]):
            joined.append(line)
    return "\n".join(joined).strip()


def _passages(lines: list[str], envelope: Envelope) -> list[_Passage]:
    """The text cut where other people's words begin and end."""
    passages = [_Passage("own")]
    unquoting = False
    position = 0
    wraps = _wraps_badly(lines)
    while position < len(lines):
        line = lines[position]
        if unquoting and line.startswith(">"):  # Apple Mail quotes what it forwards
            line = line[1:].strip()
            lines[position] = line
        current = passages[-1]
        heading = _heading(lines, position, envelope)
        if heading:
            if heading.before:
                current.lines.append(heading.before)
            drop_rule(current.lines)
            position = heading.end
            passages.append(_Passage(heading.kind, heading.shown))
            unquoting = heading.kind == "forwarded" and _next_text(lines, position).startswith(">")
            continue
        if line.startswith(">") and not _is_decorated(line):
            if envelope.is_first and current.kind == "own":
                current.lines.append(line.lstrip("> "))
            else:
                _quote(passages, line, envelope)
        elif current.kind == "quoted" and line:
            if not _is_rest_of_quote(lines, position, wraps):
                passages.append(_Passage("own", lines=[line]))  # an answer between or below the quotes
        else:
            current.lines.append(line)
        position += 1
    return passages


def _is_decorated(line: str) -> bool:
    """ ">>> crane day on Sunday <<<" quotes nobody."""
    found = _DECORATED.fullmatch(line) if line.endswith("<") else None
    if not found:
        return False
    closing = found[2].count("<")
    return closing > 1 or closing == found[1].count(">")


def _quote(passages: list[_Passage], line: str, envelope: Envelope) -> None:
    if passages[-1].kind != "quoted":
        passages.append(_Passage("quoted"))
    # Only the first level of quoting can be worth keeping: deeper ones are older still.
    if not line.startswith((">>", "> >")) and not attribution([line[1:].strip()], 0, envelope):
        passages[-1].lines.append(line[1:].strip())


def _wraps_badly(lines: Sequence[str]) -> bool:
    """Did a program wrap quoted lines and lose the ">" of the second half? Seen where both neighbours are quoted."""
    return any(
        line[:1].islower() and before.startswith(">") and after.startswith(">") and _is_full(before, line)
        for before, line, after in zip(lines, lines[1:], lines[2:], strict=False)
    )


def _is_full(before: str, line: str) -> bool:
    """Had the first word of `line` no room in the line before? Most short answers would have had it."""
    word, blank, _ = line.partition(" ")
    return bool(blank) and len(before) + 1 + len(word) > NARROWEST_WRAP


def _is_rest_of_quote(lines: Sequence[str], position: int, wraps: bool) -> bool:
    """The second half of a quoted line that a program wrapped."""
    before, line = lines[position - 1], lines[position]
    after = lines[position + 1] if position + 1 < len(lines) else ""
    if before.startswith(">") and "://" in before.split(" ")[-1] and " " not in line and after.startswith(">"):
        return True
    if not wraps or not before.startswith(">") or before.endswith(_SENTENCE_ENDS) or len(line) > 60:
        return False
    return not after or after.startswith(">")


def _next_text(lines: Sequence[str], position: int) -> str:
    return next((line for line in lines[position : position + 4] if line), "")


def _heading(lines: Sequence[str], position: int, envelope: Envelope) -> _Heading | None:
    """If other people's words begin here, how."""
    line = lines[position]
    if not line or len(line) > LONGEST_HEADER_LINE or line.startswith(">"):
        return None
    if marked := _marked(lines, position, envelope):
        return marked
    is_first = envelope.is_first and not envelope.forwarded
    if found := attribution(lines, position, envelope):
        kind = _quoted_or("reply", lines, found.end)
        if kind == "quoted" or not is_first:
            return _Heading(kind, found.end, before=found.before)
    if is_first:
        return None
    if block := header_block(lines, position, envelope):
        return _Heading(_quoted_or("reply", lines, block.end), block.end, block.shown)
    return None


def _marked(lines: Sequence[str], position: int, envelope: Envelope) -> _Heading | None:
    """ "-----Original Message-----", "---------- Forwarded message ---------", "##- reply above this line -##"."""
    line = lines[position]
    bare = line.strip("-_=*~#—─:> ")
    if not 0 < len(bare) < 140:
        return None
    if _is_alone(lines, position, bare) and _says_reply_above(bare):
        return None if envelope.is_first else _Heading("reply", position + 1)
    marker = _marker(line, bare)
    if marker is None:
        if not _FRAMED.fullmatch(line) or not (block := marked_block(lines, position + 1, envelope, is_known=False)):
            return None
        marker = "reply"
    else:
        end = position + 1
        # Lotus Notes wraps its marker: the rest ends with dashes on the next line.
        if marker == "forwarded" and not line.endswith(("-", ":", "_", "*")) and end < len(lines):
            end += lines[end].endswith("---")
        block = marked_block(lines, end, envelope)
        if not block:
            return None if envelope.is_first and marker == "reply" else _Heading(_quoted_or(marker, lines, end), end)
    if envelope.is_first:
        marker = "forwarded"
    return _Heading(_quoted_or(marker, lines, block.end), block.end, block.shown)


def _says_reply_above(bare: str) -> bool:
    small = bare.lower()
    return any(stem in small for stem in ABOVE_STEMS) and bool(REPLY_ABOVE.search(bare))


def _is_alone(lines: Sequence[str], position: int, bare: str) -> bool:
    """Is the line one that a program set apart, by signs around it or empty lines, and no sentence of a paragraph?"""
    if len(bare) >= 110:
        return False
    after = lines[position + 1] if position + 1 < len(lines) else ""
    before = lines[position - 1] if position else ""
    is_apart = (not before or RULE.match(before)) and (not after or RULE.match(after))
    return len(lines[position]) - len(bare) >= 4 or bool(is_apart and len(bare.split()) <= 14)


def _marker(line: str, bare: str) -> Kind | None:
    framed = line.lstrip("* ").startswith(("--", "__", "==", "**", "—", "##", "~~")) or line.startswith("**")
    announced = framed or line.rstrip("* ").endswith((":", "："))
    if announced and FORWARDED.match(bare):
        return "forwarded"
    if announced and len(bare) < 60 and (match := ORIGINAL.match(bare)):
        return "reply" if match.end() > 8 or framed else None
    return None


def _quoted_or(kind: Kind, lines: Sequence[str], position: int) -> Kind:
    """A reply whose lines are marked one by one can have answers between and below them."""
    return "quoted" if kind == "reply" and _next_text(lines, position).startswith(">") else kind
