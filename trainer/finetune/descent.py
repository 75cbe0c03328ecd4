"""How all fine-tuning goes down its loss: AdamW, clipped gradients, a rate that goes up and down again."""

from __future__ import annotations

from collections.abc import Sequence

import torch

DECAY = 0.01
LARGEST_GRADIENT = 1.0


class Descent:
    """So many steps for `parameters` at `rate`, whose gradients are clipped."""

    def __init__(self, parameters: Sequence[torch.nn.Parameter], rate: float, steps: int) -> None:
        self._parameters = list(parameters)
        self.optimizer = torch.optim.AdamW(self._parameters, rate, weight_decay=DECAY)
        # OneCycleLR divides by pct_start * total_steps - 1, which a tenth alone would make 0 for nine steps.
        warm = (1 + 0.1 * steps) / (steps + 1)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, rate, total_steps=steps + 1, pct_start=warm)

    def step(self, loss: torch.Tensor) -> bool:
        """One step down; False, and nothing is changed, where the loss is not a number."""
        if not torch.isfinite(loss):
            return False
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._parameters, LARGEST_GRADIENT)
        self.optimizer.step()
        self.schedule.step()
        return True
