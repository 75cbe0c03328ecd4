"""What recognising letters in a picture of a page costs, and how many of its words are right.

    python -m benchmarks.ocr [--data FOLDER] [--count 20] [--out FILE]

    PDFs with text | painted, put on a scanner badly, stored | recognised by the second worker | seconds, words, memory

The words are those that PDFium reads of the same page. Without FOLDER made letters. Needs the tesseract of
`make servers`. One line of progress for each way of being scanned; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import sys
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any, Self

import click
import psutil

from connectors.base import Paper
from daemon.papers.paper import LONGEST_TEXT
from daemon.papers.paper_reader import PaperReader
from daemon.papers.pdf_text import Pdf
from tests.page_pictures import LETTER, letter, picture
from tests.servers import tesseract

LANGUAGES = ("deu", "eng")
WAYS: dict[str, dict[str, Any]] = {
    "as it is, PNG": {"kind": "png"},
    "turned by 1.5 degrees, noise, JPEG 40": {"kind": "jpeg", "turned": 1.5, "noise": 12},
    "turned by 90 degrees, JPEG 40": {"kind": "jpeg", "turned": 90},
    "upside down, JPEG 40": {"kind": "jpeg", "turned": 180},
    "100 dpi, PNG": {"kind": "png", "scale": 0.5},
    "black and white, TIFF": {"kind": "tiff-g4"},
}


def words_of(text: str) -> list[str]:
    """Its words of three letters and more."""
    return [word for word in re.findall(r"\w+", text) if len(word) > 2]


def pages(folder: Path | None, count: int) -> list[tuple[bytes, list[str]]]:
    """PDFs, one page of each, and their words: evenly of the folder, or made."""
    if folder is None:
        made = [letter(*LETTER[number % 3 :]) for number in range(count)]
        return [(data, words_of(Pdf(data).text().text)) for data in made]
    paths = sorted(folder.rglob("*.[pP][dD][fF]"))
    found = []
    for path in paths[:: max(1, len(paths) // count)][:count]:
        data = path.read_bytes()
        text = Pdf(data).text(1).text
        if len(words := words_of(text)) >= 30 and len(text) < LONGEST_TEXT:
            found.append((data, words))
    return found


class Peak:
    """The most memory of any one child while it is watched, in megabytes: `with Peak() as peak:` then `peak.mb`."""

    def __init__(self) -> None:
        self.mb = 0.0
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            for worker in psutil.Process().children():
                with contextlib.suppress(psutil.Error):
                    sizes = (child.memory_info().rss for child in worker.children())
                    self.mb = max(self.mb, *(size / (1 << 20) for size in sizes), 0.0)


def recognised(reader: PaperReader, papers: list[tuple[bytes, list[str]]], way: dict[str, Any]) -> dict[str, Any]:
    """Seconds a page, and the share of its words that were read."""
    took, shares, began_with = [], [], _processor_seconds()
    for data, words in papers:
        paper = Paper("page", picture(data, **way))
        began = time.perf_counter()
        reading = reader.read(paper, ocr=True)
        took.append(time.perf_counter() - began)
        text = set(words_of(reading.text))
        shares.append(sum(word in text for word in words) / len(words))
    return {
        "pages": len(took),
        "seconds": round(median(took), 2),
        "slowest": round(max(took), 2),
        "processor_seconds": round((_processor_seconds() - began_with) / len(took), 2),
        "words": round(median(shares), 3),
        "mean_words": round(sum(shares) / len(shares), 3),
    }


def _processor_seconds() -> float:
    """What the workers' children have used up to now: unlike the clock, no matter how busy the machine is."""
    times = [worker.cpu_times() for worker in psutil.Process().children()]
    return float(sum(used.children_user + used.children_system for used in times))


def main() -> int:
    """Read arguments, measure, print the figures as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data", type=Path, help="a folder with PDFs that have text")
    parser.add_argument("--count", type=int, default=20, help="so many of them (default: 20)")
    parser.add_argument("--out", type=Path, help="write the figures into this file, too")
    arguments = parser.parse_args()
    os.environ.update(tesseract.environment())
    papers = pages(arguments.data, arguments.count)
    figures: dict[str, Any] = {}
    with PaperReader(languages=LANGUAGES) as reader:
        began = time.perf_counter()
        reader.sandbox()
        figures["start_ms"] = round(1000 * (time.perf_counter() - began))
        with Peak() as peak:
            for name, way in WAYS.items():
                figures[name] = recognised(reader, papers, way)
                click.echo(f"{name}: {figures[name]}", err=True)
        figures["child_peak_mb"] = round(peak.mb, 1)
        workers = psutil.Process().children()
        figures["rss_mb"] = sorted(round(worker.memory_info().rss / (1 << 20), 1) for worker in workers)
        figures["worker_ended"] = reader.ended
    shown = json.dumps(figures)
    if arguments.out:
        arguments.out.write_text(shown + "\n", encoding="utf-8")
    click.echo(shown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
