"""What all private servers share: a folder of their own, an ordinary user, a certificate, a port, a greeting.

Nothing is installed and nothing runs as root: as root the servers drop to `nobody`, as anybody else they run as that
user.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests import ROOT

SERVERS = ROOT / ".servers"
PASSWORD = "open-sesame"
TLS_RECORD = b"\x16\x03"
"""How a TLS handshake begins (RFC 8446, 5.1)."""


@dataclass(frozen=True)
class Account:
    """Whom a server runs as."""

    name: str
    uid: int
    gid: int
    drop: bool
    """Are we root, so that privileges have to be dropped?"""

    @classmethod
    def ordinary(cls) -> Account:
        if os.geteuid() == 0:
            user = pwd.getpwnam("nobody")
            return cls(user.pw_name, user.pw_uid, user.pw_gid, drop=True)
        user = pwd.getpwuid(os.geteuid())
        return cls(user.pw_name, user.pw_uid, user.pw_gid, drop=False)

    def own(self, root: Path) -> None:
        """Give a whole tree to the user."""
        if self.drop:
            for path in [root, *root.rglob("*")]:
                os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def prefix(self) -> list[str]:
        """The start of a command line that runs the rest as this user."""
        if not self.drop:
            return []
        return ["setpriv", "--reuid", str(self.uid), "--regid", str(self.gid), "--clear-groups"]


def tree(package: str) -> Path:
    """Where `fetch.sh` unpacked a server. Tests never skip: a missing server is a failure."""
    root = SERVERS / package / "root"
    if not (SERVERS / package / "complete").exists():
        raise FileNotFoundError(f"{root} is missing. Run `make servers` first.")
    return root


def private_folder(prefix: str) -> Path:
    """Short and in /tmp: the path of a unix socket has at most 107 characters."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    folder.chmod(0o755)
    return folder


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        assert isinstance(port, int)
        return port


CERTIFICATE_AUTHORITY = """
[ca]
default_ca = office
[office]
database = {folder}/index
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = any
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = {names}
[req]
distinguished_name = empty
[empty]
"""


def make_certificate(folder: Path, name: str = "localhost", *, expired: bool = False) -> Path:
    """A self-signed certificate for `name`: cert.pem, with key.pem beside it. `openssl ca` can date it in the past."""
    names = f"DNS:{name}" + (",IP:127.0.0.1" if name == "localhost" else "")
    config, key = folder / "openssl.cnf", folder / "key.pem"
    config.write_text(CERTIFICATE_AUTHORITY.format(folder=folder, names=names))
    (folder / "index").touch()
    (folder / "serial").write_text("01\n")
    dates = ["200101000000Z", "200102000000Z"] if expired else ["200101000000Z", "491231000000Z"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    request = ["req", "-new", *curve, "-subj", f"/CN={name}", "-keyout", key, "-out", folder / "request.pem"]
    sign = ["ca", "-selfsign", "-batch", "-notext", "-keyfile", key, "-in", folder / "request.pem"]
    sign += ["-startdate", dates[0], "-enddate", dates[1], "-out", folder / "cert.pem"]
    for command in (request, sign):
        words = ["openssl", *map(str, command), "-config", str(config)]
        subprocess.run(words, check=True, capture_output=True)
    return folder / "cert.pem"


def wait_for_greeting(port: int, process: subprocess.Popen[bytes], log: Path, seconds: float = 15.0) -> None:
    """Until the server says `* OK`. A server that dies or stays silent fails the test with its own log."""
    end = time.monotonic() + seconds
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as connection:
                if connection.recv(400).startswith(b"* OK"):
                    return
        except OSError:
            pass
        if process.poll() is not None or time.monotonic() > end:
            words = log.read_text(errors="replace") if log.exists() else "no log"
            raise RuntimeError(f"The server on port {port} did not start: {words}")
        time.sleep(0.02)


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path, seconds: float = 60.0) -> None:
    """Until something listens there, for a server that opens another door after the greeting."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"Nothing listens on port {port}: {log.read_text(errors='replace')}")
        time.sleep(0.02)


def stop(process: subprocess.Popen[bytes], signal_number: int, root: Path) -> None:
    process.send_signal(signal_number)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)
    if process.stderr is not None:
        process.stderr.close()
    shutil.rmtree(root, ignore_errors=True)
