"""What a message's new place says about what people want.

Where it came to rest, who put it there and what we had decided give a Judgement, perhaps with a lesson, or nothing.

A correction is any later place in another *category* folder, or back in the inbox. Neutral folders teach nothing, our
own moves never do, and a message first seen where it lies now was put there by a rule or before our time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from connectors.base import Role
from daemon.store.records import Category, CorrectionKind, KnownSighting, StoredDecision


@dataclass(frozen=True)
class Judgement:
    """A person put the message here. `teaches`: the category to learn it under; None: forget what it taught."""

    kind: CorrectionKind
    from_category: str | None
    to_category: str | None
    from_folder: str | None
    teaches: str | None


def label_means(
    now_at: KnownSighting, places: Sequence[KnownSighting], roles: Mapping[str, Role]
) -> Literal["judge", "wait", "nothing"]:
    """At Gmail a message is in a folder for each of its labels. Does the label `now_at` say what people want?

    `places`: everywhere the message was seen, oldest first, `now_at` among them.
    """
    if now_at.id != places[0].id and now_at.seen == places[0].seen:
        return "nothing"  # it came with this label: a filter's work
    labels = [place for place in places if place.gone is None and roles.get(place.ref.folder) == "category"]
    if not [label for label in labels if label.id != now_at.id]:
        return "judge"
    # "Move to inbox" keeps the label. Of two labels it is not clear which is meant, until one is taken off.
    return "wait" if roles.get(now_at.ref.folder) == "category" else "nothing"


def judge(
    now_at: KnownSighting,
    earlier: Sequence[KnownSighting],
    decision: StoredDecision | None,
    roles: Mapping[str, Role],
    categories_by_folder: Mapping[str, Category],
) -> Judgement | None:
    """What the place `now_at`, in which the message came to rest, means. None: nothing.

    `earlier`: everywhere it was before, oldest first. `decision`: the last one made about it, if any.
    """
    earlier = list(earlier)
    while earlier and earlier[-1].ref.folder == now_at.ref.folder and not earlier[-1].judged:
        earlier.pop()  # it came here before and had not rested long enough to be judged, when its UID changed
    if now_at.ours or not earlier:
        return None
    before = earlier[-1]
    if before.ref.folder == now_at.ref.folder:  # UIDs restarted, or moved away and back before anybody looked
        return None
    role = roles.get(now_at.ref.folder)
    put_by_us = any(sighting.ours for sighting in earlier)
    had = categories_by_folder.get(before.ref.folder)
    if role == "inbox":
        rested = next((place.ref.folder for place in reversed(earlier) if place.judged), None)
        if not put_by_us and (had is None or rested == now_at.ref.folder):
            return None  # also a slip of the mouse, taken back before it counted
        return Judgement("rejection", had.uid if had else None, None, before.ref.folder, None)
    category = categories_by_folder.get(now_at.ref.folder)
    if role != "category" or category is None:
        return None
    if had is not None:
        kind: CorrectionKind = "correction"
    elif decision is not None and decision.category == category.uid:
        kind = "agreement"  # in shadow: a person did what we would have done
    else:
        kind = "filing"
    return Judgement(kind, had.uid if had else None, category.uid, before.ref.folder, category.uid)


def moved_by_rule(
    now_at: KnownSighting, earlier: Sequence[KnownSighting], arrived: datetime | None, window: timedelta
) -> bool:
    """Did it leave its first place within `window` of its arrival, as a server's or mail program's rule makes it?

    The time between two looks counts as time in the first place, so in doubt it was a person. Where the server tells
    who it was, as helpdesks do, nothing has to be guessed.
    """
    if now_at.ours or now_at.who is not None or len(earlier) != 1 or earlier[0].ref.folder == now_at.ref.folder:
        return False
    first = earlier[0]
    came = first.seen if arrived is None else min(arrived, first.seen)
    if first.since is not None and first.since <= first.seen:
        came = max(came, first.since)  # it was not there when we looked before, whatever the server's clock says
    return now_at.seen - came <= window
