"""Addresses as rules read them: shown in a text, and whether they lie in a domain."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def shown_in(text: str) -> list[str]:
    """The addresses in a text as people read it: "Ann Lee <ann@example.org>, bob@example.org"."""
    # Not by one expression for the whole address: that is quadratic in a text without any "@".
    return [piece.lower() for piece in re.split(r"[\s<>,;]+", text) if "@" in piece[1:-1]]


def in_domains(address: str, domains: Sequence[str]) -> bool:
    """Does this address lie in one of these domains, or below it?"""
    domain = address.rpartition("@")[2]
    return any(domain == own or domain.endswith(f".{own}") for own in domains)


def fits_one(addresses: Iterable[str], rules: Sequence[str]) -> bool:
    """Does one of these addresses fit a rule: an address, or "@domain" with all below it?"""
    return any(
        in_domains(address, [rule[1:]]) if rule.startswith("@") else address == rule
        for address in addresses
        for rule in rules
    )
