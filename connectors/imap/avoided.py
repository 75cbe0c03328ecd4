"""What a server offers and does not bear: used with this account no more, and remembered in the cursor.

An optional command that breaks the connection twice running, or that the server does not understand though it announces
it, is replaced by what every server has. One that changes a message has to break at two different ones: one bad message
proves nothing. COPY is given up where the server says OK and the copy cannot be found.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

from connectors.base import MessageRef

TIMES = 2
"""So often a connection may break at a command: once may be anybody's fault."""
COPY, KEYWORDS, MOVE = "COPY", "KEYWORDS", "MOVE"
FALL_BACKS = {
    "CONDSTORE": "reads what changed by UID FETCH",
    COPY: "leaves all mail where it is, since a copy could not be found again",
    KEYWORDS: "leaves no keyword of its own on what it moves",
    "LIST-STATUS": "asks folder by folder",
    MOVE: "copies mail, and removes the original",
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
        self._broken_at: dict[str, set[MessageRef]] = {}

    def broke(self, word: str, at: MessageRef | None = None) -> None:
        """The connection broke at this command. `at`: about this message."""
        if at is None:
            self._broken[word] += 1
        else:
            self._broken_at.setdefault(word, set()).add(at)
        if self._broken[word] >= TIMES or len(self._broken_at.get(word, ())) >= TIMES:
            self.words.add(word)

    def looked(self) -> None:
        """A look came to its end: what broke before it was the network's fault."""
        self._broken.clear()

    def worked(self, word: str) -> None:
        """This command changed a message."""
        self._broken_at.pop(word, None)

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
