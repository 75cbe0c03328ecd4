"""From a model's log-probabilities to ones that mean what they say. Pure; the numbers were fitted by the trainer.

log p | divided by the temperature | the best one's probability through a monotone curve, the others rescaled
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from daemon.model.engines.engine import Floats, renormalised
from daemon.model.model_folder import Knot


def calibrated(logprobs: Floats, temperature: float, curve: Sequence[Knot] = ()) -> Floats:
    """Each row at the temperature; then its best probability read off the curve between the knots, if there is one.

    The others keep their proportions, every row sums to one, and the best stays the best: where the curve would put it
    below the runner-up, both end up equal.
    """
    scaled = renormalised(logprobs / temperature)
    if not curve or scaled.shape[-1] < 2:
        return scaled
    probabilities = np.exp(scaled.astype(np.float64))
    best = np.asarray(logprobs).argmax(axis=-1)[..., None]
    others = probabilities.copy()
    np.put_along_axis(others, best, 0.0, axis=-1)
    rest = others.sum(axis=-1, keepdims=True)
    # Nothing left over in double precision either: whatever the curve takes from the best is shared evenly.
    even = np.where(np.arange(probabilities.shape[-1]) == best, 0.0, 1 / (probabilities.shape[-1] - 1))
    proportions = np.where(rest > 0, others / np.where(rest > 0, rest, 1.0), even)
    stated, honest = zip(*curve, strict=True)
    top = np.interp(np.take_along_axis(probabilities, best, axis=-1), stated, honest)
    # From t >= (1 - t) * the runner-up's part of the rest.
    runner_up = proportions.max(axis=-1, keepdims=True)
    top = np.maximum(top, runner_up / (1 + runner_up))
    spread = proportions * (1 - top)
    np.put_along_axis(spread, best, top, axis=-1)
    result: Floats = np.log(np.maximum(spread, np.finfo(np.float32).tiny)).astype(np.float32)
    return result
