"""One person's address, or everybody's at a domain, and where lessons hold it.

"ann@example.org"     that address, wherever it stands
"@example.org"        every address at it, and at the domains below it

Mail holds an address in many a dress, so it is looked for as the text stands and in a copy without what links and mail
programs make of it: %40 (RFC 3986), =40 (RFC 2045), &#64; (HTML), full-width letters (Unicode NFKC), and a domain with
umlauts as either of its two forms (RFC 3492).
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from typing import Literal
from urllib.parse import unquote

from connectors.base import MailText
from daemon.mistakes import ExitCode, PostroomError

Place = Literal["sender", "recipient", "text"]

ROUNDS = 3
"""A link within a link is encoded twice."""
_LABEL = r"[^\W_](?:[\w-]*[^\W_])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\]", re.IGNORECASE)
_BEFORE = r"(?<![^\W_])(?<![^\W_][.+'_-])(?<![^\W_]__)"
"""Not within a longer name: o'brien is not brien. A mark that no letter precedes is emphasis: _ann@x.org_."""
_AFTER = re.compile(r"[^\W_]|-[^\W_]|\.[^\W_]")
_SENTENCE = re.compile(r"\.[A-ZÀ-ÖØ-Þ][^\W\d_A-Z]+(?![\w-]|\.\w)")
"""No part of a domain in small letters: the next sentence, without a space before it."""


class BadAddress(PostroomError):
    """Neither an address nor a domain."""

    exit_code = ExitCode.MISTAKE


class Person:
    """Raises BadAddress for what is neither "name@domain" nor "@domain". What people copy along with an address is left
    out: quotes, angle brackets, mailto:, a full stop."""

    def __init__(self, words: str) -> None:
        bare = _bare(words)
        self.words = bare.lower()
        name, at, domain = bare.rpartition("@")  # as written: a Turkish capital's small letter is two characters
        domain = domain.lower()
        if not at or not _DOMAIN.fullmatch(domain) or not re.fullmatch(r"[^\s<>,;@*\"]*", name):
            raise BadAddress(words, "is not an address.", "Write ann@example.org, or @example.org for all of a domain.")
        if not name and "." not in domain:
            what = f"is not an address. Half of the world is at {self.words}."
            raise BadAddress(words, what, "Name the whole domain, such as @example.org.")
        self._domains = _forms(domain)
        ways = "|".join(re.escape(domain) for domain in sorted(self._domains))
        before = rf"{_BEFORE}{re.escape(name)}@" if name else r"@(?:[\w-]+\.)*"
        self._pattern = re.compile(rf"{before}(?P<domain>{ways})", re.IGNORECASE)
        self.domain = domain
        self.everybody_at = None if name else domain

    def in_words(self, words: str | None) -> bool:
        """Does the address stand in this text?"""
        return words is not None and any(map(self._stands_in, _readings(words)))

    def is_all_of(self, domain: str) -> bool:
        """Is everybody at this domain meant?"""
        return self.everybody_at is not None and not self._domains.isdisjoint(_forms(domain.lower()))

    def _stands_in(self, words: str) -> bool:
        for found in self._pattern.finditer(words):
            if not _AFTER.match(words, found.end()):
                return True
            if found["domain"].islower() and _SENTENCE.match(words, found.end()):
                return True
        return False

    def place(self, text: MailText) -> Place | None:
        """Where a mail holds the address, the first that applies; None: nowhere."""
        if self.in_words(text.sender):
            return "sender"
        if self.in_words(text.to):
            return "recipient"
        words = (text.list_id, text.subject, text.body, *text.attachments, text.attached_text)
        return "text" if any(map(self.in_words, words)) else None


def _bare(words: str) -> str:
    bare = unicodedata.normalize("NFKC", words).strip(" \t\r\n\"'<>")
    return re.sub(r"^mailto:", "", bare, flags=re.IGNORECASE).strip(" \"'<>").rstrip(".,;")


def _forms(domain: str) -> set[str]:
    """The domain as it was written, as people write it and as mail servers do."""
    labels = domain.split(".")
    return {domain, ".".join(map(_written, labels)), ".".join(map(_sent, labels))}


def _sent(label: str) -> str:
    return label if label.isascii() else f"xn--{label.encode('punycode').decode('ascii')}"


def _written(label: str) -> str:
    try:
        return label[4:].encode("ascii").decode("punycode") if label.startswith("xn--") else label
    except UnicodeError:  # it only looks like one
        return label


def _readings(words: str) -> Iterator[str]:
    """The text, then what it says without its encodings."""
    yield words
    before = unicodedata.normalize("NFKC", words)
    if before != words:
        yield before
    for _ in range(ROUNDS):
        plain = html.unescape(unquote(before))
        if plain != before:
            yield plain
        plain = re.sub(r"=\r?\n|=([0-9A-Fa-f]{2})", _printable, plain)
        if plain == before:
            return
        yield plain
        before = plain


def _printable(found: re.Match[str]) -> str:
    """What quoted-printable stands for: an ASCII character, or nothing at the end of a line."""
    if found[1] is None:
        return ""
    code = int(found[1], 16)
    return chr(code) if code < 0x80 else found[0]
