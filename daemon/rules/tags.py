"""Tags instead of moves: what a message's tags say about what people want, and where none can be kept.

    how the tags stood when they were last judged | how they stand now | Judgement, perhaps with a lesson, or nothing

A category's tag in place of another is a correction, one on a message without is a filing, and none in place of one is
a rejection. Two at once are no answer yet: a person may be about to take one off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

from daemon.rules.correction import Judgement
from daemon.store.records import Category, StoredDecision, Tagging


def no_tags(why: str) -> str:
    """Why `act_by = "tag"` cannot work in a mailbox of a kind that says `why`, and what can."""
    return f'{why}, so nothing can be tagged. Set act_by = "move".'


def in_use(categories: Iterable[Category]) -> dict[str, Category]:
    """The categories that are sorted into, by their tag in small letters; empty where mail is moved."""
    return {one.tag.lower(): one for one in categories if one.tag is not None and one.paused is None}


def judge_tags(
    now: Tagging,
    earlier: Sequence[Tagging],
    decision: StoredDecision | None,
    by_tag: Mapping[str, Category],
    inbox: str,
) -> Judgement | Literal["wait"] | None:
    """What the tags that a message has rested with mean. None: nothing; "wait": two at once, nobody can tell yet.

    `earlier`: how they stood before, oldest first. `decision`: the last one about the message, if any. `by_tag`: as
    `in_use` gives it; tags of no category mean nothing.
    """
    before = next((one for one in reversed(earlier) if one.judged), None)
    had = _categories(before, by_tag)
    has = _categories(now, by_tag)
    if now.ours or {one.uid for one in had} == {one.uid for one in has}:
        return None
    if len(has) > 1:
        return "wait"
    old = had[0] if len(had) == 1 else None
    where_from = old.tag if old is not None else inbox
    if not has:
        return Judgement("rejection", old.uid if old is not None else None, None, where_from, None)
    if had:
        return Judgement("correction", old.uid if old is not None else None, has[0].uid, where_from, has[0].uid)
    agrees = decision is not None and decision.category == has[0].uid
    return Judgement("agreement" if agrees else "filing", None, has[0].uid, where_from, has[0].uid)


def tagged_by_rule(
    now: Tagging, earlier: Sequence[Tagging], came: datetime, arrived: datetime | None, window: timedelta
) -> bool:
    """Did its first tag come within `window` of its arrival, as a server's or mail program's rule sets it?

    `came`: when the message was first seen. Where the server tells who it was nothing has to be guessed.
    """
    if now.ours or now.who is not None or any(one.tags for one in earlier):
        return False
    return now.seen - (came if arrived is None else min(arrived, came)) <= window


def _categories(tagging: Tagging | None, by_tag: Mapping[str, Category]) -> list[Category]:
    return [] if tagging is None else [by_tag[tag] for tag in sorted(tagging.tags) if tag in by_tag]
