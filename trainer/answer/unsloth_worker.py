"""The Unsloth back end's other half, run by the python of Unsloth's own environment.

    FOLDER/task.json | Unsloth loads the base and adds LoRA | trainer.answer.answering, as with peft | merge
    ->  FOLDER/adapter, layers.safetensors, answers.npz, trained.json

Progress on stdout, {"done", "total"} a line. Exit code 3: the loss was not a number. Needs nothing of ours but the
modules that import numpy, torch and tokenizers alone.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any


def main(folder: Path) -> int:
    """Run one task."""
    order = json.loads((folder / "task.json").read_text("utf-8"))
    # Unsloth changes transformers, trl and peft while it is imported, so it comes before them.
    from unsloth import FastLanguageModel  # type: ignore[import-not-found]  # isort: skip

    import numpy as np
    import torch
    from safetensors.torch import save_file

    from trainer.answer.answering import PROJECTIONS, Limits, LossIsNotANumber, Task, train
    from trainer.answer.scoring import score

    torch.set_num_threads(order["threads"])
    task = Task.from_json(order["task"])
    model, _ = _load(FastLanguageModel, order["base"], task, torch)
    layers = int(model.config.num_hidden_layers)
    model = FastLanguageModel.get_peft_model(
        model,
        r=task.recipe.rank,
        lora_alpha=task.recipe.alpha,
        lora_dropout=0.0,
        bias="none",
        target_modules=list(PROJECTIONS),
        layers_to_transform=list(range(task.recipe.lowest(layers), layers)),
        use_gradient_checkpointing=False,
        random_state=task.seed,
    )
    limits = Limits(order["threads"], order["memory_bytes"], order["seconds"])
    try:
        trained = train(model, task, limits, folder, Path(order["checkpoint"]), _tick)
    except LossIsNotANumber:
        return 3
    answers = score(model, order["asked"], task.answers)
    np.savez(folder / "answers.npz", allow_pickle=False, answers=answers)
    model.save_pretrained(str(folder / "adapter"))
    save_file(_merged(order["base"], folder / "adapter"), folder / "layers.safetensors")
    (folder / "trained.json").write_text(json.dumps(asdict(trained)), "utf-8")
    return 0


def _load(unsloth: Any, base: str, task: Task, torch: Any) -> tuple[Any, Any]:  # type: ignore[name-defined]  # noqa: F821
    """Four bits where there is a GPU, the whole numbers on a CPU, where four bits can't be merged."""
    gpu = torch.cuda.is_available()
    longest = max(map(len, task.prompts)) + 64
    return unsloth.from_pretrained(  # type: ignore[no-any-return]
        model_name=base,
        max_seq_length=longest,
        dtype=None if gpu else torch.float32,
        load_in_4bit=gpu,
        local_files_only=True,
    )


def _merged(base: str, adapter: Path) -> dict[str, Any]:
    """The adapter merged into the base in float32: into what was trained in four bits it would lose twice."""
    from trainer.answer.adapters import merged, read_adapter
    from trainer.finetune.loading import load_base

    found = merged(read_adapter(load_base(Path(base)), adapter))
    return {name: value.contiguous() for name, value in found.items()}


def _tick(done: int, total: int) -> None:
    sys.stdout.write(json.dumps({"done": done, "total": total}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main(Path(sys.argv[1])))
