"""A model that reads deeper: served where the newest lessons show that it pays, dropped else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daemon.model import model_folder
from daemon.model.base_file import BaseFile
from daemon.model.classifier import Classifier
from daemon.training import extra
from tests.lessons import KEY, examples_of, labelled, office_rows, write_job
from tests.tiny_models import save_folder, tiny_qwen3
from trainer.candidates import choice, questions
from trainer.candidates.pooled import LanguageModel, fit_language
from trainer.candidates.questions import behind, deepened, possible, promised
from trainer.context import Night
from trainer.finetune.loading import load_base
from trainer.finetune.pooling import Room
from trainer.finetune.reading import Readings
from trainer.finetune.upper import TunedLayers
from trainer.folds import Lessons
from trainer.night import run
from trainer.prepare import PreparedBase, Shape
from trainer.recipe import Evidence, Questions, Recipe

pytestmark = [
    pytest.mark.model,
    # peft 0.21 asks transformers 5.23 by an old name.
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]

ROOM = Room(directions=12, epsilon=1e-5)
RECIPE = Recipe()
# The tiny vocabulary cuts a mail into many more tokens.
TINY = Recipe(questions=Questions(depth=8, lowest=6, short=64, tokens=8_000))


def readings_of(labels: np.ndarray[Any, Any], told: set[int], seed: int) -> Readings:
    """Means that tell apart only the categories in `told`, in noise."""
    random = np.random.default_rng(seed)
    means = random.normal(size=(len(labels), 16))
    for row, label in enumerate(labels):
        means[row, label] += 5.0 if label in told else 0.0
    means[:, 15] += 4.0
    return Readings(means.astype(np.float32), random.normal(scale=0.1, size=(len(labels), 16)).astype(np.float32))


def started(told: set[int]) -> tuple[LanguageModel, Lessons]:
    """A model that knows `told` of four categories, and its lessons."""
    labels = np.arange(160) % 4
    rows = np.arange(160)
    parts = [(rows[rows % 5 != part], rows[rows % 5 == part]) for part in range(5)]
    lessons = labelled(labels, 4, parts)
    return fit_language(readings_of(labels, told, seed=1), lessons, ROOM, 6, RECIPE), lessons


def likened(lessons: Lessons, told: set[int]) -> TunedLayers:
    return TunedLayers({}, readings_of(lessons.labels, told, seed=2))


def tried(start: LanguageModel, lessons: Lessons, contrast: Any) -> LanguageModel:
    """Beside a linear model that knows nothing."""
    linear = np.full((160, 4), np.log(0.25), np.float32)
    return deepened(start, lessons, linear, ROOM, contrast, RECIPE)


def test_a_deeper_model_that_knows_more_serves_instead() -> None:
    start, lessons = started({0, 1})
    learnt, fold = lessons.folds[-1]
    asked = []

    def tune(rows: Any) -> TunedLayers:
        asked.append(rows)
        return likened(lessons, {1, 2, 3})

    found = tried(start, lessons, tune)
    assert [rows.tolist() for rows in asked] == [learnt.tolist()], "the newest fold judges"
    assert found.depth == RECIPE.questions.depth
    right = [(model.answers[fold].argmax(axis=1) == lessons.labels[fold]).mean() for model in (start, found)]
    assert right[1] > right[0] + 0.1
    assert np.array_equal(found.answers[learnt], start.answers[learnt]), "what was promised from the older folds"
    assert "16 layers tuned by likeness" in found.chosen


def test_a_deeper_model_that_knows_no_more_is_dropped() -> None:
    start, lessons = started({0, 1, 2, 3})
    found = tried(start, lessons, lambda _: likened(lessons, set()))
    assert found.pooling is start.pooling
    assert found.answers is start.answers
    assert "clearly worse" in found.chosen


def test_a_fold_that_says_little_does_not_speak_against_it(monkeypatch: pytest.MonkeyPatch) -> None:
    start, lessons = started({0, 1})
    losses = iter([np.zeros(32), np.arange(32) % 2 - 0.45])  # worse on average, by a tenth of its spread
    monkeypatch.setattr(questions, "_losses", lambda *_: next(losses))
    assert tried(start, lessons, lambda _: likened(lessons, {0})).depth == RECIPE.questions.depth


def test_numbers_that_overflow_leave_the_start() -> None:
    start, lessons = started({0, 1})
    found = tried(start, lessons, lambda _: None)
    assert found.pooling is start.pooling
    assert "failed" in found.chosen


def test_nothing_is_tuned_where_nothing_can_be_judged() -> None:
    start, lessons = started({0, 1})
    without = replace(lessons, folds=())
    assert tried(start, without, lambda _: pytest.fail("tuned for nothing")) is start


SHAPE = Shape(layers=5, width=64, embedding=10_000, layer=3_000)


def test_a_base_must_have_the_layers_and_be_small_enough() -> None:
    lengths = [12, 20, 300]
    assert possible(SHAPE, 3, lengths, Questions(depth=4))
    assert not possible(replace(SHAPE, layers=4), 3, lengths, Questions(depth=4))  # none is left to pool
    assert not possible(SHAPE, 4, lengths, Questions(depth=4))
    assert not possible(SHAPE, 3, lengths, Questions(depth=4, most_weights=24_999))
    assert possible(SHAPE, 3, lengths, Questions(depth=4, most_weights=25_000))


def test_mail_is_too_long_for_it() -> None:
    assert not possible(SHAPE, 3, [20, 110, 120], Questions(depth=4))


def test_the_shape_of_a_base_is_read_from_its_files(tiny_prepared: PreparedBase) -> None:
    model = load_base(tiny_prepared.whole())
    layer = sum(weight.numel() for weight in model.model.layers[0].parameters())
    assert tiny_prepared.shape == Shape(3, 64, model.model.embed_tokens.weight.numel(), layer)


@pytest.mark.parametrize(
    ("ours", "linear", "is_behind"),
    [(80, 90, True), (88, 90, False), (90, 90, False), (90, 80, False)],  # of 100 lessons, so many right
)
def test_tuning_is_spared_where_the_start_is_behind_the_linear_model_by_more_than_luck(
    ours: int, linear: int, is_behind: bool
) -> None:
    labels = np.zeros(101, np.int64)

    def answers(right: int) -> Any:
        rows = np.tile(np.array([-2.0, -0.1], np.float32), (101, 1))
        rows[:right] = [-0.1, -2.0]
        return rows

    language, rival = answers(ours), answers(linear)
    language[100] = np.nan  # no fold judged it
    assert behind(language, rival, labels, Evidence()) is is_behind
    rival[:] = np.nan
    assert not behind(language, rival, labels, Evidence()), "nothing to compare"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_folder(tiny_qwen3(layers=9), tmp_path_factory.mktemp("tiny") / "base")


def trained(folder: Path, base: Path, monkeypatch: pytest.MonkeyPatch, better: bool, **options: Any) -> dict[str, Any]:
    """One night on small office mail; `better` says if the deeper model is likelier."""
    losses = iter([np.ones(4), np.full(4, 0.5 if better else 1.5)])
    monkeypatch.setattr(questions, "_losses", lambda *_: next(losses))
    monkeypatch.setattr(questions, "behind", lambda *_: False)
    write_job(folder, office_rows(60), folder.parent / "cache", base=str(base), max_tokens=64, **options)
    return run(folder, lambda *_: None, TINY)


def language_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a small base is never the best candidate."""
    monkeypatch.setattr(choice, "best", lambda candidates, *_: candidates[1])


