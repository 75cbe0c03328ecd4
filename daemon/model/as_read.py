"""A mail as its reader knows it: where its own words are few, with what its files say. Pure; for training and service.

    MailText | office disclaimers dropped | few own words? | the body, and below it the text of the files  ->  MailText

So every part of a model reads the same, and a model that was taught without files goes on without them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from connectors.base import MailText
from connectors.mail.own_words import says_little
from daemon.model.disclaimers import without_disclaimers
from daemon.model.term_key import TermKey

LAYOUT = 1
"""Of the text of files, and of where it stands. A model notes with which it was taught; 0: without files."""


def layout_of(attachments: str) -> int:
    """What a mailbox's models are taught with, by its setting `attachments`."""
    return 0 if attachments == "names" else LAYOUT


def as_taught(text: MailText, disclaimers: Collection[str], key: TermKey, layout: int) -> MailText:
    """A mail as a model learns and judges it: `disclaimers` (checksums under `key`) and `layout` are that model's."""
    return as_read(without_disclaimers(text, disclaimers, key), layout)


def as_read(text: MailText, layout: int = LAYOUT) -> MailText:
    """The mail with the text of its files in its body where they count, for who reads them in `layout`."""
    if not text.attached_text:
        return text
    if layout != LAYOUT or not says_little(text):
        return replace(text, attached_text="")
    return replace(text, body=f"{text.body}\n{text.attached_text}".strip(), attached_text="")
