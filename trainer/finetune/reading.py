"""What the base model's lower layers make of a prompt, computed once and kept on disk.

    prompts not read before | batches by length | the lower layers | mean of positions, last position  ->  Readings

The layers below the pooling layer (see `trainer.finetune.pooling`) never change, so a text has to be read only once in
its life: a night reads the new lessons and takes the rest from the cache. What it did not ask for goes from there: the
lesson is gone. `ByShared` reads as service does, in int8 and without torch; what is written as a whole model is read in
float32, with the last position as well (trainer.finetune.exact_reading).
"""

from __future__ import annotations

import hashlib
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from daemon.model.engines.embedded import batches
from daemon.model.engines.shared_reader import SharedReader
from daemon.model.prompt import Prompt
from trainer.recipe import Pooled

Floats = npt.NDArray[np.float32]
BATCHES_A_THREAD = 4
"""Asked for at once where batches are read side by side, so that at the end of them little is waited for."""


@dataclass(frozen=True)
class Readings:
    """One row a prompt. `means`: mean over positions of the normalised states; `lasts`: the state at the last one, of
    no width where nobody asked for it."""

    means: Floats
    lasts: Floats

    def __getitem__(self, rows: npt.NDArray[Any] | list[int] | slice) -> Readings:
        return Readings(self.means[rows], self.lasts[rows])


class CachedReadings(ABC):
    """Reads prompts that the file in `cache` does not know yet. `key`: what reads them, and how."""

    def __init__(self, key: str, width: int, columns: int, cache: Path | None, recipe: Pooled) -> None:
        self._recipe = recipe
        self._width = width
        self._columns = columns
        self._key = hashlib.sha256(key.encode()).hexdigest()[:24]
        self._file = None if cache is None else cache / f"readings-{self._key}.npz"
        self._tokens_at_once = recipe.tokens_a_batch

    @abstractmethod
    def _compute(self, ids: Sequence[Sequence[int]]) -> Floats:
        """A row of all columns for each of these."""

    def read(self, prompts: Sequence[Prompt], tick: Callable[[int], None] = lambda _: None) -> Readings:
        """The readings of all prompts; `tick` hears how many are known so far. Raises OSError when the disk is full."""
        keys = [hashlib.blake2b(np.array(p.ids, np.int32).tobytes(), digest_size=16).hexdigest() for p in prompts]
        rows = self._load()
        missing = {key: prompt for key, prompt in zip(keys, prompts, strict=True) if key not in rows}
        done = len(prompts) - len(missing)
        tick(done)
        unread = list(missing)
        try:
            for batch in batches([len(missing[key].ids) for key in unread], self._tokens_at_once):
                for index, row in zip(batch, self._compute([missing[unread[i]].ids for i in batch]), strict=True):
                    rows[unread[index]] = row
                done += len(batch)
                tick(done)
        finally:
            # Also when the time is up: the next night then reads on from here.
            if missing or rows.keys() - set(keys):
                self._store(rows, [key for key in keys if key in rows])
        found = np.stack([rows[key] for key in keys]) if keys else np.zeros((0, self._columns), np.float32)
        return Readings(found[:, : self._width], found[:, self._width :])

    def _load(self) -> dict[str, Floats]:
        if self._file is None or not self._file.is_file():
            return {}
        try:
            with self._file.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                keys, rows = arrays["keys"], arrays["rows"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return {}  # a damaged cache is no trouble: it is made again
        if rows.ndim != 2 or rows.shape[1] != self._columns or len(rows) != len(keys):
            return {}
        return dict(zip(keys.tolist(), rows, strict=True))

    def _store(self, rows: dict[str, Floats], asked: Sequence[str]) -> None:
        if self._file is None or not asked:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        kept = [*dict.fromkeys(asked)][-self._recipe.most_kept :]
        beside = self._file.with_name(f".{self._file.name}")
        with beside.open("wb") as file:
            np.savez(file, allow_pickle=False, keys=np.array(kept), rows=np.stack([rows[key] for key in kept]))
        beside.rename(self._file)
        for other in self._file.parent.glob("readings-*.npz"):  # of an older base or prompt layout
            if other != self._file:
                other.unlink(missing_ok=True)


class ByShared(CachedReadings):
    """By the reader that will serve, of a base so wide. Knows no last positions."""

    def __init__(self, reader: SharedReader, width: int, cache: Path | None, recipe: Pooled) -> None:
        super().__init__(f"shared|{reader.key}", width, width, cache, recipe)
        self._reader = reader
        if reader.at_once > 1:  # the reader makes its own batches of these, some for each thread
            self._tokens_at_once *= BATCHES_A_THREAD * reader.at_once

    def _compute(self, ids: Sequence[Sequence[int]]) -> Floats:
        return self._reader.means(ids)
