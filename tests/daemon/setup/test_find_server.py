"""Which server has the mail: by real DNS messages and real answers over HTTP, honest, lying, broken and silent."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from daemon.setup import find_server
from daemon.setup.find_server import Lookup, Server, fetch_file, look_up, parse_autoconfig
from tests.servers.names import NameServer

AUTOCONFIG = b"""<?xml version="1.0"?>
<clientConfig version="1.1"><emailProvider id="example.org"><domain>example.org</domain>
<incomingServer type="pop3"><hostname>pop.example.org</hostname><port>995</port>
<socketType>SSL</socketType></incomingServer>
<incomingServer type="imap"><hostname>slow.example.org</hostname><port>143</port><socketType>STARTTLS</socketType>
<username>%EMAILADDRESS%</username></incomingServer>
<incomingServer type="imap"><hostname> imap.example.org </hostname><port>993</port><socketType>SSL</socketType>
<username>%EMAILLOCALPART%</username></incomingServer>
<outgoingServer type="smtp"><hostname>smtp.example.org</hostname><port>465</port></outgoingServer>
</emailProvider></clientConfig>"""


def nothing(url: str) -> bytes:
    raise OSError("nobody is there")


def asked(answers: dict[tuple[str, str], list[str]], domain: str = "example.org") -> Lookup:
    with NameServer(answers) as names:
        return look_up(domain, names.resolver(), nothing)


@pytest.mark.parametrize(
    ("exchanger", "preset"),
    [
        ("example-org.mail.protection.outlook.com.", "microsoft"),
        ("aspmx.l.google.com.", "google"),
        ("in1-smtp.messagingengine.com.", "fastmail"),
        ("mx.google.com.evil.example.", None),
        ("evilgoogle.com.", None),
    ],
)
def test_who_takes_the_mail_tells_the_provider(exchanger: str, preset: str | None) -> None:
    found = asked({("example.org", "MX"): [f"10 {exchanger}"]})
    assert (found.preset.name if found.preset is not None else None) == preset


def test_srv_records_tell_the_server_the_best_first() -> None:
    records = ["20 0 993 second.example.net.", "10 1 993 small.example.org.", "10 9 10993 mail.example.org."]
    found = asked({("_imaps._tcp.example.org", "SRV"): records, ("_imap._tcp.example.org", "SRV"): ["0 1 143 x.y."]})
    assert found.server == Server("mail.example.org", 10993, "implicit", "the record _imaps._tcp.example.org")
    assert found.server.is_of("example.org")
    assert not found.server.is_of("ample.org")


def test_a_service_that_is_not_there_is_not_taken_for_a_host() -> None:
    found = asked({
        ("_imaps._tcp.example.org", "SRV"): ["0 0 0 ."],
        ("_imap._tcp.example.org", "SRV"): ["0 1 143 mail.example.org."],
    })  # fmt: skip
    assert found.server is not None
    assert (found.server.host, found.server.tls) == ("mail.example.org", "starttls")


@pytest.mark.parametrize("target", ["bad\\032name.example.", "\\027[2J.example.", "-x.example.", "nodots."])
def test_what_is_no_name_of_a_host_is_not_proposed(target: str) -> None:
    assert asked({("_imaps._tcp.example.org", "SRV"): [f"0 1 993 {target}"]}).server is None


def test_a_domain_beyond_ascii_is_asked_about_as_dns_has_it() -> None:
    with NameServer({}) as names:
        look_up("büro.example", names.resolver(), nothing)
    assert ("xn--bro-hoa.example", "MX") in names.asked


@pytest.mark.parametrize("domain", ["", "a b.example", "x", "../etc", "a" * 70 + ".example", "\x1b[2J.example"])
def test_what_is_no_domain_is_asked_about_nowhere(domain: str) -> None:
    with NameServer({}) as names:
        assert look_up(domain, names.resolver(), nothing).trouble
    assert names.asked == []


def test_name_servers_that_do_not_answer_are_asked_once_and_no_host_after_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(find_server, "DNS_S", 0.5)
    with NameServer({}, silent=True) as names:
        found = look_up("example.org", names.resolver(), lambda url: AUTOCONFIG)
    assert {kind for _, kind in names.asked} == {"MX"}
    assert (found.server, found.preset) == (None, None)
    assert "gave no answer" in found.trouble[0]


def test_an_answer_that_cannot_be_read_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find_server, "DNS_S", 0.5)
    with NameServer({}, raw=b"\x81\x80\xff\xff\xff\xff") as names:
        assert look_up("example.org", names.resolver(), nothing).server is None


def test_the_domains_own_file_is_read_where_records_say_nothing_and_nobody_elses() -> None:
    fetched: list[str] = []

    def fetch(url: str) -> bytes:
        fetched.append(url)
        return AUTOCONFIG

    with NameServer({("autoconfig.example.org", "A"): ["192.0.2.1"]}) as names:
        found = look_up("example.org", names.resolver(), fetch)
    assert fetched == ["https://autoconfig.example.org/mail/config-v1.1.xml"]
    assert found.server is not None
    assert (found.server.host, found.server.tls, found.server.login) == ("imap.example.org", "implicit", "local part")


def test_where_the_first_file_is_not_there_the_second_place_is_looked_at() -> None:
    fetched: list[str] = []

    def fetch(url: str) -> bytes:
        fetched.append(url)
        if "autoconfig." in url:
            raise OSError("refused")
        return AUTOCONFIG

    here = ["192.0.2.1"]
    with NameServer({("autoconfig.example.org", "A"): here, ("example.org", "A"): here}) as names:
        assert look_up("example.org", names.resolver(), fetch).server is not None
    assert fetched[1] == "https://example.org/.well-known/autoconfig/mail/config-v1.1.xml"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>not here</html>",
        b"<clientConfig><incomingServer type='imap'><hostname>imap.example.org</hostname>",
        AUTOCONFIG.replace(b'type="imap"', b'type="pop3"'),
        AUTOCONFIG.replace(b"SSL", b"plain").replace(b"STARTTLS", b"plain"),
        AUTOCONFIG.replace(b".example.org</hostname>", b".ex\x00ample</hostname>"),
        AUTOCONFIG.replace(b"993", b"99999").replace(b"143", "١٤٣".encode()),
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + AUTOCONFIG.replace(b"imap.", b"&b;"),
        b"<a>" * 300,
    ],
    ids=lambda content: content[:30].decode(errors="replace"),
)
def test_a_file_that_names_no_server_in_a_way_that_can_be_used_names_none(content: bytes) -> None:
    assert parse_autoconfig(content) is None


class _Handler(http.server.BaseHTTPRequestHandler):
    paths: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.paths.append(self.path)
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "/good")
            self.end_headers()
            return
        self.send_response(404 if self.path == "/none" else 200)
        self.end_headers()
        content = b"x" * (find_server.LARGEST + 100_000) if self.path == "/large" else AUTOCONFIG
        try:
            self.wfile.write(content)
            if self.path == "/slow":
                for _ in range(100):
                    if self.server.ended.wait(0.1):  # type: ignore[attr-defined]
                        return
                    self.wfile.write(b" ")
        except OSError:  # nobody listens any more
            pass

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.ended = threading.Event()  # type: ignore[attr-defined]
    _Handler.paths.clear()
    monkeypatch.setattr(find_server, "WEB_S", 1.0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.ended.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_is_fetched_without_a_word_of_whose_mailbox_it_is(web: str) -> None:
    assert fetch_file(f"{web}/good") == AUTOCONFIG
    assert _Handler.paths == ["/good"]


@pytest.mark.parametrize("path", ["elsewhere", "none", "large", "slow"])
def test_who_leads_elsewhere_sends_too_much_or_takes_too_long_is_not_heard(web: str, path: str) -> None:
    with pytest.raises(OSError):  # noqa: PT011 - whatever it is: look_up takes it for nothing
        fetch_file(f"{web}/{path}")
    assert _Handler.paths == [f"/{path}"]


def test_put_new_leaves_what_is_there_and_is_whole(tmp_path: Path) -> None:
    from daemon.mistakes import PostroomError
    from daemon.setup.put_new import put_new

    put_new(tmp_path / "a", b"first", 0o600)
    with pytest.raises(PostroomError, match="is there already"):
        put_new(tmp_path / "a", b"second", 0o600)
    assert (tmp_path / "a").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
