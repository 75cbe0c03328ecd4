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

import ctranslate2  # type: ignore[import-untyped]
import numpy as np
from tokenizers import Tokenizer

from daemon.model.engines.embedded import batches
from daemon.model.engines.engine import Engine, EngineError, Floats, ModelRefused, renormalised
from daemon.model.prompt import Prompt
from daemon.model.reader_files import PREFIX, whole_reader
from daemon.model.tokenizer_file import TOKENIZER, shared_tokenizer


class SharedReader:
    """The lower layers of a base, loaded. Safe to share between threads. Raises ReaderRefused, ModelRefused."""

    def __init__(self, folder: Path, threads: int = 2) -> None:
        info = whole_reader(folder)
        try:
            self._generator = ctranslate2.Generator(
                str(folder), device="cpu", inter_threads=1, intra_threads=threads, compute_type="default"
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise ModelRefused(
                f"{folder}: the shared reader can't be loaded ({error}). Remove it, and run `postroom train`: that "
                "makes it anew."
            ) from error
        self.key = folder.name.removeprefix(PREFIX)
        """By which models name it."""
        self.tokenizer: Tokenizer = shared_tokenizer(folder / TOKENIZER, info.files[TOKENIZER][1])
        self._mixed = True  # prompts of several lengths in one batch

    def means(self, prompts: Sequence[Sequence[int]]) -> Floats:
        """Of token ids: the mean over all positions of the normalised states, one row a prompt. Raises EngineError."""
        if not prompts:
            return np.zeros((0, 0), np.float32)
        try:
            return self._means(prompts)
        except EngineError:
            if not self._mixed:
                raise
            # CTranslate2 4.8 fails on padded prompts of Gemma 3 270M ("Length mask has size ..."), not on one length.
            self._mixed = False
            return self._means(prompts)

    def _means(self, prompts: Sequence[Sequence[int]]) -> Floats:
        found: list[Floats] = [np.empty(0, np.float32)] * len(prompts)
        for batch in batches([len(ids) for ids in prompts], mixed=self._mixed):
            try:
                states = np.asarray(self._generator.forward_batch([list(prompts[index]) for index in batch]))
            except (RuntimeError, ValueError) as error:
                raise EngineError(f"reader {self.key}: CTranslate2 failed: {error}") from error
            for place, index in enumerate(batch):
                found[index] = states[place, : len(prompts[index])].mean(axis=0, dtype=np.float32)
        return np.stack(found)


_loading = threading.Lock()
_loaded: weakref.WeakValueDictionary[tuple[Path, int], SharedReader] = weakref.WeakValueDictionary()


def shared_reader(folder: Path, threads: int = 2) -> SharedReader:
    """The reader in this folder: the one that somebody in this process holds already, or loaded now.

    Raises ReaderRefused, ModelRefused.
    """
    place = (folder.resolve(), threads)
    with _loading:
        found = _loaded.get(place)
        if found is None:
            found = _loaded[place] = SharedReader(folder, threads)
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
        strange = [code for code in codes if code not in self._columns]
        if strange or not codes:
            raise ModelRefused(
                f"The model has no answer for {', '.join(strange[:5]) or 'no codes at all'}. "
                "It was made for another codebook; train again."
            )
        if not prompts:
            return np.zeros((0, len(codes)), np.float32)
        means = self._reader.means([prompt.ids for prompt in prompts])
        if means.shape[1] != len(self._head.matrix):
            raise ModelRefused("The model's head was made for another reader; train again.")
        values = means @ self._head.matrix
        features = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
        columns = [self._columns[code] for code in codes]
        return renormalised(features @ self._head.rows[columns].T + self._head.offsets[columns])

    def close(self) -> None:
        """The reader stays as long as another model reads by it."""
