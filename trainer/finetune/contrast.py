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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from trainer.finetune.descent import Descent
from trainer.finetune.pooling import fit_space
from trainer.finetune.states import by_length
from trainer.finetune.upper import TunedLayers, Upper, newest_within
from trainer.folds import Labels, Rows
from trainer.recipe import Questions, Recipe

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Likening:
    """What is to be learnt: `learnt` are the rows of `prompts` (token ids) and `labels` that may be."""

    prompts: Sequence[Sequence[int]]
    labels: Labels
    learnt: Rows
    seed: int


def contrast(
    model: Any, task: Likening, adapter: Path, whole: Recipe, tick: Callable[[int, int], None]
) -> TunedLayers | None:
    """Fine-tune the layers of `model` that `whole.questions` names; None if numbers overflow.

    `adapter` is where peft's files go; `tick` hears (done, total), where reading all prompts at the end is the last.
    Deterministic by the task's seed. Raises whatever `tick` raises.
    """
    recipe = whole.questions
    torch.manual_seed(task.seed)
    random = np.random.default_rng(task.seed)
    upper = Upper(model, task.prompts, recipe)
    learnt = newest_within(recipe.tokens, task.learnt, upper.lengths)
    upper.read_lower(learnt)
    # As the head will see it: what varies inside the categories is evened out.
    evened = fit_space(upper.readings(learnt).means, task.labels[learnt], whole.pooled)
    space = torch.from_numpy(evened.matrix)
    steps = draws(task.labels, learnt, [min(length, recipe.longest) for length in upper.lengths], random, recipe)
    descent = Descent(upper.adapters(), recipe.rate, len(steps))
    upper.layers.train()
    for done, rows in enumerate(steps, start=1):
        seen = [_partly(upper.states[row], random, recipe) for row in rows]
        parts = by_length(np.arange(len(rows)), [len(state) for state in seen])
        means = torch.cat([upper.pooled([seen[place] for place in part])[0] for part in parts])
        labels = torch.from_numpy(task.labels[rows[np.concatenate(parts)]])
        if not descent.step(likeness(means @ space, labels, recipe.temperature)):
            log.warning("the loss is not a number; the model serves as it was begun")
            return None
        tick(done, len(steps) + 1)
    return upper.merge(adapter, lambda: tick(len(steps), len(steps) + 1))


def likeness(features: torch.Tensor, labels: torch.Tensor, temperature: float) -> torch.Tensor:
    """The loss of one step: how little of a prompt's likeness goes to those of its own category, the mean over all.

    `features` (prompts, width) may have any length; `labels` one category each, of which each has two prompts or more.
    """
    vectors = torch.nn.functional.normalize(features, dim=1)
    itself = torch.eye(len(labels), dtype=torch.bool)
    alike = (vectors @ vectors.T / temperature).masked_fill(itself, -torch.inf)
    same = (labels[:, None] == labels[None]) & ~itself
    shares = torch.log_softmax(alike, dim=1).masked_fill(~same, 0.0)
    return -(shares.sum(1) / same.sum(1).clamp(min=1)).mean()


def draws(
    labels: Labels, learnt: Rows, lengths: Sequence[int], random: np.random.Generator, recipe: Questions
) -> list[Rows]:
    """The rows of every step of one night: categories in turn, and of each as many lessons as fit, some of them twice
    where it has too few."""
    by_category = [learnt[labels[learnt] == label] for label in np.unique(labels[learnt])]
    width = min(recipe.categories, len(by_category))
    depth = max(2, recipe.prompts // width)
    tokens = width * depth * np.mean([lengths[row] for row in learnt])
    steps: list[Rows] = []
    deck: list[int] = []
    for _ in range(max(1, int(recipe.tokens / tokens))):
        if len(deck) < width:
            # Those that are left from the last deal come at the end of this one, so that no step has one twice.
            deck += sorted(random.permutation(len(by_category)).tolist(), key=deck.__contains__)
        chosen, deck = deck[:width], deck[width:]
        members = [by_category[category] for category in chosen]
        rows = [random.choice(lessons, depth, replace=len(lessons) < depth) for lessons in members]
        steps.append(np.concatenate(rows))
    return steps


def _partly(state: torch.Tensor, random: np.random.Generator, recipe: Questions) -> torch.Tensor:
    """The state without some of its positions: at most `recipe.longest` in a row, and of these not all."""
    first = int(random.integers(0, max(1, len(state) - recipe.longest + 1)))
    window = state[first : first + recipe.longest]
    seen: npt.NDArray[np.bool_] = random.random(len(window)) >= recipe.hidden
    seen[-1] = True
    return window[torch.from_numpy(seen)]
