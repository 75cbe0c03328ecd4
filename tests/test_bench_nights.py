"""What `make bench-nights` measures on: invented mail that can be learnt, and how growth is told."""

from __future__ import annotations

import os

import psutil
import pytest

from benchmarks import nights
from tests.lessons import KEY
from trainer import dataset
from trainer.recipe import Cleaning


def test_the_power_with_which_seconds_grow() -> None:
    assert nights.exponent((500, 10.0), (2000, 40.0)) == pytest.approx(1)
    assert nights.exponent((500, 10.0), (1000, 40.0)) == pytest.approx(2)


def test_invented_mail_is_the_same_every_time_and_none_repeats_another() -> None:
    mails = nights.invented(400)
    assert mails[:50] == nights.invented(50)
    assert dataset.similar_pairs([mail.text for mail in mails], Cleaning().alike) == []
    assert dataset.find_disclaimers([mail.text for mail in mails], KEY) == ()
    assert len({mail.folder for mail in mails}) > 20


def test_a_night_that_ends_early_has_none_after_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        nights.main(["--until", "linear", "--again", "20"])
    assert "leave out --until or --again" in capsys.readouterr().err


def test_other_work_keeps_every_core_busy_and_ends_with_what_it_is_for() -> None:
    before = set(psutil.Process().children())
    with nights.other_work(nice=19):
        busy = set(psutil.Process().children()) - before
        assert len(busy) == os.cpu_count()
        assert {process.nice() for process in busy} == {19}
        assert {os.getsid(process.pid) for process in busy} == {process.pid for process in busy}
        for process in busy:
            while process.cpu_times().user == 0:  # it never rests: sooner or later it has worked
                assert process.is_running()
    assert not any(process.is_running() for process in busy)
