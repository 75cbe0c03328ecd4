"""From raw lessons to a training part and an exam that never share a text or a thread.

    lessons | known categories, non-empty | office disclaimers dropped, files read
    | near-duplicates merged, contradictions listed | groups: threads and near-duplicates
    | exam: frozen ones, then the newest groups | each category's name and description as one more lesson  ->  Dataset

Near-duplicates are found by TF-IDF of character n-grams: exact, deterministic, and at ten thousand lessons still a
matter of seconds, which no approximate index would improve.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer  # type: ignore[import-untyped]
from sklearn.preprocessing import normalize  # type: ignore[import-untyped]

from connectors.base import MailText
from daemon.model.as_read import as_read, as_taught
from daemon.model.disclaimers import find_disclaimers
from daemon.model.term_key import TermKey
from daemon.training.order import Lesson, Order
from trainer.recipe import Cleaning

AN_HOUR = 3600


@dataclass(frozen=True)
class Example:
    """A cleaned lesson. `group` is shared by the mails of a thread and by near-duplicates."""

    id: int
    category: str
    text: MailText
    group: int
    time: float
    weight: float
    frozen: bool
    original: MailText | None = None
    """As another model must get it: each drops the disclaimers that it knows, and reads files as it was taught."""


@dataclass(frozen=True)
class Dataset:
    """What a training works with. `report` holds plain sentences for people; no sentence quotes a mail."""

    train: tuple[Example, ...]
    exam: tuple[Example, ...]
    by_time: bool
    report: tuple[str, ...]
    contradictions: tuple[tuple[int, int], ...]
    names: tuple[Example, ...] = ()
    """What each category is called, as one more lesson to learn: never judged, never in the exam."""
    disclaimers: tuple[str, ...] = ()
    """Checksums of the lines that were dropped."""

    @property
    def present(self) -> frozenset[str]:
        """The categories that have something to learn."""
        return frozenset(example.category for example in self.train)

    def nothing_to_choose(self, job: Order) -> str | None:
        """Why no model can come of these lessons, in words."""
        if len(self.present) > 1:
            return None
        if not self.present:
            return (
                "There are no lessons to learn from yet. "
                "Run `postroom learn --from-folders`, or file some mail by hand."
            )
        [only] = self.present
        return f"Only {job.title(only)} has lessons; a model needs at least two folders to choose between."


def build(job: Order, lessons: Sequence[Lesson], key: TermKey, recipe: Cleaning) -> Dataset:
    """Clean, merge, group and split. Categories that the job doesn't list are left out.

    `key` is for the disclaimers' checksums.
    """
    report: list[str] = []
    known = {category.id for category in job.categories}
    filled = [lesson for lesson in lessons if not _empty(as_read(lesson.text, job.attached))]
    usable = [lesson for lesson in filled if lesson.category in known and lesson.weight > 0]
    if empty := len(lessons) - len(filled):
        report.append(f"{_count(empty, 'lesson')} without any text left out.")
    if strange := len({lesson.category for lesson in lessons} - known):
        report.append(f"Lessons of {_count(strange, 'category', 'categories')} that no longer exist left out.")
    usable.sort(key=lambda lesson: (lesson.when, str(lesson.id)))
    if len(usable) > recipe.most_lessons:
        usable = _thinned(usable, recipe.most_lessons)
        report.append(f"Only the {recipe.most_lessons:,} newest lessons used, balanced over the categories.")
    disclaimers = find_disclaimers([lesson.text for lesson in usable], key)
    texts = [as_taught(lesson.text, frozenset(disclaimers), key, job.attached) for lesson in usable]
    if disclaimers:
        report.append(f"{_count(len(disclaimers), 'line')} that repeat in many mails (disclaimers) are not read.")
    pairs = similar_pairs(texts, recipe.alike)
    same = [(first, second) for first, second, likeness in pairs if likeness >= recipe.same]
    contradictions = tuple(
        (usable[first].id, usable[second].id)
        for first, second in same
        if usable[first].category != usable[second].category
    )
    dropped, repeats = _repeated(usable, same, recipe.most_repeats)
    if dropped:
        report.append(f"{_count(len(dropped), 'lesson')} merged with a near-identical newer one.")
    if contradictions:
        report.append(
            f"{_count(len(contradictions), 'pair')} of near-identical mails in different categories: "
            "the newer of each was learnt. People may mean two things by these folders."
        )
    groups = groups_of(usable, [(first, second) for first, second, _ in pairs])
    examples = [
        Example(
            lesson.id,
            lesson.category,
            text,
            group,
            lesson.when.timestamp(),
            repeats.get(index, lesson.weight),
            lesson.frozen,
            lesson.text,
        )
        for index, (lesson, text, group) in enumerate(zip(usable, texts, groups, strict=True))
        if index not in dropped
    ]
    report += _hard_categories(job, examples, recipe.few)
    by_time = spread_in_time([example.time for example in examples])
    train, exam = split(examples, by_time, job.seed, recipe)
    return Dataset(
        tuple(train), tuple(exam), by_time, tuple(report), contradictions, names(job, examples, recipe), disclaimers
    )


def names(job: Order, examples: Sequence[Example], recipe: Cleaning) -> tuple[Example, ...]:
    """Name and description of every category that has lessons, as a text.

    With ten lessons a category the names alone are worth one to two points (docs/experiments.md).
    """
    taught = {example.category for example in examples}
    first = min((example.time for example in examples), default=0.0)
    return tuple(
        Example(-1 - number, category.id, MailText(body=text), -1 - number, first, recipe.name_weight, False)
        for number, category in enumerate(job.categories)
        if category.id in taught and (text := _as_words(category.name or category.id, category.description))
    )


def evened(examples: Sequence[Example]) -> tuple[Example, ...]:
    """These examples, those of rare categories weighing more: by the square root, which all data sets gained by.

    The sum of all weights stays, so that a classifier's strength means what it did.
    """
    mass: dict[str, float] = defaultdict(float)
    for example in examples:
        mass[example.category] += example.weight
    total = sum(mass.values())
    scale = total / max(sum(weight**0.5 for weight in mass.values()), 1e-12)
    return tuple(
        replace(example, weight=example.weight * scale / mass[example.category] ** 0.5) for example in examples
    )


def _as_words(name: str, description: str) -> str:
    """ "Belege/kreditKarte_2" -> "Belege kredit Karte 2", and the description below it."""
    words = re.findall(r"\w+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " "))
    return f"{' '.join(words)}\n{description}".strip()


def _empty(text: MailText) -> bool:
    return not (text.body.strip() or text.subject.strip() or text.sender.strip())


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _thinned(lessons: Sequence[Lesson], most: int) -> list[Lesson]:
    """The newest of each category, as equally as their numbers allow; frozen ones always."""
    taken = {index for index, lesson in enumerate(lessons) if lesson.frozen}
    queues: dict[str, list[int]] = defaultdict(list)
    for index, lesson in enumerate(lessons):
        if index not in taken:
            queues[lesson.category].append(index)
    while len(taken) < most and queues:
        for category in list(queues):
            if len(taken) < most:
                taken.add(queues[category].pop())
            if not queues[category]:
                del queues[category]
    return [lessons[index] for index in sorted(taken)]


def similar_pairs(texts: Sequence[MailText], least: float) -> list[tuple[int, int, float]]:
    """Pairs of texts at least so alike (cosine of hashed character n-grams), first index below the second."""
    if len(texts) < 2:
        return []
    hashed = HashingVectorizer(
        analyzer="char_wb", ngram_range=(3, 4), n_features=2**18, alternate_sign=False, norm=None
    )
    read = [f"{text.subject}\n{text.body[:2000]}".lower() for text in texts]
    counts = hashed.transform(read)
    counts.data = np.log1p(counts.data)
    spread = np.bincount(counts.indices, minlength=counts.shape[1])
    rare = np.log((1 + len(texts)) / (1 + spread)) + 0.1
    if len(texts) > 1000:
        # What every fifth mail holds tells none from another, and costs nearly all of the time.
        rare[spread > len(texts) / 5] = 0
    counts.data *= rare[counts.indices]
    counts.eliminate_zeros()
    rows = normalize(counts).astype(np.float32)
    pairs = _said_by_many(read, np.flatnonzero(np.diff(rows.indptr) == 0))
    for start in range(0, len(texts), 512):
        block = (rows[start : start + 512] @ rows[start:].T).tocoo()
        close = block.data >= least
        for first, second, likeness in zip(block.row[close], block.col[close], block.data[close], strict=True):
            if first < second:
                pairs.append((start + int(first), start + int(second), float(likeness)))
    return sorted(pairs)


def _said_by_many(texts: Sequence[str], rows: Iterable[int]) -> list[tuple[int, int, float]]:
    """Pairs of the same text among those of which nothing is left to compare: where every fifth mail says "ok"."""
    last: dict[str, int] = {}
    pairs: list[tuple[int, int, float]] = []
    for row in map(int, rows):
        text = " ".join(texts[row].split())
        if text and text in last:
            pairs.append((last[text], row, 1.0))
        last[text] = row
    return pairs


def _repeated(
    lessons: Sequence[Lesson], same: Iterable[tuple[int, int]], most: float
) -> tuple[set[int], dict[int, float]]:
    """Of near-identical lessons the last word counts: which go, and what those that stay weigh instead.

    A mail that people filed alike ten times says more than one that came once. A frozen lesson stays.
    """
    newest: dict[int, int] = {}
    for first, second in same:  # sorted, so the last one wins
        if not lessons[first].frozen:
            newest[first] = second
    weights: dict[int, float] = {}
    for first in sorted(newest):
        last = newest[first]
        while last in newest:
            last = newest[last]
        if lessons[first].category == lessons[last].category and not lessons[last].frozen:
            weights[last] = min(most, weights.get(last, lessons[last].weight) + lessons[first].weight)
    return set(newest), weights


def groups_of(lessons: Sequence[Lesson], pairs: Iterable[tuple[int, int]]) -> list[int]:
    """A number for each lesson; joined by thread and by likeness (union-find)."""
    parent = list(range(len(lessons)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    threads: dict[str, int] = {}
    for index, lesson in enumerate(lessons):
        if lesson.thread:
            parent[root(index)] = root(threads.setdefault(lesson.thread, index))
    for first, second in pairs:
        parent[root(first)] = root(second)
    return [root(index) for index in range(len(lessons))]


def spread_in_time(times: Sequence[float]) -> bool:
    """Do these dates (seconds), one a text, say anything? A CSV file that was read in one go has none worth splitting
    by."""
    known = sorted(set(map(round, times)))
    return len(known) > max(1, len(times) / 4) and known[-1] - known[0] > AN_HOUR


def split(
    examples: Sequence[Example], by_time: bool, seed: int, recipe: Cleaning
) -> tuple[list[Example], list[Example]]:
    """Training part and exam, no group on both sides.

    The exam holds the frozen lessons and every second of the newest groups (by dates), or a stratified draw of groups
    (without dates).
    A category always keeps at least two lessons, or all it has, for training.
    """
    frozen = {example.group for example in examples if example.frozen}
    members: dict[int, list[Example]] = defaultdict(list)
    for example in examples:
        members[example.group].append(example)
    left = Counter(example.category for example in examples)
    for group in frozen:
        left.subtract(example.category for example in members[group])
    taught = Counter(left)
    size = round(min(max(recipe.exam_share * len(examples), recipe.least_exam), recipe.most_exam))
    if len(examples) < 6 * recipe.least_exam:
        size = len(examples) // 6
    # Frozen lessons may fill half of the exam; the rest is the newest mail, because that is what will come.
    size = max(size - sum(len(members[group]) for group in frozen), (size + 1) // 2)
    order = [group for group in members if group not in frozen]
    if by_time:
        order.sort(key=lambda group: -max(example.time for example in members[group]))
        # Every second of the newest groups: what people corrected today is examined tonight, and learnt tonight too.
        order = order[seed % 2 :: 2] + order[1 - seed % 2 :: 2]
    else:
        order = stratified({group: members[group][0].category for group in order}, seed)
    chosen: set[int] = set()
    count = 0
    for group in order:
        if count >= size:
            break
        loss = Counter(example.category for example in members[group])
        if len(members[group]) > max(3, size // 3):
            continue  # a newsletter's hundred issues would be the whole exam
        if any(taught[category] - number < min(2, left[category]) for category, number in loss.items()):
            continue
        taught.subtract(loss)
        chosen.add(group)
        count += len(members[group])
    exam = [example for example in examples if example.group in chosen or example.group in frozen]
    train = [example for example in examples if example.group not in chosen and example.group not in frozen]
    return train, exam


def stratified(categories: Mapping[int, str], seed: int) -> list[int]:
    """Groups (each with its category) in random order, one category after the other in proportion to its size."""
    random = np.random.default_rng(seed)
    order = list(categories)
    queues: dict[str, list[int]] = defaultdict(list)
    for place in random.permutation(len(order)):
        queues[categories[order[place]]].append(order[place])
    ranked = []
    for _category, queue in sorted(queues.items()):
        shift = random.random()
        ranked += [((position + shift) / len(queue), group) for position, group in enumerate(queue)]
    return [group for _, group in sorted(ranked)]


def _hard_categories(job: Order, examples: Sequence[Example], few: int) -> list[str]:
    counts = Counter(example.category for example in examples)
    sentences = []
    for category in job.categories:
        number = counts[category.id]
        if number == 0:
            sentences.append(f"{category.title}: no lessons yet, so nothing will be filed there.")
        elif number < few:
            sentences.append(f"{category.title}: only {_count(number, 'lesson')}; too few to be learnt well.")
    return sentences
