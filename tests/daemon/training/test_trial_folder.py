"""The folders of a trial: the private one while it works, and the one that is exported."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.base import MailText
from daemon.examples.example_file import Example, Examples
from daemon.mistakes import DiskTrouble, PostroomError
from daemon.settings import TrainingSettings
from daemon.training import trial, trial_export
from daemon.training.trainer_process import NoAnswer, run_trainer
from daemon.training.trial_order import TrialResult


def test_another_trial_that_sweeps_while_one_begins_takes_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = trial.taken
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def slowly(file: int) -> bool:
        monkeypatch.setattr(trial, "taken", real)
        trial._sweep()  # the other one looks just now
        return real(file)

    monkeypatch.setattr(trial, "taken", slowly)
    with trial._folder() as folder:
        assert folder.name.startswith(trial.PREFIX)
        trial._sweep()
        assert (folder / "lock").exists()
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_fails_leaves_no_folder_that_it_made(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target = tmp_path / "there" / "deep" / "model"

    def half() -> None:
        with trial_export._whole(target):
            (target / "half").touch()
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        half()
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*")] == [Path("there")]


def test_an_export_that_was_cut_off_is_told_as_such_and_not_asked(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model.key").touch()
    assert "holds half an export, which was cut off" in (trial_export.why_not(tmp_path) or "")
    with pytest.raises(PostroomError, match="half an export lies there"):
        trial_export.exported_model(tmp_path)
    (tmp_path / "README.md").touch()
    assert "holds other files already" in (trial_export.why_not(tmp_path) or "")
    assert trial_export.exported_model(tmp_path) == (tmp_path / "model", tmp_path / "model.key")


def test_a_trainer_that_is_killed_for_memory_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: Any) -> list[str]:
        return [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]

    monkeypatch.setattr("daemon.training.child.command", killed)
    settings = TrainingSettings(threads=1, time_limit=timedelta(minutes=5))
    found = run_trainer(tmp_path, settings, None, None, TrialResult)
    assert isinstance(found, NoAnswer)
    assert found.verdict.startswith("The trainer was killed, as happens where memory runs out.")


def test_a_disk_that_fills_before_the_training_begins_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(trial, "_write", full)
    examples = Examples((Example(1, "a", MailText(body="x")),))
    with (
        pytest.raises(
            DiskTrouble, match=rf"^{tmp_path}/{trial.PREFIX}\w+: No space left on device\. Make room there\.$"
        ),
        trial.trial("x.csv", examples, None, trial.Wishes(), lambda _: None),
    ):
        pytest.fail("it was tried")
    assert list(tmp_path.iterdir()) == []
