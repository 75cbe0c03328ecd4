"""How the service's mailboxes are doing, and the line that says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from daemon.rules.schedule import patience


@dataclass
class Round:
    """How one mailbox is doing."""

    poll: timedelta = timedelta(minutes=1)
    """How often it is looked at."""
    failures: int = 0
    needs_person: str | None = None
    working: bool = False
    """A pass is in hand, and does not wait for its turn."""
    alive: float = field(default_factory=time.monotonic)
    """When a pass last began, ended or handled a message, in seconds of the monotonic clock, which nobody sets."""
    due: float = field(default_factory=time.monotonic)
    """When the next look is due, in seconds of the monotonic clock: the scheduler plans by one that somebody sets."""
    hangs: bool = False
    """The pass in hand gives no sign of life, and the log says so."""
    silence_asked: datetime | None = None
    silent: bool = False
    """No mail has come for unusually long, and the log says so."""
    training: str | None = None
    """What is wrong with the nights, in words: the log has it already."""
    model: str | None = None
    """Why the model in use cannot be used."""
    succeeded: int = 0
    failed: int = 0
    seconds: float = 0.0
    """Passes since the service began, and how long they took together."""
    minded: bool = False
    """Its nights and its model have been asked for since the service began."""
    looked: bool = False
    """A pass has ended well since the service began."""
    held: bool = False
    """Paused or stopped: it looks and sorts nothing."""
    broken: int = 0
    """So many times in a row the connection broke while it was listened at."""
    cut_off: bool = False
    """The last look ended so that its connection is of no more use."""
    turns: str | None = None
    """What people are told of it, while the mailboxes of its server take turns."""
    line: threading.Lock = field(default_factory=threading.Lock)
    """Held by the look: it may be due in two pools."""

    @property
    def well(self) -> bool:
        """It is looked at every `poll`, as far as anybody knows."""
        return self.needs_person is None and not self.failures

    def overdue(self, now: float) -> bool:
        """Has it given no sign of life for too long? `now`: of the monotonic clock."""
        in_trouble = bool(self.failures) and not self.working
        return now - self.alive > patience(self.poll, in_trouble=in_trouble).total_seconds()


def status_line(rounds: Mapping[str, Round], refused: str, stuck: str | None = None) -> str:
    """How all mailboxes are doing, for `systemctl status`. `refused`: what of the settings read last cannot be used.
    `stuck`: why nothing is done any more."""
    pairs = rounds.items()
    troubled = [name for name, round_ in pairs if not round_.well or round_.hangs]
    held = [name for name, round_ in pairs if round_.held and name not in troubled]
    silent = [name for name, round_ in pairs if round_.silent and name not in {*troubled, *held}]
    unseen = [name for name, round_ in pairs if not round_.looked and name not in troubled]
    fruitless = [(name, round_.training) for name, round_ in pairs if round_.training]
    refused_models = [name for name, round_ in pairs if round_.model]
    trained_in_vain = [name for name, _ in fruitless]
    fine = len(rounds) - len({*troubled, *held, *silent, *unseen, *trained_in_vain, *refused_models})
    words = f"{fine} of {len(rounds)} mailboxes fine"
    if stuck:
        words = f"{stuck}; {words}"
    if refused:
        words += f"; {refused}: see postroom check"
    if unseen:
        words += f"; {len(unseen)} not looked at yet"
    if troubled:
        words += f"; trouble with {', '.join(troubled)}: see postroom status"
    if held:
        words += f"; nothing is sorted in {', '.join(held)}: see postroom status"
    if silent:
        words += f"; no mail comes in {', '.join(silent)}: see postroom status"
    if refused_models:
        words += f"; the model of {', '.join(refused_models)} cannot be used: see postroom status"
    if fruitless:
        (name, first), others = fruitless[0], len(fruitless) - 1
        words += f"; training {name}: {first}" + (f" And {others} more: see postroom status" if others else "")
    return words
