"""A private systemd: PID 1 of a machine of its own that shares this one's loopback and files (a layer in memory takes
what is written) and nothing else. Only root can start one; everybody else is told so.

    own mount, pid, ipc, uts and cgroup namespaces | systemd with a journal and a bus, no other units | ours on top
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Self

import psutil

from tests.servers.private import private_folder, stop, tree

BOOT = Path(__file__).with_name("systemd_boot.sh")
# The targets that services of every kind name: a whole machine's would bring its disks, network and logins.
TARGETS = ("sysinit", "basic", "shutdown", "network-online", "multi-user", "sockets", "timers", "paths", "slices")
NO_DEFAULTS = "[Unit]\nDefaultDependencies=no\n"
WANTED = ("dbus.socket", "systemd-journald.service", "systemd-journald.socket", "systemd-journald-dev-log.socket")
UNITS = {
    "boot.target": f"{NO_DEFAULTS}Wants={' '.join(WANTED)} multi-user.target\nAfter={' '.join(WANTED)}\n",
    # As Debian's, without its user and its policies: everybody in here is root, and nobody else can get in.
    "dbus.socket": f"{NO_DEFAULTS}[Socket]\nListenStream=/run/dbus/system_bus_socket\n",
    "dbus.service": f"{NO_DEFAULTS}[Service]\nType=notify\nNotifyAccess=main\nExecStart=/usr/bin/dbus-daemon "
    "--config-file={units}/bus.conf --address=systemd: --nofork --nopidfile --systemd-activation\n",
    "bus.conf": "<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen>"
    '<auth>EXTERNAL</auth><policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/>'
    '<allow receive_sender="*"/></policy></busconfig>',
}
_numbers = count(1)


class NoSystemd(RuntimeError):
    """This machine cannot run a private systemd. `str()` says why and what to do."""


class PrivateSystemd:
    """`with PrivateSystemd() as machine:` then `machine.run("systemctl", ...)`."""

    def __enter__(self) -> Self:
        if os.geteuid() != 0:
            raise NoSystemd("The shipped unit is tested on a real systemd, which only root can start. Run as root.")
        try:
            packages = tree("systemd")
        except FileNotFoundError as error:
            raise NoSystemd(str(error)) from None
        self.root = private_folder("systemd-")
        self.log = self.root / "systemd.log"
        self._write_units(packages / "usr/lib/systemd/system")
        self.cgroup = _new_cgroup()
        namespaces = ["unshare", "-C", "-m", "-p", "-i", "-u", "--fork", "--kill-child", "--mount-proc"]
        boot = ["sh", str(BOOT), str(self.root), str(packages)]
        into = ["sh", "-c", f'echo $$ > {self.cgroup}/cgroup.procs && exec "$@"', "sh"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                # It ends with the tests, however they end.
                ["setpriv", "--pdeathsig", "KILL", *into, *namespaces, *boot],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._wait_for_boot()
        except BaseException:
            self._end()
            raise
        return self

    def _write_units(self, shipped: Path) -> None:
        units = self.root / "units"
        units.mkdir()
        for name in TARGETS:
            (units / f"{name}.target").write_text(NO_DEFAULTS)
        for name, text in UNITS.items():
            (units / name).write_text(text.replace("{units}", str(units)))
        for path in shipped.glob("systemd-journald*"):
            if path.is_file() and "audit" not in path.name:  # the kernel's audit is the real machine's
                shutil.copy(path, units)

    def _wait_for_boot(self, seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            self.inner = next(iter(_children(self.process.pid)), 0)
            if self.inner and self.run("systemctl", "is-active", "boot.target", fine=None).stdout == "active\n":
                return
            time.sleep(0.1)
        words = self.log.read_text(errors="replace")
        raise NoSystemd(
            "The shipped unit is tested on a private systemd, which did not start here. It needs overlay mounts and a "
            f"cgroup2 hierarchy that may be written (in a container: --privileged). It said:\n{words}"
        )

    def run(
        self, *command: str, given: str | None = None, fine: tuple[int, ...] | None = (0,), seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in there as root. `fine`: the exit codes that are, None for all."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.inner), "-m", "-p", "-i", "-u", "-C", "--wd=/", *command],
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            timeout=seconds,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
        )
        assert fine is None or done.returncode in fine, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    @contextlib.contextmanager
    def typing(self, *command: str) -> Iterator[int]:
        """Run a command in there from a terminal of its own, whose other end this is: write to it, and it is typed."""
        ours, theirs = os.openpty()
        enter = ["nsenter", "-t", str(self.inner), "-m", "-p", "-i", "-u", "-C", "--wd=/"]
        with subprocess.Popen(
            # In there: who leads the session survives Ctrl-C, as a shell does. Which counts, though the tests were
            # started in the background, where it does not.
            [*enter, "env", "--default-signal=INT", "setsid", "--ctty", *command],
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM": "dumb"},
        ) as process:  # fmt: skip
            os.close(theirs)
            try:
                yield ours
            finally:
                os.close(ours)  # hangs up
                process.kill()

    def processes(self, word: str) -> list[psutil.Process]:
        """The processes of this machine that have the word in their command line."""
        found = []
        for procs in self.cgroup.rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                for pid in procs.read_text().split():
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process = psutil.Process(int(pid))
                        if any(word in part for part in process.cmdline()):
                            found.append(process)
        return found

    def _end(self) -> None:
        # Its PID 1 is killed with it, and with that the kernel kills all that runs in there and drops the mounts.
        stop(self.process, signal.SIGKILL, self.root)
        end = time.monotonic() + 30
        while not _remove_cgroup(self.cgroup) and time.monotonic() < end:
            time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        self._end()


def _new_cgroup() -> Path:
    top = next(top for top in map(Path, ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")) if top.is_dir())
    for left in top.glob("postroom-test-*"):  # by tests that were killed
        if not Path("/proc", left.name.split("-")[2]).exists():
            _remove_cgroup(left)
    folder = top / f"postroom-test-{os.getpid()}-{next(_numbers)}"
    try:
        folder.mkdir()
    except OSError as error:
        raise NoSystemd(
            f"{folder}: {error.strerror}. The shipped unit is tested on a private systemd, which needs a cgroup of its "
            "own. Run as root, in a container with --privileged."
        ) from None
    return folder


def _remove_cgroup(top: Path) -> bool:
    """False while processes are left in there."""
    for folder, _, _ in os.walk(top, topdown=False):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()
    return not top.exists()


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []
