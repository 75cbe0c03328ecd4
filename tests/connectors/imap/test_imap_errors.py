"""Nothing but our own errors leaves the connector, and each says what to do. Faults are those of real servers."""

from __future__ import annotations

import contextlib
import hashlib
import imaplib
import inspect
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import imapclient.exceptions
import pytest

from connectors.base import Move, Progress, Tag, Watch
from connectors.errors import (
    ActionRefused,
    CertificateRefused,
    ConnectorError,
    FolderMissing,
    LoginRefused,
    MessageGone,
    SetupWrong,
    TooManyConnections,
    Unexplained,
    Unreachable,
)
from connectors.imap.account import ImapAccount
from connectors.imap.failures import NotUnderstood, login_failure, translate
from connectors.imap.mailbox import ImapConnector
from tests.contract import arrive, ignore, refuse, watch, where
from tests.imap_fixtures import ImapWorld, closing
from tests.servers.courier import Courier
from tests.servers.cyrus import Cyrus
from tests.servers.dovecot import Dovecot
from tests.servers.hands import make_mail
from tests.servers.hostile import GREETING, HostileImap
from tests.servers.private import PASSWORD, free_port, make_certificate

pytestmark = pytest.mark.imap


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            "[LIMIT] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)",
            TooManyConnections,
        ),
        ("[ALERT] Too many simultaneous connections. (Failure)", TooManyConnections),
        ("Maximum concurrent connections exceeded", TooManyConnections),
        ("too many sessions for this user", TooManyConnections),
        ("Too many failed login attempts on this connection", LoginRefused),
        ("[AUTHENTICATIONFAILED] Invalid credentials", LoginRefused),
        ("Login limit exceeded: password locked", LoginRefused),
    ],
)
def test_a_login_refused_for_a_limit_of_connections_needs_no_person(said: str, expected: type[Exception]) -> None:
    """Whoever takes it for a wrong password leaves two hundred mailboxes alone until a person comes."""
    assert type(login_failure(imaplib.IMAP4.error(said), "office", "ann")) is expected


def test_a_greeting_that_refuses_a_connection_too_many_says_so() -> None:
    with HostileImap(GREETING, b"* BYE Too many connections from your address\r\n") as server:
        account = ImapAccount("office", "127.0.0.1", server.port, "ann", lambda: PASSWORD, tls="none")
        with ImapConnector(account) as connector, pytest.raises(TooManyConnections, match="limit of its own"):
            connector.folders()


def test_dovecots_limit_for_one_user_is_one_of_connections() -> None:
    """The two words that the service goes by: the kind of error, and one name for all mailboxes of a server."""
    limited = "protocol imap {\n  mail_max_userip_connections = 1\n}\n"
    with Dovecot(extra=limited) as server:
        account = ImapAccount("office", "127.0.0.1", server.port, "ann", lambda: PASSWORD, tls="none")
        with ImapConnector(account) as first, ImapConnector(replace(account, name="sales")) as second:
            first.folders()
            with pytest.raises(TooManyConnections, match=r"\[LIMIT\]"):
                second.folders()
            assert first.server == second.server


def exceptions_of(module: Any) -> list[type[Exception]]:
    """All exception classes that a module defines, also inside its classes."""
    found = [value for value in vars(module).values() if inspect.isclass(value)]
    found += [inner for outer in found for inner in vars(outer).values() if inspect.isclass(inner)]
    return sorted({kind for kind in found if issubclass(kind, Exception)}, key=lambda kind: kind.__name__)


