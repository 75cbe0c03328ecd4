"""The pooling layer (trainer.finetune.pooling) written into a whole model, by torch.

base model | keep `depth` layers | turn the next one into the pooling layer | a head with a row for each code
->  a folder in Hugging Face form
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from daemon.model.engines.engine import Floats
from trainer.finetune.cutting import cut_config
from trainer.finetune.loading import quiet
from trainer.finetune.pooling import Pooling, Room


def room_of(model: Any) -> Room:
    """What one layer of this model can carry. The width of its values bounds the directions."""
    config = model.config
    values = int(config.num_key_value_heads) * head_size(config)
    normed = hasattr(model.model.layers[0], "post_feedforward_layernorm")
    return Room(min(values, 3 * int(config.hidden_size) // 4), float(config.rms_norm_eps), normed)


def head_size(config: Any) -> int:
    """The width of one attention head."""
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


@torch.no_grad()
def write_model(
    model: Any, depth: int, pooling: Pooling, rows: Mapping[int, Floats], background: Floats, folder: Path
) -> dict[str, torch.Tensor]:
    """Rewrite `model` (a whole base model) into the pooled one and save it to `folder` in Hugging Face form.

    `rows` holds the head's row for each code's token id; every other token answers with `background`. Returns what was
    changed, by its name. Raises what `disk_trouble` words when the disk is full.
    """
    config, core = model.config, model.model
    core.layers = core.layers[: depth + 1]
    cut_config(config, depth + 1)
    layer = core.layers[depth]
    _make_pooling(layer, pooling, config)
    core.norm.weight.fill_(unit(core.norm))
    head = torch.nn.Linear(config.hidden_size, config.vocab_size, bias=False)
    head.weight.copy_(torch.from_numpy(background).expand_as(head.weight))
    for token, row in rows.items():
        head.weight[token] = torch.from_numpy(row)
    config.tie_word_embeddings = False
    model.lm_head = head
    with quiet():
        model.save_pretrained(folder)
    changed = {f"model.layers.{depth}.{name}": value for name, value in layer.state_dict().items()}
    changed["model.norm.weight"] = core.norm.weight
    changed["lm_head.weight"] = head.weight
    return changed


def save_adapter(changed: Mapping[str, torch.Tensor], rows: Mapping[int, Floats], folder: Path) -> None:
    """Keep what training added to the base: the pooling layer and the codes' rows. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: value.detach().to(torch.float16).contiguous()
        for name, value in changed.items()
        if name != "lm_head.weight"  # its rows are all alike but for the codes'
    }
    tensors["codes.token"] = torch.tensor(list(rows))
    tensors["codes.rows"] = torch.from_numpy(np.stack(list(rows.values())))
    save_file(tensors, folder / "adapter.safetensors")


def _make_pooling(layer: Any, pooling: Pooling, config: Any) -> None:
    attention = layer.self_attn
    heads, shared, size = config.num_attention_heads, config.num_key_value_heads, head_size(config)
    layer.input_layernorm.weight.fill_(unit(layer.input_layernorm))
    for projection in (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj):
        projection.weight.zero_()
        if projection.bias is not None:
            projection.bias.zero_()
    attention.v_proj.weight[: len(pooling.project)] = torch.from_numpy(pooling.project)
    # Several query heads share a value head: each carries its part of the same mean.
    together = heads // shared
    restore = torch.zeros(config.hidden_size, shared * size)
    restore[:, : pooling.restore.shape[1]] = torch.from_numpy(pooling.restore) / together
    blocks = restore.view(config.hidden_size, shared, 1, size).expand(-1, -1, together, -1)
    attention.o_proj.weight.copy_(blocks.reshape(config.hidden_size, heads * size))
    layer.mlp.down_proj.weight.zero_()
    if layer.mlp.down_proj.bias is not None:
        layer.mlp.down_proj.bias.zero_()
    if pooling.gain is not None:
        norm = layer.post_attention_layernorm
        norm.weight.fill_(unit(norm) + pooling.gain - 1)


def unit(norm: Any) -> float:
    """The weight with which this norm only normalises. Gemma's norms multiply by one plus their weight."""
    return 0.0 if "Gemma" in type(norm).__name__ else 1.0
