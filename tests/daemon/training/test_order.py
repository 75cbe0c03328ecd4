"""The contract between daemon and trainer: unknown keys are refused on both sides, nothing is lost on the way, and
nothing is said that nobody hears."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from connectors.base import MailText
from connectors.in_memory import MemorySettings
from daemon.model.as_read import LAYOUT
from daemon.model.engines.engine_kinds import OpenAISettings
from daemon.settings import Settings
from daemon.store import mailboxes
from daemon.store.database import Database
from daemon.store.records import Category as Known
from daemon.training import hand_over, trainer_process
from daemon.training.order import (
    LESSONS,
    ORDER,
    RESULT,
    Category,
    CodebookRow,
    Comparison,
    Exam,
    Lesson,
    Order,
    Result,
)
from daemon.training.registry import Registry
from daemon.training.trainer_process import NoAnswer, run_trainer
from daemon.training.trial_order import Counts, Filed, Share, TrialResult, TrialRow
from tests import ROOT
from tests.fakes import START
from tests.lessons import office_rows, write_job
from trainer.job import BadJob, read_job, read_lessons, write_result

CODES = (CodebookRow(code="AA", category="c1"), CodebookRow(code="AB", category="c2"))
WHOLE_ORDER = Order(
    version="2026-03-01a",
    mailbox="office",
    cache=Path("/srv/cache"),
    term_key=Path("/srv/model.key"),
    engine=OpenAISettings(
        base=Path("/srv/bases/one.gguf"),
        threads=3,
        host="https://gpu.example.org",
        credential="key",
        ca_file=Path("/srv/ca.pem"),
        max_tokens=128,
        quantization="q8_0",
    ),
    categories=(Category(id="c1", name="Bestellungen", description="Kauf: ß"), Category(id="c2", name="漢字")),
    codebook=CODES,
    current=Path("/srv/models/office/1"),
    withdrawn=Path("/srv/models/office/2"),
    wanted_precision=0.99,
    attached=1,
    own_domains=("office.example",),
    seed=7,
    threads=3,
    time_limit_s=12.5,
    tuning="answer",
    backend="unsloth",
    unsloth_python=Path("/usr/bin/python3"),
    memory_mb=99,
    also_gguf=True,
)
WHOLE_LESSON = Lesson(
    id=3,
    category="c1",
    text=MailText(
        "Ann <a@b.example>", "us@b.example", "list", "Subject 漢", ("x.pdf (application/pdf)",), "Body\n", "Invoice 7"
    ),
    thread="t1",
    at=START + timedelta(microseconds=1),
    weight=0.5,
    frozen=True,
)
WHOLE_RESULT = Result(
    outcome="candidate",
    verdict="Promoted: 9 of 10 right.",
    promote=True,
    exam=Exam(
        n=10, candidate=0.9, interval=(0.6, 0.98), current=0.8, linear=0.7, llm=0.8, blend=0.9, kind="blend",
        details={"language": "pooled", "folds": {"llm": {"right": 3}}},
    ),
    codebook=CODES,
    frozen=(1, 2),
    report=("one thing", "another"),
    contradictions=((1, 2), (3, 4)),
    train_cpu_s=1.5,
    peak_memory_mb=300,
)  # fmt: skip
WHOLE_COMPARISON = Comparison(outcome="compared", verdict="a table", comparison={"rows": [1, 2]})
SHARE = Share(right=3, n=4, low=0.3, high=0.95)
WHOLE_TRIAL = TrialResult(
    outcome="tried",
    verdict="Use words alone.",
    counts=Counts(categories=2, learnt=70, stop=15, judged=15, by_time=True),
    rows=(TrialRow(way="words", found=SHARE, why="it was the day", seconds=1.5),),
    filed=Filed(wanted=0.9, share=SHARE, right=SHARE),
    notes=("one thing",),
)
WHOLE = (WHOLE_ORDER, WHOLE_LESSON, WHOLE_RESULT, WHOLE_COMPARISON, WHOLE_TRIAL)


def parts(model: BaseModel) -> Iterator[BaseModel]:
    """The model and every model inside it."""
    yield model
    for name in type(model).model_fields:
        value = getattr(model, name)
        for inner in value if isinstance(value, tuple) else (value,):
            if isinstance(inner, BaseModel):
                yield from parts(inner)


@pytest.mark.parametrize("whole", WHOLE, ids=lambda whole: type(whole).__name__)
def test_a_round_trip_keeps_everything(whole: BaseModel) -> None:
    assert type(whole).model_validate_json(whole.model_dump_json()) == whole
    for part in parts(whole):
        fields = type(part).model_fields.items()
        unset = [
            name for name, field in fields if not field.is_required() and getattr(part, name) == field.get_default()
        ]
        assert unset in ([], ["description"], ["kind"]), (
            "an example in which a field has its default would not show its loss"
        )


@pytest.mark.parametrize("whole", WHOLE, ids=lambda whole: type(whole).__name__)
def test_an_unknown_key_is_refused_at_every_depth(whole: BaseModel) -> None:
    for part in parts(whole):
        document = part.model_dump(mode="json")
        type(part).model_validate(document)
        with pytest.raises(ValueError, match="epochs"):
            type(part).model_validate({**document, "epochs": 3})
    if isinstance(whole, Lesson):
        document = whole.model_dump(mode="json")
        document["text"]["epochs"] = 3
        with pytest.raises(ValueError, match="epochs"):
            Lesson.model_validate(document)


def test_the_trainer_refuses_an_order_with_an_unknown_key_and_names_it(tmp_path: Path) -> None:
    folder = write_job(tmp_path / "job", office_rows(4), tmp_path / "cache")
    read_job(folder)
    read_lessons(folder)
    order = json.loads((folder / ORDER).read_text())
    (folder / ORDER).write_text(json.dumps({**order, "time_limit": 3}))
    with pytest.raises(BadJob, match=r"job\.json: time_limit: "):
        read_job(folder)
    with (folder / LESSONS).open("a") as file:
        file.write('{"id": 9, "category": "jobs", "text": {"body": "secret words"}, "wieght": 2}\n')
    with pytest.raises(BadJob, match=r"line 5: wieght: ") as caught:
        read_lessons(folder)
    assert "secret" not in str(caught.value)


@pytest.fixture
def answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the daemon makes of a trainer that leaves this text as its result."""

    def answer(text: str) -> Any:
        script = f"import pathlib, sys; pathlib.Path(sys.argv[1], {RESULT!r}).write_text({text!r})"
        monkeypatch.setattr(trainer_process.child, "command", lambda python, *_: [python, "-c", script, str(tmp_path)])
        settings = Settings(state_dir=tmp_path)
        return run_trainer(tmp_path, settings.training, None, None, Result)

    return answer


