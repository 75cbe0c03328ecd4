"""A whole trial on a tiny random model: every row of the table, a model that answers, and the files for Ollama."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from connectors.base import MailText
from daemon.examples.example_file import Example, Examples, read_examples
from daemon.mistakes import PostroomError
from daemon.model.base_file import BaseFile
from daemon.model.classifier import Classifier
from daemon.model.prompt import PromptSettings, Renderer
from daemon.model.term_key import TermKey
from daemon.training.trial import PREFIX, Trial, Wishes, trial
from daemon.training.trial_export import export
from daemon.training.trial_order import WAYS, TrialResult
from daemon.training.trial_table import table
from tests import ROOT
from tests.lessons import office_rows
from trainer.job import TrainingFailed
from trainer.trial.contest import Table
from trainer.trial.untrained import careful_prompts

pytestmark = [pytest.mark.model, pytest.mark.timeout(600)]


def office_table(file: Path, count: int = 120) -> Path:
    """A CSV file of invented mail in four categories, as a German spreadsheet saves it."""
    lines = ["Betreff;Text;Kategorie;Preis"]
    for row in office_rows(count):
        body = row["text"]["body"].replace('"', '""')
        lines.append(f'"{row["text"]["subject"]}";"{body}";{row["category"]};1.234,50')
    file.write_text("\r\n".join(lines), "cp1252", newline="")
    return file


@dataclass
class Made:
    """One trial and what it told on the way."""

    trial: Trial
    events: list[Mapping[str, Any]]
    tuning: str


@pytest.fixture(scope="module", params=["pooled", "answer"])
def made(
    request: pytest.FixtureRequest, tiny_base: BaseFile, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Made]:
    examples = read_examples(office_table(tmp_path_factory.mktemp("in") / "office.csv"))
    events: list[Mapping[str, Any]] = []
    wishes = Wishes(base=tiny_base.path, tuning=request.param, threads=1, gguf=True)
    with trial("office.csv", examples, None, wishes, events.append) as found:
        yield Made(found, events, request.param)


def test_every_way_has_a_row_with_its_interval(made: Made) -> None:
    result = made.trial.result
    assert tuple(row.way for row in result.rows) == WAYS
    assert {row.way: row.why for row in result.rows if row.found is None} == {}
    counts = result.counts
    assert counts is not None
    assert (counts.categories, counts.judged, counts.by_time) == (4, 18, False)
    shares = {row.way: row.found for row in result.rows if row.found is not None}
    assert {found.n for found in shares.values()} == {18}
    assert all(found.low <= found.share <= found.high for found in shares.values())
    assert shares["words"].share > shares["majority"].share
    assert result.filed is not None
    assert result.filed.right.n == result.filed.share.right
    assert any("Only 18 texts judge" in note for note in result.notes)


def test_the_table_is_at_most_eighty_wide_and_names_every_way(made: Made) -> None:
    lines = table(made.trial.result).splitlines()
    assert max(map(len, lines)) < 80
    assert len(lines) >= 2 + len(WAYS)


def test_progress_only_grows_and_says_how_long(made: Made) -> None:
    done = [event["done"] for event in made.events]
    assert done == sorted(done)
    assert (done[-1], made.events[-1]["left"]) == (1000, 0)
    assert {"names", "base", "linear"} <= {event["stage"] for event in made.events}


def test_the_model_answers(made: Made) -> None:
    with Classifier.load(made.trial.model, TermKey.read(made.trial.key), threads=1) as classifier:
        (answer,) = classifier.classify([MailText(body="Please ship 12 chairs by the 9th, purchase order 77")])
    assert answer.best == "orders"


def test_what_is_exported_is_whole_private_and_says_how_to_ask(made: Made, tmp_path: Path) -> None:
    before = made.trial.gguf
    assert before is not None
    kept = before.read_bytes()
    target = tmp_path / "deep" / "model"
    export(made.trial, Path("My office (1).csv"), target)
    before.write_bytes(kept)  # for the other tests
    assert {path.name for path in target.iterdir()} == {
        "README.md", "model", "model.key", "model.gguf", "Modelfile", "categories.json",
    }  # fmt: skip
    page = (target / "README.md").read_text("utf-8")
    assert "ollama create my-office-1 -f Modelfile" in page
    row = {"pooled": "pooled language model (the default)", "answer": "fine-tuned on codes"}[made.tuning]
    assert f'`model.gguf` is the language model, in Q8_0: the row "{row}" of the table.' in page
    assert sorted(json.loads((target / "categories.json").read_text("utf-8")).values()) == [
        "complaints", "invoices", "jobs", "orders",
    ]  # fmt: skip
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    with Classifier.load(target / "model", TermKey.read(target / "model.key"), threads=1) as classifier:
        assert classifier.classify([MailText(body="invoice 12 is due")])[0].best == "invoices"


def test_an_export_that_fails_leaves_nothing(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("daemon.training.trial_export.page", full)
    assert made.trial.gguf is not None
    kept = made.trial.gguf.read_bytes()
    with pytest.raises(OSError, match="No space"):
        export(made.trial, Path("office.csv"), tmp_path / "model")
    made.trial.gguf.write_bytes(kept)
    assert list(tmp_path.iterdir()) == []


def test_odd_texts_are_told_once_a_kind_with_their_rows(tiny_base: BaseFile) -> None:
    """Two categories for one text; near-identical ones; dozens of categories with a text or two."""
    rows = [Example(row + 2, "ab"[row % 2], MailText(body=f"{'ab'[row % 2]} {row * 7919}")) for row in range(60)]
    rows += [Example(100 + row, "ab"[row % 2], MailText(body="the very same words")) for row in range(2)]
    rows += [Example(200 + row, f"rare {row // 2:02d}", MailText(body=f"rare thing {row * 31}")) for row in range(60)]
    with trial("odd.csv", Examples(tuple(rows)), None, Wishes(base=tiny_base.path, threads=1), lambda _: None) as made:
        notes = made.result.notes
    (twice,) = [note for note in notes if "in two categories" in note]
    assert twice.startswith("1 text in two categories (rows 100 and 101): nobody can be right")
    (few,) = [note for note in notes if "fewer than 5 texts" in note]
    assert few.startswith("30 categories have fewer than 5 texts to learn from")
    assert few.endswith(': "rare 00", "rare 01", "rare 02", "rare 03" and 26 more.')


def test_a_list_of_names_that_fits_no_prompt_is_told(tiny_base: BaseFile, tokenizer: Tokenizer) -> None:
    renderer = Renderer(tokenizer, PromptSettings())
    names = [f"a rather long name of a category, the {number}th" for number in range(300)]
    with pytest.raises(TrainingFailed, match=r"its prompt would list 300 categories in [\d,]+ tokens"):
        careful_prompts([MailText(body="x")], names, tiny_base, renderer, tokenizer)
    asked = careful_prompts([MailText(body="x"), MailText(body="y")], names[:3], tiny_base, renderer, tokenizer)
    assert (len(asked.prompts), len(asked.tree.paths)) == (2, 3)


def test_what_could_not_be_tried_is_a_dash_in_the_table_and_a_sentence_below() -> None:
    tried = Table(flags={way: [True] for way in WAYS if way not in ("base_free", "base_closed", "codes")})
    with tried.trying("base_free", "base_closed"):
        raise TrainingFailed("its prompt is too long")
    with tried.trying("codes"):
        raise TrainingFailed("The loss was no number.")
    assert tried.sentences() == [
        "Not tried: the untrained base and the untrained base with a closed set; its prompt is too long.",
        "Not tried: fine-tuning on codes; The loss was no number.",
    ]
    result = TrialResult(outcome="tried", verdict="?", rows=tried.rows())
    assert [line.split()[-1] for line in table(result).splitlines() if "not tried" in line] == ["below"] * 3


def test_too_few_different_texts_are_told_in_a_sentence(tiny_base: BaseFile) -> None:
    rows = tuple(Example(row + 2, "ab"[row % 2], MailText(body="always the same words here")) for row in range(20))
    before = set(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))
    with (
        pytest.raises(PostroomError, match=r"same\.csv: could not be tried\. There are too few different texts"),
        trial("same.csv", Examples(rows), None, Wishes(base=tiny_base.path, threads=1), lambda _: None),
    ):
        pytest.fail("it was tried")
    assert set(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")) <= before


def test_ctrl_c_leaves_nothing_and_a_killed_trial_is_swept_by_the_next(tiny_base: BaseFile, tmp_path: Path) -> None:
    table = office_table(tmp_path / "office.csv")
    work = tmp_path / "tmp"
    work.mkdir()
    words = ["try", str(table), "--base", str(tiny_base.path), "--threads", "1"]
    command = [sys.executable, "-P", "-m", "daemon.cli", *words]
    environment = {**os.environ, "TMPDIR": str(work)}

    def started(*others: Path) -> tuple[subprocess.Popen[str], Path]:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        while True:
            found = [path.parents[1] for path in work.glob(f"{PREFIX}*/job/job.json")]
            if new := [folder for folder in found if folder not in others]:
                return process, new[0]
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.05)

    process, first = started()
    assert stat.S_IMODE(first.stat().st_mode) == 0o700
    assert [oct(path.stat().st_mode & 0o077) for path in first.rglob("*") if path.stat().st_mode & 0o077] == []
    process.kill()
    process.communicate()
    assert first.exists()
    process, second = started(first)
    assert not first.exists()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=150)
    assert not second.exists()
    assert list(work.iterdir()) == []