def language(folder: Path) -> str:
    words: str = json.loads((folder / "result.json").read_text())["exam"]["details"]["language"]
    return words


def test_what_a_deeper_model_promises_is_a_share_of_what_is_wrong() -> None:
    labels = np.zeros(101, np.int64)
    rows = np.tile(np.array([-0.1, -2.5], np.float32), (101, 1))
    rows[:18] = [-2.5, -0.1]
    rows[100] = np.nan  # no fold judged it
    assert promised(rows, rows, labels, RECIPE) == pytest.approx((1.8, 6.0))
    rows[1:18] = [-0.1, -2.5]
    assert promised(rows, rows, labels, RECIPE) is None, "a third of a point is not worth an installation"
    rows[:] = np.nan
    assert promised(rows, rows, labels, RECIPE) is None


def test_without_the_extra_the_start_serves_and_the_night_says_what_would_pay(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(extra.MODULES, "torch_that_is_not_there", "torch")
    monkeypatch.setattr(questions, "promised", lambda *_: (1.25, 4.5))
    language_serves(monkeypatch)
    result = trained(tmp_path / "job", base, monkeypatch, better=True)
    assert result.outcome == "candidate"
    assert model_folder.load(tmp_path / "job" / "candidate").reader
    assert result.verdict.endswith(
        " These lessons are short questions: by what is wrong on them now, a model that reads deeper would have 1.2 to "
        "4.5 more of 100 right. It needs PyTorch: /opt/postroom/venv/bin/uv pip install --torch-backend auto "
        "--python /opt/postroom/venv '/opt/postroom[tune]'"
    )


@pytest.mark.parametrize("engine", ["embedded", "openai"])
def test_it_is_written_as_one_model_and_answers(
    engine: str, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    language_serves(monkeypatch)
    result = trained(tmp_path / "job", base, monkeypatch, True, kind=engine)
    assert result.outcome == "candidate"
    assert "8 layers tuned by likeness" in language(tmp_path / "job")
    made = tmp_path / "job" / "candidate"
    assert model_folder.load(made).layers_kept == 9
    assert (made / "adapter" / "lora" / "adapter_model.safetensors").is_file()
    mail = [example.text for example in examples_of(office_rows(8))[0]]
    with Classifier.load(made, KEY, threads=1) as classifier:
        assert all(answer.best for answer in classifier.classify(mail))


def test_where_it_does_not_pay_the_start_serves(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert trained(tmp_path / "job", base, monkeypatch, False).outcome == "candidate"
    assert "clearly worse with 8 layers" in language(tmp_path / "job")
    assert not list((tmp_path / "job").rglob("lora"))


def test_too_little_time_leaves_the_start(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_time, calls = Night.in_time, []

    def late(night: Night, done: int, total: int) -> None:
        if total != len(night.lessons.examples):  # not while reading
            calls.append(done)
            raise TimeoutError
        in_time(night, done, total)

    monkeypatch.setattr(Night, "in_time", late)
    result = trained(tmp_path / "job", base, monkeypatch, True)
    assert result.outcome == "candidate"
    assert calls == [1]
    assert any("too short for fine-tuning" in line for line in result.report)
    assert not list((tmp_path / "job").rglob("lora"))


@pytest.mark.slow
@pytest.mark.usefixtures("smol_prepared")
def test_short_questions_by_the_real_base(smol_base: BaseFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe(questions=Questions(tokens=4_000, clearly=99))  # invented lessons are too easy to tell
    monkeypatch.setattr(questions, "behind", lambda *_: False)
    language_serves(monkeypatch)
    rows = office_rows(64)
    for row in rows:
        row["text"] |= {"sender": "", "subject": "", "body": row["text"]["body"].split("\n")[1]}
    options = {"base": str(smol_base.path), "quantization": "int8"}
    write_job(tmp_path / "job", rows[:48], Path(".models"), **options)
    result = run(tmp_path / "job", lambda *_: None, recipe)
    assert "16 layers tuned by likeness" in language(tmp_path / "job"), result.verdict
    made = tmp_path / "job" / "candidate"
    assert model_folder.load(made).layers_kept == 17
    with Classifier.load(made, KEY, threads=1) as classifier:
        answers = classifier.classify([example.text for example in examples_of(rows[48:])[0]])
    right = sum(answer.best == row["category"] for answer, row in zip(answers, rows[48:], strict=True))
    assert right >= 14
