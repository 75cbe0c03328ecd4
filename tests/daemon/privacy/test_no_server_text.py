"""No error carries what a server sent: neither what cannot be read nor a refusal's text, in no log and no status."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as some
from ollama import ResponseError

from connectors.base import Watch
from connectors.errors import ConnectorError
from connectors.http import HttpApi
from connectors.imap.account import ImapAccount
from connectors.imap.failures import login_failure
from connectors.imap.mailbox import ImapConnector
from connectors.said import ANYWHERE, KNOWN, said
from daemon.model.engines.engine import EngineError
from daemon.model.engines.fingerprint import Fingerprint, Probe
from daemon.model.engines.ollama import OllamaEngine
from daemon.model.engines.openai import OpenAIEngine
from daemon.model.prompt import Prompt
from daemon.service.logs import configure
from daemon.settings import LogSettings
from tests.servers.hostile import HostileImap
from tests.servers.private import PASSWORD
from tests.service_process import ServiceProcess

PLANTED = ("Zephyrine", "quillfeather", "Marzipanbrot", "salary", "472911830")
MAIL = b'"Marzipanbrot: your salary 472911830" (("Zephyrine" NIL "zephyrine" "quillfeather.example"))'
ESCAPE = b"\x1b]0;Marzipanbrot\x07\x9b31m"

UNREADABLE = {
    "an answer that does not end": b"* 1 FETCH (UID 1 ENVELOPE (" + MAIL + b"\r\n{tag} OK done\r\n",
    "an answer with a bracket too much": b"* 1 FETCH (UID 1 BODY[" + MAIL + b" (((\r\n{tag} OK done\r\n",
    "no answer at all": b"Subject: Marzipanbrot, your salary 472911830, Zephyrine\r\n",
    "a number that is none": b"* STATUS INBOX (MESSAGES Marzipanbrot)\r\n* SEARCH salary 472911830\r\n{tag} OK\r\n",
    "a list that is none": b'* LIST (Marzipanbrot "salary\r\n{tag} OK done\r\n',
    "another tag": b"Marzipanbrot OK salary of Zephyrine\r\n",
    "a literal without an end": b"* 1 FETCH (UID 1 BODY[HEADER] {99999999999}\r\nSubject: Marzipanbrot\r\n",
    "a refusal": b"{tag} NO cannot read " + MAIL + b"\r\n",
    "a refusal with a code": b"{tag} NO [OVERQUOTA] " + MAIL + b"\r\n",
    "a code of its own": b"{tag} NO [MARZIPANBROT-SALARY] Zephyrine\r\n",
    "a complaint": b"{tag} BAD what is " + MAIL + ESCAPE + b"\r\n",
    "a farewell": b"* BYE " + MAIL + ESCAPE + b"\r\n",
}
COMMANDS = (b"CAPABILITY", b"LIST", b"STATUS", b"EXAMINE", b"SELECT", b"UID SEARCH", b"UID FETCH")


@pytest.fixture
def heard() -> io.StringIO:
    stream = io.StringIO()
    configure(LogSettings(level="debug", format="json"), stream, {})
    return stream


def refuse_planted(text: str, *more: str) -> None:
    for word in (*PLANTED, *more):
        assert word.lower() not in text.lower(), f"{word} in: {text}"
    assert "\x1b" not in text
    assert "\\u001b" not in text
    assert "\x9b" not in text


def asked_all(connector: ImapConnector) -> list[ConnectorError]:
    """What the daemon asks of a mailbox, whatever has failed before."""

    def look() -> None:
        arrived = connector.changes(None, Watch(inbox="INBOX", known={})).arrived
        for sighting in arrived:
            list(connector.fetch([sighting.ref]))

    found: list[ConnectorError] = []
    steps: tuple[Callable[[], object], ...] = (connector.folders, look, lambda: connector.newest("Orders", 3))
    for step in steps:
        try:
            step()
        except ConnectorError as error:
            found.append(error)
    return found


@pytest.mark.imap
@pytest.mark.parametrize("kind", UNREADABLE)
def test_no_error_of_imap_quotes_the_server(kind: str, heard: io.StringIO) -> None:
    log = structlog.get_logger()
    failed = 0
    for command in COMMANDS:
        with HostileImap(command, UNREADABLE[kind]) as server:
            account = ImapAccount("office", "127.0.0.1", server.port, "ann", lambda: PASSWORD, tls="none", timeout=2.0)
            with ImapConnector(account) as connector:
                errors = asked_all(connector)
        failed += len(errors)
        for error in errors:
            refuse_planted(f"{error} {error!r} {error.fact}")
            log.warning("trouble", problem=str(error))
            log.error("bug", exc_info=error)  # with all causes
    refuse_planted(heard.getvalue())
    assert failed, "this kind of answer went unnoticed: the test shows nothing"


@pytest.mark.imap
@pytest.mark.parametrize(
    ("command", "kind"),
    [(b"STATUS", "an answer that does not end"), (b"UID FETCH", "a refusal"), (b"LIST", "a complaint")],
)
def test_neither_the_commands_nor_the_files_of_the_daemon_hold_what_the_server_sent(
    tmp_path: Path, command: bytes, kind: str
) -> None:
    with HostileImap(command, UNREADABLE[kind]) as server, ServiceProcess(tmp_path, server.port, "ann") as office:
        for asked in (["once"], ["check"], ["status"], ["status", "--json"], ["folders"]):
            told = office.command(*asked, fine=(0, 1, 2, 3, 4, 75))
            refuse_planted(told.stdout + told.stderr)
        files = [path for path in office.state.rglob("*") if path.is_file()]
        assert any(path.name == "postroom.sqlite" for path in files)
        for path in files:
            refuse_planted(path.read_bytes().decode("utf-8", "replace").replace("\x1b", "").replace("\x9b", ""))


def test_a_registered_code_is_told_even_where_the_words_are_withheld() -> None:
    assert said("NO [OVERQUOTA] Posteingang von Frau Weber voll") == "[OVERQUOTA]"
    assert said("[HUNTER] Posteingang von Frau Weber voll") == ""


def test_at_login_only_a_registered_code_is_told() -> None:
    error = Exception("b'[HUNTER2-IS-MY-PASSWORD] LOGIN failed for hunter2'")
    assert "HUNTER" not in str(login_failure(error, "office", "ann")).upper()
    for text, step in (
        ("[ALERT] Application-specific password required: https://support.example/x (Failure)", "Make an app password"),
        ("[ALERT] Your account is not enabled for IMAP use.", "Switch it on"),
        ("AUTHENTICATE failed. BasicAuthBlocked-3 hunter2", 'sign_in = "microsoft"'),
    ):
        told = str(login_failure(Exception(text), "office", "ann"))
        assert step in told
        assert "hunter2" not in told
        assert "support.example" not in told
    fine = Exception("b'[AUTHENTICATIONFAILED] Authentication failed.'")
    assert "[AUTHENTICATIONFAILED]" in str(login_failure(fine, "office", "ann"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("copy failed: b'[OVERQUOTA] Quota exceeded (mailbox for user is full)'", "OVERQUOTA Quota exceeded"),
        ('copy failed: b"[TRYCREATE] Mailbox doesn\'t exist: Invoices/2026"', "Mailbox doesn't exist: …"),
        ("UID command error: BAD [b'Unknown command']", "UID command error: BAD Unknown command"),
        ("copy failed: b'[NOPERM] Permission denied'", "NOPERM Permission denied"),
        ("command: UID => socket error: EOF", "socket error: EOF"),
        ("Request is throttled. Suggested Backoff Time: 299961 milliseconds", "Request is throttled"),
        ("[OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)", "exceeded command or bandwidth limits"),
        ("model requires more system memory (5.6 GiB) than is available (3.1 GiB)", "requires more system memory"),
        ("llama runner process has terminated: exit status 2", "runner process has terminated"),
        ("Queue could not be set to 7", "Queue could not be set to …"),
    ],
)
def test_the_usual_refusals_of_real_servers_stay_readable(text: str, shown: str) -> None:
    assert shown in said(text)


@given(some.text() | some.lists(some.sampled_from([*PLANTED, *sorted(KNOWN)[::9], "the", "b'x'", "…"])).map(" ".join))
def test_nothing_is_told_but_listed_words(text: str) -> None:
    for word in said(text).split():
        core = word.rstrip(":")
        assert core == "…" or core.upper() in KNOWN or core.upper() in ANYWHERE
        assert word.isprintable()
    assert len(said(text)) < 1000


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("https://sso.example/login?from=Marzipanbrot&ticket=472911830", "to another host"),
        ("/Marzipanbrot/472911830?salary", "to another path of this host"),
        ("https://support.example:8443/salary", "another port of this host"),
        ("//[Marzipanbrot", "to another host"),
        ("https://x:salary/", "broke off"),
        ("javascript:Marzipanbrot", "not an address"),
    ],
)
def test_a_helpdesk_that_points_elsewhere_is_told_without_its_address(location: str, words: str) -> None:
    api = HttpApi("support", "https://support.example/REST/2.0", dict)
    answer = httpx.Response(302, headers={"location": location}, content=MAIL)
    api._client = httpx.Client(transport=httpx.MockTransport(lambda _: answer))
    with pytest.raises(ConnectorError, match=words) as refused:
        api.get("/ticket/7")
    refuse_planted(f"{refused.value!r} {refused.value}")


PROMPT = "Subject: Marzipanbrot\nZephyrine, your salary 472911830"


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_a_model_server_that_quotes_the_prompt_is_not_repeated(status: int, heard: io.StringIO) -> None:
    text = f"could not parse prompt {PROMPT!r}"
    engine = OllamaEngine("http://127.0.0.1:9", "postroom:x", num_ctx=512)

    def refuse(*_: object, **__: object) -> None:
        raise ResponseError(text, status)

    engine._client.generate = refuse  # type: ignore[method-assign]
    probe = Probe(ids=(1,), logprobs=(0.0,))
    other = OpenAIEngine("http://127.0.0.1:9", "postroom-x", Fingerprint(tokens={"AA": 1}, probes=(probe,)))
    answer = httpx.Response(status, json={"error": {"message": text}})
    other._client = httpx.Client(base_url="http://127.0.0.1:9", transport=httpx.MockTransport(lambda _: answer))
    for served in (engine, other):
        with pytest.raises(EngineError) as refused:
            served.code_logprobs([Prompt(PROMPT, (1, 2))], ["AA"])
        structlog.get_logger().error("bug", exc_info=refused.value)
        refuse_planted(f"{refused.value!r} {refused.value} {heard.getvalue()}")


def test_an_error_that_a_library_derives_from_the_machines_own_is_withheld(heard: io.StringIO) -> None:
    class LibraryError(OSError):
        """As requests and urllib have them: the text is the server's."""

    structlog.get_logger().error("bug", exc_info=LibraryError(PROMPT))
    refuse_planted(heard.getvalue())
    assert "LibraryError: (text withheld" in heard.getvalue()
