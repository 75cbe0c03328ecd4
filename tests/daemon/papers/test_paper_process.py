"""What becomes of the reading process when its machine fails it: no memory, no Python, another version of its files."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from connectors.base import Paper
from daemon.papers import paper_process, paper_worker
from daemon.papers.paper import Reading
from daemon.papers.paper_reader import PaperReader
from daemon.papers.paper_worker import in_a_child
from daemon.papers.sandbox import ReadingLimits
from tests import ROOT
from tests.paper_samples import WORDS, docx, eml, text_pdf

PATIENT = ReadingLimits(seconds=60)
READ = Paper("a.pdf", text_pdf(WORDS))


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A copy of what is installed, and a `python` that runs it and nothing else."""
    for package in ("daemon", "connectors"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    run = f"import runpy, sys; sys.path.insert(0, '{tmp_path}'); "
    run += "runpy.run_module('daemon.papers.paper_worker', run_name='__main__', alter_sys=True)"
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nshift 3\nexec {sys.executable} -B -I -c "{run}" "$@"\n')
    python.chmod(0o755)
    return tmp_path


def kill(reader: PaperReader) -> None:
    """As from outside."""
    worker = psutil.Process(reader._text.pid)
    worker.kill()
    worker.wait()


def test_where_there_is_no_memory_for_a_file_that_is_told_and_the_next_one_is_read() -> None:
    with PaperReader(PATIENT) as reader:
        assert reader.read(READ).text == WORDS
        worker = psutil.Process(reader._text.pid)
        before = worker.rlimit(psutil.RLIMIT_AS)
        worker.rlimit(psutil.RLIMIT_AS, (worker.memory_info().vms + (4 << 20), before[1]))
        assert reader.read(Paper("a.txt", b"a" * (30 << 20))) == Reading("unavailable")
        assert reader.read(READ).text == WORDS
        worker.rlimit(psutil.RLIMIT_AS, before)
        assert reader.read(Paper("a.txt", b"a" * (30 << 20))).status == "text"
        assert reader.ended == 0


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.EAGAIN])
def test_where_no_child_can_be_made_nothing_is_said_of_the_file(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise OSError(number, os.strerror(number))

    before = len(list(Path("/proc/self/fd").iterdir()))
    monkeypatch.setattr(paper_worker.os, "fork", fork)
    assert in_a_child(lambda write, _: write(b"x"), PATIENT) == (b"", "unavailable")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_process_that_cannot_be_made_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def popen(*_: object, **__: object) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    with PaperReader(PATIENT) as reader:
        monkeypatch.setattr(paper_process.subprocess, "Popen", popen)
        assert reader.read(READ) == Reading("unavailable")
        assert "Cannot allocate memory" in reader.sandbox().reason


def test_a_process_whose_python_and_files_go_reads_on_until_it_ends(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paper_process, "PAUSE_AFTER_FAILURES", 0.0)
    python = installed / "python"
    with PaperReader(PATIENT, python=str(python)) as reader:
        assert reader.read(READ).text == WORDS
        python.rename(installed / "gone")
        for package in ("daemon", "connectors"):
            shutil.rmtree(installed / package)
        for data in (docx(WORDS), eml("a", "b", "a.pdf", READ.data), READ.data):
            assert WORDS in reader.read(Paper("a", data)).text
        kill(reader)
        assert reader.read(READ) == Reading("unavailable")
        assert reader.sandbox().reason == f"{python}: No such file or directory"
        (installed / "gone").rename(python)
        for package in ("daemon", "connectors"):  # half of an upgrade
            shutil.copytree(ROOT / package, installed / package)
        (installed / "daemon" / "papers" / "pdf_text.py").unlink()
        assert reader.read(READ) == Reading("unavailable")
        assert "ends at once" in reader.sandbox().reason
        shutil.copy(ROOT / "daemon" / "papers" / "pdf_text.py", installed / "daemon" / "papers")
        assert reader.read(READ).text == WORDS
        assert reader.sandbox().reason == ""


def _one_more_field(text: str) -> str:
    return text.replace("    ocr: bool = False\n", "    ocr: bool = False\n    more: int = 0\n")


def _one_more_status(text: str) -> str:
    return text.replace('"crashed", "unsupported"', '"crashed", "asleep", "unsupported"')


@pytest.mark.parametrize("change", [_one_more_field, _one_more_status])
def test_a_process_of_another_version_is_not_asked_and_what_to_do_is_said(
    change: Callable[[str], str], installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paper_process, "PAUSE_AFTER_FAILURES", 0.0)
    with PaperReader(PATIENT, python=str(installed / "python")) as reader:
        assert reader.read(READ).text == WORDS
        path = installed / "daemon" / "papers" / "paper.py"
        old = path.read_text("utf-8")
        path.write_text(change(old), "utf-8")
        assert change(old) != old
        assert reader.read(READ).text == WORDS, "the one that runs is of this version"
        kill(reader)
        assert reader.read(READ) == Reading("unavailable")
        shown = reader.sandbox()
        assert not shown.works
        assert "another version of Postroom" in shown.reason
        path.write_text(old, "utf-8")
        assert reader.read(READ).text == WORDS
