"""What `postroom try --export DIR` leaves behind: a model that can be asked, and a page that says how.

    DIR/README.md        the table, and how to ask
    DIR/model, model.key the model that would serve, as a model folder, and the key that its words are hashed under
    DIR/model.gguf, Modelfile, categories.json    its language part for Ollama, and which code means which category

All of it is for its owner alone. What cannot be written whole is taken away again; the page comes last, so a folder
without one was cut off in the middle.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from connectors.printable import printable
from daemon.mistakes import PostroomError
from daemon.model import model_folder
from daemon.model.prompt import HEAD, TAIL, context_for
from daemon.model.term_key import KEY_FILE
from daemon.training.trial import Trial
from daemon.training.trial_page import page

MODEL, GGUF_FILE, MODELFILE, CATEGORIES, PAGE = "model", "model.gguf", "Modelfile", "categories.json", "README.md"


def why_not(target: Path) -> str | None:
    """Why nothing can be exported there, in a sentence; None where it can. Asks before anything is trained."""
    try:
        if target.is_dir():
            if _cut_off(target):
                return f"{target}: holds half an export, which was cut off. Remove it, or name a new folder."
            if any(target.iterdir()):
                return f"{target}: holds other files already. Name a new folder, or an empty one."
            place = target
        elif target.exists() or target.is_symlink():
            return f"{target}: is no folder. Name a new one."
        else:
            place = next(parent for parent in target.absolute().parents if parent.exists())
            if not place.is_dir():
                return f"{target}: cannot be made, for {place} is no folder. Name another place."
    except OSError as error:
        return f"{target}: cannot be looked at ({error.strerror}). Name another folder, or correct the rights."
    if not os.access(place, os.W_OK | os.X_OK):
        return f"{target}: nothing may be written in {place}. Name another folder, or correct its rights."
    return None


def _cut_off(folder: Path) -> bool:
    """Does it hold nothing but what an export writes before its last file?"""
    found = {path.name for path in folder.iterdir()}
    return bool(found) and found <= {MODEL, KEY_FILE, GGUF_FILE, MODELFILE, CATEGORIES}


def export(trial: Trial, source: Path, target: Path) -> None:
    """Write the folder. Raises PostroomError when something has come there meanwhile, and OSError."""
    if (problem := why_not(target)) is not None:
        raise PostroomError("--export", problem)
    with _whole(target):
        shutil.copytree(trial.model, target / MODEL)
        shutil.copyfile(trial.key, target / KEY_FILE)
        meta = model_folder.load(target / MODEL, check_files=False)
        codes = {row.code: row.category for row in meta.codebook if row.category in meta.categories}
        if trial.gguf is not None:
            shutil.move(trial.gguf, target / GGUF_FILE)
            (target / MODELFILE).write_text(modelfile(meta.prompt.max_tokens), "utf-8")
            (target / CATEGORIES).write_text(json.dumps(codes, ensure_ascii=False, indent=1) + "\n", "utf-8")
        language = trial.shown_as if trial.gguf is not None else None
        called = " ".join(source.name.split())
        words = page(trial.result, called, name_for(source), meta, codes, language=language)
        (target / PAGE).write_text(printable(words), "utf-8")  # also half a character of a file's name


@contextmanager
def _whole(target: Path) -> Iterator[None]:
    """The folder with all that the block writes, or as it was before."""
    made = [place for place in (target, *target.absolute().parents) if not place.exists()]
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for path in list(target.iterdir()):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        with suppress(OSError):  # somebody else's file is there by now
            for place in made:
                place.rmdir()
        raise


def modelfile(max_tokens: int) -> str:
    """What `ollama create -f` reads. The template is the prompt that the model was trained with."""
    return (
        f'FROM ./{GGUF_FILE}\nTEMPLATE """{HEAD}\n{{{{ .Prompt }}}}{TAIL}"""\n'
        f"PARAMETER temperature 0\nPARAMETER num_predict 1\nPARAMETER num_ctx {context_for(max_tokens)}\n"
    )


def name_for(source: Path) -> str:
    """What the model may be called on an Ollama server: "My Questions.csv" is "my-questions"."""
    return re.sub(r"[^a-z0-9]+", "-", source.stem.lower()).strip("-")[:40] or "postroom"


def exported_model(folder: Path) -> tuple[Path, Path]:
    """(model folder, key) of what `export` left there. Raises PostroomError."""
    model, key = folder / MODEL, folder / KEY_FILE
    if not model.is_dir() or not key.is_file():
        raise PostroomError(
            str(folder),
            "there is no model of `postroom try --export` in it.",
            "Name that folder, or the file to learn from.",
        )
    if _cut_off(folder):
        raise PostroomError(str(folder), "half an export lies there, it was cut off.", "Remove it, and export again.")
    return model, key
