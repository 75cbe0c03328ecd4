"""What only travels along with a mail: warning banner, legal notice, list footer, signature, advertisement.

The measure is asymmetric: a footer that stays costs little, a request that goes costs the mail. So each is cut only on
positive marks of two kinds, and nothing is cut of which a salutation alone would be left. What a person could have
written about, a virus, a confidential file, an external mail, is no mark.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from connectors.mail import strip_words as words
from connectors.mail.envelope import UNKNOWN, Envelope
from connectors.mail.quote_words import RULE

FIRST_NOT_LATIN = 0x250
LONGEST_BANNER = 500
MOST_CARD_LINES = 20
MOST_NOTICE_PARAGRAPHS = 6
MOST_NOTICE_LINES = 60
MOST_LINES_BELOW_SIGN_OFF = 14
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=\S)|(?<=[。！？])\s*(?=[^\s。！？])")
_ANGLED = re.compile(r"\s?<[^<>]{1,300}>")
_NUMBER = re.compile(r"(?<![\w@/])\d[\d/.,-]*")
_WORD_SIGNS = re.compile("[\u0e00-\u0e7f\u2e80-\ud7af]")
_INITIALS = re.compile(r"[-–/ ]{0,3}[^\W\d_]{1,3}\.?[-–/ ]{0,3}")


def letters(lines: Sequence[str]) -> int:
    """Letters and digits; one of a script that writes a word with one or two signs counts as three."""
    found = 0
    for line in lines:
        line = line[:500]
        found += sum(map(str.isalnum, line))
        if not line.isascii():
            found += 2 * len(_WORD_SIGNS.findall(line))
    return found


def strip_tail(lines: Sequence[str], envelope: Envelope) -> list[str]:
    """One passage without all of these. May leave nothing, if there is nothing else."""
    kept = list(lines)
    for strip in (_without_banner, _without_list_footer, _without_advertisement):
        kept = _guarded(strip(kept), kept)
    kept = _guarded(_without_notice(kept, envelope), kept)
    unsigned = _guarded(_without_signature(kept, envelope), kept)
    if len(unsigned) < len(kept):  # more of them may stand above the card
        unsigned = _guarded(_without_advertisement(unsigned), unsigned)
        unsigned = _guarded(_without_notice(unsigned, envelope), unsigned)
    kept = list(unsigned)
    drop_rule(kept)
    return kept


def _guarded(cut: list[str], before: list[str]) -> list[str]:
    """What is cut, unless a salutation and a sign-off alone would be left of what was there before."""
    return cut if len(cut) == len(before) or _says_something(cut) else before


def drop_rule(lines: list[str]) -> None:
    """Empty lines and rulers at the end go."""
    while lines and (not lines[-1] or RULE.match(lines[-1])):
        lines.pop()


def _says_something(kept: Sequence[str]) -> bool:
    """Is more left than a salutation, or a sign-off and a name?"""
    said = [line for line in kept if line and letters([line]) and not is_salutation(line)]
    if not said or not words.SIGN_OFF.fullmatch(said[0][:100]):
        return bool(said)
    return len(said) > 2 or any(len(line.split()) > 3 for line in said)


def is_salutation(line: str) -> bool:
    """ "Guten Tag, Frau Roth," is one, "Guten Tag, die Pumpe tropft." is none."""
    if not words.SALUTATION.fullmatch(line):
        return False
    said = line.partition(",")[2].split()
    return len(said) < 3 or not any(word.islower() for word in said)


def _without_advertisement(lines: list[str]) -> list[str]:
    """Without "Sent from my ..." as a line of its own at the end."""
    kept = list(lines)
    while kept:
        drop_rule(kept)
        if not kept or not _is_advertisement(kept[-1]):
            return kept or list(lines)
        if len(kept) == 1:
            return kept
        kept.pop()
    return list(lines)


def _is_advertisement(line: str) -> bool:
    bare = _ANGLED.sub("", line[:400]).strip(" .!*_-–—()[]")
    if len(bare) > 80 or len(bare.split()) > 11 or not words.SENT_FROM.fullmatch(bare):
        return False
    if not words.DEVICE.search(bare) or re.search(r"[.,;:!?] \S|\d{3,}", bare):
        return False
    return all(_fits_beside_a_device(word) for word in words.SENT_FROM.fullmatch(bare)["rest"].split())  # type: ignore[index]


def _fits_beside_a_device(word: str) -> bool:
    """A name, a number, a device, one of the small words, or a script that has no small letters to tell by."""
    is_small = word.islower() and ord(word[0]) < FIRST_NOT_LATIN
    return not is_small or bool(words.BESIDE_DEVICES.fullmatch(word)) or bool(words.DEVICE.search(word))


def _without_banner(lines: list[str]) -> list[str]:
    """Without what a company's mail server puts on top: whence the mail comes, and what the reader shall not do."""
    start = next((index for index, line in enumerate(lines[:4]) if line), None)
    if start is None:
        return lines
    end = next((index for index in range(start, len(lines)) if not lines[index]), len(lines))
    if words.BANNER_TAG.fullmatch(lines[start]) and len(lines[start]) < 40:
        return lines[start + 1 :]
    paragraph = " ".join(lines[start : min(end, start + 8)])[:1_200]
    start_of_it = paragraph[:LONGEST_BANNER].lower()
    if not any(stem in start_of_it for stem in words.OUTSIDE_STEMS):
        return lines
    sentences = _SENTENCE.split(paragraph)
    count = 0
    while count < len(sentences) and _is_of_banner(sentences[count]):
        count += 1
    banner = " ".join(sentences[:count]).lower()
    if not (words.FROM_OUTSIDE.search(banner) and words.BE_CAREFUL.search(banner)):
        return lines
    rest = " ".join(sentences[count:])
    return ([rest] if rest else []) + lines[min(end, start + 8) :]


