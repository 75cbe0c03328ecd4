"""What the language candidate does with a whole model, by torch: what reads deeper, and what is written for a server.

    base | readings with the last position                        ->  a pooling layer can be fitted
    short questions | layers tuned by likeness                    ->  a deeper model, if it pays
    model with a pooling layer | forms that an engine serves      ->  a model folder's files

torch and transformers take seconds to import, and come with the extra `train`: only who needs them comes here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from shutil import copyfile

import torch

from daemon.model.codebook import code_token
from daemon.model.engines.serving import Forms
from daemon.model.model_folder import ModelFolder
from daemon.model.prompt import Prompt
from trainer.candidates import questions
from trainer.candidates.candidate import Candidate
from trainer.candidates.pooled import LanguageModel
from trainer.context import Grounds, Night
from trainer.export.exporting import export_ct2, export_gguf, write_for_vllm
from trainer.export.smoothing import smooth
from trainer.finetune.contrast import Likening, contrast
from trainer.finetune.exact_reading import Reader
from trainer.finetune.loading import load_base
from trainer.finetune.pooling import Room, silence
from trainer.finetune.pooling_layer import room_of, save_adapter, write_model
from trainer.finetune.upper import TunedLayers
from trainer.folds import Rows
from trainer.job import TrainingFailed
from trainer.recipe import Recipe


def by_torch(night: Night) -> None:
    """Let torch work with this night's threads and chance."""
    torch.set_num_threads(night.job.threads)
    torch.manual_seed(night.job.seed)


def exact_reader(night: Night, depth: int) -> tuple[Reader, Room]:
    """What reads lessons in float32, and the room for a pooling layer. Raises ModelRefused, OSError."""
    by_torch(night)
    prepared = night.grounds.prepared
    model = load_base(prepared.whole())
    room = room_of(model)
    return Reader(model, depth, prepared.sha256, night.job.own_cache, night.recipe.pooled), room


def deepened(
    night: Night, start: LanguageModel, linear: Candidate, adapter: Path
) -> tuple[LanguageModel, tuple[str, ...]]:
    """The start, or one that reads deeper; and what people should know of it."""
    by_torch(night)
    base = load_base(night.grounds.prepared.whole())
    room = room_of(base)
    prompts = [prompt.ids for prompt in night.prompts(night.lessons.texts)]

    def tick(done: int, total: int) -> None:
        night.in_time(done, total)
        night.progress("train", 1 + done, 1 + total, "fine-tuning the language model")

    def contrasted(learnt: Rows) -> TunedLayers | None:
        task = Likening(prompts, night.lessons.labels, learnt, night.job.seed)
        return contrast(base, task, adapter, night.recipe, tick)

    try:
        return questions.deepened(start, night.lessons, linear.answers, room, contrasted, night.recipe), ()
    except TimeoutError:
        words = "The time limit was too short for fine-tuning; the language model serves as it was begun."
        return start, (words,)
    except TrainingFailed as error:
        return start, (f"{error} The language model serves as it was begun.",)


def export(
    language: LanguageModel,
    grounds: Grounds,
    forms: Forms,
    prompts: Sequence[Prompt],
    made: ModelFolder,
    recipe: Recipe,
) -> None:
    """Write the parts of `made` that `forms` names, of a model with a pooling layer.

    `prompts` are the lessons that show how large the model's channels grow. Raises OSError, ModelRefused.
    """
    pooling = language.pooling
    if pooling is None:
        raise ValueError("only a head was fitted")
    tokens = [code_token(code, grounds.tokenizer) for code in grounds.codes]
    rows = {int(token): row for token, row in zip(tokens, pooling.rows, strict=True) if token is not None}
    with tempfile.TemporaryDirectory(prefix="model-", dir=made.root.parent) as name:
        merged = Path(name)
        model = load_base(grounds.prepared.whole())
        model.load_state_dict(dict(language.layers), strict=False)
        quiet_row = silence(pooling, recipe.pooled)
        changed = write_model(model, language.depth, pooling, rows, quiet_row, merged)
        copyfile(grounds.prepared.tokenizer, merged / "tokenizer.json")
        shown = [prompt.ids for prompt in prompts]
        export_ct2(merged, made.ct2, forms.ct2, grounds.codes, lambda whole: smooth(whole, shown, recipe.rounding))
        if forms.safetensors:
            write_for_vllm(merged, made.hf)
    save_adapter(changed, rows, made.adapter)
    if forms.gguf is not None:
        state = {**language.layers, **changed}
        export_gguf(grounds.base, state, made.gguf, forms.gguf, language.depth + 1, forms.whole)
        copyfile(grounds.prepared.tokenizer, made.gguf.with_name("tokenizer.json"))
