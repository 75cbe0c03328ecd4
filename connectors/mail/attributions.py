"""Lines that say who wrote what is quoted below: "On 3 May 2024 at 10:12, Ann Lee <a@example.org> wrote:".

First by shape, whatever the language: date and address near each other, hardly a word beside, a colon at the end.
Then by words: an opening, a date with a clock, a name and a verb. People write such sentences too ("On 2 March your
colleague wrote to us:"); a person or a thing that no mail program would name there keeps them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from connectors.mail.envelope import Envelope
from connectors.mail.quote_words import CITED, DAY, IN_PERSON, OPENERS, PARTICLES, TIME, WROTE, plain_signs

LONGEST = 400
MOST_LINES = 4
MOST_LINES_WITH_GAP = 7
_BRACKETED = re.compile(
    r"[<(\[]{1,2}\s?(?:mailto:)?[^<>()\[\]@]{0,80}[<(\[]?\s?[\w.+'/=-]{1,64}@[^<>()\[\]\s]{1,120}\s?[>)\]]+"
    r"|[\w.+'/=-]{1,64}@[\w-]+\.[\w.-]+|mailto:\S+"
)
_TO_ME = re.compile(r"(?:mir|uns|me|us|folgende\w*|following)\b")
_TAIL = re.compile(r">?\s?[^\d\s]{0,20}\s?[^\d\s]{0,20}\s?:[*_]*")
# The words that open an attribution, within a line.
_MAY_BEGIN = re.compile(r"[\s.!?…)。！？-](?=(?:On|Am|Le|El|Il|Op|Em|Den|Dne|Dňa|Dnia|W dniu|På) \S)")
_ENDS = frozenset(":：﹕︰>)]*_-–—=~")
# Without a colon at its end, an attribution has to begin like one.
_UNMARKED_OPENING = re.compile(rf"(?:{OPENERS.pattern}|-|\d)", re.IGNORECASE)
_ARTICLES = frozenset(("the", "der", "die", "das", "ein", "eine", "le", "la", "el", "il", "lo", "een", "den"))
_DIGIT = re.compile(r"\d")
_ADDRESS_MARK = "\x02"
_DATED_OPENING = re.compile(r"\S{1,14}(?: \S{1,14}){0,4}? ?\d")


@dataclass(frozen=True)
class Attribution:
    """The line after the attribution, and what the sender wrote in front of it on the same line."""

    end: int
    before: str = ""


def attribution(lines: Sequence[str], position: int, envelope: Envelope) -> Attribution | None:
    """The attribution that begins at this line, which mail programs wrap, and some cut by an empty line."""
    joined = ""
    gaps = 0
    filled = 0
    for index in range(position, min(position + MOST_LINES_WITH_GAP, len(lines))):
        line = lines[index]
        if not line:
            gaps += 1
            if gaps > 2 or not joined or not _opens_with_date(joined):
                return None
            continue
        if line.startswith(">") and not (joined and _TAIL.fullmatch(line)):
            return None
        joined = f"{joined} {line}" if joined else line
        filled += 1
        if gaps and not (len(line) < 100 and ("@" in line or len(line) < 30)):
            return None
        if len(joined) > LONGEST or (filled > MOST_LINES and not gaps):
            return None
        if line[-1] not in _ENDS and not ("@" in joined and _UNMARKED_OPENING.match(joined)):
            continue
        quoted = next((text for text in lines[index + 1 : index + 4] if text), "").startswith(">")
        if not _may_end(joined, quoted) or _is_tail(lines, index + 1):
            continue
        before = _before(joined, len(lines[position]), quoted, envelope)
        if before is None:
            if plain_signs(joined).endswith(":"):
                return None
            continue
        if index > position and not before and _begins_later(lines, position, envelope):
            return None
        return Attribution(index + 1, before)
    return None


def _is_tail(lines: Sequence[str], index: int) -> bool:
    """Is this the rest of an address and its colon, which programs wrap: ">:", "> wrote:"?"""
    return index < len(lines) and lines[index].startswith(">") and bool(_TAIL.fullmatch(lines[index]))


def _begins_later(lines: Sequence[str], position: int, envelope: Envelope) -> bool:
    """Is the line above the sender's, and the attribution complete without it?"""
    later = attribution(lines, position + 1, envelope)
    if later is None:
        return False
    dated = DAY.search(plain_signs(lines[position]))
    rest = plain_signs(" ".join(lines[position + 1 : later.end]))
    named = WROTE.search(rest) or _ADDRESS_MARK in _mark_people(rest, envelope)
    return bool(named) and (not dated or bool(DAY.search(rest)))


