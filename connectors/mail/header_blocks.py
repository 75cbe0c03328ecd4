"""Blocks of header fields in a body: "From: ... Sent: ... To: ... Subject: ...", in any language.

Two ways lead to a block. Words: three kinds of known labels, if they are a mail's (an address, one of the people of
this mail, or a date with a clock and this mail's subject); a transport order has "From" and "To" as well. Shape: three
or more labels in no known language, one with an address and another with date and clock. A form has that shape, too,
and is told by its other labels and by the text that follows without an empty line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from connectors.mail.envelope import Envelope
from connectors.mail.quote_words import ADDRESS, CLOCK, DAY, FORM_LABEL, LABEL_LINE, LABELS, RULE, TIME, plain_signs

MOST_FIELDS = 20
MOST_UNKNOWN_FIELDS = 9
LONGEST_VALUE = 1_000


@dataclass(frozen=True)
class Block:
    """A header block: the line after it, and who and what about, as it is to be shown."""

    end: int
    shown: list[str]


@dataclass
class _Field:
    kind: str | None
    """ "from", "date", "to", "cc", "subject", "other"; None in a language that we do not know."""
    label: str
    line: str
    value: str
    end: int


@dataclass
class _Fields:
    read: list[_Field] = field(default_factory=list)

    def of(self, *kinds: str | None) -> list[_Field]:
        return [one for one in self.read if one.kind in kinds]

    @property
    def kinds(self) -> set[str]:
        return {one.kind for one in self.read if one.kind and one.kind != "other"}


def label(line: str) -> str | None:
    """What kind of header field the line begins with: "from", "subject"...; None if it is no label that we know."""
    match = LABEL_LINE.match(plain_signs(line[:60]))
    return LABELS.get(match[1].casefold()) if match else None


def marked_block(lines: Sequence[str], position: int, envelope: Envelope, is_known: bool = True) -> Block | None:
    """A header block within the next lines, below a marker: there, few labels are enough, if the marker is known."""
    for start in range(position, min(position + 4, len(lines))):
        unquoted = [line.lstrip("> ") for line in lines[start : start + MOST_FIELDS]]
        if is_known:
            block = _by_words(unquoted, 0, 1, None) or _by_shape(unquoted, 0, envelope, 2) or lotus_block(unquoted, 0)
        else:
            block = _by_words(unquoted, 0, 3, envelope) or _by_shape(unquoted, 0, envelope, 3)
        if block:
            return Block(start + block.end, block.shown)
        if lines[start] and not (RULE.match(lines[start]) or lines[start].lstrip("> ") == ""):
            break
    return None


def header_block(lines: Sequence[str], position: int, envelope: Envelope) -> Block | None:
    """A mail's header at this line, with an empty line below it as a mail has it."""
    if ":" not in plain_signs(lines[position][:60]):
        return lotus_block(lines, position)
    block = _by_words(lines, position, 3, envelope)
    if not block and (position == 0 or not lines[position - 1] or RULE.match(lines[position - 1])):
        block = _by_shape(lines, position, envelope, 3)
    if block and _stands_apart(lines, block.end):
        return block
    return lotus_block(lines, position)


def _by_words(lines: Sequence[str], position: int, least: int, envelope: Envelope | None) -> Block | None:
    """Known labels; with an `envelope` only if the block is a mail's. Without one, the caller knows that it is."""
    if label(lines[position]) not in ("from", "date", "subject", "to"):
        return None
    fields = _fields(lines, position, unknown=False)
    if not fields.kinds & {"from", "to"} or (len(fields.kinds) < least and not _is_short_header(fields)):
        return None
    if envelope is not None and not _is_mail(fields, envelope):
        return None
    return Block(fields.read[-1].end, _shown(fields))


def _is_short_header(fields: _Fields) -> bool:
    """Two fields: an address, and a date with a clock."""
    people = any(ADDRESS.search(one.value) for one in fields.of("from", "to"))
    return people and any(DAY.search(one.value) and TIME.search(one.value) for one in fields.of("date"))


def _is_mail(fields: _Fields, envelope: Envelope) -> bool:
    if any(envelope.names(one.value) for one in fields.of("from", "to", "cc")):
        return True
    if {"cc", "subject"} <= fields.kinds:  # an order has from and to as well, but no copies
        return any(envelope.is_about(one.value) for one in fields.of("subject"))
    clocked = any(DAY.search(text) and TIME.search(text) for text in (one.value for one in fields.of("date")))
    return clocked and any(envelope.is_about(one.value) for one in fields.of("subject"))


