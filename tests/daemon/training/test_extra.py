"""The extra `tune`: who does without it, and what is said where it is wanted and missing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from daemon.commands.check import Finding, examine
from daemon.mistakes import PostroomError
from daemon.settings import Settings
from daemon.training import extra
from daemon.training.hand_over import compare_labels
from daemon.training.trial import Wishes, trial


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "MODULES", {"torch_that_is_not_there": "torch", "peft_neither": "peft"})


def tuning(settings: Settings) -> Finding:
    return next(one for one in examine(settings) if one.what == "tuning")


@pytest.mark.usefixtures("bare")
def test_check_finds_nothing_wrong_where_nothing_is_tuned(tmp_path: Path) -> None:
    found = tuning(Settings(state_dir=tmp_path))
    assert found.fine
    assert found.seen == "is not installed (torch, peft), and most mailboxes do not need it"


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"training": {"tuning": "answer"}}, '[training] tuning: "answer" needs torch, peft, which are not installed.'),
        (
            {"training": {"tuning": "answer", "backend": "unsloth", "unsloth_python": "/opt/python"}},
            '[training] tuning: "answer" needs torch, peft, which are not installed.',
        ),
        ({"engine": {"kind": "ollama"}}, '[engine] kind: writing a model for "ollama" needs torch, peft'),
        ({"engine": {"kind": "openai"}}, '[engine] kind: writing a model for "openai" needs torch, peft'),
    ],
)
def test_check_says_what_to_install_for_what_the_settings_ask(
    tmp_path: Path, wish: dict[str, object], said: str
) -> None:
    found = tuning(Settings(state_dir=tmp_path, **wish))
    assert not found.fine
    assert found.seen.startswith(said)
    assert extra.INSTALL in found.seen


@pytest.mark.usefixtures("bare")
def test_what_compares_fine_tunings_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(PostroomError, match=r"comparing fine-tunings needs torch, peft, which are not installed"):
        compare_labels(untouched(), untouched(), Settings(state_dir=tmp_path), 1)
    with (
        pytest.raises(PostroomError, match="trying it by several ways needs torch, peft"),
        trial("some.csv", untouched(), None, Wishes(), untouched()),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def untouched() -> Any:
    """Nothing may be asked of it."""
    return SimpleNamespace()


def test_with_the_extra_nothing_is_said(tmp_path: Path) -> None:
    assert tuning(Settings(state_dir=tmp_path, training={"tuning": "answer"})).seen == "installed"
