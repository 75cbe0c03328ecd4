"""Postroom as docs/installing.md installs it, word for word, under a private systemd: the unit as it is shipped.

What the page says is read from the page. Only what it takes from outside is here already: the clone is a copy of this
checkout, the packages are those of the tests, and a person's editor is a file that is written.
"""

from __future__ import annotations

import json
import re
import sys
import sysconfig
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests import ROOT
from tests.servers.private import PASSWORD
from tests.servers.systemd import PrivateSystemd

SHIPPED = ("connectors", "daemon", "trainer", "docs", "systemd", "pyproject.toml", "setup.py", "README.md", "LICENSE")
UNIT = "postroom.service"
HIDDEN = ("/root", "/home", "/run/user", "/tmp")
"""Where `ProtectHome` and `PrivateTmp` let the service see nothing."""
OFFLINE = "PIP_NO_INDEX=1 PIP_NO_BUILD_ISOLATION=0 PIP_DISABLE_PIP_VERSION_CHECK=1"
SETTINGS = """
[[mailbox]]
name = "office"
kind = "imap"
host = "127.0.0.1"
port = {port}
tls = "none"
user = "{user}"
credential = "office"
[sorting]
poll = "1s"
act_after = "0s"
settle = "1s"
min_examples = 2
precision = 0.6
[engine]
base = "/opt/tiny.gguf"
max_tokens = 64
threads = 1
[training]
window = "{window}"
min_corrections = 1
threads = 1
[log]
level = "{level}"
"""


def documented(heading: str) -> list[str]:
    """The lines that the page shows as code under a heading, in order, without their four blanks."""
    page = (ROOT / "docs" / "installing.md").read_text(encoding="utf-8")
    section = page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^ {4}(.*)$", section, flags=re.MULTILINE)


class InstalledPostroom:
    """One mailbox on a mail server of ours, watched by the installed service."""

    def __init__(self, machine: PrivateSystemd, port: int, base: Path) -> None:
        self.machine, self.port, self.user = machine, port, "nobody-yet"
        self._install(base)

    def shell(self, line: str, given: str | None = None) -> str:
        """What a line that root types prints."""
        return self.machine.run("sh", "-c", line, given=given).stdout

    def _install(self, base: Path) -> None:
        self._bring_checkout()
        python = self._bring_python()
        packages = Path(sysconfig.get_path("purelib"))
        apt, bus, clone, venv, *more = documented("1. The program")
        assert apt.startswith("apt-get install ")
        self.shell(bus)
        pips = [line for line in more if not line.startswith("apt-get ")]  # the page asks for OCR last, if at all
        assert clone == "git clone REPOSITORY /opt/postroom"
        self.shell(venv.replace("/usr/bin/python3", python))
        # The packages of the tests, under a layer that takes what is installed on top: ours, not editable any more.
        into = f"/opt/postroom/venv/lib/{packages.parent.name}/{packages.name}"
        memory = f"{self.machine.root}/memory/packages"
        layers = f"lowerdir={packages},upperdir={memory}/upper,workdir={memory}/work"
        self.shell(f"mkdir -p {memory}/upper {memory}/work && mount -t overlay overlay -o {layers} {into}")
        for pip in pips:
            # What it needs is there; the backend of the build, too.
            self.shell(f"{OFFLINE} {pip}")
        for line in documented("2. The service"):
            self.shell(line)
        touched, edited = documented("Secrets")
        self.shell(touched)
        assert edited.startswith("editor ")
        self.shell(f"cat > {edited.split()[1]}", given=PASSWORD)
        self.shell(f"cp {base} /opt/tiny.gguf && chmod 644 /opt/tiny.gguf")

    def _bring_checkout(self) -> None:
        with tarfile.open(self.machine.root / "checkout.tar", "w") as tar:
            for name in (*SHIPPED, "config.example.toml"):
                tar.add(ROOT / name, name, filter=lambda entry: None if "__pycache__" in entry.name else entry)
        self.shell(f"mkdir /opt/postroom && tar -xf {self.machine.root}/checkout.tar -C /opt/postroom --no-same-owner")

    def _bring_python(self) -> str:
        """The Python that runs the tests, where Postroom's user may run it (the page warns of others)."""
        home = Path(sys.base_prefix)
        name = f"bin/python{sys.version_info.major}.{sys.version_info.minor}"
        if not str(home.resolve()).startswith(HIDDEN):
            return str(home / name)
        self.shell(f"mkdir /opt/python && mount --bind {home.resolve()} /opt/python")
        # A Python whose library is shared looks for it where it was built: hidden as well.
        self.shell("echo /opt/python/lib > /etc/ld.so.conf.d/00-python.conf && ldconfig")
        return f"/opt/python/{name}"

    def begin(self, user: str, window: str) -> None:
        """As after the installation: a service that never ran, no state, one mailbox."""
        self.machine.run("systemctl", "stop", UNIT)
        self.machine.run("systemctl", "reset-failed", UNIT, fine=None)
        self.shell("rm -rf /var/lib/postroom /etc/systemd/system/postroom.service.d && systemctl daemon-reload")
        self.user = user
        self.edit_settings(window)

    def edit_settings(self, window: str, level: str = "info") -> None:
        """Another time to train, and how much the log tells."""
        settings = SETTINGS.format(port=self.port, user=self.user, window=window, level=level)
        self.shell("cat > /etc/postroom/config.toml", given=settings)

    def postroom(self, *arguments: str, fine: tuple[int, ...] = (0,)) -> str:
        """What a command of the wrapper script prints."""
        done = self.machine.run("/usr/local/bin/postroom", *arguments, fine=None)
        assert done.returncode in fine, f"postroom {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def status(self) -> dict[str, Any]:
        """What `postroom status` says about the mailbox."""
        [mailbox] = json.loads(self.postroom("status", "--json", fine=(0, 3, 4)))["mailboxes"]
        return dict(mailbox)

    def shown(self, name: str) -> str:
        """A property of the unit."""
        return self.machine.run("systemctl", "show", UNIT, f"--property={name}", "--value").stdout.strip()

    def log(self) -> str:
        """The service's own log, as journalctl shows it."""
        return self.machine.run("journalctl", "-u", "postroom", "-o", "cat", "--no-pager").stdout

    def trainers(self) -> list[Any]:
        """The processes that train."""
        return self.machine.processes("/var/lib/postroom/training/job-")

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
        """Wait until something is so."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"{what}: not within {seconds} s\n{self.log()}"
            time.sleep(0.2)


def kill_main(postroom: InstalledPostroom, signal_name: str) -> None:
    """A signal for the service's main process alone."""
    postroom.machine.run("kill", f"-{signal_name}", postroom.shown("MainPID"))
