"""A real Request Tracker 5 on 127.0.0.1, from the packages that fetch_rt.sh unpacked.

    prepared database (once a machine, 5 s) | copy | private /usr | rt-server | answers REST2

RT's programs have /usr compiled in, so the unpacked tree is laid over /usr in a mount namespace of the server's own: as
root directly, as an ordinary user inside a user namespace. Nothing outside the server's folder changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

import httpx

from tests import ROOT

PACKAGES = ROOT / ".servers" / "rt"
PASSWORDS = {"root": "password", "bot": "botpass", "agent": "agentpass", "robot": "robotpass"}
START_SECONDS = 90.0

# RT reads this once, when the database is made. `robot` stands for an office's own automation.
INITIAL_DATA = r"""
our @Queues = map { { Name => $_, Description => $_ } } qw(Billing Tech Sales);
our @CustomFields = (
    { Name => 'Category', Type => 'FreeformSingle',   Queue => 0, LookupType => 'RT::Queue-RT::Ticket' },
    { Name => 'Labels',   Type => 'FreeformMultiple', Queue => 0, LookupType => 'RT::Queue-RT::Ticket' },
);
our @Users = map { { Name => $_, RealName => ucfirst($_), EmailAddress => "$_\@office.test",
                     Password => "${_}pass", Privileged => 1 } } qw(bot agent robot);
our @ACL = map { { GroupDomain => 'SystemInternal', GroupType => 'Privileged', Right => $_ } }
    qw(SeeQueue ShowTicket ShowTicketComments CreateTicket ReplyToTicket CommentOnTicket ModifyTicket DeleteTicket
       OwnTicket SeeCustomField ModifyCustomField);
