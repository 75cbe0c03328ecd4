"""How much the sender says in words of their own that tell what the mail is about. Pure, linear, never raises.

    body without what it answers (`connectors.mail.quotes`) | without salutation, addresses, numbers, file names, and
    the header of a forwarded mail
    | below the farewell only what is no visiting card and no legal notice
    | without names of sender and recipients, and without words that tell nothing (`empty_words`)  ->  a count

"Please find attached, do not hesitate to call me" tells nothing, and its file everything; "two chairs are broken" tells
all, and its file is perhaps only the invoice. So what files say counts where the sender's own telling words are few.
The mere number of words tells the two hardly apart (docs/experiments.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from connectors.base import MailText
from connectors.mail.empty_words import EMPTY
from connectors.mail.header_blocks import label
from connectors.mail.strip_words import NOTICE_STEMS
from connectors.mail.strippers import beside_notice, is_marked, is_of_notice, is_salutation, is_sign_off, may_be_of_card

FEW = 3
"""Telling words: with fewer the files are read."""

LONGEST = 20_000
"""Characters of a body that are looked at; far more than `FEW` words."""
LONGEST_NAMES = 1_000
LONGEST_LINE = 400
"""Characters of which it is told what a line is; a longer one is said by the sender."""
LONGEST_TOKEN = 60
MOST_NAMES, MOST_OF_A_NAME = 5, 3
KNOWN_SHARE = 0.1
"""Of a text in a language that `empty_words` knows, at least such a part of the words is among them, as a rule a half.
Of another language's words every second one counts as telling."""
HEADER = ("from", "subject")
"""The fields of a forwarded mail that its text begins with."""
A_WORD = 3
"""Signs of a script that puts no blanks between its words."""
MOST_BELOW, MOST_CARD_LINES = 6, 20

# "Sent from my mobile, please excuse typos".
_EXCUSES = re.compile(
    r"(?:excus|forgive|pardon|sorry for|entschuldig|disculp|perdon|scusa|desculp).{0,40}"
    r"(?:typo|error|mistake|brevity|spelling|fehler|kürze|faute|frappe|brièveté|brevedad|brevità|errore|erros)",
    re.IGNORECASE,
)
_EMPTY_LINES = re.compile(r"\n[^\S\n]*\n")
_WORD = re.compile(r"[^\W\d_]{2,}")
_NO_WORD = re.compile(r"[@\d/\\]|^www\.|\.[A-Za-z]{2,4}\W*$")
_SIGN = re.compile("[\u0e00-\u0e7f\u2e80-\ua4cf\uf900-\ufaff]")


def telling_words(text: MailText) -> int:
    """How many of the sender's own words tell something, as far as it can be known."""
    lines = _without_card(text.body[:LONGEST])
    people = [text.sender[:LONGEST_NAMES], text.to[:LONGEST_NAMES], *(line for line in lines if label(line) == "from")]
    names = {name for person in people for name in _WORD.findall(person.casefold())}
    said = [word for line in _said(lines) for word in _words(line)]
    told = [word for word in said if word not in EMPTY]
    telling = sum(word not in names for word in told)
    return telling if len(said) - len(told) >= KNOWN_SHARE * len(said) else telling // 2


def says_little(text: MailText) -> bool:
    """Does the mail itself say so little that its files count?"""
    return telling_words(text) < FEW


def _without_card(body: str) -> list[str]:
    """The lines that are not empty, without the visiting card at the end and what stands below it, a legal notice.

    A card shows what it is without a farewell: a telephone, an address on the web, a street. What says something on a
    line of its own is none.
    """
    paragraphs = [
        lines
        for paragraph in _EMPTY_LINES.split(body)
        if (lines := [found for line in paragraph.splitlines() if (found := " ".join(line.split()))])
    ]
    for number in range(len(paragraphs) - 1, max(-1, len(paragraphs) - 1 - MOST_BELOW), -1):
        if not all(map(_only_travels, paragraphs[number])):
            break
        if number and len(paragraphs[number]) <= MOST_CARD_LINES and any(map(is_marked, paragraphs[number])):
            del paragraphs[number:]
            break
    return [line for lines in paragraphs for line in lines]


def _said(lines: Sequence[str]) -> Iterator[str]:
    """The lines in which somebody says something: the sender, or who wrote what the sender forwards.

    Not the header of a forwarded mail: what that names is what the mail's own subject names.
    """
    farewell = False
    for number, line in enumerate(lines[:-1] if len(lines) > 1 and _is_name(lines[-1]) else lines):
        if label(line) in HEADER:
            farewell = False
        elif len(line) <= LONGEST_LINE and is_sign_off(line):
            farewell = True
        elif not (_greets(line, number) or _EXCUSES.search(line[:LONGEST_LINE]) or (farewell and _only_travels(line))):
            yield _without_notice(line)


def _greets(line: str, number: int) -> bool:
    """By its words, or as first line by its shape: "Jeff / Ann,"."""
    return is_salutation(line[:LONGEST_LINE]) or (
        number == 0 and line.endswith(",") and len(line) < LONGEST_TOKEN and len(line.split()) <= MOST_NAMES
    )


def _is_name(line: str) -> bool:
    """ "Suzanne", "Max Mustermann": without a word of farewell above it."""
    found = line.split()
    return len(found) <= MOST_OF_A_NAME and all(word[0].isupper() and word[-1].isalpha() for word in found)


def _only_travels(line: str) -> bool:
    return len(line) <= LONGEST_LINE and (may_be_of_card(line) or is_of_notice(line))


def _without_notice(line: str) -> str:
    """A mail that holds nothing but a legal notice keeps it; the sender has said nothing all the same."""
    if not any(stem in line.lower() for stem in NOTICE_STEMS):
        return line
    rest = beside_notice(line)
    return line if rest is None else rest


def _words(line: str) -> list[str]:
    found: list[str] = []
    for token in line.split():
        token = token[:LONGEST_TOKEN].casefold()
        if not _NO_WORD.search(token):
            signs = len(_SIGN.findall(token))
            found += [token] * -(-signs // A_WORD) if signs else _WORD.findall(token)
    return found
