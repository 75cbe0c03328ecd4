"""The daemon's side of reading attached files: one worker, started when it is first wanted, and again after an end.

    with PaperReader() as reader:
        reader.read(Paper("invoice.pdf", data))     -> Reading; never raises, never takes much longer than its limit
        reader.sandbox()                            -> Sandbox, for `postroom check`

The daemon itself looks at no byte of a file but to hand it over. Whatever comes of it is an answer about this one file.
May be used by several threads; files are read one after the other.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Self

from connectors.base import Paper
from daemon.papers.paper import Reading, Status, from_json
from daemon.papers.pipes import ANSWER, Closed, TooSlow, receive, request, send
from daemon.papers.sandbox import ReadingLimits

SECONDS_TO_START = 30.0
"""On a busy machine; usually well below one second."""
SECONDS_OF_GRACE = 5.0
"""How long after a file's own time the worker may take to say that it was killed."""
PAUSE_AFTER_FAILURES = 60.0
"""Seconds in which no start is tried after one that failed: not one for every file of a thousand."""


@dataclass(frozen=True)
class Sandbox:
    """How well a stranger's file is locked in here."""

    works: bool
    """Can files be read at all?"""
    filtered: bool = False
    """Are system calls filtered (seccomp), beside the limits on memory, time, files and processes?"""
    reason: str = ""
    """Why it does not work, or is not filtered."""


class PaperReader:
    """Reads attached files in a process of its own. `counts`: how many files ended with which status.

    `ended`: how often the worker ended unasked.
    """

    def __init__(self, limits: ReadingLimits | None = None, python: str = sys.executable) -> None:
        self.limits = limits or ReadingLimits()
        self.counts: Counter[Status] = Counter()
        self.ended = 0
        self._python = python
        self._lock = threading.Lock()
        self._worker: subprocess.Popen[bytes] | None = None
        self._sandbox = Sandbox(works=False)
        self._not_before = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def read(self, paper: Paper) -> Reading:
        """What the file says. Never raises because of the file or the worker."""
        with self._lock:
            reading = self._read(paper)
            self.counts[reading.status] += 1
            return reading

    def sandbox(self) -> Sandbox:
        """How files are locked in on this machine; starts the worker to find out."""
        with self._lock:
            self._started()
            return self._sandbox

    def close(self) -> None:
        """End the worker. Whoever reads afterwards starts another one."""
        with self._lock:
            self._end()

    def _read(self, paper: Paper) -> Reading:
        if len(paper.data) > self.limits.file_bytes:
            return Reading("too large")
        if not paper.data:
            return Reading("none")
        worker = self._started()
        if worker is None:
            return Reading("unavailable")
        ends_at = time.monotonic() + self.limits.seconds + SECONDS_OF_GRACE
        try:
            send(_descriptor(worker.stdin), request(paper.name, paper.data), ends_at)
            return from_json(self._receive(worker, ends_at)) or self._lost("crashed")
        except Closed:
            return self._lost("crashed")
        except TooSlow:
            return self._lost("late")

    def _started(self) -> subprocess.Popen[bytes] | None:
        """The worker, alive as far as anybody knows; None if it cannot be started now."""
        if self._worker is not None and self._worker.poll() is not None:
            self._lost("crashed")  # between two files: no file has suffered
        if self._worker is None and time.monotonic() >= self._not_before:
            self._start()
        return self._worker

    def _start(self) -> None:
        command = [self._python, "-I", "-m", "daemon.papers.paper_worker", json.dumps(asdict(self.limits))]
        try:
            self._worker = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                # Nothing of the service's environment, in which there are names of secrets; the loader's way stays.
                env={name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ},
            )
        except OSError as error:
            self._fail(f"{self._python}: {error.strerror}")
            return
        for pipe in (self._worker.stdin, self._worker.stdout):
            os.set_blocking(_descriptor(pipe), False)
        try:
            shown = json.loads(self._receive(self._worker, time.monotonic() + SECONDS_TO_START))
            why_not = str(shown["filter"])
        except (Closed, TooSlow, ValueError, TypeError, KeyError):
            self._end()
            self._fail(f"{self._python} -m daemon.papers.paper_worker ends at once")
            return
        self._sandbox = Sandbox(works=True, filtered=not why_not, reason=why_not)

    def _fail(self, reason: str) -> None:
        self._sandbox = Sandbox(works=False, reason=reason)
        self._not_before = time.monotonic() + PAUSE_AFTER_FAILURES

    def _receive(self, worker: subprocess.Popen[bytes], ends_at: float) -> bytes:
        descriptor = _descriptor(worker.stdout)
        [length] = ANSWER.unpack(receive(descriptor, ANSWER.size, ends_at))
        if length > self.limits.answer_bytes:
            raise Closed
        return receive(descriptor, length, ends_at)

    def _lost(self, status: Status) -> Reading:
        self.ended += 1
        self._end()
        return Reading(status)

    def _end(self) -> None:
        worker, self._worker = self._worker, None
        if worker is None:
            return
        worker.kill()
        for pipe in (worker.stdin, worker.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        worker.wait()


def _descriptor(pipe: object) -> int:
    return int(pipe.fileno())  # type: ignore[attr-defined]
