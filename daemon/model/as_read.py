"""A mail as its reader knows it: where its own words are few, with what its files say. Pure; for training and service.

    MailText, layout | few own words? | the body, and below it the text of the files  ->  MailText

So every part of a model reads the same, and a model that was taught without files goes on without them.
"""

from __future__ import annotations

from dataclasses import replace

from connectors.base import MailText
from connectors.mail.own_words import says_little

LAYOUT = 1
"""Of the text of files, and of where it stands. A model notes with which it was taught; 0: without files."""


def as_read(text: MailText, layout: int) -> MailText:
    """The mail with the text of its files in its body where they count, for a model that was taught with `layout`."""
    if not text.attached_text:
        return text
    if layout != LAYOUT or not says_little(text):
        return replace(text, attached_text="")
    return replace(text, body=f"{text.body}\n{text.attached_text}".strip(), attached_text="")
