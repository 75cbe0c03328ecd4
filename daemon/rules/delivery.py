"""Was a message delivered to the inbox, or did somebody put it there? Only deliveries are sorted.

What a person drags into the inbox keeps the moment of its arrival (INTERNALDATE, RFC 9051 section 6.4.7), so it is
older than our last look, and older than what was delivered before it; a delivery is younger than both. Where the server
says when a message came into the folder (SAVEDATE, RFC 8514), a delivery came when it arrived.

The look is told by our clock, the arrival by the server's. How far that is off is learnt from what arrives: each look's
newest arrival bounds it, and bounds that agree over several looks and some time are believed. Mail that somebody
fetches back grows older meanwhile, so its bounds do not agree for long.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

LATE = timedelta(minutes=2)
"""So much older than the last look a delivery may be: servers date it before they show it, clocks differ a little."""
AT_ONCE = timedelta(seconds=30)
"""So long a server may take to save what it received, and so far deliveries may overtake each other."""
TOLD, SPAN = 5, timedelta(minutes=10)
"""So many looks within at least so long have to agree before a server's clock is taken to be slow or fast."""
TRANSIT = 30.0
"""Seconds by which bounds may miss each other and still agree."""
LATELY = 8
"""So many arrivals are remembered. One of them may be dated by mistake, so the second newest counts."""


@dataclass(frozen=True)
class Bounds:
    """Our clock less the server's, in seconds, if a message was delivered between two looks: at least, at most; and
    when that was, in seconds by our clock."""

    least: float
    most: float
    at: float


@dataclass(frozen=True)
class ServerClock:
    """What arrivals have told of the server's clock: bounds by the last looks, and the last dates of arrival."""

    bounds: tuple[Bounds, ...] = ()
    lately: tuple[float, ...] = ()

    def arrived(self, moment: datetime | None) -> ServerClock:
        """With one more arrival in the inbox."""
        if moment is None:
            return self
        return replace(self, lately=(*self.lately, moment.timestamp())[-LATELY:])

    def looked(self, newest: datetime, since: datetime, now: datetime) -> ServerClock:
        """With what a look's newest arrival says. `since`: when the look before began."""
        told = Bounds((since - newest).total_seconds(), (now - newest).total_seconds(), now.timestamp())
        return replace(self, bounds=(*self.bounds, told)[-TOLD:])

    @property
    def behind(self) -> timedelta:
        """How far the server's clock is behind ours (negative: ahead); nothing unless the last looks agree on more."""
        recent = self.bounds[-TOLD:]
        if len(recent) < TOLD or recent[-1].at - recent[0].at < SPAN.total_seconds():
            return timedelta()
        least, most = max(one.least for one in recent), min(one.most for one in recent)
        agree = least <= most + TRANSIT
        return timedelta(seconds=most) if agree and (least > 0 or most < 0) else timedelta()

    @property
    def latest(self) -> datetime | None:
        """No delivery is older than this: the second newest arrival. None: too little has arrived."""
        newest = sorted(self.lately)
        return datetime.fromtimestamp(newest[-2], UTC) if len(newest) > 1 else None

    def dump(self) -> dict[str, Any]:
        """For JSON."""
        return {"bounds": [[one.least, one.most, one.at] for one in self.bounds], "lately": list(self.lately)}

    @classmethod
    def load(cls, stored: dict[str, Any] | None) -> ServerClock:
        """From JSON; None: nothing has been told yet."""
        found = stored or {"bounds": [], "lately": []}
        return cls(tuple(Bounds(*one) for one in found["bounds"]), tuple(found["lately"]))


def is_young(arrived: datetime | None, now: datetime) -> bool:
    """Did it come so lately that in the inbox it would look like a delivery?"""
    return arrived is None or arrived >= now - LATE


def was_delivered(
    arrived: datetime | None,
    since: datetime | None,
    clock: ServerClock = ServerClock(),
    saved: datetime | None = None,
) -> bool:
    """Did it reach the server after the look that began at `since`? Who cannot tell takes it for delivered.

    `saved`: when it came into the inbox, where the server tells. Then only the server's own clock matters.
    """
    if arrived is None:
        return True
    if saved is not None:
        return abs(saved - arrived) <= AT_ONCE  # later ones as well: its clock may have been put back meanwhile
    if clock.latest is not None and arrived < clock.latest - AT_ONCE:
        return False
    return since is None or arrived + clock.behind >= since - LATE
