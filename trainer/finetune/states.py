"""What frozen lower layers make of every token, computed once and read again in every epoch.

    token ids | batches by length | embedding and lower layers | memory, or a file when it is much  ->  States

Layers that are not trained give the same numbers in every epoch. The file is a memory map: the system keeps as much of
it in memory as there is room for, and the process is never charged for more than it touches.
"""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from trainer.finetune.cutting import cut_config

TOKENS_A_BATCH = 2048
ROWS_A_BATCH = 16


@dataclass(frozen=True)
class States:
    """(tokens, width) of each row, one after the other."""

    values: npt.NDArray[np.float32]
    starts: npt.NDArray[np.int64]

    def batch(self, rows: Sequence[int]) -> torch.Tensor:
        """(rows, longest, width), padded on the right with zeros."""
        parts = [torch.from_numpy(np.ascontiguousarray(self.values[self.starts[r] : self.starts[r + 1]])) for r in rows]
        return torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)


@contextmanager
def lower_states(
    lower: Any,
    sequences: Sequence[Sequence[int]],
    width: int,
    most_bytes: int,
    scratch: Path,
    tick: Callable[[int], None] = lambda _: None,
) -> Iterator[States]:
    """The states of all sequences, for as long as they are used. Beyond `most_bytes` they lie in a file in `scratch`.

    `tick` hears how many rows are done. Raises OSError when the disk is full; the file is gone afterwards in any case.
    """
    lengths = [len(ids) for ids in sequences]
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    shape = (int(starts[-1]), width)
    with tempfile.TemporaryDirectory(prefix="states-", dir=scratch) as folder:
        values: npt.NDArray[np.float32]
        if 4 * shape[0] * shape[1] > most_bytes:
            file = Path(folder, "states")
            with file.open("wb") as room:  # all of it now: a page without room later would be SIGBUS, not an error
                os.posix_fallocate(room.fileno(), 0, 4 * shape[0] * shape[1])
            values = np.memmap(file, np.float32, "r+", shape=shape)
        else:
            values = np.empty(shape, np.float32)
        done = 0
        for rows in by_length(np.arange(len(sequences)), lengths):
            for row, state in zip(rows, _compute(lower, [sequences[row] for row in rows]), strict=True):
                values[starts[row] : starts[row + 1]] = state
            done += len(rows)
            tick(done)
        yield States(values, starts)


@torch.inference_mode()
def _compute(lower: Any, sequences: Sequence[Sequence[int]]) -> list[npt.NDArray[np.float32]]:
    states = lower(input_ids=padded(sequences).to(lower.device), use_cache=False).last_hidden_state
    return [state[: len(ids)].float().cpu().numpy() for ids, state in zip(sequences, states, strict=True)]


def padded(sequences: Sequence[Sequence[int]]) -> torch.Tensor:
    """(rows, longest). Padded on the right: attention looks to the left only, so padding can't change a text."""
    longest = max(map(len, sequences))
    return torch.tensor([[*ids, *[0] * (longest - len(ids))] for ids in sequences])


def split(core: Any, lowest: int) -> tuple[Any, Any]:
    """A decoder's lower part (embedding and layers below `lowest`, no norm) and its upper part (the rest).

    Both share their weights with `core`, so what is trained in one is trained in all.
    """
    lower, upper = part(core, 0, lowest), part(core, lowest, len(core.layers))
    lower.norm = torch.nn.Identity()
    return lower, upper


def part(core: Any, first: int, end: int) -> Any:
    """A decoder of these layers alone, which are `core`'s own, with its embedding and last norm; `core` keeps all."""
    found = copy.copy(core)
    found._modules = dict(core._modules)
    found.config = copy.deepcopy(core.config)
    if getattr(found.config, "layer_types", None):
        found.config.layer_types = found.config.layer_types[first:]
    cut_config(found.config, end - first)
    found.layers = core.layers[first:end]
    return found


def by_length(
    rows: npt.NDArray[np.int64], lengths: Sequence[int], random: np.random.Generator | None = None
) -> list[npt.NDArray[np.int64]]:
    """Rows of like length together; with `random`, jittered and in random order, so that no two epochs are alike."""
    jitter = random.random(len(rows)) * 8 if random is not None else np.zeros(len(rows))
    order = rows[np.argsort(np.array([lengths[row] for row in rows]) + jitter, kind="stable")]
    found: list[npt.NDArray[np.int64]] = []
    start = 0
    for end in range(1, len(order) + 1):
        full = end - start == ROWS_A_BATCH
        if (
            end == len(order)
            or full
            or max(lengths[r] for r in order[start : end + 1]) * (end - start + 1) > (TOKENS_A_BATCH)
        ):
            found.append(order[start:end])
            start = end
    if random is not None:
        random.shuffle(found)
    return found
