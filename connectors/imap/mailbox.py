"""One mailbox over IMAP: the contract of `connectors.base` on any server that speaks RFC 3501 or later.

    look   changes, fetch                           connectors.imap.changes, session, sightings
    act    move, file by label, tag                 connectors.imap.move, gmail_labels, keywords
    listen IDLE

This module owns the connection and nothing else: a dead one is dropped, and the next call opens another. All calls may
come from several threads; they take turns. Between `listen` and the next call the server is in an IDLE, which that call
ends.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from cryptography.x509 import load_der_x509_certificate

from connectors.base import (
    Action,
    Capabilities,
    Changes,
    Connector,
    Folder,
    Identity,
    Message,
    MessageRef,
    Move,
    Note,
    Recovered,
    Sighting,
    Tried,
    Unfinished,
    Watch,
    refs_by_folder,
)
from connectors.errors import ActionRefused, ConnectorError, FolderMissing
from connectors.imap.account import ImapAccount, log_in
from connectors.imap.answers import Abilities, Listed, State, same_folder
from connectors.imap.avoided import avoided_in
from connectors.imap.changes import find_changes, lying, newest, read_cursor, write_cursor
from connectors.imap.doubts import Doubts
from connectors.imap.experience import Experience
from connectors.imap.gmail_labels import file, recover_label
from connectors.imap.keywords import recover_tag, tag, tagged
from connectors.imap.line import TooMuch
from connectors.imap.move import move
from connectors.imap.recover_move import recover_move
from connectors.imap.session import FolderUnreadable, Session
from connectors.imap.texts import batches, sizes_of, texts
from connectors.imap.trial_move import trial_move

Result = TypeVar("Result")
SPECIAL_USES = {"\\archive", "\\drafts", "\\junk", "\\sent", "\\trash", "\\all", "\\flagged", "\\important"}


class ImapConnector(Connector):
    """One IMAP account. `settle`: seconds in which a server may still carry out a command of a broken connection."""

    def __init__(self, account: ImapAccount, *, settle: float = 1.0) -> None:
        self.name = account.name
        self.account = account
        self.server = f"{account.host}:{account.port}"
        self.settle = settle
        self._lock = threading.RLock()
        self._current: Session | None = None
        self._broken_at = time.monotonic()  # another process may have died a moment ago
        self._closing = threading.Event()
        self._halt = threading.Event()
        self._experience = Experience()
        self._reasons: Mapping[MessageRef, str] = {}
        """Why the last `fetch` was not given what it left out."""

    # Looking

    def capabilities(self) -> Capabilities:
        with self._lock:
            return self._again(self._able)

    def _able(self, session: Session) -> Capabilities:
        selected = session.open(self.account.inbox, write=True)  # only SELECT tells which flags can be kept
        tags = selected.keeps_keywords or session.abilities.gmail
        # Whether Gmail's counter moves with a label is written nowhere.
        tells = session.state(self.account.inbox).modseq > 0 and not session.abilities.gmail
        return Capabilities(
            move=session.abilities.move
            or (session.abilities.uidplus and session.experience.copies)
            or session.abilities.gmail,
            tags=tags,
            tells_tags=tells,
            notes=(
                *_notes(session.abilities, session.experience.copies, tags, tells, session.object_item),
                *self._experience.avoided.notes(),
            ),
        )

    def folders(self) -> list[Folder]:
        with self._lock:
            return self._again(lambda session: folders(session, self.account.inbox))

    def changes(self, cursor: str | None, watch: Watch) -> Changes:
        with self._lock:
            self.remember(cursor)
            changes = self._again(lambda session: find_changes(session, cursor, watch))
            if not (avoided := self._experience.avoided.words):
                return changes
            return replace(changes, cursor=write_cursor(read_cursor(changes.cursor), avoided))

    def renamed(self, cursor: str, names: Mapping[str, str]) -> str:
        states = {names.get(folder, folder): state for folder, state in read_cursor(cursor).items()}
        return write_cursor(states, avoided_in(cursor))

    def remember(self, cursor: str | None) -> None:
        with self._lock:
            self._experience.avoided.remember(avoided_in(cursor))

    def newest(self, folder: str, limit: int) -> list[Sighting]:
        return self._look_into(folder, lambda session: newest(session, folder, limit))

    def tagged_by_people(self, folder: str, tag: str, limit: int) -> list[Sighting]:
        """By SEARCH. At Gmail a label is a folder, too: see `filed_by_people`."""
        return self._look_into(folder, lambda session: tagged(session, folder, tag, limit))

    def fetch(self, refs: Sequence[MessageRef], *, papers: bool = False, pictures: bool = False) -> Iterator[Message]:
        """Several small messages are held at once (`connectors.imap.texts`), of large ones and their files one."""
        self._reasons = {}
        for (folder, epoch), uids in refs_by_folder(refs).items():
            doubts = Doubts()
            try:
                sizes = self._look_into(folder, partial(sizes_of, folder=folder, epoch=epoch, uids=uids), doubts)
                for batch in batches(sizes):
                    look = partial(texts, folder=folder, epoch=epoch, batch=batch, papers=papers, pictures=pictures)
                    yield from self._look_into(folder, look, doubts)
            except ActionRefused as error:
                if same_folder(folder, self.account.inbox):
                    raise
                self._reasons = {**self._reasons, **{MessageRef(folder, epoch, uid): error.fact for uid in uids}}
            self._reasons = {**self._reasons, **doubts.given_up}

    def withheld(self, refs: Sequence[MessageRef]) -> Mapping[MessageRef, str]:
        found: dict[MessageRef, str] = {}
        for (folder, epoch), uids in refs_by_folder(refs).items():
            try:
                lie = self._look_into(folder, partial(lying, folder=folder, epoch=epoch, uids=uids))
            except ActionRefused:  # nobody can say that it is gone
                if same_folder(folder, self.account.inbox):
                    raise
                lie = [MessageRef(folder, epoch, uid) for uid in uids]
            for ref in lie:
                found[ref] = self._reasons.get(ref, "The server answers without its text.")
        return found

    # Acting

    def apply(
        self,
        ref: MessageRef,
        identity: Identity,
        action: Action,
        note: Note,
        unless: frozenset[str] = frozenset(),
    ) -> MessageRef:
        with self._lock, self._minding_what_broke(ref):
            session = self._session()
            if isinstance(action, Move) and session.abilities.gmail:
                return file(session, ref, identity, action.folder, note, unless)
            if isinstance(action, Move):
                if (why := self._experience.shuns(action.folder)) is not None:
                    raise ActionRefused(f'{self.name}, folder "{action.folder}"', why)
                return move(session, ref, identity, action.folder, note, unless)
            return tag(session, ref, identity, action, note, unless)

    def recover(self, unfinished: Unfinished) -> Recovered:
        with self._lock:
            session = self._session()
            if isinstance(unfinished.action, Move) and session.abilities.gmail:
                return recover_label(session, unfinished, unfinished.action.folder, self._settle)
            if isinstance(unfinished.action, Move):
                return recover_move(session, unfinished, unfinished.action.folder, self._settle)
            return recover_tag(session, unfinished, unfinished.action)

    def try_move(self) -> Tried | None:
        """At Gmail a message stays in All Mail whatever happens to its labels: not tried."""
        with self._lock:
            session = self._session()
            return None if session.abilities.gmail else trial_move(self, session)

    def certificate(self) -> tuple[datetime, datetime] | None:
        with self._lock:
            shown = getattr(self._session().client.socket(), "getpeercert", lambda **_: None)(binary_form=True)
            if shown is None:
                return None
            try:
                read = load_der_x509_certificate(shown)
                return read.not_valid_before_utc, read.not_valid_after_utc
            except ValueError:  # OpenSSL takes more than this library
                return None

    # The connection

    def close(self) -> None:
        self._closing.set()
        with self._lock:
            if self._current is not None:
                self._current.close()
                self._current = None

    def break_off(self) -> None:
        self._halt.set()
        self._closing.set()

    def listen(self) -> int | None:
        """By IDLE (RFC 2177) on the inbox, where the server has it."""
        with self._lock:
            session = self._session()
            if not session.abilities.idle:
                return None
            session.open(self.account.inbox)
            return session.idle()

    def heard(self) -> bool:
        if not self._lock.acquire(blocking=False):
            return False  # whoever speaks with the server just now has ended the IDLE
        try:
            return self._current is not None and self._current.idles and self._current.heard()
        finally:
            self._lock.release()

    def _session(self) -> Session:
        """The connection, free to be asked; opened again if it is closed or dead."""
        if self._current is not None:
            self._current.end_idle()
        if self._current is not None and self._current.dead:
            self._current.close()
            self._current = None
            self._broken_at = time.monotonic()
        if self._current is None:
            self._current = Session(log_in(self.account, self._halt), self.name, self._experience)
            self._closing.clear()
        return self._current

    def _again(self, look: Callable[[Session], Result], doubts: Doubts | None = None) -> Result:
        """Look, and begin again on another connection where one message or an optional command has broken it: see
        `connectors.imap.doubts` and `avoided`."""
        doubts = doubts or Doubts()
        while True:
            session = self._session()
            session.doubts = doubts
            try:
                found = look(session)
                session.experience.avoided.looked()
                return found
            except ConnectorError as error:
                if self._halt.is_set() or not session.dead:
                    raise
                if session.attempting is not None and not isinstance(error, TooMuch):
                    session.experience.avoided.broke(session.attempting)
                elif not doubts.news():
                    raise
            finally:
                session.doubts = None

    @contextlib.contextmanager
    def _minding_what_broke(self, ref: MessageRef) -> Iterator[None]:
        try:
            yield
        except ConnectorError as error:
            session = self._current
            word = session.attempting if session is not None and session.dead else None
            if word is not None and not self._halt.is_set() and not isinstance(error, TooMuch):
                self._experience.avoided.broke(word, ref)
            raise

    def _look_into(self, folder: str, look: Callable[[Session], Result], doubts: Doubts | None = None) -> Result:
        """Look into this one folder. Raises ActionRefused where that breaks the connection, or where it has been given
        up for a while for that; of the inbox it raises what broke it."""
        place = f'{self.name}, folder "{folder}"'

        def minded(session: Session) -> Result:
            is_inbox = same_folder(folder, self.account.inbox)
            if not is_inbox and (why := session.experience.shuns(folder)) is not None:
                raise ActionRefused(place, why)
            with session.minding(folder, inbox=self.account.inbox):
                return look(session)

        with self._lock:
            try:
                return self._again(minded, doubts)
            except FolderUnreadable as error:
                raise ActionRefused(place, str(error)) from error

    def _settle(self) -> None:
        remaining = self._broken_at + self.settle - time.monotonic()
        if remaining > 0:
            self._closing.wait(remaining)


def folders(session: Session, inbox: str) -> list[Folder]:
    """See `Connector.folders`. One that breaks the connection is listed without its numbers."""
    session.leave()
    states: dict[str, tuple[Listed, State | None]] = {}
    for listed in session.folders(numbers=True):
        if not listed.selectable:
            continue
        if session.experience.shuns(listed.name) is not None:
            states[listed.name] = listed, None
            continue
        # Gone since, not ours to look into, or a mere parent: Dovecot lists those as if they were folders.
        with contextlib.suppress(FolderMissing, FolderUnreadable), session.minding(listed.name, inbox=inbox):
            states[listed.name] = listed, listed.state or session.state(listed.name)
    object_ids = session.mailbox_ids({name: state.epoch for name, (_, state) in states.items() if state is not None})
    return [
        Folder(
            name=name,
            delimiter=listed.delimiter,
            special_use=next((use[1:] for use in sorted(listed.attributes & SPECIAL_USES)), None),
            messages=state.messages if state is not None else None,
            object_id=f"mailboxid:{object_ids[name]}" if object_ids.get(name) else None,
            epoch=state.epoch if state is not None else 0,
        )
        for name, (listed, state) in sorted(states.items())
        if name in object_ids or state is None
    ]


def _notes(abilities: Abilities, copies: bool, tags: bool, tells: bool, object_item: str | None) -> tuple[str, ...]:
    """Sentences for `postroom check`."""
    if abilities.gmail:
        how = "Gmail: files by label, adds the folder's and drops the old one; deletes nothing, All Mail keeps it all"
    elif abilities.move:
        how = "moves by UID MOVE"
    elif not copies:
        how = "moves nothing"
    elif abilities.uidplus:
        how = "moves by UID COPY and UID EXPUNGE, because the server has no MOVE"
    else:
        how = "copies and marks the original as deleted, because the server has neither MOVE nor UIDPLUS"
    return (
        how,
        _on_tags(abilities, tells) if tags else "no keywords: folders only",
        f"finds messages again by {object_item}" if object_item else "finds messages again by Message-ID and digest",
        "one command a poll" if abilities.list_status else "one command a watched folder a poll",
        "hears by QRESYNC what left a folder" if abilities.qresync else "searches for what left a folder",
        "IDLE wakes Postroom up" if abilities.idle else "no IDLE: polling only",
    )


def _on_tags(abilities: Abilities, tells: bool) -> str:
    what = "labels as tags" if abilities.gmail else "keywords as tags"
    return f"{what}, {'hears' if tells else 'reads now and then'} which were changed"
