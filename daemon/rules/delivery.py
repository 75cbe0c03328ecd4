"""Was a message delivered to the inbox, or did somebody put it there? Only deliveries are sorted.

What a person drags into the inbox keeps the moment of its arrival (INTERNALDATE, RFC 9051 section 6.4.7), so it is
older than our last look; a delivery is younger. Both moments are told by different clocks. How far the server's is off
is learnt from what arrives: each look's newest arrival bounds it, and bounds that agree over several looks are
believed. Mail that people fetch back one by one grows older between two looks, so its bounds never agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

Bounds = tuple[float, float]
"""Our clock less the server's, in seconds, if the message was delivered between two looks: at least, at most."""

LATE = timedelta(minutes=2)
"""So much older than the last look a delivery may be: servers date it before they show it, clocks differ a little."""
AT_ONCE = timedelta(seconds=30)
"""So long a server may take to save what it received."""
TOLD = 5
"""So many looks have to agree before a server's clock is taken to be slow. A date in the future proves it fast."""
TRANSIT = 30.0
"""Seconds by which bounds may miss each other and still agree."""


def bounds(arrived: datetime, since: datetime, now: datetime) -> Bounds:
    """What one look's newest arrival says of the server's clock. `since`: when the look before began."""
    return (since - arrived).total_seconds(), (now - arrived).total_seconds()


def server_behind(known: Sequence[Bounds]) -> float:
    """How many seconds the server's clock is behind ours (negative: ahead); 0 unless the last looks agree on more."""
    recent = known[-TOLD:]
    if not recent:
        return 0.0
    least, most = max(low for low, _ in recent), min(high for _, high in recent)
    if least > most + TRANSIT:
        return 0.0
    return min(most, 0.0) or (max(least, 0.0) if len(recent) == TOLD else 0.0)


def is_young(arrived: datetime | None, now: datetime) -> bool:
    """Did it come so lately that in the inbox it would look like a delivery?"""
    return arrived is None or arrived >= now - LATE


def was_delivered(
    arrived: datetime | None, since: datetime | None, known: Sequence[Bounds] = (), saved: datetime | None = None
) -> bool:
    """Did it reach the server after the look that began at `since`? Who cannot tell takes it for delivered.

    `saved`: when it came into the inbox, where the server tells (SAVEDATE, RFC 8514). Then only its own clock matters.
    """
    if arrived is not None and saved is not None:
        return abs(saved - arrived) <= AT_ONCE  # later ones as well: the server's own clock may have been put back
    if arrived is None or since is None:
        return True
    return arrived + timedelta(seconds=server_behind(known)) >= since - LATE