def test_the_daemon_reads_what_the_trainer_writes(tmp_path: Path, answered: Any) -> None:
    write_result(tmp_path, WHOLE_RESULT)
    assert answered((tmp_path / RESULT).read_text()) == WHOLE_RESULT


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"outcome": "nothing", "verdict": "Dear Ann", "exam_": {}}, "exam_"),
        ({"outcome": "nothing"}, "verdict"),
        ({"outcome": "promoted", "verdict": "Dear Ann"}, "outcome"),
        ({"outcome": "candidate", "verdict": "Dear Ann", "promote": True}, "a candidate needs its codebook"),
        ({"outcome": "failed", "verdict": "Dear Ann", "promote": True}, "nothing was made that could be promoted"),
        ([], "JSON"),
    ],
)
def test_a_result_that_is_not_understood_is_a_failed_training_in_a_plain_sentence(
    answered: Any, document: Any, place: str
) -> None:
    found = answered(json.dumps(document))
    assert isinstance(found, NoAnswer)
    assert found.outcome == "failed"
    assert found.verdict.startswith("The trainer's result cannot be understood (result.json: ")
    assert place in found.verdict
    assert "The model in use stays." in found.verdict
    assert "Dear Ann" not in found.verdict


# -- nothing is said that nobody hears

READERS: dict[type[BaseModel], tuple[str, tuple[str, ...]]] = {
    Order: ("trainer", ("job", "order")),
    Category: ("trainer", ("category",)),
    CodebookRow: ("daemon/training", ("row",)),
    Lesson: ("trainer", ("lesson", "lessons")),
    Result: (".", ("result",)),
    Comparison: ("daemon", ("found",)),
}
"""Who reads these models, and what they call one."""


def read_of(folder: str, names: tuple[str, ...]) -> Iterator[str]:
    """What is read of anything with one of these names in this folder, and by the contract's own properties."""
    places = [ROOT / folder] if folder != "." else [ROOT / product for product in ("daemon", "trainer", "benchmarks")]
    for path in (path for place in places for path in place.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and called(node.value) in names:
                yield node.attr
    for function in ast.walk(ast.parse((ROOT / "daemon/training/order.py").read_text("utf-8"))):
        if isinstance(function, ast.FunctionDef) and not function.name.startswith("_"):
            yield from (node.attr for node in ast.walk(function) if isinstance(node, ast.Attribute))


def called(value: ast.expr) -> str | None:
    """The last name of an expression: "job" for night.job, "lessons" for lessons[3]."""
    if isinstance(value, ast.Subscript):
        return called(value.value)
    return value.id if isinstance(value, ast.Name) else value.attr if isinstance(value, ast.Attribute) else None


@pytest.mark.parametrize("model", READERS, ids=lambda model: model.__name__)
def test_every_field_is_read_by_somebody(model: type[BaseModel]) -> None:
    assert set(model.model_fields) - set(read_of(*READERS[model])) == set()


def test_what_a_mailbox_reads_its_models_are_taught(tmp_path: Path) -> None:
    made = {"a": {}, "b": {"attachments": "names"}}
    boxes = [MemorySettings(name=name, credential="c", sorting=own) for name, own in made.items()]
    database = Database.open(tmp_path / "postroom.sqlite")
    settings = Settings(state_dir=tmp_path, mailbox=boxes)
    registry = Registry(database, settings.engine, tmp_path / "models")
    with database.begin() as tx:
        ids = [mailboxes.ensure(tx, box.name, "imap", "live", START).id for box in boxes]
        for box in ids:
            mailboxes.add_category(tx, box, Known("", "Invoices", "Invoices"), START)
        orders = [hand_over._order(tx, settings, registry, box, "v", tmp_path) for box in ids]
    database.close()
    assert [order.attached for order in orders] == [LAYOUT, 0]
