"""What the sender of a mail wrote, without what only travels along.

    text | normalise | split into own / quoted / reply / forwarded passages | strip signatures | join what counts |
    text

A passage is *own* text, lines *quoted* with ">", a *reply* (the history under "Am ... schrieb ...:" or an Outlook
header block) or *forwarded* mail. Own text and forwarded mail are kept. History is dropped, unless so little would be
left that the history is the content. Everything is decided line by line with patterns anchored to one short line, so
the time is linear in the text. That is why no library does this here: those we measured take seconds for 4 KB of
empty lines, and cut a mail off at its first list ("- two chairs") or "Thanks,".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from connectors.mail.headers import INVISIBLE
from connectors.mail.quote_words import (
    BANNER,
    CLOCK,
    DASHES,
    DATED,
    FORWARDED,
    LABEL,
    LEGAL,
    LIST_FOOTER,
    OPENERS,
    ORIGINAL,
    POSTSCRIPT,
    RULE,
    SENT_FROM,
    SIGN_OFF,
    WROTE,
)

LONGEST_TEXT = 150_000
MOST_LINES = 6_000
# With fewer letters of its own, a mail is about what it carries: "FYI", "see below", "Thanks, will do".
TOO_LITTLE = 60
LONGEST_HEADER_LINE = 400

Kind = Literal["own", "quoted", "reply", "forwarded"]


@dataclass
class _Passage:
    kind: Kind
    heading: list[str] = field(default_factory=list)
    """Of a header block: who and what about. Part of the content if the passage is kept."""
    lines: list[str] = field(default_factory=list)


def clean_body(plain: str, forwarded: bool = False) -> str:
    """The text without quoted replies, signatures and legal boilerplate; forwarded content stays.

    Never empty if `plain` shows any text. `forwarded` says that the subject announces a forward ("WG:", "Fwd:"), so
    that an Outlook header block starts content and not history.
    """
    lines = normalise(plain)
    passages = _passages(list(lines))
    for strip in (_strip_tail, list[str]):
        stripped = [(passage.kind, passage.heading, strip(passage.lines)) for passage in passages]
        kept = _joined(_wanted(stripped, forwarded))
        if any(character.isalnum() for character in kept):
            return kept
    return _joined(lines)


def _wanted(passages: Sequence[tuple[Kind, list[str], list[str]]], forwarded: bool) -> list[str]:
    """The lines of the passages (kind, heading, lines) that count. All below the first reply is history."""
    history = next((index for index, (kind, _, _) in enumerate(passages) if kind == "reply"), len(passages))
    # With "Fwd:" in the subject, the first mail below the sender's words is the content.
    announced = next((index for index, (_, heading, _) in enumerate(passages) if heading), history) if forwarded else -1
    own = sum(_letters(lines) for kind, _, lines in passages[:history] if kind != "quoted")
    kept: list[str] = []
    letters = 0
    for index, (kind, heading, lines) in enumerate(passages):
        is_own = index < history and kind != "quoted"
        is_needed = own < TOO_LITTLE and letters < TOO_LITTLE
        if is_own or is_needed or index == announced:
            kept += ["", *heading, *lines]
            letters += _letters(lines)
    return kept


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


def _letters(lines: list[str]) -> int:
    return sum(character.isalnum() for line in lines for character in line[:500])


def _passages(lines: list[str]) -> list[_Passage]:
    """The text cut where other people's words begin and end."""
    passages = [_Passage("own")]
    unquoting = False
    position = 0
    while position < len(lines):
        line = lines[position]
        if unquoting and line.startswith(">"):  # Apple Mail quotes what it forwards
            line = line[1:].strip()
            lines[position] = line
        current = passages[-1]
        heading = _heading(lines, position)
        if heading:
            kind, position, shown = heading
            _drop_rule(current.lines)
            passages.append(_Passage(kind, shown))
            unquoting = kind == "forwarded" and _next_text(lines, position).startswith(">")
            continue
        if line.startswith(">"):
            if current.kind != "quoted":
                passages.append(_Passage("quoted"))
            # Only the first level of quoting can be worth keeping: deeper ones are older still.
            if not line.startswith((">>", "> >")) and not _attribution([line[1:].strip()], 0):
                passages[-1].lines.append(line[1:].strip())
        elif current.kind == "quoted" and line:
            passages.append(_Passage("own", lines=[line]))  # an answer between or below the quotes
        else:
            current.lines.append(line)
        position += 1
    return passages


def _next_text(lines: list[str], position: int) -> str:
    return next((line for line in lines[position : position + 4] if line), "")


