"""The HTTP layer against a real server on 127.0.0.1 that answers from a script."""

from __future__ import annotations

import gzip
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from connectors.errors import (
    ActionRefused,
    CertificateRefused,
    ConnectorError,
    LoginRefused,
    SetupWrong,
    Unexplained,
    Unreachable,
)
from connectors.http import HttpApi, RawAnswer, checked_url, retry_after, transport_error
from tests.servers.private import free_port, make_certificate

SECRET = "s3cret-t0ken"


@dataclass
class Script:
    """What the server answers, in order (the last answer stays), and what it was asked."""

    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)

    def next(self) -> tuple[int, dict[str, str], bytes]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Handler(BaseHTTPRequestHandler):
    """Status 0 breaks off in the middle of an answer, -1 stays silent until the test ends, -2 sends bytes slowly."""

    script: Script

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.script.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        status, headers, content = self.script.next()
        if status == -1:
            self.script.release.wait(30)
        if status == -2:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not self.script.release.wait(0.02):
                self.wfile.write(b" ")
        if status <= 0:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            return
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = answer  # noqa: N815 - the library's names

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@dataclass
class Helpdesk:
    """A running server and its script."""

    script: Script
    url: str


def serve(script: Script, certificate: Path | None = None) -> Iterator[Helpdesk]:
    handler = type("ScriptedHandler", (Handler,), {"script": script})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_name("key.pem"))
        server.socket = context.wrap_socket(server.socket, server_side=True)
    # A client that distrusts us breaks off the handshake: that is what the tests want, not an error of the server.
    server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    scheme = "https" if certificate else "http"
    yield Helpdesk(script, f"{scheme}://localhost:{server.server_port}/api")
    script.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def helpdesk() -> Iterator[Helpdesk]:
    yield from serve(Script([(200, {}, b"{}")]))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def secure_helpdesk(certificate: Path) -> Iterator[Helpdesk]:
    yield from serve(Script([(200, {}, b'{"safe": true}')]), certificate)


@pytest.fixture
def open_api() -> Iterator[Callable[..., HttpApi]]:
    opened: list[HttpApi] = []

    def make(url: str, **settings: object) -> HttpApi:
        settings = {"timeout": 5.0, **settings}
        opened.append(HttpApi("support", url, lambda: {"Authorization": f"token {SECRET}"}, **settings))  # type: ignore[arg-type]
        return opened[-1]

    yield make
    for api in opened:
        api.close()


OpenApi = Callable[..., HttpApi]


def test_a_read_sends_the_login_and_returns_json(helpdesk: Helpdesk, open_api: OpenApi) -> None:
    helpdesk.script.answers = [(200, {"ETag": '"7"'}, b'{"id": 7}')]
    answer = open_api(helpdesk.url).get("/ticket/7", {"fields": "Subject,Queue"})
    assert (answer.status, answer.headers["etag"], answer.body) == (200, '"7"', {"id": 7})
    ((method, path, headers, _),) = helpdesk.script.asked
    assert (method, path) == ("GET", "/api/ticket/7?fields=Subject%2CQueue")
    assert headers["authorization"] == f"token {SECRET}"


def test_a_write_sends_json_and_its_own_headers(helpdesk: Helpdesk, open_api: OpenApi) -> None:
    helpdesk.script.answers = [(204, {}, b"")]
    answer = open_api(helpdesk.url).send("PUT", "/ticket/7", {"Queue": "Büro"}, {"If-Match": '"7"'})
    assert (answer.status, answer.body) == (204, None)
    ((method, _, headers, body),) = helpdesk.script.asked
    assert (method, headers["if-match"], headers["content-type"]) == ("PUT", '"7"', "application/json")
    assert body.decode() == '{"Queue":"Büro"}'


@pytest.mark.parametrize(
    ("status", "reading", "writing"),
    [
        (302, SetupWrong, SetupWrong),
        (400, Unexplained, ActionRefused),
        (401, LoginRefused, LoginRefused),
        (403, SetupWrong, ActionRefused),
        (404, SetupWrong, ActionRefused),
        (407, SetupWrong, SetupWrong),
        (408, Unreachable, Unreachable),
        (409, Unexplained, ActionRefused),
        (412, Unexplained, ActionRefused),
        (422, Unexplained, ActionRefused),
        (429, Unreachable, Unreachable),
        (500, Unreachable, Unreachable),
        (503, Unreachable, Unreachable),
    ],
)
def test_every_error_status_is_an_error_of_ours(
    helpdesk: Helpdesk,
    open_api: OpenApi,
    status: int,
    reading: type[ConnectorError],
    writing: type[ConnectorError],
) -> None:
    helpdesk.script.answers = [(status, {}, b"<h1>no</h1>")]
    api = open_api(helpdesk.url)
    with pytest.raises(reading, match=r"^support: "):
        api.get("/ticket/7")
    with pytest.raises(writing, match=r"^support: "):
        api.send("PUT", "/ticket/7", {})


