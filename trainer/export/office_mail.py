"""Invented mail by which the shared reader's channels are made alike before rounding (trainer.export.smoothing).

What an office gets, in the languages in which it gets it, long and short, with the odd things that stand in mail:
tables, quoted replies, numbers, files' names, questions of one line. Only how large each channel grows is taken from
it, so it decides about no category, and it is the same for every mailbox.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from connectors.base import MailText


def office_mail() -> list[MailText]:
    """The mail in office_mail.toml."""
    rows = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))["mail"]
    return [MailText(**{**row, "attachments": tuple(row.get("attachments", ()))}) for row in rows]