def _heading(lines: list[str], position: int) -> tuple[Kind, int, list[str]] | None:
    """If other people's words begin here: their kind, the line after the heading, and what of the heading to show."""
    line = lines[position]
    if not line or len(line) > LONGEST_HEADER_LINE or line.startswith(">"):
        return None
    if end := _attribution(lines, position):
        return _quoted_or("reply", lines, end), end, []
    bare = line.strip("-_=*~#—─:> ")
    if len(bare) < 140 and (marker := _marker(line, bare)):
        end = position + 1
        # Lotus Notes wraps its marker: the rest ends with dashes on the next line.
        if marker == "forwarded" and not line.endswith(("-", ":", "_")) and end < len(lines):
            end += lines[end].endswith("---")
        block_end, shown = _block_near(lines, end)
        return _quoted_or(marker, lines, block_end or end), block_end or end, shown
    block = _header_block(lines, position)
    if not block or not _stands_apart(lines, block[0]):
        block = _lotus_block(lines, position)
    if block:
        return _quoted_or("reply", lines, block[0]), block[0], block[1]
    return None


def _quoted_or(kind: Kind, lines: list[str], position: int) -> Kind:
    """A reply whose lines are marked one by one can have answers between and below them."""
    return "quoted" if kind == "reply" and _next_text(lines, position).startswith(">") else kind


def _marker(line: str, bare: str) -> Kind | None:
    """ "-----Original Message-----", "---------- Forwarded message ---------", "Begin forwarded message:"."""
    framed = line.startswith(("--", "__", "==", "**", "—", "##"))
    if (framed or line.endswith(":")) and FORWARDED.match(bare):
        return "forwarded"
    if (framed or line.endswith(":")) and ORIGINAL.match(bare) and len(bare) < 60:
        return "reply"
    return None


def _attribution(lines: list[str], position: int) -> int | None:
    """The line after "On 3 May 2024, Ann <a@example.org> wrote:", which mail programs wrap over up to three lines."""
    joined = ""
    for count in range(1, 4):
        if position + count > len(lines) or not lines[position + count - 1]:
            return None
        joined = f"{joined} {lines[position + count - 1]}".strip()
        if len(joined) > LONGEST_HEADER_LINE or lines[position + count - 1].startswith(">"):
            return None
        if not joined.endswith(":"):
            continue
        quoted = _next_text(lines, position + count).startswith(">")
        wrote = WROTE.search(joined)
        dated = DATED.search(joined)
        if (quoted and (wrote or dated) and (count == 1 or OPENERS.match(joined) or "@" in joined)) or (
            wrote and dated and (OPENERS.match(joined) or "@" in joined)
        ):
            return position + count
        return None
    return None


def _block_near(lines: list[str], position: int) -> tuple[int | None, list[str]]:
    """A header block within the next lines, after a marker: there, few labels are enough."""
    for start in range(position, min(position + 4, len(lines))):
        unquoted = [line.lstrip("> ") for line in lines[start : start + 20]]
        block = _header_block(unquoted, 0, least=2) or _lotus_block(unquoted, 0)
        if block:
            return start + block[0], block[1]
        if lines[start] and not (RULE.match(lines[start]) or lines[start].lstrip("> ") == ""):
            break
    return None, []


def _label(line: str) -> str | None:
    """What kind of header field the line begins with, in any language: "from", "subject"..."""
    match = LABEL.match(line[:40])
    return match.lastgroup if match else None


def _header_block(lines: list[str], position: int, least: int = 3) -> tuple[int, list[str]] | None:
    """ "From: ... Sent: ... To: ... Subject: ..." at this line: (the line after it, what to show of it)."""
    if _label(lines[position]) not in ("from", "date", "subject"):
        return None
    kinds: dict[str, str] = {}
    end = index = position
    while index < min(len(lines), position + 20):
        line = lines[index]
        label = _label(line)
        if label == "from" and "from" in kinds:
            break  # the next older mail
        if label:
            kinds.setdefault(label, line.replace("*", ""))
            end = index + 1
        elif not (_is_continuation(lines, index) if line else _is_labelled(lines, index + 1)):
            break
        index += 1
    if len(kinds.keys() - {"other"}) < least or not kinds.keys() & {"from", "to"}:
        return None
    return end, [kinds[kind] for kind in ("from", "subject") if kind in kinds]


def _stands_apart(lines: list[str], end: int) -> bool:
    """Does an empty line follow the header block? In a web form the next field follows ("Message: ...")."""
    is_wrapped = end + 1 < len(lines) and len(lines[end - 1]) > 60 and not lines[end + 1]
    return end >= len(lines) or not lines[end] or is_wrapped


def _is_labelled(lines: list[str], index: int) -> bool:
    return index < len(lines) and _label(lines[index]) is not None