def test_every_exception_of_imaplib_and_imapclient_becomes_one_of_ours() -> None:
    kinds = exceptions_of(imaplib) + exceptions_of(imapclient.exceptions)
    assert len(kinds) >= 8
    for kind in kinds:
        assert isinstance(translate(kind("said no"), "office"), ConnectorError)
        assert isinstance(login_failure(kind("said no"), "office", "ann"), ConnectorError)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (imaplib.IMAP4.abort("socket error: EOF"), Unreachable),
        (imaplib.IMAP4.readonly("mailbox status changed to READ-ONLY"), ActionRefused),
        (imaplib.IMAP4.error("copy failed: b'[OVERQUOTA] Quota exceeded'"), ActionRefused),
        (imaplib.IMAP4.error("copy failed: b'[NOPERM] Permission denied'"), ActionRefused),
        (imaplib.IMAP4.error('copy failed: b"[TRYCREATE] Mailbox doesn\'t exist"'), FolderMissing),
        (imaplib.IMAP4.error("select failed: b'[NONEXISTENT] Unknown Mailbox'"), FolderMissing),
        (imaplib.IMAP4.error("move failed: [EXPUNGEISSUED] Some of the messages no longer exist"), MessageGone),
        (imaplib.IMAP4.error("select failed: b'[UNAVAILABLE] Backend down'"), Unreachable),
        (imaplib.IMAP4.error("UID command error: BAD [b'Unknown command']"), NotUnderstood),
        (imapclient.exceptions.ProtocolError("broken"), Unexplained),
        (imapclient.exceptions.CapabilityError("MOVE"), SetupWrong),
        (socket.gaierror(-2, "Name or service not known"), Unreachable),
        (ConnectionResetError(104, "Connection reset by peer"), Unreachable),
        (BrokenPipeError(32, "Broken pipe"), Unreachable),
        (TimeoutError("timed out"), Unreachable),
        (ssl.SSLEOFError(8, "EOF occurred"), Unreachable),
        (ValueError("invalid literal for int()"), Unexplained),
        (KeyError("EXISTS"), Unexplained),
        (UnicodeDecodeError("ascii", b"\xff", 0, 1, "no"), Unexplained),
    ],
)
def test_what_the_libraries_raise_is_told_apart(error: Exception, expected: type[ConnectorError]) -> None:
    failure = translate(error, "office")
    assert type(failure) is expected
    assert str(failure).startswith("office: ")


# The way in


def test_a_wrong_password_is_refused_and_never_shown(dovecot: Dovecot) -> None:
    wrong = 'tr0ub4dor"&3'
    account = ImapAccount("office", "127.0.0.1", dovecot.port, "ann", lambda: wrong, tls="none")
    with ImapConnector(account) as connector, pytest.raises(LoginRefused) as refused:
        connector.folders()
    assert "AUTHENTICATIONFAILED" in str(refused.value)
    shown = f"{refused.value!r} {refused.value} {account!r} {connector.__dict__!r} {refused.value.__cause__!r}"
    assert wrong not in shown


def test_a_password_beyond_ascii_is_sent_as_utf8(dovecot: Dovecot) -> None:
    account = ImapAccount("office", "127.0.0.1", dovecot.port, "ann", lambda: "pässwörd", tls="none")
    with ImapConnector(account) as connector, pytest.raises(LoginRefused, match="AUTHENTICATIONFAILED"):
        connector.folders()


def test_a_secret_that_cannot_be_read_is_a_refused_login(dovecot: Dovecot) -> None:
    def unreadable() -> str:
        raise PermissionError("/run/credentials/imap")

    account = ImapAccount("office", "127.0.0.1", dovecot.port, "ann", unreadable, tls="none")
    with ImapConnector(account) as connector, pytest.raises(LoginRefused, match="credential"):
        connector.folders()


def test_a_secret_with_a_line_break_sends_no_command(dovecot: Dovecot) -> None:
    account = ImapAccount("office", "127.0.0.1", dovecot.port, "ann", lambda: f"{PASSWORD}\r\nx DELETE A", tls="none")
    with ImapConnector(account) as connector, pytest.raises(LoginRefused, match="line break"):
        connector.folders()


def test_passwords_in_the_clear_are_for_this_machine_only() -> None:
    assert ImapAccount("office", "127.8.8.8", 143, "ann", lambda: PASSWORD, tls="none").port == 143
    with pytest.raises(SetupWrong, match="TLS"):
        ImapAccount("office", "imap.example.com", 143, "ann", lambda: PASSWORD, tls="none")


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_tls_works_with_a_private_ca(dovecot: Dovecot, user: str, tls: Any) -> None:
    account = secure(dovecot, user, tls, ca_file=dovecot.certificate)
    with ImapConnector(account) as connector:
        assert "INBOX" in [folder.name for folder in connector.folders()]


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_a_certificate_that_nobody_vouches_for_gets_no_password(dovecot: Dovecot, tls: Any) -> None:
    def never() -> str:
        raise AssertionError("the secret was asked for")

    account = replace(secure(dovecot, "ann", tls), secret=never)
    with ImapConnector(account) as connector, pytest.raises(CertificateRefused, match="self-signed") as refused:
        connector.folders()
    said = str(refused.value)
    command = said.partition("`openssl")[2].partition("`")[0].replace("CERTIFICATE.pem", str(dovecot.certificate))
    shown = subprocess.run(["openssl", *command.split()], capture_output=True, text=True, check=True).stdout
    assert f"fingerprint is {shown.strip().partition('=')[2]}." in said


