"""A model folder: what lies in it, what is known about it, and whether it is still whole.

    MODEL/
      model.json        everything about the model, and the sha256 of every other file; written last
      head.npz          the language model for the embedded engine, on the reader that all mailboxes share
      ct2/              or one with layers of its own, with answers.json and tokenizer.json
      gguf/             the language model for Ollama and llama.cpp, where such a server serves
      hf/               the same for vLLM
      adapter/          what training added to the base
      fingerprint.json  what the model is recognised by on a server
      linear/           the linear model (npz and JSON), its terms hashed
      neighbours.npz    the lessons, hashed, whose nearest ones vote

`ModelFolder` is the one place that knows where what lies.
`save` is called by the trainer, `load` by everybody. A folder that is not whole is refused in words; nothing is mended.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, computed_field

from daemon.model.base_file import sha256_of
from daemon.model.codebook import Codebook, CodebookError
from daemon.model.engines.engine import ModelMissing, ModelRefused
from daemon.model.prediction import Point, TriedHint
from daemon.model.prompt import PromptSettings
from daemon.model.term_key import KEY_FILE, TermKey

MODEL_FILE = "model.json"
LAYOUT = 3

Kind = Literal["llm", "linear", "blend"]


ADVICE = "Run `postroom rollback`, or train again."


@dataclass(frozen=True)
class ModelFolder:
    """Where the parts of a model lie. Which of them are there depends on the model and on what serves it."""

    root: Path

    @property
    def meta(self) -> Path:
        """Everything about the model but its weights; there last of all, when the rest is complete."""
        return self.root / MODEL_FILE

    @property
    def head(self) -> Path:
        """The language model as a head on the shared reader, in one file."""
        return self.root / "head.npz"

    @property
    def ct2(self) -> Path:
        """The language model in CTranslate2's form, a folder."""
        return self.root / "ct2"

    @property
    def gguf(self) -> Path:
        """The language model in one GGUF file."""
        return self.root / "gguf" / "model.gguf"

    @property
    def has_gguf(self) -> bool:
        """Was the model exported for a server that reads GGUF?"""
        return self.gguf.parent.is_dir()

    @property
    def hf(self) -> Path:
        """The language model in Hugging Face's form, a folder."""
        return self.root / "hf"

    @property
    def adapter(self) -> Path:
        """What training added to the base, a folder."""
        return self.root / "adapter"

    @property
    def lora(self) -> Path:
        """The fine-tuned layers within the adapter, a folder in peft's form."""
        return self.adapter / "lora"

    @property
    def fingerprint(self) -> Path:
        """What the language model is recognised by on a server."""
        return self.root / "fingerprint.json"

    @property
    def linear(self) -> Path:
        """The linear model, a folder."""
        return self.root / "linear"

    @property
    def neighbours(self) -> Path:
        """The lessons whose nearest ones vote, in one file."""
        return self.root / "neighbours.npz"

    @property
    def tokenizers(self) -> tuple[Path, ...]:
        """Where the base's tokenizer may lie: beside each form that is served from here."""
        return tuple(form / "tokenizer.json" for form in (self.ct2, self.gguf.parent))


class _Part(BaseModel):
    # A newer trainer may know more about a model than this daemon needs; `layout` says when it can't be read.
    model_config = ConfigDict(extra="ignore", frozen=True)


class BaseInfo(_Part):
    """Which base model this one grew from."""

    name: str
    sha256: str
    architecture: str


class CodeRow(_Part):
    """One row of the codebook, as `Codebook.to_json` writes it."""

    code: str
    category: str


class PromptInfo(_Part):
    """`PromptSettings` in JSON."""

    version: int = PromptSettings.version
    max_tokens: int = PromptSettings.max_tokens
    head_share: float = PromptSettings.head_share


class FileSum(_Part):
    """One file of the folder: its length in bytes and its sha256 in hex."""

    size: int
    sha256: str


