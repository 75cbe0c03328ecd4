"""What somebody is to be told, from what is wrong now and what was told before. Pure.

    something begins -> told, once it has lasted for its patience | still there a day later -> again | over -> told

Words are fixed for every kind, so no alarm can hold a word of a mail, of a server or of an address.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

Kind = Literal[
    "needs-person",
    "trouble",
    "stopped",
    "paused",
    "silence",
    "training",
    "model",
    "secret",
    "disk",
    "database",
    "settings",
]
Key = tuple[Kind, str]
"""What is wrong, and in which mailbox; "": in none of them alone."""
Event = Literal["begins", "lasts", "over", "trial"]

AGAIN = timedelta(days=1)
PATIENCE: Mapping[Kind, timedelta] = {"trouble": timedelta(minutes=30), "database": timedelta(minutes=5)}
"""A mail server that is away for some minutes is nobody's business."""
WORDS: Mapping[Kind, tuple[str, str]] = {
    "needs-person": ("cannot be opened until a person has acted", "can be opened again"),
    "trouble": ("could not be looked at for half an hour or more", "is looked at again"),
    "stopped": ("looks wrong, so nothing at all is done there", "is worked on again"),
    "paused": ("is paused: nothing is sorted", "is sorted again"),
    "silence": ("has had no new mail for unusually long", "gets mail again"),
    "training": ("was not trained as it should: nights fail or are missing", "is trained again"),
    "model": ("has a model that cannot be used, so mail stays where it is", "has a model that can be used again"),
    "secret": ("has a secret that ends soon, or has ended", "has a secret that lasts"),
    "disk": ("The disk of the state directory is full or cannot be written.", "There is room on the disk again."),
    "database": ("The database cannot be read or written.", "The database can be used again."),
    "settings": (
        "The settings were read again and refused: the service works by those before.",
        "The settings in the file are in use again.",
    ),
}
"""What is said while it is so, and when it is over; of a mailbox after its name."""


@dataclass(frozen=True)
class Noted:
    """Since when something is wrong, and when that was told last; None: not yet."""

    since: datetime
    told: datetime | None = None


@dataclass(frozen=True)
class Notice:
    """One thing to tell."""

    event: Event
    kind: Kind | None
    mailbox: str
    since: datetime

    @property
    def text(self) -> str:
        """In a sentence."""
        if self.kind is None:
            return "This is a trial: Postroom can tell you when something is wrong."
        words = WORDS[self.kind][self.event == "over"]
        if not self.mailbox:
            return words if self.event != "lasts" else f"Still, since {self.since:%Y-%m-%d %H:%M} UTC: {words}"
        still = "still " if self.event == "lasts" else ""
        since = f" (since {self.since:%Y-%m-%d %H:%M} UTC)" if self.event == "lasts" else ""
        see = "" if self.event == "over" else f" See `postroom status --mailbox {self.mailbox}`."
        return f"Mailbox {self.mailbox} {still}{words}{since}.{see}"


def to_tell(
    wrong: Collection[Key], noted: Mapping[Key, Noted], unknown: Collection[str], now: datetime
) -> tuple[list[Notice], dict[Key, Noted]]:
    """What is to be told now, and what is noted once it was.

    `unknown`: mailboxes of which nobody knows yet how they are, since the service has just begun: theirs stays noted.
    """
    notices, after = list[Notice](), dict[Key, Noted]()
    for key in sorted({*wrong, *noted}):
        kind, mailbox = key
        known = noted.get(key)
        if key not in wrong:
            if known is not None and mailbox in unknown:
                after[key] = known
            elif known is not None and known.told is not None:
                notices.append(Notice("over", kind, mailbox, known.since))
            continue
        known = known or Noted(now)
        event: Event = "begins" if known.told is None else "lasts"
        since = known.since if known.told is None else known.told
        due = PATIENCE.get(kind, timedelta()) if known.told is None else AGAIN
        if now - since >= due or now < since:  # the clock was set back: better twice than never
            notices.append(Notice(event, kind, mailbox, known.since))
            known = replace(known, told=now)
        after[key] = known
    return notices, after


def not_told(noted: Mapping[Key, Noted], after: Mapping[Key, Noted]) -> dict[Key, Noted]:
    """What is noted where telling failed: what began has begun, and all else is as it was."""
    return {**{key: Noted(found.since) for key, found in after.items()}, **noted}
