"""What servers of language models have in common: they show the likeliest tokens of a position, and no others.

A code that is not shown gets what is left of the probability, in equal parts, but never more than the least likely
token shown: that is an upper bound, so an unseen code is never thought likelier than it can be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

Token = TypeVar("Token", str, int)


def code_scores(shown: Mapping[Token, float], answers: Sequence[Token]) -> list[float]:
    """A log-score for the token of each code, the unseen ones bounded from above.

    `shown` are the tokens that a server showed, as texts or as ids, with their log-probabilities; at least one.
    """
    unseen = sum(answer not in shown for answer in answers)
    if not unseen:
        return [shown[answer] for answer in answers]
    rest = max(1.0 - float(np.exp(list(shown.values())).sum()), 1e-12)
    bound = min(float(np.log(rest / unseen)), min(shown.values()))
    return [shown.get(answer, bound) for answer in answers]
