"""From scores to honest probabilities, on answers to lessons that the model didn't learn from. Pure.

answers of two models | one weight | one temperature | an isotonic curve, when there are enough answers and it helps
->  what the classifier does with them when it serves
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]
from sklearn.isotonic import IsotonicRegression  # type: ignore[import-untyped]

from daemon.model.calibration import calibrated
from daemon.model.classifier import LEAST_LOGPROB, blend
from daemon.model.engines.engine import Floats, renormalised
from daemon.model.model_folder import Knot

Labels = npt.NDArray[np.int64]

COLDEST, HOTTEST = 0.05, 20.0
WEIGHTS = tuple(step / 10 for step in range(1, 10))
# The share that was best or near it on every set (docs/experiments.md).
EVEN = 0.6
# How much of "no change at all" is mixed into every temperature: as if so many lessons had been answered honestly.
TIMID = 5.0

# Fewer held-out answers can't tell the steps of a curve from luck.
ENOUGH = 400
# A gain in its own standard errors: so much is luck once in twenty times.
REALLY_BETTER = 1.64
FOLDS = 5
# The stated probability's part in every knot, so that the curve rises everywhere and never reaches 0 or 1.
STATED = 0.05
# A step that fewer answers stand on is drawn to its neighbours.
LEAST_ON_A_STEP = 20


@dataclass(frozen=True)
class Calibration:
    """What to serve with, and what it is worth: expected calibration errors of answers that it was not fitted on.

    `before`: of the bare probabilities; `by_temperature`, `after`: what serves.
    """

    temperature: float
    curve: tuple[Knot, ...]
    answers: int
    before: float
    by_temperature: float
    after: float

    @property
    def method(self) -> str:
        """ "isotonic" or "temperature"."""
        return "isotonic" if self.curve else "temperature"


def fit_calibration(logprobs: Floats, labels: Labels) -> Calibration:
    """A temperature; and on top of it an isotonic curve, if there are ENOUGH answers and its log loss on answers that
    it was not fitted on is really better. Deterministic."""
    temperature = fit_temperature(logprobs, labels)
    count = len(labels)
    if count < FOLDS or logprobs.shape[1] < 2:
        return Calibration(temperature, (), count, 0.0, 0.0, 0.0)
    right = logprobs.argmax(axis=1) == labels
    bare = _best(renormalised(logprobs))
    plain = _cross_validated(logprobs, labels, curved=False)
    curve: tuple[Knot, ...] = ()
    served = plain
    if count >= ENOUGH:
        curved = _cross_validated(logprobs, labels, curved=True)
        if really_more(_losses(plain, right), _losses(curved, right)):
            curve, served = fit_curve(_best(calibrated(logprobs, temperature)), right), curved
    before, by_temperature, after = (expected_calibration_error(each, right) for each in (bare, plain, served))
    return Calibration(temperature, curve, count, before, by_temperature, after)


def fit_curve(stated: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> tuple[Knot, ...]:
    """Knots from 0 to 1 that rise strictly: isotonic regression, each flat step shrunk to its middle.

    (Centred isotonic regression: Oron and Flournoy, Statistics in Biopharmaceutical Research 9, 2017.)
    """
    # One bin for so many answers: what stands on fewer would be read off one or two mails.
    order = np.argsort(stated, kind="stable")
    bins = np.array_split(order, max(1, len(order) // LEAST_ON_A_STEP))
    x = np.array([stated[each].mean() for each in bins])
    shares = np.array([right[each].mean() for each in bins])
    y = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit_transform(x, shares)
    steps = [(float(x[y == level].mean()), float(level)) for level in np.unique(y)]
    steps = [(0.0, steps[0][1]), *steps, (1.0, steps[-1][1])]
    first, *inner, last = ((round(at, 6), round(STATED * at + (1 - STATED) * level, 6)) for at, level in steps)
    knots = [first]
    for at, level in inner:  # rounding can make neighbours one
        if knots[-1][0] < at < last[0] and knots[-1][1] < level < last[1]:
            knots.append((at, level))
    return (*knots, last)


def _cross_validated(logprobs: Floats, labels: Labels, *, curved: bool) -> npt.NDArray[np.float64]:
    """The best answer's probability, each as calibrated on the other folds."""
    number = np.random.default_rng(0).permutation(len(labels)) % FOLDS
    found = np.empty(len(labels))
    for fold in range(FOLDS):
        judged, learnt = number == fold, number != fold
        temperature = fit_temperature(logprobs[learnt], labels[learnt])
        curve: tuple[Knot, ...] = ()
        if curved:
            right = logprobs[learnt].argmax(axis=1) == labels[learnt]
            curve = fit_curve(_best(calibrated(logprobs[learnt], temperature)), right)
        found[judged] = _best(calibrated(logprobs[judged], temperature, curve))
    return found


