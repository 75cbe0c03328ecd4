"""The long looks: standard output is one line for scripts, and progress shows without a terminal too."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path

import pytest
import structlog
from rich.progress import Task, TaskID

from daemon.commands.progress import LONGEST, counting_bar, training_bar
from daemon.report.progress_lines import (
    LINE_EVERY,
    LeftColumn,
    Lines,
    beating,
    clipped,
    counting_lines,
    training_lines,
)
from tests import ROOT
from tests.fakes import Clock
from tests.long_run import FIGURES, Tally, daemon_log

STAGES = re.compile(r'(?:progress|plan\.begin)\(.*?f?"([a-z][^"{}]* [^"{}]*)"\)')


def test_what_the_daemon_logs_stays_away_from_the_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally(runs=1, faults=2)
    tally.add(lost=1)
    with daemon_log(tmp_path / "build" / "long.log"):
        structlog.get_logger().info("sorted", status="moved")
    tally.tell()
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line) == dict.fromkeys(FIGURES, 0) | {"runs": 1, "faults": 2, "lost": 1}
    assert not tally.clean
    assert '"sorted"' in (tmp_path / "build" / "long.log").read_text()


def test_without_a_terminal_a_line_now_and_then_tells_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    clock, said = Clock(), list[str]()
    show = counting_lines(Lines(said.append, lambda: clock().timestamp()))
    show("Invoices", 1, 3)
    clock.advance(seconds=LINE_EVERY)
    show("Invoices", 2, 3)
    show("Invoices", 3, 3)
    show("Empty", 0, 0)
    assert said == ["Invoices: 2 of 3, about 5 s left", "Invoices: 3 of 3"]
    with counting_bar(False, "reading") as bar:
        assert bar is not None
        bar("Invoices", 3, 3)
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "reading Invoices: 3 of 3\n")


def test_without_a_terminal_each_stage_of_a_training_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with training_bar(False) as show:
        assert show is not None
        for event in ({"stage": "clean", "text": "cleaning lessons"}, {"stage": "train", "text": "reading [/list]"}):
            show(event)
            show(event)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "training: cleaning lessons\ntraining: reading [/list]\n")


def test_where_no_step_comes_the_clock_alone_says_that_it_goes_on() -> None:
    clock, said = Clock(), list[str]()
    lines = Lines(said.append, lambda: clock().timestamp(), begin="starting")
    show = training_lines(lines)

    def pass_time(seconds: int) -> None:
        for _ in range(seconds):
            clock.advance(seconds=1)
            lines.beat()

    pass_time(10)
    show({"stage": "cache", "done": 0, "total": 400, "text": "reading lessons"})
    pass_time(5)
    show({"stage": "cache", "done": 100, "total": 400, "text": "reading lessons"})
    pass_time(15)
    show({"stage": "train", "done": 1, "total": 1, "text": "language model: pooled"})
    pass_time(10)
    show({"stage": "exam", "done": 0, "total": 1, "text": "taking the exam"})
    pass_time(150)
    assert said[:7] == [
        "starting, for 10 s now",
        "reading lessons: 0 of 400",
        "reading lessons: 100 of 400, about 30 s left",
        "reading lessons: 100 of 400, about 60 s left",
        "language model: pooled",
        "language model: pooled; it goes on, for 10 s now",
        "taking the exam",
    ]
    assert said[7:9] == ["taking the exam, for 10 s now", "taking the exam, for 20 s now"]
    assert said[-1] == "taking the exam, for 2 min now"
    assert len(said) == 7 + 15
    show({"stage": "train", "done": 0, "total": 1, "text": "fitting", "left": 200})
    pass_time(100)
    show({"stage": "cache", "done": 100, "total": 400, "text": "reading", "left": 80})
    assert said[22:24] == ["fitting (3 min left)", "fitting (3 min left)"]
    assert said[-2:] == ["fitting (2 min left)", "reading: 100 of 400 (80 s left)"]


def test_lines_beat_while_somebody_works(capsys: pytest.CaptureFixture[str]) -> None:
    clock, heard = Clock(), threading.Event()
    with beating(Lines(lambda _line: heard.set(), lambda: clock().timestamp(), begin="starting"), every_s=0.01):
        clock.advance(seconds=LINE_EVERY)
        assert heard.wait(30)


def test_what_a_training_does_is_told_whole_on_a_terminal() -> None:
    """Fixed words of the trainer fit where a bar is about them."""
    told = [words for file in sorted((ROOT / "trainer").rglob("*.py")) for words in STAGES.findall(file.read_text())]
    assert len(told) > 15
    assert [words for words in told if len(words) > LONGEST] == []
    assert clipped("what is longer than it may be", 12) == "what is lon…"


def test_a_bar_says_how_long_it_takes_yet() -> None:
    reading = Task(TaskID(1), "reading", 400, 100, _get_time=lambda: 20.0)
    training = Task(TaskID(2), "training", None, 0, _get_time=lambda: 20.0)
    reading.start_time = training.start_time = 0.0
    assert [LeftColumn().render(task).plain for task in (reading, training)] == ["60 s left", ""]
