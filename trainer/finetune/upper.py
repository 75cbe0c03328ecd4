"""The base's upper layers, which learn by LoRA, over lower ones that don't.

    prompts | embedding and lower layers, once | states of every token | LoRA layers | mean of positions, last position
    merge  ->  tuned layers, readings of every prompt

Low-Rank Adaptation (Hu and others, 2021, arXiv:2106.09685) by peft. How the layers learn is the caller's
(trainer.finetune.contrast).
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model

from trainer.finetune.exact_reading import pooled
from trainer.finetune.loading import quiet
from trainer.finetune.reading import Readings
from trainer.finetune.states import by_length, padded, part, split
from trainer.folds import Rows
from trainer.recipe import Questions


@dataclass(frozen=True)
class TunedLayers:
    """`layers`: the changed weights by their full name. `readings`: of all prompts, as the tuned layers see them."""

    layers: dict[str, torch.Tensor]
    readings: Readings


class Upper:
    """Layers `recipe.lowest` to `recipe.depth` of `model`, a copy of their own, with LoRA on them. `states` are empty
    until read."""

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]], recipe: Questions) -> None:
        lowest, depth = recipe.lowest, recipe.depth
        self._lowest, self._prompts = lowest, prompts
        self._width, self._epsilon = int(model.config.hidden_size), float(model.config.rms_norm_eps)
        self._lower = split(model.model, lowest)[0].eval()
        self.lengths = [len(prompt) for prompt in prompts]
        self.states: list[torch.Tensor] = [torch.empty(0)] * len(prompts)
        upper = part(model.model, lowest, depth)
        upper.layers, upper.norm = copy.deepcopy(upper.layers), torch.nn.Identity()
        upper.requires_grad_(False)
        # A pattern of names, since peft looks for layers below the top level only.
        wanted = LoraConfig(
            r=recipe.rank, lora_alpha=2 * recipe.rank, lora_dropout=0.05, target_modules=r"layers\.\d+\..*_proj"
        )
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft still asks transformers by an old name
            self.layers: Any = get_peft_model(upper, wanted)

    def adapters(self) -> list[torch.nn.Parameter]:
        """What peft added."""
        return [parameter for parameter in self.layers.parameters() if parameter.requires_grad]

    @torch.inference_mode()
    def read_lower(self, rows: Rows) -> None:
        """Put into `states` what the lowest tuned layer reads for these rows: every token, in half precision, (tokens,
        width)."""
        for batch in by_length(rows, self.lengths):
            tokens = padded([self._prompts[row] for row in batch])
            read = (
                self._lower(input_ids=tokens, use_cache=False).last_hidden_state
                if self._lowest
                else self._lower.embed_tokens(tokens)
            )
            for row, state in zip(batch, read, strict=True):
                self.states[row] = _halved(state[: self.lengths[row]])

    def pooled(self, states: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """What the upper layers make of these: see `trainer.finetune.exact_reading.pooled`."""
        lengths = torch.tensor([len(state) for state in states])
        whole = torch.nn.utils.rnn.pad_sequence([state.float() for state in states], batch_first=True)
        out = self.layers(inputs_embeds=whole, use_cache=False).last_hidden_state
        return pooled(out, lengths, self._epsilon)

    @torch.inference_mode()
    def readings(self, rows: Rows, tick: Callable[[], None] = lambda: None) -> Readings:
        """What the upper layers, as they are now, make of these rows; `tick` is called now and then.

        States that had not been read are forgotten again: ten thousand lessons would be gigabytes.
        """
        self.layers.eval()
        means, lasts = (np.zeros((len(rows), self._width), np.float32) for _ in range(2))
        for batch in by_length(np.arange(len(rows)), [self.lengths[row] for row in rows]):
            tick()
            here = rows[batch]
            unread = np.array([row for row in here if not len(self.states[row])], np.int64)
            self.read_lower(unread)
            mean, last = self.pooled([self.states[row] for row in here])
            means[batch], lasts[batch] = mean.numpy(), last.numpy()
            for row in unread:
                self.states[row] = torch.empty(0)
        return Readings(means, lasts)

    @torch.inference_mode()
    def merge(self, adapter: Path, tick: Callable[[], None]) -> TunedLayers:
        """What tuning has changed, and ends it; peft's files go to `adapter`. Raises whatever `tick` raises, and what
        `disk_trouble` words when the disk is full."""
        with quiet():
            self.layers.save_pretrained(str(adapter))
        self.layers = self.layers.merge_and_unload()
        readings = self.readings(np.arange(len(self.states)), tick)
        layers = {
            f"model.layers.{self._lowest + index}.{name}": value.detach()
            for index, layer in enumerate(self.layers.layers)
            for name, value in layer.state_dict().items()
        }
        return TunedLayers(layers, readings)


def newest_within(tokens: int, rows: Rows, lengths: Sequence[int]) -> Rows:
    """The last of these rows that fit into so many tokens. Lessons are in order of time, so the newest stay."""
    taken = np.cumsum([lengths[row] for row in rows[::-1]])
    return rows[::-1][taken <= tokens][::-1]


def _halved(state: torch.Tensor) -> torch.Tensor:
    """In half precision; Gemma 3's states can be larger than float16 holds, bfloat16 then keeps their size."""
    exact = state.to(torch.float16)
    return exact if exact.isfinite().all() else state.to(torch.bfloat16)
