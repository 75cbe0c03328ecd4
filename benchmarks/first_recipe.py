"""The recipe that this project began with, to be measured beside ours: `python -m benchmarks.labels --original all`.

    text + "Category:" + name, or "Code:" + code | loss of every token, batches of eight in random order, LoRA on all
    layers, 5 epochs at 2e-4 | decode freely | the first line is the answer, right or wrong

No template, no closed set, no space between colon and answer, as in T. Helgevold's experiment of June 2026.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from trainer.answer.adapters import with_lora
from trainer.answer.scoring import decode
from trainer.compare import Trial, answers_for, said_right
from trainer.finetune.loading import load_base
from trainer.finetune.states import padded
from trainer.recipe import Answer

RANK, RATE, EPOCHS, BATCH, WARM_UP = 16, 2e-4, 5, 8, 5
CUES = {"names": "Category:", "codes": "Code:"}


def train_original(
    model: Any,
    texts: Sequence[str],
    answers: Sequence[str],
    kind: str,
    tokenizer: Tokenizer,
    seed: int,
    tick: Callable[[int, int], None],
) -> Any:
    """A peft model over `model`, tuned on "text, cue, answer, end of text" for every lesson."""
    recipe = Answer(rank=RANK, alpha=RANK, rate=RATE, epochs=EPOCHS, tuned_share=1.0)
    adapted = with_lora(model, recipe, seed)
    end = int(model.config.eos_token_id)
    rows = [[*prompt_ids(text, kind, tokenizer, answer), end] for text, answer in zip(texts, answers, strict=True)]
    optimizer = torch.optim.AdamW([p for p in adapted.parameters() if p.requires_grad], lr=RATE, weight_decay=0.01)
    steps = EPOCHS * -(-len(rows) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / WARM_UP) * max(0.0, 1 - step / steps)
    )
    chance = np.random.default_rng(seed)
    adapted.train()
    done = 0
    for _ in range(EPOCHS):
        order = chance.permutation(len(rows))
        for start in range(0, len(order), BATCH):
            batch = [rows[row] for row in order[start : start + BATCH]]
            tokens = padded(batch)
            inside = torch.arange(tokens.shape[1])[None] < torch.tensor([len(row) for row in batch])[:, None]
            wanted = torch.where(inside, tokens, -100)
            adapted(input_ids=tokens, attention_mask=inside.long(), labels=wanted).loss.backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            done += 1
            tick(done, steps)
    return adapted.eval()


def prompt_ids(text: str, kind: str, tokenizer: Tokenizer, answer: str = "") -> list[int]:
    """What the recipe reads, tokenised as one string: a name can swallow the colon before it."""
    return tokenizer.encode(f"{text}\n{CUES[kind]}{answer}", add_special_tokens=False).ids


def original(trial: Trial) -> dict[str, list[bool]]:
    """A way for `trainer.compare`: the first line that it decodes is the answer, right or wrong."""
    work, tokenizer = trial.work, trial.tokenizer
    labels, answers = answers_for(work, trial.kind, trial.seed, tokenizer, doubled=True)
    model = load_base(trial.prepared.whole())
    wanted = [answers[labels.index(label)] for label in work.labels]
    texts = [trial.renderer.clean(text.body) for text in work.learnt]
    adapted = train_original(model, texts, wanted, trial.kind, tokenizer, trial.seed, trial.tick)
    prompts = [prompt_ids(trial.renderer.clean(text.body), trial.kind, tokenizer) for text in work.judged]
    longest = max(len(tokenizer.encode(CUES[trial.kind] + answer).ids) for answer in answers)
    said = decode(adapted, prompts, tokenizer, longest + 1)
    return {f"original recipe, {trial.kind}": said_right(said, labels, answers, work.truth)}
