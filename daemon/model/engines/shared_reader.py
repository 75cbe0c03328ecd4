"""One reader for all mailboxes of a process, and the head by which each mailbox answers. No server, no torch.

    prompts | the base's lower layers, once in the process | mean of the normalised states   ->  a vector a prompt
    vector | a space in which the mailbox's categories lie apart | a row for each code       ->  log-probabilities

The lower layers are the base's own, the same for all; what a mailbox has learnt is the head, a megabyte or less. So a
hundred mailboxes hold the base once, and its tokenizer. Both go when the last model that reads by them goes.
"""

from __future__ import annotations

import threading
import weakref
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from daemon.model.engines.embedded import Forward
from daemon.model.engines.engine import Engine, Floats, ModelRefused, places_of, renormalised
from daemon.model.prompt import Prompt
from daemon.model.reader_files import PREFIX, whole_reader
from daemon.model.tokenizer_file import TOKENIZER, shared_tokenizer


class SharedReader:
    """The lower layers of a base, loaded. Safe to share between threads. Raises ReaderRefused, ModelRefused."""

    def __init__(self, folder: Path, threads: int = 2, *, side_by_side: bool = False) -> None:
        info = whole_reader(folder)
        self.key = folder.name.removeprefix(PREFIX)
        """By which models name it."""
        try:
            self._forward = Forward(folder, f"reader {self.key}", threads, side_by_side=side_by_side)
        except (OSError, ValueError, RuntimeError) as error:
            raise ModelRefused(
                f"{folder}: the shared reader can't be loaded ({error}). Remove it, and run `postroom train`: that "
                "makes it anew."
            ) from error
        self.at_once = self._forward.at_once
        """So many batches are read side by side."""
        self.tokenizer: Tokenizer = shared_tokenizer(folder / TOKENIZER, info.files[TOKENIZER][1])

    def means(self, prompts: Sequence[Sequence[int]]) -> Floats:
        """Of token ids: the mean over all positions of the normalised states, one row a prompt. Raises EngineError."""
        if not prompts:
            return np.zeros((0, 0), np.float32)
        return np.stack(self._forward.of_each(prompts, lambda states: states.mean(axis=0, dtype=np.float32)))


_loading = threading.Lock()
_loaded: weakref.WeakValueDictionary[tuple[Path, int, bool], SharedReader] = weakref.WeakValueDictionary()


def shared_reader(folder: Path, threads: int = 2, *, side_by_side: bool = False) -> SharedReader:
    """The reader in this folder: the one that somebody in this process holds already, or loaded now.

    `side_by_side`: for many prompts at once, as a night reads them (`Forward`).

    Raises ReaderRefused, ModelRefused.
    """
    place = (folder.resolve(), threads, side_by_side)
    with _loading:
        found = _loaded.get(place)
        if found is None:
            found = _loaded[place] = SharedReader(folder, threads, side_by_side=side_by_side)
        return found


@dataclass(frozen=True)
class Head:
    """What one mailbox's language model is beside the reader: head.npz.

    `matrix` (width, directions) makes features of a reader's vectors, which are brought to length one; `rows` and
    `offsets` score each of `codes` on them.
    """

    codes: tuple[str, ...]
    matrix: Floats
    rows: Floats
    offsets: Floats

    def save(self, path: Path) -> None:
        """Write it. The matrix in half precision: only directions count. Raises OSError."""
        matrix = self.matrix / max(float(np.abs(self.matrix).max(initial=0)), 1e-12)
        with path.open("wb") as file:
            np.savez_compressed(
                file,
                allow_pickle=False,
                codes=np.array(self.codes),
                matrix=matrix.astype(np.float16),
                rows=self.rows.astype(np.float32),
                offsets=self.offsets.astype(np.float32),
            )

    @classmethod
    def load(cls, path: Path) -> Head:
        """Raises ModelRefused for a file that is missing or not understood."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                head = cls(
                    tuple(map(str, arrays["codes"].tolist())),
                    arrays["matrix"].astype(np.float32),
                    arrays["rows"],
                    arrays["offsets"],
                )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ModelRefused(f"{path}: can't be read ({error}). Run `postroom rollback`, or train again.") from error
        if head.rows.shape != (len(head.codes), head.matrix.shape[-1]) or head.offsets.shape != (len(head.codes),):
            raise ModelRefused(f"{path}: its parts don't fit each other. Run `postroom rollback`, or train again.")
        return head


class HeadEngine(Engine):
    """One mailbox's language model: its head on the shared reader."""

    def __init__(self, reader: SharedReader, head: Head) -> None:
        self._reader = reader
        self._head = head
        self._columns = {code: column for column, code in enumerate(head.codes)}

    def code_logprobs(self, prompts: Sequence[Prompt], codes: Sequence[str]) -> Floats:
        columns = places_of(codes, self._columns, "The model")
        if not prompts:
            return np.zeros((0, len(codes)), np.float32)
        means = self._reader.means([prompt.ids for prompt in prompts])
        if means.shape[1] != len(self._head.matrix):
            raise ModelRefused("The model's head was made for another reader; train again.")
        values = means @ self._head.matrix
        features = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
        return renormalised(features @ self._head.rows[columns].T + self._head.offsets[columns])

    def close(self) -> None:
        """The reader stays as long as another model reads by it."""
