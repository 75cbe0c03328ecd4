"""Which messages the server does not give: found out by asking for fewer, then for each alone, twice.

    a FETCH of many fails | pieces | a piece fails | one by one | one fails alone, twice, on two connections -> given up

Everything but those is given as if they were not there: one message that a server chokes on must not stop a mailbox.
The doubts of one look live for that look only, and outlive its connections, since many a server hangs up on such a
message. What a look may cost is counted: a server that refuses everything is in trouble, and so is the look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from math import isqrt

from connectors.base import MessageRef
from connectors.errors import ConnectorError

FEW = 16
"""Of so many that failed together each is asked for alone."""
TWICE = 2
MOST_TROUBLE = 40
BROKEN_LINE = 3
"""Trouble counts so many times where the connection broke: the next one is a login, and perhaps a time-out."""
MOST_PARTS = 3
"""Of parts that were given up in one look: what the files say is worth no more logins."""
NOT_ASKED = "it came with too many others that the server did not give"


@dataclass
class Doubts:
    """What has failed in the present look. `given_up`: why, by place."""

    given_up: dict[MessageRef, str] = field(default_factory=dict)
    unstructured: set[MessageRef] = field(default_factory=set)
    """Large messages of which the server would not tell the parts."""
    _parts: Counter[tuple[MessageRef, str]] = field(default_factory=Counter)
    _at_once: dict[MessageRef, int] = field(default_factory=dict)
    _alone: dict[MessageRef, int] = field(default_factory=dict)
    _folders: dict[str, int] = field(default_factory=dict)
    _trouble: int = 0
    _any_given: bool = False
    _is_news: bool = False

    def next_piece(self, folder: str, epoch: int, uids: Sequence[int], most: int) -> list[int]:
        """The first of these UIDs that are to be asked for together; empty if all of them are given up."""
        refs = [MessageRef(folder, epoch, uid) for uid in uids]
        asked = [ref for ref in refs if ref not in self.given_up]
        if not asked:
            return []
        least = self._at_once.get(asked[0], most)
        alike = takewhile(lambda ref: self._at_once.get(ref, most) >= least, asked[:least])
        return [ref.uid for ref in alike]

    def given(self, folder: str, epoch: int, uids: Sequence[int]) -> None:
        """The server answered for these."""
        self._any_given = True
        for uid in uids:
            self._at_once.pop(MessageRef(folder, epoch, uid), None)

    def failed(self, folder: str, epoch: int, uids: Sequence[int], error: ConnectorError, *, broken: bool) -> None:
        """The server answered for none of these. Raises the error where it is in trouble altogether."""
        refs = [MessageRef(folder, epoch, uid) for uid in uids]
        self._is_news = True
        self._trouble += BROKEN_LINE if broken else 1
        if self._trouble > MOST_TROUBLE:
            if not self._any_given and not self.given_up:
                raise error
            self.given_up.update((ref, NOT_ASKED) for ref in refs)
        elif len(refs) > 1:
            fewer = 1 if len(refs) <= FEW else isqrt(len(refs))
            self._at_once.update((ref, fewer) for ref in refs)
        else:
            self._alone[refs[0]] = self._alone.get(refs[0], 0) + 1
            if self._alone[refs[0]] >= TWICE:
                self.given_up[refs[0]] = error.fact

    def no_structure(self, ref: MessageRef, error: ConnectorError) -> None:
        """The server would not tell of which parts this message is made. Raises the error as `failed` does."""
        self.unstructured.add(ref)
        self._is_news = True
        self._trouble += BROKEN_LINE
        if self._trouble > MOST_TROUBLE:
            raise error

    def gives_part(self, ref: MessageRef, section: str) -> bool:
        """May this part of a message be asked for? Not twice more after it broke the connection, and not at all where
        others did."""
        given_up = [place for place, times in self._parts.items() if times >= TWICE]
        return len(given_up) < MOST_PARTS and (ref, section) not in given_up

    def part_failed(self, ref: MessageRef, section: str, *, broken: bool) -> None:
        """The server did not give this part. The message is read without it, so that is no trouble of the look."""
        self._parts[ref, section] += 1 if broken else TWICE
        self._is_news = True

    def folder_failed(self, folder: str, error: ConnectorError) -> bool:
        """The connection broke over this folder, and not over a message in it. Is that so for the second time?"""
        if self._is_news:  # a message did it
            return False
        self._is_news = True
        self._trouble += BROKEN_LINE
        if self._trouble > MOST_TROUBLE:
            raise error
        self._folders[folder] = self._folders.get(folder, 0) + 1
        return self._folders[folder] >= TWICE

    def news(self) -> bool:
        """Has something failed since this was last asked? Then the same question may be put again."""
        news, self._is_news = self._is_news, False
        return news
