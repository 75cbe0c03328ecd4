"""The forward pass of a base's lower layers in numpy, float32: what each linear layer reads, and the states behind.

    token ids | embedding | layers: norm, attention with rotated queries and keys, norm, gated MLP  ->  states

The architectures are those of `daemon.model.base_file`: Llama (Touvron and others, 2023), Qwen2 (biases), Qwen3 (norms
of queries and keys), Gemma 3 (norms of one plus their weight, also behind attention and MLP, a scaled embedding, and
windows). It is for looking at a model where there is no torch; mail is read by CTranslate2 or torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from daemon.model.engines.engine import Floats, ModelRefused
from trainer.base_weights import EMBEDDING, BaseWeights, Rows

Layer = dict[str, Floats]
"""A layer's weights by their names within it, as "mlp.up_proj.weight"."""
Note = Callable[[int, str, Floats], None]
"""note(layer, place, values (positions, width)): what the linear layers at "attention", "mlp" or "down" read."""


@dataclass(frozen=True)
class Geometry:
    """What a config.json says of how a decoder computes."""

    heads: int
    shared: int
    """Heads of keys and values."""
    size: int
    """Of one head."""
    epsilon: float
    thetas: tuple[float, ...]
    """The base of the rotation, by layer."""
    windows: tuple[int | None, ...]
    """How many positions a layer looks back at most."""
    gemma: bool

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Geometry:
        """Raises ModelRefused for a rotation that is scaled in a way that is not known here."""
        layers, heads = int(config["num_hidden_layers"]), int(config["num_attention_heads"])
        gemma = str(config["model_type"]).startswith("gemma3")
        kinds: Sequence[str] = (
            (config.get("layer_types") or ["full_attention"] * layers) if gemma else ["full_attention"] * layers
        )
        window = config.get("sliding_window")
        return cls(
            heads=heads,
            shared=int(config.get("num_key_value_heads") or heads),
            size=int(config.get("head_dim") or config["hidden_size"] // heads),
            epsilon=float(config["rms_norm_eps"]),
            thetas=tuple(_theta(config, kind) for kind in kinds),
            windows=tuple(int(window) if window and kind == "sliding_attention" else None for kind in kinds),
            gemma=gemma,
        )


def _theta(config: Mapping[str, Any], kind: str) -> float:
    rope: Mapping[str, Any] = config.get("rope_parameters") or config.get("rope_scaling") or {}
    rope = rope.get(kind) or rope
    named = rope.get("rope_type", rope.get("type", "default"))
    if named != "default":
        raise ModelRefused(f"The base model's positions are scaled ({named}). Choose another base model.")
    older = "rope_local_base_freq" if kind == "sliding_attention" else "rope_theta"
    return float(rope.get("rope_theta") or config.get(older) or 10_000.0)


class Decoder:
    """The embedding and the lowest `depth` layers of a base, whose weights may be changed in place."""

    def __init__(self, weights: BaseWeights, config: Mapping[str, Any], depth: int) -> None:
        self.geometry = Geometry.of(config)
        self._weights = weights
        self.vocabulary, self.width = weights.shapes[EMBEDDING]
        self.layers: list[Layer] = []
        for layer in range(depth):
            start = f"model.layers.{layer}."
            names = [name for name in weights.shapes if name.startswith(start)]
            self.layers.append({name.removeprefix(start): weights.get(name) for name in names})

    @property
    def unit(self) -> float:
        """The weight with which a norm only normalises."""
        return 0.0 if self.geometry.gemma else 1.0

    def embedded(self, tokens: Rows) -> Floats:
        """The rows of the embedding for these tokens, read from the file: the whole is half of the memory that the
        decoder would take."""
        return self._weights.rows(EMBEDDING, tokens)

    def states(self, ids: Sequence[int], note: Note = lambda *_: None) -> Floats:
        """Of one prompt, behind the last layer: (positions, width), not normalised."""
        states = self.embedded(np.asarray(ids, np.int64))
        if self.geometry.gemma:
            states = states * np.float32(states.shape[1] ** 0.5)
        for number, layer in enumerate(self.layers):
            read = self._norm(states, layer["input_layernorm.weight"])
            note(number, "attention", read)
            added = self._attention(number, layer, read)
            if self.geometry.gemma:
                states = states + self._norm(added, layer["post_attention_layernorm.weight"])
                read = self._norm(states, layer["pre_feedforward_layernorm.weight"])
            else:
                states = states + added
                read = self._norm(states, layer["post_attention_layernorm.weight"])
            note(number, "mlp", read)
            inner = self._activated(_linear(layer, "mlp.gate_proj", read)) * _linear(layer, "mlp.up_proj", read)
            note(number, "down", inner)
            added = _linear(layer, "mlp.down_proj", inner)
            if self.geometry.gemma:
                added = self._norm(added, layer["post_feedforward_layernorm.weight"])
            states = states + added
        return np.asarray(states, np.float32)

    def normalised(self, states: Floats) -> Floats:
        """States of a mean square of one."""
        mean = np.mean(states * states, axis=-1, keepdims=True)
        return np.asarray(states / np.sqrt(mean + np.float32(self.geometry.epsilon)), np.float32)

    def _norm(self, states: Floats, weight: Floats) -> Floats:
        return np.asarray(self.normalised(states) * (weight + np.float32(1 - self.unit)), np.float32)

    def _activated(self, gate: Floats) -> Floats:
        if self.geometry.gemma:  # GELU by tanh (Hendrycks and Gimpel, 2016)
            inner = np.float32((2 / np.pi) ** 0.5) * (gate + np.float32(0.044715) * gate**3)
            return np.asarray(np.float32(0.5) * gate * (1 + np.tanh(inner)), np.float32)
        return np.asarray(gate / (1 + np.exp(-np.clip(gate, -80, None))), np.float32)

    def _attention(self, number: int, layer: Layer, read: Floats) -> Floats:
        geometry, count = self.geometry, len(read)

        def heads(part: str, many: int) -> Floats:
            found = _linear(layer, f"self_attn.{part}_proj", read).reshape(count, many, geometry.size)
            if (norm := layer.get(f"self_attn.{part}_norm.weight")) is not None:
                found = self._norm(found, norm)
            return found.swapaxes(0, 1)

        turn = _rotation(count, geometry.size, geometry.thetas[number])
        queries, keys = _rotated(heads("q", geometry.heads), turn), _rotated(heads("k", geometry.shared), turn)
        values = heads("v", geometry.shared)
        together = geometry.heads // geometry.shared
        grouped = queries.reshape(geometry.shared, together, count, geometry.size)
        scores = grouped @ keys[:, None].swapaxes(-1, -2) / np.float32(geometry.size**0.5)
        behind = np.arange(count)[:, None] - np.arange(count)
        window = geometry.windows[number]
        seen = (behind >= 0) & (behind < (window or count))
        scores = np.where(seen, scores, np.float32(-np.inf))
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (scores / scores.sum(-1, keepdims=True)) @ values[:, None]
        joined = mixed.reshape(geometry.heads, count, -1).swapaxes(0, 1).reshape(count, -1)
        return _linear(layer, "self_attn.o_proj", joined)


def _linear(layer: Layer, name: str, read: Floats) -> Floats:
    found = read @ layer[f"{name}.weight"].T
    bias = layer.get(f"{name}.bias")
    return np.asarray(found if bias is None else found + bias, np.float32)


def _rotation(count: int, size: int, theta: float) -> tuple[Floats, Floats]:
    """Cosines and sines of every position, for halves of a head (Su and others, 2021)."""
    speeds = theta ** (-np.arange(0, size, 2, dtype=np.float64) / size)
    angles = np.concatenate([np.outer(np.arange(count), speeds)] * 2, axis=1)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def _rotated(heads: Floats, turn: tuple[Floats, Floats]) -> Floats:
    half = heads.shape[-1] // 2
    turned = np.concatenate([-heads[..., half:], heads[..., :half]], axis=-1)
    return np.asarray(heads * turn[0] + turned * turn[1], np.float32)
