"""The page of an exported folder, whatever the file of examples is called."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from daemon.training import trial_export
from daemon.training.trial import Trial
from daemon.training.trial_order import TrialResult


def test_no_file_name_stops_the_page_or_steers_who_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "key").write_bytes(bytes(32))
    meta: Any = SimpleNamespace(codebook=(), categories=(), kind="llm", prompt=SimpleNamespace(max_tokens=64))
    monkeypatch.setattr(trial_export.model_folder, "load", lambda *_, **__: meta)
    made = Trial(TrialResult(outcome="tried", verdict="Use words."), tmp_path / "model", tmp_path / "key", None)
    source = tmp_path / os.fsdecode(b"mail\xff\n\x1b]0;x\x07.csv")
    trial_export.export(made, source, tmp_path / "new")
    page = (tmp_path / "new" / trial_export.PAGE).read_text("utf-8")
    assert page.splitlines()[0] == "# A model for 0 categories, made of mail\\udcff \\u001b]0;x\\u0007.csv"
