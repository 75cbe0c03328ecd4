"""Mailboxes, their folders, their categories and the codebook."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import insert, select, update

from connectors.base import Folder, Role
from daemon.store import tables as t
from daemon.store.database import Tx
from daemon.store.records import Category, KnownFolder, Mailbox, Mode


def find(tx: Tx, name: str) -> Mailbox | None:
    """The mailbox of this name, if Postroom has met it."""
    row = tx.execute(select(t.mailboxes).where(t.mailboxes.c.name == name)).mappings().one_or_none()
    return None if row is None else Mailbox(**row)


def name_of(tx: Tx, mailbox: int) -> str:
    """The name of the mailbox with this id."""
    return str(tx.execute(select(t.mailboxes.c.name).where(t.mailboxes.c.id == mailbox)).scalar_one())


def everyone(tx: Tx) -> list[Mailbox]:
    """All mailboxes ever met, by name."""
    return [Mailbox(**row) for row in tx.execute(select(t.mailboxes).order_by(t.mailboxes.c.name)).mappings()]


def ensure(tx: Tx, name: str, kind: str, mode: Mode, now: datetime) -> Mailbox:
    """The mailbox of this name; remembered from now on if it is new. A known one keeps its mode."""
    if (known := find(tx, name)) is not None:
        return known
    tx.execute(insert(t.mailboxes).values(name=name, kind=kind, mode=mode, created=now))
    found = find(tx, name)
    assert found is not None
    return found


def looked(
    tx: Tx, mailbox: int, now: datetime, *, cursor: str | None = None, arrival: bool = False, trouble: str | None = None
) -> None:
    """Note how a look ended. A cursor is saved in the transaction that records what it stands for."""
    values: dict[str, object] = {"trouble": trouble}
    if trouble is None:
        values["polled"] = now
    if cursor is not None:
        values["cursor"] = cursor
    if arrival:
        values["last_arrival"] = now
    tx.execute(update(t.mailboxes).where(t.mailboxes.c.id == mailbox).values(**values))


def set_mode(tx: Tx, mailbox: int, mode: Mode) -> None:
    """Shadow or live."""
    tx.execute(update(t.mailboxes).where(t.mailboxes.c.id == mailbox).values(mode=mode))


def set_paused(tx: Tx, mailbox: int, reason: str | None) -> None:
    """Stop acting on this mailbox, or go on (None)."""
    tx.execute(update(t.mailboxes).where(t.mailboxes.c.id == mailbox).values(paused=reason))


def set_stopped(tx: Tx, mailbox: int, reason: str) -> None:
    """The mailbox looks wrong: do nothing at all until a person resumes it."""
    tx.execute(update(t.mailboxes).where(t.mailboxes.c.id == mailbox).values(stopped=reason))


def resume(tx: Tx, mailbox: int, now: datetime) -> None:
    """A person says: go on. What stopped us until now does not stop us again."""
    mine = t.mailboxes.c.id == mailbox
    tx.execute(update(t.mailboxes).where(mine, t.mailboxes.c.stopped.is_not(None)).values(stopped=None, vouched=now))
    tx.execute(update(t.mailboxes).where(mine).values(paused=None, evidence_from=now))


def set_vouched(tx: Tx, mailbox: int, moment: datetime | None) -> None:
    """Since when a person vouches for what the mailbox holds; None: the breakers judge it again."""
    tx.execute(update(t.mailboxes).where(t.mailboxes.c.id == mailbox).values(vouched=moment))


def set_evidence_from(tx: Tx, mailbox: int, moment: datetime) -> None:
    """What was filed before no longer counts for the breakers."""
    tx.execute(update(t.mailboxes).where(t.mailboxes.c.id == mailbox).values(evidence_from=moment))


def set_contents(tx: Tx, mailbox: int, counts: dict[str, int] | None) -> None:
    """How many messages each folder holds."""
    tx.execute(update(t.mailboxes).where(t.mailboxes.c.id == mailbox).values(contents=counts))


def hurry(tx: Tx, mailbox: int) -> None:
    """All new messages are due at once."""
    where = (t.messages.c.mailbox_id == mailbox) & (t.messages.c.state == "new")
    tx.execute(update(t.messages).where(where).values(due=t.messages.c.first_seen))


# --- folders


def folders(tx: Tx, mailbox: int) -> list[KnownFolder]:
    """Every folder met so far, by name, those that have since gone missing included."""
    rows = tx.execute(select(t.folders).where(t.folders.c.mailbox_id == mailbox).order_by(t.folders.c.name)).mappings()
    return [KnownFolder(row["name"], row["role"], row["object_id"], row["epoch"], row["missing_since"]) for row in rows]


def save_folders(
    tx: Tx, mailbox: int, listed: Sequence[Folder], roles: dict[str, Role], now: datetime
) -> tuple[list[str], list[str]]:
    """Bring the folders up to date with what the server lists. Returns (new names, names that went missing)."""
    known = {folder.name: folder for folder in folders(tx, mailbox)}
    here = {folder.name for folder in listed}
    new = [folder for folder in listed if folder.name not in known]
    for folder in new:
        tx.execute(
            insert(t.folders).values(
                mailbox_id=mailbox,
                name=folder.name,
                role=roles[folder.name],
                object_id=folder.object_id,
                epoch=folder.epoch,
            )
        )
    for folder in listed:
        if folder.name in known:
            _update_folder(
                tx,
                mailbox,
                folder.name,
                role=roles[folder.name],
                object_id=folder.object_id,
                epoch=folder.epoch,
                missing_since=None,
            )
    missing = [name for name, folder in known.items() if name not in here and folder.missing_since is None]
    for name in missing:
        _update_folder(tx, mailbox, name, missing_since=now)
    return [folder.name for folder in new], missing


def _update_folder(tx: Tx, mailbox: int, name: str, **values: object) -> None:
    where = (t.folders.c.mailbox_id == mailbox) & (t.folders.c.name == name)
    tx.execute(update(t.folders).where(where).values(**values))


# --- categories


def categories(tx: Tx, mailbox: int) -> list[Category]:
    """All categories ever made, oldest first; a paused one says why."""
    rows = tx.execute(
        select(t.categories).where(t.categories.c.mailbox_id == mailbox).order_by(t.categories.c.id)
    ).mappings()
    return [
        Category(
            row["uid"],
            row["name"],
            row["folder"],
            row["description"],
            row["hides"],
            row["precision"],
            row["paused"],
        )
        for row in rows
    ]


def add_category(tx: Tx, mailbox: int, category: Category, now: datetime) -> Category:
    """Remember a new category under a fresh uid."""
    uid = "c" + secrets.token_hex(4)
    tx.execute(
        insert(t.categories).values(
            mailbox_id=mailbox,
            uid=uid,
            name=category.name,
            folder=category.folder,
            description=category.description,
            hides=category.hides,
            precision=category.precision,
            created=now,
        )
    )
    return Category(uid, category.name, category.folder, category.description, category.hides, category.precision)


def update_category(tx: Tx, mailbox: int, uid: str, **values: object) -> None:
    """Change a category's name, folder, description, hides, precision or paused."""
    where = (t.categories.c.mailbox_id == mailbox) & (t.categories.c.uid == uid)
    tx.execute(update(t.categories).where(where).values(**values))


# --- codebook


def codebook(tx: Tx, mailbox: int) -> list[tuple[str, str]]:
    """(code, category uid), in the order in which they were given out."""
    rows = tx.execute(
        select(t.codebook.c.code, t.codebook.c.category)
        .where(t.codebook.c.mailbox_id == mailbox)
        .order_by(t.codebook.c.position)
    )
    return [(row.code, row.category) for row in rows]


def extend_codebook(tx: Tx, mailbox: int, entries: Iterable[tuple[str, str]]) -> None:
    """Append what is new in `entries`. Raises ValueError if they are not a continuation: codes are never reused."""
    old = codebook(tx, mailbox)
    new = list(entries)
    if new[: len(old)] != old:
        raise ValueError("a codebook only grows: its first entries differ from those remembered")
    for position, (code, category) in enumerate(new[len(old) :], start=len(old)):
        tx.execute(insert(t.codebook).values(mailbox_id=mailbox, position=position, code=code, category=category))