def _best(logprobs: Floats) -> npt.NDArray[np.float64]:
    best: npt.NDArray[np.float64] = np.minimum(np.exp(logprobs.max(axis=1).astype(np.float64)), 1.0)
    return best


def _losses(stated: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Log loss of "the best answer is right", answer by answer."""
    chance = np.clip(np.where(right, stated, 1 - stated), 1e-6, 1.0)
    losses: npt.NDArray[np.float64] = -np.log(chance)
    return losses


def fit_temperature(logprobs: Floats, labels: Labels) -> float:
    """The temperature that makes the right answers likeliest. 1.0 without evidence.

    Bounded, because a few lessons that are all right would ask for certainty.
    """
    if len(labels) == 0 or logprobs.shape[1] < 2:
        return 1.0

    def loss(log_temperature: float) -> float:
        scaled = renormalised(logprobs / np.exp(log_temperature))
        chosen = np.maximum(scaled[np.arange(len(labels)), labels], LEAST_LOGPROB)
        # One imagined mistake for every fifty lessons: no model is as sure as its luck on a small exam suggests.
        doubt = np.maximum(scaled.mean(axis=1), LEAST_LOGPROB)
        return float(-(chosen + 0.002 * doubt).sum() + TIMID * log_temperature**2 / 10)

    found = minimize_scalar(loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded")
    return float(np.exp(found.x))


def fit_blend(language: Floats, linear: Floats, labels: Labels) -> float:
    """The language model's share in the blend, EVEN without evidence.

    Judged by the probability given to the right answers, each share at its own best temperature. Of all shares that are
    within one standard error of the best the one nearest to EVEN (the rule of Breiman et al., Classification and
    Regression Trees, 1984, section 3.4.3): a few hundred answers can't tell neighbouring shares apart.
    """
    if len(labels) == 0:
        return EVEN
    losses = {weight: calibrated_losses(blend(language, linear, weight), labels) for weight in WEIGHTS}
    best = min(WEIGHTS, key=lambda weight: losses[weight].mean())

    alike = [weight for weight in WEIGHTS if not really_more(losses[weight], losses[best], errors=1)]
    return min(alike, key=lambda weight: abs(weight - EVEN))


def calibrated_loss(logprobs: Floats, labels: Labels) -> float:
    """Mean negative log-probability of the right answers at the best temperature."""
    return float(calibrated_losses(logprobs, labels).mean())


def calibrated_losses(logprobs: Floats, labels: Labels) -> npt.NDArray[np.float64]:
    """Negative log-probability of each right answer, all at the temperature that is best for their mean."""
    scaled = renormalised(logprobs / fit_temperature(logprobs, labels))
    losses: npt.NDArray[np.float64] = -np.maximum(scaled[np.arange(len(labels)), labels], LEAST_LOGPROB)
    return losses


def really_more(ours: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64], errors: float = REALLY_BETTER) -> bool:
    """Is the mean of `ours` more than so many standard errors above that of `theirs`, pair by pair? Pure.

    False without any pair.
    """
    gain = ours - theirs
    return len(gain) > 0 and bool(gain.mean() > errors * gain.std() / len(gain) ** 0.5)


def expected_calibration_error(probabilities: npt.NDArray[np.float64], correct: npt.NDArray[np.bool_]) -> float:
    """How far stated probabilities are from shares of right answers, over ten equal bins, weighted by size."""
    if len(correct) == 0:
        return 0.0
    bins = np.minimum((probabilities * 10).astype(int), 9)
    gaps = [
        (bins == index).mean() * abs(probabilities[bins == index].mean() - correct[bins == index].mean())
        for index in range(10)
        if (bins == index).any()
    ]
    return float(sum(gaps))
