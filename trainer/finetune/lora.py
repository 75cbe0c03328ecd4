"""Fine-tuning: LoRA on the kept layers, from the pooled start, with the loss at the one position that answers.

    prompts | frozen lower layers, once | states of every token | LoRA layers | pooling | a row for each code | loss
    epochs by length until the held-out part gets no better | merge  ->  tuned layers, readings of every prompt

The loss is the cross-entropy over the codes alone. The lower layers never change (trainer.finetune.upper).
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from daemon.model.engines.engine import Floats
from trainer.candidates.heads import Labels
from trainer.finetune.descent import Descent
from trainer.finetune.pooling import Pooling
from trainer.finetune.reading import normalised
from trainer.finetune.states import by_length
from trainer.finetune.upper import TOKENS_A_NIGHT, Merged, Upper, newest_within

log = logging.getLogger(__name__)

RATE = 5e-4
HEAD_RATE = 1e-3
SMOOTHING = 0.05
EPOCHS = 4


@dataclass(frozen=True)
class Tuned(Merged):
    """With the epochs that were of use, and the held-out loss before and after them."""

    epochs: int
    start_loss: float
    loss: float


def tune(
    model: Any,
    lowest: int,
    depth: int,
    pooling: Pooling,
    prompts: Sequence[Sequence[int]],
    labels: Labels,
    weights: Floats,
    learnt: Labels,
    held_out: Labels,
    adapter: Path,
    seed: int,
    tick: Callable[[int, int], None],
) -> Tuned | None:
    """Fine-tune layers `lowest` to `depth` of `model` for the prompts' labels; None if the held-out loss got no better.

    Only rows in `learnt` are learnt, those in `held_out` say when to stop. `adapter` is where peft's files go; `tick`
    hears (done, total), where reading all prompts at the end is the last. Deterministic by `seed`. Raises whatever
    `tick` raises.
    """
    torch.manual_seed(seed)
    upper = Upper(model, lowest, depth, prompts)
    learnt = newest_within(learnt, upper.lengths)
    upper.read_lower(np.concatenate([learnt, held_out]))
    network = _Network(upper, pooling)
    judged = by_length(held_out, upper.lengths)
    start_loss = best = _loss(network, labels, judged)
    kept = copy.deepcopy(network.trained())
    random = np.random.default_rng(seed)
    epochs = max(1, min(EPOCHS, TOKENS_A_NIGHT // max(1, sum(upper.lengths[row] for row in learnt))))
    plan = [by_length(learnt, upper.lengths, random) for _ in range(epochs)]
    total = sum(map(len, plan))
    descent = Descent(upper.adapters(), RATE, total, [network.rows], HEAD_RATE)
    done = chosen = 0
    for epoch, batches in enumerate(plan, start=1):
        upper.layers.train()
        for batch in batches:
            logits = network.logits(batch)
            target = torch.from_numpy(labels[batch])
            losses = torch.nn.functional.cross_entropy(logits, target, label_smoothing=SMOOTHING, reduction="none")
            if not descent.step((losses * torch.from_numpy(weights[batch])).mean()):
                log.warning("the loss is not a number; the pooled start serves")
                return None
            done += 1
            tick(done, total + 1)
        now = _loss(network, labels, judged)
        log.info("epoch %d of %d: held-out loss %.4f, before %.4f", epoch, epochs, now, best)
        if now < best:
            best, chosen, kept = now, epoch, copy.deepcopy(network.trained())
    if chosen == 0:
        return None
    network.restore(kept)
    merged = upper.merged(adapter, lambda: tick(total, total + 1))
    return Tuned(merged.layers, merged.readings, chosen, start_loss, best)


class _Network:
    """The tuned layers, the pooling and a row for each code: from states to the codes' scores."""

    def __init__(self, upper: Upper, pooling: Pooling) -> None:
        self.upper = upper
        self._epsilon, self._gain = pooling.epsilon, pooling.gain
        self._project = torch.from_numpy(pooling.project)
        self._restore = torch.from_numpy(pooling.restore)
        self.rows = torch.nn.Parameter(torch.from_numpy(pooling.rows.copy()))

    def trained(self) -> list[torch.Tensor]:
        """Everything that training changes."""
        return [parameter.data for parameter in [*self.upper.adapters(), self.rows]]

    def restore(self, values: Sequence[torch.Tensor]) -> None:
        """Go back to what `trained` gave."""
        for parameter, value in zip([*self.upper.adapters(), self.rows], values, strict=True):
            parameter.data.copy_(value)

    def logits(self, batch: Labels) -> torch.Tensor:
        """(batch, codes). The same arithmetic as `Pooling.features`, which the exported model repeats."""
        means, lasts = self.upper.pooled([self.upper.states[row] for row in batch])
        pooled = (means @ self._project.T) @ self._restore.T
        if self._gain is not None:
            pooled = self._gain * normalised(pooled, self._epsilon)
        return normalised(lasts + pooled, self._epsilon) @ self.rows.T


@torch.inference_mode()
def _loss(network: _Network, labels: Labels, batches: Sequence[Labels]) -> float:
    """The mean loss over the codes, without smoothing."""
    network.upper.layers.eval()
    losses = [
        torch.nn.functional.cross_entropy(network.logits(batch), torch.from_numpy(labels[batch]), reduction="sum")
        for batch in batches
    ]
    return float(sum(losses)) / max(1, sum(map(len, batches)))
