"""What was learnt about one account while this process lives. It outlives connections, and is read at each new one."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from connectors.imap.answers import Abilities, Listed
from connectors.imap.avoided import COPY, Avoided

FIRST_PAUSE_S, LONGEST_PAUSE_S = 600.0, 6 * 3600.0


@dataclass(frozen=True)
class Shunned:
    """A folder that is left alone until then, in seconds of the monotonic clock."""

    why: str
    times: int
    until: float


@dataclass
class Experience:
    """spelled: how the server writes the names of folders where we would write them otherwise. avoided: outlives this
    process, in the cursor."""

    spelled: dict[str, bytes] = field(default_factory=dict)
    avoided: Avoided = field(default_factory=Avoided)
    _shunned: dict[str, Shunned] = field(default_factory=dict)

    def shun(self, folder: str, why: str) -> None:
        """Leave this folder alone for a while, each time longer: the connection breaks whenever it is looked into."""
        times = self._shunned[folder].times + 1 if folder in self._shunned else 1
        pause = min(FIRST_PAUSE_S * 2 ** min(times - 1, 20), LONGEST_PAUSE_S)
        self._shunned[folder] = Shunned(why, times, time.monotonic() + pause)

    def shuns(self, folder: str) -> str | None:
        """Why this folder is to be left alone for now; None: it is not."""
        shunned = self._shunned.get(folder)
        return shunned.why if shunned is not None and time.monotonic() < shunned.until else None

    def is_well(self, folder: str) -> None:
        """It could be looked into."""
        self._shunned.pop(folder, None)

    def note_spelling(self, listed: Iterable[Listed]) -> None:
        """Remember these folders' names."""
        for one in listed:
            if one.spelled is not None:
                self.spelled[one.name] = one.spelled

    @property
    def copies(self) -> bool:
        """Can a copy be found again?"""
        return COPY not in self.avoided.words

    def heeded_by(self, abilities: Abilities) -> Abilities:
        """What the server can do, without what it only says."""
        return abilities.without(self.avoided.words)
