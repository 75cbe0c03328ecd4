"""A private Cyrus IMAP 3.6: OBJECTID, QRESYNC, and an EXAMINE that really protects.

Any user name and password log in.
"""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Self

from tests.servers.private import Account, free_port, make_certificate, private_folder, stop, tree, wait_for_greeting

IMAPD = """configdirectory: {root}/conf
proc_path: {root}/proc
mboxname_lockpath: {root}/lock
defaultpartition: default
partition-default: {root}/spool
sievedir: {root}/sieve
cyrus_user: {user}
cyrus_group: {group}
admins: admin
altnamespace: yes
unixhierarchysep: yes
virtdomains: off
allowplaintext: yes
sasl_pwcheck_method: alwaystrue
sasl_mech_list: PLAIN LOGIN
sasl_auto_transition: no
autocreate_quota: {quota}
autocreate_post: no
autocreate_inbox_folders: Junk | Archive
autocreate_subscribe_folders: Junk
xlist-junk: Junk
xlist-archive: Archive
specialusealways: 1
conversations: no
idlesocket: {root}/idle
lmtpsocket: {root}/lmtp
notifysocket: {root}/notify
syslog_prefix: postroom-test
maxlogins_per_user: 0
tls_server_cert: {root}/cert.pem
tls_server_key: {root}/key.pem
sync_log: no
statuscache: on
munge8bit: no
"""

MASTER = """START {{
  recover cmd="{programs}/ctl_cyrusdb -C {root}/imapd.conf -r"
}}
SERVICES {{
  imap cmd="{programs}/imapd -C {root}/imapd.conf -U 30" listen="127.0.0.1:{port}" prefork=1 maxchild=100
}}
DAEMON {{
  idled cmd="{programs}/idled -C {root}/imapd.conf"
}}
EVENTS {{
  checkpoint cmd="{programs}/ctl_cyrusdb -C {root}/imapd.conf -c" period=30
}}
"""


class Cyrus:
    """`with Cyrus() as server:` then `server.port`. `quota` in KiB for every new user, 0 for none."""

    name = "cyrus"
    separator = "/"
    prefix = ""

    def __init__(self, quota: int = 0) -> None:
        self.quota = quota

    def __enter__(self) -> Self:
        from tests.servers.dovecot import group_name

        self.account = Account.ordinary()
        self.root = private_folder("cyrus-")
        for folder in ("conf/db", "conf/socket", "proc", "lock", "spool", "sieve"):
            (self.root / folder).mkdir(parents=True)
        make_certificate(self.root)
        self.port = free_port()
        self.programs = tree("cyrus-imapd") / "usr/lib/cyrus/bin"
        values = {
            "root": self.root,
            "user": self.account.name,
            "group": group_name(self.account.gid),
            "port": self.port,
            "programs": self.programs,
            "quota": self.quota,
        }
        (self.root / "imapd.conf").write_text(IMAPD.format(**values))
        (self.root / "cyrus.conf").write_text(MASTER.format(**values))
        self.account.own(self.root)
        self.start()
        return self

    def start(self) -> None:
        """Start, or start again after `halt`, on the same port with the same mail."""
        usr = tree("cyrus-imapd") / "usr"
        libraries = [usr / "lib", *usr.glob("lib/*-linux-gnu"), usr / "lib/cyrus"]
        environment = {
            "PATH": os.environ["PATH"],
            "CYRUS_USER": self.account.name,
            "LD_LIBRARY_PATH": ":".join(str(folder) for folder in libraries),
        }
        arguments = ["-C", self.root / "imapd.conf", "-M", self.root / "cyrus.conf", "-p", self.root / "master.pid"]
        with (self.root / "stderr").open("wb") as errors:
            self.process = subprocess.Popen(
                [*self.account.prefix(), str(self.programs / "master"), *map(str, arguments)],
                stdout=errors,
                stderr=errors,
                start_new_session=True,
                env=environment,
            )
        wait_for_greeting(self.port, self.process, self.root / "stderr")

    def halt(self) -> None:
        """Stop the server and keep its mail. SIGQUIT is the one that stops the children too."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(10)

    def __exit__(self, *_: object) -> None:
        stop(self.process, signal.SIGQUIT, self.root)
