"""What was learnt about one account while this process lives. It outlives connections, and is read at each new one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from connectors.imap.answers import Abilities, Listed


@dataclass
class Experience:
    """spelled: how the server writes the names of folders where we would write them otherwise. no_move: it offers MOVE
    and does not understand it."""

    spelled: dict[str, bytes] = field(default_factory=dict)
    no_move: bool = False

    def note_spelling(self, listed: Iterable[Listed]) -> None:
        """Remember these folders' names."""
        for one in listed:
            if one.spelled is not None:
                self.spelled[one.name] = one.spelled

    def heeded_by(self, abilities: Abilities) -> Abilities:
        """What the server can do, without what it only says."""
        return replace(abilities, move=abilities.move and not self.no_move)
