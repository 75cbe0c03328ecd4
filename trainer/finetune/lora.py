"""Fine-tuning: LoRA on the kept layers, from the pooled start, with the loss at the one position that answers.

    prompts | frozen lower layers, once | states of every token | LoRA layers | pooling | a row for each code | loss
    epochs by length until the held-out part gets no better | merge  ->  tuned layers, readings of every prompt

Low-Rank Adaptation (Hu and others, 2021, arXiv:2106.09685) by peft. The loss is the cross-entropy over the codes alone.
The lower layers never change, so their states are computed once and used in every epoch.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model

from daemon.engines.base import Floats
from trainer.finetune.pooling import Pooling
from trainer.finetune.reading import Readings, cut_config
from trainer.heads import Labels
from trainer.prepare import quiet

log = logging.getLogger(__name__)

RANK = 16
RATE = 5e-4
HEAD_RATE = 1e-3
SMOOTHING = 0.05
TOKENS_A_BATCH = 2048
PROMPTS_A_BATCH = 16
EPOCHS = 4
# Tokens through the LoRA layers in one night: some two minutes on two office cores. The newest lessons come first.
TOKENS_A_NIGHT = 100_000
# Two bytes a number: a million tokens of a 135M model take 1.2 GB. Beyond this the oldest lessons are left out.
MOST_STATES = 400_000


@dataclass(frozen=True)
class Tuned:
    """`layers`: the changed weights by their full name. `readings`: of all prompts, as the tuned layers see them."""

    layers: dict[str, torch.Tensor]
    readings: Readings
    epochs: int
    start_loss: float
    loss: float


def tune(
    model: Any,
    lowest: int,
    depth: int,
    pooling: Pooling,
    prompts: Sequence[Sequence[int]],
    labels: Labels,
    weights: Floats,
    learnt: Labels,
    held_out: Labels,
    adapter: Path,
    seed: int,
    tick: Callable[[int, int], None],
) -> Tuned | None:
    """Fine-tune layers `lowest` to `depth` of `model` for the prompts' labels; None if the held-out loss got no better.

    Only rows in `learnt` are learnt, those in `held_out` say when to stop. `adapter` is where peft's files go; `tick`
    hears (done, total). Deterministic by `seed`. Raises whatever `tick` raises: a time limit leaves nothing behind.
    """
    torch.manual_seed(seed)
    upper = _upper_part(model, lowest, depth)
    lengths = [len(prompt) for prompt in prompts]
    learnt = _newest_within(learnt, lengths)
    # The others are read only once it has paid.
    states: list[torch.Tensor] = [torch.empty(0)] * len(prompts)
    _read_lower(model, lowest, prompts, np.concatenate([learnt, held_out]), states)
    upper.requires_grad_(False)
    # A pattern of names, since peft looks for layers below the top level only.
    wanted = LoraConfig(r=RANK, lora_alpha=2 * RANK, lora_dropout=0.05, target_modules=r"layers\.\d+\..*_proj")
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft still asks transformers by an old name
        adapted = get_peft_model(upper, wanted)
    network = _Network(adapted, pooling)
    judged = _batches(held_out, lengths, None)
    start_loss = best = _loss(network, states, labels, judged)
    kept = copy.deepcopy(network.trained())
    random = np.random.default_rng(seed)
    epochs = max(1, min(EPOCHS, TOKENS_A_NIGHT // max(1, sum(lengths[row] for row in learnt))))
    plan = [_batches(learnt, lengths, random) for _ in range(epochs)]
    optimizer = torch.optim.AdamW(
        [
            {"params": network.adapters(), "lr": RATE, "weight_decay": 0.01},
            {"params": [network.rows], "lr": HEAD_RATE, "weight_decay": 0.0},
        ]
    )
    total = sum(map(len, plan))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [RATE, HEAD_RATE], total_steps=total + 1, pct_start=0.1)
    done = chosen = 0
    for epoch, batches in enumerate(plan, start=1):
        adapted.train()
        for batch in batches:
            logits = network.logits(states, batch)
            target = torch.from_numpy(labels[batch])
            losses = torch.nn.functional.cross_entropy(logits, target, label_smoothing=SMOOTHING, reduction="none")
            loss = (losses * torch.from_numpy(weights[batch])).mean()
            if not torch.isfinite(loss):
                log.warning("the loss is not a number; the pooled start serves")
                return None
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.adapters(), 1.0)
            optimizer.step()
            schedule.step()
            done += 1
            tick(done, total)
        now = _loss(network, states, labels, judged)
        log.info("epoch %d of %d: held-out loss %.4f, before %.4f", epoch, epochs, now, best)
        if now < best:
            best, chosen, kept = now, epoch, copy.deepcopy(network.trained())
    if chosen == 0:
        return None
    network.restore(kept)
    with quiet():
        adapted.save_pretrained(str(adapter))
    merged: Any = adapted.merge_and_unload()
    unread = np.array([row for row, state in enumerate(states) if not len(state)], np.int64)
    _read_lower(model, lowest, prompts, unread, states)
    readings = _read(merged, states, pooling.epsilon)
    layers = {
        f"model.layers.{lowest + index}.{name}": value.detach()
        for index, layer in enumerate(merged.layers)
        for name, value in layer.state_dict().items()
    }
    return Tuned(layers, readings, chosen, start_loss, best)


class _Network:
    """The tuned layers, the pooling and a row for each code: from states to the codes' scores."""

    def __init__(self, layers: Any, pooling: Pooling) -> None:
        self.layers = layers
        self._epsilon, self._gain = pooling.epsilon, pooling.gain
        self._project = torch.from_numpy(pooling.project)
        self._restore = torch.from_numpy(pooling.restore)
        self.rows = torch.nn.Parameter(torch.from_numpy(pooling.rows.copy()))

    def adapters(self) -> list[torch.nn.Parameter]:
        """What peft added."""
        return [parameter for parameter in self.layers.parameters() if parameter.requires_grad]

    def trained(self) -> list[torch.Tensor]:
        """Everything that training changes."""
        return [parameter.data for parameter in [*self.adapters(), self.rows]]

    def restore(self, values: Sequence[torch.Tensor]) -> None:
        """Go back to what `trained` gave."""
        for parameter, value in zip([*self.adapters(), self.rows], values, strict=True):
            parameter.data.copy_(value)

    def logits(self, states: Sequence[torch.Tensor], batch: Labels) -> torch.Tensor:
        """(batch, codes). The same arithmetic as `Pooling.features`, which the exported model repeats."""
        means, lasts = _pooled(self.layers, [states[row] for row in batch], self._epsilon)
        pooled = (means @ self._project.T) @ self._restore.T
        if self._gain is not None:
            pooled = self._gain * _normalised(pooled, self._epsilon)
        return _normalised(lasts + pooled, self._epsilon) @ self.rows.T


