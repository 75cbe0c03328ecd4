"""What a causal model answers: by the closed set, and decoded freely.

Imports nothing but numpy, torch, tokenizers and ours, because it also runs in Unsloth's own environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer

from trainer.answer.answer_tree import AnswerTree
from trainer.finetune.states import by_length, padded

Scores = npt.NDArray[np.float32]


@torch.inference_mode()
def score(model: Any, prompts: Sequence[Sequence[int]], tree: AnswerTree) -> Scores:
    """Log-probabilities of all answers, a row for each prompt: each row's probabilities sum to one.

    `model` is a transformers or peft causal model in evaluation mode. All ways through the tree are read in one pass:
    each node sees the prompt and the nodes before it on its own way.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    head = base.lm_head.weight[list(tree.tokens)]
    columns = {token: column for column, token in enumerate(tree.tokens)}
    nodes = tree.nodes
    places = {node: place for place, node in enumerate(nodes)}
    found = np.zeros((len(prompts), len(tree.paths)), np.float32)
    lengths = [len(ids) + len(nodes) for ids in prompts]
    for batch in by_length(np.arange(len(prompts)), lengths):
        rows = [[*prompts[row], *(node[-1] for node in nodes)] for row in batch]
        tokens = padded(rows).to(base.device)
        extra = _tree_inputs([len(prompts[row]) for row in batch], nodes, places, tokens) if nodes else {}
        hidden = base.model(input_ids=tokens, use_cache=False, **extra).last_hidden_state
        for place, row in enumerate(batch):
            start = len(prompts[row])
            at = [start - 1, *range(start, start + len(nodes))]
            logits = (hidden[place, at] @ head.T).float()
            for label, partings in enumerate(tree.partings):
                for part in partings:
                    way = tree.paths[label][: part.depth]
                    line = logits[0 if not way else 1 + places[way], [columns[token] for token in part.choices]]
                    found[row, label] += float(torch.log_softmax(line, 0)[part.right])
    return found


@torch.inference_mode()
def decode(model: Any, prompts: Sequence[Sequence[int]], tokenizer: Tokenizer, most: int) -> list[str]:
    """What the model writes after each prompt, greedily, at most so many tokens: the first line of it."""
    found = [""] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
    ends = _ends(model.config.eos_token_id)
    end = next(iter(ends), 0)  # what a prompt is filled up with does not matter: nobody looks at it
    for start in range(0, len(order), 16):
        rows = order[start : start + 16]
        longest = max(len(prompts[row]) for row in rows)
        tokens = torch.tensor([[*[end] * (longest - len(prompts[row])), *prompts[row]] for row in rows])
        seen = torch.tensor([[0] * (longest - len(prompts[row])) + [1] * len(prompts[row]) for row in rows])
        out = model.generate(
            input_ids=tokens, attention_mask=seen, max_new_tokens=most, do_sample=False, pad_token_id=end
        )
        for row, line in zip(rows, out[:, longest:].tolist(), strict=True):
            kept = takewhile(lambda token: token not in ends, line)
            found[row] = tokenizer.decode(list(kept)).strip().partition("\n")[0].strip()
    return found


def _ends(said: int | Sequence[int] | None) -> tuple[int, ...]:
    """The tokens that end an answer, as config.json may say: one, several or none."""
    if said is None:
        return ()
    return (said,) if isinstance(said, int) else tuple(said)


def _tree_inputs(
    starts: Sequence[int], nodes: Sequence[tuple[int, ...]], places: dict[tuple[int, ...], int], tokens: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Positions and a mask under which the nodes behind each prompt are branches, not a sequence."""
    count, longest = tokens.shape
    sees = torch.tril(torch.ones(longest, longest, dtype=torch.bool)).repeat(count, 1, 1)
    positions = torch.arange(longest).repeat(count, 1)
    for row, start in enumerate(starts):
        sees[row, start : start + len(nodes), start : start + len(nodes)] = False
        for place, node in enumerate(nodes):
            positions[row, start + place] = start + len(node) - 1
            for depth in range(1, len(node) + 1):
                sees[row, start + place, start + places[node[:depth]]] = True
    return {"attention_mask": sees[:, None].to(tokens.device), "position_ids": positions.to(tokens.device)}
