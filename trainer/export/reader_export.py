"""The reader that all mailboxes of a machine share: a base's lower layers for CTranslate2, made once and kept.

    prepared base | the lower layers | channels made alike, by invented mail | rounded | checksums | rename  ->  folder

What comes out of it is the state of every position, brought to a mean square of one by a last norm. CTranslate2 has no
call for states, but answers with what a head makes of them: here the identity. Before int8 the head takes part in the
smoothing: the norm divides every channel by what it reaches, and the identity multiplies it again, which costs no digit
since each of its rows holds one number.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from daemon.model.engines.engine import ModelRefused
from daemon.model.engines.serving import Ct2Type
from daemon.model.prompt import PromptSettings, Renderer
from daemon.model.reader_files import (
    ReaderInfo,
    ReaderRefused,
    reader_folder,
    reader_key,
    seal,
    whole_reader,
)
from trainer.export.exporting import Converter
from trainer.export.office_mail import office_mail
from trainer.export.smoothing import smooth
from trainer.finetune.cutting import cut_config
from trainer.finetune.loading import quiet
from trainer.finetune.pooling import unit
from trainer.prepare import PreparedBase
from trainer.recipe import Rounding


def prepare_reader(prepared: PreparedBase, depth: int, form: Ct2Type, cache: Path, recipe: Rounding) -> Path:
    """The folder of the reader with the lowest `depth` layers of this base, made now or long ago; one that is damaged
    is made anew. Raises ModelRefused for a base that CTranslate2 can't convert, OSError."""
    folder = reader_folder(cache, reader_key(prepared.sha256, depth, form))
    try:
        whole_reader(folder)
        return folder
    except ReaderRefused:
        if folder.is_symlink():  # somebody lent it to a rehearsal
            folder.unlink()
        shutil.rmtree(folder, ignore_errors=True)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".reader-", dir=cache) as scratch:
        made = Path(scratch, "made")
        _convert(prepared, depth, form, made, recipe)
        shutil.copyfile(prepared.tokenizer, made / "tokenizer.json")
        seal(made, ReaderInfo(base=prepared.folder.name, sha256=prepared.sha256, depth=depth, form=form, files={}))
        try:
            made.rename(folder)
        except OSError:
            whole_reader(folder)  # somebody else made it meanwhile; theirs is as good as ours
    return folder


def _convert(prepared: PreparedBase, depth: int, form: Ct2Type, folder: Path, recipe: Rounding) -> None:
    renderer = Renderer(Tokenizer.from_file(str(prepared.tokenizer)), PromptSettings())
    shown = [renderer.render(mail).ids for mail in office_mail()]

    def change(model: Any) -> None:
        cut_to_states(model, depth)
        if form != "float32":
            smooth(model, shown, recipe)
            _smooth_states(model, shown[:: -(-len(shown) // recipe.most_prompts)], recipe)

    try:
        with quiet():
            Converter(prepared.folder, renderer.tokenizer, change).convert(str(folder), quantization=form)
    except (ValueError, NotImplementedError) as error:
        raise ModelRefused(f"{prepared.folder}: CTranslate2 can't convert this model: {error}") from error


@torch.no_grad()
def cut_to_states(model: Any, depth: int) -> None:
    """Change a whole model so that it answers with the normalised states behind its lowest `depth` layers."""
    core, width = model.model, int(model.config.hidden_size)
    core.layers = core.layers[:depth]
    cut_config(model.config, depth)
    core.norm.weight.fill_(unit(core.norm))
    model.config.tie_word_embeddings = False
    model.lm_head = torch.nn.Linear(width, width, bias=False)
    model.lm_head.weight.copy_(torch.eye(width))


@torch.no_grad()
def _smooth_states(model: Any, prompts: Sequence[Sequence[int]], recipe: Rounding) -> None:
    """Let the last norm divide every channel by the largest value that it takes, and the head multiply it again."""
    norm, largest = model.model.norm, torch.zeros(int(model.config.hidden_size))
    for ids in prompts:
        states = model.model(input_ids=torch.tensor([list(ids)]), use_cache=False).last_hidden_state
        largest = torch.maximum(largest, states[0].abs().amax(0))
    scale = largest.clamp(min=recipe.tiny)
    plus = 1 - unit(norm)
    norm.weight.copy_((norm.weight + plus) / scale - plus)
    model.lm_head.weight.copy_(torch.diag(scale))