def test_an_expected_error_status_is_an_answer(helpdesk: Helpdesk, open_api: OpenApi) -> None:
    helpdesk.script.answers = [(404, {}, b"<h1>no</h1>")]
    answer = open_api(helpdesk.url).get("/ticket/7", expected={404})
    assert (answer.status, answer.body) == (404, None)


def test_a_redirect_is_not_followed_with_the_secret(helpdesk: Helpdesk, open_api: OpenApi) -> None:
    helpdesk.script.answers = [(301, {"Location": f"{helpdesk.url}/elsewhere"}, b"")]
    with pytest.raises(SetupWrong, match="another path of this host"):
        open_api(helpdesk.url).get("/ticket/7")
    assert len(helpdesk.script.asked) == 1


@pytest.mark.parametrize("content", [b"<html>Please log in</html>", b"{", b"\xff\xfe", b"[" * 100_000])
def test_an_answer_that_is_not_json_is_unexplained(helpdesk: Helpdesk, open_api: OpenApi, content: bytes) -> None:
    helpdesk.script.answers = [(200, {}, content)]
    with pytest.raises(Unexplained, match="not JSON"):
        open_api(helpdesk.url).get("/ticket/7")


def test_an_answer_that_is_too_large_is_not_read_to_its_end(helpdesk: Helpdesk, open_api: OpenApi) -> None:
    helpdesk.script.answers = [(200, {}, b'"' + b"x" * 200_000 + b'"')]
    with pytest.raises(Unexplained, match="larger than 1000 bytes"):
        open_api(helpdesk.url, max_bytes=1000).get("/ticket/7")


def test_a_bomb_of_compressed_zeros_is_not_unpacked_to_its_end(helpdesk: Helpdesk, open_api: OpenApi) -> None:
    helpdesk.script.answers = [(200, {"Content-Encoding": "gzip"}, gzip.compress(b"0" * 50_000_000))]
    with pytest.raises(Unexplained, match="compressed, though"):
        open_api(helpdesk.url).get("/ticket/7")


def test_a_read_waits_once_when_the_server_asks_for_patience(helpdesk: Helpdesk, open_api: OpenApi) -> None:
    slept: list[float] = []
    api = open_api(helpdesk.url, sleep=slept.append)
    helpdesk.script.answers = [(429, {"Retry-After": "7"}, b""), (200, {}, b"[1]")]
    assert api.get("/tickets").body == [1]
    assert slept == [7.0]
    helpdesk.script.answers = [(503, {"Retry-After": "7"}, b"")]
    with pytest.raises(Unreachable):
        api.get("/tickets")
    assert slept == [7.0, 7.0]
    assert len(helpdesk.script.asked) == 4


def test_a_write_is_sent_once(helpdesk: Helpdesk, open_api: OpenApi) -> None:
    helpdesk.script.answers = [(503, {"Retry-After": "1"}, b"")]
    with pytest.raises(Unreachable):
        open_api(helpdesk.url, sleep=pytest.fail).send("PUT", "/ticket/7", {})
    assert len(helpdesk.script.asked) == 1


