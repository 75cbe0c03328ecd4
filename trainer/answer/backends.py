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
import sys
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
from trainer.answer.answering import Limits, LossIsNotANumber, Scores, Task, Trained, score, train
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


def fine_tune(
    backend: Backend,
    prepared: PreparedBase,
    task: Task,
    asked: Sequence[Sequence[int]],
    limits: Limits,
    folder: Path,
    cache: Path,
    python: Path | None,
    tick: Callable[[int, int], None],
) -> Outcome:
    """Fine-tune the base for the task and answer the `asked` prompts with the result.

    `folder` gets adapter/. A killed or stopped training leaves one file in `cache`, from which the same task goes on
    with either back end. `python`: of Unsloth's environment. Raises TrainingFailed, OSError, and what `tick` raises.
    """
    sweep(cache, task)
    try:
        run = _peft if backend == "peft" else _unsloth
        return run(prepared, task, asked, limits, folder, checkpoint_of(cache, task), python, tick)
    except LossIsNotANumber as error:
        raise TrainingFailed(
            "The language model's training left the numbers (NaN). The base model's file may be damaged."
        ) from error


def checkpoint_of(cache: Path, task: Task) -> Path:
    """Where a killed training of this task left off."""
    return cache / f"tuning-{task.key()}.pt"


def sweep(cache: Path, task: Task) -> None:
    """Checkpoints of other lessons will never be continued."""
    for old in cache.glob("tuning-*.pt"):
        if old != checkpoint_of(cache, task):
            old.unlink(missing_ok=True)


def _peft(
    prepared: PreparedBase,
    task: Task,
    asked: Sequence[Sequence[int]],
    limits: Limits,
    folder: Path,
    checkpoint: Path,
    _python: Path | None,
    tick: Callable[[int, int], None],
) -> Outcome:
    torch.set_num_threads(limits.threads)
    model = adapters.with_lora(load_base(prepared.folder), task.recipe, task.seed)
    folder.mkdir(parents=True, exist_ok=True)
    trained = train(model, task, limits, folder, checkpoint, tick)
    answers = score(model, asked, task.answers)
    with quiet():
        model.save_pretrained(str(folder / "adapter"))
    return Outcome(folder / "adapter", adapters.merged(model), answers, trained)


def _unsloth(
    prepared: PreparedBase,
    task: Task,
    asked: Sequence[Sequence[int]],
    limits: Limits,
    folder: Path,
    checkpoint: Path,
    python: Path | None,
    tick: Callable[[int, int], None],
) -> Outcome:
    if python is None or not python.is_file():
        raise TrainingFailed(
            f"{python or 'unsloth_python'}: Unsloth's environment is not there. "
            "Run `make unsloth`, and name its python with `unsloth_python` under [training]."
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "task.json").write_text(
        json.dumps(
            {
                "task": task.to_json(),
                "asked": [list(ids) for ids in asked],
                "base": str(prepared.folder.resolve()),
                "checkpoint": str(checkpoint.resolve()),
                "threads": limits.threads,
                "memory_bytes": limits.memory_bytes,
                "seconds": limits.seconds,
            }
        ),
        "utf-8",
    )
    try:
        code, last = _run(python, folder, limits.threads, tick)
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


def _run(python: Path, folder: Path, threads: int, tick: Callable[[int, int], None]) -> tuple[int, str]:
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


def available(python: Path | None) -> str:
    """What `python` would train with, in words for people; raises TrainingFailed when Unsloth can't be imported."""
    if python is None or not python.is_file():
        raise TrainingFailed(f"{python or 'unsloth_python'}: there is no such python. Run `make unsloth`.")
    found = subprocess.run(
        [str(python), "-c", "import importlib.metadata as m; print(m.version('unsloth'))"],
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode != 0:
        raise TrainingFailed(f"{python}: Unsloth is not installed there. Run `make unsloth`.")
    return f"Unsloth {found.stdout.strip()}, {sys.platform}"