def _may_end(joined: str, quoted: bool) -> bool:
    tail = plain_signs(joined[-60:]).rstrip(" *_-–—=~>")
    if tail.endswith(":"):
        return True
    if "@" in joined:
        bracket = joined.endswith((">", ")")) and (WROTE.search(joined) or (quoted and joined[:1].isdigit()))
        return bool(bracket or _ends_with_verb(tail))
    return joined.startswith("--") and joined.endswith("--") and _ends_with_verb(tail)


def _ends_with_verb(text: str) -> bool:
    text = text[-30:]
    found = None
    for found in WROTE.finditer(text):  # noqa: B007
        pass
    return found is not None and len(text) - found.end() <= 1


def _opens_with_date(text: str) -> bool:
    if len(text) >= 200 or not _DIGIT.search(text, 0, 60):
        return False
    text = plain_signs(text)
    return bool(_DATED_OPENING.match(text) and DAY.search(text) and TIME.search(text))


def _before(joined: str, first: int, quoted: bool, envelope: Envelope) -> str | None:
    """What stands before the attribution with which the text ends: mostly nothing; None if it ends with none.

    It begins in the first line, which is `first` characters long.
    """
    if OPENERS.match(joined) and _is_attribution(joined, quoted, envelope):
        return ""
    for match in list(_MAY_BEGIN.finditer(joined, 1, first))[-3:]:
        rest = joined[match.end() :]
        if "@" in rest and WROTE.search(rest) and _is_attribution(rest, quoted, envelope):
            return joined[: match.end()].rstrip(" -")
    return "" if _is_attribution(joined, quoted, envelope) else None


def _is_attribution(line: str, quoted: bool, envelope: Envelope) -> bool:
    text = plain_signs(line).strip(" *_-–—=~")
    marked = _mark_people(text, envelope)
    if IN_PERSON.search(marked.replace(_ADDRESS_MARK, " ")) and not _is_signed_by_program(marked):
        return False
    if CITED.match(text):
        return True
    day, time = DAY.search(marked), TIME.search(marked)
    if _ADDRESS_MARK in marked and day and _has_the_shape(marked):
        return True
    wrote = WROTE.search(marked)
    if not wrote:
        return bool(quoted and day and time and _is_dated_name(marked))
    if quoted and re.search(rf"{_ADDRESS_MARK}\W{{0,4}}$", marked[: wrote.start()]) and len(marked.split()) <= 10:
        return True
    if _ADDRESS_MARK in marked and (quoted or line.rstrip(" *").endswith(":")) and _names_somebody(marked, wrote):
        return True
    if not (quoted or (day and time and (OPENERS.match(marked) or marked[:1].isdigit()))):
        return False
    return _names_somebody(marked, wrote)


def _is_signed_by_program(marked: str) -> bool:
    """Does it hold an address in the place where programs write it, at the end or behind the date?"""
    match = re.search(r"\d[^\d]{0,60}" + _ADDRESS_MARK + r"\s*\S{0,20}\s?\S{0,12}\s*:?$", marked)
    return (
        bool(match)
        and len(IN_PERSON.findall(marked)) <= 1
        and not re.search(r"(?:mir|uns|me|us|folgende\w*|following)\b", marked[-60:])
    )