def _is_of_banner(sentence: str) -> bool:
    small = sentence.lower()
    patterns = (words.FROM_OUTSIDE, words.BE_CAREFUL, words.BANNER_SENTENCE)
    return any(pattern.search(small) for pattern in patterns) and not small.rstrip().endswith("?")


def _without_list_footer(lines: list[str]) -> list[str]:
    """Without what a list's software adds below a rule: the list's name or the way out, and where that is."""
    for index in range(max(0, len(lines) - 8), len(lines)):
        footer = [line[:300] for line in lines[index + 1 :] if line]
        if not RULE.match(lines[index]) or not any(words.LIST_FOOTER.search(line) for line in footer):
            continue
        if not any(words.LINK.search(line) for line in footer):
            continue
        above = lines[:index]
        # Some lists put an advertisement above the footer, behind a rule of its own.
        rules = [number for number in range(max(0, index - 7), index) if RULE.match(above[number])]
        return above[: rules[0]] if rules else above
    return lines


def _without_notice(lines: list[str], envelope: Envelope) -> list[str]:
    """Without the sentences of a legal notice in the last paragraphs; the other sentences stay.

    Below its first paragraph there may be more of it, and a visiting card.
    """
    tail = " ".join(lines[-MOST_NOTICE_LINES:])[-3_000:].lower()
    if not any(stem in tail for stem in (*words.NOTICE_STEMS, *words.PRINTING_STEMS)):
        return lines
    kept = list(lines)
    above = len(kept)
    for _ in range(MOST_NOTICE_PARAGRAPHS):
        while above and (not kept[above - 1] or _is_divider(kept[above - 1])):
            above -= 1
        start = above
        while start and kept[start - 1] and not _is_divider(kept[start - 1]):
            start -= 1
        paragraph = kept[start:above]
        rest = beside_notice(" ".join(paragraph))
        if rest is not None:
            kept = kept[:start] + ([rest] if rest else [])
            drop_rule(kept)
            if rest:
                break
        elif not _may_follow_notice(paragraph, envelope):
            break
        above = min(start, len(kept))
    return kept


