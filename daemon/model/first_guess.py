"""Before a model knows a category: guess from its name, its description and its first examples. Never files anything.

    names, descriptions, first lessons | beginnings of words, rare ones weigh more | which of them does the mail hold?
    -> a ranking with probabilities, or None: no word in common is no idea

Words, not the base model, because they guess better: of 90 household questions in 18 categories words put 68 % right,
the untrained base model 43 % (docs/experiments.md). The first night's model replaces this.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from connectors.base import MailText
from daemon.model.as_read import as_read
from daemon.model.classifier import ranked
from daemon.model.prediction import Prediction
from daemon.store.records import Category, Lesson

# "invoice" and "invoices", "Rechnung" and "Rechnungen" begin alike; "bills" and "bill" do without their s.
BEGINNING = 5
SHORTEST, SHORTEST_IN_DESCRIPTION = 3, 4
NAME, DESCRIPTION, EXAMPLE = 1.0, 0.5, 0.5
SUBJECT = 1.5
"""A word in the subject tells more than one in the body."""
# Words without a subject of their own, which descriptions are full of. Libraries' lists also hold "bill" and "fire".
_EMPTY = """
about after all also and any are been before but can could does everything for from has have here how into its mail more
not other our out please should some something than that the their them then there these they this those want was were
what when where which who will with would you your
alle auch auf aus bei bitte das dass dem den der des die ein eine einen einer fur haben ihr ihre ist mit nach nicht oder
sich sie sind uber und uns unser von vom was wenn wer werden wie wir zum zur
avec dans des elle est les leur mais nos notre nous par pas pour que qui sont sur une vos votre vous
"""
EMPTY_WORDS = frozenset(_EMPTY.split())
# So many of a category's newest lessons are looked at, and a word counts when half of them have it.
FIRST_LESSONS = 10
# Makes what it says of its sureness true on the two sets of docs/experiments.md, rather too low than too high.
SURENESS = 1.5


class FirstGuess:
    """The words of some categories. `lessons` are examples of them, of which the newest few are used."""

    def __init__(self, categories: Sequence[Category], lessons: Sequence[Lesson] = ()) -> None:
        self._uids = [category.uid for category in categories]
        examples: dict[str, list[Lesson]] = defaultdict(list)
        for lesson in lessons:
            examples[lesson.category].append(lesson)
        weights: list[dict[str, float]] = []
        for category in categories:
            own = dict.fromkeys(_common(examples[category.uid][-FIRST_LESSONS:]), EXAMPLE)
            own |= dict.fromkeys(_beginnings(category.description, SHORTEST_IN_DESCRIPTION), DESCRIPTION)
            own |= dict.fromkeys(_beginnings(category.name, SHORTEST), NAME)
            weights.append(own)
        holders = Counter(word for own in weights for word in own)
        self._scores: dict[str, dict[int, float]] = defaultdict(dict)
        for column, own in enumerate(weights):
            # A long description must not win by its length.
            length = math.sqrt(sum(weight * weight for weight in own.values())) or 1.0
            for word, weight in own.items():
                rarity = math.log(1 + len(categories) / holders[word])
                self._scores[word][column] = weight * rarity / max(length, 1.0)

    def guess(self, text: MailText) -> Prediction | None:
        """What the words of this mail point at; None when it shares none with any category."""
        text = as_read(text)
        subject, body = _beginnings(text.subject, SHORTEST), _beginnings(f"{text.body} {text.sender}", SHORTEST)
        scores = np.zeros(len(self._uids), np.float32)
        for word in subject | body:
            for column, score in self._scores.get(word, {}).items():
                scores[column] += score * (SUBJECT if word in subject else 1.0)
        if not scores.any():
            return None
        scores *= SURENESS
        return ranked(scores - np.log(np.exp(scores).sum()), self._uids)


def _common(lessons: Sequence[Lesson]) -> set[str]:
    """What at least half of these examples hold; nothing from a single one, for it says too much."""
    if len(lessons) < 2:
        return set()
    seen = Counter(
        word
        for text in (as_read(lesson.text) for lesson in lessons)
        for word in _beginnings(f"{text.subject} {text.body} {text.sender}", SHORTEST)
    )
    return {word for word, count in seen.items() if count >= max(2, len(lessons) / 2)}


def _beginnings(text: str, shortest: int) -> set[str]:
    """The first letters of every word that means something, without accents."""
    plain = unicodedata.normalize("NFKD", text.lower()[:20_000])
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return {
        word[:BEGINNING].rstrip("s") or word
        for word in re.findall(r"[^\W\d_]+", plain)
        # A character of Chinese or Japanese is a word's worth.
        if (len(word) >= shortest or word >= "⺀") and word not in EMPTY_WORDS
    }
