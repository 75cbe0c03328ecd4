"""One reader for all mailboxes: made once, loaded once, the same answers as torch's; each mailbox keeps a head."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from connectors.base import MailText
from daemon.model import model_folder
from daemon.model.base_file import find_base
from daemon.model.classifier import Classifier
from daemon.model.engines import embedded
from daemon.model.engines.engine import ModelRefused
from daemon.model.engines.shared_reader import Head, HeadEngine, shared_reader
from daemon.model.prompt import PromptSettings, Renderer
from daemon.model.reader_files import READER_FILE, ReaderRefused, whole_reader
from tests.lessons import KEY, lessons_of, office_rows, write_job
from tests.tiny_models import ARCHITECTURES, save_folder, save_gguf, tiny_model, tiny_qwen3
from trainer.base_tokenizer import _byte_level
from trainer.candidates import choice
from trainer.candidates.pooled import fit_language
from trainer.export import reader_export
from trainer.export.reader_export import prepare_reader
from trainer.finetune.exact_reading import Reader
from trainer.finetune.loading import load_base
from trainer.finetune.reading import ByShared
from trainer.night import run
from trainer.prepare import PreparedBase, prepare_base
from trainer.recipe import Recipe, Rounding

pytestmark = pytest.mark.model

ORDER = MailText(subject="order", body="please ship 12 chairs by the 9th")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def model(cache: Path) -> Path:
    """A model whose language part serves alone: such a small base is never the best candidate."""
    base = save_folder(tiny_qwen3(layers=4), cache.parent / "tiny-base")
    job = write_job(cache.parent / "reader-job", office_rows(60), cache, base=str(base), threads=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choice, "best", lambda candidates, *_: candidates[1])
        result = run(job, lambda *_: None)
    assert result.outcome == "candidate", result.verdict
    assert model_folder.load(job / "candidate").kind == "llm"
    return job / "candidate"


def loaded(model: Path, cache: Path) -> Classifier:
    return Classifier.load(model, KEY, threads=1, readers=cache)


def test_a_model_is_a_head_and_names_its_reader(model: Path, cache: Path) -> None:
    meta = model_folder.load(model)
    assert {Path(name).parts[0] for name in meta.files} == {"head.npz", "neighbours.npz"}
    assert [folder.name for folder in cache.glob("reader-*")] == [f"reader-{meta.reader}"]
    assert meta.layers_kept == whole_reader(cache / f"reader-{meta.reader}").depth == 3


def test_two_mailboxes_load_one_reader_and_one_tokenizer(
    model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    real = embedded.ctranslate2.Generator

    def counted(*args: Any, **options: Any) -> Any:
        made.append(args)
        return real(*args, **options)

    monkeypatch.setattr(embedded.ctranslate2, "Generator", counted)
    gc.collect()
    one, other = loaded(model, cache), loaded(model, cache)
    assert len(made) == 1
    assert one._renderer is not None
    assert other._renderer is not None
    assert one._renderer.tokenizer is other._renderer.tokenizer
    answer = one.classify([ORDER])
    reader = weakref.ref(one._engine._reader)  # type: ignore[union-attr]
    assert reader() is other._engine._reader  # type: ignore[union-attr]
    one.close()
    del one
    assert other.classify([ORDER]) == answer
    other.close()
    del other
    gc.collect()
    assert reader() is None, "nobody reads by it any more"


def test_a_reader_that_is_gone_or_damaged_is_refused_in_words_and_made_anew(
    model: Path, cache: Path, tmp_path: Path
) -> None:
    with loaded(model, cache) as classifier:
        before = classifier.classify([ORDER])
    del classifier
    gc.collect()
    reader = cache / f"reader-{model_folder.load(model).reader}"
    weights = reader / "model.bin"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ReaderRefused, match=r"model\.bin was changed or damaged .*postroom train"):
        loaded(model, cache)
    weights.write_bytes(whole[:-1])
    with pytest.raises(ReaderRefused, match=r"model\.bin has .* of .* bytes"):
        loaded(model, cache)
    weights.unlink()
    with pytest.raises(ReaderRefused, match=r"model\.bin is missing"):
        loaded(model, cache)
    (reader / READER_FILE).write_text("{")
    with pytest.raises(ReaderRefused, match="can't be read"):
        loaded(model, cache)
    (reader / READER_FILE).unlink()
    with pytest.raises(ReaderRefused, match="it is missing"):
        loaded(model, cache)
    base = cache.parent / "tiny-base"
    job = write_job(tmp_path / "job", office_rows(40), cache, base=str(base), threads=1, current=str(model))
    assert run(job, lambda *_: None).outcome == "candidate"
    with loaded(model, cache) as classifier:
        assert classifier.classify([ORDER])[0].best == before[0].best


def test_a_head_that_is_damaged_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="can't be read"):
        Head.load(tmp_path / "head.npz")
    (tmp_path / "head.npz").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(ModelRefused, match="can't be read"):
        Head.load(tmp_path / "head.npz")
    Head(("QA", "QB"), np.eye(3, dtype=np.float32), np.ones((1, 3), np.float32), np.zeros(2, np.float32)).save(
        tmp_path / "head.npz"
    )
    with pytest.raises(ModelRefused, match="don't fit"):
        Head.load(tmp_path / "head.npz")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_head_on_the_reader_answers_as_torch_does(architecture: str, tmp_path: Path) -> None:
    layers = 8 if architecture == "gemma3" else 3
    base = find_base(save_gguf(tiny_model(architecture, layers), tmp_path / "base.gguf"))
    prepared, recipe = prepare_base(base, tmp_path), Recipe()
    reader = shared_reader(prepare_reader(prepared, layers - 1, "float32", tmp_path, recipe.rounding), 1)
    renderer = Renderer(reader.tokenizer, PromptSettings(max_tokens=64))
    lessons = replace(lessons_of(office_rows(24)), folds=())
    prompts = [renderer.render(text) for text in lessons.texts]
    by_torch = Reader(load_base(prepared.whole()), layers - 1, "tiny", None, recipe.pooled).read(prompts)
    shared = ByShared(reader, prepared.shape.width, None, recipe.pooled).read(prompts)
    assert np.abs(shared.means - by_torch.means).max() < 1e-3
    assert shared.lasts.shape == (len(prompts), 0)
    language = fit_language(by_torch, lessons, None, layers - 1, recipe)
    codes = tuple("ABCD")
    head = Head(codes, language.space.matrix, language.head.rows, language.head.offsets)
    head.save(tmp_path / "head.npz")
    with HeadEngine(reader, Head.load(tmp_path / "head.npz")) as engine:
        answers = engine.code_logprobs(prompts, codes)
        assert np.allclose(engine.code_logprobs(prompts[:2], ["C"]), 0)
        with pytest.raises(ModelRefused, match="no answer for Z"):
            engine.code_logprobs(prompts, ["Z"])
    wanted = language.head.logprobs(language.space.features(by_torch.means))
    assert np.abs(np.exp(answers) - np.exp(wanted)).max() < 0.01  # the matrix is kept in half precision


def test_rounding_costs_less_after_smoothing_by_invented_mail(
    smol_prepared: PreparedBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SmolLM2 on mail that the invented one does not hold."""
    tokenizer = Tokenizer.from_file(str(smol_prepared.tokenizer))
    renderer = Renderer(tokenizer, PromptSettings())
    prompts = [renderer.render(text) for text in lessons_of(office_rows(8)).texts]
    exact = Reader(load_base(smol_prepared.whole()), 2, "smol", None, Recipe().pooled).read(prompts).means
    varies = np.linalg.norm(exact - exact.mean(0))

    def lost(place: str) -> float:
        reader = shared_reader(prepare_reader(smol_prepared, 2, "int8", tmp_path / place, Rounding()), 1)
        return float(np.linalg.norm(reader.means([prompt.ids for prompt in prompts]) - exact) / varies)

    smoothed = lost("smoothed")
    monkeypatch.setattr(reader_export, "smoothed", lambda decoder, *_: np.ones(decoder.width, np.float32))
    assert smoothed < 0.7 * lost("plain")


