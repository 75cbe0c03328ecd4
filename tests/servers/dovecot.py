"""A private Dovecot 2.3: IMAP with MOVE, UIDPLUS, QRESYNC, SPECIAL-USE and TLS. Any user name logs in with PASSWORD.

Dovecot's paths are compiled in, so the fetched tree is overlaid on /usr in a mount namespace of the server's own: as
root plainly, as an ordinary user through a user namespace.
"""

from __future__ import annotations

import contextlib
import grp
import os
import signal
import subprocess
from pathlib import Path
from typing import Self

from tests.servers.private import (
    PASSWORD,
    Account,
    free_port,
    make_certificate,
    private_folder,
    stop,
    tree,
    wait_for_greeting,
)

CONFIG = """
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/dovecot.log
instance_name = postroom-test
protocols = imap
listen = 127.0.0.1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
# The ordinary user of a test may have a low number.
first_valid_uid = 1
first_valid_gid = 1
default_vsz_limit = 0
shutdown_clients = yes
mail_fsync = never
ssl = yes
ssl_cert = <{root}/cert.pem
ssl_key = <{root}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login
# A wrong password is answered at once instead of after two seconds.
auth_failure_delay = 0
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={root}/mail/%u
}}
mail_location = maildir:~/Maildir
namespace inbox {{
  inbox = yes
  separator = {separator}
  prefix = {prefix}
  mailbox Junk {{
    special_use = \\Junk
    auto = create
  }}
  mailbox Archive {{
    special_use = \\Archive
    auto = create
  }}
}}
protocol imap {{
  mail_max_userip_connections = 200
}}
service imap-login {{
  chroot =
  process_min_avail = 1
  service_count = 0
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
  # Nor does it get slower with every wrong password from the same address.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
{extra}
"""


class Dovecot:
    """`with Dovecot() as server:` then `server.port`, `server.tls_port`, `server.certificate`."""

    name = "dovecot"

    def __init__(
        self, extra: str = "", *, separator: str = "/", prefix: str = "", host_name: str = "localhost"
    ) -> None:
        self.extra, self.separator, self.prefix, self.host_name = extra, separator, prefix, host_name

    def __enter__(self) -> Self:
        self.account = Account.ordinary()
        self.root = private_folder("dovecot-")
        for folder in ("run", "state", "mail"):
            (self.root / folder).mkdir()
        self.certificate = make_certificate(self.root, self.host_name)
        self.port, self.tls_port = free_port(), free_port()
        self.config = self.root / "dovecot.conf"
        self.config.write_text(
            CONFIG.format(
                root=self.root,
                user=self.account.name,
                group=group_name(self.account.gid),
                port=self.port,
                tls_port=self.tls_port,
                separator=self.separator,
                prefix=self.prefix,
                password=PASSWORD,
                extra=self.extra,
            )
        )
        self.account.own(self.root)
        self.start()
        return self

    def start(self) -> None:
        """Start, or start again after `halt`, on the same ports with the same mail."""
        command = self._inside("exec dovecot -F -c " + str(self.config))
        # A session of its own: the master signals its whole process group when it stops.
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={"PATH": os.environ["PATH"]},
        )
        wait_for_greeting(self.port, self.process, self.root / "dovecot.log")

    def halt(self) -> None:
        """Stop the server and keep its mail."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
        with contextlib.suppress(ProcessLookupError):  # sessions may outlive the master by a moment
            os.killpg(self.process.pid, signal.SIGKILL)

    def doveadm(self, *words: str) -> str:
        """Run the administrator's tool on this server."""
        script = f"exec doveadm -c {self.config} " + " ".join(f"'{word}'" for word in words)
        answer = subprocess.run(self._inside(script), capture_output=True, text=True, check=True)
        return answer.stdout

    def maildir(self, user: str) -> Path:
        """Where a user's mail lies."""
        return self.root / "mail" / user / "Maildir"

    def _inside(self, script: str) -> list[str]:
        """The command that runs a shell line as the server's user, with Dovecot's files under /usr."""
        namespace = ["unshare", "-m"] if self.account.drop else ["unshare", "-U", "-c", "-m", "--keep-caps"]
        mount = f"mount -t overlay overlay -o lowerdir={tree('dovecot-imapd')}/usr:/usr /usr"
        return [*namespace, "sh", "-c", f'{mount} && exec "$@"', "sh", *self.account.prefix(), "sh", "-c", script]

    def __exit__(self, *_: object) -> None:
        stop(self.process, signal.SIGTERM, self.root)


def group_name(gid: int) -> str:
    return grp.getgrgid(gid).gr_name
