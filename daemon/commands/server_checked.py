"""What `postroom check` says of a mail server beside the login: its certificate, its clock, a move that is tried."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from connectors.base import Connector
from daemon.signin.token_report import WARN_DAYS

CLOCK_OFF_S = 120.0
"""Beyond it what was delivered is not told from what a person put there (`daemon.rules.delivery`)."""

Seen = tuple[str, bool, str]
"""What was looked at, is it fine, what was seen."""


def certificate(connector: Connector, now: datetime) -> Iterator[Seen]:
    """A certificate that ends soon: within 30 days, or a quarter of its life where that is less, as with those that
    are renewed every few weeks."""
    held = connector.certificate()
    if held is None:
        return
    begin, end = held
    left, day = end - now, f"{end:%Y-%m-%d}"
    if left < timedelta():
        yield "certificate", False, f"ended on {day}. Whoever runs the mail server has to renew it."
    elif left < min(timedelta(days=WARN_DAYS), (end - begin) / 4):
        yield (
            "certificate",
            False,
            f"ends in {left.days} days, on {day}, and then nobody can log in. Whoever runs the mail server has to "
            "renew it; if the settings name it by `fingerprint`, change that, too.",
        )
    else:
        yield "certificate", True, f"holds until {day}, {left.days} days"


def newest_arrival(connector: Connector, inbox: str, now: datetime) -> Iterator[Seen]:
    """Does the server live in our future?"""
    arrived = next((seen.arrived for seen in connector.newest(inbox, 1) if seen.arrived is not None), None)
    if arrived is not None and timedelta(seconds=CLOCK_OFF_S) < arrived - now < timedelta(days=1):
        minutes = (arrived - now).total_seconds() / 60
        yield "clock", False, _off(f"the newest message in {inbox} came {minutes:.0f} minutes from now", now)


def trial(connector: Connector) -> Iterator[Seen]:
    """Raises ConnectorError."""
    tried = connector.try_move()
    if tried is None:
        yield "move", True, "not tried: here it could not be done without leaving something that people see"
        return
    yield "move", True, "a message of its own was put there, moved, read and removed, with the test folders"
    if tried.clock_off is None:
        return
    if abs(tried.clock_off) > CLOCK_OFF_S:
        way = "before" if tried.clock_off > 0 else "behind"
        said = f"the mail server's is {abs(tried.clock_off):.0f} s {way} this machine's"
        yield "clock", False, _off(said, datetime.now(UTC))
    else:
        yield "clock", True, f"the mail server's and this machine's differ by {abs(tried.clock_off):.0f} s"


def _off(said: str, now: datetime) -> str:
    return f"{said}. Here it is {now.astimezone():%Y-%m-%d %H:%M:%S %Z}: if that is wrong, have NTP set it."
