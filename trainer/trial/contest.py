"""One trial, top to bottom: `postroom try`.

    job folder | groups, parts (parts.py) | a whole night on what may be learnt: words, the language model, what would
    serve | the untrained base (untrained.py) | fine-tuned on names, on codes (tuned.py) | all judged by the same texts
    ->  result.json with the table and the advice, candidate/, gguf/

Nothing is written outside the job folder. A way that cannot be tried costs its own row.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import move

import numpy as np
import torch

from connectors.base import MailText
from daemon.examples.row_mistakes import listed
from daemon.model import model_folder
from daemon.model.classifier import Classifier, aligned
from daemon.model.disclaimers import without_disclaimers
from daemon.model.linear import LinearModel
from daemon.model.model_folder import ModelFolder
from daemon.model.term_key import TermKey
from daemon.rules.thresholds import thresholds
from daemon.training.order import CANDIDATE, Lesson, Order
from daemon.training.trial_order import GGUF, WAYS, Counts, Filed, TrialResult, TrialRow, Way
from trainer import dataset
from trainer.candidates.candidate import Candidate
from trainer.candidates.language import LanguageCandidate, served
from trainer.context import Night, open_night
from trainer.finetune.loading import load_base
from trainer.job import Clock, TrainingFailed
from trainer.night import Trained, examined, trained
from trainer.plan import Plan, Say
from trainer.recipe import Recipe
from trainer.trial.advice import WORDS, advice, share_of
from trainer.trial.parts import Parts, divide
from trainer.trial.trial_costs import MOST_PROMPTED, costs
from trainer.trial.tuned import Answers, Tuning, answers_of, most_common, spelt, tuned, within_budget
from trainer.trial.untrained import careful_prompts, closed_set, free_answers

MOST_EXAMPLES = 20_000
TOO_FEW = (
    "There are too few different texts to learn from and to judge by: it takes two categories with some texts "
    "each that are not nearly the same. Some dozen a category are a good beginning."
)
FEW = 30
"""Fewer judged texts tell little."""


@dataclass(frozen=True)
class Work:
    """What all ways are tried on. `truth`: the place of each judged text's category; -1: no model knows it."""

    night: Night
    names: tuple[str, ...]
    texts: tuple[MailText, ...]
    labels: tuple[int, ...]
    learnt: tuple[int, ...]
    stop: tuple[int, ...]
    judged: tuple[MailText, ...]
    truth: tuple[int, ...]

    def right(self, places: Sequence[int | None]) -> list[bool]:
        """Which of these answers to the first judged texts are right."""
        return [place == truth for place, truth in zip(places, self.truth, strict=False)]


@dataclass
class Table:
    """The rows as they come in."""

    flags: dict[Way, list[bool]] = field(default_factory=dict)
    why: dict[Way, str] = field(default_factory=dict)
    seconds: dict[Way, float] = field(default_factory=dict)

    @contextmanager
    def trying(self, *ways: Way) -> Iterator[None]:
        """What the block finds is these rows'; what it fails by is said in them."""
        started = time.monotonic()
        try:
            yield
        except TrainingFailed as error:
            self.why |= dict.fromkeys(ways, str(error))
        self.seconds |= dict.fromkeys(ways, time.monotonic() - started)

    def sentences(self) -> list[str]:
        """What could not be tried, and why."""
        by_reason: dict[str, list[str]] = defaultdict(list)
        for way in WAYS:
            if way not in self.flags:
                by_reason[self.why.get(way, "it failed")].append(WORDS[way])
        return [f"Not tried: {listed(ways)}; {reason.rstrip('.')}." for reason, ways in by_reason.items()]

    def rows(self) -> tuple[TrialRow, ...]:
        """In the order of the table."""
        return tuple(
            TrialRow(
                way=way,
                found=share_of(self.flags[way]) if way in self.flags else None,
                why=self.why.get(way, ""),
                seconds=round(self.seconds.get(way, 0.0), 1),
            )
            for way in WAYS
        )


