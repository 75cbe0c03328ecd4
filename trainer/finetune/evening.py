"""A decoder's channels made alike before it is rounded to int8, in numpy: see trainer.export.smoothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from daemon.model.engines.engine import Floats
from trainer.finetune.decoder import Decoder, Layer
from trainer.recipe import Rounding


class Largest:
    """The largest value that each channel reached which linear layers read, by layer and place."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, str], Floats] = {}

    def note(self, layer: int, place: str, values: Floats) -> None:
        """Take these (positions, width) into account."""
        found = np.abs(values).max(0)
        known = self._found.get((layer, place))
        self._found[layer, place] = found if known is None else np.maximum(known, found)

    def __getitem__(self, place: tuple[int, str]) -> Floats:
        return self._found[place]


def smooth_decoder(decoder: Decoder, largest: Largest, recipe: Rounding) -> None:
    """Change the weights of `decoder` in place, without changing what it computes."""
    before_mlp = f"{'pre_feedforward' if decoder.geometry.gemma else 'post_attention'}_layernorm.weight"
    plus = np.float32(1 - decoder.unit)
    for number, layer in enumerate(decoder.layers):
        readers = [f"self_attn.{part}_proj.weight" for part in "qkv"]
        _through_norm(layer, "input_layernorm.weight", readers, largest[number, "attention"], plus, recipe)
        readers = ["mlp.gate_proj.weight", "mlp.up_proj.weight"]
        _through_norm(layer, before_mlp, readers, largest[number, "mlp"], plus, recipe)
        scale = _scale(layer, ["mlp.down_proj.weight"], largest[number, "down"], recipe)
        layer["mlp.up_proj.weight"] /= scale[:, None]
        layer["mlp.down_proj.weight"] *= scale


def _through_norm(
    layer: Layer, norm: str, readers: Sequence[str], largest: Floats, plus: np.float32, recipe: Rounding
) -> None:
    """Scale what a norm puts out, and the columns of the layers that read it the other way."""
    scale = _scale(layer, readers, largest, recipe)
    layer[norm] = (layer[norm] + plus) / scale - plus
    for reader in readers:
        layer[reader] *= scale


def _scale(layer: Layer, readers: Sequence[str], largest: Floats, recipe: Rounding) -> Floats:
    columns = np.max([np.abs(layer[reader]).max(0) for reader in readers], axis=0)
    high, low = np.maximum(largest, recipe.tiny), np.maximum(columns, recipe.tiny)
    scale = high**recipe.strength / low ** (1 - recipe.strength)
    return np.asarray(scale / np.exp(np.log(scale).mean()), np.float32)
