"""Whose mail, and which server: what `postroom init` asks before it signs in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connectors.errors import CertificateRefused, ConnectorError, LoginRefused
from connectors.hosts import is_this_machine
from daemon.commands.asker import Asker
from daemon.commands.common import notices
from daemon.setup.find_server import Lookup, look_up
from daemon.setup.presets import BY_NAME, PRESETS, Preset
from daemon.setup.try_sign_in import try_sign_in

Box = dict[str, Any]
FINGERPRINT = "Its SHA-256 fingerprint, compared as said above (Enter: name another server)"


def whose_mail(asker: Asker, given: Mapping[str, Any]) -> tuple[Preset, Box]:
    """The kind of server, and what a [[mailbox]] says of it. Raises click.Abort; what no flag says is noted."""
    user, found = given["user"], Lookup()
    wants_user = given["preset"] != "request-tracker" and given["url"] is None
    if asker.terminal and wants_user:
        user = asker.text("--user", user, "Login name of the mailbox, mostly its address (Request Tracker: Enter)", "")
        found = _looked_up(user, given)
    preset = _preset(asker, given, found, user)
    if preset.kind == "request-tracker":
        return preset, _helpdesk(asker, given)
    box: Box = {"inbox": given["inbox"] or "INBOX"}
    user = asker.text("--user", user or None, "Login name of the mailbox")
    box |= _server(asker, given, preset, found)
    if given["user"] is None and found.server is not None and found.server.login == "local part" and "@" in user:
        user = asker.text("--user", None, "Login name there", default=user.partition("@")[0])
    box["user"] = user
    sign_in = given["sign_in"] or preset.sign_in
    if sign_in != "password":
        box["sign_in"] = sign_in
    if sign_in == "microsoft":
        box["tenant"] = asker.text("--tenant", given["tenant"], "Directory (tenant) ID, from the app in Entra")
        box["client_id"] = asker.text("--client-id", given["client_id"], "Application (client) ID")
    box |= {key: given[key] for key in ("ca_file", "fingerprint", "person") if given[key] is not None}
    return preset, box


def _preset(asker: Asker, given: Mapping[str, Any], found: Lookup, user: str | None) -> Preset:
    if given["preset"] is None and given["host"] is not None:
        return BY_NAME["imap"]
    if given["preset"] is None and given["url"] is not None:
        return BY_NAME["request-tracker"]
    if asker.terminal and given["preset"] is None:
        notices.print()
        for preset in PRESETS:
            notices.print(f"  {preset.name:16} {preset.words}", soft_wrap=True)
    likely = found.preset.name if found.preset is not None else "imap" if user else "request-tracker"
    names = [preset.name for preset in PRESETS]
    default = likely if asker.terminal else None
    return BY_NAME.get(asker.choice("--preset", given["preset"], "Where is the mail", names, default), BY_NAME["imap"])


def _looked_up(user: str, given: Mapping[str, Any]) -> Lookup:
    domain = user.rpartition("@")[2] if "@" in user else ""
    if not domain or given["host"] is not None or given["preset"] not in (None, "imap"):
        return Lookup()
    with notices.status(f"Asking the name servers about {domain} ..."):
        found = look_up(domain)
    if found.preset is not None:
        notices.print(f"The name servers say that {domain}'s mail is taken by: {found.preset.words}.", soft_wrap=True)
    elif found.server is not None:
        strange = "" if found.server.is_of(domain) else f" It is not below {domain}: is that your provider?"
        notices.print(f"{found.server.source[0].upper()}{found.server.source[1:]} names {found.server.host}.{strange}")
    else:
        why = f" ({found.trouble[0]})" if found.trouble else ""
        notices.print(f"Nothing says which server has the mail of {domain}{why}.", soft_wrap=True)
    return found


def _server(asker: Asker, given: Mapping[str, Any], preset: Preset, found: Lookup) -> Box:
    announced = found.server if not preset.host else None
    host = given["host"] or preset.host
    if not host:
        host = asker.text("--host", None, "IMAP server", announced.host if announced is not None else None)
    box: Box = {"host": host}
    if announced is not None and host == announced.host and given["tls"] is None:
        box |= {"tls": announced.tls, "port": given["port"] or announced.port}
    else:
        box["tls"] = given["tls"] or "implicit"
        if given["port"] is not None:
            box["port"] = given["port"]
        elif asker.terminal and not preset.host and given["host"] is None:
            said = asker.text("--port", None, "Port (993: TLS at once, 143: STARTTLS)", "993", _no_port)
            box |= {"tls": "starttls" if said == "143" else box["tls"], "port": int(said)}
    return box


def _no_port(said: str) -> str | None:
    return None if said.isascii() and said.isdigit() and 0 < int(said) < 65536 else "Say a number from 1 to 65535."


def _helpdesk(asker: Asker, given: Mapping[str, Any]) -> Box:
    box: Box = {"inbox": asker.text("--inbox", given["inbox"], "The queue that new tickets arrive in")}
    box["url"] = asker.text("--url", given["url"], "Request Tracker's address (https://...)")
    return box | {key: given[key] for key in ("user", "ca_file") if given[key] is not None}


def show_host(box: Mapping[str, Any]) -> None:
    """Whom the secret will be sent to: before it is typed."""
    if "url" in box:
        place = box["url"]
    else:
        ways = {"implicit": "TLS", "starttls": "STARTTLS", "none": "not encrypted, on this machine"}
        port = box.get("port", 993 if box["tls"] == "implicit" else 143)
        place = f"{box['host']}, port {port}, {ways[box['tls']]}, as {box['user']}"
    notices.print(f"\nThe secret will be sent to {place}; to nobody else.", soft_wrap=True)


def free_name(box: Mapping[str, Any], taken: list[str]) -> str:
    """A name for the mailbox that no other has: "office" of "office@example.org"."""
    words = str(box.get("user") or box["inbox"]).partition("@")[0].lower()
    name = re.sub(r"[^a-z0-9]+", "-", words).strip("-")[:40] or "office"
    return next(one for one in (name, *(f"{name}-{number}" for number in range(2, 10_000))) if one not in taken)


def sign_in(asker: Asker, box: Box, secret: str, question: str) -> tuple[Any, str]:
    """The folders, and the secret that opened them; what a server refuses is asked again, of a person.

    Raises ConnectorError where nobody is there; PostroomError; click.Abort.
    """
    while True:
        try:
            with notices.status("Signing in ..."):
                return try_sign_in(box, secret), secret
        except ConnectorError as error:
            if not asker.terminal:
                raise
            notices.print(f"\n{error.place}: {error.fact}", soft_wrap=True)
            if isinstance(error, LoginRefused):
                notices.print("Ctrl-C ends it, and nothing is written.")
                secret = asker.secret("--password-file", None, f"{question}, once more")
            elif isinstance(error, CertificateRefused) and (pin := _pinned(asker, error)):
                box["fingerprint"] = pin
            elif "url" in box:
                box["url"] = asker.text("--url", None, "Request Tracker's address", box["url"])
            else:
                _another_server(asker, box)


def _pinned(asker: Asker, error: CertificateRefused) -> str:
    notices.print(error.next_step, soft_wrap=True)
    return asker.text("--fingerprint", None, FINGERPRINT, default="")


def _another_server(asker: Asker, box: Box) -> None:
    box["host"] = asker.text("--host", None, "IMAP server", box["host"])
    box["port"] = int(asker.text("--port", None, "Port", str(box.get("port", 993)), _no_port))
    ways = ("implicit", "starttls", "none") if is_this_machine(box["host"]) else ("implicit", "starttls")
    box["tls"] = asker.choice("--tls", None, f"Encryption ({', '.join(ways)})", ways, box["tls"])
    show_host(box)
    asker.confirm("Is that right")