def run(
    folder: Path, job: Order, lessons: Sequence[Lesson], given: Sequence[Lesson], say: Say, recipe: Recipe | None = None
) -> TrialResult:
    """Try all ways. `given`: examples to judge by alone. Raises EngineError, CodebookError, OSError, TrainingFailed."""
    recipe, notes = recipe or Recipe(), list[str]()
    random.seed(job.seed)
    np.random.seed(job.seed)
    torch.set_num_threads(job.threads)
    plan = Plan(costs(job, lessons, given), say)
    plan.begin("clean", "looking for texts that repeat")
    lessons = _thinned(lessons, job.seed, notes)
    given = _thinned(given, job.seed, notes)
    everything = [*lessons, *given]
    parts = _parts(everything, len(given), job.seed, recipe, notes)
    taught = [everything[row] for row in parts.taught]
    job = _only_taught(job, taught, recipe, notes)
    key = TermKey.read(job.term_key)
    data = dataset.build(job, taught, key, replace(recipe.cleaning, few=0))
    if len(data.present) < 2 or not parts.judged:
        raise _too_few(everything, parts, len(given))

    def progress(stage: str, done: int, total: int, text: str) -> None:
        if done == 0:
            plan.begin(stage, text)
        plan.tick(done, total, text if done < total else "")

    night = open_night(job, data, (), key, Clock(None), progress, recipe)
    work = _work(night, everything, parts)
    table = Table()
    table.flags["majority"] = work.right([most_common(work.labels)] * len(work.truth))
    with tempfile.TemporaryDirectory(prefix=".trial-", dir=folder) as name:
        scratch = Path(name)
        filed, kind = _night(work, scratch, folder, table, plan)
        _untrained(work, table, plan)
        kinds: tuple[Answers, ...] = ("names", "codes")
        for answers in kinds:
            if answers not in table.flags:
                _tuned(work, answers, scratch, table, plan, notes)
    plan.end()
    notes += table.sentences()
    asked = len(work.truth)
    if asked < FEW:
        notes.append(f"Only {asked} texts judge: differences of some {round(100 / asked**0.5)} points may be chance.")
    return TrialResult(
        outcome="tried",
        verdict=advice(
            {way: flags for way, flags in table.flags.items() if len(flags) == asked}, kind, filed, job.tuning
        ),
        counts=Counts(
            categories=len(work.names),
            learnt=len(work.learnt),
            stop=len(work.stop),
            judged=asked,
            by_time=parts.by_time,
        ),
        rows=table.rows(),
        filed=filed,
        notes=(*notes, *data.report),
    )


def _too_few(lessons: Sequence[Lesson], parts: Parts, given: int) -> TrainingFailed:
    """Why nothing can be learnt and judged with these parts: what is to be changed first."""
    if given and parts.left_out:
        return TrainingFailed(
            f"{_texts(len(parts.left_out))} of {len(lessons) - given:,} stand in the test, too, or nearly so, and what "
            "judges is never learnt: too little is left. Judge by other texts, or leave out --test."
        )
    threads = {lesson.thread for lesson in lessons if lesson.thread}
    if threads and not parts.judged:
        return TrainingFailed(
            f"Its groups ({len(threads):,} in {len(lessons):,} rows) are too large: what belongs together is never "
            "divided, and a group of more than a twentieth of all rows does not judge. Name finer groups, or call that "
            "column otherwise, so that it is not read."
        )
    return TrainingFailed(TOO_FEW)


def _thinned(lessons: Sequence[Lesson], seed: int, notes: list[str]) -> list[Lesson]:
    if len(lessons) <= MOST_EXAMPLES:
        return list(lessons)
    notes.append(f"Of {len(lessons):,} examples {MOST_EXAMPLES:,} are used.")
    rows = np.random.default_rng(seed).permutation(len(lessons))[:MOST_EXAMPLES]
    return [lessons[row] for row in sorted(rows)]


