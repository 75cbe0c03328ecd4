"""The reading of attached files that all mailboxes of a process share, and how much of it one look may take.

    file | read lately? | the reading process (daemon.papers), and once more for a picture of a page  ->  Reading

A file is known again by its bytes: the terms that come with every mail are read once, and what crashed, took too long
or was too much is not tried again for as long as it is remembered, however often its mail is decided about anew.
Nothing is started before the first file comes.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from connectors.base import Paper
from daemon.papers.paper import Reading
from daemon.papers.paper_reader import PaperReader

REMEMBERED = 300
"""Readings, of some 5 kB each."""
SECONDS_A_LOOK = 60.0
"""So long a look at a mailbox may read files: a hundred good ones take a second, a dozen that are meant to harm all."""


@dataclass
class TimeForFiles:
    """What is left for one look. `None`: somebody waits for all of it (`learn --from-folders`)."""

    seconds: float | None = None

    @property
    def over(self) -> bool:
        """Is nothing left?"""
        return self.seconds is not None and self.seconds <= 0

    def spend(self, seconds: float) -> None:
        """So long a file took."""
        if self.seconds is not None:
            self.seconds -= seconds


class AttachedFiles:
    """Reads files, and remembers what they said. May be used by several threads."""

    def __init__(self, languages: Sequence[str] = (), start: Callable[[], PaperReader] = PaperReader) -> None:
        self.languages = tuple(languages)
        self._reader = start()
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[bytes, str], Reading] = OrderedDict()

    def read(self, paper: Paper, left: TimeForFiles) -> Reading | None:
        """What the file says; None: there is no time left for it. Never raises because of the file."""
        key = hashlib.sha256(paper.data).digest(), paper.name
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        if left.over:
            return None
        began = time.monotonic()
        reading = self._reader.read(paper)
        left.spend(time.monotonic() - began)
        if reading.status != "unavailable":  # which says nothing about the file
            with self._lock:
                self._known[key] = reading
                if len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
        return reading

    def can_read(self) -> bool:
        """Does the reading process start?"""
        return self._reader.sandbox().works

    def close(self) -> None:
        """End the reading process. Never raises."""
        self._reader.close()
