"""The pooling layer: a decoder-only model that reads its whole prompt into the one position that answers.

    readings | principal directions, evened out | scale  ->  Pooling
    base model | keep `depth` layers | turn the next one into the pooling layer | a head with a row for each code

A causal model's last position knows little about a mail as a whole, while the mean over all positions tells topics
apart already in the lowest layers (docs/experiments.md). Attention with a query of zero *is* that mean: every position
gets the same weight. So the layer above the kept ones is rewritten: query zero, value the projection onto the
directions in which this mailbox's mails differ, output back into the residual stream at a scale that lets it dominate,
and an MLP of zero. What comes out is an ordinary model of the base's architecture: every engine serves it, in one
prefill.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from trainer.finetune.reading import Floats, Readings, cut_config
from trainer.prepare import quiet

# The pooled part's length, in multiples of what stood at the last position before.
DOMINANCE = 4.0
# Strong directions say what all mails share, weak ones what tells them apart: half of the way to equal variance.
EVENING = 0.5
# Far below any code's score: no other token of the vocabulary may crowd the codes out of a server's top list.
SILENCE = 12.0


@dataclass(frozen=True)
class Pooling:
    """`project` (directions, width) makes values of normalised states, `restore` (width, directions) puts them back."""

    project: Floats
    restore: Floats
    epsilon: float

    def features(self, readings: Readings) -> Floats:
        """What the head sees: the residual stream at the last position, normalised. As the model computes it."""
        states = readings.lasts + (readings.means @ self.project.T) @ self.restore.T
        norm = np.sqrt(np.mean(states**2, axis=1, keepdims=True) + self.epsilon)
        result: Floats = (states / norm).astype(np.float32)
        return result


def fit_pooling(readings: Readings, directions: int, epsilon: float) -> Pooling:
    """Directions in which these mails differ, without their common mean. Deterministic."""
    means = readings.means.astype(np.float64)
    centre = means.mean(axis=0)
    common = centre / max(np.linalg.norm(centre), 1e-12)
    varying = means - centre
    varying -= np.outer(varying @ common, common)
    covariance = varying.T @ varying / max(len(means), 1)
    values, vectors = np.linalg.eigh(covariance)
    order = np.argsort(-values)[:directions]
    spread = np.sqrt(np.maximum(values[order], 0))
    basis = (vectors[:, order] * np.sign(vectors[np.abs(vectors[:, order]).argmax(0), order])).T
    useful = spread > 1e-3 * max(float(spread.max(initial=0)), 1e-12)
    weights = np.where(useful, 1 / np.maximum(spread, 1e-12) ** EVENING, 0.0)
    project = weights[:, None] * basis
    project -= np.outer(project @ common, common)
    length = float(np.sqrt(np.mean(np.sum((varying @ project.T) ** 2, axis=1))))
    before = float(np.sqrt(np.mean(np.sum(readings.lasts.astype(np.float64) ** 2, axis=1))))
    scale = DOMINANCE * before / length if length > 0 else 0.0
    return Pooling(project.astype(np.float32), (scale * basis.T).astype(np.float32), epsilon)


def directions_of(config: Any) -> int:
    """How many directions one attention layer of this architecture can carry: the width of its values."""
    return min(int(config.num_key_value_heads) * head_size(config), int(config.hidden_size))


def head_size(config: Any) -> int:
    """The width of one attention head."""
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


@torch.no_grad()
def write_model(
    model: Any, depth: int, pooling: Pooling, rows: Mapping[int, Floats], background: Floats, folder: Path
) -> dict[str, torch.Tensor]:
    """Rewrite `model` (a whole base model) into the pooled one and save it to `folder` in Hugging Face form.

    `rows` holds the head's row for each code's token id; every other token answers with `background`. Returns what was
    changed, by its name. Raises OSError when the disk is full.
    """
    config, core = model.config, model.model
    core.layers = core.layers[: depth + 1]
    cut_config(config, depth + 1)
    layer = core.layers[depth]
    _make_pooling(layer, pooling, config)
    core.norm.weight.fill_(_unit(core.norm))
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
    layer.input_layernorm.weight.fill_(_unit(layer.input_layernorm))
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


def _unit(norm: Any) -> float:
    """The weight with which this norm only normalises. Gemma's norms multiply by one plus their weight."""
    return 0.0 if "Gemma" in type(norm).__name__ else 1.0


def silence(features: Floats) -> Floats:
    """A head row that scores low on every mail: against what all features have in common."""
    mean = features.mean(axis=0)
    return np.asarray(-SILENCE * mean / max(float(mean @ mean), 1e-6), dtype=np.float32)
