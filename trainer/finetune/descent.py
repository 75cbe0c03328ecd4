"""How all fine-tuning goes down its loss: AdamW, clipped gradients, a rate that goes up and down again."""

from __future__ import annotations

from collections.abc import Sequence

import torch

DECAY = 0.01
LARGEST_GRADIENT = 1.0


class Descent:
    """So many steps for `parameters` at `rate`, whose gradients are clipped; `heads` go at their own, free."""

    def __init__(
        self,
        parameters: Sequence[torch.nn.Parameter],
        rate: float,
        steps: int,
        heads: Sequence[torch.nn.Parameter] = (),
        head_rate: float = 0.0,
    ) -> None:
        self._clipped = list(parameters)
        groups = [{"params": self._clipped, "lr": rate, "weight_decay": DECAY}]
        if heads:
            groups.append({"params": list(heads), "lr": head_rate, "weight_decay": 0.0})
        self.optimizer = torch.optim.AdamW(groups)
        # OneCycleLR divides by pct_start * total_steps - 1, which a tenth alone would make 0 for nine steps.
        warm = (1 + 0.1 * steps) / (steps + 1)
        rates = [rate, head_rate] if heads else [rate]
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, rates, total_steps=steps + 1, pct_start=warm
        )

    def step(self, loss: torch.Tensor) -> bool:
        """One step down; False, and nothing is changed, where the loss is not a number."""
        if not torch.isfinite(loss):
            return False
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._clipped, LARGEST_GRADIENT)
        self.optimizer.step()
        self.schedule.step()
        return True
