"""A private imap4d of GNU mailutils 3.15: neither MOVE nor UIDPLUS, no keywords, and search sets with "*" find nothing.

Any user logs in with PASSWORD. The real imap4d runs without a login on the client's connection, over mboxes, which it
makes by itself: in a Maildir the UIDs of what is new change from session to session.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from pathlib import Path

from tests.servers.front import LoginFront
from tests.servers.private import tree

CONFIG = """
preauth stdio;
preauth-only yes;
mode inetd;
logging {{ syslog no; }};
mailbox {{ mailbox-pattern "mbox://{home}/INBOX"; mailbox-type mbox; }};
namespace personal {{ prefix "" {{ directory "{home}/folders"; delimiter "/"; mailbox-type mbox; }}; }};
"""


class Imap4d(LoginFront):
    """`with Imap4d() as server:` then `server.port`."""

    name = "imap4d"

    def __init__(self) -> None:
        super().__init__("IMAP4rev1")

    def prepare(self) -> None:
        usr = tree("mailutils-imap4d") / "usr"
        self.program = usr / "sbin/imap4d"
        libraries = [usr / "lib", *usr.glob("lib/*-linux-gnu")]
        self.environment = {
            "PATH": os.environ["PATH"],
            "LD_LIBRARY_PATH": ":".join(str(folder) for folder in libraries),
        }

    def furnish(self, home: Path) -> None:
        (home / "folders").mkdir()
        (home / "INBOX").touch()
        (home / "imap4d.conf").write_text(CONFIG.format(home=home))
        self.account.own(home)

    def serve(self, connection: socket.socket, user: str, tag: str) -> None:
        home = self.home(user)
        with subprocess.Popen(
            [*self.account.prefix(), str(self.program), f"--config-file={home / 'imap4d.conf'}"],
            stdin=connection.fileno(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=home,
            env=self.environment,
        ) as child:
            self.children.append(child)
            assert child.stdout
            greeting = child.stdout.readline()  # instead of the answer to a LOGIN that it never heard
            assert greeting.startswith(b"* PREAUTH"), greeting
            connection.sendall(f"{tag} OK LOGIN completed\r\n".encode())
            with contextlib.suppress(OSError):
                while piece := os.read(child.stdout.fileno(), 65536):
                    connection.sendall(piece)
            child.terminate()
