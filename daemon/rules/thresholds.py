"""From a wanted precision to a threshold for each category, drawn again whenever the owner changes their mind.

    held-out answers (points) | best first | lower confidence bound of the precision above each threshold | the lowest
    threshold that keeps what is wanted, but none that hardly any right answer falls short of
    ->  {category: threshold, or None without enough evidence}

"File only what will be right 19 times in 20" is a promise about mail that nobody has seen yet, so a threshold has to
hold with the doubt that few held-out lessons leave. A category's own evidence is joined with that of all others, which
counts less the more of its own there is.

Held-out lessons all belong somewhere; mail that belongs nowhere is not among them. A model that is nearly always right
on them would need no threshold to keep the promise, and would file every stranger. So what is less probable than
almost all right answers were is left, whatever the precision above it (Hendrycks & Gimpel, ICLR 2017).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import floor, sqrt

from daemon.model.prediction import Point

# One-sided, 75 % sure: with 100 held-out lessons a 90 % or 95 % bound would demand a precision that no mailbox has.
DOUBT = 0.67
# How many answers of the whole mailbox a category borrows at most.
BORROWED = 8.0
# So many answers for a category must have been seen before it files alone.
LEAST_SEEN = 2
# What a model states of its sureness counts as so many answers beside those that were seen: it was fitted on the same
# ones, but on their signs, which are smoother than some dozen answers above a threshold.
STATED = 200.0
# This share of the right held-out answers is probable enough to be filed; the rest is the price for leaving strangers.
FAMILIAR = 0.97


@dataclass(frozen=True)
class CoveragePoint:
    """One point of the risk-coverage curve: file what is at least so probable, and see what share, how precisely."""

    threshold: float
    coverage: float
    precision: float


def thresholds(
    held_out: Sequence[Point],
    wanted_precision: float,
    overrides: Mapping[str, float] | None = None,
    lately: Sequence[Point] = (),
) -> dict[str, float | None]:
    """The least probability that each category needs before it may file, for every category that was ever answered.

    `overrides` gives single categories a wanted precision of their own; `lately` are decisions whose outcome is known:
    of those only what is compared with the same number, sureness or probability. None: too little evidence to file.
    """
    points = [*held_out, *comparable(lately, held_out)]
    # Not from what became of decisions: what was filed had passed a threshold, and would raise the next one.
    least = familiar(held_out)
    by_category: dict[str, list[Point]] = {}
    for point in points:
        by_category.setdefault(point.predicted, []).append(point)
    found: dict[str, float | None] = dict.fromkeys(overrides or {})
    pooled: dict[float, float | None] = {}
    for category, own in by_category.items():
        wanted = (overrides or {}).get(category, wanted_precision)
        if wanted not in pooled:
            common = lowest_threshold(points, wanted)
            pooled[wanted] = None if common is None else max(common, least)
        found[category] = _for_category(own, points, wanted, pooled[wanted])
    return found


def _for_category(
    own: Sequence[Point], everything: Sequence[Point], wanted: float, pooled: float | None
) -> float | None:
    if pooled is None or len(own) < LEAST_SEEN:
        return None
    # From the mailbox's common threshold upwards, the first at which this category keeps what is wanted.
    for threshold in sorted({pooled, *(point.probability for point in own if point.probability > pooled)}):
        mine = [point.correct for point in own if point.probability >= threshold]
        common = [point.correct for point in everything if point.probability >= threshold]
        if not mine or not common:
            break
        share = sum(common) / len(common)
        precision = (sum(mine) + BORROWED * share) / (len(mine) + BORROWED)
        # A category may be a little worse than the mailbox as a whole, which keeps the promise; not much.
        if precision >= wanted - (1 - wanted) / 2:
            return threshold
    return None


def lowest_threshold(points: Sequence[Point], wanted: float) -> float | None:
    """The lowest probability above which answers are right as often as `wanted`, with the doubt subtracted.

    Where it is sureness, what is stated counts as well, as STATED answers.
    """
    ordered = sorted(points, key=lambda point: -point.probability)
    borrowed = STATED if any(point.stated for point in points) else 0.0
    best: float | None = None
    right, sure = 0, 0.0
    for count, point in enumerate(ordered, 1):
        right += point.correct
        sure += point.probability
        tied = count < len(ordered) and ordered[count].probability == point.probability
        if not tied and lower_bound(right + borrowed * sure / count, count + borrowed) >= wanted:
            best = point.probability
    return best


def comparable(lately: Sequence[Point], held_out: Sequence[Point]) -> list[Point]:
    """Those of these outcomes that are stated in the same number as held-out answers, sureness or probability."""
    kinds = {point.stated for point in held_out}
    return [point for point in lately if not kinds or point.stated in kinds]


def familiar(points: Sequence[Point]) -> float:
    """The probability that all but a few of the right answers reach; 0 without any."""
    right = sorted(point.probability for point in points if point.correct)
    return right[floor((1 - FAMILIAR) * len(right))] if right else 0.0


def interval(right: float, count: float, errors: float = 1.96) -> tuple[float, float]:
    """Wilson's interval of a share, so many standard errors wide to each side (95 % by default); (0, 1) without any
    evidence."""
    if count == 0:
        return 0.0, 1.0
    share, square = right / count, errors * errors
    centre = share + square / (2 * count)
    spread = errors * sqrt(share * (1 - share) / count + square / (4 * count * count))
    # Rounding can end a hair beyond nothing and all.
    return max(0.0, (centre - spread) / (1 + square / count)), min(1.0, (centre + spread) / (1 + square / count))


def lower_bound(right: float, count: float, doubt: float = DOUBT) -> float:
    """The interval's lower end, `doubt` standard errors below. 0 without any evidence."""
    return interval(right, count, doubt)[0]


def risk_coverage(points: Iterable[Point]) -> list[CoveragePoint]:
    """The curve from "file only the surest" to "file everything": share filed and precision at each probability."""
    ordered = sorted(points, key=lambda point: -point.probability)
    curve = []
    right = 0
    for count, point in enumerate(ordered, 1):
        right += point.correct
        if count == len(ordered) or ordered[count].probability < point.probability:
            curve.append(CoveragePoint(point.probability, count / len(ordered), right / count))
    return curve


def calibration_error(stated: Sequence[float], right: Sequence[bool]) -> float:
    """Expected calibration error: how far stated probabilities are from shares of right answers, in ten equal bins."""
    bins: dict[int, float] = {}
    for probability, correct in zip(stated, right, strict=True):
        place = min(int(probability * 10), 9)
        bins[place] = bins.get(place, 0.0) + probability - correct
    return sum(map(abs, bins.values())) / max(len(stated), 1)


def filed(points: Sequence[Point], limits: Mapping[str, float | None]) -> list[Point]:
    """The answers that these thresholds would have filed."""
    return [
        point for point in points if (limit := limits.get(point.predicted)) is not None and point.probability >= limit
    ]