def test_batches_read_side_by_side_are_read_alike_and_in_order(tiny_prepared: PreparedBase, tmp_path: Path) -> None:
    folder = prepare_reader(tiny_prepared, 2, "int8", tmp_path, Rounding())
    prompts = [[*range(2, 2 + length)] for length in (3, 300, 40, 200, 7, 120, 250, 90)]
    one_by_one, together = shared_reader(folder, 2), shared_reader(folder, 2, side_by_side=True)
    assert (one_by_one.at_once, together.at_once) == (1, 2)
    assert together is shared_reader(folder, 2, side_by_side=True)
    np.testing.assert_allclose(together.means(prompts), one_by_one.means(prompts), rtol=0, atol=1e-4)


def test_it_is_made_once(tiny_prepared: PreparedBase, tmp_path: Path) -> None:
    folder = prepare_reader(tiny_prepared, 2, "int8", tmp_path, Rounding())
    before = (folder / READER_FILE).stat().st_mtime_ns
    assert prepare_reader(tiny_prepared, 2, "int8", tmp_path, Rounding()) == folder
    assert (folder / READER_FILE).stat().st_mtime_ns == before
    assert not list(tmp_path.glob(".reader-*"))


def _as_config(folder: Path, **values: Any) -> None:
    config = json.loads((folder / "config.json").read_text()) | values
    known = {key: value for key, value in config.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(known))


def _as_header(folder: Path, header: Any, length: int | None = None) -> None:
    [file] = folder.glob("*.safetensors")
    said = json.dumps(header).encode()
    file.write_bytes((len(said) if length is None else length).to_bytes(8, "little") + said)


ODD: dict[str, Callable[[Path], None]] = {
    "no width": lambda folder: _as_config(folder, hidden_size=None),
    "no epsilon": lambda folder: _as_config(folder, rms_norm_eps=None),
    "layers in words": lambda folder: _as_config(folder, num_hidden_layers="many"),
    "heads that don't fit": lambda folder: _as_config(folder, head_dim=24),
    "a list for a header": lambda folder: _as_header(folder, [1]),
    "a weight that is none": lambda folder: _as_header(folder, {"model.embed_tokens.weight": None}),
    "a header longer than the file": lambda folder: _as_header(folder, {}, 1 << 62),
}


def _made(base: Path, cache: Path) -> tuple[int, Path]:
    prepared = prepare_base(find_base(base), cache)
    return prepared.shape.layers, prepare_reader(prepared, 2, "int8", cache, Rounding())


@pytest.mark.parametrize("odd", ODD)
def test_a_base_whose_parts_do_not_fit_each_other_is_refused_in_a_sentence(odd: str, tmp_path: Path) -> None:
    base = save_folder(tiny_qwen3(), tmp_path / "base")
    ODD[odd](base)
    with pytest.raises(ModelRefused, match=r"base: this qwen3 model can't be read \(\w+: .* Fetch it again, or"):
        _made(base, tmp_path / "cache")
    assert list((tmp_path / "cache").glob("*reader-*")) == []


def test_a_vocabulary_that_lacks_what_it_merges_is_refused_with_the_piece() -> None:
    with pytest.raises(ValueError, match="the tokens that it merges are not its own: 'ab'"):
        _byte_level(["a", "b"], ["a b"], "smollm")