@pytest.mark.parametrize(
    ("status", "header", "wanted"),
    [
        (429, "7", 7.0),
        (503, "Sun, 22 Nov 2026 12:00:10 GMT", 10.0),
        (503, "Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        (429, "86400", None),
        (429, "soon", None),
        (429, "-5", None),
        (200, "7", None),
        (429, None, None),
    ],
)
def test_patience_is_bounded_and_understood_in_both_forms(
    status: int, header: str | None, wanted: float | None
) -> None:
    answer = RawAnswer(status, {} if header is None else {"retry-after": header}, b"")
    assert retry_after(answer, datetime(2026, 11, 22, 12, 0, tzinfo=UTC)) == wanted


# The wire


def test_a_server_that_is_not_there_is_unreachable(open_api: OpenApi) -> None:
    with pytest.raises(Unreachable, match="cannot be reached"):
        open_api(f"http://127.0.0.1:{free_port()}").get("/ticket/7")


def test_a_server_that_breaks_off_is_unreachable(helpdesk: Helpdesk, open_api: OpenApi) -> None:
    helpdesk.script.answers = [(0, {}, b"")]
    with pytest.raises(Unreachable, match="broke off"):
        open_api(helpdesk.url).get("/ticket/7")


def test_a_server_that_stays_silent_is_unreachable(helpdesk: Helpdesk, open_api: OpenApi) -> None:
    helpdesk.script.answers = [(-1, {}, b"")]
    with pytest.raises(Unreachable, match="in time"):
        open_api(helpdesk.url, timeout=0.2).send("PUT", "/ticket/7", {})


def test_a_server_that_drips_is_unreachable(helpdesk: Helpdesk, open_api: OpenApi) -> None:
    helpdesk.script.answers = [(-2, {}, b"")]
    with pytest.raises(Unreachable, match="too long"):
        open_api(helpdesk.url, timeout=2.0).get("/ticket/7")


def test_a_server_that_does_not_speak_http_is_unreachable(open_api: OpenApi) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"* OK IMAP4rev1 ready\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(Unreachable):
            open_api(f"http://127.0.0.1:{listener.getsockname()[1]}").get("/ticket/7")
        thread.join()


def test_a_closed_api_opens_again(helpdesk: Helpdesk, open_api: OpenApi) -> None:
    api = open_api(helpdesk.url)
    api.close()
    assert api.get("/ticket/7").body == {}
    api.close()
    api.close()
    assert api.get("/ticket/7").body == {}


def test_a_stranger_s_certificate_is_refused_before_the_secret_is_sent(
    secure_helpdesk: Helpdesk, open_api: OpenApi
) -> None:
    with pytest.raises(CertificateRefused, match="not trusted"):
        open_api(secure_helpdesk.url).get("/ticket/7")
    assert secure_helpdesk.script.asked == []


def test_the_office_s_own_ca_is_trusted_when_it_is_named(
    secure_helpdesk: Helpdesk, open_api: OpenApi, certificate: Path
) -> None:
    assert open_api(secure_helpdesk.url, ca_file=str(certificate)).get("/ticket/7").body == {"safe": True}


def test_tls_to_a_plain_server_is_refused(helpdesk: Helpdesk, open_api: OpenApi) -> None:
    with pytest.raises(CertificateRefused, match="TLS failed"):
        open_api(helpdesk.url.replace("http:", "https:")).get("/ticket/7")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_that_cannot_be_read_is_a_mistake_in_the_settings(
    open_api: OpenApi, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SetupWrong, match=r"ca\.pem"):
        open_api("https://localhost:1", ca_file=str(file)).get("/ticket/7")


def test_no_proxy_is_asked_on_the_way_to_this_machine(
    helpdesk: Helpdesk, open_api: OpenApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    assert open_api(helpdesk.url).get("/ticket/7").status == 200


# The address and the secret


@pytest.mark.parametrize(
    "url",
    [
        "http://rt.example.org",
        "rt.example.org",
        "ftp://rt.example.org",
        "https://",
        "",
        "https://user:password@rt.example.org",
        "http://[::1",
        "https://rt.example.org:port",
    ],
)
def test_an_address_that_would_leak_or_lead_nowhere_is_refused_at_once(url: str) -> None:
    with pytest.raises(SetupWrong) as caught:
        HttpApi("support", url, dict)
    assert "password@" not in str(caught.value)


def test_http_is_for_this_machine_only() -> None:
    assert checked_url("support", "http://127.0.0.1:8080/rt/") == "http://127.0.0.1:8080/rt"
    assert checked_url("support", "https://rt.example.org/") == "https://rt.example.org"
    with pytest.raises(SetupWrong):
        checked_url("support", "http://127.0.0.1.example.org/rt")


def test_the_secret_is_asked_for_late_and_shown_nowhere(
    helpdesk: Helpdesk, open_api: OpenApi, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    api = open_api(helpdesk.url)
    assert SECRET not in repr(vars(api))
    helpdesk.script.answers = [(401, {}, b"")]
    with pytest.raises(LoginRefused) as caught:
        api.get("/ticket/7")
    assert helpdesk.script.asked[0][2]["authorization"].endswith(SECRET)
    for shown in (
        str(caught.value),
        repr(caught.value),
        repr(vars(api)),
        repr(vars(api)["_client"].headers),
        caplog.text,
    ):
        assert SECRET not in shown


def exceptions_of(module: object) -> list[type[Exception]]:
    kinds = [getattr(module, name) for name in vars(module)["__all__"]]
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Exception)]


@pytest.mark.parametrize("kind", exceptions_of(httpx), ids=lambda kind: kind.__name__)
def test_every_exception_of_httpx_is_an_error_of_ours(
    kind: type[Exception], open_api: OpenApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = kind.__new__(kind)
    Exception.__init__(error, "detail that may hold a secret")

    def fail(*_: object, **__: object) -> None:
        raise error

    api = open_api("http://localhost:1")
    monkeypatch.setattr(httpx.Client, "request", fail)
    with pytest.raises(ConnectorError) as caught:
        api.get("/ticket/7")
    assert caught.value.__cause__ is error
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (httpx.ConnectTimeout, Unreachable),
        (httpx.PoolTimeout, Unreachable),
        (httpx.ReadError, Unreachable),
        (httpx.WriteError, Unreachable),
        (httpx.CloseError, Unreachable),
        (httpx.ProxyError, Unreachable),
        (httpx.RemoteProtocolError, Unreachable),
        (httpx.UnsupportedProtocol, SetupWrong),
        (httpx.LocalProtocolError, Unexplained),
        (httpx.DecodingError, Unexplained),
    ],
)
def test_what_may_pass_by_itself_is_unreachable(kind: type[httpx.RequestError], wanted: type[ConnectorError]) -> None:
    assert type(transport_error("support", kind("detail"))) is wanted


def test_a_tls_connection_that_ends_early_may_pass_by_itself() -> None:
    cut = httpx.ConnectError("detail")
    cut.__cause__ = ssl.SSLEOFError(8, "EOF occurred in violation of protocol")
    assert type(transport_error("support", cut)) is Unreachable
