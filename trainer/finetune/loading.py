"""Loading a prepared base, without a word. Imports nothing of ours: Unsloth's own environment needs it, too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any


def load_base(folder: Path) -> Any:
    """The whole base model in float32, in evaluation mode. `folder`: of a `trainer.prepare.PreparedBase`."""
    import torch
    from transformers import AutoModelForCausalLM

    with quiet():
        return AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, attn_implementation="sdpa"
        ).eval()  # type: ignore[no-untyped-call]


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no advice from transformers: stderr is the trainer's log."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity(40)  # ERROR
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        # The bar over a GGUF file's tensors obeys none of the above.
        with redirect_stderr(StringIO()):
            yield
    finally:
        logging.set_verbosity(level)
        logging.enable_progress_bar()  # type: ignore[no-untyped-call]
