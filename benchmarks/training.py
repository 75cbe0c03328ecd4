"""What one training costs: ours beside the usual recipe, `make bench-training DATA=…`.

    13 overlapping categories | ours, to the exported model | usual: the loss of every token, padded batches in random
    order, LoRA on all layers, epoch by epoch until it is as accurate  ->  CPU seconds of both

The usual recipe is what TRL's SFTTrainer does by its defaults (batch 8, AdamW, linear decay, loss over the
whole text, no sorting by length), with LoRA's usual rate, for at TRL's own rate it would need many times longer.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer

from benchmarks.sets import overlapping
from daemon.basemodel import find_base
from daemon.labels import Codebook, code_token
from daemon.prompt import PromptSettings, Renderer
from trainer.bench import Row, bench
from trainer.language import load_base
from trainer.prepare import prepare_base

BATCH, RATE, RANK = 8, 2e-4, 16


class Usual:
    """The usual recipe on one task."""

    def __init__(self, train: Sequence[Row], test: Sequence[Row], cache: Path, epochs: int, seed: int) -> None:
        torch.manual_seed(seed)
        self._chance = random.Random(seed)
        prepared = prepare_base(find_base(), cache)
        tokenizer = Tokenizer.from_file(str(prepared.tokenizer))
        renderer = Renderer(tokenizer, PromptSettings())
        labels = sorted({str(row.label) for row in train})
        book = Codebook().extended(labels, tokenizer)
        self._codes = [code_token(book.code(label), tokenizer) for label in labels]
        self._train = [
            [*renderer.render(row.text).ids, int(self._codes[labels.index(str(row.label))] or 0)] for row in train
        ]
        self._test = [(renderer.render(row.text).ids, labels.index(str(row.label))) for row in test]
        settings = LoraConfig(r=RANK, lora_alpha=RANK, target_modules="all-linear", task_type="CAUSAL_LM")
        self._model: Any = get_peft_model(load_base(prepared), settings)
        self._optimizer = torch.optim.AdamW([p for p in self._model.parameters() if p.requires_grad], lr=RATE)
        steps = epochs * -(-len(self._train) // BATCH)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, lambda step: max(0.0, 1 - step / steps))

    def epoch(self) -> None:
        """One pass over all lessons."""
        self._model.train()
        order = self._chance.sample(range(len(self._train)), len(self._train))
        for start in range(0, len(order), BATCH):
            batch = [self._train[index] for index in order[start : start + BATCH]]
            longest = max(map(len, batch))
            tokens = torch.tensor([[*ids, *[0] * (longest - len(ids))] for ids in batch])
            wanted = torch.tensor([[*ids, *[-100] * (longest - len(ids))] for ids in batch])
            self._model(input_ids=tokens, attention_mask=(wanted >= 0).long(), labels=wanted).loss.backward()
            self._optimizer.step()
            self._schedule.step()
            self._optimizer.zero_grad()

    @torch.no_grad()
    def accuracy(self) -> float:
        """Share of right answers among the codes, over the test rows."""
        self._model.eval()
        right = 0
        for ids, label in self._test:
            logits = self._model(input_ids=torch.tensor([ids]), logits_to_keep=1).logits[0, -1, self._codes]
            right += int(logits.argmax()) == label
        return right / len(self._test)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 when both were measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with banking77/")
    parser.add_argument("--out", type=Path, help="JSON file for all figures")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=6, help="give the usual recipe up after so many (default: 6)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    task = overlapping(options.data / "banking77", options.seed)
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as name:
        cache = Path(name)
        prepare_base(find_base(), cache)  # once in a base model's life, so in nobody's figures
        ours = bench(task.train, task.test, [options.seed], cache, threads=options.threads)["runs"][0]
        usual = Usual(task.train, task.test, cache, options.epochs, options.seed)
        spent, history = 0.0, []
        for epoch in range(1, options.epochs + 1):
            started = time.process_time()
            usual.epoch()
            spent += time.process_time() - started
            history.append({"epoch": epoch, "cpu_s": round(spent, 1), "accuracy": round(usual.accuracy(), 4)})
            sys.stderr.write(f"usual recipe: {history[-1]}\n")
            if history[-1]["accuracy"] >= ours["accuracy"]:
                break
    reached = history[-1]["accuracy"] >= ours["accuracy"]
    found = {
        "ours": {"accuracy": ours["accuracy"], "cpu_s": ours["train_cpu_s"], "wall_s": round(ours["train_s"], 1)},
        "usual": history,
        "usual_reached_it": reached,
        "times_less": round(history[-1]["cpu_s"] / ours["train_cpu_s"], 1),
    }
    words = "to equal accuracy" if reached else "at least: the usual recipe never got as far"
    sys.stdout.write(f"{json.dumps(found)}\nours needs {found['times_less']} times less CPU ({words})\n")
    if options.out:
        options.out.write_text(json.dumps(found, indent=1), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
