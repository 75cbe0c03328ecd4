"""The owner's own rules, which come before the model: `[[mailbox.rule]]`, the first that fits decides.

a message | rules in the order of the settings  ->  the first of which every condition fits, and its number
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.base import Message
from daemon.rules.addresses import fits_one

if TYPE_CHECKING:
    from connectors.mailbox_settings import RuleSettings


@dataclass(frozen=True)
class OwnerRule:
    """A rule that fits. `number`: its place in the settings, from 1."""

    number: int
    said: RuleSettings

    @property
    def called(self) -> str:
        """Which it is, for people. Only by what it looks at: an address or a subject stays in the settings."""
        return f"your rule {self.number} ({', '.join(self.said.conditions())})"


def first_that_fits(message: Message, rules: Sequence[RuleSettings]) -> OwnerRule | None:
    """The rule that decides about this message; None: the model does."""
    return next((OwnerRule(number, rule) for number, rule in enumerate(rules, 1) if _fits(message, rule)), None)


def _fits(message: Message, rule: RuleSettings) -> bool:
    text = message.text
    return (
        (not rule.senders or fits_one(message.senders, rule.senders))
        and (not rule.to or fits_one(message.recipients, rule.to))
        and _holds(text.list_id, rule.list_id)
        and _holds(text.subject, rule.subject)
    )


def _holds(text: str, part: str) -> bool:
    """Without regard to case, to how letters are composed (Unicode Annex 15) and to how many spaces there are; nothing
    is in every text."""
    return not part.strip() or _plain(part) in _plain(text)


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text).casefold())
