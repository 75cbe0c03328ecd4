"""What a connector gives as a mail's text can be read, stored and handed to the trainer."""

from __future__ import annotations

import json

from connectors.base import MailText
from daemon.training.order import Lesson


def test_half_a_character_from_a_helpdesk_is_no_text() -> None:
    """An API that cuts at so many UTF-16 units halves an emoji, and JSON lets that pass."""
    cut = json.loads('"Thanks \\ud83d"')
    text = MailText(sender=cut, to=cut, list_id=cut, subject=cut, attachments=(cut,), body=cut)
    assert text == MailText(*["Thanks ?"] * 4, ("Thanks ?",), "Thanks ?")
    assert Lesson.model_validate_json(Lesson(id=1, category="c1", text=text).model_dump_json()).text == text


def test_whole_characters_stay_as_they_are() -> None:
    text = MailText(subject="Grüße \U0001f600", attachments=("Übersicht.pdf (application/pdf)",), body="日本語")
    assert (text.subject, text.attachments, text.body) == (
        "Grüße \U0001f600",
        ("Übersicht.pdf (application/pdf)",),
        "日本語",
    )
