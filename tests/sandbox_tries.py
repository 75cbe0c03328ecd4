"""`python -P sandbox_tries.py [PICTURE]`: what a file's reader can do to the machine, tried from within, as JSON.

Runs wherever Postroom is installed: as the unit's own command, under a real systemd, too.
"""

from __future__ import annotations

import errno
import json
import mmap
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from connectors.base import Paper
from daemon.papers import sandbox
from daemon.papers.paper_reader import PaperReader
from daemon.papers.paper_worker import in_a_child
from daemon.papers.sandbox import ReadingLimits

TRIES: dict[str, Callable[[], object]] = {
    "open": lambda: os.open("/dev/null", os.O_RDONLY),
    "create": lambda: Path("/tmp/created-by-a-file").mkdir(),
    "delete": lambda: Path("/tmp/not-there").unlink(),
    "connect": lambda: socket.socket(socket.AF_INET),
    "fork": os.fork,
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "kill": lambda: os.kill(os.getppid(), 0),
    "write": lambda: os.write(2, b"x"),
    "machine code": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC),
    "more memory": lambda: bytearray(1 << 30),
}
HELD_BY_LIMITS = ("open", "connect", "more memory")
FILES = {"a.txt": b"Rechnung Nr. 4711", "a.html": b"<p>Rechnung</p>", "empty.txt": b" "}


def tried(names: Iterable[str]) -> dict[str, str]:
    """By what was tried: the error's name, or "done"; and why no filter is set."""

    def work(write: Callable[[bytes], None], why_not: str) -> None:
        found = {"filter": why_not}
        for name in names:
            try:
                TRIES[name]()
                found[name] = "done"
            except OSError as error:
                found[name] = errno.errorcode.get(error.errno or 0, "")
            except MemoryError:
                found[name] = "ENOMEM"
        write(json.dumps(found).encode())

    answered, ended = in_a_child(work, ReadingLimits())
    return dict(json.loads(answered)) if answered else {"ended": str(ended)}


def _loop(*_: object) -> None:
    while True:
        pass


def _wait(*_: object) -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def _abort(*_: object) -> None:
    signal.signal(signal.SIGABRT, signal.SIG_DFL)
    os.abort()


def _too_much(write: Callable[[bytes], None], _: str) -> None:
    write(b"x" * 100_000)


def ends() -> dict[str, list[Any]]:
    """By how a child ends: what is known of it."""
    quick = ReadingLimits(processor_seconds=1, seconds=20)
    found: dict[str, list[Any]] = {}
    for name, work, limits in (
        ("loop", _loop, quick),
        ("wait", _wait, ReadingLimits(seconds=0.5)),
        ("abort", _abort, quick),
        ("bug", lambda *_: 1 / 0, quick),
        ("too much", _too_much, quick),
    ):
        answered, ended = in_a_child(work, limits)  # type: ignore[arg-type]
        found[name] = [len(answered), ended]
    return found


def main() -> int:
    """What was tried, with the filter and without, and what the worker itself reads of files and of a picture."""
    pictures = [Path(name).read_bytes() for name in sys.argv[1:]]
    with PaperReader(ReadingLimits(seconds=60), languages=("deu", "eng") if pictures else ()) as reader:
        shown = reader.sandbox()
        readings = {name: reader.read(Paper(name, data)).status for name, data in FILES.items()}
        seen = [reader.read(Paper("picture", data), ocr=True) for data in pictures]
    found = {
        "sandbox": [shown.works, shown.filtered, shown.reason],
        "read": readings,
        "seen": [[reading.status, reading.ocr, reading.text] for reading in seen],
        "ocr": shown.ocr and [shown.ocr.works, shown.ocr.used, shown.ocr.reason],
        "tried": tried(TRIES),
        "ends": ends(),
    }
    sandbox.MACHINES.clear()
    found["unfiltered"] = tried(HELD_BY_LIMITS)
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
