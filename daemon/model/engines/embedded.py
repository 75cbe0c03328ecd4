"""The embedded engine: CTranslate2 in the daemon's own process. No server, no torch.

    prompts by length | batches of bounded size | one pass | the last position of each | renormalise over the codes

The model folder is what `trainer.export.exporting.export_ct2` writes: model.bin, whose output head has one row for each
code in answers.json, CTranslate2's config.json and vocabulary.json, and tokenizer.json for the renderer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ctranslate2  # type: ignore[import-untyped]
import numpy as np

from daemon.model.engines.engine import (
    Engine,
    EngineError,
    Floats,
    ModelMissing,
    ModelRefused,
    places_of,
    renormalised,
)
from daemon.model.model_folder import ModelFolder
from daemon.model.prompt import Prompt

ANSWERS = "answers.json"

# Bounds the activations: 1,024 tokens take 20 MB more than 512 for a 135M model, and are no faster on two cores.
TOKENS_A_BATCH = 512


class EmbeddedEngine(Engine):
    """One CTranslate2 model. Raises ModelMissing or ModelRefused when the folder is absent or damaged."""

    def __init__(self, model_dir: Path, threads: int = 2, compute_type: str = "default") -> None:
        if not model_dir.is_dir():
            raise ModelMissing(f"{model_dir}: there is no model folder. Run `postroom models`, or train one.")
        try:
            answers = json.loads((model_dir / ANSWERS).read_text("utf-8"))["codes"]
            self._rows = {str(code): row for row, code in enumerate(answers)}
            name = model_dir.parent.name if model_dir == ModelFolder(model_dir.parent).ct2 else model_dir.name
            self._whose = f"model {name}"
            self._forward = Forward(model_dir, self._whose, threads, compute_type)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise ModelRefused(
                f"{model_dir}: the model can't be loaded ({error}). Run `postroom rollback`, or train again."
            ) from error

    def code_logprobs(self, prompts: Sequence[Prompt], codes: Sequence[str]) -> Floats:
        rows = places_of(codes, self._rows, f"{self._whose}: it")
        scores = self._forward.of_each([prompt.ids for prompt in prompts], lambda logits: logits[-1, rows])
        return renormalised(np.array(scores, np.float32).reshape(-1, len(rows)))

    def close(self) -> None:
        self._forward.generator.unload_model()


class Forward:
    """One pass over prompts in batches of bounded size. Raises what CTranslate2 raises for a damaged folder.

    All `threads` work at one batch, which answers a single mail soonest; or, `side_by_side`, each at a batch of its
    own: then none waits for another that has lost its core to other work.
    """

    def __init__(
        self, folder: Path, whose: str, threads: int, compute_type: str = "default", *, side_by_side: bool = False
    ) -> None:
        self.at_once = threads if side_by_side else 1
        """So many batches are worked at."""
        self.generator = ctranslate2.Generator(
            str(folder),
            device="cpu",
            compute_type=compute_type,
            inter_threads=self.at_once,
            intra_threads=threads // self.at_once,
        )
        self._whose = whose
        self._mixed = True  # prompts of several lengths in one batch

    def of_each(self, prompts: Sequence[Sequence[int]], take: Callable[[Floats], Floats]) -> list[Floats]:
        """What `take` makes of each prompt's outputs (positions, width). Raises EngineError."""
        try:
            return self._of_each(prompts, take)
        except EngineError:
            if not self._mixed:
                raise
            # CTranslate2 4.8 fails on padded prompts of Gemma 3 270M ("Length mask has size ..."), not on one length.
            self._mixed = False
            return self._of_each(prompts, take)

    def _of_each(self, prompts: Sequence[Sequence[int]], take: Callable[[Floats], Floats]) -> list[Floats]:
        found: list[Floats] = [np.empty(0, np.float32)] * len(prompts)

        def one(batch: Sequence[int]) -> None:
            try:
                outputs = np.asarray(self.generator.forward_batch([list(prompts[index]) for index in batch]))
            except (RuntimeError, ValueError) as error:
                raise EngineError(f"{self._whose}: CTranslate2 failed: {error}") from error
            for place, index in enumerate(batch):
                found[index] = take(outputs[place, : len(prompts[index])])

        pieces = batches([len(ids) for ids in prompts], mixed=self._mixed)
        if self.at_once == 1:
            for batch in pieces:
                one(batch)
        else:
            with ThreadPoolExecutor(self.at_once) as pool:
                for done in [pool.submit(one, batch) for batch in pieces]:
                    done.result()
        return found


def batches(lengths: Sequence[int], limit: int = TOKENS_A_BATCH, mixed: bool = True) -> Iterator[list[int]]:
    """Indices grouped by similar length, or by one length if not `mixed`, each at most `limit` tokens.

    Padding counts as tokens. Short prompts never wait for long ones: a batch is as long as its longest member.
    """
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        longest = lengths[batch[0]] if batch else lengths[index]
        if batch and (longest * (len(batch) + 1) > limit or not (mixed or lengths[index] == longest)):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
