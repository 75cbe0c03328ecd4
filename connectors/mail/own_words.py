"""How much the sender says in words of their own. Pure.

    body without what it answers (`connectors.mail.quotes`) | up to the farewell | words

"Please find attached" tells nothing, and its file everything; of a complaint the file is perhaps only its invoice. So
what files say counts where the sender's own words are few.
"""

from __future__ import annotations

import re

from connectors.base import MailText

FEW = 20
"""Words: with fewer the files are read."""

_WORD = re.compile(r"[^\W\d_]{2,}")


def own_words(body: str) -> int:
    """How many words the sender wrote, as far as it can be told."""
    return len(_WORD.findall(body))


def says_little(text: MailText) -> bool:
    """Does the mail itself say so little that its files count?"""
    return own_words(text.body) < FEW
