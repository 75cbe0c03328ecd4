"""Which way to use, and why, in a sentence; and what the figures cannot bear.

was each way right, text by text | paired tests | what Postroom serves against the cheapest that is as good  ->  words
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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

RIVALS: tuple[Way, ...] = ("names", "codes", "pooled", "words")


def share_of(flags: Sequence[bool]) -> Share:
    """Right answers with Wilson's interval."""
    right, count = sum(flags), len(flags)
    low, high = interval(right, count)
    return Share(right=right, n=count, low=round(low, 4), high=round(high, 4))


def advice(flags: Mapping[Way, Sequence[bool]], served: str, filed: Filed) -> str:
    """The sentence. `served`: which kind of model serves, in words. Every way in `flags` has judged the same texts."""
    count = len(flags["served"])
    ours = sum(flags["served"]) / count
    if not _clearly(flags["served"], flags["majority"]):
        return (
            f"None of these is worth using yet: {ours:.0%} right is no more than what always naming the largest "
            "category has, or may be chance. Give more examples, or categories that the texts tell apart."
        )
    wanted = f" At a wanted precision of {filed.wanted:.0%} it would file"
    files = f"{wanted} nothing by itself yet."
    if filed.right.n:
        files = f"{wanted} {filed.share.share:.0%} by itself, {filed.right.share:.0%} of that rightly."
    ahead = [way for way in RIVALS if way in flags and _clearly(flags[way], flags["served"])]
    if ahead:
        best = max(ahead, key=lambda way: sum(flags[way]))
        points = 100 * (sum(flags[best]) - sum(flags["served"])) / count
        step = (
            " `--tuning answer` makes it what is served."
            if best == "codes"
            else " Postroom answers by codes, so that is a figure to know, not a model to run."
            if best == "names"
            else ""
        )
        return (
            f"{_capital(WORDS[best])} is {points:.0f} points ahead of what Postroom serves here ({served}, "
            f"{ours:.0%}).{step}{files}"
        )
    return f"Use {WORDS['served']} ({served}): {ours:.0%} right, {_beside(flags, count)}.{files}"


def _beside(flags: Mapping[Way, Sequence[bool]], count: int) -> str:
    """How it stands beside words alone, the cheapest way."""
    points = 100 * (sum(flags["served"]) - sum(flags["words"])) / count
    if flags["served"] == flags["words"]:
        return "and nothing here is clearly better"
    if _clearly(flags["served"], flags["words"]):
        return f"{points:.0f} points more than words alone, and nothing here is clearly better"
    if abs(points) < 0.05:
        return "as many as words alone, and nothing here is clearly better"
    side = "more" if points > 0 else "less"
    return f"{abs(points):.0f} points {side} than words alone, which may be chance, and nothing here is clearly better"


def _clearly(first: Sequence[bool], second: Sequence[bool]) -> bool:
    """Is the first more often right than the second, by more than chance (McNemar)?"""
    return sum(first) > sum(second) and paired_chance(first, second) < CLEAR


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