def _mark_people(text: str, envelope: Envelope) -> str:
    """The text with each address, and each display name that stands alone, as one mark."""
    text = _BRACKETED.sub(f" {_ADDRESS_MARK} ", text)
    small = text.casefold()
    for name in envelope.people if _ADDRESS_MARK not in text else ():
        at = small.find(name)
        if at >= 0 and len(small) == len(text):
            return f"{text[:at]} {_ADDRESS_MARK} {text[at + len(name) :]}"
    return text


def _has_the_shape(marked: str) -> bool:
    """Date and address with hardly a word beside: those of a name, an opening, a verb."""
    words = marked.split()
    at = words.index(_ADDRESS_MARK)
    dated = [index for index, word in enumerate(words) if any(character.isdigit() for character in word)]
    first, last = dated[0], dated[-1]
    if last - first > 12:
        return False
    if first < at:
        head, name, tail = words[:first], words[last + 1 : at], words[max(at, last) + 1 :]
        opener_and_verb = OPENERS.match(marked) and WROTE.search(marked)
        if not head and not "".join(tail).strip(":> "):  # "2 Mar 2026 10:12 ... <ann@example.org>:"
            return len(name) <= 8
        small = 2 if opener_and_verb else 1
        return len(head) <= 4 and len(tail) <= 5 and _is_name(name, 11, small) and (not head or _may_open(head))
    opener = OPENERS.match(" ".join(words[:at]))
    head = words[len(opener[0].split()) if opener else 0 : at]
    tail = words[at + 1 : first] + words[last + 1 :]
    wordy = [word for word in tail if word[:1].islower() and word.strip(",.():") not in PARTICLES]
    return (
        bool(tail or head)
        and _is_name(head, 6)
        and len(wordy) <= (4 if WROTE.search(marked) else 2)
        and len(tail) <= 10
    )


def _may_open(head: Sequence[str]) -> bool:
    """An opening word, a weekday: not the first words of a sentence ("Please send me by 12.03.")."""
    lower = [
        word
        for word in head[1:]
        if word.islower() and word.isascii() and len(word) > 3 and not word.endswith((".", ","))
    ]
    return bool(OPENERS.match(" ".join(head))) or len(head) <= 2 or not lower


def _is_name(words: Sequence[str], most: int, small: int = 1) -> bool:
    """Could these words be a person's name, with a verb of the languages that put it first?"""
    lower = [
        word
        for word in words
        if word[:1].islower() and word.strip(",.:") not in PARTICLES and not WROTE.fullmatch(word.strip(",.:"))
    ]
    return len(words) <= most and len(lower) <= (small if len(words) > 1 else 0)


def _names_somebody(marked: str, wrote: re.Match[str]) -> bool:
    """Beside opening, date and verb there are only the words of a name."""
    rest = f"{marked[: wrote.start()]} {marked[wrote.end() :]}".replace(_ADDRESS_MARK, " ")
    opener = OPENERS.match(rest)
    words = (rest[opener.end() :] if opener else rest).split()
    dated = [index for index, word in enumerate(words) if any(character.isdigit() for character in word)]
    if dated:
        if dated[-1] - dated[0] > 12 or dated[0] > 8:
            return False
        words, after = words[: dated[0]] + words[dated[-1] + 1 :], words[dated[-1] + 1 :]
        if after[:1] and after[0] in _ARTICLES:
            return False
    else:
        after = words
    letters = [word for word in words if any(character.isalpha() for character in word)]
    return len(letters) <= 9 and _count_small(words) <= (3 if opener and dated else 0) and not _count_small(after)


def _count_small(words: Sequence[str]) -> int:
    """Words that are no part of a name."""
    return sum(word[:1].islower() and "_" not in word and word.strip(",.:") not in PARTICLES for word in words)


def _is_dated_name(marked: str) -> bool:
    words = marked.rstrip(":> ").split()
    dated = [index for index, word in enumerate(words) if any(character.isdigit() for character in word)]
    return (
        dated[0] <= 2
        and dated[-1] - dated[0] <= 10
        and 0 < len(words) - dated[-1] - 1 <= 6
        and _is_name(words[dated[-1] + 1 :], 6)
    )
