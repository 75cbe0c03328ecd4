"""Make a model's channels alike before it is rounded to int8, without changing what it computes.

    model, some prompts | the largest value of each channel that a linear layer reads | scale it down, and up again in
    the layer's own weights  ->  the same model, easier to round

CTranslate2 rounds each position's values by the largest of them. A few channels of a language model are many times as
large as the rest, which then lose most of their digits. A norm's weight, or the gate's partner in an MLP, can carry
the inverse of a scale that the next layer's columns take up: SmoothQuant (Xiao et al., ICML 2023, section 4). Of the
one lesson in a hundred that rounding cost, a tenth is left (docs/experiments.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from trainer.finetune.pooling_layer import unit
from trainer.recipe import Rounding


@torch.no_grad()
def smooth(model: Any, prompts: Sequence[Sequence[int]], recipe: Rounding) -> None:
    """Change `model` (a transformers decoder with gated MLPs) in place; nothing without prompts of token ids."""
    if not prompts:
        return
    largest = _largest(model, prompts[:: -(-len(prompts) // recipe.most_prompts)])
    for layer in model.model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        before_mlp = getattr(layer, "pre_feedforward_layernorm", None) or layer.post_attention_layernorm
        _through_norm(layer.input_layernorm, [attention.q_proj, attention.k_proj, attention.v_proj], largest, recipe)
        _through_norm(before_mlp, [mlp.gate_proj, mlp.up_proj], largest, recipe)
        scale = _scale(largest[mlp.down_proj], [mlp.down_proj], recipe)
        mlp.up_proj.weight /= scale[:, None]
        if mlp.up_proj.bias is not None:
            mlp.up_proj.bias /= scale
        mlp.down_proj.weight *= scale


def _largest(model: Any, prompts: Sequence[Sequence[int]]) -> dict[Any, torch.Tensor]:
    """For each linear layer the largest value that each of its inputs takes."""
    found: dict[Any, torch.Tensor] = {}

    def note_largest(module: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        values = inputs[0].reshape(-1, inputs[0].shape[-1]).abs().amax(0)
        found[module] = torch.maximum(found[module], values) if module in found else values

    linear = [module for module in model.model.modules() if isinstance(module, torch.nn.Linear)]
    hooks = [module.register_forward_pre_hook(note_largest) for module in linear]
    try:
        for prompt in prompts:
            model.model(input_ids=torch.tensor([list(prompt)]), use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _through_norm(norm: Any, readers: Sequence[Any], largest: dict[Any, torch.Tensor], recipe: Rounding) -> None:
    """Scale what a norm puts out, and the columns of the layers that read it the other way."""
    scale = _scale(largest[readers[0]], readers, recipe)
    plus = 1 - unit(norm)
    norm.weight.copy_((norm.weight + plus) / scale - plus)
    for reader in readers:
        reader.weight *= scale


def _scale(largest: torch.Tensor, readers: Sequence[Any], recipe: Rounding) -> torch.Tensor:
    columns = torch.stack([reader.weight.abs().amax(0) for reader in readers]).amax(0)
    scale = largest.clamp(min=recipe.tiny) ** recipe.strength / columns.clamp(min=recipe.tiny) ** (1 - recipe.strength)
    return torch.as_tensor(scale / scale.log().mean().exp())
