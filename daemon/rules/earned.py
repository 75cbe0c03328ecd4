"""Has a category earned to be sorted, by what people did while Postroom only watched?

    shadow decisions, and what people did with that mail themselves  ->  agreed, asked  ->  yes or no

Mail that nobody touched says nothing: in shadow it may lie in the inbox because nobody came to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from daemon.rules.thresholds import lower_bound
from daemon.store.records import Filed

LEAST = 30
"""So many decisions must have been answered by people."""
DOUBT = 1.28
"""Standard errors: 90 % sure, by one side. For 0.95 it takes 32 of 32, or 64 of 65, or 93 of 95."""


@dataclass(frozen=True)
class Shown:
    """What people did with the mail that a category would have been given. `would`: all of it."""

    would: int = 0
    agreed: int = 0
    overridden: int = 0

    @property
    def asked(self) -> int:
        """How much of it people put somewhere themselves."""
        return self.agreed + self.overridden


def shown(filed: Iterable[Filed]) -> dict[str, Shown]:
    """By category. What lies in a bulk move that waits for a person's word counts for nothing yet."""
    found: dict[str, list[Filed]] = {}
    for one in filed:
        if not one.asked:
            found.setdefault(one.category, []).append(one)
    return {
        category: Shown(len(ones), sum(one.agreed for one in ones), sum(one.overridden for one in ones))
        for category, ones in found.items()
    }


def has_earned(was: Shown, wanted: float) -> bool:
    """Would what it files be right as often as is wanted, surely enough to let it?"""
    return was.asked >= LEAST and lower_bound(was.agreed, was.asked, DOUBT) >= wanted
