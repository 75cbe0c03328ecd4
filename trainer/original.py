"""The recipe that this project began with, to be measured beside ours: `python -m trainer.compare --original`.

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
from trainer.answer.answering import Recipe
from trainer.finetune.states import padded

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
    recipe = Recipe(rank=RANK, alpha=RANK, rate=RATE, epochs=EPOCHS, tuned_share=1.0)
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


@torch.inference_mode()
def decode(model: Any, prompts: Sequence[Sequence[int]], tokenizer: Tokenizer, most: int) -> list[str]:
    """What the model writes after each prompt, greedily, at most so many tokens: the first line of it."""
    found = [""] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
    end = int(model.config.eos_token_id)
    for start in range(0, len(order), 16):
        rows = order[start : start + 16]
        longest = max(len(prompts[row]) for row in rows)
        tokens = torch.tensor([[*[end] * (longest - len(prompts[row])), *prompts[row]] for row in rows])
        seen = torch.tensor([[0] * (longest - len(prompts[row])) + [1] * len(prompts[row]) for row in rows])
        out = model.generate(
            input_ids=tokens, attention_mask=seen, max_new_tokens=most, do_sample=False, pad_token_id=end
        )
        for row, line in zip(rows, out[:, longest:].tolist(), strict=True):
            kept = line[: line.index(end)] if end in line else line
            found[row] = tokenizer.decode(kept).strip().partition("\n")[0].strip()
    return found
