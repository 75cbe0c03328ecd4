"""From scores to honest probabilities, on answers to lessons that the model didn't learn from. Pure.

answers of two models | one weight | one temperature  ->  what the classifier does with them when it serves
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]

from daemon.classifier import LEAST_LOGPROB, blend
from daemon.engines.base import Floats, renormalised

Labels = npt.NDArray[np.int64]

COLDEST, HOTTEST = 0.05, 20.0
WEIGHTS = tuple(step / 10 for step in range(1, 10))
# How much of "no change at all" is mixed into every temperature: as if so many lessons had been answered honestly.
TIMID = 5.0


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
    """The language model's share with which the blend answers best: by probability given to the right answers,
    each weight at its own best temperature. 0.5 without evidence."""
    if len(labels) == 0:
        return 0.5
    return min(
        WEIGHTS, key=lambda weight: (calibrated_loss(blend(language, linear, weight), labels), abs(weight - 0.5))
    )


def calibrated_loss(logprobs: Floats, labels: Labels) -> float:
    """Mean negative log-probability of the right answers at the best temperature."""
    scaled = renormalised(logprobs / fit_temperature(logprobs, labels))
    return float(-np.maximum(scaled[np.arange(len(labels)), labels], LEAST_LOGPROB).mean())


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