def test_a_certificate_of_another_host_is_refused(dovecot: Dovecot) -> None:
    with Dovecot(host_name="mail.example.org") as other:
        account = secure(other, "ann", "implicit", ca_file=other.certificate)
        with ImapConnector(account) as connector, pytest.raises(CertificateRefused, match="localhost"):
            connector.folders()


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, expired=True)
    with TlsStub(certificate) as stub:
        account = ImapAccount(
            "office", "localhost", stub.port, "ann", lambda: PASSWORD, ca_file=certificate, timeout=5.0
        )
        with ImapConnector(account) as connector, pytest.raises(CertificateRefused, match="expired"):
            connector.folders()


def test_a_pinned_certificate_is_enough_and_another_one_is_not(dovecot: Dovecot, user: str) -> None:
    der = ssl.PEM_cert_to_DER_cert(dovecot.certificate.read_text())
    pin = hashlib.sha256(der).hexdigest()
    spaced = ":".join(pin[index : index + 2] for index in range(0, 64, 2)).upper()
    with ImapConnector(secure(dovecot, user, "implicit", fingerprint=spaced)) as connector:
        assert connector.folders()
    with (
        ImapConnector(secure(dovecot, user, "starttls", fingerprint="0" * 64)) as connector,
        pytest.raises(CertificateRefused, match=f"fingerprint is {spaced}"),
    ):
        connector.folders()


def test_a_ca_file_that_is_missing_is_a_wrong_setting(dovecot: Dovecot) -> None:
    account = secure(dovecot, "ann", "implicit", ca_file=Path("/no/such/ca.pem"))
    with ImapConnector(account) as connector, pytest.raises(SetupWrong, match=r"/no/such/ca\.pem"):
        connector.folders()


def test_tls_on_a_plain_port_says_which_setting_is_wrong(dovecot: Dovecot) -> None:
    account = replace(secure(dovecot, "ann", "implicit"), port=dovecot.port)
    with ImapConnector(account) as connector, pytest.raises(SetupWrong, match="starttls"):
        connector.folders()


@pytest.mark.parametrize("tls", ["starttls", "none"])
def test_starttls_on_a_tls_port_says_which_setting_is_wrong(dovecot: Dovecot, tls: Any) -> None:
    account = replace(secure(dovecot, "ann", tls), port=dovecot.tls_port, timeout=1.0)
    with ImapConnector(account) as connector, pytest.raises(SetupWrong, match='Set tls = "implicit"'):
        connector.folders()


def test_a_tls_server_that_hangs_up_on_who_waits_is_recognised_too(dovecot: Dovecot) -> None:
    with TlsStub(dovecot.certificate) as stub:
        account = ImapAccount("office", "localhost", stub.port, "ann", lambda: PASSWORD, tls="starttls", timeout=3.0)
        with ImapConnector(account) as connector, pytest.raises(SetupWrong, match='Set tls = "implicit"'):
            connector.folders()


def test_a_server_without_starttls_gets_no_password(courier: Courier) -> None:
    account = ImapAccount("office", "127.0.0.1", courier.port, "ann", lambda: PASSWORD, tls="starttls")
    with ImapConnector(account) as connector, pytest.raises(SetupWrong, match="STARTTLS"):
        connector.folders()


def test_a_host_that_does_not_exist_and_a_port_where_nobody_listens_are_unreachable() -> None:
    nowhere = ImapAccount("office", "no-such-host.invalid", 993, "ann", lambda: PASSWORD, timeout=5.0)
    closed = ImapAccount("office", "127.0.0.1", free_port(), "ann", lambda: PASSWORD, tls="none", timeout=5.0)
    for account in (nowhere, closed):
        with ImapConnector(account) as connector, pytest.raises(Unreachable, match="Postroom tries again"):
            connector.folders()


def test_a_server_that_says_nothing_is_unreachable_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        account = ImapAccount(
            "office", "127.0.0.1", silent.getsockname()[1], "ann", lambda: PASSWORD, tls="none", timeout=0.2
        )
        with ImapConnector(account) as connector, pytest.raises(Unreachable, match="in time"):
            connector.folders()


# What servers refuse


ACL = """
mail_plugins = acl
plugin {
  acl = vfile
}
protocol imap {
  mail_plugins = acl imap_acl
}
"""


@pytest.fixture
def locked_world(user: str) -> Iterator[ImapWorld]:
    """A Dovecot with access rights."""
    with Dovecot(extra=ACL) as server:
        yield from closing(ImapWorld(server, user))


@pytest.fixture
def small_world(user: str) -> Iterator[ImapWorld]:
    """A Cyrus with room for a few mails: what it answers has no response code."""
    with Cyrus(quota=4) as server:
        yield from closing(ImapWorld(server, user))


