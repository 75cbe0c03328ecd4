"""What a server offers and does not bear: used with this account no more, and remembered in the cursor.

An optional command that breaks the connection twice, or that the server does not understand though it announces it, is
replaced by what every server has. COPY is given up where the server says OK and the copy cannot be found.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

TIMES = 2
"""So often a connection may break at a command: once may be anybody's fault."""
COPY = "COPY"
FALL_BACKS = {
    "CONDSTORE": "reads what changed by UID FETCH",
    COPY: "leaves all mail where it is, since a copy could not be found again",
    "LIST-STATUS": "asks folder by folder",
    "OBJECTID": "finds messages again by Message-ID and digest",
    "QRESYNC": "searches for what left a folder",
    "SAVEDATE": "does without it",
    "SPECIAL-USE": "guesses what folders are for by their names",
    "X-GUID": "finds messages again by Message-ID and digest",
}
"""The commands' names by their capability, and what Postroom does instead: for `postroom check`."""


class Avoided:
    """Which of `FALL_BACKS` are not used with one account any more."""

    def __init__(self) -> None:
        self.words: set[str] = set()
        self._broken: Counter[str] = Counter()

    def broke(self, word: str) -> None:
        """The connection broke at this command."""
        self._broken[word] += 1
        if self._broken[word] >= TIMES:
            self.words.add(word)

    def remember(self, words: Iterable[str]) -> None:
        """What an earlier run found out."""
        self.words.update(word for word in words if word in FALL_BACKS)

    def notes(self) -> list[str]:
        """Sentences for `postroom check`."""
        return [
            f"{word} is not used with this server any more, because it fails there: Postroom {FALL_BACKS[word]}"
            for word in sorted(self.words)
        ]


def avoided_in(cursor: str | None) -> list[str]:
    """What a cursor of ours remembers, beside the folders: under the empty name, which no folder has."""
    try:
        return [str(word) for word in json.loads(cursor or "{}").get("", ())]
    except (ValueError, TypeError, AttributeError):
        return []
