"""One tokenizer a vocabulary in a process: the same file lies beside many models, and takes 11 MB each time."""

from __future__ import annotations

import threading
import weakref
from pathlib import Path

from tokenizers import Tokenizer

from daemon.model.engines.engine import ModelRefused

TOKENIZER = "tokenizer.json"

_loading = threading.Lock()
_loaded: weakref.WeakValueDictionary[str, Tokenizer] = weakref.WeakValueDictionary()


def shared_tokenizer(path: Path, sha256: str) -> Tokenizer:
    """The tokenizer in this file, whose sha256 (hex) the caller knows: one that somebody in this process holds already,
    or read now. Nobody may change it. Raises ModelRefused."""
    with _loading:
        found = _loaded.get(sha256)
        if found is None:
            try:
                found = Tokenizer.from_file(str(path))
            except Exception as error:  # tokenizers raises bare Exception for anything it can't parse
                raise ModelRefused(
                    f"{path.parent}: {path.name} is damaged ({error}). Run `postroom rollback`, or train again."
                ) from error
            _loaded[sha256] = found
        return found
