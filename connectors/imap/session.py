"""One logged-in IMAP connection: the few commands that Postroom uses, typed, with every failure translated.

    look:    LIST, STATUS, EXAMINE, UID SEARCH, UID FETCH with BODY.PEEK, IDLE
    change:  SELECT, UID MOVE, UID COPY, UID STORE, UID EXPUNGE of one UID, Gmail's labels

There is no EXPUNGE without a UID in here, no CLOSE (which expunges) and no CREATE. A session that failed in a way that
leaves the protocol in doubt is `dead`; its owner opens another one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from connectors.base import MessageRef, Sighting
from connectors.errors import ActionRefused, ConnectorError, FolderMissing, Unexplained, Unreachable
from connectors.imap.answers import (
    Abilities,
    Listed,
    Selected,
    State,
    copied,
    deleted_in,
    fetched_by_uid,
    is_news,
    listed_in,
    same_folder,
    selected_in,
    states_in,
    vanished_in,
    with_state,
)
from connectors.imap.asking import LAST_UID, Asking, Result
from connectors.imap.avoided import MOVE
from connectors.imap.doubts import Doubts
from connectors.imap.experience import Experience
from connectors.imap.failures import NotUnderstood
from connectors.imap.line import MOST_UNREAD, BoundedClient
from connectors.imap.sightings import (
    BASIC_ITEMS,
    Fetched,
    as_text,
    fingerprint,
    is_deleted,
    sighting,
    uid_sets,
)

FETCH_BATCH = 200
MOST_FOLDERS = 20_000


class FolderUnreadable(Exception):
    """A folder is there and cannot be looked into: why, in words. It does not leave the connector."""


class Session(Asking):
    """One connection. Every method raises only `connectors.errors`."""

    def __init__(self, client: BoundedClient, name: str, experience: Experience | None = None) -> None:
        self.client = client
        self.name = name
        self.doubts: Doubts | None = None
        """Of the present look; None: whatever the server refuses is an error."""
        self.experience = experience or Experience()
        self.abilities = self.experience.heeded_by(Abilities.of(as_text(word) for word in client.capabilities()))
        self.object_item = "EMAILID" if self.abilities.objectid else "X-GM-MSGID" if self.abilities.gmail else None
        self._probed = self.object_item is not None or "X-GUID" in self.experience.avoided.words
        self.resyncs = False
        """Is QRESYNC switched on?"""
        self.idles = False
        """Is it in the middle of an IDLE?"""
        self._folder: str | None = None
        self._selected: Selected | None = None
        self._last_list: tuple[object, list[Listed]] | None = None
        self._mailbox_ids: dict[tuple[str, int], str | None] = {}
        self._keepers: dict[tuple[str, int], Selected] = {}

    # Looking

    def folders(self, pattern: str = "*", *, numbers: bool = False) -> list[Listed]:
        """The folders that match, with their numbers if asked for and if one command gives them all."""
        arguments = ['""', self._quoted(pattern)]
        returned = ["SPECIAL-USE"] if self.abilities.special_use and self.abilities.list_extended else []
        if numbers and self.abilities.list_status:
            returned.append(f"STATUS ({' '.join(self._state_items())})")
        if returned:
            arguments.append(f"RETURN ({' '.join(returned)})")

        def ask() -> list[Listed]:
            imap = self.client._imap
            imap.untagged_responses.pop("STATUS", None)
            kind, answer = imap._simple_command("LIST", *arguments)
            self.client._checkok("list", kind, answer)
            lines = imap._untagged_response(kind, answer, "LIST")[1]
            numbers = imap._untagged_response(kind, answer, "STATUS")[1]
            said = (arguments, lines, numbers)
            if len(lines) > MOST_FOLDERS:
                raise Unexplained(
                    self.name,
                    f"The server lists {len(lines)} folders; Postroom takes {MOST_FOLDERS} at most.",
                    "If they are real, give Postroom's account the right to see fewer.",
                )
            if self._last_list is None or self._last_list[0] != said:  # the usual poll brings no news: read it once
                states = states_in(numbers)
                self._last_list = said, [with_state(listed, states) for listed in listed_in(lines)]
                self.experience.note_spelling(self._last_list[1])
            return self._last_list[1]

        with self.optional(
            "LIST-STATUS" if numbers and self.abilities.list_status else "SPECIAL-USE" if returned else ""
        ):
            return self._ask(ask)

    def exists(self, folder: str) -> bool:
        """Does the folder exist? LIST is the only proof. Its wildcards may match more than the name, so the names are
        compared."""
        return any(same_folder(listed.name, folder) and listed.selectable for listed in self.folders(folder))

    def state(self, folder: str) -> State:
        """The folder's numbers, by STATUS. Raises FolderMissing."""
        if self._folder == folder:
            self.leave()

        def ask() -> State:
            answer = self.client._command_and_check(
                "status", self._quoted(folder), f"({' '.join(self._state_items())})"
            )
            return next((state for state, _ in reversed(states_in(answer).values())), State(0, 0, 0))

        try:
            state = self._ask_folder(folder, ask)
        except ActionRefused:  # maddy loses count of the messages, and then says "I/O error" (seen)
            state = State(0, 0, 0)
        return state if state.epoch and state.uidnext else self._state_by_opening(folder, state)

    def _state_by_opening(self, folder: str, told: State) -> State:
        """For servers whose STATUS leaves something out: EXAMINE tells as well, else the last message's UID does."""
        selected = self.open(folder)
        uidnext = selected.uidnext or max(self.search("ALL"), default=0) + 1
        self.leave()
        return State(selected.epoch, uidnext, selected.messages, told.modseq)

    def mailbox_ids(self, folders: Mapping[str, int]) -> dict[str, str | None]:
        """MAILBOXID (RFC 8474) by name, where the server has it: survives a rename. `folders`: name -> UIDVALIDITY.

        Asked folder by folder, because in LIST-STATUS Cyrus 3.6 answers with a freed buffer after a rename (seen); and
        on a connection only once, as long as names and UIDVALIDITYs stay what they were. Left out: who isn't readable.
        """
        if self._mailbox_ids.keys() != set(folders.items()):
            self._mailbox_ids = {}
            for folder, epoch in folders.items():
                with contextlib.suppress(FolderMissing, ActionRefused):
                    self._mailbox_ids[folder, epoch] = self._mailbox_id(folder)
        return {folder: object_id for (folder, _), object_id in self._mailbox_ids.items()}

    def _mailbox_id(self, folder: str) -> str | None:
        if not self.abilities.objectid:
            return None
        with self.optional("OBJECTID"):
            answer = self._ask_folder(
                folder, lambda: self.client._command_and_check("status", self._quoted(folder), "(MAILBOXID)")
            )
        return next((object_id for _, object_id in states_in(answer).values()), None)

    def open(self, folder: str, *, write: bool = False) -> Selected:
        """EXAMINE, or SELECT if something shall be changed. Raises FolderMissing."""

        def ask() -> Selected:
            return self._select("SELECT" if write else "EXAMINE", self._quoted(folder))

        selected = self._ask_folder(folder, ask)
        self._folder, self._selected = folder, selected
        return selected

    def _select(self, command: str, *arguments: bytes | str) -> Selected:
        """Not IMAPClient's own: it cannot be told how a folder is spelled."""
        self._folder = self._selected = None
        imap = self.client._imap
        imap.untagged_responses = {}
        imap.is_readonly = command == "EXAMINE"
        kind, answer = imap._simple_command(command, *arguments)
        imap.state = "SELECTED" if kind == "OK" else "AUTH"
        self.client._checkok(command.lower(), kind, answer)
        if "READ-ONLY" in imap.untagged_responses and not imap.is_readonly:
            raise imap.readonly("not writable")
        return selected_in(imap.untagged_responses)

    def opened(self, folder: str) -> Selected:
        """The folder, opened; the server is not asked again if it is open already."""
        return self._selected if self._selected is not None and self._folder == folder else self.open(folder)

    def keeper(self, folder: str, epoch: int) -> Selected:
        """The folder as SELECT shows it, asked once a connection: only that tells which flags a copy there would keep.

        Without the right s or w servers copy without the flags and answer OK (RFC 4314 section 4). EXAMINE tells
        nothing, as it lets nobody change anything (RFC 9051 section 6.3.3).
        """
        if (folder, epoch) not in self._keepers:
            self._keepers[folder, epoch] = self.open(folder, write=True)
        return self._keepers[folder, epoch]

    def enable_resync(self) -> None:
        """Switch QRESYNC on (RFC 7162 section 3.2.3), once a connection; only while no folder is open (RFC 5161)."""
        if self.abilities.qresync and not self.resyncs and self._folder is None:
            with self.optional("QRESYNC"):
                enabled = self._ask(lambda: self.client.enable("QRESYNC"))
            self.resyncs = any(as_text(word).upper() == "QRESYNC" for word in enabled)
            if not self.resyncs:  # offered and not given: do not ask again
                self.abilities = replace(self.abilities, qresync=False)

    def resync(self, folder: str, epoch: int, modseq: int, known: Collection[int]) -> set[int]:
        """EXAMINE (QRESYNC ...): which of the known UIDs left or were marked as deleted since then, as the server says.

        What it says may be too much. Everything is claimed where UIDs have restarted meanwhile.
        """
        sets = uid_sets(known)
        words = sets[0] if len(sets) == 1 else f"{min(known)}:{max(known)}"

        def ask() -> tuple[Selected, set[int]]:
            selected = self._select("EXAMINE", self._quoted(folder), f"(QRESYNC ({epoch} {modseq} {words}))")
            said = dict(self.client._imap.untagged_responses)
            return selected, vanished_in(said.get("VANISHED", []), known) | deleted_in(said.get("FETCH", []))

        with self.optional("QRESYNC"):
            selected, claimed = self._ask_folder(folder, ask)
        self._folder, self._selected = folder, selected
        return claimed if selected.epoch == epoch else set(known)

    @contextlib.contextmanager
    def minding(self, folder: str, *, inbox: str = "") -> Iterator[None]:
        """Look into one folder of many: what it breaks is its own. Raises FolderUnreadable where it cannot be looked
        into, and what the session raises where the look has to begin again, or where it is the inbox."""
        try:
            yield
        except ActionRefused as error:
            if same_folder(folder, inbox):
                raise
            raise FolderUnreadable(error.fact) from error
        except (Unexplained, Unreachable) as error:
            if self.doubts is None or self.attempting is not None or same_folder(folder, inbox) or not self.dead:
                raise
            if self.doubts.folder_failed(folder, error):
                self.experience.shun(folder, error.fact)
            raise
        else:
            self.experience.is_well(folder)

    def leave(self) -> None:
        """Close the open folder without expunging, or have the server look: before STATUS, which may be stale for
        it."""
        if self._folder is not None:
            self._ask(self.client.unselect_folder if self.abilities.unselect else self.client.noop)
            self._folder = None if self.abilities.unselect else self._folder
        self._selected = None

    def sightings(self, folder: str, epoch: int, uids: Sequence[int]) -> Iterator[Sighting]:
        """What lies at these UIDs of the open folder, batch by batch; what is gone is left out."""
        for uid, fetched in self.fetch_apart(folder, epoch, uids, self.sighting_items()):
            seen = sighting(MessageRef(folder, epoch, uid), fetched, self.object_item)
            if seen is not None:
                yield seen

    def fetch_apart(
        self, folder: str, epoch: int, uids: Sequence[int], items: Sequence[str], most: int | None = None
    ) -> Iterator[tuple[int, Fetched]]:
        """UID FETCH in the open folder, batch by batch. Within a look (`doubts`) what the server does not give is left
        out; the connection may break over it, and then the look is begun again with what the doubts know."""
        rest = dict.fromkeys(uids)
        while rest:
            piece = (self.doubts or Doubts()).next_piece(folder, epoch, list(rest), most or FETCH_BATCH)
            if not piece:
                return
            try:
                found = self.fetch(piece, items)
            except (ActionRefused, Unexplained, Unreachable) as error:
                if self.doubts is None:
                    raise
                self.dead = self.dead or len(piece) == 1  # the second try is made on another connection
                self.doubts.failed(folder, epoch, piece, error, broken=self.dead)
                if self.dead:
                    raise
                continue
            if self.doubts is not None:
                self.doubts.given(folder, epoch, piece)
            for uid in piece:
                del rest[uid]
            yield from found.items()

    def look(self, ref: MessageRef) -> Sighting | None:
        """The message at this place of the open folder, marked as deleted or not."""
        return next(self.sightings(ref.folder, ref.epoch, [ref.uid]), None)

    def fingerprint(self, uid: int) -> str | None:
        """A hash over all that two deliveries of one mail differ in and a copy does not."""
        fetched = self.fetch([uid], ("BODY.PEEK[HEADER]", "RFC822.SIZE", "INTERNALDATE")).get(uid)
        return fingerprint(fetched) if fetched is not None else None

    def fetch(self, uids: Sequence[int], items: Sequence[str], *, since: int | None = None) -> dict[int, Fetched]:
        """UID FETCH in the open folder. `since`: only what changed after this MODSEQ (RFC 7162 section 3.1.4.1)."""

        def ask() -> dict[int, Fetched]:
            self.client._imap.untagged_responses.pop("FETCH", None)
            # Not IMAPClient's own fetch: it takes the number of a message without a UID for a UID.
            sets = uid_sets(uids)
            words = ",".join(sets) if since is None or len(sets) == 1 else f"{min(uids)}:{max(uids)}"
            arguments = [words, f"({' '.join(items)})", *([f"(CHANGEDSINCE {since})"] if since is not None else [])]
            return fetched_by_uid(self.client._command_and_check("fetch", *arguments, uid=True), set(uids))

        if not uids:
            return {}
        with self.optional("CONDSTORE" if since is not None else ""):
            return self._ask_about(uids, ask, {}, lambda there: self.fetch(there, items, since=since))

    def sighting_items(self) -> tuple[str, ...]:
        """FETCH items for a sighting. Dovecot's X-GUID is not advertised: it is tried once, on no message at all."""
        if not self._probed:
            self._probed = True
            try:
                with self.optional("X-GUID"):
                    words = (str(LAST_UID), "(X-GUID)")
                    self._ask(lambda: self.client._command_and_check("fetch", *words, uid=True))
                self.object_item = "X-GUID"
            except ConnectorError:
                if not self._alive():
                    raise
                self.dead, self.attempting = False, None
        items = (*BASIC_ITEMS, "SAVEDATE") if self.abilities.savedate else BASIC_ITEMS
        items = (*items, *self.tag_items()[1:])
        return (*items, self.object_item) if self.object_item else items

    def tag_items(self) -> tuple[str, ...]:
        """FETCH items that tell a message's tags."""
        return ("FLAGS", "X-GM-LABELS") if self.abilities.gmail else ("FLAGS",)

    # Changing: only in a folder that was opened with write=True

    def move(self, uid: int, folder: str) -> MessageRef | None:
        """UID MOVE (RFC 6851). The new place by COPYUID; None: the server's OK says nothing, look for yourself."""
        try:
            with self.optional(MOVE):
                moved = self._transfer(uid, folder, "move")
        except NotUnderstood:
            self.experience.avoided.remember([MOVE])
            raise
        self.experience.avoided.worked(MOVE)
        return moved

    def copy(self, uid: int, folder: str) -> MessageRef | None:
        """UID COPY. The copy's place by COPYUID; None: look for yourself."""
        return self._transfer(uid, folder, "copy")

    def store(self, uid: int, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """UID STORE, silently."""
        # imap4d acts on another message where the UID is gone (seen), and never changes its view of an open folder.
        if not self.abilities.uidplus and not self.fetch([uid], ("FLAGS",)):
            return
        for change, words in (("+FLAGS.SILENT", tuple(add)), ("-FLAGS.SILENT", tuple(remove))):
            if words:
                arguments = (str(uid), change, f"({' '.join(words)})")
                self._ask_about([uid], partial(self.client._command_and_check, "store", *arguments, uid=True))

    def label(self, uid: int, *, add: str | None = None, remove: str | None = None) -> None:
        """Put one of Gmail's labels on, or take it off (X-GM-EXT-1)."""
        if add is not None:
            self._ask(lambda: self.client.add_gmail_labels([uid], [add]))
        if remove is not None:
            self._ask(lambda: self.client.remove_gmail_labels([uid], [remove]))

    def create(self, folder: str) -> None:
        """CREATE, of a test's own folder: see `connectors.imap.trial_move`."""
        self._ask(lambda: self.client._command_and_check("create", self._quoted(folder)))

    def delete(self, folder: str) -> None:
        """DELETE, of a test's own folder and what lies in it."""
        self._ask(lambda: self.client._command_and_check("delete", self._quoted(folder)))

    def append(self, folder: str, message: bytes) -> None:
        """APPEND, without a date: the server's clock tells when it came."""
        self._ask(lambda: self.client.append(folder, message, flags=("\\Seen",)))

    def expunge(self, uid: int) -> None:
        """UID EXPUNGE (RFC 4315) of this one message. Never without a UID: that would destroy what others marked."""
        self._ask_about([uid], lambda: self.client.uid_expunge([uid]))

    def is_gone(self, uid: int) -> bool:
        """Has the message left the open folder? NOOP first, so that the server looks: Courier answers from memory."""
        self._ask(self.client.noop)
        return not self.fetch([uid], ("FLAGS",))

    def is_there(self, ref: MessageRef) -> bool:
        """Is anything at this place of the open folder that is not marked as deleted?

        NOOP first: Courier hangs up when it is asked for a message that another client has just expunged (seen).
        """
        self._ask(self.client.noop)
        seen = self.look(ref)
        return seen is not None and not is_deleted(seen)

    def idle(self) -> int:
        """Begin IDLE (RFC 2177) in the open folder. The descriptor of the connection, at which news come."""
        self._ask(self.client.idle)
        self.idles = True
        return int(self.client.socket().fileno())

    def heard(self) -> bool:
        """Have news come since it idles? Waits for nothing."""
        lines = self._ask(lambda: self.client.line.come(self.client.socket()))
        return is_news(lines) or sum(map(len, lines)) > MOST_UNREAD // 2

    def end_idle(self) -> None:
        """So that something else may be asked. Never raises: a connection that breaks over it is dead."""
        if self.idles:
            self.idles = False
            with contextlib.suppress(ConnectorError):
                self._ask(self.client.idle_done)
                return
            self.dead = True

    def close(self) -> None:
        """Log out and close the connection. Never raises."""
        self.end_idle()
        if not self.dead:
            with contextlib.suppress(Exception):
                self.client.logout()
        with contextlib.suppress(Exception):  # a failed logout leaves the socket open
            self.client.shutdown()
        self.dead = True

    def _transfer(self, uid: int, folder: str, command: str) -> MessageRef | None:
        def ask() -> MessageRef | None:
            imap = self.client._imap
            imap.untagged_responses.pop("COPYUID", None)
            self.client._command_and_check(command, str(uid), self._quoted(folder), uid=True)
            return copied(imap.response("COPYUID")[1], uid, folder)

        return self._ask_folder(folder, lambda: self._ask_about([uid], ask))

    def _state_items(self) -> list[str]:
        items = ["MESSAGES", "UIDNEXT", "UIDVALIDITY"]
        if self.abilities.condstore:
            items.append("HIGHESTMODSEQ")
        return items

    def _quoted(self, folder: str) -> bytes:
        raw = self.experience.spelled.get(folder)
        quoted: bytes = self.client._normalise_folder(folder) if raw is None else _quote(raw)
        return quoted

    def _ask_folder(self, folder: str, command: Callable[[], Result]) -> Result:
        """Run a command about a folder. Raises FolderMissing: servers word its absence in many ways, so LIST
        decides."""
        place = f'{self.name}, folder "{folder}"'
        try:
            return self._ask(command, place)
        except (ActionRefused, FolderMissing) as error:
            spelled = self.experience.spelled.get(folder)
            there = self.exists(folder) or self._is_spelled_otherwise(folder)
            if there and self.experience.spelled.get(folder) != spelled:
                return self._ask(command, place)
            if there and isinstance(error, ActionRefused):
                raise
            raise FolderMissing(place, "There is no such folder.") from error

    def _is_spelled_otherwise(self, folder: str) -> bool:
        """Is it a name that the server writes as no other server does? Only a list of all folders tells."""
        if folder.isascii() and "&" not in folder:
            return False
        return any(listed.name == folder and listed.selectable for listed in self.folders())


def _quote(raw: bytes) -> bytes:
    """A quoted string (RFC 9051 section 4.3) of what holds no control characters."""
    return b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
