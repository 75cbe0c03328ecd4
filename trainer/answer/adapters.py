"""The peft back end: LoRA on the upper layers of a base model, and what comes out of it.

    Hugging Face folder | freeze all | LoRA on seven projections of the upper layers  ->  a model for `answering.train`
    a trained adapter | merge  ->  the weights to change in the base, by their full names

The adapter is peft's usual one (adapter_config.json, adapter_model.safetensors), so whatever reads those reads ours.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

from trainer.answer.answering import PROJECTIONS
from trainer.recipe import Answer


def with_lora(model: Any, recipe: Answer, seed: int) -> Any:
    """A peft model over `model` with fresh adapters; the same for the same seed."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    layers = int(model.config.num_hidden_layers)
    wanted = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=0.0,
        target_modules=list(PROJECTIONS),
        layers_to_transform=list(range(recipe.lowest(layers), layers)),
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft still asks transformers by an old name
        return get_peft_model(model, wanted)


def read_adapter(model: Any, folder: Path) -> Any:
    """A peft model over `model` with the adapter in `folder`, whichever back end trained it."""
    from peft import PeftModel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return PeftModel.from_pretrained(model, str(folder)).eval()


def merged(adapted: Any) -> dict[str, torch.Tensor]:
    """The weights that the adapter changes, merged, by their names in the base. Undoes the adapter in `adapted`."""
    touched = {
        name.removeprefix("base_model.model.").partition(".lora_A")[0] + ".weight"
        for name, _ in adapted.named_parameters()
        if ".lora_A" in name
    }
    state = adapted.merge_and_unload().state_dict()
    return {name: state[name].detach() for name in sorted(touched)}
