"""A real IMAP server inside this process: pymap in a thread of its own, mail in memory, on 127.0.0.1 only.

    with DemoServer() as server: connect to server.host, server.port as server.user with server.password

Its mail is gone when the process ends. pymap keeps no keywords and knows no LIST-STATUS; moves, IDLE and COPYUID are
as on a big server.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from argparse import Namespace
from types import TracebackType
from typing import Self
from uuid import uuid4

from proxyprotocol.sock import SocketInfoLocal
from pymap.backend.dict import DictBackend
from pymap.imap import IMAPServer
from pysasl.hashing import BuiltinHash

START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 5


class DemoServerFailed(Exception):
    """The IMAP server inside this process did not start; the reason is its cause."""


class DemoServer:
    """An IMAP server with one user, from `__enter__` to `__exit__`. Without a password it makes a new one each time.

    `hash_rounds`: pbkdf2's for the login; None is pymap's default, some 0.3 s.
    """

    host = "127.0.0.1"

    def __init__(self, user: str = "office", password: str | None = None, hash_rounds: int | None = None) -> None:
        self.user = user
        self.password = password or secrets.token_urlsafe(9)
        self._hash_rounds = hash_rounds
        self.port = 0
        """A free one, known once the server has started."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._started = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="demo-imap", daemon=True)

    def __enter__(self) -> Self:
        """Start and wait until it accepts connections. Raises DemoServerFailed."""
        self._thread.start()
        if not self._started.wait(START_TIMEOUT_S) or self._failure is not None:
            raise DemoServerFailed(f"the demo's IMAP server did not start: {self._failure}") from self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # whatever it was, the thread that waits must hear of it
            self._failure = error
            self._started.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        # A client that hangs up is normal life here, but asyncio and pymap would print it over the demo's pages.
        for name in ("asyncio", "pymap"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        imap = await self._imap()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # asyncio holds on to this task. pymap's own start makes one more that nothing holds: Python 3.13 collects
            # it, and the connection with it.
            await imap(reader, writer, SocketInfoLocal(writer, unique_id=uuid4().bytes))

        server = await asyncio.start_server(connected, self.host, 0)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        async with server:
            await self._stop.wait()
        # asyncio.run cancels the connections that are still open.

    async def _imap(self) -> IMAPServer:
        """pymap's own start does this from command-line arguments (pymap.imap.IMAPService.start)."""
        arguments = Namespace(
            host=self.host,
            port=0,
            cert=None,
            key=None,
            tls=False,
            debug=False,
            proxy_protocol=None,
            inherited_sockets=None,
            passlib_cfg=None,
            skip_services=[],
            demo_data=False,
            demo_user=self.user,
            demo_password=self.password,
        )
        # On the loop-back interface there is no TLS, and nobody to look up in a block list.
        more = {} if self._hash_rounds is None else {"hash_context": BuiltinHash(rounds=self._hash_rounds)}
        backend, config = await DictBackend.init(arguments, secure_auth=False, reject_dnsbl=False, **more)
        config.apply_context()
        return IMAPServer(backend.login, config)
