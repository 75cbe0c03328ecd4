"""Our stand-in for Ollama answers as a real one does: the same requests, the same statuses, fields and words."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.model_fixtures import Trained
from tests.ollama_exchanges import Conversation
from tests.servers.ollama import OllamaStandIn
from tests.servers.ollama_real import RealOllama
from trainer.export.exporting import export_gguf

pytestmark = [pytest.mark.model, pytest.mark.ollama]


@pytest.fixture(scope="module")
def files(tiny_trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Our exports; one whose header names another type than its tensors have, as ours once did; and no GGUF at all."""
    import gguf

    folder = tmp_path_factory.mktemp("files")
    state = tiny_trained.model.state_dict()
    kinds: tuple[Any, ...] = ("F16", "F32", "Q8_0", "Q4_0")
    made = {kind: export_gguf(tiny_trained.base, state, folder / f"{kind}.gguf", kind) for kind in kinds}
    lie = folder / "lie.gguf"
    shutil.copyfile(made["F16"], lie)
    field = gguf.GGUFReader(lie, "r+").fields["general.file_type"]
    field.parts[field.data[0]][0] = int(gguf.LlamaFileType.MOSTLY_Q4_1)
    (folder / "nothing").write_bytes(b"nothing")
    return {**made, "F16 that says Q4_1": lie, "nothing": folder / "nothing"}


@pytest.fixture(scope="module")
def both(
    files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[tuple[Conversation, dict[str, Any]], ...]]:
    """Both servers after the whole conversation, with what they answered."""
    with RealOllama(tmp_path_factory.mktemp("real")) as real, OllamaStandIn(tmp_path_factory.mktemp("ours")) as ours:
        talks = [Conversation(server.host, files) for server in (real, ours)]
        yield tuple((talk, {what: (status, said) for what, status, said in talk}) for talk in talks)
        for talk in talks:
            talk.close()


def test_the_stand_in_answers_as_the_real_one(both: Any) -> None:
    (_, real), (_, ours) = both
    assert list(real) == list(ours)
    assert {what: ours[what] for what in real if ours[what] != real[what]} == {}
    # Not vacuous: these are the answers that Postroom relies on, as the real one gives them.
    assert real["create postroom-a:q4_k_m of F16"] == (200, "success")
    assert real["create postroom-a:of-a-lie of F16 that says Q4_1"] == (
        200,
        [{"error": "quantization is only supported for F16 and F32 models"}],
    )
    assert real["a question with nobody"][0] == real["copy of nobody"][0] == 404
    assert real["what the list says of postroom-a:q4_k_m"][1]["quantization_level"] == "Q4_K_M"


def test_both_find_the_same_tokens_likeliest(both: Any) -> None:
    (real, _), (ours, _) = both
    for name in ("postroom-a:f16", "postroom-a:q8_0"):
        assert real.likeliest(name)[:3] == ours.likeliest(name)[:3]
