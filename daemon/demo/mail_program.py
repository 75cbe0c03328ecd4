"""What a person does in Thunderbird, by hand of a script: deliver, look, drag. Also used by the benchmarks.

It speaks IMAP through its own connection, so the daemon sees only what a real mail program would leave behind.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

BATCH = 200


@dataclass(frozen=True)
class Delivery:
    """One message to put into a folder; `when` becomes its INTERNALDATE."""

    raw: bytes
    when: datetime


class MailProgram:
    """One signed-in person. Messages are named by a digest of their bytes: no two in the demo are alike."""

    def __init__(self, host: str, port: int, user: str, password: str) -> None:
        self._client = IMAPClient(host, port=port, ssl=False, timeout=60)
        try:
            self._client.login(user, password)
        except Exception:
            self._client.shutdown()
            raise
        self._digests: dict[tuple[str, int, int], str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(IMAPClientError, OSError):  # the server may have left first
            self._client.logout()

    def folders(self) -> list[str]:
        """The names of all folders that can hold mail."""
        return sorted(name for flags, _, name in self._client.list_folders() if b"\\Noselect" not in flags)

    def create(self, names: Iterable[str]) -> None:
        """Make the folders that do not exist yet."""
        existing = set(self.folders())
        for name in names:
            if name not in existing:
                self._client.create_folder(name)

    def deliver(
        self, folder: str, mails: Sequence[Delivery], seen: bool = False, show: Callable[[int], None] | None = None
    ) -> None:
        """Put messages into a folder. `show` hears how many are in."""
        flags = (b"\\Seen",) if seen else ()
        for done, mail in enumerate(mails, start=1):
            self._client.append(folder, mail.raw, flags=flags, msg_time=mail.when)
            if show is not None:
                show(done)

    def contents(self) -> dict[str, str]:
        """Where every message is now: digest -> folder. Raises ValueError if one is there twice."""
        places: dict[str, str] = {}
        for folder, digests in self.multiset().items():
            for digest, times in digests.items():
                if digest in places or times > 1:
                    raise ValueError(f"one message is in {places.get(digest, folder)} and again in {folder}")
                places[digest] = folder
        return places

    def multiset(self) -> dict[str, Counter[str]]:
        """What lies in each folder, duplicates counted."""
        return {folder: Counter(self._in_folder(folder).values()) for folder in self.folders()}

    def move(self, moves: Mapping[str, str]) -> int:
        """Drag messages: digest -> target folder. Returns how many were found and moved."""
        moved = 0
        for folder in self.folders():
            targets: dict[str, list[int]] = {}
            for uid, digest in self._in_folder(folder).items():
                if digest in moves and moves[digest] != folder:
                    targets.setdefault(moves[digest], []).append(uid)
            for target, uids in targets.items():
                self._client.select_folder(folder)
                self._client.move(uids, target)
                moved += len(uids)
        return moved

    def read(self, folders: Iterable[str]) -> None:
        """Look at everything in these folders, as people do: it is no longer unread."""
        for folder in folders:
            self._client.select_folder(folder)
            if unread := self._client.search(["UNSEEN"]):
                self._client.add_flags(unread, [b"\\Seen"], silent=True)

    def _in_folder(self, folder: str) -> dict[int, str]:
        """UID -> digest. Bodies are read once: UIDVALIDITY and UID name the same bytes for ever (RFC 3501 2.3.1.1)."""
        epoch = int(self._client.select_folder(folder, readonly=True)[b"UIDVALIDITY"])
        uids = self._client.search()
        unknown = [uid for uid in uids if (folder, epoch, uid) not in self._digests]
        for start in range(0, len(unknown), BATCH):
            fetched = self._client.fetch(unknown[start : start + BATCH], ["BODY.PEEK[]"])
            for uid, data in fetched.items():
                self._digests[folder, epoch, uid] = digest_of(data[b"BODY[]"])
        found = {uid: self._digests.get((folder, epoch, uid)) for uid in uids}
        return {uid: digest for uid, digest in found.items() if digest is not None}


def digest_of(raw: bytes) -> str:
    """A message's name in this module: sha256 of its bytes."""
    return hashlib.sha256(raw).hexdigest()


def differences(before: Counter[str], after: Counter[str]) -> tuple[int, int]:
    """(lost, appeared) between two multisets of messages."""
    return (before - after).total(), (after - before).total()
