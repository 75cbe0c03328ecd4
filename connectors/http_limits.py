"""What an HTTP server may take of us: the time of one answer, its bytes, and no compressed one that grows.

    client = limited(httpx.Client(...))         # once; it is asked for plain bytes
    with within(30.0, most=1_000_000):          # around each request: less than `most` bytes, see `connectors.patience`
        client.get(...)

httpx knows a time-out for each read only, so a server that sends a byte now and then holds whoever asks for ever.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

from connectors.patience import Patience

LOOK_UP_S = 1.0
"""So often who waits for the server looks up: is it to end?"""


class TooLong(httpx.ReadTimeout):
    """The server takes too long over one answer."""


class TooLarge(httpx.RemoteProtocolError):
    """The server sends far more than was asked for."""


class BrokenOff(httpx.ReadError):
    """Somebody of ours wants it to end."""


class _Limit:
    def __init__(self, seconds: float, most: int, halt: threading.Event | None) -> None:
        self.patience, self.most, self.halt = Patience(seconds), most, halt


_NOW: ContextVar[_Limit | None] = ContextVar("the limit of the request that is being made", default=None)


@contextmanager
def within(seconds: float, *, most: int, halt: threading.Event | None = None) -> Iterator[None]:
    """The requests in it get one answer each, or all together, by these limits. `halt` ends it within a second.

    Raises TooLong, TooLarge or BrokenOff, which are httpx's own errors, from a client that is `limited`.
    """
    before = _NOW.set(_Limit(seconds, most, halt))
    try:
        yield
    finally:
        _NOW.reset(before)


def limited(client: httpx.Client) -> httpx.Client:
    """The client, whose requests heed `within`."""
    client.headers["Accept-Encoding"] = "identity"
    client.event_hooks["response"] = [*client.event_hooks["response"], _refuse_compressed]
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):
            pool: Any = transport._pool
            pool._network_backend = _Backend(pool._network_backend)
    return client


def _refuse_compressed(response: httpx.Response) -> None:
    # A kilobyte can become a gigabyte, and httpx expands as much at once as has come.
    if response.headers.get("content-encoding", "identity") != "identity":
        raise httpx.DecodingError("compressed, though nobody asked for that", request=response.request)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, real: httpcore.NetworkBackend) -> None:
        self._real = real

    def connect_tcp(self, *where: Any, **how: Any) -> httpcore.NetworkStream:
        return _Stream(self._real.connect_tcp(*where, **how))

    def sleep(self, seconds: float) -> None:
        self._real.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, real: httpcore.NetworkStream) -> None:
        self._real = real

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        limit = _NOW.get()
        return self._real.read(max_bytes, timeout) if limit is None else self._read(max_bytes, timeout, limit)

    def _read(self, max_bytes: int, timeout: float | None, limit: _Limit) -> bytes:
        patience = limit.patience
        silent = time.monotonic() + (timeout if timeout is not None else patience.seconds)
        while True:
            left = min(silent - time.monotonic(), patience.left)
            if limit.halt is not None and limit.halt.is_set():
                raise BrokenOff("ends")
            if left <= 0:
                slow = patience.received and patience.left <= 0
                raise TooLong("too long") if slow else httpcore.ReadTimeout("silent")
            try:
                piece = self._real.read(max_bytes, min(left, LOOK_UP_S))
            except httpcore.ReadTimeout:
                continue
            patience.received += len(piece)
            if patience.received > limit.most:
                raise TooLarge("too large")
            return piece

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._real.write(buffer, timeout)

    def close(self) -> None:
        self._real.close()

    def start_tls(self, *how: Any, **named: Any) -> httpcore.NetworkStream:
        return _Stream(self._real.start_tls(*how, **named))

    def get_extra_info(self, info: str) -> Any:
        return self._real.get_extra_info(info)
