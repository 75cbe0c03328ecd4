"""The daemon's side: whatever a file does to its reader is an answer about that file."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from connectors.base import Paper
from daemon.papers import paper_process
from daemon.papers.paper import Reading, from_json
from daemon.papers.paper_reader import PaperReader
from daemon.papers.sandbox import ReadingLimits
from tests.hostile_papers import HOSTILE
from tests.paper_samples import WORDS, cii, pdf_with_file, text_pdf

PATIENT = ReadingLimits(seconds=60)
"""A busy machine is no reason for "late"."""
READ = Paper("a.pdf", text_pdf(WORDS))
SAYS = {
    "one run of 1 GB.docx": "text",
    "16e9 cells.ods": "hello",
    "file of 1 GB inside.pdf": WORDS,
    "million pages.pdf": WORDS,
    "lie about pages.pdf": WORDS,
    "table of itself.pdf": WORDS,
    "huge page.pdf": WORDS,
    "javascript.pdf": WORDS,
    "locked for owners.pdf": WORDS,
    "hidden.pdf": "Lieferschein 99",
    "million events.ics": "Termin",
    "1000 deep.eml": "level 999",
    "25 deep in base64.eml": "level 24",
    "hex.rtf": "AAAA",
    "picture.rtf": "Text nach dem Bild",
}
"""The hostile files that say something all the same, and some of it."""


@pytest.fixture(scope="module")
def reader() -> Iterator[PaperReader]:
    with PaperReader(PATIENT) as one:
        yield one


def worker_of(reader: PaperReader) -> psutil.Process:
    reader.read(READ)
    assert reader._text._worker is not None
    return psutil.Process(reader._text._worker.pid)


def test_hostile_files_are_42() -> None:
    assert len(HOSTILE) == 42
    assert set(SAYS) < set(HOSTILE)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_costs_itself_and_the_next_one_is_read(name: str, reader: PaperReader) -> None:
    reading = reader.read(Paper(name, HOSTILE[name]()))
    if name in SAYS:
        assert reading.status == "text"
        assert SAYS[name] in reading.text or SAYS[name] == "text"
    else:
        assert reading.status in ("none", "locked", "limit", "crashed", "unsupported")
    assert "ignore all" not in reading.text
    assert "root:" not in reading.text
    assert reader.read(READ).text == WORDS
    assert reader.ended == 0


def test_what_a_file_says_comes_over_whole(reader: PaperReader) -> None:
    reading = reader.read(Paper("lies.png", pdf_with_file("factur-x.xml", cii("381"), "Gutschrift")))
    assert (reading.status, reading.kind, reading.text) == ("text", "pdf", "Gutschrift")
    assert reading.invoices[0].line == "E-invoice: credit note RE-4711, from Muster & Söhne GmbH, to Büro Süd AG"


def test_a_file_that_is_too_large_or_empty_is_not_even_handed_over() -> None:
    with PaperReader(ReadingLimits(file_bytes=1_000)) as reader:
        assert reader.read(Paper("a.txt", b"a" * 1_001)) == Reading("too large")
        assert reader.read(Paper("a.txt", b"")) == Reading("none")
        assert reader._text._worker is None
        assert dict(reader.counts) == {"too large": 1, "none": 1}


def test_a_worker_that_is_killed_is_started_again_and_its_end_is_counted() -> None:
    with PaperReader(PATIENT) as reader:
        worker = worker_of(reader)
        worker.kill()
        worker.wait()
        assert reader.read(READ).text == WORDS
        assert reader.ended == 1


def test_a_worker_killed_over_a_file_costs_that_file_alone() -> None:
    with PaperReader(PATIENT) as reader, ThreadPoolExecutor(1) as beside:
        worker = worker_of(reader)
        worker.suspend()
        reading = beside.submit(reader.read, READ)
        os.kill(worker.pid, signal.SIGKILL)
        assert reading.result(60).status in ("crashed", "text")
        assert reader.read(READ).status == "text"
        assert reader.ended == 1


def test_a_worker_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper_process, "SECONDS_OF_GRACE", 0.1)
    with PaperReader(ReadingLimits(seconds=0.4)) as reader:
        worker = worker_of(reader)
        worker.suspend()
        assert reader.read(Paper("large.txt", b"a" * 10_000_000)) == Reading("late")
        assert not worker.is_running()


def test_the_worker_ends_with_whoever_started_it(tmp_path: Path) -> None:
    script = tmp_path / "starts.py"
    script.write_text(
        "import os, sys\nfrom daemon.papers.paper_reader import PaperReader\nreader = PaperReader()\nreader.sandbox()\n"
        "print(reader._text.pid, flush=True)\nos.kill(os.getpid(), 9)\n"
    )
    with psutil.Popen([sys.executable, str(script)], stdout=-1) as starter:
        pid = int(starter.stdout.readline())
        starter.wait()
    try:
        psutil.Process(pid).wait(30)
    except psutil.NoSuchProcess:
        return


def test_a_worker_that_cannot_be_started_is_told_and_not_tried_for_every_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "bin" / "python"
    with PaperReader(PATIENT, python=str(gone)) as reader:
        assert reader.read(READ) == Reading("unavailable")
        shown = reader.sandbox()
        assert (shown.works, shown.reason) == (False, f"{gone}: No such file or directory")
        gone.parent.mkdir()
        gone.symlink_to("/bin/false")
        assert reader.read(READ) == Reading("unavailable")
        assert "No such file" in reader.sandbox().reason
        monkeypatch.setattr(paper_process, "PAUSE_AFTER_FAILURES", 0.0)
        reader._text._not_before = 0.0
        assert "ends at once" in reader.sandbox().reason


def test_several_threads_get_their_own_answers(reader: PaperReader) -> None:
    with ThreadPoolExecutor(4) as threads:
        papers = [Paper(f"{number}.txt", f"Text {number}".encode()) for number in range(40)]
        assert [reading.text for reading in threads.map(reader.read, papers)] == [f"Text {n}" for n in range(40)]


def test_the_worker_is_small(reader: PaperReader) -> None:
    reader.read(Paper("large.txt", b"a" * (30 << 20)))
    assert worker_of(reader).memory_info().rss < 60 << 20


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b'{"status": "text"}',
        b'{"status": "text", "kind": "pdf", "tall": [], "text": "", "invoices": []}',
        b'{"status": "fine", "kind": "pdf", "tall": [], "text": "", "invoices": [], "picture": false, "ocr": false}',
        b'{"status": "text", "kind": 7, "tall": [], "text": "", "invoices": [], "picture": false, "ocr": false}',
        b'{"status": "text", "kind": "pdf", "tall": 7, "text": "", "invoices": [], "picture": false, "ocr": false}',
        b'{"status": "text", "kind": "pdf", "tall": [], "text": "", "invoices": [{"kind": "bribe"}], "picture": false, '
        b'"ocr": false}',
        b"[" * 50_000,
    ],
)
def test_an_answer_that_no_reader_gives_is_none(line: bytes) -> None:
    assert from_json(line) is None


def test_an_answer_is_brought_within_its_bounds() -> None:
    shown = {
        "status": "text",
        "kind": "pdf",
        "tall": ["a\u200bb"],
        "text": "x\ud800" + "y" * 9_000,
        "invoices": [],
        "picture": False,
        "ocr": False,
    }
    reading = from_json(json.dumps(shown).encode())
    assert reading is not None
    assert reading.tall == ("ab",)
    assert len(reading.text) == 4_000
    assert "\ud800" not in reading.text
