"""The daemon's side of reading attached files, and of recognising letters in pictures of pages (OCR).

    with PaperReader(languages=("eng", "deu")) as reader:
        reader.read(Paper("invoice.pdf", data), ocr=True)     -> Reading; never raises
        reader.sandbox()                                      -> Sandbox, for `postroom check`

Two processes, each started when it is first wanted: one reads text and is small; the other one, only where languages
are named, has tesseract in it, and is asked for what the first one found to be a picture. So whatever ails the
recognition costs no text. The daemon itself looks at no byte of a file but to hand it over. May be used by several
threads; each process reads one file after the other.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from connectors.base import Paper
from daemon.papers.paper import Reading, Status
from daemon.papers.paper_process import PaperProcess
from daemon.papers.sandbox import ReadingLimits

OCR_SECONDS = 20
"""For one page; most take one."""


@dataclass(frozen=True)
class Ocr:
    """What recognising letters can do here."""

    works: bool
    used: tuple[str, ...] = ()
    """Languages by tesseract's names, in the order in which they were named."""
    missing: tuple[str, ...] = ()
    """Named, and not installed."""
    installed: tuple[str, ...] = ()
    """All that there are."""
    reason: str = ""
    """Why it does not work."""

    @property
    def packages(self) -> tuple[str, ...]:
        """What Debian and Ubuntu call what is missing: `apt-get install` these."""
        languages = tuple(f"tesseract-ocr-{language.lower().replace('_', '-')}" for language in self.missing)
        way = () if "osd" in self.installed else ("tesseract-ocr-osd",)  # turns pages that lie on their side
        return languages + way if self.installed else ("tesseract-ocr", *languages)

    @property
    def sentence(self) -> str:
        """What it can do, and what to install for the rest: for people."""
        if self.works and not self.packages:
            return f"reads pictures in {', '.join(self.used)}"
        known = f"reads pictures in {', '.join(self.used)} alone" if self.works else f"reads no pictures: {self.reason}"
        wanted = " ".join(self.packages or ("--reinstall tesseract-ocr",))
        return f"{known}; as root: apt-get install {wanted}"


@dataclass(frozen=True)
class Sandbox:
    """How well a stranger's file is locked in here."""

    works: bool
    """Can files be read at all?"""
    filtered: bool = False
    """Are system calls filtered (seccomp), beside the limits on memory, time, files and processes?"""
    reason: str = ""
    """Why it does not work, or is not filtered."""
    ocr: Ocr | None = None
    """None: no languages are named."""


class PaperReader:
    """Reads attached files in processes of its own. `counts`: how many files ended with which status; `pictures`: how
    many pages were recognised, or tried in vain.

    `languages`: by tesseract's names ("eng", "deu", "chi_sim"); () loads nothing of it and recognises nothing.
    """

    def __init__(
        self,
        limits: ReadingLimits | None = None,
        python: str = sys.executable,
        languages: Sequence[str] = (),
    ) -> None:
        self.limits = limits or ReadingLimits()
        self.counts: Counter[Status] = Counter()
        self.pictures = 0
        self._text = PaperProcess(self.limits, python)
        seconds = max(OCR_SECONDS, self.limits.seconds)
        longer = replace(self.limits, seconds=seconds, processor_seconds=int(seconds))
        self._eyes = PaperProcess(longer, python, languages) if languages else None
        self._text_lock, self._eyes_lock, self._counts_lock = threading.Lock(), threading.Lock(), threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def ended(self) -> int:
        """How often a process ended unasked."""
        return self._text.ended + (self._eyes.ended if self._eyes else 0)

    def read(self, paper: Paper, ocr: bool = False) -> Reading:
        """What the file says. `ocr`: one page that is a picture may take some seconds to be recognised.

        Never raises because of the file or a process.
        """
        with self._text_lock:
            reading = self._text.read(paper)
        if ocr and reading.picture and (seen := self._look(paper)):
            with self._counts_lock:
                self.pictures += seen.status != "unavailable"
            reading = _better(reading, seen)
        with self._counts_lock:
            self.counts[reading.status] += 1
        return reading

    def sandbox(self) -> Sandbox:
        """How files are locked in on this machine; starts the processes to find out."""
        with self._text_lock:
            works = self._text.start()
            told = self._text.told
        reason = str(told.get("fault") or told.get("filter", ""))
        return Sandbox(works, works and not reason, reason, self._ocr())

    def close(self) -> None:
        """End the processes. Whoever reads afterwards starts others."""
        with self._text_lock:
            self._text.close()
        if self._eyes is not None:
            with self._eyes_lock:
                self._eyes.close()

    def _look(self, paper: Paper) -> Reading | None:
        if self._eyes is None:
            return None
        with self._eyes_lock:
            return self._eyes.read(paper)

    def _ocr(self) -> Ocr | None:
        if self._eyes is None:
            return None
        with self._eyes_lock:
            works = self._eyes.start()
            told = self._eyes.told
        found = told.get("ocr", {})
        used, missing, installed = (tuple(map(str, found.get(name, ()))) for name in ("used", "missing", "installed"))
        return Ocr(works, used, missing, installed, "" if works else str(told.get("fault", "")))


def _better(text: Reading, seen: Reading) -> Reading:
    """What was read without looking, or by looking at it. A few letters, or an invoice beside the picture, are
    better than an end over it."""
    if seen.status == "unavailable" or (text.status == "text" and seen.status != "text"):
        return text
    return seen if seen.status == "text" else Reading(seen.status, seen.kind or text.kind)
