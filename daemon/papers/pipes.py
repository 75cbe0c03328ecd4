"""The frames between the daemon and its reading process, over two pipes; each has a deadline.

request   length of name (4) | length of data (4) | name | data          the daemon to the process
answer    length (4) | one line of JSON                                  the process to the daemon
"""

from __future__ import annotations

import os
import select
import struct
import time
from dataclasses import fields
from typing import get_args

from daemon.papers.paper import EInvoice, Reading, Status
from daemon.papers.sandbox import ReadingLimits

REQUEST = struct.Struct("<II")
ANSWER = struct.Struct("<I")
LONGEST_NAME = 1_000
_CHUNK = 1 << 16


def shape() -> str:
    """What goes over the pipes, by its names: a worker of another version may not mean the same as the daemon."""
    names = (part.name for what in (ReadingLimits, Reading, EInvoice) for part in fields(what))
    return " ".join((REQUEST.format, ANSWER.format, *names, *get_args(Status)))


class Closed(Exception):
    """Nobody is at the other end (any more)."""


class TooSlow(Exception):
    """The deadline has passed."""


def request(name: str, length: int) -> bytes:
    """What comes before a file's bytes, to ask for it to be read."""
    called = name.encode("utf-8", "replace")[:LONGEST_NAME]
    return REQUEST.pack(len(called), length) + called


def send(descriptor: int, data: bytes, ends_at: float) -> None:
    """Write all of it to a descriptor that does not block. `ends_at`: by time.monotonic."""
    left = memoryview(data)
    while left:
        _wait(descriptor, select.POLLOUT, ends_at)
        try:
            left = left[os.write(descriptor, left[:_CHUNK]) :]
        except BlockingIOError:
            continue
        except OSError as error:
            raise Closed from error


def receive(descriptor: int, length: int, ends_at: float) -> bytes:
    """Read exactly so many bytes from a descriptor that does not block."""
    found = bytearray()
    while len(found) < length:
        _wait(descriptor, select.POLLIN, ends_at)
        try:
            more = os.read(descriptor, min(_CHUNK, length - len(found)))
        except BlockingIOError:
            continue
        except OSError as error:
            raise Closed from error
        if not more:
            raise Closed
        found += more
    return bytes(found)


def _wait(descriptor: int, event: int, ends_at: float) -> None:
    waiting = select.poll()
    waiting.register(descriptor, event)
    left = ends_at - time.monotonic()
    if left <= 0 or not waiting.poll(left * 1000):
        raise TooSlow
