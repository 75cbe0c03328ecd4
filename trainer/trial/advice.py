"""Which way to use, and why, in a sentence; and what the figures cannot bear.

was each way right, text by text | paired tests | what Postroom serves against the cheapest that is as good  ->  words
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from daemon.rules.thresholds import interval
from daemon.training.trial_order import Filed, Share, Way
from trainer.evaluate import paired_chance

CLEAR = 0.05
WORDS: Mapping[Way, str] = {
    "majority": "always the largest category",
    "words": "words alone",
    "base_free": "the untrained base",
    "base_closed": "the untrained base with a closed set",
    "names": "fine-tuning on names",
    "codes": "fine-tuning on codes",
    "pooled": "the pooled language model alone",
    "served": "what Postroom serves",
}

RIVALS: tuple[Way, ...] = ("names", "codes", "pooled", "words", "base_closed", "base_free")
_STEPS: Mapping[Way, str] = {
    "codes": " `--tuning answer` makes it what is served.",
    "names": " Postroom answers by codes, so that is a figure to know, not a model to run.",
    "base_closed": " These examples teach less than the base knew before: give more.",
    "base_free": " These examples teach less than the base knew before: give more.",
}


def share_of(flags: Sequence[bool]) -> Share:
    """Right answers with Wilson's interval."""
    right, count = sum(flags), len(flags)
    low, high = interval(right, count)
    return Share(right=right, n=count, low=round(low, 4), high=round(high, 4))


def advice(
    flags: Mapping[Way, Sequence[bool]], served: str, filed: Filed, tuning: Literal["pooled", "answer"] = "pooled"
) -> str:
    """The sentence. `served`: which kind of model serves, in words. Every way in `flags` has judged the same texts."""
    count = len(flags["served"])
    ours = sum(flags["served"]) / count
    useful = _clearly(flags["served"], flags["majority"])
    rivals = [way for way in RIVALS if way in flags]
    ahead = [way for way in rivals if _clearly(flags[way], flags["served" if useful else "majority"])]
    if not useful and not ahead:
        return (
            f"None of these is worth using yet: {ours:.0%} right is no more than what always naming the largest "
            "category has, or may be chance. Give more examples, or categories that the texts tell apart."
        )
    wanted = f" At a wanted precision of {filed.wanted:.0%} {'what serves' if ahead else 'it'} would file"
    files = f"{wanted} nothing by itself yet."
    if filed.right.n:
        files = f"{wanted} {filed.share.share:.0%} by itself, {filed.right.share:.0%} of that rightly."
    if not ahead:
        return f"Use {WORDS['served']} ({served}): {ours:.0%} right, {_beside(flags, count)}.{files}"
    best = max(ahead, key=lambda way: sum(flags[way]))
    step = "" if (best, tuning) == ("codes", "answer") else _STEPS.get(best, "")
    if not useful:
        return (
            f"{_capital(WORDS[best])} is the best of these ({sum(flags[best]) / count:.0%}); what Postroom serves here "
            f"({served}, {ours:.0%}) is no better than always naming the largest category, or that may be "
            f"chance.{step} Give more examples."
        )
    points = _points(sum(flags[best]) - sum(flags["served"]), count)
    return (
        f"{_capital(WORDS[best])} is {points} ahead of what Postroom serves here ({served}, {ours:.0%}).{step}{files}"
    )


def _beside(flags: Mapping[Way, Sequence[bool]], count: int) -> str:
    """How it stands beside words alone, the cheapest way."""
    more = sum(flags["served"]) - sum(flags["words"])
    if flags["served"] == flags["words"]:
        return "and nothing here is clearly better"
    if more == 0:
        return "as many as words alone, and nothing here is clearly better"
    side = f"{_points(abs(more), count)} {'more' if more > 0 else 'less'} than words alone"
    chance = "" if _clearly(flags["served"], flags["words"]) else ", which may be chance"
    return f"{side}{chance}, and nothing here is clearly better"


def _points(right: int, count: int) -> str:
    """ "15 points", "1 point", "0.4 points"."""
    points = 100 * right / count
    shown = f"{points:.0f}" if points >= 1 else f"{points:.1f}"
    return f"{shown} point{'' if shown == '1' else 's'}"


def _clearly(first: Sequence[bool], second: Sequence[bool]) -> bool:
    """Is the first more often right than the second, by more than chance (McNemar)?"""
    return sum(first) > sum(second) and paired_chance(first, second) < CLEAR


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
