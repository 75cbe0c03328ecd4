"""A second model that reads deeper: taken where the folds show that it pays, served beside the first, dropped else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trainer.run
from connectors.base import MailText
from daemon import artifact
from daemon.classifier import Classifier
from daemon.engines.base import Floats, ModelRefused
from daemon.engines.embedded import DEEPER, EmbeddedEngine, together
from tests.lessons import examples_of, office_rows, write_job
from tests.tiny_models import save_folder, tiny_qwen3
from trainer import deeper
from trainer.deeper import deepened, possible
from trainer.finetune.pooling import Room
from trainer.finetune.reading import Readings
from trainer.language import LanguageModel, fit_language
from trainer.run import run
from trainer.tuning import Lessons

pytestmark = [
    pytest.mark.model,
    # peft 0.21 asks transformers 5.23 by an old name.
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]

ROOM = Room(directions=12, epsilon=1e-5)


def readings_of(labels: np.ndarray[Any, Any], told: set[int], seed: int) -> Readings:
    """Means that tell apart only the categories in `told`, in noise."""
    random = np.random.default_rng(seed)
    means = random.normal(size=(len(labels), 16))
    for row, label in enumerate(labels):
        means[row, label] += 5.0 if label in told else 0.0
    means[:, 15] += 4.0
    return Readings(means.astype(np.float32), random.normal(scale=0.1, size=(len(labels), 16)).astype(np.float32))


def started(told: set[int]) -> tuple[LanguageModel, Lessons, Floats]:
    """A model that knows `told` of four categories, its lessons, and a linear model that knows nothing."""
    labels = np.arange(160) % 4
    rows = np.arange(160)
    parts = [(rows[rows % 5 != part], rows[rows % 5 == part]) for part in range(5)]
    weights = np.ones(160, np.float32)
    readings = readings_of(labels, told, seed=1)
    start = fit_language(readings, labels, weights, 4, parts, ROOM, 6)
    return start, Lessons(readings, [], labels, weights, 4, parts), np.full((160, 4), np.log(0.25), np.float32)


def test_a_deeper_model_that_knows_more_serves_beside_the_first() -> None:
    start, lessons, linear = started({0, 1})
    found = deepened(start, lessons, linear, ROOM, lambda: readings_of(lessons.labels, {2, 3}, seed=2))
    assert found.deeper is not None
    assert found.deeper.depth == deeper.DEPTH
    assert found.pooling is start.pooling
    assert np.allclose(found.answers, together([start.answers, found.deeper.answers]))
    right = [(answers.argmax(axis=1) == lessons.labels).mean() for answers in (start.answers, found.answers)]
    assert right[1] > right[0] + 0.1
    assert "16 layers beside it" in found.chosen


def test_a_deeper_model_that_knows_no_more_is_dropped() -> None:
    start, lessons, linear = started({0, 1, 2, 3})
    found = deepened(start, lessons, linear, ROOM, lambda: readings_of(lessons.labels, set(), seed=2))
    assert found.deeper is None
    assert found.answers is start.answers
    assert "no better" in found.chosen


def test_nothing_is_read_where_nothing_can_be_judged() -> None:
    start, lessons, linear = started({0, 1})
    without = Lessons(lessons.readings, [], lessons.labels, lessons.weights, 4, [])
    assert deepened(start, without, linear, ROOM, lambda: pytest.fail("read for nothing")) is start


def test_a_base_must_have_the_layers_and_be_small_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deeper, "DEPTH", 4)
    questions = [12, 20, 300]
    assert possible(tiny_qwen3(layers=5), 3, questions)
    assert not possible(tiny_qwen3(layers=4), 3, questions)  # none is left to pool
    assert not possible(tiny_qwen3(layers=5), 4, questions)
    monkeypatch.setattr(deeper, "MOST_WEIGHTS", 20_000)
    assert not possible(tiny_qwen3(layers=5), 3, questions)


def test_mail_is_too_long_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deeper, "DEPTH", 4)
    assert not possible(tiny_qwen3(layers=5), 3, [20, 110, 120])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_folder(tiny_qwen3(layers=9), tmp_path_factory.mktemp("tiny") / "base")


def trained(folder: Path, base: Path, monkeypatch: pytest.MonkeyPatch, better: bool, **options: Any) -> dict[str, Any]:
    """One night on small office mail; `better` says what the folds say of the deeper model."""
    monkeypatch.setattr(deeper, "DEPTH", 8)
    monkeypatch.setattr(deeper, "SHORT", 64)  # the tiny vocabulary cuts a mail into many more tokens
    monkeypatch.setattr(deeper, "really_more", lambda *_: better)
    cache = folder.parent / "cache"
    write_job(folder, office_rows(60), cache, base={"path": str(base)}, threads=1, max_tokens=64, **options)
    return run(folder, lambda *_: None)


def language(folder: Path) -> str:
    words: str = json.loads((folder / "result.json").read_text())["exam"]["details"]["language"]
    return words


@pytest.mark.parametrize("quantization", ["float32", "auto"])
def test_both_are_written_and_answer_with_their_mean(
    quantization: str, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose = trainer.run._choose
    # Such a small base is never the best candidate.
    monkeypatch.setattr(trainer.run, "_choose", lambda *answers: ("llm", choose(*answers)[1]))
    result = trained(tmp_path / "job", base, monkeypatch, True, quantization=quantization)
    assert result["outcome"] == "candidate"
    assert "8 layers beside it" in language(tmp_path / "job")
    assert "A second language model" in result["verdict"]
    made = tmp_path / "job" / "candidate"
    assert len(list((tmp_path / "cache").glob("readings-*.npz"))) == 2
    mail = [example.text for example in examples_of(office_rows(8))[0]]
    with Classifier.load(made, threads=1) as classifier, EmbeddedEngine(made / "ct2" / DEEPER, 1) as second:
        assert classifier._renderer is not None
        assert classifier._engine is not None
        assert "two depths" in classifier._engine.describe()
        prompts = [classifier._renderer.render(text) for text in mail]
        codes = [classifier.meta.book().code(category) for category in classifier.meta.categories]
        both = classifier._engine.code_logprobs(prompts, codes)
        deep = second.code_logprobs(prompts, codes)
    (made / "ct2" / DEEPER).rename(tmp_path / "aside")
    with EmbeddedEngine(made / "ct2", 1) as first:
        assert "two depths" not in first.describe()
        assert np.allclose(both, together([first.code_logprobs(prompts, codes), deep]), atol=1e-5)
    with pytest.raises(ModelRefused, match="deeper"):
        artifact.load(made)


def test_the_next_night_reads_nothing_again_at_either_depth(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer.finetune.reading import Reader

    trained(tmp_path / "one", base, monkeypatch, True)
    monkeypatch.setattr(Reader, "_compute", lambda *_: pytest.fail("read again"))
    assert trained(tmp_path / "two", base, monkeypatch, True)["outcome"] == "candidate"


def test_where_it_does_not_pay_one_model_is_written(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = trained(tmp_path / "job", base, monkeypatch, False)
    assert "no better with 8 layers beside it" in language(tmp_path / "job")
    assert "second language model" not in result["verdict"]
    assert not list((tmp_path / "job").rglob(DEEPER))


def test_too_little_time_to_read_deeper_leaves_the_first_model(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer import language_candidate

    read = language_candidate._read

    def late(night: Any, model: Any, depth: int, prompts: Any, words: str) -> Readings:
        if depth == 8:
            raise TimeoutError
        return read(night, model, depth, prompts, words)

    monkeypatch.setattr(language_candidate, "_read", late)
    result = trained(tmp_path / "job", base, monkeypatch, True)
    assert result["outcome"] == "candidate"
    assert any("too short to read the lessons deeper" in line for line in result["report"])
    assert not list((tmp_path / "job").rglob(DEEPER))


def test_another_engine_gets_one_model(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deeper, "deepened", lambda *_: pytest.fail("only the embedded engine serves two"))
    result = trained(tmp_path / "job", base, monkeypatch, True, engine="openai")
    assert result["outcome"] == "candidate"
    with Classifier.load(tmp_path / "job" / "candidate", threads=1) as classifier:
        assert classifier.classify([MailText(subject="order", body="please ship 12 chairs")])[0].best
