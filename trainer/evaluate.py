"""Judging answers: shares with their intervals, and whether one model is really better than another."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from typing import Any

from daemon.rules.thresholds import interval


def paired_chance(first: Sequence[bool], second: Sequence[bool]) -> float:
    """McNemar's exact test: how likely so large a difference is if both are equally good. Two-sided, at most 1."""
    won = sum(a and not b for a, b in zip(first, second, strict=True))
    lost = sum(b and not a for a, b in zip(first, second, strict=True))
    disputed = won + lost
    if disputed == 0:
        return 1.0
    tail = sum(comb(disputed, index) for index in range(min(won, lost) + 1)) / float(2**disputed)
    return min(1.0, 2 * tail)


def figures(correct: Sequence[bool]) -> dict[str, Any]:
    """What result.json says of one model: right, n, accuracy and its interval."""
    right, count = sum(correct), len(correct)
    low, high = interval(right, count)
    return {
        "right": right,
        "n": count,
        "accuracy": round(right / count, 4) if count else None,
        "interval": [round(low, 4), round(high, 4)],
    }
