"""Fine-tuning by likeness: what belongs to one category is drawn together, what doesn't is pushed apart.

    some lessons of each of some categories, words hidden | LoRA layers | mean of positions, evened out
    | supervised contrastive loss | merge  ->  tuned layers, readings of every prompt

The loss (Khosla and others, 2020, arXiv:2004.11362) shapes the space in which the head is fitted afterwards, and knows
no codes. From ten lessons a category the middle layers learn by it what a category's questions have in common; the
cross-entropy over the codes mostly made the lower ones surer of what they knew (docs/experiments.md). A step holds all
its prompts at once, so it is for short ones.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from trainer.candidates.heads import Labels
from trainer.finetune.descent import Descent
from trainer.finetune.pooling import fit_space
from trainer.finetune.states import by_length
from trainer.finetune.upper import TOKENS_A_NIGHT, Merged, Upper, newest_within

log = logging.getLogger(__name__)

# Of a step: so many categories at most, and so many prompts, evenly of all of them.
CATEGORIES = 24
PROMPTS = 48
TEMPERATURE = 0.1
RATE = 1e-3
# Tokens of every prompt that a step doesn't see, so that no single word carries a category; and the most it sees.
HIDDEN = 0.1
LONGEST = 64


def contrast(
    model: Any,
    lowest: int,
    depth: int,
    prompts: Sequence[Sequence[int]],
    labels: Labels,
    learnt: Labels,
    adapter: Path,
    seed: int,
    tick: Callable[[int, int], None],
) -> Merged | None:
    """Fine-tune layers `lowest` to `depth` of `model` on the rows `learnt`; None if numbers overflow.

    `adapter` is where peft's files go; `tick` hears (done, total), where reading all prompts at the end is the last.
    Deterministic by `seed`. Raises whatever `tick` raises.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    upper = Upper(model, lowest, depth, prompts)
    learnt = newest_within(learnt, upper.lengths)
    upper.read_lower(learnt)
    # As the head will see it: what varies inside the categories is evened out.
    space = torch.from_numpy(fit_space(upper.readings(learnt).means, labels[learnt]).matrix)
    steps = draws(labels, learnt, [min(length, LONGEST) for length in upper.lengths], random)
    descent = Descent(upper.adapters(), RATE, len(steps))
    upper.layers.train()
    for done, rows in enumerate(steps, start=1):
        seen = [_partly(upper.states[row], random) for row in rows]
        parts = by_length(np.arange(len(rows)), [len(state) for state in seen])
        means = torch.cat([upper.pooled([seen[place] for place in part])[0] for part in parts])
        if not descent.step(likeness(means @ space, torch.from_numpy(labels[rows[np.concatenate(parts)]]))):
            log.warning("the loss is not a number; the model serves as it was begun")
            return None
        tick(done, len(steps) + 1)
    return upper.merged(adapter, lambda: tick(len(steps), len(steps) + 1))


def likeness(features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The loss of one step: how little of a prompt's likeness goes to those of its own category, the mean over all.

    `features` (prompts, width) may have any length; `labels` one category each, of which each has two prompts or more.
    """
    vectors = torch.nn.functional.normalize(features, dim=1)
    itself = torch.eye(len(labels), dtype=torch.bool)
    alike = (vectors @ vectors.T / TEMPERATURE).masked_fill(itself, -torch.inf)
    same = (labels[:, None] == labels[None]) & ~itself
    shares = torch.log_softmax(alike, dim=1).masked_fill(~same, 0.0)
    return -(shares.sum(1) / same.sum(1).clamp(min=1)).mean()


def draws(labels: Labels, learnt: Labels, lengths: Sequence[int], random: np.random.Generator) -> list[Labels]:
    """The rows of every step of one night: categories in turn, and of each as many lessons as fit, some of them twice
    where it has too few. Pure but for `random`."""
    by_category = [learnt[labels[learnt] == label] for label in np.unique(labels[learnt])]
    width = min(CATEGORIES, len(by_category))
    each = max(2, PROMPTS // width)
    tokens = width * each * np.mean([lengths[row] for row in learnt])
    steps: list[Labels] = []
    deck: list[int] = []
    for _ in range(max(1, int(TOKENS_A_NIGHT / tokens))):
        if len(deck) < width:
            # Those that are left from the last deal come at the end of this one, so that no step has one twice.
            deck += sorted(random.permutation(len(by_category)).tolist(), key=deck.__contains__)
        chosen, deck = deck[:width], deck[width:]
        rows = [random.choice(by_category[k], each, replace=len(by_category[k]) < each) for k in chosen]
        steps.append(np.concatenate(rows))
    return steps


def _partly(state: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
    """The state without some of its positions: at most LONGEST in a row, and of these not all."""
    first = int(random.integers(0, max(1, len(state) - LONGEST + 1)))
    window = state[first : first + LONGEST]
    seen: npt.NDArray[np.bool_] = random.random(len(window)) >= HIDDEN
    seen[-1] = True
    return window[torch.from_numpy(seen)]
