"""What people are told of a training."""

from __future__ import annotations

import pytest

from daemon.commands.train_now import show_outcome
from daemon.training.hand_over import TrainingOutcome


def test_what_the_table_says_is_not_said_again(capsys: pytest.CaptureFixture[str]) -> None:
    why = "Its lessons count as those of Plant."
    outcome = TrainingOutcome("kept", "No better.", "m1", report=(f"Acme: {why}", "Bills: only 1 lesson."))
    show_outcome(outcome, [("Acme", why)])
    said = capsys.readouterr().out
    assert said.count("count as those") == 1
    assert "- Bills: only 1 lesson." in said
