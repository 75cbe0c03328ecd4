# ruff: noqa: ARG002  the arguments are TRL's choice
"""TRL's side of `make bench-training`, run by the python of an environment that has TRL.

    FOLDER/task.json: texts with their codes | SFTTrainer by its defaults (loss of every token, batches of 8, padded,
    random order) with LoRA | after each epoch: how many answers are right, CPU seconds so far | stop when accurate
    enough, or at the limit  ->  FOLDER/history.json

Nothing of ours is imported. LoRA's rate is the usual 2e-4: at TRL's own 2e-5, meant for whole models, it would need
many times longer. 16-bit numbers are off, for this is a CPU, and the same loss is computed by torch, for TRL 1.15's own
kernel runs on a GPU only.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, TrainerCallback
from trl import SFTConfig, SFTTrainer


class Judge(TrainerCallback):
    """Counts CPU seconds of training alone, and judges after every epoch."""

    def __init__(self, task: dict[str, Any], out: Path) -> None:
        self._task, self._out = task, out
        self.history: list[dict[str, float]] = []
        self._spent, self._started = 0.0, time.process_time()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._started = time.process_time()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self._spent + time.process_time() - self._started > self._task["most_cpu_s"]:
            control.should_training_stop = control.should_epoch_stop = True

    def on_epoch_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        self._spent += time.process_time() - self._started
        row = {
            "epoch": round(state.epoch, 2),
            "cpu_s": round(self._spent, 1),
            "accuracy": round(accuracy(model, self._task), 4),
        }
        self.history.append(row)
        self._out.write_text(json.dumps(self.history), "utf-8")
        sys.stderr.write(f"TRL: {row}\n")
        if row["accuracy"] >= self._task["wanted"]:
            control.should_training_stop = True
        model.train()
        self._started = time.process_time()


class OnCpu(SFTTrainer):
    """TRL's trainer with the model's own loss: the mean over all tokens, as TRL's."""

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        kept = {name: inputs[name] for name in ("input_ids", "attention_mask", "labels") if name in inputs}
        outputs = model(**kept, num_items_in_batch=num_items_in_batch)
        return (outputs.loss, outputs) if return_outputs else outputs.loss


@torch.no_grad()
def accuracy(model: Any, task: dict[str, Any]) -> float:
    """Share of right answers among the codes alone, which is kinder than what the model would write."""
    model.eval()
    right = 0
    for ids, label in task["test"]:
        logits = model(input_ids=torch.tensor([ids]), logits_to_keep=1).logits[0, -1, task["codes"]]
        right += int(logits.argmax()) == label
    return right / len(task["test"])


def main(folder: Path) -> None:
    """Train until it is accurate enough, or too dear."""
    task = json.loads((folder / "task.json").read_text("utf-8"))
    torch.set_num_threads(task["threads"])
    torch.manual_seed(task["seed"])
    model = AutoModelForCausalLM.from_pretrained(task["base"], dtype=torch.float32, local_files_only=True)
    end = model.config.eos_token_id
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(Path(task["base"], "tokenizer.json")))
    tokenizer.eos_token = tokenizer.pad_token = tokenizer.convert_ids_to_tokens(end)
    judge = Judge(task, folder / "history.json")
    OnCpu(
        model=model,
        args=SFTConfig(
            output_dir=str(folder / "trl"),
            num_train_epochs=task["epochs"],
            learning_rate=2e-4,
            seed=task["seed"],
            use_cpu=True,
            bf16=False,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_dict({"text": task["train"]}),
        processing_class=tokenizer,
        peft_config=LoraConfig(r=16, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"),
        callbacks=[judge],
    ).train()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
