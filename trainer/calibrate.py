"""From scores to honest probabilities, on answers to lessons that the model didn't learn from.

answers of two models | one share | one temperature  ->  what the classifier does with them when it serves
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]

from daemon.model.classifier import LEAST_LOGPROB, blend
from daemon.model.engines.engine import Floats, renormalised
from daemon.rules.thresholds import calibration_error
from trainer.folds import Labels
from trainer.recipe import Evidence


@dataclass(frozen=True)
class Calibration:
    """What to serve with, and what it is worth: expected calibration errors of answers that it was not fitted on,
    `before` of the bare probabilities, `after` of what serves."""

    temperature: float
    answers: int
    before: float = 0.0
    after: float = 0.0


def fit_calibration(logprobs: Floats, labels: Labels, evidence: Evidence) -> Calibration:
    """The temperature for these answers. Deterministic."""
    temperature = fit_temperature(logprobs, labels, evidence)
    if len(labels) < evidence.folds or logprobs.shape[1] < 2:
        return Calibration(temperature, len(labels))
    right = (logprobs.argmax(axis=1) == labels).tolist()
    before = calibration_error(_best(renormalised(logprobs)).tolist(), right)
    after = calibration_error(_cross_validated(logprobs, labels, evidence).tolist(), right)
    return Calibration(temperature, len(labels), before, after)


def _cross_validated(logprobs: Floats, labels: Labels, evidence: Evidence) -> npt.NDArray[np.float64]:
    """The best answer's probability, each at the temperature of the other folds."""
    number = np.random.default_rng(0).permutation(len(labels)) % evidence.folds
    found = np.empty(len(labels))
    for fold in range(evidence.folds):
        judged, learnt = number == fold, number != fold
        temperature = fit_temperature(logprobs[learnt], labels[learnt], evidence)
        found[judged] = _best(renormalised(logprobs[judged] / temperature))
    return found


def _best(logprobs: Floats) -> npt.NDArray[np.float64]:
    best: npt.NDArray[np.float64] = np.minimum(np.exp(logprobs.max(axis=1).astype(np.float64)), 1.0)
    return best


def fit_temperature(logprobs: Floats, labels: Labels, evidence: Evidence) -> float:
    """The temperature that makes the right answers likeliest. 1.0 without evidence.

    Bounded, because a few lessons that are all right would ask for certainty.
    """
    if len(labels) == 0 or logprobs.shape[1] < 2:
        return 1.0

    def loss(log_temperature: float) -> float:
        scaled = renormalised(logprobs / np.exp(log_temperature))
        chosen = np.maximum(scaled[np.arange(len(labels)), labels], LEAST_LOGPROB)
        doubt = np.maximum(scaled.mean(axis=1), LEAST_LOGPROB)
        return float(-(chosen + evidence.doubt * doubt).sum() + evidence.timid * log_temperature**2 / 10)

    bounds = (np.log(evidence.coldest), np.log(evidence.hottest))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def fit_blend(language: Floats, linear: Floats, labels: Labels, evidence: Evidence) -> float:
    """The language model's share in the blend, the even one without evidence.

    Judged by the probability given to the right answers, each share at its own best temperature. Of all shares that are
    within one standard error of the best the one nearest to the even one (the rule of Breiman et al., Classification
    and Regression Trees, 1984, section 3.4.3): a few hundred answers can't tell neighbouring shares apart.
    """
    if len(labels) == 0:
        return evidence.even
    losses = {share: calibrated_losses(blend(language, linear, share), labels, evidence) for share in evidence.shares}
    best = min(evidence.shares, key=lambda share: losses[share].mean())
    alike = [share for share in evidence.shares if not really_more(losses[share], losses[best], errors=1)]
    return min(alike, key=lambda share: abs(share - evidence.even))


def calibrated_losses(logprobs: Floats, labels: Labels, evidence: Evidence) -> npt.NDArray[np.float64]:
    """Negative log-probability of each right answer, all at the temperature that is best for their mean."""
    scaled = renormalised(logprobs / fit_temperature(logprobs, labels, evidence))
    losses: npt.NDArray[np.float64] = -np.maximum(scaled[np.arange(len(labels)), labels], LEAST_LOGPROB)
    return losses


def really_more(ours: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64], errors: float) -> bool:
    """Is the mean of `ours` more than so many standard errors above that of `theirs`, pair by pair? False without any
    pair."""
    gain = ours - theirs
    return len(gain) > 0 and bool(gain.mean() > errors * gain.std() / len(gain) ** 0.5)
