"""Which server has a domain's mail? Asked of DNS and of the domain's own web host, of no third party.

    MX: who takes the mail          SRV: RFC 6186          autoconfig.DOMAIN: the file that Thunderbird reads

What comes of it is a proposal. DNS may lie or hang: all of it together takes some ten seconds at most, an answer is
taken for a host's name only where it is one, and no word of whose mailbox it is, no name and no secret, goes anywhere
before a person has seen the host and said yes (RFC 6186 section 6).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from daemon.papers.xml_stream import Handler, LimitReached, read_xml
from daemon.setup.presets import Preset, preset_for

if TYPE_CHECKING:
    from dns.resolver import Resolver

DNS_S = 5.0
"""For all questions to the name servers together."""
WEB_S = 4.0
"""For one file of the domain's own web host; there are two."""
LARGEST = 256 * 1024
HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))+", re.IGNORECASE)
FILES = ("https://autoconfig.{}/mail/config-v1.1.xml", "https://{}/.well-known/autoconfig/mail/config-v1.1.xml")
SOCKETS: dict[str, Literal["implicit", "starttls"]] = {"SSL": "implicit", "STARTTLS": "starttls"}

Fetch = Callable[[str], bytes]
"""What lies at an address. Raises OSError, ValueError: nothing usable."""


@dataclass(frozen=True)
class Server:
    """An IMAP server as somebody announces it. `login`: which part of the address is the login name there."""

    host: str
    port: int
    tls: Literal["implicit", "starttls"]
    source: str
    login: Literal["address", "local part"] = "address"

    def is_of(self, domain: str) -> bool:
        """Does its name lie in the domain itself? Else a provider has it, or somebody lies."""
        return self.host == domain or self.host.endswith(f".{domain}")


@dataclass
class Lookup:
    """What was found: `preset` by who takes the mail, `server` by what is announced; None: nothing."""

    preset: Preset | None = None
    server: Server | None = None
    trouble: list[str] = field(default_factory=list)


def look_up(domain: str, resolver: Resolver | None = None, fetch: Fetch | None = None) -> Lookup:
    """Never raises; `trouble` says what did not answer."""
    found = Lookup()
    if not HOST.fullmatch(_ascii(domain)):
        found.trouble.append(f'"{domain}" is no domain')
        return found
    asked = _Names(resolver, found.trouble)
    domain = _ascii(domain)
    found.preset = preset_for(host for _, host in sorted(asked.exchangers(domain)))
    if found.preset is not None:
        return found
    found.server = next(asked.announced(domain), None)
    if found.server is None and not asked.silent:
        for file in FILES:
            url = file.format(domain)
            if not asked.is_there(url.split("/")[2]):
                continue
            with suppress(OSError, ValueError):
                found.server = parse_autoconfig((fetch or fetch_file)(url))
            if found.server is not None:
                break
    return found


class _Names:
    """Questions to the name servers, within one time for all."""

    def __init__(self, resolver: Resolver | None, trouble: list[str]) -> None:
        self.trouble, self.silent, self.end = trouble, False, time.monotonic() + DNS_S
        self.resolver = resolver

    def exchangers(self, domain: str) -> Iterator[tuple[int, str]]:
        for record in self._ask(domain, "MX"):
            yield int(record.preference), _name(record.exchange)

    def announced(self, domain: str) -> Iterator[Server]:
        """By SRV records, the best first: TLS from the first byte before STARTTLS (RFC 8314 section 3)."""
        for service, tls in (("_imaps", "implicit"), ("_imap", "starttls")):
            records = self._ask(f"{service}._tcp.{domain}", "SRV")
            for record in sorted(records, key=lambda one: (one.priority, -one.weight)):
                host = _name(record.target)  # "." says: no such service here
                if HOST.fullmatch(host) and record.port:
                    source = f"the record {service}._tcp.{domain}"
                    yield Server(host, int(record.port), tls, source)  # type: ignore[arg-type]

    def is_there(self, host: str) -> bool:
        return any(self._ask(host, kind) for kind in ("A", "AAAA"))

    def _ask(self, name: str, kind: str) -> list[Any]:
        import dns.exception  # a quarter of all modules that `postroom init` loads
        import dns.resolver

        left = self.end - time.monotonic()
        if self.silent or left <= 0:
            return []
        try:
            self.resolver = self.resolver or dns.resolver.Resolver()
            return list(self.resolver.resolve(name, kind, lifetime=left, search=False))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError, ValueError) as error:
            self.silent = True
            self.trouble.append(f"the name servers gave no answer to {kind} {name} ({type(error).__name__})")
            return []


def fetch_file(url: str) -> bytes:
    """Over HTTPS, with a checked certificate and no redirect: another host would be a third party. Raises OSError."""
    import httpx

    from connectors.http_limits import limited, within

    try:
        with limited(httpx.Client(timeout=WEB_S, follow_redirects=False)) as client, within(WEB_S, most=LARGEST):
            answer = client.get(url)
            answer.raise_for_status()
            if answer.is_redirect:
                raise OSError("it leads elsewhere")
            return answer.content
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise OSError(str(error)) from error


class _Autoconfig(Handler):
    """The IMAP servers of a <clientConfig>, in its order."""

    def __init__(self) -> None:
        self.servers: list[dict[str, str]] = []
        self.inside = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "incomingServer":
            self.inside = attributes.get("type") == "imap"
            if self.inside:
                self.servers.append({})

    def text(self, text: str) -> None:
        if self.inside and len(self.path) > 1 and self.path[-2] == "incomingServer":
            values = self.servers[-1]
            values[self.path[-1]] = (values.get(self.path[-1], "") + text)[:300]

    def end(self, name: str) -> None:
        if name == "incomingServer":
            self.inside = False


def parse_autoconfig(content: bytes) -> Server | None:
    """The best IMAP server that such a file names; None: none that can be used. Raises nothing.

    Format: https://www.bucksch.org/1/projects/thunderbird/autoconfiguration/config-file-format.html
    """
    handler = _Autoconfig()
    with suppress(LimitReached):
        read_xml([content], handler)
    found = []
    for one in handler.servers:
        host, port = one.get("hostname", "").strip().lower(), one.get("port", "").strip()
        tls = SOCKETS.get(one.get("socketType", "").strip())
        if tls is not None and HOST.fullmatch(host) and port.isascii() and port.isdigit() and 0 < int(port) < 65536:
            login = one.get("username", "").strip()
            part: Literal["address", "local part"] = "local part" if login == "%EMAILLOCALPART%" else "address"
            found.append(Server(host, int(port), tls, "the domain's own autoconfig file", part))
    return min(found, key=lambda server: server.tls != "implicit", default=None)


def _name(name: Any) -> str:
    return _ascii(name.to_text(omit_final_dot=True)).lower()


def _ascii(domain: str) -> str:
    """As DNS has it: "büro.example" is "xn--bro-hoa.example"; what cannot be said there stays as it is."""
    try:
        return (
            domain.strip().rstrip(".").encode("idna").decode("ascii").lower()
            if not domain.isascii()
            else (domain.strip().rstrip(".").lower())
        )
    except UnicodeError:
        return domain
