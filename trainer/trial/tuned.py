"""The whole base, fine-tuned where the answer stands: once on the categories' names, once on opaque codes.

    the same rows, steps, stop and boundary for both | peft, or Unsloth in an environment of its own | the closed set

It is the way of `tuning = "answer"` (trainer.answer). To keep a trial a coffee's work, at most `MOST_TOKENS` are learnt
in one epoch, evenly of all categories.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from connectors.base import MailText
from trainer.answer.answer_tree import after_prompt
from trainer.answer.answering import Limits, Task
from trainer.answer.backends import Work, fine_tune
from trainer.context import Night
from trainer.job import TrainingFailed

MOST_TOKENS = 60_000
LEAST_LEARNT, MOST_EPOCHS = 2_000, 16
"""Texts in all epochs together, and epochs at most (docs/experiments.md, "From a file of questions to a model")."""
Answers = Literal["names", "codes"]


@dataclass(frozen=True)
class Tuning:
    """What one fine-tuning learns: `learnt` and `stop` are rows of `texts`; `asked` are the texts to judge by."""

    texts: tuple[MailText, ...]
    labels: tuple[int, ...]
    learnt: tuple[int, ...]
    stop: tuple[int, ...]
    asked: tuple[MailText, ...]


def answers_of(kind: Answers, night: Night, names: Sequence[str]) -> list[str]:
    """What is to be answered for each category of this night."""
    return list(names) if kind == "names" else list(night.grounds.codes)


def tuned(
    work: Tuning, answers: Sequence[str], night: Night, folder: Path, tick: Callable[[int, int], None]
) -> list[int]:
    """Fine-tune, and the place of the likeliest answer for each text asked.

    Raises TrainingFailed, also for answers that tokens cannot tell apart, and OSError.
    """
    try:
        tree = after_prompt(answers, night.grounds.tokenizer)
    except ValueError as error:
        raise TrainingFailed(str(error)) from error
    rendered = [night.renderer.render(text).ids for text in work.texts]
    task = Task(
        prompts=tuple(rendered),
        labels=work.labels,
        weights=(1.0,) * len(rendered),
        answers=tree,
        learnt=work.learnt,
        validation=work.stop,
        seed=night.job.seed,
        base=night.grounds.prepared.sha256,
        recipe=replace(night.recipe.answer, epochs=epochs_for(len(work.learnt), night.recipe.answer.epochs)),
    )
    limits = Limits(night.job.threads, night.job.memory_mb << 20)
    asked = [night.renderer.render(text).ids for text in work.asked]
    out = fine_tune(
        night.job.backend,
        Work(night.grounds.prepared, task, limits, folder, folder, asked),
        tick,
        night.job.unsloth_python,
    )
    return [int(place) for place in out.answers.argmax(axis=1)]


def epochs_for(learnt: int, least: int) -> int:
    """As many as `LEAST_LEARNT` takes, `MOST_EPOCHS` at most. A code is learnt like a new word, and a few hundred texts
    are few steps an epoch. Names get the same; both end when the texts that tell it get no better.
    """
    return max(least, min(-(-LEAST_LEARNT // max(learnt, 1)), MOST_EPOCHS))


def within_budget(
    rows: Sequence[int], labels: Sequence[int], lengths: Sequence[int], most: int = MOST_TOKENS
) -> tuple[int, ...]:
    """These rows, or as many as the budget allows: in turn one of each category, newest (last) first."""
    if sum(lengths[row] for row in rows) <= most:
        return tuple(rows)
    queues: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        queues[labels[row]].append(row)
    taken: list[int] = []
    room = most
    while queues:
        for label in sorted(queues):
            row = queues[label].pop()
            room -= lengths[row]
            if room < 0:
                return tuple(sorted(taken))
            taken.append(row)
        queues = defaultdict(list, {label: queue for label, queue in queues.items() if queue})
    return tuple(sorted(taken))


def spelt(labels: Sequence[str]) -> list[str]:
    """What people read, as a model may answer it: "card_arrival" as "card arrival", unless two would be the same."""
    plain = [" ".join(label.replace("_", " ").split()) for label in labels]
    return [each if plain.count(each) == 1 else label for each, label in zip(plain, labels, strict=True)]


def most_common(labels: Sequence[int]) -> int:
    """The category of most texts; of several the first."""
    return int(np.bincount(np.array(labels, np.int64)).argmax())