def _is_divider(line: str) -> bool:
    return bool(RULE.match(line) or words.DASHES.fullmatch(line))


def _may_follow_notice(paragraph: list[str], envelope: Envelope) -> bool:
    sentences = _SENTENCE.split(" ".join(paragraph)[:3_000].strip())
    return all(is_of_notice(one) for one in sentences) or _is_card(paragraph, MOST_LINES_BELOW_SIGN_OFF, envelope)


def beside_notice(paragraph: str) -> str | None:
    """What a paragraph says beside a legal notice; None if it holds none."""
    if not 40 <= len(paragraph) <= 6_000:
        return None
    if words.PRINTING.match(paragraph) and len(paragraph) < 250:
        return ""
    if not words.NOTICE_FOR.search(paragraph.lower()):
        return None
    sentences = _SENTENCE.split(paragraph)
    opened = next((index for index, one in enumerate(sentences) if words.NOTICE_OPENS.search(one)), None)
    if opened is None:
        return None
    notice = " ".join(sentences[opened:]).lower()
    if not words.NOTICE_FOR.search(notice) or not words.NOTICE_WORDS.search(notice) or "?" in notice:
        return None
    own = [one for index, one in enumerate(sentences) if index < opened or not is_of_notice(one)]
    return " ".join(own).strip()


def is_of_notice(sentence: str) -> bool:
    small = sentence.lower()
    patterns = (words.NOTICE_OPENS, words.NOTICE_FOR, words.NOTICE_WORDS, words.PRINTING)
    return any(pattern.search(small) for pattern in patterns) or letters([sentence]) < 3


def _without_signature(lines: list[str], envelope: Envelope) -> list[str]:
    """Without what follows "-- " (RFC 3676 section 4.3) or a sign-off, if it is a visiting card."""
    for index in range(max(0, len(lines) - 42), len(lines)):  # 20 lines and as many empty ones
        # Programs write "--"; the others are dividers as often.
        least = 1 if lines[index] == "--" else 2
        if words.DASHES.fullmatch(lines[index]) and _is_card(lines[index + 1 :], MOST_CARD_LINES, envelope, least):
            return lines[:index]
    # Looked for from below: a "Thanks" further up is part of the conversation.
    for index in range(len(lines) - 1, max(-1, len(lines) - 26), -1):
        name = _signed(lines[index], envelope)
        if name is None:
            continue
        # The sign-off and the name below it are the sender's words, and short.
        end = index + 1
        if not name:
            end = next((number + 1 for number in range(end, min(end + 3, len(lines))) if lines[number]), end)
            if end > index + 1 and not _is_name(lines[end - 1], envelope):
                end = index + 1
        if _is_card(lines[end:], MOST_LINES_BELOW_SIGN_OFF, envelope):
            return lines[:end]
    return lines


def is_sign_off(line: str) -> bool:
    """Does the sender take leave here, with or without a name behind it?"""
    return _signed(line, UNKNOWN) is not None or bool(words.FAREWELL.match(line))


def _signed(line: str, envelope: Envelope) -> str | None:
    """If the line is a sign-off: the name that follows on the same line, mostly none."""
    match = words.SIGN_OFF.match(line[:100])
    if match is None or len(line) > 100:
        return None
    name = match["name"].strip(" ,.!-–")
    if name and (not match["end"].strip() and not match["name"].startswith(" ")):
        return None
    return name if not name or _is_name(name, envelope) else None


