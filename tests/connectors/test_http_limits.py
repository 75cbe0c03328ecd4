"""A server that dribbles, floods or compresses what nobody asked to be compressed, and everybody who asks over HTTP."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from connectors.errors import Unexplained, Unreachable
from connectors.http import HttpApi
from connectors.http_limits import TooLarge, TooLong, limited, within
from daemon.model.engines.engine import EngineUnavailable
from daemon.model.engines.fingerprint import Fingerprint
from daemon.model.engines.ollama_client import connect, version_of
from daemon.model.engines.openai import OpenAIEngine
from tests.servers.hostile import Pieces, dribbled, flood

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
ENDLESS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNK = b"10000\r\n" + 65536 * b"1" + b"\r\n"


@contextmanager
def answering(pieces: Pieces) -> Iterator[str]:
    """The address of a server that answers every request so."""

    def serve(connection: socket.socket) -> None:
        try:
            with connection:
                while connection.recv(65536):
                    for piece in pieces():
                        connection.sendall(piece)
        except OSError:
            return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def api(url: str, timeout: float = 3.0) -> HttpApi:
    return HttpApi("desk", url, dict, timeout=timeout)


SLOW = {
    "the head": dribbled(HEAD + b"X: " + 600 * b"x" + b"\r\nContent-Length: 2\r\n\r\n{}"),
    "the body": dribbled(600 * b" ", start=HEAD + b"Content-Length: 600\r\n\r\n"),
}
"""Both take two minutes."""


@pytest.mark.parametrize("part", SLOW)
def test_a_helpdesk_that_dribbles_is_cut_off(part: str) -> None:
    with answering(SLOW[part]) as url, pytest.raises(Unreachable, match="takes too long over one answer"):
        api(url).get("/x")


@pytest.mark.parametrize("part", SLOW)
def test_a_model_server_that_dribbles_is_cut_off(part: str) -> None:
    with answering(SLOW[part]) as url:
        with pytest.raises(EngineUnavailable, match="took too long"):
            version_of(connect(url, 3.0), url)
        with pytest.raises(EngineUnavailable, match="took too long"):
            OpenAIEngine(url, "m", Fingerprint(tokens={}, probes=()), timeout=3.0).verify()


def test_a_helpdesk_that_sends_without_end_is_refused() -> None:
    with answering(flood(CHUNK, 10_000, start=ENDLESS)) as url, pytest.raises(Unexplained, match="larger than"):
        api(url, 60).get("/x")


def test_what_is_compressed_is_not_expanded() -> None:
    bomb = gzip.compress(gzip.compress(100_000_000 * b" "))
    head = HEAD + b"Content-Encoding: gzip, gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    with answering(lambda: [head + bomb]) as url:
        with pytest.raises(Unexplained, match="compressed, though that was not asked for"):
            api(url, 60).get("/x")
        with pytest.raises(EngineUnavailable):
            version_of(connect(url, 60.0), url)


def test_who_breaks_off_ends_a_request() -> None:
    with answering(SLOW["the body"]) as url:
        desk = api(url, 600)
        raised: list[Exception] = []

        def ask() -> None:
            try:
                desk.get("/x")
            except Unreachable as error:
                raised.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(0.5)
        desk.break_off()
        asking.join(60)
        assert not asking.is_alive()
        assert "Postroom ends" in str(raised[0])


@pytest.mark.parametrize(
    ("pieces", "error"), [(SLOW["the head"], TooLong), (flood(CHUNK, 10_000, start=ENDLESS), TooLarge)]
)
def test_the_limits_hold_for_connections_that_were_opened_before(pieces: Pieces, error: type[Exception]) -> None:
    """And for a proxy's: all that httpx opens comes through the same."""
    answers = iter([lambda: [HEAD + b"Content-Length: 2\r\n\r\n{}"], pieces])

    def one_after_the_other() -> Iterator[bytes]:
        yield from next(answers)()

    with answering(one_after_the_other) as proxy:
        client = limited(httpx.Client(proxy=proxy, timeout=3.0))
        with within(30, most=1000):
            assert client.get("http://other.example/").json() == {}
        with within(3, most=1000), pytest.raises(error):
            client.get("http://other.example/")
