"""Turns at servers that take fewer connections than there are mailboxes.

    refused: no more than we have now | who has none waits in line | who rests in IDLE longest is called, looks and
    hangs up | the next one in line looks

A mailbox keeps its connection between two looks, so where a server limits them those that came first would keep theirs
for ever. Pure bookkeeping: whoever asks carries out what it answers. Times are seconds of the monotonic clock.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field

BELIEVED_S = 900.0
"""So long after its last refusal a server's limit counts: others may have had their share of it, and leave."""


@dataclass
class _Server:
    room: int | None = None
    """So many of our connections it takes at a time; None: as many as there are mailboxes."""
    refused: float = 0.0
    """When it last refused one."""
    inside: dict[str, bool] = field(default_factory=dict)
    """Who has a connection or is about to open one, the last used last: is a look at work?"""
    connected: set[str] = field(default_factory=set)
    """Those of them whose look has ended well since."""
    called: set[str] = field(default_factory=set)
    """Who rests, and was asked to make room."""
    line: dict[str, None] = field(default_factory=dict)
    """Who waits, in order."""

    def wait(self, name: str) -> str | None:
        """Put this one in line. Who is to be looked at so that there is room, if anybody rests."""
        self.line.setdefault(name)
        resting = (other for other, works in self.inside.items() if not works and other not in self.called)
        asked = next(resting, None) if len(self.called) < len(self.line) else None
        if asked is not None:
            self.called.add(asked)
        return asked


class Turns:
    """Knows a mailbox by its name once it has asked to `enter`. Safe to share between threads."""

    def __init__(self) -> None:
        self._servers: defaultdict[str, _Server] = defaultdict(_Server)
        self._of: dict[str, _Server] = {}
        self._lock = threading.Lock()

    def enter(self, name: str, place: str, now: float) -> tuple[bool, str | None]:
        """May this mailbox be looked at? If not it waits in line; and who is to be looked at so that there is room.
        `place`: with which server it shares a limit of connections; "": nobody knows, and it has no limit here."""
        with self._lock:
            server = self._of[name] = self._servers[place] if place else _Server()
            if server.room is not None and now - server.refused > BELIEVED_S:
                server.room = None
            if server.room is not None and name not in server.inside and len(server.inside) >= server.room:
                return False, server.wait(name)
            server.line.pop(name, None)
            server.called.discard(name)
            server.inside.pop(name, None)
            server.inside[name] = True
            return True, None

    def refused(self, name: str, now: float, *, again: bool) -> str | None:
        """The server took no more connections. Who is to be looked at so that there is room. `again`: not for the first
        time in a row, so the limit may be this mailbox's alone: it waits for its next look and costs nobody a turn."""
        with self._lock:
            server = self._of[name]
            server.inside.pop(name, None)
            server.connected.discard(name)
            server.room, server.refused = max(1, len(server.connected)), now
            return None if again or not server.connected else server.wait(name)

    def ends(self, name: str, *, well: bool) -> bool:
        """A look has ended. Must its connection be closed, because somebody waits for it? Else it rests."""
        with self._lock:
            server = self._of[name]
            if name not in server.inside:
                return False
            server.inside[name] = False
            if well:
                server.connected.add(name)
            if server.room is not None:  # a look that was at work when another one was refused
                server.room = max(server.room, len(server.connected))
            return server.room is not None and bool(server.line)

    def gone(self, name: str) -> str | None:
        """It has no connection any more. Who was first in line and is to be looked at, if there is room now."""
        with self._lock:
            server = self._of[name]
            server.inside.pop(name, None)
            server.connected.discard(name)
            server.called.discard(name)
            has_room = server.room is None or len(server.inside) < server.room
            first = next(iter(server.line), None) if has_room else None
            if first is not None:
                del server.line[first]
            return first

    def leaves(self, name: str) -> str | None:
        """It is looked at no more, and its connection is being closed. Who is to be looked at, if there is room now."""
        with self._lock:
            if name not in self._of:
                return None
            self._of[name].line.pop(name, None)
        first = self.gone(name)
        with self._lock:
            del self._of[name]
        return first

    def in_words(self, name: str) -> str | None:
        """What people are told while the mailboxes of this one's server take turns."""
        with self._lock:
            server = self._of[name]
            if server.room is None:
                return None
            sharing = sum(other is server for other in self._of.values())
            connections = "one connection" if server.room == 1 else f"{server.room} connections"
            return (
                f"the server takes {connections} of ours at a time, and {sharing} mailboxes are there: they take "
                "turns, and new mail may be seen only at the next poll. To hear of it at once, raise the server's "
                "limit of connections for one user or from one address."
            )