def _parts(lessons: Sequence[Lesson], given: int, seed: int, recipe: Recipe, notes: list[str]) -> Parts:
    """What is learnt and what is judged by; what people should know of it is added to `notes`."""
    pairs = dataset.similar_pairs([lesson.text for lesson in lessons], recipe.cleaning.alike)
    by_text: dict[str, list[int]] = defaultdict(list)
    for row, lesson in enumerate(lessons):
        by_text[" ".join(f"{lesson.text.subject} {lesson.text.body}".casefold().split())].append(row)
    groups = dataset.groups_of(lessons, [(first, second) for first, second, _ in pairs])
    twice = [rows for rows in by_text.values() if len({lessons[row].category for row in rows}) > 1]
    doubtful = frozenset(row for rows in twice for row in rows)
    if doubtful:
        rows_shown = [lessons[row].id for rows in twice for row in rows]
        shown = listed([f"{number:,}" if number > 0 else f"{-number:,} of the test" for number in rows_shown])
        notes.append(
            f"{_texts(len(twice))} in two categories (rows {shown}): nobody can be right about such a text, so it is "
            "learnt and never judged by."
        )
    found = divide(lessons, groups, given, doubtful, seed)
    if found.left_out:
        where = "learnt" if given else "judged by"
        notes.append(f"{_texts(len(found.left_out))} that nearly repeat one on the other side are not {where}.")
    if not (given or found.by_time) and any(lesson.at is not None for lesson in lessons):
        notes.append("Some rows have no date, or the dates tell nothing, so the parts were drawn.")
    return found


def _only_taught(job: Order, taught: Sequence[Lesson], recipe: Recipe, notes: list[str]) -> Order:
    """The order for the categories that have something to learn; which have hardly anything is added to `notes`."""
    counts = Counter(lesson.category for lesson in taught)
    few = sorted(category for category, count in counts.items() if count < recipe.cleaning.few)
    if few:
        what = f"{len(few):,} categories have" if len(few) > 1 else "1 category has"
        names = listed([f'"{name}"' for name in few])
        notes.append(
            f"{what} fewer than {recipe.cleaning.few} texts to learn from, too few to be learnt well: {names}."
        )
    categories = tuple(category for category in job.categories if category.id in counts)
    return job.model_copy(update={"categories": categories})


def _work(night: Night, lessons: Sequence[Lesson], parts: Parts) -> Work:
    categories = night.lessons.categories
    places = {category: place for place, category in enumerate(categories)}
    dropped = frozenset(night.data.disclaimers)

    def plain(row: int) -> MailText:
        return without_disclaimers(lessons[row].text, dropped, night.key)

    rows = [row for row in parts.taught if lessons[row].category in places]
    stopping = set(parts.stop)
    # In no order, so that the first of them stand for all.
    judged = [parts.judged[place] for place in np.random.default_rng(night.job.seed).permutation(len(parts.judged))]
    return Work(
        night=night,
        names=tuple(spelt([night.job.title(category) for category in categories])),
        texts=tuple(plain(row) for row in rows),
        labels=tuple(places[lessons[row].category] for row in rows),
        learnt=tuple(place for place, row in enumerate(rows) if row not in stopping),
        stop=tuple(place for place, row in enumerate(rows) if row in stopping),
        judged=tuple(plain(row) for row in judged),
        truth=tuple(places.get(lessons[row].category, -1) for row in judged),
    )


def _night(work: Work, scratch: Path, folder: Path, table: Table, plan: Plan) -> tuple[Filed, str]:
    """Words, the pooled model and what would serve; the last as candidate/, its language part for Ollama as gguf/.
    Returns what would be filed, and which kind serves, in words. Raises EngineError, OSError."""
    night = work.night
    started = time.monotonic()
    found = trained(night, scratch)
    table.seconds["served"] = time.monotonic() - started
    table.flags["words"] = work.right(_by_words(work, scratch))
    language = found.language.candidate
    way: Way = "codes" if night.job.tuning == "answer" else "pooled"
    if isinstance(language, LanguageCandidate):
        table.flags[way] = work.right(_by_language(work, language))
        if (made := ModelFolder(language.folder).gguf.parent).is_dir():
            move(made, folder / GGUF)
    else:
        table.why[way] = found.language.words
    if way == "codes":
        _pooled_beside(work, found.linear, scratch, table, plan)
    if examined(night, found, scratch, folder / CANDIDATE).outcome != "candidate":
        raise TrainingFailed("No model came of these examples.")
    meta = model_folder.load(folder / CANDIDATE)
    limits = thresholds(meta.points, night.job.wanted_precision)
    with Classifier.load(
        folder / CANDIDATE, night.key, threads=night.job.threads, readers=night.job.cache
    ) as classifier:
        answers = classifier.classify(work.judged)
    places = {category: place for place, category in enumerate(night.lessons.categories)}
    right = work.right([places.get(answer.best or "") for answer in answers])
    table.flags["served"] = right
    took = [(limit := limits.get(answer.best or "")) is not None and answer.sure >= limit for answer in answers]
    filed = Filed(
        wanted=night.job.wanted_precision,
        share=share_of(took),
        right=share_of([flag for flag, was_filed in zip(right, took, strict=True) if was_filed]),
    )
    return filed, _kind(meta, found)


