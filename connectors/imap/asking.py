"""Asking over one IMAP connection: every failure translated, and which messages lie in the open folder.

What servers answer to that differs more than anything else, so it is all in one place: `connectors.imap.session` adds
the commands that are named after what they do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import TypeVar, cast

from connectors.errors import ConnectorError
from connectors.imap.answers import Abilities, fetched_by_uid, found_by_search
from connectors.imap.failures import NotUnderstood, is_dead, translate
from connectors.imap.line import BoundedClient
from connectors.imap.sightings import Fetched, flags, uid_sets

Result = TypeVar("Result")

LAST_UID = 4294967295
"""UIDs have 32 bits (RFC 9051 section 2.3.1.1). This end is named instead of "*", beyond which servers differ."""
EVERY = f"1:{LAST_UID}"
SEARCH_WINDOW = 20_000
"""UIDs a search may return at once: the length of a line is bounded, see `connectors.imap.line`."""


class Asking:
    """The part of a `Session` that asks. Every method raises only `connectors.errors`."""

    client: BoundedClient
    name: str
    abilities: Abilities
    dead = False
    attempting: str | None = None
    """The optional command that it waits for the answer of, or that it died of."""

    def search(self, criteria: str) -> list[int]:
        """UIDs in the open folder, ascending."""
        return self._ask(lambda: self._search(criteria))

    def _search(self, criteria: str) -> list[int]:
        return found_by_search(self.client._command_and_check("search", criteria, uid=True))

    def with_message_id(self, message_id: str) -> list[int]:
        """UIDs in the open folder whose header may hold this Message-ID, marked as deleted or not: servers search for
        parts, so look closer."""
        if not message_id.isascii() or not message_id.isprintable():
            return []
        quoted = message_id.replace("\\", "\\\\").replace('"', '\\"')
        return self.search(f'HEADER Message-ID "{quoted}"')

    def present(self, uid_set: str, wanted: Container[int]) -> list[int]:
        """The UIDs of this set that are not marked as deleted.

        Not by SEARCH where there is no UIDPLUS: imap4d takes UIDs for message numbers, maddy leaves some out (seen).
        """
        if self.abilities.uidplus:
            return [uid for uid in self.search(f"UID {uid_set} UNDELETED") if uid in wanted]
        found = self._flags(uid_set, wanted)
        return sorted(uid for uid, one in found.items() if "\\deleted" not in map(str.lower, flags(one)))

    def _flags(self, uid_set: str, wanted: Container[int]) -> dict[int, Fetched]:
        """The flags of the wanted ones in this set. imap4d answers BAD to a set that begins and ends with what is gone,
        and in an empty folder (seen)."""

        def ask() -> dict[int, Fetched]:
            self.client._imap.untagged_responses.pop("FETCH", None)
            return fetched_by_uid(self.client._command_and_check("fetch", uid_set, "(FLAGS)", uid=True), wanted)

        try:
            return self._ask(ask)
        except NotUnderstood:
            if not self._alive() or (uid_set == EVERY and self.search("ALL")):
                raise
            self.dead = False
            return {} if uid_set == EVERY else self._flags(EVERY, wanted)

    def uids_from(self, first: int) -> list[int]:
        """UIDs from `first` on that are not marked as deleted."""
        return self.present(f"{first}:{LAST_UID}", range(first, LAST_UID + 1))

    def uids_between(self, first: int, after: int, messages: int) -> list[int]:
        """UIDs that are not marked as deleted, first <= uid < after, in bounded answers."""
        found: list[int] = []
        step = SEARCH_WINDOW if messages > SEARCH_WINDOW else max(after - first, 1)
        for start in range(first, after, step):
            end = min(start + step, after)
            found += self.present(f"{start}:{end - 1}", range(start, end))
        return found

    def among(self, uids: Iterable[int]) -> set[int]:
        """Which of these UIDs are still there and not marked as deleted."""
        wanted = set(uids)
        return {uid for uid_set in uid_sets(wanted) for uid in self.present(uid_set, wanted)}

    def _ask(self, command: Callable[[], Result], place: str | None = None) -> Result:
        """Run a command of the client; what it raises becomes an error of ours."""
        # What nobody asked for adds up in imaplib for as long as no folder is opened.
        self.client._imap.untagged_responses = {}
        try:
            return command()
        except ConnectorError as error:  # of the line
            self.dead = self.dead or is_dead(error)
            raise
        except Exception as error:
            failure = translate(error, place or self.name)
            self.dead = self.dead or is_dead(failure)
            raise failure from error

    @contextlib.contextmanager
    def optional(self, word: str) -> Iterator[None]:
        """What is asked within is more than every server has: where the connection breaks, this is what it died of."""
        before = self.attempting
        self.attempting = word or before
        try:
            yield
        finally:
            if not self.dead:
                self.attempting = before

    def _ask_about(
        self,
        uids: Sequence[int],
        command: Callable[[], Result],
        nothing: Result | None = None,
        again: Callable[[Sequence[int]], Result] | None = None,
    ) -> Result:
        """A command about UIDs of the open folder. A BAD is believed only when all of them are there: James answers it
        where one is gone, and in an empty folder (seen). Else it is `nothing`, or what `again` gets of the rest.
        """
        try:
            return self._ask(command)
        except NotUnderstood:
            if not self._alive():
                raise
            self.dead = False
            if self.abilities.uidplus:
                there = [uid for wanted in uid_sets(uids) for uid in self.search(f"UID {wanted}")]
            else:
                there = sorted(self._flags(EVERY, set(uids)))
            missing = set(uids) - set(there)
            if not missing:
                self.dead = True
                raise
            return again(there) if again is not None and there else cast(Result, nothing)

    def _alive(self) -> bool:
        try:
            self.client.noop()
        except Exception:
            self.dead = True
            return False
        return True
