"""Readings in float32 by torch, with the last position: for what is written as a whole model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from daemon.model.engines.engine import Floats
from trainer.finetune.cutting import lower_part
from trainer.finetune.reading import CachedReadings
from trainer.recipe import Pooled


class Reader(CachedReadings):
    """The base model cut off above `depth` layers. `model` is a transformers decoder with its embedding and norm."""

    def __init__(self, model: Any, depth: int, key: str, cache: Path | None, recipe: Pooled) -> None:
        width = int(model.config.hidden_size)
        super().__init__(f"1|{key}|{depth}", width, 2 * width, cache, recipe)
        self._core = lower_part(model, depth)
        self._epsilon = float(model.config.rms_norm_eps)

    @torch.inference_mode()
    def _compute(self, ids: Sequence[Sequence[int]]) -> Floats:
        lengths = torch.tensor([len(prompt) for prompt in ids])
        longest = int(lengths.max())
        # Padded on the right: attention looks to the left only, so what stands behind a text can't change it.
        tokens = torch.tensor([[*prompt, *[0] * (longest - len(prompt))] for prompt in ids])
        states = self._core(input_ids=tokens, use_cache=False).last_hidden_state
        result: Floats = torch.cat(pooled(states, lengths, self._epsilon), dim=1).numpy()
        return result


def pooled(states: torch.Tensor, lengths: torch.Tensor, epsilon: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Of padded states (prompts, positions, width): the mean over positions of the normalised ones, and the last."""
    inside = (torch.arange(states.shape[1])[None] < lengths[:, None]).unsqueeze(-1)
    means = (normalised(states, epsilon) * inside).sum(1) / lengths[:, None]
    return means, states[torch.arange(len(lengths)), lengths - 1]


def normalised(states: torch.Tensor, epsilon: float) -> torch.Tensor:
    """States of a mean square of one."""
    return states * torch.rsqrt(states.pow(2).mean(-1, keepdim=True) + epsilon)
