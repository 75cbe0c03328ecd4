"""Readable names against opaque codes, fairly: `postroom train --compare-labels`.

    a job folder's lessons | a seed: codes for categories, order, LoRA's start | tune on codes, and again on names,
    same rows, same steps, same boundary before the answer | score both by the closed set  ->  one table

A name of several tokens is scored by the probability of its whole way through the tree of names, a code in the same way
(trainer.answer.answer_tree). Free decoding is shown beside it: what comes out when nothing holds the model to the list.
Public sets and other ways to train are compared by the same code: `benchmarks.labels`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from connectors.base import MailText
from daemon.mistakes import disk_trouble
from daemon.model.base_file import find_base
from daemon.model.codebook import usable_codes
from daemon.model.engines.engine import EngineError
from daemon.model.prompt import PromptSettings, Renderer
from daemon.model.term_key import TermKey
from daemon.rules.thresholds import interval
from daemon.training.order import Comparison
from trainer import dataset
from trainer.answer.adapters import with_lora
from trainer.answer.answer_tree import after_prompt
from trainer.answer.answering import Limits, LossIsNotANumber, Task
from trainer.answer.answering import train as tune
from trainer.answer.scoring import decode, score
from trainer.evaluate import paired_chance
from trainer.finetune.loading import load_base
from trainer.job import BadJob, Progress, bug_in_words, read_job, read_lessons, to_stdout, write_result
from trainer.prepare import PreparedBase, prepare_base
from trainer.recipe import Answer, Recipe

KINDS = ("codes", "names")
# One part of the lessons says when to stop; the same rows for both.
VALIDATION = 0.15
# Where there is no test set of its own, such a part of the lessons is judged by.
JUDGED = 0.25


@dataclass(frozen=True)
class Set:
    """What is learnt and what is judged by. `groups`: rows that must stay on one side of a split share a number."""

    learnt: tuple[MailText, ...]
    labels: tuple[str, ...]
    groups: tuple[int, ...]
    judged: tuple[MailText, ...]
    truth: tuple[str, ...]
    names: Mapping[str, str]
    """What people read, for each label."""


@dataclass(frozen=True)
class Options:
    """One comparison."""

    seeds: tuple[int, ...] = (1, 2, 3)
    recipe: Recipe = field(default_factory=Recipe)
    threads: int = 2


@dataclass(frozen=True)
class Trial:
    """One training of a comparison: on codes or on names, from one seed."""

    work: Set
    prepared: PreparedBase
    tokenizer: Tokenizer
    kind: str
    seed: int
    options: Options
    tick: Callable[[int, int], None]

    @property
    def renderer(self) -> Renderer:
        """What makes a prompt of a text."""
        return Renderer(self.tokenizer, PromptSettings())


Flags = dict[str, list[list[bool]]]
Way = Callable[[Trial], dict[str, list[bool]]]
"""One way to train and to answer: a name for each row of the table, and which of the judged texts it had right."""


def compare(
    work: Set, prepared: PreparedBase, options: Options, progress: Progress, ways: Mapping[str, Way] | None = None
) -> dict[str, Any]:
    """Train and judge every seed by every way, ours by default. Raises ValueError for names that can't be told
    apart."""
    torch.set_num_threads(options.threads)
    tokenizer = Tokenizer.from_file(str(prepared.tokenizer))
    trials = [(name, kind, seed) for seed in options.seeds for name in ways or WAYS for kind in KINDS]
    flags: Flags = {}
    for done, (name, kind, seed) in enumerate(trials):
        words = f"{name}, {kind}, seed {seed}"

        def tick(step: int, steps: int, done: int = done, words: str = words) -> None:
            if step % 5 == 0:
                progress("compare", round(100 * (done + step / max(steps, 1))), 100 * len(trials), words)

        trial = Trial(work, prepared, tokenizer, kind, seed, options, tick)
        for row, right in (ways or WAYS)[name](trial).items():
            flags.setdefault(row, []).append(right)
    progress("compare", 100 * len(trials), 100 * len(trials), "compared")
    return summary(flags, work, options)


def ours(trial: Trial) -> dict[str, list[bool]]:
    """As `tuning = "answer"` trains: scored by the closed set, and decoded freely."""
    work, kind, seed, recipe = trial.work, trial.kind, trial.seed, trial.options.recipe.answer
    labels, answers = answers_for(work, kind, seed, trial.tokenizer)
    tree = after_prompt(answers, trial.tokenizer)
    model = with_lora(load_base(trial.prepared.whole()), recipe, seed)
    learnt, validation = _split(work, seed)
    task = Task(
        prompts=tuple(trial.renderer.render(text).ids for text in work.learnt),
        labels=tuple(labels.index(label) for label in work.labels),
        weights=(1.0,) * len(work.labels),
        answers=tree,
        learnt=learnt,
        validation=validation,
        seed=seed,
        base=trial.prepared.sha256,
        recipe=recipe,
    )
    with tempfile.TemporaryDirectory(prefix="postroom-compare-") as scratch:
        tune(model, task, Limits(trial.options.threads), Path(scratch), None, trial.tick)
    prompts = [trial.renderer.render(text).ids for text in work.judged]
    best = score(model, prompts, tree).argmax(axis=1)
    said = decode(model, prompts, trial.tokenizer, max(map(len, tree.paths)))
    return {
        f"{kind}, closed set": [labels[found] == truth for found, truth in zip(best, work.truth, strict=True)],
        f"{kind}, free decoding": said_right(said, labels, answers, work.truth),
    }


WAYS: dict[str, Way] = {"ours": ours}


def answers_for(
    work: Set, kind: str, seed: int, tokenizer: Tokenizer, doubled: bool = False
) -> tuple[list[str], list[str]]:
    """Labels in this seed's order, and each one's answer. `doubled`: AA, BB, ... as the original recipe had them."""
    labels = sorted(work.names)
    np.random.default_rng(seed).shuffle(labels)
    if kind == "names":
        return labels, [work.names[label] for label in labels]
    if doubled and len(labels) <= 26:
        return labels, [2 * chr(ord("A") + place) for place in range(len(labels))]
    return labels, [code for code, _ in zip(usable_codes(tokenizer), labels, strict=False)]


def said_right(said: Sequence[str], labels: Sequence[str], answers: Sequence[str], truth: Sequence[str]) -> list[bool]:
    """Which of the decoded answers are those of the right label, word for word."""
    wanted = dict(zip(labels, answers, strict=True))
    return [answer == wanted[right] for answer, right in zip(said, truth, strict=True)]


def _split(work: Set, seed: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Rows to learn, rows that say when to stop; a group is never on both sides."""
    chosen = set(_drawn(work.groups, VALIDATION, seed))
    rows = range(len(work.groups))
    return tuple(r for r in rows if r not in chosen), tuple(r for r in rows if r in chosen)