def _kind(meta: model_folder.ModelMeta, found: Trained) -> str:
    kinds = {
        "linear": "words alone",
        "llm": "the language model alone",
        "blend": f"a blend, {meta.blend_weight:.0%} language model",
    }
    nearest = f" and {meta.neighbours:.0%} the most similar examples" if meta.neighbours else ""
    return f"{kinds[found.choice.chosen.name]}{nearest}"


def _by_words(work: Work, scratch: Path) -> list[int]:
    model = LinearModel.load(scratch / "linear", work.night.key)
    scores = aligned(model.logprobs(work.judged), model.categories, work.night.lessons.categories)
    return [int(place) for place in scores.argmax(axis=1)]


def _by_language(work: Work, language: LanguageCandidate) -> list[int]:
    night = work.night
    with language.engine(night) as engine:
        answers = served(engine, night.prompts(work.judged), night.grounds.codes)
    return [int(place) for place in answers.argmax(axis=1)]


def _pooled_beside(work: Work, linear: Candidate, scratch: Path, table: Table, plan: Plan) -> None:
    """The pooled model, too, where another tuning serves."""
    from trainer.candidates import language

    apart = scratch / "pooled"
    apart.mkdir()
    plan.begin("pooled", "fitting the pooled model")
    with table.trying("pooled"):
        pooled = replace(work.night, progress=lambda *_: None)
        tried = language.candidate(pooled, linear, apart)
        if not isinstance(tried.candidate, LanguageCandidate):
            raise TrainingFailed(tried.words)
        table.flags["pooled"] = work.right(_by_language(work, tried.candidate))


def _untrained(work: Work, table: Table, plan: Plan) -> None:
    """The base as it came, asked about as many texts as there is time for."""
    night, texts = work.night, work.judged[:MOST_PROMPTED]
    plan.begin("base", "asking the untrained base")
    with table.trying("base_free", "base_closed"):
        tokenizer = night.grounds.tokenizer
        asked = careful_prompts(texts, work.names, night.grounds.base, night.renderer, tokenizer)
        model = load_base(night.grounds.prepared.whole())

        def tick(done: int, total: int) -> None:
            plan.tick(done, total)

        table.flags["base_closed"] = work.right(closed_set(model, asked, lambda done: tick(done, 2 * len(texts))))
        said = free_answers(model, asked, work.names, tokenizer, lambda done: tick(len(texts) + done, 2 * len(texts)))
        table.flags["base_free"] = work.right(said)


def _tuned(work: Work, answers: Answers, scratch: Path, table: Table, plan: Plan, notes: list[str]) -> None:
    night = work.night
    plan.begin(answers, f"fine-tuning on {answers}")
    lengths = [len(prompt.ids) for prompt in night.prompts(work.texts)]
    learnt = within_budget(work.learnt, work.labels, lengths)
    if len(learnt) < len(work.learnt) and answers == "names":
        notes.append(
            f"Fine-tuning on names and codes learnt {len(learnt):,} of the {len(work.learnt):,} texts, to take minutes "
            "and not hours; all other ways learnt all."
        )
    with table.trying(answers):
        task = Tuning(work.texts, work.labels, learnt, work.stop, work.judged)
        found = tuned(task, answers_of(answers, night, work.names), night, scratch / answers, plan.tick)
        table.flags[answers] = work.right(found)


def _texts(count: int) -> str:
    return "1 text" if count == 1 else f"{count:,} texts"