def _by_shape(lines: Sequence[str], position: int, envelope: Envelope, least: int) -> Block | None:
    """Neighbouring labels of any language, an address in one and a date in another."""
    fields = _fields(lines, position, unknown=True)
    if not least <= len(fields.read) <= MOST_UNKNOWN_FIELDS:
        return None
    if any(one.kind is None and FORM_LABEL.search(one.label) for one in fields.read):
        return None
    if any(not one.value for one in fields.read if one.kind is None):
        return None
    people = [one for one in fields.read[:4] if envelope.names(one.value)]
    dates = [one for one in fields.read[:4] if DAY.search(one.value) and TIME.search(one.value) and one not in people]
    if not people or not dates or fields.of("other")[:1] == fields.read[:1]:
        return None
    # A booking, a delivery note have that shape as well, but no subject that is this mail's.
    if least > 2 and not any(envelope.is_about(one.value) for one in fields.read[1:] if one not in people + dates):
        return None
    return Block(fields.read[-1].end, _shown(fields) or [people[0].line])


def _fields(lines: Sequence[str], position: int, unknown: bool) -> _Fields:
    """The run of header fields from this line on, wrapped ones joined; it ends before the next older mail."""
    found = _Fields()
    index = position
    while index < min(len(lines), position + MOST_FIELDS):
        line = lines[index][:LONGEST_VALUE]
        plain = plain_signs(line)
        match = LABEL_LINE.match(plain[:60]) if line else None
        kind = LABELS.get(match[1].casefold()) if match else None
        if kind == "from" and found.of("from"):
            break
        if match and (kind or unknown):
            value = plain[match.end() :].strip(" *")
            found.read.append(_Field(kind, match[1], line.replace("*", ""), value, index + 1))
        elif found.read and line and _is_wrapped_value(lines, index, found.read[-1], unknown):
            found.read[-1].value = f"{found.read[-1].value} {plain}".strip()
            found.read[-1].end = index + 1
        elif line or not found.read or not _is_label(lines, index + 1, unknown) or (index and not lines[index - 1]):
            break
        index += 1
    return found


def _is_label(lines: Sequence[str], index: int, unknown: bool) -> bool:
    if index >= len(lines):
        return False
    match = LABEL_LINE.match(plain_signs(lines[index][:60]))
    return bool(match) and not unknown and match[1].casefold() in LABELS  # type: ignore[index]


def _is_wrapped_value(lines: Sequence[str], index: int, before: _Field, unknown: bool) -> bool:
    """A label with its value on the next line, or a wrapped list of addresses: another label comes before a gap."""
    if not before.value and before.end == index:
        return True
    for line in lines[index + 1 : index + 12]:
        if not line:
            return False
        match = LABEL_LINE.match(plain_signs(line[:60]))
        if match and (match[1].casefold() in LABELS or (unknown and ADDRESS.search(lines[index]))):
            return True
    return False


def _shown(fields: _Fields) -> list[str]:
    shown = [*fields.of("from")[:1], *fields.of("subject")[:1]]
    return [f"{one.line} {one.value}" if plain_signs(one.line).endswith(":") else one.line for one in shown]


def _stands_apart(lines: Sequence[str], end: int) -> bool:
    """Does an empty line or a quoted one follow? In a web form the next field follows ("Message: ...")."""
    is_wrapped = end + 1 < len(lines) and len(lines[end - 1]) > 60 and not lines[end + 1]
    return end >= len(lines) or not lines[end] or lines[end].startswith(">") or is_wrapped


def lotus_block(lines: Sequence[str], position: int) -> Block | None:
    """Lotus Notes: "Ann Lee on 04/12/2000 03:04 PM", or name and date on lines of their own; then To, cc, Subject."""
    line = lines[position]
    start = position
    if not CLOCK.search(line[:200]):
        if position + 1 >= len(lines) or len(line) > 120 or not CLOCK.match(lines[position + 1][:60]):
            return None
        start += 1
    for index in range(start + 1, min(start + 4, len(lines))):
        kind = label(lines[index])
        if kind == "to":
            block = _label_run(lines, index)
            if block:
                return Block(block.end, [line if label(line) == "from" else f"From: {line}", *block.shown])
        if lines[index] and not kind and not lines[index].startswith(("Please respond", "Sent by")):
            return None
    return None


def _label_run(lines: Sequence[str], position: int) -> Block | None:
    """From a "To:" on to its "Subject:", whose wrapped second line ends at the next empty line."""
    for index in range(position + 1, min(position + 60, len(lines))):
        if label(lines[index]) == "subject":
            end = index + 1
            subject = lines[index]
            if end + 1 < len(lines) and lines[end] and not lines[end + 1] and len(subject) > 60:
                subject = f"{subject} {lines[end]}"
                end += 1
            return Block(end, [subject])
    return None
