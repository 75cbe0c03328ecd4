"""Disk within a limit: what crashes and old bases leave behind goes; what serves stays."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from daemon.mistakes import PostroomError
from daemon.model.engines.engine_kinds import EmbeddedSettings
from daemon.report.story import mailbox_status
from daemon.store import mailboxes, training
from daemon.store.database import Database
from daemon.training.places import TrainingBusy, no_training, place_for, sweep
from daemon.training.registry import Registry
from daemon.training.training_dir import at_work, working
from tests.fakes import START


def test_dead_jobs_and_old_bases_go_and_the_two_newest_bases_stay(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "postroom.sqlite")
    with database.begin() as tx:
        box = mailboxes.ensure(tx, "office", "imap", "live", START).id
        run = training.start_run(tx, box, START, 0, 0)
    jobs = tmp_path / "training"
    for number, name in enumerate(("job-3", "cache/base-a", "cache/base-b", "cache/base-c", "cache/.base-half")):
        (jobs / name).mkdir(parents=True)
        os.utime(jobs / name, (number, number))
    (jobs / "cache" / "readings-1.npz").touch()  # of all mailboxes together, as once
    with place_for(tmp_path, "office", 2):
        (jobs / "job-1").mkdir()
        sweep(database, tmp_path, START)
        assert told(database, tmp_path)["outcome"] == "running"
        assert (jobs / "job-1").is_dir(), "a training works there"
    assert not (jobs / "job-1").is_dir(), "it works there no more"
    assert told(database, tmp_path)["outcome"] == "interrupted", "it works there no more"
    sweep(database, tmp_path, START)
    assert sorted(each.name for each in jobs.rglob("*") if each.is_dir()) == ["base-b", "base-c", "cache"]
    assert not (jobs / "job-3").exists()
    assert not (jobs / "cache" / "readings-1.npz").exists()
    with database.begin() as tx:
        (ended,) = training.runs(tx, box)
    assert (ended.id, ended.outcome, ended.ended) == (run, "interrupted", START)
    database.close()


def told(database: Database, state_dir: Path) -> dict[str, Any]:
    """What `postroom status` says about the latest training."""
    with database.begin() as tx:
        (box,) = mailboxes.everyone(tx)
        found: dict[str, Any] = mailbox_status(tx, box, START, lambda: at_work(state_dir))["training"]
    return found


def test_no_training_works_where_there_never_was_one(tmp_path: Path) -> None:
    assert not at_work(tmp_path)
    assert not (tmp_path / "training").exists(), "it only looks"


def test_who_only_looks_for_a_training_is_taken_for_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "training"
    place.mkdir()
    with place_for(tmp_path, "office", 1):
        assert at_work(tmp_path)
    looking = (place / "place-1").open("r")
    fcntl.flock(looking, fcntl.LOCK_SH)  # what `at_work` does, in another process, for a moment
    assert not at_work(tmp_path), "both only look"
    monkeypatch.setattr("daemon.training.places.time", SimpleNamespace(sleep=lambda _: looking.close()))
    with place_for(tmp_path, "office", 1):
        assert at_work(tmp_path)


def test_trainings_work_side_by_side_each_in_a_folder_of_its_own_and_a_mailbox_once(tmp_path: Path) -> None:
    with place_for(tmp_path, "office", 2) as one:
        one.mkdir()
        with pytest.raises(TrainingBusy, match="office: is being trained already"), place_for(tmp_path, "office", 2):
            pass
        with place_for(tmp_path, "sales", 2) as other:
            assert one != other
            with pytest.raises(TrainingBusy, match="2 trainings are running"), place_for(tmp_path, "hr", 2):
                pass
            with place_for(tmp_path, "hr", 3):  # the settings grew meanwhile
                assert len(working(tmp_path / "training")) == 3
            with pytest.raises(TrainingBusy, match="another training is running"), no_training(tmp_path):
                pass
        assert one.is_dir(), "another's end takes nothing away"
    with no_training(tmp_path), pytest.raises(TrainingBusy), place_for(tmp_path, "office", 2):
        pass
    assert not at_work(tmp_path)


def test_what_a_killed_training_left_goes_when_its_place_is_taken(tmp_path: Path) -> None:
    left = tmp_path / "training" / "job-1"
    left.mkdir(parents=True)
    (left / "lessons.jsonl").write_text("mail")
    with place_for(tmp_path, "office", 1) as folder:
        assert folder == left
        assert not left.exists()


def test_a_training_that_died_is_told_when_its_own_mailbox_trains_again(tmp_path: Path) -> None:
    """Beside it the trainings of others work, whose runs have no end yet either."""
    database = Database.open(tmp_path / "postroom.sqlite")
    with database.begin() as tx:
        boxes = [mailboxes.ensure(tx, name, "imap", "live", START).id for name in ("office", "sales")]
        for box in boxes:
            training.start_run(tx, box, START, 0, 0)
        assert training.interrupt_runs(tx, START, boxes[0]) == 1
        assert [training.runs(tx, box)[0].outcome for box in boxes] == ["interrupted", None]
    database.close()


def test_a_file_where_trainings_work_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "training").touch()
    with pytest.raises(PostroomError, match="training: cannot be made a folder"):
        at_work(tmp_path)
    with pytest.raises(PostroomError, match="training: cannot be made a folder"), no_training(tmp_path):
        pass


@pytest.mark.parametrize("withdrawn", [False, True])
def test_models_beyond_the_limit_go_with_their_folders_and_so_do_folders_of_no_model(
    tmp_path: Path, withdrawn: bool
) -> None:
    database = Database.open(tmp_path / "postroom.sqlite")
    registry = Registry(database, EmbeddedSettings(), tmp_path / "models")
    with database.begin() as tx:
        box = mailboxes.ensure(tx, "office", "imap", "live", START).id
        for version in "abcdef":
            training.add_model(tx, box, version, f"office/{version}", START, state="kept", verdict="", exam={})
        for version in "ab":
            training.promote(tx, box, version, START)
        if withdrawn:
            training.promote(tx, box, "a", START)
            training.withdraw(tx, box, START, "people moved 12 of 30 messages that it filed elsewhere")
        training.mark_removed(tx, box, "c")  # a crash came before its folder was removed
    for name in "abcdefx":
        (tmp_path / "models" / "office" / name).mkdir(parents=True)
    assert registry.prune(box, keep=2) == ["d"]
    here = sorted(folder.name for folder in (tmp_path / "models" / "office").iterdir())
    assert here == ["a", "b", "e", "f"], "in use, to go back to or to be beaten, and the two newest"
    database.close()
