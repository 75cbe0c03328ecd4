"""Fine-tuning where the answer stands: LoRA with the loss at the partings of the answers, and over the answers only.

    Task (prompts, labels, answers) | frozen lower layers, once (trainer.finetune.states) | LoRA on the layers above
    | batches by length, epochs until the validation part gets no better | the best epoch's adapter
    checkpoint every minute: a killed training goes on where it was

One loop for both back ends: it wants a peft model, and neither knows nor asks who made it (trainer.answer.backends).
Imports nothing but numpy, torch and ours, because it also runs in Unsloth's own environment.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from trainer.answer.answer_tree import AnswerTree
from trainer.finetune.descent import Descent
from trainer.finetune.states import States, by_length, lower_states, split
from trainer.recipe import Answer

log = logging.getLogger(__name__)

Rows = npt.NDArray[np.int64]
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class Limits:
    """`memory_bytes`: states beyond this lie in a file. `seconds`: no epoch is begun that would not end in time."""

    threads: int = 2
    memory_bytes: int = 1 << 30
    seconds: float | None = None


@dataclass(frozen=True)
class Task:
    """What both back ends get: token ids, labels, answers, and which rows are learnt and which say when to stop."""

    prompts: tuple[tuple[int, ...], ...]
    labels: tuple[int, ...]
    weights: tuple[float, ...]
    answers: AnswerTree
    learnt: tuple[int, ...]
    validation: tuple[int, ...]
    seed: int = 1
    base: str = ""
    """The base file's sha256: another base, another training."""
    recipe: Answer = field(default_factory=Answer)

    def key(self) -> str:
        """The same task has the same key, so that a killed training of it is found again."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:24]

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` reads them."""
        return asdict(self) | {"answers": [list(path) for path in self.answers.paths]}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Task:
        """Raises KeyError, TypeError, ValueError for anything else."""
        rows = {name: tuple(value[name]) for name in ("labels", "weights", "learnt", "validation")}
        return cls(
            prompts=tuple(map(tuple, value["prompts"])),
            answers=AnswerTree(tuple(map(tuple, value["answers"]))),
            recipe=Answer(**value["recipe"]),
            seed=value["seed"],
            base=value["base"],
            **rows,
        )


@dataclass(frozen=True)
class Trained:
    """How it went. `losses`: on the validation part before training and after each epoch; `best`: that epoch."""

    losses: tuple[float, ...]
    best: int
    seconds: float
    resumed: bool


class LossIsNotANumber(ArithmeticError):
    """The training left the numbers. Nothing of it can be used."""


def train(
    model: Any, task: Task, limits: Limits, scratch: Path, checkpoint: Path | None, tick: Callable[[int, int], None]
) -> Trained:
    """Train the adapters of a peft model in place and leave it at its best epoch, in evaluation mode.

    `tick` hears (done, total) and may raise to stop; then nothing is left but `checkpoint`, from which the same task
    goes on. Deterministic by the task's seed, resumed or not. Raises LossIsNotANumber, OSError.
    """
    started = time.monotonic()
    torch.manual_seed(task.seed)
    core = model.get_base_model().model
    lowest = task.recipe.lowest(len(core.layers))
    lower, upper = split(core, lowest)
    sequences = [(*ids, *task.answers.read(label)) for ids, label in zip(task.prompts, task.labels, strict=True)]
    lengths = [len(ids) for ids in sequences]
    width = int(core.config.hidden_size)
    with lower_states(lower, sequences, width, limits.memory_bytes, scratch, lambda _: tick(0, 1)) as states:
        loop = _Loop(model, upper, task, states, lengths)
        resumed = checkpoint is not None and loop.resume(checkpoint)
        loop.run(limits.seconds, started, checkpoint, tick)
    model.eval()
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return Trained(tuple(loop.losses), loop.best, time.monotonic() - started, resumed)