def _upper_part(model: Any, lowest: int, depth: int) -> Any:
    """A decoder of layers `lowest` to `depth` alone, without embedding and norm; `model` keeps the others."""
    upper = copy.copy(model.model)
    upper._modules = dict(model.model._modules)
    upper.config = copy.deepcopy(model.config)
    layers = model.model.layers[lowest:depth]
    kinds = getattr(upper.config, "layer_types", None)
    if kinds:
        upper.config.layer_types = kinds[lowest:]
    cut_config(upper.config, depth - lowest)
    upper.layers = copy.deepcopy(layers)
    upper.norm = torch.nn.Identity()
    return upper


@torch.inference_mode()
def _read_lower(
    model: Any, lowest: int, prompts: Sequence[Sequence[int]], rows: Labels, states: list[torch.Tensor]
) -> None:
    """Put into `states` what layer `lowest` reads for these rows: every token, in half precision, (tokens, width)."""
    core = model.model
    lower = copy.copy(core)
    lower._modules = dict(core._modules)
    lower.config = copy.deepcopy(model.config)
    lower.layers = core.layers[:lowest]
    cut_config(lower.config, lowest)
    lower.norm = torch.nn.Identity()
    lower.eval()
    lengths = [len(prompt) for prompt in prompts]
    for batch in _batches(rows, lengths, None):
        longest = max(lengths[row] for row in batch)
        tokens = torch.tensor([[*prompts[row], *[0] * (longest - lengths[row])] for row in batch])
        read = lower(input_ids=tokens, use_cache=False).last_hidden_state if lowest else core.embed_tokens(tokens)
        for row, state in zip(batch, read, strict=True):
            states[row] = _halved(state[: lengths[row]])


