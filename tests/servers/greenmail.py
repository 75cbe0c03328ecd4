"""A private GreenMail 2.1, its mail in memory: MOVE and UIDPLUS; no blank before the literal of a part of a body.

Any user name and password log in.
"""

from __future__ import annotations

import signal
import subprocess
from typing import Self

from tests.servers.java import GENTLE, java
from tests.servers.private import Account, free_port, private_folder, stop, wait_for_greeting


class GreenMail:
    """`with GreenMail() as server:` then `server.port`."""

    name = "greenmail"
    separator = "."
    prefix = ""

    def __enter__(self) -> Self:
        account = Account.ordinary()
        self.root = private_folder("greenmail-")
        account.own(self.root)
        self.port = free_port()
        where = ["-Dgreenmail.imap.hostname=127.0.0.1", f"-Dgreenmail.imap.port={self.port}"]
        program, folder = java()
        with (self.root / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *account.prefix(),
                    program,
                    *GENTLE,
                    *where,
                    "-Dgreenmail.auth.disabled",
                    "-jar",
                    f"{folder}/greenmail.jar",
                ],
                stdout=log,
                stderr=log,
                cwd=self.root,
                start_new_session=True,
            )
        wait_for_greeting(self.port, self.process, self.root / "log", 60)
        return self

    def __exit__(self, *_: object) -> None:
        stop(self.process, signal.SIGKILL, self.root)  # nothing on a disk to be kept
