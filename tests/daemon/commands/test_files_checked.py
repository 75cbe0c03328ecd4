"""What `check` says of the reading of attached files."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from daemon.commands.check import examine
from daemon.commands.files_checked import in_words
from daemon.papers.paper import Status
from daemon.papers.paper_reader import Ocr, PaperReader, Sandbox
from daemon.report.file_words import WHY_NOT
from daemon.settings import Settings, SortingSettings


def found(state: Path, attachments: str = "text", what: str = "attached files") -> tuple[bool, str]:
    sorting = SortingSettings(attachments=attachments)  # type: ignore[arg-type]
    settings = Settings(state_dir=state, sorting=sorting)
    [finding] = [each for each in examine(settings) if each.what == what]
    return finding.fine, finding.seen


def test_on_this_machine_files_are_read_and_locked_in(tmp_path: Path) -> None:
    fine, seen = found(tmp_path)
    assert fine
    assert seen.startswith("are read by a process")


def test_where_files_are_not_to_be_read_nothing_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PaperReader, "sandbox", None)
    assert found(tmp_path, "names") == (True, 'known by their names alone (`attachments = "names"`)')


def test_what_is_wrong_is_told_with_what_it_means() -> None:
    assert "cannot be read: /x/python: No such file" in in_words(Sandbox(False, reason="/x/python: No such file"))
    assert "filters no system calls for it: refused" in in_words(Sandbox(True, reason="refused"))


def test_what_is_missing_for_pictures_is_wrong_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(*missing: str) -> tuple[bool, str]:
        eyes = Ocr(True, ("deu",), missing, ("deu", "osd"))
        monkeypatch.setattr(PaperReader, "sandbox", lambda _reader: Sandbox(True, True, ocr=eyes))
        return found(tmp_path, "ocr", "OCR")

    assert told() == (True, "reads pictures in deu")
    fine, seen = told("chi_sim")
    assert not fine
    assert "apt-get install tesseract-ocr-chi-sim" in seen


def test_every_way_in_which_a_file_can_end_has_its_words() -> None:
    assert WHY_NOT.keys() == {*get_args(Status), "lacking", "no time"} - {"text", "none"}