our @Final = (sub {
    open my $file, '>', $ENV{POSTROOM_TEST_TOKENS} or die "tokens: $!";
    for my $name (qw(bot agent)) {
        my $user = RT::User->new(RT->SystemUser);
        $user->Load($name);
        my ($ok, $message, $token) = RT::AuthToken->new(RT->SystemUser)->Create(
            Owner => $user->Id, Description => 'tests');
        die $message unless $ok;
        print $file "$name $token\n";
    }
    close $file;
});
1;
"""

SITE_CONFIG = r"""
Set($rtname, 'office.test');
Set($Organization, 'office.test');
Set($WebDomain, '127.0.0.1');
Set($WebPort, {port});
Set($WebPath, '');
Set($DatabaseType, 'SQLite');
Set($DatabaseName, '{folder}/rtdb');
Set($MailCommand, 'sendmailpipe');
Set($SendmailPath, '{folder}/sendmail');
Set($BcryptCost, 4);  # each request checks a password: RT's own 12 costs 0.4 s a time
Set($LogToSyslog, undef);
Set($LogToSTDERR, 'warning');
Set($WebFallbackToRTLogin, 1);
Set($Timezone, 'UTC');
$RT::MasonDataDir = '{folder}/mason';
$RT::MasonSessionDir = '{folder}/sessions';
1;
"""


class RequestTrackerServer:
    """One running RT with its own database in its own folder. Use it as a context manager.

    Users: root, bot, agent and robot with PASSWORDS; bot and agent also have `tokens`. Queues: General, Billing, Tech,
    Sales.
    Raises RuntimeError, with the next step, when RT was not fetched or does not start.
    """

    def __init__(self, packages: Path = PACKAGES) -> None:
        if not (packages / "complete").exists():
            raise RuntimeError(f"Request Tracker is not in {packages}: run `make servers`.")
        self._packages = packages
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="postroom-rt-", dir="/tmp"))
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.tokens: dict[str, str] = {}

    def start(self) -> None:
        """Start the server and wait until it answers; a second start continues with the same database and port."""
        if not (self.folder / "rtdb").exists():
            prepared = _prepared(self._packages)
            _write_config(self.folder, self.port)
            shutil.copy(prepared / "rtdb", self.folder / "rtdb")
            self.tokens = json.loads((prepared / "tokens.json").read_text())
        command = ["/usr/share/request-tracker5/libexec/rt-server", "--host", "127.0.0.1", "--port", str(self.port)]
        with (self.folder / "server.log").open("ab") as log:
            # A session of its own: the server signals its whole process group when it stops.
            self._process = subprocess.Popen(
                _in_private_usr(self._packages, [*command, "--max-workers", "2"]),
                env=_environment(self.folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_until_it_answers()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process is not None and self._process.poll() is None:
            try:
                if httpx.get(f"{self.url}/REST/2.0/rt", trust_env=False, timeout=20).status_code == 401:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        log = (self.folder / "server.log").read_text(errors="replace")
        self.stop()
        raise RuntimeError(f"Request Tracker did not start:\n{log[-2000:]}")

    def stop(self) -> None:
        """Stop the server and its workers; the database stays."""
        if self._process is None:
            return
        group = self._process.pid
        for sign, seconds in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
            try:
                os.killpg(group, sign)
                self._process.wait(seconds)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _write_config(folder: Path, port: int) -> None:
    for name in ("conf.d", "sessions", "mason"):
        (folder / name).mkdir(exist_ok=True)
    # It must read its input: RT takes a broken pipe for an error and records it with the ticket.
    sendmail = folder / "sendmail"
    sendmail.write_text("#!/bin/sh\nexec cat >/dev/null\n")
    sendmail.chmod(0o755)
    config = SITE_CONFIG.replace("{folder}", str(folder)).replace("{port}", str(port))
    (folder / "RT_SiteConfig.pm").write_text(config)


def _environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "RT_SITE_CONFIG": str(folder / "RT_SiteConfig.pm"),
        "RT_SITE_CONFIG_DIR": str(folder / "conf.d"),
        "POSTROOM_TEST_TOKENS": str(folder / "tokens"),
    }


def _in_private_usr(packages: Path, command: list[str]) -> list[str]:
    """`command`, run where /usr also holds RT. As an ordinary user this needs unprivileged user namespaces."""
    namespace = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-U", "-c", "-m", "--keep-caps"]
    overlay = f'mount -t overlay overlay -o "lowerdir={packages}/root/usr:/usr" /usr && exec "$@"'
    return [*namespace, "sh", "-c", overlay, "sh", *command]


def _prepared(packages: Path) -> Path:
    """The folder with a fresh database and its users' tokens; made once, then kept beside the packages."""
    version = hashlib.sha256((INITIAL_DATA + SITE_CONFIG).encode()).hexdigest()[:12]
    prepared = packages / f"database-{version}"
    if prepared.exists():
        return prepared
    making = Path(tempfile.mkdtemp(prefix="postroom-rt-setup-", dir="/tmp"))
    try:
        _write_config(making, port=0)
        (making / "initial.pl").write_text(INITIAL_DATA)
        setup = "/usr/sbin/rt-setup-database-5"
        _set_up(packages, making, [setup, "--action", "init", "--skip-create"])
        _set_up(packages, making, [setup, "--action", "insert", "--datafile", str(making / "initial.pl")])
        tokens = dict(line.split() for line in (making / "tokens").read_text().splitlines())
        (making / "tokens.json").write_text(json.dumps(tokens))
        beside = Path(tempfile.mkdtemp(prefix="making-", dir=packages))
        for name in ("rtdb", "tokens.json"):
            shutil.copy(making / name, beside / name)
        beside.chmod(0o755)
        try:
            beside.rename(prepared)
        except OSError:  # another test run was faster: its database is as good
            shutil.rmtree(beside)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return prepared


def _set_up(packages: Path, folder: Path, command: list[str]) -> None:
    done = subprocess.run(
        _in_private_usr(packages, command), env=_environment(folder), capture_output=True, text=True, timeout=120
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {(done.stdout + done.stderr)[-2000:]}")
