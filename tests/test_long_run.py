"""The long looks: standard output is one line for scripts, and progress shows without a terminal too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import structlog

from daemon.commands.progress import LINE_EVERY, counting_bar, counting_lines, training_bar
from tests.fakes import Clock
from tests.long_run import FIGURES, Tally, daemon_log


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


def test_without_a_terminal_a_line_a_minute_tells_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    clock, lines = Clock(), list[str]()
    show = counting_lines("reading", lines.append, lambda: clock().timestamp())
    show("Invoices", 1, 3)
    clock.advance(seconds=LINE_EVERY)
    show("Invoices", 2, 3)
    show("Invoices", 3, 3)
    show("Empty", 0, 0)
    assert lines == ["reading Invoices: 2 of 3", "reading Invoices: 3 of 3"]
    with counting_bar(False, "reading") as bar:
        assert bar is not None
        bar("Invoices", 3, 3)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "reading Invoices: 3 of 3\n")


def test_without_a_terminal_each_stage_of_a_training_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with training_bar(False) as show:
        assert show is not None
        for event in ({"stage": "clean", "text": "cleaning lessons"}, {"stage": "train", "text": "reading [/list]"}):
            show(event)
            show(event)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "training: cleaning lessons\ntraining: reading [/list]\n")
