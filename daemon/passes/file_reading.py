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
PICTURES_A_LOOK = 10
"""Pages to be recognised, one to three seconds each; a fresh look begins a minute later."""
SECONDS_A_LOOK = 60.0
"""So long a look at a mailbox may read files: a hundred good ones take a second, a dozen that are meant to harm all."""


@dataclass
class TimeForFiles:
    """What is left for one look: of time, and of pictures of pages whose letters may be recognised. `None`: somebody
    waits for all of it (`learn --from-folders`)."""

    seconds: float | None = None
    pictures: int | None = None

    @property
    def over(self) -> bool:
        """Is nothing left?"""
        return self.seconds is not None and self.seconds <= 0

    def spend(self, seconds: float) -> None:
        """So long a file took."""
        if self.seconds is not None:
            self.seconds -= seconds

    def take_picture(self) -> bool:
        """May one more be looked at?"""
        if self.over or self.pictures == 0:
            return False
        if self.pictures is not None:
            self.pictures -= 1
        return True


class AttachedFiles:
    """Reads files, and remembers what they said. May be used by several threads.

    `languages`: tesseract's, for pictures of pages; () recognises none.
    """

    def __init__(self, languages: Sequence[str] = (), start: Callable[..., PaperReader] = PaperReader) -> None:
        self._reader = start(languages=tuple(languages))
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[bytes, str, bool], Reading] = OrderedDict()

    def read(self, paper: Paper, left: TimeForFiles, *, ocr: bool = False) -> Reading | None:
        """What the file says; `ocr`: also if it is a picture of a page. None: there is no time left for it.

        Never raises because of the file."""
        key = hashlib.sha256(paper.data).digest(), paper.name
        reading = self._once((*key, False), left, lambda: self._reader.read(paper))
        if not ocr or reading is None or not reading.picture:
            return reading
        seen = self._known_as((*key, True))
        if seen is None and left.take_picture():
            seen = self._once((*key, True), left, lambda: self._reader.read(paper, ocr=True))
        return seen if seen is not None or reading.status != "text" else reading

    def can_read(self) -> bool:
        """Does the reading process start?"""
        return self._reader.sandbox().works

    def close(self) -> None:
        """End the reading processes. Never raises."""
        self._reader.close()

    def _once(self, key: tuple[bytes, str, bool], left: TimeForFiles, read: Callable[[], Reading]) -> Reading | None:
        """As it is remembered, or read and remembered; None: there is no time."""
        if (known := self._known_as(key)) is not None:
            return known
        if left.over:
            return None
        began = time.monotonic()
        reading = read()
        left.spend(time.monotonic() - began)
        if reading.status != "unavailable":  # which says nothing about the file
            with self._lock:
                self._known[key] = reading
                if len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
        return reading

    def _known_as(self, key: tuple[bytes, str, bool]) -> Reading | None:
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
            return self._known.get(key)
