"""A private maddy 0.8: MOVE without UIDPLUS and without COPYUID, and an own reading of SEARCH.

Any user name and password log in.
"""

from __future__ import annotations

import signal
import subprocess
from typing import Self

from tests.servers.private import SERVERS, Account, free_port, private_folder, stop, wait_for_greeting

CONFIG = """
state_dir {root}
runtime_dir {root}
hostname localhost
tls off
log {root}/log
storage.imapsql boxes {{
    driver sqlite3
    dsn mail.db
}}
imap tcp://127.0.0.1:{port} {{
    auth dummy
    storage &boxes
    insecure_auth yes
}}
"""


class Maddy:
    """`with Maddy() as server:` then `server.port`."""

    name = "maddy"
    separator = "."
    prefix = ""

    def __enter__(self) -> Self:
        program = SERVERS / "maddy/maddy"
        if not (SERVERS / "maddy/complete").exists():
            raise FileNotFoundError(f"{program} is missing. Run `make servers` first.")
        account = Account.ordinary()
        self.root = private_folder("maddy-")
        self.port = free_port()
        (self.root / "maddy.conf").write_text(CONFIG.format(root=self.root, port=self.port))
        account.own(self.root)
        with (self.root / "said").open("wb") as said:
            self.process = subprocess.Popen(
                [*account.prefix(), str(program), "--config", str(self.root / "maddy.conf"), "run"],
                stdout=said,
                stderr=said,
                cwd=self.root,
                start_new_session=True,
            )
        wait_for_greeting(self.port, self.process, self.root / "said", 30)
        return self

    def __exit__(self, *_: object) -> None:
        stop(self.process, signal.SIGTERM, self.root)