class Sureness(_Part):
    """What turns the signs of an answer into the chance that it is right (daemon.model.sureness): a number for each
    sign, and the offset. `mean` and `spread` are of signs that `low` and `high` have bounded."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    mean: tuple[float, ...]
    spread: tuple[float, ...]
    weights: tuple[float, ...]
    offset: float


class ModelMeta(_Part):
    """Everything about one model but its weights: model.json.

    `categories` are the ids that this model can answer, a subset of its codebook. `blend_weight` is the language
    model's share, 1 for kind "llm" and 0 for "linear". `neighbours` is the share of the nearest lessons beside that
    blend, 0 where they only know mail of newer folders; `temperature` divides what comes out. `sureness` states how
    sure an answer is; without one its probability does. `disclaimers` are checksums of lines that are dropped from
    every text before it is read, and `term_key` tells which key they and all terms were hashed under
    (daemon/model/term_key.py). `attached` is the layout of the text of files that it was taught with, 0 for none
    (daemon/model/as_read.py). `reader` names the shared reader that the language model is a head on
    (daemon/model/reader_files.py); "" where it has files of its own.
    """

    layout: int = LAYOUT
    version: str
    created: datetime
    kind: Kind
    base: BaseInfo | None = None
    codebook: tuple[CodeRow, ...]
    categories: tuple[str, ...]
    prompt: PromptInfo = PromptInfo()
    blend_weight: float = Field(default=1.0, ge=0, le=1)
    temperature: float = Field(default=1.0, gt=0)
    neighbours: float = Field(default=0.0, ge=0, le=1)
    disclaimers: tuple[str, ...] = ()
    attached: int = 0
    term_key: str = ""
    quantization: str = ""
    reader: str = ""
    layers_kept: int | None = None
    seed: int = 0
    exam: dict[str, Any] = {}
    verdict: str = ""
    points: tuple[Point, ...] = ()
    hints: tuple[TriedHint, ...] = ()
    sureness: Sureness | None = None
    files: dict[str, FileSum] = {}

    @computed_field  # type: ignore[prop-decorator]
    @property
    def codebook_hash(self) -> str:
        """sha256 of the codebook that the model was trained with."""
        return self.book().hash()

    @property
    def size(self) -> int:
        """Bytes of all files, model.json apart."""
        return sum(file.size for file in self.files.values())

    def book(self) -> Codebook:
        """The codebook that the model was trained with. Raises CodebookError when it contradicts itself."""
        return Codebook.from_json([row.model_dump() for row in self.codebook])

    def prompt_settings(self) -> PromptSettings:
        """How its prompts must be rendered."""
        return PromptSettings(**self.prompt.model_dump())


def save(folder: Path, meta: ModelMeta) -> ModelMeta:
    """Write model.json with the sums of all files that lie in `folder` now; return what was written.

    The file appears whole. Raises OSError, CodebookError.
    """
    files = {
        file.relative_to(folder).as_posix(): FileSum(size=file.stat().st_size, sha256=sha256_of(file))
        for file in _files(folder)
    }
    meta = meta.model_copy(update={"files": files})
    beside = folder / f".{MODEL_FILE}"
    with beside.open("w", encoding="utf-8") as file:
        file.write(meta.model_dump_json(indent=1))
        file.flush()
        os.fsync(file.fileno())
    beside.rename(ModelFolder(folder).meta)
    return meta


def load(folder: Path, *, check_files: bool = True) -> ModelMeta:
    """Read model.json and make sure that every file it names is unchanged (`make_sure`).

    Raises ModelMissing, or ModelRefused with what is wrong and what to do.
    """
    try:
        text = ModelFolder(folder).meta.read_text("utf-8")
    except FileNotFoundError as error:
        raise ModelMissing(f"{folder}: there is no model here. Run `postroom models`, or train one.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ModelRefused(f"{folder}: {MODEL_FILE} can't be read ({error}). {ADVICE}") from error
    try:
        meta = ModelMeta.model_validate_json(text)
        book = meta.book()
        noted_hash = json.loads(text).get("codebook_hash")
    except (ValidationError, CodebookError) as error:
        raise ModelRefused(f"{folder}: {MODEL_FILE} is damaged ({_first_line(error)}). {ADVICE}") from error
    if meta.layout != LAYOUT:
        raise ModelRefused(
            f"{folder}: a model of layout {meta.layout}, made by another Postroom (this one reads {LAYOUT}). "
            "Update Postroom, or train again."
        )
    if noted_hash != meta.codebook_hash:
        raise ModelRefused(f"{folder}: {MODEL_FILE} is damaged (the codebook does not match its hash). {ADVICE}")
    if unknown := set(meta.categories) - set(book.categories):
        raise ModelRefused(f"{folder}: {len(unknown)} categories have no code in the model's codebook. {ADVICE}")
    if check_files:
        make_sure(folder, meta)
    return meta


def fitting(folder: Path, key: TermKey, codebook: Codebook | None = None, *, sums: bool = True) -> ModelMeta:
    """The model.json of a folder that can be used here: whole (`sums`: to the last bit), made under this key, and grown
    into this codebook. What costs nothing is asked first. Raises ModelMissing or ModelRefused."""
    meta = load(folder, check_files=False)
    if meta.term_key != key.check:
        raise ModelRefused(
            f"model {meta.version}: its words were hashed under another key than the one in this state directory "
            f"({KEY_FILE}). Bring back the key of the directory that it was trained in, or train again."
        )
    if codebook is not None and not codebook.fits(meta.book()):
        raise ModelRefused(
            f"model {meta.version}: it was trained for another codebook ({meta.codebook_hash[:12]}…), "
            "its answers would mean other categories. Run `postroom rollback`, or train again."
        )
    make_sure(folder, meta, sums=sums)
    return meta


def make_sure(folder: Path, meta: ModelMeta, *, sums: bool = True) -> None:
    """Is every file that model.json names there and unchanged? With `sums` to the last bit (a second per gigabyte),
    else by its length only. Raises ModelRefused."""
    for name, expected in meta.files.items():
        file = folder / name
        try:
            if not file.is_file():
                raise ModelRefused(f"{folder}: {name} is missing. {ADVICE}")
            if (size := file.stat().st_size) != expected.size:
                raise ModelRefused(f"{folder}: {name} has {size:,} of {expected.size:,} bytes. {ADVICE}")
            if sums and sha256_of(file) != expected.sha256:
                raise ModelRefused(f"{folder}: {name} was changed or damaged (wrong sha256). {ADVICE}")
        except OSError as error:
            raise ModelRefused(f"{folder}: {name} can't be read ({error.strerror}). {ADVICE}") from error


def _files(folder: Path) -> Iterator[Path]:
    """All files below `folder` in a stable order, model.json apart."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.name not in (MODEL_FILE, f".{MODEL_FILE}"):
            yield file


def _first_line(error: ValidationError | CodebookError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'JSON'}: {first['msg']}"
    return str(error)