def test_a_full_mailbox_still_lets_mail_be_sorted_or_says_so(small_world: ImapWorld) -> None:
    _, seen = arrive(small_world, "Invoice 7")
    small_world.hands.imap.append(
        "INBOX", "", imaplib.Time2Internaldate(0.0), make_mail("Filler", "x" * 3_000)
    )  # it may be refused itself
    before = sorted(lying.content for lying in small_world.contents())
    try:
        small_world.connector.apply(seen.ref, seen.identity, Move(small_world.first), ignore)
    except ActionRefused:
        assert where(small_world)["Invoice 7"] == ["INBOX"]
    assert sorted(lying.content for lying in small_world.contents()) == before


def test_without_permission_the_message_stays_and_nothing_is_left_behind(locked_world: ImapWorld) -> None:
    hands = locked_world.hands
    _, seen = arrive(locked_world, "Invoice 7")
    before = sorted(locked_world.contents())
    name = f'"{locked_world.second}"'
    assert hands.imap._simple_command("SETACL", name, "owner", "lra")[0] == "OK"  # no insert
    locked_world.connector.close()  # Dovecot remembers rights as long as a connection
    with pytest.raises(ActionRefused):
        locked_world.connector.apply(seen.ref, seen.identity, Move(locked_world.second), ignore)
    assert sorted(locked_world.contents()) == before


def test_a_folder_deleted_while_we_run_is_missing(dovecot_world: ImapWorld) -> None:
    cursor, seen = arrive(dovecot_world, "Invoice 7")
    dovecot_world.connector.newest(dovecot_world.first, 5)  # it is open now
    dovecot_world.hands.remove(dovecot_world.first)
    with pytest.raises(FolderMissing):
        dovecot_world.connector.apply(seen.ref, seen.identity, Move(dovecot_world.first), refuse)
    changes = dovecot_world.connector.changes(cursor, watch(dovecot_world, arrived=(seen,)))
    assert changes.missing == (dovecot_world.first,)
    assert where(dovecot_world) == {"Invoice 7": ["INBOX"]}


def test_a_target_deleted_at_the_last_moment_leaves_the_message(courier_world: ImapWorld) -> None:
    _, seen = arrive(courier_world, "Invoice 7")

    def delete_target(progress: Progress) -> None:
        if progress.step == "copying":
            courier_world.hands.remove(courier_world.second)

    with pytest.raises(ConnectorError):
        courier_world.connector.apply(seen.ref, seen.identity, Move(courier_world.second), delete_target)
    assert where(courier_world) == {"Invoice 7": ["INBOX"]}


@pytest.mark.parametrize("name", ["dovecot_world", "cyrus_world", "courier_world"])
def test_what_others_marked_as_deleted_survives_our_moves(request: pytest.FixtureRequest, name: str) -> None:
    world: ImapWorld = request.getfixturevalue(name)
    world.hands.put(make_mail("Theirs"), flags="\\Deleted")
    _, seen = arrive(world, "Invoice 7")
    world.hands.put(make_mail("Theirs too"), folder=world.first, flags="\\Deleted")
    world.connector.apply(seen.ref, seen.identity, Move(world.first), ignore)
    assert where(world) == {"Theirs": ["INBOX"], "Invoice 7": [world.first], "Theirs too": [world.first]}


@pytest.mark.parametrize("name", ["dovecot_world", "cyrus_world", "courier_world"])
def test_a_message_marked_as_deleted_has_vanished_and_is_not_moved(request: pytest.FixtureRequest, name: str) -> None:
    world: ImapWorld = request.getfixturevalue(name)
    cursor, seen = arrive(world, "Invoice 7")
    world.hands.flag("Invoice 7", "\\Deleted")
    world.hands.put(make_mail("Copy of it"), folder=world.first)
    with pytest.raises(MessageGone):
        world.connector.apply(seen.ref, seen.identity, Move(world.first), refuse)
    changes = world.connector.changes(cursor, watch(world, arrived=(seen,)))
    assert changes.vanished == (seen.ref,)


def test_restarted_uids_are_reported_with_all_that_lies_there(dovecot_world: ImapWorld, dovecot: Dovecot) -> None:
    cursor, seen = arrive(dovecot_world, "Invoice 7")
    dovecot_world.connector.close()
    dovecot.doveadm("mailbox", "update", "-u", dovecot_world.user, "--uid-validity", "424242", "INBOX")
    changes = dovecot_world.connector.changes(cursor, watch(dovecot_world, arrived=(seen,)))
    assert changes.restarted == ("INBOX",)
    assert [sighting.identity for sighting in changes.arrived] == [seen.identity]
    assert changes.arrived[0].ref.epoch == 424242
    with pytest.raises(MessageGone, match="restarted"):
        dovecot_world.connector.apply(seen.ref, seen.identity, Move(dovecot_world.first), refuse)


