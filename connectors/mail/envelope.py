"""What the header says of a mail that helps to read its text: who wrote to whom, what about, and whether it answers.

The names are those of IMAP's ENVELOPE (RFC 9051 section 7.5.2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

# "Re:" as mail programs write it, with the tags and numbers that gateways and helpdesks put around it.
_TAGS = r"(?:\s*(?:\[[^\]]{0,60}\]|\([^)]{0,60}\)|\*[^*]{1,40}\*|\{[^}]{0,40}\}))*\s*"
_ANSWERS = (
    r"re|aw|antw?|sv|vs|ref|res|resp|r|rif|rép|odp|od|vá|ynt|cev|atb|ats|ha|na|bls|vl|vb|hs|отв|ответ|відп|відповідь"
    r"|отг|απ|απάντηση|σχετ|回复|回覆|答复|答覆|返信|답장|회신|رد|الرد|תגובה|השב|trả lời|bals|ots|odg|svar|antwort|réf"
)
_REPLY_PREFIX = re.compile(
    rf"{_TAGS}(?:{_ANSWERS})\s?(?:\[\d{{1,3}}\]|\(\d{{1,3}}\)|\^\d|\d{{1,3}})?\s?[:：]", re.IGNORECASE
)
_ANY_PREFIX = re.compile(rf"{_TAGS}(?:[^\W\d_]{{1,10}}(?: [^\W\d_]{{1,8}})?\s?(?:\[\d{{1,3}}\])?\s?[:：])?\s*")
_ADDRESS = re.compile(r"[\w.+'-]{1,64}@[\w.-]{1,200}")
_WORD = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True)
class Envelope:
    """What is known of one mail beside its text; all may be unknown. Nothing in it is trusted."""

    sender: str = ""
    """ "Ann Lee <ann@example.org>"."""
    recipients: str = ""
    """All of To and Cc, in the same form."""
    subject: str = ""
    in_thread: bool | None = None
    """Are there In-Reply-To or References? None: nobody knows."""
    forwarded: bool = False
    """The subject announces a forward ("WG:", "Fwd:"): a header block starts content and not history."""

    @cached_property
    def is_first(self) -> bool:
        """Nothing says that this mail answers another: what it quotes is what it is about."""
        known = self.in_thread is False or (self.in_thread is None and bool(self.subject))
        return known and not _REPLY_PREFIX.match(self.subject)

    @cached_property
    def topic(self) -> str:
        """The subject without prefixes and tags, in small letters."""
        topic = self.subject
        for _ in range(4):
            topic = topic[_ANY_PREFIX.match(topic).end() :] if _ANY_PREFIX.match(topic) else topic  # type: ignore[union-attr]
        return " ".join(topic.casefold().split())

    @cached_property
    def people(self) -> tuple[str, ...]:
        """The display names of sender and recipients, in small letters, four letters or more each."""
        names = (
            one.partition("<")[0].strip(" \"'").casefold() for one in f"{self.sender}, {self.recipients}".split(">")
        )
        return tuple(name for name in (name.lstrip(', "') for name in names) if len(name) >= 4 and "@" not in name)

    @cached_property
    def sender_words(self) -> frozenset[str]:
        """The words of the sender's name and of the local part of the address, in small letters."""
        before = self.sender.partition("@")[0]
        return frozenset(word.casefold() for word in _WORD.findall(before))

    def names(self, text: str) -> bool:
        """Does `text` hold an address, or the name of one of the people?"""
        small = text.casefold()
        return bool(_ADDRESS.search(text)) or any(name in small for name in self.people)

    def is_about(self, subject: str) -> bool:
        """Is `subject` that of this mail, but for prefixes? Unknown counts as yes."""
        if not self.subject:
            return True
        mine, other = self.topic, Envelope(subject=subject).topic
        return bool(mine) and bool(other) and (mine in other or other in mine)


UNKNOWN = Envelope()
"""Nothing is known: the text is taken for that of a reply."""