class _Loop:
    """One training: everything that a checkpoint holds, and the steps in order."""

    def __init__(self, model: Any, upper: Any, task: Task, states: States, lengths: Sequence[int]) -> None:
        self._model, self._upper, self._task, self._states = model, upper, task, states
        self._tree = task.answers
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        learnt = np.array(task.learnt, np.int64)
        self._plan = [
            by_length(learnt, lengths, np.random.default_rng([task.seed, epoch])) for epoch in range(task.recipe.epochs)
        ]
        self._judged = by_length(np.array(task.validation, np.int64), lengths)
        self._total, self._done = sum(map(len, self._plan)), 0
        self._descent = Descent(self._parameters, task.recipe.rate, self._total)
        self.losses: list[float] = []
        self.best = 0
        self._kept = self._values()

    def run(
        self, seconds: float | None, started: float, checkpoint: Path | None, tick: Callable[[int, int], None]
    ) -> None:
        """All epochs that are left."""
        if not self.losses:
            self.losses.append(self._loss())
        saved, begun = time.monotonic(), self._done
        behind = 0
        for epoch, batches in enumerate(self._plan, 1):
            if behind + len(batches) <= self._done and len(self.losses) > epoch:
                behind += len(batches)
                continue
            if self._out_of_time(seconds, started, begun, len(batches)) or self._hopeless():
                break
            for batch in batches[self._done - behind :]:
                self._step(batch)
                self._done += 1
                if checkpoint is not None and time.monotonic() - saved > self._task.recipe.checkpoint_s:
                    self._save(checkpoint)
                    saved = time.monotonic()
                tick(self._done, self._total)
            behind += len(batches)
            self._end_epoch(epoch)
            if checkpoint is not None:
                self._save(checkpoint)
                saved = time.monotonic()
        self._restore(self._kept)

    def _hopeless(self) -> bool:
        return len(self.losses) - 1 - self.best >= self._task.recipe.patience

    def _out_of_time(self, seconds: float | None, started: float, begun: int, steps: int) -> bool:
        """Would another epoch at this speed end too late? The first is always begun."""
        if seconds is None or self._done == begun:
            return False
        spent = time.monotonic() - started
        return spent + spent * steps / (self._done - begun) > seconds

    def _step(self, batch: Rows) -> None:
        self._model.train()
        losses = self._row_losses(batch, self._task.recipe.smoothing)
        weights = torch.tensor([self._task.weights[row] for row in batch], device=losses.device)
        if not self._descent.step((losses * weights).mean()):
            raise LossIsNotANumber("the loss is not a number")

    def _end_epoch(self, epoch: int) -> None:
        self.losses.append(self._loss())
        log.info("epoch %d of %d: validation loss %.4f", epoch, len(self._plan), self.losses[-1])
        if self.losses[-1] < min(self.losses[:-1]):
            self.best, self._kept = epoch, self._values()

    def _row_losses(self, batch: Rows, smoothing: float) -> torch.Tensor:
        """Minus the log-probability of each row's right answer among all answers."""
        states = self._states.batch(batch.tolist()).to(self._parameters[0].device)
        hidden = self._upper(inputs_embeds=states, use_cache=False).last_hidden_state
        head = self._model.get_base_model().lm_head.weight
        places, choices, rights, rows = [], [], [], []
        for place, row in enumerate(batch):
            label = self._task.labels[row]
            for part in self._tree.partings[label]:
                places.append((place, len(self._task.prompts[row]) - 1 + part.depth))
                choices.append(part.choices)
                rights.append(part.right)
                rows.append(place)
        at = torch.tensor(places)
        logits = hidden[at[:, 0], at[:, 1]] @ head[list(self._tree.tokens)].T
        columns = {token: column for column, token in enumerate(self._tree.tokens)}
        found = torch.zeros(len(batch), device=logits.device)
        for index, row_place in enumerate(rows):
            some = logits[index, [columns[token] for token in choices[index]]]
            right = torch.tensor(rights[index], device=logits.device)
            loss = torch.nn.functional.cross_entropy(some, right, label_smoothing=smoothing)
            found = found.index_add(0, torch.tensor([row_place], device=logits.device), loss[None])
        return found

    @torch.no_grad()
    def _loss(self) -> float:
        self._model.eval()
        if not self._judged:
            return float("inf") if not self.losses else -float(len(self.losses))  # nothing to judge by: the last epoch
        total = sum(float(self._row_losses(batch, 0.0).sum()) for batch in self._judged)
        return total / sum(map(len, self._judged))

    def _values(self) -> list[torch.Tensor]:
        return [parameter.detach().clone() for parameter in self._parameters]

    def _restore(self, values: Sequence[torch.Tensor]) -> None:
        with torch.no_grad():
            for parameter, value in zip(self._parameters, values, strict=True):
                parameter.copy_(value)

    def _save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}")
        state = {
            "now": self._values(),
            "kept": self._kept,
            "optimizer": self._descent.optimizer.state_dict(),
            "schedule": self._descent.schedule.state_dict(),
            "done": self._done,
            "losses": self.losses,
            "best": self.best,
        }
        with beside.open("wb") as file:  # given a name, torch would not say that the disk is full
            torch.save(state, file)
        beside.rename(path)

    def resume(self, path: Path) -> bool:
        """Go on from a checkpoint, if there is a readable one of this task."""
        try:
            # weights_only: a checkpoint can hold numbers, never code.
            saved = torch.load(path, weights_only=True)
        except FileNotFoundError:
            return False
        except Exception as error:  # torch raises many kinds for a damaged file; it is then made again
            log.warning("%s: the checkpoint can't be read (%s); training begins anew", path.name, type(error).__name__)
            return False
        self._restore(saved["now"])
        self._kept = saved["kept"]
        self._descent.optimizer.load_state_dict(saved["optimizer"])
        self._descent.schedule.load_state_dict(saved["schedule"])
        self._done, self.losses, self.best = saved["done"], list(saved["losses"]), saved["best"]
        return True