def _drawn(groups: Sequence[int], share: float, seed: int) -> list[int]:
    """Rows of randomly drawn whole groups, until they are such a share of all."""
    order = np.random.default_rng(seed).permutation(np.unique(groups))
    found: list[int] = []
    for group in order:
        if len(found) >= share * len(groups):
            break
        found += [row for row, of in enumerate(groups) if of == group]
    return sorted(found)


def summary(flags: Flags, work: Set, options: Options) -> dict[str, Any]:
    """Shares by seed, intervals over the judged texts, and the paired test of codes against names."""
    count = len(work.truth)
    rows = []
    for row, runs in flags.items():
        shares = [sum(run) / count for run in runs]
        mean = float(np.mean(shares))
        low, high = interval(round(mean * count), count)
        rows.append({"row": row, "right": mean, "low": low, "high": high, "by_seed": [round(s, 4) for s in shares]})
    return {
        "learnt": len(work.labels),
        "judged": count,
        "categories": len(work.names),
        "seeds": list(options.seeds),
        "epochs": options.recipe.answer.epochs,
        "rows": rows,
        "pairs": [pair for ending in ("{}, closed set", "original recipe, {}") if (pair := _pair(flags, ending))],
    }


def _pair(flags: Flags, ending: str) -> dict[str, Any] | None:
    codes, names = (flags.get(ending.format(kind)) for kind in KINDS)
    if not codes or not names:
        return None
    # A text counts once, however many seeds judged it: the seeds' answers to one text are not independent.
    ahead = np.sum(codes, axis=0) - np.sum(names, axis=0)
    return {
        "what": ending.format("codes against names"),
        "points": 100 * float(np.mean(codes) - np.mean(names)),
        "codes_better": int((ahead > 0).sum()),
        "names_better": int((ahead < 0).sum()),
        "chance": paired_chance((ahead > 0).tolist(), (ahead < 0).tolist()),
    }