def _is_continuation(lines: list[str], index: int) -> bool:
    """A wrapped list of addresses: another label follows before the next empty line."""
    for line in lines[index + 1 : index + 12]:
        if not line:
            return False
        if _label(line):
            return True
    return False


def _lotus_block(lines: list[str], position: int) -> tuple[int, list[str]] | None:
    """Lotus Notes: "Ann Lee on 04/12/2000 03:04 PM", or name and date on lines of their own; then To, cc, Subject."""
    line = lines[position]
    start = position
    if not CLOCK.search(line[:200]):
        if position + 1 >= len(lines) or len(line) > 120 or not CLOCK.match(lines[position + 1][:60]):
            return None
        start += 1
    for index in range(start + 1, min(start + 4, len(lines))):
        label = _label(lines[index])
        if label == "to":
            block = _label_run(lines, index)
            if block:
                return block[0], [line if _label(line) == "from" else f"From: {line}", *block[1]]
        if lines[index] and not label and not lines[index].startswith(("Please respond", "Sent by")):
            return None
    return None


def _label_run(lines: list[str], position: int) -> tuple[int, list[str]] | None:
    """From a "To:" on to its "Subject:", whose wrapped second line ends at the next empty line."""
    for index in range(position + 1, min(position + 60, len(lines))):
        if _label(lines[index]) == "subject":
            end = index + 1
            subject = lines[index]
            if end + 1 < len(lines) and lines[end] and not lines[end + 1] and len(subject) > 60:
                subject = f"{subject} {lines[end]}"
                end += 1
            return end, [subject]
    return None


def _drop_rule(lines: list[str]) -> None:
    while lines and (not lines[-1] or RULE.match(lines[-1])):
        lines.pop()


def _strip_tail(lines: list[str]) -> list[str]:
    """One passage without warning banner, legal notice, list footer and signature. May leave nothing."""
    kept = [line for line in lines if not SENT_FROM.match(line[:200]) or len(line) > 120]
    kept = _without_legal_notice(_without_list_footer(_without_banner(kept)))
    kept = _without_legal_notice(_without_signature(kept))
    _drop_rule(kept)
    return kept


def _without_banner(lines: list[str]) -> list[str]:
    """The "CAUTION: external e-mail" that a company's mail server puts on top: up to four lines."""
    start = next((index for index, line in enumerate(lines[:4]) if line), None)
    if start is None:
        return lines
    end = next((index for index in range(start, len(lines)) if not lines[index]), len(lines))
    paragraph = " ".join(lines[start:end][:5])
    if end - start <= 4 and len(paragraph) < 500 and BANNER.match(paragraph) and _letters(lines[end:]) > 0:
        return lines[end:]
    return lines


def _without_list_footer(lines: list[str]) -> list[str]:
    for index in range(max(0, len(lines) - 8), len(lines)):
        if RULE.match(lines[index]) and any(LIST_FOOTER.search(line[:300]) for line in lines[index + 1 :]):
            above = lines[:index]
            # Some lists put an advertisement above the footer, behind a rule of its own.
            rules = [number for number in range(max(0, index - 7), index) if RULE.match(above[number])]
            return above[: rules[0]] if rules else above
    return lines


def _without_signature(lines: list[str]) -> list[str]:
    """Without what follows "-- " (RFC 3676 section 4.3) or a sign-off, if it looks like a visiting card."""
    for index in range(max(0, len(lines) - 42), len(lines)):  # 20 lines and as many empty ones
        if DASHES.fullmatch(lines[index]) and _is_card(lines[index + 1 :], 20):
            return lines[:index]
    # Looked for from below: a "Thanks" further up is part of the conversation.
    for index in range(len(lines) - 1, max(-1, len(lines) - 18), -1):
        if SIGN_OFF.match(lines[index][:80]) and _is_card(lines[index + 1 :], 14):
            return lines[:index] if _letters(lines[:index]) >= 20 else lines
    return lines


def _is_card(lines: list[str], most: int) -> bool:
    """Short lines only, no question, no postscript: a name, a firm, a telephone number, a motto."""
    filled = [line for line in lines if line]
    return len(filled) <= most and not any(
        len(line) > 150 or line.endswith("?") or POSTSCRIPT.match(line[:20]) for line in filled
    )


def _without_legal_notice(lines: list[str]) -> list[str]:
    """Without long paragraphs of legal boilerplate at the very end."""
    for _ in range(4):
        _drop_rule(lines := list(lines))
        start = len(lines)
        while start and lines[start - 1]:
            start -= 1
        paragraph = " ".join(lines[start:])[:3_000]
        hits = {match.lower() for match in LEGAL.findall(paragraph)}
        if start == 0 or len(paragraph) < 120 or len(hits) < 2 or not _letters(lines[:start]):
            break
        lines = lines[:start]
    return lines
