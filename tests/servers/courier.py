"""A private Courier IMAP 5: no MOVE, no CONDSTORE, no LIST-STATUS, folders under "INBOX."

Any user logs in with PASSWORD.

The real imapd runs on the client's own socket; the login before it is played here, as Courier's imaplogin does it: the
answer to LOGIN comes from imapd itself, which is told the tag by its environment.
"""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

from tests.servers.front import LoginFront
from tests.servers.private import SERVERS, tree

CAPABILITIES = "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA IDLE"


class Courier(LoginFront):
    """`with Courier() as server:` then `server.port`. `settings` go to imapd's environment: IMAP_KEYWORDS="0"."""

    name = "courier"
    separator = "."
    prefix = "INBOX."

    def __init__(self, capabilities: str = CAPABILITIES, **settings: str) -> None:
        super().__init__(capabilities)
        self.settings = settings

    def prepare(self) -> None:
        usr = tree("courier-imap") / "usr"
        self.imapd, self.make_maildir = usr / "bin/imapd", usr / "bin/maildirmake.courier"
        libraries = [
            SERVERS / "stub",
            usr / "lib",
            *usr.glob("lib/*-linux-gnu"),
            *usr.glob("lib/*-linux-gnu/courier-*"),
        ]
        self.environment = {
            "PATH": os.environ["PATH"],
            "LD_LIBRARY_PATH": ":".join(str(folder) for folder in libraries),
            "IMAP_CAPABILITY": self.capabilities,
            "IMAP_KEYWORDS": "1",
            "IMAP_USELOCKS": "1",
            "IMAP_ACL": "1",
            "IMAP_IDLE_TIMEOUT": "1",
            "IMAP_MAILBOX_SANITY_CHECK": "1",
            "IMAP_EMPTYTRASH": "",
            "TCPREMOTEIP": "127.0.0.1",
            "TCPREMOTEPORT": "1",
            **self.settings,
        }

    def maildir(self, user: str) -> Path:
        return self.home(user) / "Maildir"

    def furnish(self, home: Path) -> None:
        command = [*self.account.prefix(), str(self.make_maildir), str(home / "Maildir")]
        subprocess.run(command, check=True, env=self.environment)

    def serve(self, connection: socket.socket, user: str, tag: str) -> None:
        home = self.home(user)
        login = {"HOME": str(home), "AUTHENTICATED": user, "AUTHUSER": user, "IMAPLOGINTAG": tag}
        child = subprocess.Popen(
            [*self.account.prefix(), str(self.imapd), "Maildir"],
            stdin=connection.fileno(),
            stdout=connection.fileno(),
            stderr=subprocess.DEVNULL,
            cwd=home,
            env={**self.environment, **login},
        )
        self.children.append(child)
        connection.close()
        child.wait()
