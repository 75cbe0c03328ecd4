"""Nights with more mailboxes than the window has time for, side by side and over weeks: nobody is forgotten."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from daemon.service import nights as at_night
from daemon.training.hand_over import TrainingOutcome
from tests.daemon.service.test_service_many import Office, make, note_run, said  # noqa: F401

DAY = timedelta(days=1)
NIGHTS = 30


def opening() -> datetime:
    """When the window of the settings opens, on the office's clock."""
    return datetime(2026, 3, 2, 12, tzinfo=UTC).astimezone().replace(hour=1)


def test_nobody_waits_twice_as_long_as_another_over_weeks_of_nights_that_are_too_short(
    make: Callable[..., Office],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Thirty mailboxes, those that the settings name first with the longest trainings, four hours a night."""
    office = make(count=30)
    minutes = {f"box{number}": 70 - 2 * number for number in range(30)}
    trained: dict[str, list[int]] = defaultdict(list)
    clock = office.clock
    office.service.awake_since = opening()  # nothing is made up for by day

    def train(desk: Any) -> None:
        started, name = clock(), desk.settings.name
        clock.advance(minutes=minutes[name])
        trained[name].append(night)
        failed = name == "box7"  # killed, every time
        note_run(office, started, "failed" if failed else "kept", int(name.removeprefix("box")))

    monkeypatch.setattr(office.timetable.nights, "_train", train)
    monkeypatch.setattr(at_night, "places", lambda _: 1)
    for night in range(NIGHTS):
        clock.now = opening() + night * DAY
        office.timetable.nights.train_all()
    assert len(trained) == 30, "everybody had a turn"
    waits = [later - earlier for nights in trained.values() for earlier, later in pairwise(nights)]
    assert min(waits) >= 4, "the window is far too short for all"
    assert max(waits) < 2 * min(waits)
    counts = [len(nights) for nights in trained.values()]
    assert max(counts) - min(counts) <= 1


def at_once(office: Office, monkeypatch: pytest.MonkeyPatch, wanted: int, outcome: TrainingOutcome) -> int:
    """How many of the trainings of a night worked at the same moment, where up to `wanted` may."""
    office.clock.now = opening()
    lock, full, now, most = threading.Lock(), threading.Event(), 0, 0

    def train(_database: Any, _registry: Any, _settings: Any, mailbox: int, *_: Any, **__: Any) -> TrainingOutcome:
        nonlocal now, most
        with lock:
            now, most = now + 1, max(most, now + 1)
            if now == wanted:
                full.set()
        full.wait(0.3)
        note_run(office, office.clock(), number=mailbox - 1)
        with lock:
            now -= 1
        return outcome

    monkeypatch.setattr(at_night, "train", train)
    monkeypatch.setattr(at_night, "places", lambda _: wanted)
    monkeypatch.setattr(at_night.training, "fresh_lessons", lambda *_: 100)
    office.timetable.nights.train_all()
    return most


DONE = TrainingOutcome("kept", "")


@pytest.mark.parametrize("free", [None, 10 * at_night.FIRST_NEED_MB])
def test_trainings_work_side_by_side(
    make: Callable[..., Office],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    free: int | None,
) -> None:
    monkeypatch.setattr(at_night.machine, "free_memory_mb", lambda: free)
    office = make(count=6)
    assert at_once(office, monkeypatch, 3, DONE) == 3
    with office.mailroom.database.read() as tx:
        runs = [at_night.training.runs(tx, desk.mailbox_id) for desk in office.desks]
    assert [len(one) for one in runs] == [1] * 6, "all had their turn"


@pytest.mark.parametrize(
    ("free", "expected"), [(at_night.FIRST_NEED_MB - 1, 1), (2 * at_night.FIRST_NEED_MB, 2), (0, 1)]
)
def test_no_more_work_side_by_side_than_there_is_memory_for(
    make: Callable[..., Office],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    free: int,
    expected: int,
) -> None:
    monkeypatch.setattr(at_night.machine, "free_memory_mb", lambda: free)
    assert at_once(make(count=6), monkeypatch, 3, DONE) == expected


def test_what_a_training_took_of_memory_decides_how_many_work_beside_it(
    make: Callable[..., Office],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(at_night.machine, "free_memory_mb", lambda: at_night.FIRST_NEED_MB)
    small = TrainingOutcome("kept", "", peak_memory_mb=at_night.FIRST_NEED_MB // 4)
    assert at_once(make(count=6), monkeypatch, 3, small) == 3


def test_a_training_that_is_killed_ends_no_other(
    make: Callable[..., Office],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    office, trained = make(count=4), []

    def train(desk: Any) -> None:
        if desk.settings.name == "box0":
            raise RuntimeError("anything")
        trained.append(desk.settings.name)
        note_run(office, office.clock(), number=int(desk.settings.name[-1]))

    office.clock.now = opening()
    monkeypatch.setattr(office.timetable.nights, "_train", train)
    monkeypatch.setattr(at_night, "places", lambda _: 2)
    office.timetable.nights.train_all()
    assert sorted(trained) == ["box1", "box2", "box3"]
