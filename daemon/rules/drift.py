"""When a folder's mail suddenly goes elsewhere: the category rests until the model's answers are right again.

    what became of the model's answers, in order | a sum a category, up with each wrong one, down with each right one,
    never below nothing | above the limit it rests

Offices rename, split, merge and nest folders, and tell nobody. A model learns of it at night, thresholds after dozens
of answers; until then all mail of that kind goes wrong, one after the other. The sum is that of the sequential test for
a change (CUSUM: Page, "Continuous Inspection Schemes", Biometrika 41, 1954): each answer adds the logarithm of how much
likelier it is where half of them are wrong than where one in twenty-five is. Two wrong ones with at most one right one
between them are enough, and two right ones in a row end it. One is enough where the mail went to a folder that is newer
than the model, which is how such housekeeping begins; there also an answer counts that was too unsure to be filed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import log

from daemon.model.prediction import Point

WRONG, RIGHT = log(0.5 / 0.04), log(0.5 / 0.96)
"""2.5 and -0.65."""
TO_A_NEW_FOLDER = 5.5
LIMIT = 4.3
MOST = 5.5
"""Or right answers by the dozen were needed after a bad day."""
HEARD = 0.3
"""The least probability of an answer that counts, where the mail went to a new folder."""


@dataclass(frozen=True)
class Rest:
    """Why a category files nothing now: so many of its last sure answers, `asked`, were wrong."""

    wrong: int
    asked: int
    new: str | None
    """The new folder's category to which its mail goes; None: to others that the model knows, or back to the inbox."""


def resting(
    outcomes: Iterable[Point], thresholds: Mapping[str, float | None], newcomers: Collection[str]
) -> dict[str, Rest]:
    """The categories that file nothing for now. `outcomes`: in order of time; `newcomers`: unknown to the model."""
    sums: dict[str, float] = defaultdict(float)
    since: dict[str, list[Point]] = defaultdict(list)
    for point in outcomes:
        threshold = thresholds.get(point.predicted)
        sure = threshold is not None and point.probability >= threshold
        new = point.category in newcomers
        if not (sure or (new and point.probability >= HEARD)):
            continue
        weight = RIGHT if point.correct else TO_A_NEW_FOLDER if new else WRONG
        total = min(MOST, max(0.0, sums[point.predicted] + weight))
        sums[point.predicted] = total
        if total:
            since[point.predicted].append(point)
        else:
            since[point.predicted].clear()
    return {category: _rest(since[category], newcomers) for category, total in sums.items() if total >= LIMIT}


def _rest(points: Collection[Point], newcomers: Collection[str]) -> Rest:
    wrong = [point.category for point in points if not point.correct]
    return Rest(len(wrong), len(points), next((one for one in reversed(wrong) if one in newcomers), None))
