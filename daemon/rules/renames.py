"""Which folders may be others renamed. What only the mailbox can prove is asked by `daemon.passes.folder_list`."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from connectors.base import Folder, Identity
from daemon.store.records import KnownFolder


@dataclass(frozen=True)
class Rename:
    """Folder `old` may be called `new` now. `certain`: its MAILBOXID says so; `alone`: no other has its UIDVALIDITY."""

    old: str
    new: str
    epoch: int
    certain: bool
    alone: bool


def possible_renames(known: Sequence[KnownFolder], listed: Sequence[Folder], inbox: str) -> list[Rename]:
    """Which known folders may be called otherwise now, the surest first.

    A folder that has its old name but another id (or UIDVALIDITY) is another folder: somebody renamed "Invoices" to
    "Invoices 2025" and made a new "Invoices". The inbox is never renamed: RFC 9051 section 6.3.6 makes that a move. So
    if it has another UIDVALIDITY, the whole mailbox is another or was copied, and no UIDVALIDITY proves anything.
    """
    by_name = {folder.name: folder for folder in listed}
    before = {folder.name: folder for folder in known}
    moved = [
        old
        for old in known
        if old.name != inbox and (old.name not in by_name or not _same_folder(old, by_name[old.name]))
    ]
    fresh = [
        folder
        for folder in listed
        if folder.name != inbox and (folder.name not in before or not _same_folder(before[folder.name], folder))
    ]
    replaced = inbox in before and inbox in by_name and before[inbox].epoch != by_name[inbox].epoch
    certain, likely = [], []
    for old in moved:
        for folder in fresh:
            if folder.name == old.name:
                continue
            if old.object_id and folder.object_id:
                if old.object_id == folder.object_id:
                    certain.append(Rename(old.name, folder.name, folder.epoch, True, True))
            elif old.epoch and old.epoch == folder.epoch and not replaced:
                rivals = [other for other in moved if other.epoch == old.epoch]
                targets = [other for other in fresh if other.epoch == old.epoch]
                alone = len(rivals) == len(targets) == 1
                # A renamed parent takes its children along: they keep the last level of their names.
                ends = last_level(folder.name, folder.delimiter)
                sisters = [other for other in targets if last_level(other.name, other.delimiter) == ends]
                same = last_level(old.name, folder.delimiter) == ends and len(sisters) == 1
                likely.append(Rename(old.name, folder.name, folder.epoch, False, alone or same))
    return certain + sorted(likely, key=lambda rename: not rename.alone)


def _same_folder(old: KnownFolder, folder: Folder) -> bool:
    """Is the folder of the same name still the one that we knew? A new UIDVALIDITY may also be a restart."""
    if old.object_id and folder.object_id:
        return old.object_id == folder.object_id
    return old.epoch == folder.epoch


def last_level(name: str, delimiter: str | None) -> str:
    """A folder's name without those of its parents."""
    return name.rsplit(delimiter, 1)[-1] if delimiter else name


def same_mail(one: Identity, other: Identity) -> bool:
    """What is noted of a message may be of its double: of mails with one Message-ID that came in the same second."""
    return one == other or (one.message_id is not None and one.message_id == other.message_id)


def now_called(known: Sequence[KnownFolder], here: Set[str]) -> dict[str, str]:
    """Name in the settings -> name on the server, for folders that were renamed since. An existing name is itself.

    `here`: the names of the folders that are there.
    """
    return {
        folder.known_as: folder.name
        for folder in known
        if folder.known_as is not None and folder.known_as not in here and folder.name in here
    }
