"""A trained model as the pass uses it: texts in, a ranking of categories with honest probabilities out.

    MailText as it was taught (daemon/model/as_read.py)
      | render | engine: log p of each code    \\
      | linear model: log p of each category    >  blend | neighbours | mask | calibration | sureness  ->  Prediction
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from tokenizers import Tokenizer

from connectors.base import MailText
from daemon.model.as_read import as_taught
from daemon.model.codebook import Codebook
from daemon.model.engines.engine import Engine, Floats, ModelRefused, renormalised
from daemon.model.model_folder import ModelFolder, ModelMeta, fitting
from daemon.model.prediction import Prediction
from daemon.model.prompt import Renderer
from daemon.model.reader_files import reader_folder
from daemon.model.sureness import chances, signs
from daemon.model.term_key import TermKey
from daemon.model.tokenizer_file import TOKENIZER, shared_tokenizer

if TYPE_CHECKING:
    from daemon.model.engines.shared_reader import SharedReader
    from daemon.model.linear import LinearModel
    from daemon.model.neighbours import Near, Neighbours

# A linear model can be infinitely sure, and infinity times a weight of zero is not a number.
LEAST_LOGPROB = -30.0


class Classifier:
    """One model folder, loaded. Make it with `load`; use it as a context manager or call `close`."""

    def __init__(
        self,
        meta: ModelMeta,
        key: TermKey,
        engine: Engine | None,
        renderer: Renderer | None,
        linear: LinearModel | None,
        neighbours: Neighbours | None = None,
    ) -> None:
        self.meta = meta
        self._key = key
        self._engine = engine
        self._renderer = renderer
        self._linear = linear
        self._neighbours = neighbours
        self._disclaimers = frozenset(meta.disclaimers)
        book = meta.book()
        self._codes = [book.code(category) for category in meta.categories]

    @classmethod
    def load(
        cls,
        folder: Path,
        key: TermKey,
        engine: Engine | None = None,
        threads: int = 2,
        codebook: Codebook | None = None,
        readers: Path | None = None,
    ) -> Classifier:
        """Load and check a model folder. `engine` defaults to the embedded one: on the folder's own files, or on the
        shared reader in `readers`, which a model without such files needs.

        `key` is the state directory's, under which the model's terms must have been hashed. `codebook` is the store's,
        which must have grown from the model's. Raises ModelMissing or ModelRefused, of which ReaderRefused.
        """
        meta = fitting(folder, key, codebook)
        parts = ModelFolder(folder)
        renderer = linear = neighbours = None
        if meta.kind != "llm":
            from daemon.model.linear import LinearModel

            linear = LinearModel.load(parts.linear, key)
        if meta.neighbours > 0 or meta.sureness is not None or parts.neighbours.is_file():
            from daemon.model.neighbours import Neighbours

            neighbours = Neighbours.load(folder, key)
        if meta.kind == "linear":
            engine = None
        elif meta.reader:
            reader = _reader(meta, readers, threads)
            renderer = Renderer(reader.tokenizer, meta.prompt_settings())
            if engine is None:
                from daemon.model.engines.shared_reader import Head, HeadEngine

                engine = HeadEngine(reader, Head.load(parts.head))
        else:
            renderer = Renderer(_tokenizer(parts, meta), meta.prompt_settings())
            if engine is None:
                from daemon.model.engines.embedded import EmbeddedEngine

                engine = EmbeddedEngine(parts.ct2, threads)
        return cls(meta, key, engine, renderer, linear, neighbours)

    def classify(self, texts: Sequence[MailText], allowed: Collection[str] | None = None) -> list[Prediction]:
        """One prediction a text. `allowed` leaves out categories that were removed or paused. Raises EngineError."""
        if not texts:
            return []
        kept = [
            column for column, category in enumerate(self.meta.categories) if allowed is None or category in allowed
        ]
        if not kept:
            return [Prediction(()) for _ in texts]
        plain = self._plain(texts)
        trained = self._trained(plain)
        near = None if self._neighbours is None else self._neighbours.near(plain)
        categories = [self.meta.categories[column] for column in kept]
        served = renormalised(self._together(trained, near)[:, kept] / self.meta.temperature)
        found = [ranked(row, categories) for row in served]
        if self._neighbours is None or near is None:
            return found
        if self.meta.sureness is not None:
            stated = chances(self.meta.sureness, signs(served, trained[:, kept], near[:, kept]))
            found = [replace(prediction, sureness=float(sure)) for prediction, sure in zip(found, stated, strict=True)]
        newcomers = self._neighbours.newcomers(plain)
        return [replace(prediction, newcomer=newcomer) for prediction, newcomer in zip(found, newcomers, strict=True)]

    def logprobs(self, texts: Sequence[MailText]) -> Floats:
        """All parts together before mask and calibration, in the order of `meta.categories`."""
        plain = self._plain(texts)
        near = None if self._neighbours is None or self.meta.neighbours == 0 else self._neighbours.near(plain)
        return self._together(self._trained(plain), near)

    def _trained(self, texts: Sequence[MailText]) -> Floats:
        language = None
        if self._engine is not None and self._renderer is not None:
            prompts = [self._renderer.render(text) for text in texts]
            language = self._engine.code_logprobs(prompts, self._codes)
        linear = None
        if self._linear is not None:
            linear = aligned(self._linear.logprobs(texts), self._linear.categories, self.meta.categories)
        return blend(language, linear, self.meta.blend_weight)

    def _together(self, trained: Floats, near: Near | None) -> Floats:
        if near is None or self.meta.neighbours == 0:
            return trained
        return blend(near.logprobs, trained, self.meta.neighbours)

    def _plain(self, texts: Sequence[MailText]) -> list[MailText]:
        return [as_taught(text, self._disclaimers, self._key, self.meta.attached) for text in texts]

    @property
    def newest_lesson(self) -> int | None:
        """The highest id of a lesson that the neighbours know; None for a model that takes nothing in."""
        return None if self._neighbours is None else self._neighbours.newest

    def learn(self, lessons: Sequence[tuple[int, MailText, str]], counting: Collection[int]) -> None:
        """Take in lessons (id, text, category); of all lessons, only those in `counting` still count."""
        if self._neighbours is not None:
            plain = self._plain([text for _, text, _ in lessons])
            self._neighbours.add([(lesson[0], text, lesson[2]) for lesson, text in zip(lessons, plain, strict=True)])
            self._neighbours.keep(counting)

    def verify(self) -> None:
        """Is a model server behind it serving this very model? Raises EngineError; nothing to ask in process."""
        if self._engine is not None:
            self._engine.verify()

    def close(self) -> None:
        """Give back the engine's memory. Never raises."""
        if self._engine is not None:
            self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def blend(language: Floats | None, linear: Floats | None, weight: float) -> Floats:
    """weight * log p of the first + (1 - weight) * log p of the second, renormalised.

    With only one of the two, that one. Raises ValueError without any.
    """
    if language is None or linear is None:
        only = linear if language is None else language
        if only is None:
            raise ValueError("a model needs a language model, a linear model, or both")
        return renormalised(only)
    floor = np.float32(LEAST_LOGPROB)
    return renormalised(weight * np.maximum(language, floor) + (1 - weight) * np.maximum(linear, floor))


