"""Two back ends behind one interface: the same task in, the same adapter, weights and answers out.

    Task | peft in this process, or Unsloth in an environment of its own  ->  adapter, merged weights, answers

Unsloth wants other versions of torch's companions than we do, so it never shares a process with us: it gets a folder
with the task and gives back a folder with what it made (trainer.answer.unsloth_worker). On a GPU it trains on four
bits (QLoRA), on a CPU on the whole numbers. `make unsloth` sets its environment up.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.torch import load_file

from daemon.training import child
from trainer.answer import adapters
from trainer.answer.answering import Limits, LossIsNotANumber, Task, Trained, train
from trainer.answer.scoring import Scores, score
from trainer.finetune.loading import load_base, quiet
from trainer.job import TrainingFailed
from trainer.prepare import PreparedBase

Backend = Literal["peft", "unsloth"]
ROOT = Path(__file__).resolve().parents[2]
WORKER = "trainer.answer.unsloth_worker"
# The exit code by which the worker says that the loss was no number.
NOT_A_NUMBER = 3


@dataclass(frozen=True)
class Outcome:
    """`adapter`: peft's folder. `layers`: changed weights by their full name. `answers`: to the asked prompts."""

    adapter: Path
    layers: dict[str, torch.Tensor]
    answers: Scores
    trained: Trained


@dataclass(frozen=True)
class Work:
    """One fine-tuning: `folder` gets adapter/, `cache` keeps what a killed one leaves, `asked` are prompts that the
    result is to answer."""

    prepared: PreparedBase
    task: Task
    limits: Limits
    folder: Path
    cache: Path
    asked: Sequence[Sequence[int]] = ()

    @property
    def checkpoint(self) -> Path:
        """Where a killed training of this task left off."""
        return self.cache / f"tuning-{self.task.key()}.pt"

    def sweep(self) -> None:
        """Remove checkpoints of other lessons, which will never be continued."""
        for old in self.cache.glob("tuning-*.pt"):
            if old != self.checkpoint:
                old.unlink(missing_ok=True)


Tick = Callable[[int, int], None]


def fine_tune(backend: Backend, work: Work, tick: Tick, python: Path | None = None) -> Outcome:
    """Fine-tune the base for the task and answer the asked prompts with the result.

    A killed or stopped training leaves one file in the cache, from which the same task goes on with either back end.
    `python`: of Unsloth's environment. Raises TrainingFailed, OSError, and what `tick` raises.
    """
    work.sweep()
    try:
        return _peft(work, tick) if backend == "peft" else _unsloth(work, tick, python)
    except LossIsNotANumber as error:
        raise TrainingFailed(
            "The language model's training left the numbers (NaN). The base model's file may be damaged."
        ) from error


def _peft(work: Work, tick: Tick) -> Outcome:
    torch.set_num_threads(work.limits.threads)
    model = adapters.with_lora(load_base(work.prepared.whole()), work.task.recipe, work.task.seed)
    work.folder.mkdir(parents=True, exist_ok=True)
    trained = train(model, work.task, work.limits, work.folder, work.checkpoint, tick)
    answers = score(model, work.asked, work.task.answers)
    with quiet():
        model.save_pretrained(str(work.folder / "adapter"))
    return Outcome(work.folder / "adapter", adapters.merged(model), answers, trained)


def _unsloth(work: Work, tick: Tick, python: Path | None) -> Outcome:
    if python is None or not python.is_file():
        raise TrainingFailed(
            f"{python or 'unsloth_python'}: Unsloth's environment is not there. "
            "Run `make unsloth`, and name its python with `unsloth_python` under [training]."
        )
    folder = work.folder
    folder.mkdir(parents=True, exist_ok=True)
    order = {
        "task": work.task.to_json(),
        "asked": [list(ids) for ids in work.asked],
        "base": str(work.prepared.whole().resolve()),
        "checkpoint": str(work.checkpoint.resolve()),
        "threads": work.limits.threads,
        "memory_bytes": work.limits.memory_bytes,
        "seconds": work.limits.seconds,
    }
    (folder / "task.json").write_text(json.dumps(order), "utf-8")
    try:
        code, last = _run(python, folder, work.limits.threads, tick)
    finally:
        (folder / "task.json").unlink(missing_ok=True)  # token ids are mail
    if code == NOT_A_NUMBER:
        raise LossIsNotANumber(last)
    if code != 0:
        raise TrainingFailed(f"Unsloth ended with exit code {code}. {last}".strip())
    with np.load(folder / "answers.npz", allow_pickle=False) as arrays:
        answers = arrays["answers"]
    layers = load_file(folder / "layers.safetensors")
    trained = json.loads((folder / "trained.json").read_text("utf-8"))
    (folder / "layers.safetensors").unlink()
    return Outcome(
        folder / "adapter",
        layers,
        answers,
        Trained(tuple(trained["losses"]), trained["best"], trained["seconds"], trained["resumed"]),
    )


def _run(python: Path, folder: Path, threads: int, tick: Tick) -> tuple[int, str]:
    """The worker's exit code and the last line of its log. It is ended when `tick` raises."""
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))},
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": str(threads),
        "TOKENIZERS_PARALLELISM": "false",
        # It must not fetch, install or compile anything.
        "HF_HUB_OFFLINE": "1",
        "UNSLOTH_AUTO_INSTALL": "0",
        "UNSLOTH_LLAMA_CPP_OFFLINE": "1",
        "UNSLOTH_DISABLE_STATISTICS": "1",
        "UNSLOTH_COMPILE_LOCATION": str(folder.resolve() / "compiled"),
    }
    log = folder / "unsloth.log"
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            child.command(str(python), 0, WORKER, str(folder.resolve())),
            stdout=subprocess.PIPE,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            text=True,
            env=environment,
            cwd=folder,
        ) as process,
    ):
        try:
            for line in process.stdout or ():
                if line.startswith('{"done"'):
                    step: dict[str, Any] = json.loads(line)
                    tick(step["done"], step["total"])
        except BaseException:
            _end(process)
            raise
        code = process.wait()
    lines = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    return code, lines[-1][:300] if lines else ""


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    killer = threading.Timer(10, process.kill)
    killer.start()
    process.wait()
    killer.cancel()
