"""`python -I -m daemon.papers.paper_worker SHAPE LIMITS LANGUAGES`: reads files, each in a child that may only compute.

    load every library and codec | say how a child is confined | a request by stdin -> fork -> the child's answer to
    stdout | ... until stdin closes

Starting Python and loading libraries takes some hundred milliseconds, a fork one. The child has the file in its memory
already; it gives up everything else (`sandbox.confine`) before it looks at the first byte, and what it does then, an
abort, a loop or a bomb, ends with it. This process itself never parses anything of a file.
"""

from __future__ import annotations

import contextlib
import encodings
import gc
import importlib
import json
import mmap
import os
import pkgutil
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NoReturn

from daemon.papers.paper import Reading, Status, from_json
from daemon.papers.pipes import ANSWER, REQUEST, shape
from daemon.papers.read_any import Recognise, read_in_turn, warm_up
from daemon.papers.sandbox import ReadingLimits, confine

Write = Callable[[bytes], None]
Work = Callable[[Write, str], None]
"""What a child does: it writes its answer; the words are why system calls are not filtered, or empty."""

REQUESTS, ANSWERS = 0, 1
NOT_PRELOADED = {"mbcs", "oem", "cp65001", "idna", "punycode", "undefined"}


def main(arguments: list[str]) -> int:
    """Serve until stdin closes. Arguments: the shape of answers; limits and languages of pictures, as JSON."""
    if arguments[:1] != [shape()]:
        _answer(json.dumps({"shape": shape()}).encode())
        return 1
    limits = ReadingLimits(**json.loads(arguments[1]))
    # Ctrl-C is meant for the command that started this; its end closes stdin.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # When memory runs out, this goes before the daemon.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123
        score.write("1000")
    recognise, told = _eyes(tuple(json.loads(arguments[2])))
    preload()
    trial, _ = in_a_child(_trial, limits)
    told |= json.loads(trial or b'{"filter": "a child of the reading process ends at once"}')
    _answer(json.dumps(told | {"shape": shape()}).encode())
    while (asked := _next_request()) is not None:
        name, data = asked
        if data is None:
            _answer(Reading("unavailable").to_json())
            continue
        with data, a_child(_reader_of(name, data, recognise), limits) as child:
            _answer(_reading_of(child).to_json())
    return 0


def _eyes(languages: tuple[str, ...]) -> tuple[Recognise | None, dict[str, object]]:
    """What recognises letters, if languages are named, and what there is to tell of it."""
    if not languages:
        return None, {}
    from daemon.papers.tesseract import NoTesseract, Tesseract  # no memory for who does not want it

    try:
        eyes = Tesseract(languages)
    except NoTesseract as error:
        missing = [language for language in languages if language not in error.installed]
        return None, {"ocr": {"reason": str(error), "missing": missing, "installed": error.installed}}
    return eyes.lines, {"ocr": {"used": eyes.used, "missing": eyes.missing, "installed": eyes.installed}}


def preload() -> None:
    """Load what a child could want later, when it may open no file any more: above all every codec."""
    for module in pkgutil.iter_modules(encodings.__path__):
        if module.name not in NOT_PRELOADED:
            importlib.import_module(f"encodings.{module.name}")
    warm_up()
    gc.collect()
    gc.freeze()  # a child's garbage collector would copy every page that it looks at


def _reader_of(name: str, data: mmap.mmap, recognise: Recognise | None) -> Work:
    def read(write: Write, _: str) -> None:
        for reading in read_in_turn(name, data[:], recognise):
            write(reading.to_json() + b"\n")

    return read


def _reading_of(child: Child) -> Reading:
    """What it read, or how it ended. What it read before an end counts: a file inside may have been the bomb."""
    whole = child.answered[: child.answered.rfind(b"\n") + 1].splitlines()
    reading = from_json(whole[-1]) if whole else None
    if reading is None:
        return Reading(child.end() or "crashed")
    if reading.status == "crashed":
        return replace(reading, status=child.end() or "crashed")
    return reading


@dataclass
class Child:
    """A child that has closed its answer, by itself or by its end."""

    pid: int
    answered: bytes
    ends_at: float
    ended: Status | None
    """What is known of its end so far: "late" or "limit"."""

    def end(self) -> Status | None:
        """Wait for its end, and see to it. None: it ended by itself, well."""
        if self.pid:
            self.ended = _reap(self.pid, self.ends_at, self.ended)
            self.pid = 0
        return self.ended