@pytest.mark.parametrize("kind", [Dovecot, Cyrus, Courier])
def test_a_server_restart_is_survived(kind: Any, user: str) -> None:
    with kind() as server:
        world = ImapWorld(server, user)
        cursor, seen = arrive(world, "Invoice 7")
        server.halt()
        with pytest.raises(Unreachable):
            world.connector.apply(seen.ref, seen.identity, Move(world.first), refuse)
        server.start()
        changes = world.connector.changes(cursor, watch(world, arrived=(seen,)))
        assert (changes.arrived, changes.vanished) == ((), ())
        assert world.connector.apply(seen.ref, seen.identity, Move(world.first), ignore).folder == world.first
        world.close()


def test_a_server_without_keywords_refuses_tags(user: str) -> None:
    with Courier(IMAP_KEYWORDS="0") as server:
        world = ImapWorld(server, user)
        _, seen = arrive(world, "Invoice 7")
        assert not world.connector.capabilities().tags
        with pytest.raises(ActionRefused, match="keywords"):
            world.connector.apply(seen.ref, seen.identity, Tag(add=frozenset({"$invoice"})), refuse)
        world.close()


@pytest.mark.parametrize("word", ["two words", "a(b", "\\Deleted", "\\Recent", "é", "", 'quo"te', "a\r\nb"])
def test_what_cannot_be_a_keyword_is_refused_before_any_command(dovecot_world: ImapWorld, word: str) -> None:
    _, seen = arrive(dovecot_world, "Invoice 7")
    with pytest.raises(ActionRefused, match="cannot be a keyword"):
        dovecot_world.connector.apply(seen.ref, seen.identity, Tag(add=frozenset({word})), refuse)


def test_a_server_with_neither_move_nor_uidplus_keeps_the_original_and_marks_it(user: str) -> None:
    with Courier(capabilities="IMAP4rev1 CHILDREN NAMESPACE IDLE") as server:
        world = ImapWorld(server, user)
        world.hands.put(make_mail("Theirs"), flags="\\Deleted")
        cursor, seen = arrive(world, "Invoice 7")
        assert not world.connector.capabilities().move
        notes: list[Progress] = []
        ref = world.connector.apply(seen.ref, seen.identity, Move(world.first), notes.append)
        assert ref.folder == world.first
        assert where(world) == {"Invoice 7": ["INBOX", world.first], "Theirs": ["INBOX"]}
        changes = world.connector.changes(cursor, watch(world, arrived=(seen,)))
        assert changes.vanished == (seen.ref,)
        assert [sighting.ref for sighting in changes.arrived] == [ref]
        world.close()


def test_one_unreadable_folder_does_not_end_the_poll(locked_world: ImapWorld) -> None:
    cursor, seen = arrive(locked_world, "one")
    locked_world.hands.put(make_mail("two"), folder=locked_world.second)
    name = f'"{locked_world.second}"'
    assert locked_world.hands.imap._simple_command("SETACL", name, "owner", "la")[0] == "OK"  # no read
    locked_world.connector.close()  # Dovecot remembers rights as long as a connection
    locked_world.deliver("three")
    changes = locked_world.connector.changes(cursor, watch(locked_world, arrived=(seen,)))
    assert [sighting.ref.folder for sighting in changes.arrived] == ["INBOX"]


def test_watching_an_inbox_that_does_not_exist_says_so(dovecot_world: ImapWorld) -> None:
    changes = dovecot_world.connector.changes(None, Watch(inbox="Eingang", known={}))
    assert changes.missing == ("Eingang",)


def secure(server: Dovecot, user: str, tls: Any, **changes: Any) -> ImapAccount:
    """An account over TLS, by the name in the certificate."""
    port = server.tls_port if tls == "implicit" else server.port
    return ImapAccount("office", "localhost", port, user, lambda: PASSWORD, tls=tls, timeout=10.0, **changes)


class TlsStub:
    """A port that shows a certificate and nothing else, and soon hangs up on who does not ask for it."""

    def __init__(self, certificate: Path) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, certificate.with_name("key.pem"))
        self.ended = threading.Event()

    def __enter__(self) -> TlsStub:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        return self

    def _serve(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            with connection, contextlib.suppress(OSError):  # the client does not like what it sees
                if self.ended.is_set():
                    return
                connection.settimeout(0.5)
                self.context.wrap_socket(connection, server_side=True).close()

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        self.thread.join(5)
        self.listener.close()
