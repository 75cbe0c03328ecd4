"""One person's address, or everybody's at a domain, and where lessons hold it. Pure.

"ann@example.org"     that address, wherever it stands
"@example.org"        every address at it, and at the domains below it
"""

from __future__ import annotations

import re
from typing import Literal

from connectors.base import MailText
from daemon.errors import ExitCode, PostroomError

Place = Literal["sender", "recipient", "text"]


class BadAddress(PostroomError):
    """Neither an address nor a domain."""

    exit_code = ExitCode.MISTAKE


class Person:
    """Raises BadAddress for what is neither "name@domain" nor "@domain"."""

    def __init__(self, words: str) -> None:
        self.words = words.strip().lower()
        if not re.fullmatch(r"[^\s<>,;@]*@[^\s<>,;@]+", self.words):
            raise BadAddress(words, "is not an address.", "Write ann@example.org, or @example.org for all of a domain.")
        name, _, domain = self.words.partition("@")
        at, end = "(?:@|%40|=40)", r"(?![\w-]|\.\w)"
        if name:
            pattern = rf"(?<![\w.+-]){re.escape(name)}{at}{re.escape(domain)}{end}"
        else:
            pattern = rf"{at}(?:[\w-]+\.)*{re.escape(domain)}{end}"
        self._pattern = re.compile(pattern, re.IGNORECASE)

    def in_words(self, words: str | None) -> bool:
        """Does the address stand there?"""
        return words is not None and self._pattern.search(words) is not None

    def place(self, text: MailText) -> Place | None:
        """Where a mail holds the address, the first that applies; None: nowhere."""
        if self.in_words(text.sender):
            return "sender"
        if self.in_words(text.to):
            return "recipient"
        return "text" if any(map(self.in_words, (text.list_id, text.subject, text.body, *text.attachments))) else None