def aligned(logprobs: Floats, have: Sequence[str], want: Sequence[str]) -> Floats:
    """Columns in the order of `want`; categories that the linear model never saw get the least probability."""
    result = np.full((len(logprobs), len(want)), LEAST_LOGPROB, dtype=np.float32)
    places = {category: column for column, category in enumerate(have)}
    for column, category in enumerate(want):
        if category in places:
            result[:, column] = logprobs[:, places[category]]
    return result


def ranked(logprobs: Floats, categories: Sequence[str]) -> Prediction:
    """One row of log-probabilities as a ranking; equal ones in the codebook's order."""
    order = np.argsort(-logprobs, kind="stable")
    return Prediction(tuple((categories[column], float(np.exp(logprobs[column]))) for column in order))


def _reader(meta: ModelMeta, readers: Path | None, threads: int) -> SharedReader:
    """The reader that this model is a head on. Raises ReaderRefused, ModelRefused."""
    from daemon.model.engines.shared_reader import shared_reader

    if readers is None:
        raise ModelRefused(f"model {meta.version}: it needs the reader {meta.reader}, and nobody said where it lies.")
    return shared_reader(reader_folder(readers, meta.reader), threads)


def _tokenizer(parts: ModelFolder, meta: ModelMeta) -> Tokenizer:
    """The tokenizer that lies with the exported model. Raises ModelRefused."""
    for place in parts.tokenizers:
        if (known := meta.files.get(place.relative_to(parts.root).as_posix())) is not None:
            return shared_tokenizer(place, known.sha256)
    raise ModelRefused(f"{parts.root}: {TOKENIZER} is missing. Run `postroom rollback`, or train again.")
