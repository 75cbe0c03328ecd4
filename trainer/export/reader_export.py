"""The reader that all mailboxes of a machine share: a base's lower layers for CTranslate2, made once and kept.

    base's weights | the lower layers | channels made alike, by invented mail | rounded | checksums | rename  ->  folder

What comes out of it is the state of every position, brought to a mean square of one by a last norm. CTranslate2 has no
call for states, but answers with what a head makes of them: here the identity. Before int8 the head takes part in the
smoothing: the norm divides every channel by what it reaches, and the identity multiplies it again, which costs no digit
since each of its rows holds one number. All of it is numpy's: no torch, and no whole model in memory.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from daemon.model.engines.engine import Floats
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
from trainer.base_weights import refused_if_odd
from trainer.export.decoder_ct2 import write_decoder
from trainer.export.office_mail import office_mail
from trainer.finetune.decoder import Decoder
from trainer.finetune.evening import Largest, smooth_decoder
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
    with refused_if_odd(prepared.base):
        renderer = Renderer(Tokenizer.from_file(str(prepared.tokenizer)), PromptSettings())
        decoder = Decoder(prepared.weights(), prepared.config, depth)
        scale = np.ones(decoder.width, np.float32)
        if form != "float32":
            scale = smoothed(decoder, [renderer.render(mail).ids for mail in office_mail()], recipe)
        # The last norm divides every channel by the largest value that it takes, and the head multiplies it again.
        norm = np.float32(1) / scale - np.float32(1 - decoder.unit)
        write_decoder(decoder, prepared.config, renderer.tokenizer, norm, np.diag(scale), folder, form)


def smoothed(decoder: Decoder, prompts: Sequence[Sequence[int]], recipe: Rounding) -> Floats:
    """Make the channels of `decoder` alike by these prompts, and return how large each channel of its normalised states
    grows."""
    largest = Largest()
    states = np.zeros(decoder.width, np.float32)
    for ids in prompts[:: -(-len(prompts) // recipe.most_prompts)]:
        reached = np.abs(decoder.normalised(decoder.states(ids, largest.note))).max(0)
        states = np.maximum(states, reached)
    smooth_decoder(decoder, largest, recipe)
    return np.maximum(states, np.float32(recipe.tiny))
