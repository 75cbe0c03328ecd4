"""What a history remembers of people, daemons and mail: the oracle of the random histories.

It knows what people did and nothing of how Postroom finds out, so it can say what no daemon may do: move what a person
put somewhere (Undone), learn what no person did (WronglyTaught), lose a mail (Lost). Where it is documented that nobody
can tell (docs/decisions.md), it says so with `promised`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from connectors.base import MessageRef
from daemon.passes.desk import Desk
from daemon.rules.delivery import LATE
from daemon.store.mailboxes import QUIET_NOTE
from tests.fakes import FakeClassifier

AT_ONCE = timedelta(seconds=30)


class Lost(AssertionError):
    """A mail is gone, and nobody had deleted it."""


class Undone(AssertionError):
    """A daemon moved what a person had put there."""


class WronglyTaught(AssertionError):
    """A daemon learnt what no person did."""


@dataclass(frozen=True)
class Act:
    """A person put a mail into this folder, which is named as it was called first."""

    folder: str
    when: datetime
    source: str


@dataclass
class Mail:
    """One delivered mail and what the test knows of its life. Folders are named by what they were called first."""

    subject: str
    origin: str
    seen: list[str] = field(default_factory=list)
    """Watched folders in which a look of the first daemon found it, each once in a row."""
    acts: list[Act] = field(default_factory=list)
    last_mover: str = "server"
    last_rule: str = ""
    """Where a rule moved it."""
    copied: bool = False


@dataclass(eq=False)
class Piece:
    """One message on the server: a mail, or a copy of it. Moments are true ones, whatever the clocks say."""

    subject: str
    ref: MessageRef
    arrived: datetime
    shift: timedelta
    """How far the server's clock was off when it arrived."""
    put_by: str = "server"
    put: datetime | None = None
    marked: bool = False
    """It carries the keyword of a Postroom."""
    flagged: bool = False
    safe: set[str] = field(default_factory=set)
    """The daemons that have to know that a person put it here."""
    half: Piece | None = None
    """The copy of it that a person made, which may be the first half of a move."""
    half_at: MessageRef | None = None
    half_for: set[str] = field(default_factory=set)
    """The daemons that knew it before it was copied."""


@dataclass
class Daemon:
    """One Postroom. `met`: what it has seen somewhere; `looked`: all that had arrived by then it has seen."""

    name: str
    desk: Desk
    model: FakeClassifier
    met: set[str] = field(default_factory=set)
    looked: datetime | None = None
    last_met: dict[str, str] = field(default_factory=dict)
    """Where."""
    unheard: set[tuple[str, str]] = field(default_factory=set)
    """Moves of daemons that it cannot tell from a person's, by subject and folder."""
    moves: list[tuple[datetime, str, str]] = field(default_factory=list)
    """Its own."""
    gaps: list[tuple[datetime, datetime]] = field(default_factory=list)
    """Between a backup and its restore."""
    known_gaps: tuple[tuple[datetime, datetime], ...] = ()
    """Those that its database knows of, because it has looked since."""

    def hears(self, act: Act) -> bool:
        """May it learn from this?"""
        return not any(start < act.when <= end for start, end in self.gaps)

    def has_moved(self, subject: str) -> bool:
        """Has it ever moved this?"""
        return any(subject == moved for _, moved, _ in self.moves)

    def forgets_a_little(self) -> None:
        """A new process knows of the last quiet looks no more."""
        self.looked = None if self.looked is None else self.looked - QUIET_NOTE


@dataclass(frozen=True)
class Backup:
    """A copy of a daemon's database, and what that daemon knew."""

    file: Any
    taken: datetime
    met: frozenset[str]
    last_met: dict[str, str]
    looked: datetime | None
    unheard: frozenset[tuple[str, str]]
    gaps: tuple[tuple[datetime, datetime], ...]
    unseen: tuple[tuple[datetime, datetime], ...]
    """Gaps of which only the watermark beside the database tells: no look has been since the restore before."""
    jumps: int

    def misses(self, when: datetime) -> bool:
        """Does this copy, alone, know nothing of what happened then?"""
        return when > self.taken or any(start < when <= end for start, end in self.unseen)


def promised(daemon: Daemon, piece: Piece, now: datetime, world: Any) -> bool:
    """A person has just put this into the inbox: can this daemon know that, as documented?"""
    by_its_clock = now + world.server_off - (piece.arrived + piece.shift)
    if (world.box_tells_saved and abs(by_its_clock) > AT_ONCE) or daemon.looked is None:
        return True
    restarted = world.inbox_restarted is not None and world.inbox_restarted >= daemon.looked
    if piece.marked and (not restarted or not daemon.has_moved(piece.subject)):
        return True
    if piece.subject in daemon.met:
        # Nothing but its UID would say that it had been away.
        return not (restarted and daemon.last_met.get(piece.subject) == "INBOX")
    return not world.jumps and piece.arrived + LATE < daemon.looked
