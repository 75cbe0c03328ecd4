"""What `postroom try` shows of a trial that was paid for, whatever becomes of the rest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from daemon.cli import postroom
from daemon.mistakes import PostroomError
from daemon.training.trial import Trial
from daemon.training.trial_export import why_not
from daemon.training.trial_order import Share, TrialResult, TrialRow
from tests import ROOT

ROWS = (TrialRow(way="words", found=Share(right=9, n=10, low=0.6, high=0.98)),)
RESULT = TrialResult(outcome="tried", verdict="Use words.", rows=ROWS)
GOOD = "text,label\n" + "".join(f"text {row} of {'ab'[row % 2]},{'ab'[row % 2]}\n" for row in range(40))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    @contextmanager
    def made(*_: Any) -> Iterator[Trial]:
        yield Trial(RESULT, tmp_path / "model", tmp_path / "key", None)

    monkeypatch.setattr("daemon.commands.try_file.trial", made)
    monkeypatch.setattr("daemon.commands.try_file.find_base", lambda _: None)
    path = tmp_path / "examples.csv"
    path.write_text(GOOD)
    return path


def tried(*words: str | Path) -> Result:
    return CliRunner().invoke(postroom, ["try", *map(str, words)])


@pytest.mark.parametrize("as_json", [False, True])
def test_an_export_that_fails_costs_no_table(file: Path, tmp_path: Path, as_json: bool) -> None:
    target = tmp_path / "new"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("daemon.commands.try_file.why_not", why_not)
        patch.setattr("daemon.training.trial_export.why_not", lambda _: f"{target}: holds other files already.")
        done = tried(file, "--export", target, *(["--json"] if as_json else []))
    assert isinstance(done.exception, PostroomError)
    assert "holds other files already" in str(done.exception)
    if as_json:
        told = json.loads(done.stdout)
        assert (told["exported"], told["verdict"]) == (None, "Use words.")
    else:
        assert "words alone (linear model)" in done.stdout
        assert "The model lies in" not in done.stdout


@pytest.mark.parametrize("seed", ["-1", "99999999999", "1.5", "x"])
def test_a_seed_that_is_none_is_told_before_anything_is_trained(file: Path, seed: str) -> None:
    done = tried(file, "--seed", seed)
    assert done.exit_code == 2
    assert "--seed" in done.stderr


@pytest.mark.parametrize("text", ["", "  ", "\u200b"])
def test_an_empty_question_is_refused(file: Path, text: str) -> None:
    done = tried(file, "--ask", text)
    assert done.exit_code == 2
    assert "'--ask': it is empty" in done.stderr


def test_a_model_that_is_only_asked_takes_no_options_of_a_trial(file: Path, tmp_path: Path) -> None:
    for option in ("--test", "--export"):
        done = tried(tmp_path, "--ask", "x", option, file)
        assert done.exit_code == 2
        assert "its model is asked, and nothing is tried or exported" in done.stderr.replace("\n", " ")


def test_a_name_that_no_folder_can_have_is_a_sentence(file: Path) -> None:
    for words in (["x" * 300], ["x" * 300, "--ask", "y"]):
        done = tried(*words)
        assert isinstance(done.exception, PostroomError), words
        assert "cannot be read" in str(done.exception)


def test_a_disk_that_fills_while_it_is_exported_is_named(file: Path, tmp_path: Path) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("daemon.commands.try_file.export", full)
        done = tried(file, "--export", tmp_path / "new")
    assert str(done.exception) == f"{tmp_path / 'new'}: No space left on device. Make room there."
    assert "words alone (linear model)" in done.stdout


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_a_stream_that_whoever_calls_has_closed_is_no_mistake(closed: str) -> None:
    command = f'exec "{sys.executable}" -P -m daemon.cli try --help {closed}'
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == 0
