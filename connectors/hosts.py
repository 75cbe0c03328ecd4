"""Which host is this very machine: the one answer on which secrets may travel in clear, and proxies are passed by."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_this_machine(host: str) -> bool:
    """Does this name, address, HOST:PORT or URL lead to this machine, whatever a name server says?

    Only "localhost" (RFC 6761 section 6.3) and the loopback addresses do: 127.0.0.0/8, ::1, and the former written as
    IPv6 (RFC 4291 section 2.5.5.2). A name that merely begins like one, 127.0.0.1.example.org, belongs to a stranger.
    """
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return _named(host)
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def goes_in_clear(url: str) -> bool:
    """Would what is sent to this URL travel readable to another machine?"""
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_this_machine(parts.hostname or "")


def _named(host: str) -> bool:
    try:
        name = urlsplit(host if "//" in host else f"//{host}").hostname or ""
    except ValueError:  # brackets without an address
        return False
    if name == host.lower():  # nothing was left to take off, and an address it is not
        return name == "localhost"
    return is_this_machine(name)