def _halved(state: torch.Tensor) -> torch.Tensor:
    """In half precision; Gemma 3's states can be larger than float16 holds, bfloat16 then keeps their size."""
    exact = state.to(torch.float16)
    return exact if exact.isfinite().all() else state.to(torch.bfloat16)


def _pooled(layers: Any, states: Sequence[torch.Tensor], epsilon: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean over positions of the normalised states, and the last state, as `trainer.finetune.reading` has them."""
    lengths = torch.tensor([len(state) for state in states])
    padded = torch.nn.utils.rnn.pad_sequence([state.float() for state in states], batch_first=True)
    out = layers(inputs_embeds=padded, use_cache=False).last_hidden_state
    normed = _normalised(out, epsilon)
    inside = (torch.arange(out.shape[1])[None] < lengths[:, None]).unsqueeze(-1)
    return (normed * inside).sum(1) / lengths[:, None], out[torch.arange(len(states)), lengths - 1]


def _normalised(states: torch.Tensor, epsilon: float) -> torch.Tensor:
    return states * torch.rsqrt(states.pow(2).mean(-1, keepdim=True) + epsilon)


@torch.inference_mode()
def _loss(network: _Network, states: Sequence[torch.Tensor], labels: Labels, batches: Sequence[Labels]) -> float:
    """The mean loss over the codes, without smoothing."""
    network.layers.eval()
    losses = [
        torch.nn.functional.cross_entropy(
            network.logits(states, batch), torch.from_numpy(labels[batch]), reduction="sum"
        )
        for batch in batches
    ]
    return float(sum(losses)) / max(1, sum(map(len, batches)))


@torch.inference_mode()
def _read(layers: Any, states: Sequence[torch.Tensor], epsilon: float) -> Readings:
    layers.eval()
    width = states[0].shape[1]
    means, lasts = np.zeros((len(states), width), np.float32), np.zeros((len(states), width), np.float32)
    for batch in _batches(np.arange(len(states)), [len(state) for state in states], None):
        mean, last = _pooled(layers, [states[row] for row in batch], epsilon)
        means[batch], lasts[batch] = mean.numpy(), last.numpy()
    return Readings(means, lasts)


def _newest_within(rows: Labels, lengths: Sequence[int]) -> Labels:
    """The last of these rows that fit into one night. Lessons are in order of time, so the newest stay."""
    taken = np.cumsum([lengths[row] for row in rows[::-1]])
    return rows[::-1][taken <= min(TOKENS_A_NIGHT, MOST_STATES)][::-1]


def _batches(rows: Labels, lengths: Sequence[int], random: np.random.Generator | None) -> list[Labels]:
    """Rows of like length together; with `random`, jittered and in random order, so that no two epochs are alike."""
    jitter = random.random(len(rows)) * 8 if random is not None else np.zeros(len(rows))
    order = rows[np.argsort(np.array([lengths[row] for row in rows]) + jitter, kind="stable")]
    found: list[Labels] = []
    start = 0
    for end in range(1, len(order) + 1):
        full = end - start == PROMPTS_A_BATCH
        if end == len(order) or full or lengths[order[end]] * (end - start + 1) > TOKENS_A_BATCH:
            found.append(order[start:end])
            start = end
    if random is not None:
        random.shuffle(found)
    return found
