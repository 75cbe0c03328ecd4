"""From `postroom login` to the mailbox: a local authority, and a Dovecot that asks it about every token."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.mistakes import ExitCode
from tests.connectors.imap.test_imap_oauth import EXTRA, SETTINGS
from tests.servers.authority import CLIENT, GOOGLE_CLIENT, GOOGLE_SECRET, PRINCIPAL, SECRET, TENANT, Authority
from tests.servers.courier import Courier
from tests.servers.dovecot import Dovecot
from tests.servers.private import private_folder
from tests.service_process import ServiceProcess

pytestmark = pytest.mark.imap

MICROSOFT = 'sign_in = "microsoft"\ntenant = "{tenant}"\nclient_id = "{client}"\nauthority = "{url}"\n{more}'


@pytest.fixture(scope="module")
def authority() -> Iterator[Authority]:
    with Authority() as started:
        yield started


@pytest.fixture(scope="module")
def mail_server(authority: Authority) -> Iterator[Dovecot]:
    folder = private_folder("oauth-")
    path = folder / "oauth2.conf"
    port = authority.introspection.split(":")[2].split("/")[0]
    path.write_text(SETTINGS.format(port=port))
    with Dovecot(extra=EXTRA.format(path=path)) as server:
        yield server
    path.unlink()
    folder.rmdir()


@pytest.fixture(autouse=True)
def _trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    authority.revoke()
    authority.opens.clear()


def office(folder: Path, port: int, user: str, mailbox: str, credential: str = "") -> ServiceProcess:
    service = ServiceProcess(folder, port, user, mailbox=mailbox)
    if credential:
        service.set_password(credential)
    else:
        service.config.write_text(service.config.read_text().replace('credential = "office-imap"\n', ""))
    return service


def microsoft(authority: Authority, more: str = "") -> str:
    return MICROSOFT.format(tenant=TENANT, client=CLIENT, url=authority.url, more=more)


def signing_in(authority: Authority, person: str) -> threading.Thread:
    """A person who acts as soon as there is a code."""

    def act() -> None:
        end = time.monotonic() + 20
        while not authority.codes and time.monotonic() < end:
            time.sleep(0.05)
        authority.approve(person)

    thread = threading.Thread(target=act)
    thread.start()
    return thread


def findings(service: ServiceProcess) -> dict[str, str]:
    """What `check` says about the sign-in: "wrong" or "fine", and the sentence."""
    said = service.ask("check", fine=(0, 1))
    return {
        f"{'fine' if each['fine'] else 'WRONG'} {each['what']}": each["seen"]
        for each in said
        if each["what"].startswith("office ")
    }


def test_login_then_check_then_an_hour_later_then_revoked(
    authority: Authority, mail_server: Dovecot, tmp_path: Path
) -> None:
    with office(tmp_path, mail_server.port, "ann", microsoft(authority)) as service:
        assert "postroom login office" in findings(service)["WRONG office token"]
        person = signing_in(authority, "ann")
        told = service.command("login")
        person.join()
        assert f"{authority.url}/devicelogin" in told.stdout
        assert "ABCD-1234" in told.stdout
        assert "It works: 127.0.0.1 opens the mailbox of ann" in told.stdout.replace("\n", " ")
        (file,) = (service.state / "credentials" / "tokens").glob("*.json")
        secrets = [token["secret"] for kind in ("AccessToken", "RefreshToken") for token in _kept(file)[kind].values()]
        said = findings(service)
        assert "ann's, for Exchange over IMAP" in said["fine office token"]
        assert "fine office login" in said

        authority.end_access()  # a token that is refused before its time is renewed on the spot
        assert "fine office login" in findings(service)

        kept = _kept(file)
        for token in kept["AccessToken"].values():
            token["expires_on"] = str(int(time.time()) + 60)
        file.write_text(json.dumps(kept))
        asked = len(authority.requests)
        assert "fine office login" in findings(service)
        assert authority.requests[asked:] == ["refresh_token"]

        authority.revoke()
        told = service.command("once", fine=(3,))
        assert "postroom login office" in told.stderr
        everything = told.stdout + told.stderr + json.dumps(said)
        assert not [secret for secret in secrets if secret in everything]


def _kept(file: Path) -> dict[str, dict[str, dict[str, str]]]:
    found: dict[str, dict[str, dict[str, str]]] = json.loads(file.read_text())
    return found


def test_a_persons_sign_in_opens_a_shared_mailbox(authority: Authority, mail_server: Dovecot, tmp_path: Path) -> None:
    authority.opens["ann"] = "shared"
    with office(tmp_path, mail_server.port, "shared", microsoft(authority, 'person = "ann"')) as service:
        person = signing_in(authority, "ann")
        told = service.command("login", "office")
        person.join()
        assert "opens the mailbox of shared" in told.stdout.replace("\n", " ")


def test_an_app_needs_nobody_and_check_names_what_it_lacks(
    authority: Authority, mail_server: Dovecot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.opens[CLIENT] = "ann"
    with office(tmp_path, mail_server.port, "ann", microsoft(authority), SECRET) as service:
        said = findings(service)
        assert "the app's own" in said["fine office token"]
        assert "credential_ends" in said["fine office credential"]
        assert "fine office login" in said
        assert "the app signs in by itself" in service.command("login").stdout
    (tmp_path / "second").mkdir()
    monkeypatch.setattr(authority, "roles", ())
    with office(tmp_path / "second", mail_server.port, "ann", microsoft(authority), SECRET) as service:
        assert "IMAP.AccessAsApp" in findings(service)["WRONG office token"]
        assert "IMAP.AccessAsApp" in service.command("login", fine=(3,)).stdout


def test_a_refused_app_is_told_the_recipe(authority: Authority, mail_server: Dovecot, tmp_path: Path) -> None:
    authority.opens[CLIENT] = "somebody else"
    with office(tmp_path, mail_server.port, "ann", microsoft(authority), SECRET) as service:
        said = findings(service)["WRONG office login"]
        assert f"New-ServicePrincipal -AppId {CLIENT} -ObjectId {PRINCIPAL}" in said
        assert "postroom check" in service.command("login", fine=(3,)).stderr


class ClosedExchange:
    """What no server here does: it takes the login, and opens nothing, as Exchange without a service principal."""

    def __enter__(self) -> ClosedExchange:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as line:
                line.write(b"* OK ready\r\n")
                line.flush()
                while words := line.readline().split():
                    tag, command = words[0], words[1].upper()
                    if command == b"CAPABILITY":
                        answer = b"* CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR\r\n" + tag + b" OK done\r\n"
                    elif command == b"AUTHENTICATE" and len(words) == 3:
                        line.write(b"+ \r\n")
                        line.flush()
                        line.readline()
                        answer = tag + b" OK AUTHENTICATE completed.\r\n"
                    else:
                        answer = tag + b" BAD User is authenticated but not connected.\r\n"
                    line.write(answer)
                    line.flush()

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def test_a_mailbox_that_stays_closed_is_told_the_recipe_and_tried_again(authority: Authority, tmp_path: Path) -> None:
    with (
        ClosedExchange() as exchange,
        office(tmp_path, exchange.port, "shared", microsoft(authority), SECRET) as service,
    ):
        said = findings(service)["WRONG office login"]
        assert 'Add-MailboxPermission -Identity "shared" -User' in said
        told = service.command("once", fine=(75,))
        assert "postroom check" in told.stderr


@pytest.mark.parametrize("pasted", [False, True])
def test_login_at_google_by_browser(authority: Authority, mail_server: Dovecot, tmp_path: Path, pasted: bool) -> None:
    client = json.dumps({"installed": {"client_id": GOOGLE_CLIENT, "client_secret": GOOGLE_SECRET}})
    settings = f'sign_in = "google"\nauthority = "{authority.url}"'
    with office(tmp_path, mail_server.port, "ann", settings, client) as service:
        command = [sys.executable, "-P", "-m", "daemon.cli", "--config", str(service.config), "login"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=service.environment()
        ) as process:
            assert process.stdout
            assert process.stdin
            address = next(line.strip() for line in process.stdout if "/o/oauth2/" in line)
            came_back = authority.visit(address)
            if pasted:
                process.stdin.write(came_back + "\n")
                process.stdin.flush()
            else:
                host, port = came_back.removeprefix("http://").split("/")[0].split(":")
                with socket.create_connection((host, int(port))) as browser:
                    path = came_back.removeprefix(f"http://{host}:{port}")
                    browser.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                    assert b"You may close this window" in browser.makefile("rb").read()
            assert "It works" in process.stdout.read()
        assert process.returncode == 0
        assert "fine office login" in findings(service)


def test_login_asks_which_mailbox_and_knows_who_needs_none(mail_server: Dovecot, tmp_path: Path) -> None:
    with office(tmp_path, mail_server.port, "ann", "", "open-sesame") as service:
        told = service.command("login")
        assert "nothing to do here" in told.stdout
        assert "It works" in told.stdout
        assert "no mailbox has this name" in service.command("login", "offfice", fine=(ExitCode.MISTAKE,)).stderr
        second = '[[mailbox]]\nname = "two"\nhost = "x"\nuser = "x"\ncredential = "x"\n[sorting]'
        service.config.write_text(service.config.read_text().replace("[sorting]", second))
        assert "There are: office, two" in service.command("login", fine=(ExitCode.MISTAKE,)).stderr


def test_tags_are_refused_where_the_server_keeps_none(tmp_path: Path) -> None:
    # Microsoft 365 is such a server: no keyword but its own in PERMANENTFLAGS.
    with (
        Courier(IMAP_KEYWORDS="0") as courier,
        office(tmp_path, courier.port, "ann", 'act_by = "tag"', "open-sesame") as service,
    ):
        assert "nothing can be tagged" in findings(service)["WRONG office tags"]
        told = service.command("once", fine=(3,))
        assert 'Set act_by = "move"' in told.stderr
