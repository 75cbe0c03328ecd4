"""The linear model: the cheap opponent that every language model has to beat, and half of the blend.

    MailText | words of the fields and the body, characters of all of them | hashed (daemon/model/term_key.py)
    | TF-IDF, weighed by what a term tells about the categories | one row a category | softmax

Everything that scoring needs lies in two files, `linear.npz` (weights and hashed terms) and `linear.json`. No term is
in clear: a single mail's sender and words would be. Nothing is pickled: a model folder is data, and opening one must
never run code. The trainer makes them (`trainer.candidates.tfidf`) with scikit-learn, which would cost the service
50 MB for the few lines that scoring takes and need not be installed beside it; a test holds both together.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from connectors.base import MailText
from daemon.model.engines.engine import Floats, ModelMissing, ModelRefused, renormalised
from daemon.model.term_key import Hashes, TermKey

WEIGHTS = "linear.npz"
NOTE = "linear.json"
LAYOUT = 4

# Enough for any mail that a person wrote; a pasted log of megabytes must not cost seconds.
MOST_CHARACTERS = 20_000

_WORD = re.compile(r"\w+", re.UNICODE)
_ADDRESS = re.compile(r"[\w.+-]+@([\w.-]+)", re.UNICODE)


def words(text: MailText) -> list[str]:
    """The words of a mail, those of its fields marked as such, then pairs of neighbours.

    A word in the subject says more than one in the body, and a sender's address more than any: each field has a
    vocabulary of its own ("subject:invoice"), beside the common one.
    """
    subject = _WORD.findall(text.subject.lower())
    body = _WORD.findall(text.body[:MOST_CHARACTERS].lower())
    marked = [*_field("from", text.sender), *_field("to", text.to[:500]), *_field("list", text.list_id)]
    marked += [f"subject:{word}" for word in subject]
    marked += [f"file:{word}" for name in text.attachments[:12] for word in _WORD.findall(name.lower())]
    return [*marked, *subject, *body, *_pairs(subject), *_pairs(body)]


def characters(text: MailText) -> str:
    """What the character n-grams see: everything.

    Without the addresses a real mailbox lost three points in a hundred (docs/experiments.md).
    """
    fields = (text.sender, text.to[:500], text.list_id, text.subject, *text.attachments[:12])
    return "\n".join([*filter(None, fields), text.body[:MOST_CHARACTERS]]).lower()


def pieces(text: MailText) -> list[str]:
    """The pieces of 3 to 5 characters of every word in `characters`, a space before and behind each word.

    A shorter word counts once, whole; as scikit-learn's analyzer "char_wb" has it.
    """
    found = []
    for word in characters(text).split():
        padded = f" {word} "
        for size in range(3, 6):
            if size >= len(padded):
                found.append(padded)
                break
            found += [padded[at : at + size] for at in range(len(padded) - size + 1)]
    return found


ANALYSERS: dict[str, Callable[[MailText], list[str]]] = {"words": words, "characters": pieces}


def _field(name: str, value: str) -> Iterator[str]:
    value = value.lower()
    for match in _ADDRESS.finditer(value):
        yield f"{name}:{match[0]}"
        yield f"{name}:@{match[1]}"
    for word in _WORD.findall(value):
        yield f"{name}:{word}"


def _pairs(sequence: Sequence[str]) -> Iterator[str]:
    return (f"{first} {second}" for first, second in pairwise(sequence))


@dataclass(frozen=True)
class Vocabulary:
    """The terms that one vectoriser knows, hashed and in rising order, and what each weighs: one a column.

    A weight is the inverse document frequency times what the term tells about the categories
    (trainer.candidates.terms). The order of the hashes is on purpose: in that of the alphabet a term's place would tell
    how it begins.
    """

    terms: Hashes
    weights: npt.NDArray[np.float64]

    @classmethod
    def of(
        cls, terms: Iterable[str], weights: npt.NDArray[np.float64], key: TermKey
    ) -> tuple[Self, npt.NDArray[np.int64]]:
        """The vocabulary of these terms in clear, and for each of its columns the place of its term among them."""
        hashes = key.hashes(terms)
        order = np.argsort(hashes)
        return cls(hashes[order], weights[order]), order


class LinearModel:
    """A trained linear model. `coefficients` holds a row for each category, a column for each term of all parts.

    `key` must be the one that the terms were hashed under.
    """

    def __init__(
        self,
        categories: Sequence[str],
        vocabularies: dict[str, Vocabulary],
        coefficients: Floats,
        intercepts: Floats,
        scale: float,
        key: TermKey,
    ) -> None:
        self.categories = tuple(categories)
        self._vocabularies = vocabularies
        self._coefficients = coefficients
        self._intercepts = intercepts
        self._scale = scale
        self._key = key

    def logprobs(self, texts: Sequence[MailText]) -> Floats:
        """Natural logarithms, a row for each text, columns in the order of `categories`."""
        scores = np.tile(self._intercepts, (len(texts), 1))
        start = 0
        for part, vocabulary in self._vocabularies.items():
            for row, text in enumerate(texts):
                found, values = _weighed(ANALYSERS[part](text), vocabulary, self._key)
                scores[row] += self._coefficients[:, start + found] @ values
            start += len(vocabulary.terms)
        return renormalised(scores * self._scale)

    def save(self, folder: Path) -> None:
        """Write the two files. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        note = {
            "layout": LAYOUT,
            "categories": self.categories,
            "scale": self._scale,
            "parts": tuple(self._vocabularies),
        }
        (folder / NOTE).write_text(json.dumps(note, ensure_ascii=False), "utf-8")
        weights = {f"weights_{part}": vocabulary.weights for part, vocabulary in self._vocabularies.items()}
        terms = {f"terms_{part}": vocabulary.terms for part, vocabulary in self._vocabularies.items()}
        np.savez_compressed(  # half precision: the weights' third digit changes no decision, and the file halves
            folder / WEIGHTS,
            allow_pickle=False,
            coefficients=self._coefficients.astype(np.float16),
            intercepts=self._intercepts,
            **weights,
            **terms,
        )

    @classmethod
    def load(cls, folder: Path, key: TermKey) -> Self:
        """Read what `save` wrote under this key; model.json tells another one (daemon/model/classifier.py).

        Raises ModelMissing, or ModelRefused for files that are damaged.
        """
        advice = "Run `postroom rollback`, or train again."
        try:
            note: dict[str, Any] = json.loads((folder / NOTE).read_text("utf-8"))
            if note["layout"] != LAYOUT:
                raise ModelRefused(f"{folder}: the linear model was written by another version of Postroom. {advice}")
            with (folder / WEIGHTS).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                vocabularies = {
                    part: Vocabulary(arrays[f"terms_{part}"], arrays[f"weights_{part}"]) for part in note["parts"]
                }
                coefficients = arrays["coefficients"].astype(np.float32)
                intercepts = arrays["intercepts"].astype(np.float32)
            columns = sum(len(vocabulary.terms) for vocabulary in vocabularies.values())
            fits = all(len(vocabulary.terms) == len(vocabulary.weights) for vocabulary in vocabularies.values())
            if not fits or coefficients.shape != (len(note["categories"]), columns):
                raise ValueError("the two files do not belong together")
            return cls(note["categories"], vocabularies, coefficients, intercepts, float(note["scale"]), key)
        except FileNotFoundError as error:
            raise ModelMissing(f"{folder}: there is no linear model here. {advice}") from error
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise ModelRefused(f"{folder}: the linear model is damaged ({error}). {advice}") from error


def _weighed(
    terms: Sequence[str], vocabulary: Vocabulary, key: TermKey
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The columns of the known terms and their values, (1 + log count) * weight, of length one together."""
    counted = Counter(terms)
    hashes = key.hashes(counted)
    columns = np.searchsorted(vocabulary.terms, hashes)
    known = columns < len(vocabulary.terms)
    known[known] = vocabulary.terms[columns[known]] == hashes[known]
    found = columns[known]
    counts = np.fromiter(counted.values(), np.float64, len(counted))[known]
    values = (1 + np.log(counts)) * vocabulary.weights[found]
    return found, values / max(float(np.linalg.norm(values)), 1e-12)