def as_text(found: Mapping[str, Any]) -> str:
    """The one table, at most 80 columns wide."""
    seeds = found["seeds"]
    lines = [
        f"{found['categories']} categories, {found['learnt']} lessons, {found['judged']} texts judged, "
        f"seeds {', '.join(map(str, seeds))}, at most {found['epochs']} epochs",
        "",
        f"{'answers':<26} {'right':>6}  {'95 % interval':>13}  by seed",
    ]
    for row in found["rows"]:
        by_seed = " ".join(f"{100 * share:.1f}" for share in row["by_seed"])
        span = f"{100 * row['low']:.1f} - {100 * row['high']:.1f}"
        lines.append(f"{row['row']:<26} {100 * row['right']:>6.1f}  {span:>13}  {by_seed}")
    for pair in found["pairs"]:
        lines += ["", f"{pair['what']}: {pair['points']:+.1f} points; {_in_words(pair)}"]
    return "\n".join(lines) + "\n"


def _in_words(pair: Mapping[str, Any]) -> str:
    better, worse, chance = pair["codes_better"], pair["names_better"], pair["chance"]
    sure = "which is no chance" if chance < 0.05 else "which may be chance"
    return f"{better} texts for, {worse} against,\n{sure} (p = {chance:.3f}, paired by text over all seeds)."


def set_of_job(folder: Path) -> tuple[Set, Any]:
    """An office's own lessons: the newest groups judge, or drawn ones without dates. Raises BadJob, ValueError."""
    job, lessons = read_job(folder), read_lessons(folder)
    data = dataset.build(job, lessons, TermKey.read(job.term_key), Recipe().cleaning)
    examples = sorted([*data.train, *data.exam], key=lambda example: example.time)
    groups = [example.group for example in examples]
    if data.by_time:
        cut = round((1 - JUDGED) * len(examples))
        earlier = set(groups[:cut])
        judged = [row for row in range(cut, len(examples)) if groups[row] not in earlier]
    else:
        judged = _drawn(groups, JUDGED, job.seed)
    out = set(judged)
    learnt = [row for row in range(len(examples)) if row not in out]
    taught = {examples[row].category for row in learnt}
    judged = [row for row in judged if examples[row].category in taught]
    if len(taught) < 2 or not judged:
        raise ValueError(
            "there are too few lessons to compare: it takes two categories with some lessons each. "
            "Run `postroom learn --from-folders` first."
        )
    return Set(
        tuple(examples[row].text for row in learnt),
        tuple(examples[row].category for row in learnt),
        tuple(groups[row] for row in learnt),
        tuple(examples[row].text for row in judged),
        tuple(examples[row].category for row in judged),
        {category: job.title(category) for category in sorted(taught)},
    ), job


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: result.json holds the table. 1 for a bug, 2 for a job that can't be used."""
    parser = argparse.ArgumentParser(
        prog="python -m trainer.compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--job", type=Path, required=True, help="a job folder of the daemon")
    parser.add_argument("--seeds", default="1,2,3", help="comma-separated (default: 1,2,3)")
    parser.add_argument("--epochs", type=int, default=4, help="at most, for both (default: 4)")
    options = parser.parse_args(arguments)
    seeds = tuple(int(seed) for seed in options.seeds.split(","))
    try:
        work, job = set_of_job(options.job)
        chosen = Options(seeds, Recipe(answer=Answer(epochs=options.epochs)), job.threads)
        found = compare(work, prepare_base(find_base(job.engine.base), job.cache), chosen, to_stdout)
    except Exception as error:
        trouble = disk_trouble(error, options.job)
        if trouble is None and not isinstance(error, OSError | ValueError | BadJob | EngineError | LossIsNotANumber):
            sys.stderr.write(f"{bug_in_words(error)}\n")
            return 1
        sys.stderr.write(f"{trouble or error}\n")
        write_result(options.job, Comparison(outcome="failed", verdict=str(trouble or error)))
        return 2
    write_result(options.job, Comparison(outcome="compared", verdict=as_text(found), comparison=found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