@contextlib.contextmanager
def a_child(work: Work, limits: ReadingLimits) -> Iterator[Child]:
    """A confined child that has done `work`. It is gone afterwards; taking a process down takes a millisecond or two,
    for which nobody need wait who has its answer."""
    reading, writing = os.pipe()
    try:
        pid = os.fork()
    except OSError:  # for want of memory, or of processes
        os.close(reading)
        os.close(writing)
        yield Child(0, b"", 0.0, "unavailable")
        return
    if pid == 0:
        _become_the_child(work, writing, limits)
    os.close(writing)
    ends_at = time.monotonic() + limits.seconds
    answered, ended = _collect(reading, limits.answer_bytes, ends_at)
    os.close(reading)
    child = Child(pid, answered, ends_at, ended)
    try:
        yield child
    finally:
        child.ended = child.ended or "late"  # it has told all, and need not live on
        child.end()


def in_a_child(work: Work, limits: ReadingLimits) -> tuple[bytes, Status | None]:
    """What a confined child wrote while it did `work`, and how it ended; None: by itself, well."""
    with a_child(work, limits) as child:
        return child.answered, child.end()


def _become_the_child(work: Work, writing: int, limits: ReadingLimits) -> NoReturn:
    code = 1
    try:
        os.dup2(writing, ANSWERS)
        os.close(REQUESTS)
        os.closerange(ANSWERS + 1, max(writing, 63) + 1)
        work(_write_all, confine(limits, ANSWERS))
        os.close(ANSWERS)
        code = 0
    finally:
        os._exit(code)


def _trial(write: Write, why_not: str) -> None:
    """Does the filter hold? Signal 0 to oneself does nothing, and only a filter refuses it."""
    if not why_not:
        try:
            os.kill(os.getpid(), 0)
            why_not = "the filter was set and filters nothing"
        except PermissionError:
            pass
    write(json.dumps({"filter": why_not}).encode())


def _write_all(line: bytes) -> None:
    left = memoryview(line)
    while left:
        left = left[os.write(ANSWERS, left) :]


def _collect(descriptor: int, most: int, ends_at: float) -> tuple[bytes, Status | None]:
    found = bytearray()
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    while True:
        left = ends_at - time.monotonic()
        if left <= 0 or not waiting.poll(left * 1000):
            return bytes(found), "late"
        more = os.read(descriptor, 1 << 16)
        if not more:
            return bytes(found), None
        found += more
        if len(found) > most:
            return b"", "limit"


def _reap(child: int, ends_at: float, ended: Status | None) -> Status | None:
    """Wait for the child's end, and see to it."""
    while ended is None:
        done, how = os.waitpid(child, os.WNOHANG)
        if done:
            return _meaning(how)
        if time.monotonic() > ends_at:
            ended = "late"
        time.sleep(0.0005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return ended


def _meaning(how: int) -> Status | None:
    if os.WIFSIGNALED(how):
        by = os.WTERMSIG(how)
        # SIGKILL that is not ours: the second limit of processor time, or the kernel's, for want of memory.
        return "late" if by == signal.SIGALRM else "limit" if by in (signal.SIGXCPU, signal.SIGKILL) else "crashed"
    return None if os.WEXITSTATUS(how) == 0 else "crashed"


def _next_request() -> tuple[str, mmap.mmap | None] | None:
    """Name and bytes of the next file, None for bytes that there is no memory for; None if there is nobody (any more)
    who asks."""
    head = bytearray(REQUEST.size)
    if not _fill(head):
        return None
    name_length, length = REQUEST.unpack(head)
    name = bytearray(name_length)
    try:
        # Not on the heap, which would stay as large as the largest file was.
        data = mmap.mmap(-1, length)
    except OSError:
        return ("", None) if _fill(name) and _skip(length) else None
    return (name.decode("utf-8", "replace"), data) if _fill(name) and _fill(data) else None


def _skip(length: int) -> bool:
    """Read so many bytes to nowhere. False: the pipe closed before."""
    room = bytearray(1 << 16)
    while length:
        with memoryview(room)[: min(length, len(room))] as part:
            more = os.readv(REQUESTS, [part])
        if not more:
            return False
        length -= more
    return True


def _fill(into: bytearray | mmap.mmap) -> bool:
    """Read as many bytes as there is room for. False: the pipe closed before."""
    with memoryview(into) as room:
        done = 0
        while done < len(room):
            more = os.readv(REQUESTS, [room[done:]])
            if not more:
                return False
            done += more
    return True


def _answer(line: bytes) -> None:
    _write_all(ANSWER.pack(len(line)) + line)


if __name__ == "__main__":
    # Whoever asked is gone: there is nobody to tell.
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main(sys.argv[1:]))