def _is_card(lines: Sequence[str], most: int, envelope: Envelope, least: int = 1) -> bool:
    """Short lines that ask for nothing, with `least` kinds of marks: a name, a telephone, an address, a firm."""
    filled = [line for line in lines if line and not RULE.match(line)]
    if len(filled) > most or any(_is_said(line) for line in filled):
        return False
    found = [_mark_of_card(line, envelope) for line in filled]
    kinds = {mark for mark in found if mark}
    if kinds <= {"web"} or len(kinds) < least or (least > 1 and not kinds & {"phone", "web", "mail"}):
        return False
    if len(kinds) < 3 and any(_is_sentence(line, mark) for line, mark in zip(filled, found, strict=True)):
        return False
    if sum(_is_somebody_else(line, envelope) for line in filled) > 1:
        return False
    marked = len(found) - found.count(None)
    return marked * 3 >= len(filled) or found[0] is not None


def may_be_of_card(line: str) -> bool:
    """May a line below a farewell belong to a visiting card? Not what is asked, counted or told in a sentence."""
    return not _is_said(line) and not _is_sentence(line, _mark_of_card(line, UNKNOWN))


def is_marked(line: str) -> bool:
    """Does the line hold what visiting cards have, and a request hardly ever: a telephone, an address, a street?"""
    return any(pattern.search(line) for pattern in (words.PHONE, words.WEB, words.STREET))


def _is_somebody_else(line: str, envelope: Envelope) -> bool:
    """ "Bob Ray, tel. 0123 456789", where the sender is known and is not Bob Ray: an item of a list."""
    named = re.match(r"[^\W\d_]+ [^\W\d_]+[,:;]", line)
    if not named or not envelope.people or not named[0].istitle() or not words.PHONE.search(line):
        return False
    return not any(word in envelope.sender_words for word in named[0].casefold().strip(",:;").split())


def _is_sentence(line: str, mark: str | None) -> bool:
    """Four words or more, most of them small, or a full stop without any mark: no title, no name."""
    if mark is None and line.endswith((".", "!")) and " " in line:
        return True
    small = [word for word in line.split() if word[:1].islower() and len(word) > 3]
    return len(small) >= 3 and not words.WEB.search(line)


def _mark_of_card(line: str, envelope: Envelope) -> str | None:
    if _is_name(line, envelope):
        return "name"
    marks = {"phone": words.PHONE, "mail": words.MAIL, "web": words.WEB, "firm": words.FIRM, "street": words.STREET}
    return next((mark for mark, pattern in marks.items() if pattern.search(line)), None)


def _is_name(line: str, envelope: Envelope) -> bool:
    """The sender's name; where no name is known, one to four words with capitals."""
    found = [word for word in re.findall(r"[^\W\d_]+", line) if len(word) > 1]
    if not 0 < len(found) <= 6 or any(character.isdigit() for character in line):
        return len(line) <= 10 and bool(_INITIALS.fullmatch(line))
    if any(word.casefold() in envelope.sender_words for word in found):
        return True
    known = len(envelope.sender_words) > 1 and bool(envelope.people)
    return (
        not known
        and len(found) <= 4
        and all(not word[:1].islower() or word in ("de", "van", "von", "der") for word in found)
    )


def _counts(line: str) -> int:
    return len(_NUMBER.findall(line))


def _is_said(line: str) -> bool:
    """Something that a person wrote for this mail: a question, a quantity, a field, a request, an item of a list."""
    if len(line) > 150 or line.endswith("?") or words.POSTSCRIPT.match(line[:20]) or words.ACCOUNT.search(line):
        return True
    if words.CARD_LABEL.match(line) or words.PHONE.search(line):
        return bool(words.ASKS.search(line)) or _counts(words.PHONE.sub(" ", line)) > 3
    if _counts(line) > 2:  # rows of a table
        return True
    if words.UNITS.search(line) or words.NUMBERED.search(line) or words.BULLET.match(line):
        return True
    if words.WEB.search(line) or words.STREET.search(line) or words.FIRM.search(line):
        return bool(words.ASKS.search(line))
    return bool(words.ANY_LABEL.match(line) or words.ASKS.search(line))
