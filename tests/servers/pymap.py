"""pymap in this process: a small IMAP server with MOVE, UIDPLUS and OBJECTID, without keywords and LIST-STATUS."""

from __future__ import annotations

from daemon.demo.server import DemoServer
from tests.servers.private import PASSWORD


class Pymap(DemoServer):
    """`with Pymap("alice") as server:` then `server.port`. It holds one mailbox, of one user."""

    name = "pymap"
    separator = "/"
    prefix = ""

    def __init__(self, user: str) -> None:
        super().__init__(user, PASSWORD, hash_rounds=1)  # a login in a millisecond
