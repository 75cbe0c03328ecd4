"""Cutting layers off a transformers decoder. Imports torch alone, because it also runs in Unsloth's own environment."""

from __future__ import annotations

from typing import Any

import torch


def lower_part(model: Any, depth: int) -> Any:
    """The decoder's embedding and lowest `depth` layers, without its last norm. Cuts `model` itself."""
    core = model.model
    core.layers = core.layers[:depth]
    cut_config(core.config, depth)
    core.norm = torch.nn.Identity()
    core.eval()
    return core


def cut_config(config: Any, layers: int) -> None:
    """Make a configuration say that there are so many layers."""
    config.num_hidden_layers = layers
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:layers]
    if getattr(config, "max_window_layers", None):
        config.max_window_layers = min(config.max_window_layers, layers)
