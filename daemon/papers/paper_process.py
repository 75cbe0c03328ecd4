"""One reading process as the daemon has it: started when it is first wanted, and again after an end.

`PaperProcess.read` never raises because of a file or the process, and never takes much longer than its limit. Not for
several threads at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from connectors.base import Paper
from daemon.papers.paper import Reading, Status, from_json
from daemon.papers.pipes import ANSWER, Closed, TooSlow, receive, request, send, shape
from daemon.papers.sandbox import ReadingLimits

SECONDS_TO_START = 30.0
"""On a busy machine; usually well below one second."""
SECONDS_OF_GRACE = 5.0
"""How long after a file's own time the process may take to say that its child was killed."""
PAUSE_AFTER_FAILURES = 60.0
"""Seconds in which no start is tried after one that failed: not one for every file of a thousand."""
PASSED_ON = ("LD_LIBRARY_PATH", "TESSDATA_PREFIX")
"""Of the service's environment, in which there are names of secrets: where libraries and languages lie."""


class PaperProcess:
    """A worker (`paper_worker`) with these limits. `told`: what it said of itself when it started, or {"fault": why it
    does not run}. `ended`: how often it ended unasked."""

    def __init__(self, limits: ReadingLimits, python: str, languages: Sequence[str] = ()) -> None:
        self.limits = limits
        self.ended = 0
        self.told: dict[str, Any] = {}
        self._python = python
        self._languages = tuple(languages)
        self._worker: subprocess.Popen[bytes] | None = None
        self._not_before = 0.0

    @property
    def pid(self) -> int | None:
        """Of the process, if one runs."""
        return self._worker.pid if self._worker else None

    def read(self, paper: Paper) -> Reading:
        """What the file says."""
        if len(paper.data) > self.limits.file_bytes:
            return Reading("too large")
        if not paper.data:
            return Reading("none")
        worker = self._started()
        if worker is None:
            return Reading("unavailable")
        ends_at = time.monotonic() + self.limits.seconds + SECONDS_OF_GRACE
        try:
            send(_descriptor(worker.stdin), request(paper.name, len(paper.data)), ends_at)
            send(_descriptor(worker.stdin), paper.data, ends_at)
            return from_json(self._receive(worker, ends_at)) or self._lost("crashed")
        except Closed:
            return self._lost("crashed")
        except TooSlow:
            return self._lost("late")

    def start(self) -> bool:
        """Does it run now?"""
        return self._started() is not None

    def close(self) -> None:
        """End the process. Whoever reads afterwards starts another one."""
        worker, self._worker = self._worker, None
        if worker is None:
            return
        worker.kill()
        for pipe in (worker.stdin, worker.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        worker.wait()

    def _started(self) -> subprocess.Popen[bytes] | None:
        """The process, alive as far as anybody knows; None if it cannot be started now."""
        if self._worker is not None and self._worker.poll() is not None:
            self._lost("crashed")  # between two files: no file has suffered
        if self._worker is None and time.monotonic() >= self._not_before:
            self._start()
        return self._worker

    def _start(self) -> None:
        words = (shape(), json.dumps(asdict(self.limits)), json.dumps(self._languages))
        try:
            self._worker = subprocess.Popen(
                [self._python, "-I", "-m", "daemon.papers.paper_worker", *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
            )
        except OSError as error:
            self._fail(f"{self._python}: {error.strerror}")
            return
        for pipe in (self._worker.stdin, self._worker.stdout):
            os.set_blocking(_descriptor(pipe), False)
        try:
            told = dict(json.loads(self._receive(self._worker, time.monotonic() + SECONDS_TO_START)))
        except (Closed, TooSlow, ValueError, TypeError):
            self._fail(f"{self._python} -m daemon.papers.paper_worker ends at once")
            return
        if told.get("shape") != shape():
            self._fail("another version of Postroom was installed since this one started: start it anew")
        elif "reason" in told.get("ocr", {}):
            self._fail(told["ocr"]["reason"], told)
        else:
            self.told = told

    def _fail(self, reason: str, told: dict[str, Any] | None = None) -> None:
        self.close()
        self.told = (told or {}) | {"fault": reason}
        self._not_before = time.monotonic() + PAUSE_AFTER_FAILURES

    def _receive(self, worker: subprocess.Popen[bytes], ends_at: float) -> bytes:
        descriptor = _descriptor(worker.stdout)
        [length] = ANSWER.unpack(receive(descriptor, ANSWER.size, ends_at))
        if length > self.limits.answer_bytes:
            raise Closed
        return receive(descriptor, length, ends_at)

    def _lost(self, status: Status) -> Reading:
        self.ended += 1
        self.close()
        return Reading(status)


def _descriptor(pipe: object) -> int:
    return int(pipe.fileno())  # type: ignore[attr-defined]
