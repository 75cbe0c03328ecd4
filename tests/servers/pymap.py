"""pymap in this process: a small IMAP server with MOVE, UIDPLUS and OBJECTID, without keywords and LIST-STATUS."""

from __future__ import annotations

import asyncio
import threading
from argparse import Namespace
from typing import Self

from proxyprotocol.reader import ProxyProtocolReader
from pymap.backend.dict import DictBackend
from pymap.imap import IMAPServer
from pysasl.hashing import BuiltinHash

from tests.servers.private import PASSWORD


class Pymap:
    """`with Pymap("alice") as server:` then `server.port`. It holds one mailbox, of one user."""

    name = "pymap"
    separator = "/"
    prefix = ""

    def __init__(self, user: str) -> None:
        self.user = user

    def __enter__(self) -> Self:
        self.ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self.thread.start()
        assert self.ready.wait(20), "pymap did not start"
        return self

    async def _serve(self) -> None:
        self.loop, self.over = asyncio.get_running_loop(), asyncio.Event()
        arguments = Namespace(
            host="127.0.0.1",
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
            demo_password=PASSWORD,
        )
        backend, config = await DictBackend.init(
            arguments,
            secure_auth=False,
            hash_context=BuiltinHash(rounds=1),  # a login in a millisecond
        )
        config.apply_context()
        server = IMAPServer(backend.login, config)
        reader = ProxyProtocolReader(config.proxy_protocol)
        listener = await asyncio.start_server(reader.get_callback(server), "127.0.0.1", 0)
        self.port: int = listener.sockets[0].getsockname()[1]
        self.ready.set()
        async with listener:
            await self.over.wait()

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.over.set)
        self.thread.join(5)
