"""Mailboxes, their folders, their categories and the codebook."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Select, and_, bindparam, case, delete, func, insert, select, update

from connectors.base import Folder
from daemon.store import sharing
from daemon.store import tables as t
from daemon.store.database import Tx
from daemon.store.records import Category, Guess, KnownFolder, Mailbox, Mode

OFFERED_FOR = timedelta(days=30)
"""How long a new folder is called new."""
OTHERS_TOLD = timedelta(days=7)
"""How long it is told that another Postroom moved mail here."""
QUIET_NOTE = timedelta(minutes=4)
"""How old `polled` may grow while looks find nothing, before it is noted again. Hundreds of quiet mailboxes would
otherwise write, and sync to the disk, at every poll. Whoever judges how long ago a look was allows for it."""


def find(tx: Tx, name: str) -> Mailbox | None:
    """The mailbox of this name, if Postroom has met it."""
    row = tx.execute(select(t.mailboxes).where(t.mailboxes.c.name == name)).mappings().one_or_none()
    return None if row is None else Mailbox(**row)


def get(tx: Tx, mailbox: int) -> Mailbox:
    """The mailbox with this id."""
    return Mailbox(**tx.execute(_get(), {"mailbox": mailbox}).mappings().one())


@cache
def _get() -> Select[Any]:
    # What every poll of every mailbox asks is put together once: that costs more than SQLite's answer.
    return select(t.mailboxes).where(t.mailboxes.c.id == bindparam("mailbox"))


def count(tx: Tx) -> int:
    """How many mailboxes were ever met."""
    return int(tx.execute(select(func.count()).select_from(t.mailboxes)).scalar_one())


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
    tx: Tx,
    mailbox: int,
    now: datetime,
    *,
    cursor: str | None = None,
    arrival: bool = False,
    trouble: str | None = None,
    whole: bool = True,
) -> None:
    """Note how a look that began at `now` ended. A cursor is saved in the transaction that records what it stands for.
    `whole`: it left nothing out for another look."""
    values: dict[str, object] = {"trouble": trouble}
    if trouble is None:
        values["polled"] = now
        if whole:
            values["seen_until"] = now
    if cursor is not None:
        values["cursor"] = cursor
    if arrival:
        values["last_arrival"] = now
    tx.execute(update(t.mailboxes).where(t.mailboxes.c.id == mailbox).values(**values))


def set_turns(tx: Tx, mailbox: int, why: str | None) -> None:
    """Note why it has a connection only in turn with others; None: it keeps its own."""
    tx.execute(update(t.mailboxes).where(t.mailboxes.c.id == mailbox).values(turns=why))


def set_unreadable(tx: Tx, mailbox: int, folders: Mapping[str, str]) -> None:
    """Note which folders the last look could not look into, and why."""
    values = {"unreadable": dict(folders) or None}
    tx.execute(update(t.mailboxes).where(t.mailboxes.c.id == mailbox).values(**values))


def set_account(tx: Tx, mailbox: int, account: Mapping[str, str]) -> None:
    """Note whose mailbox it is, by the settings' keys."""
    tx.execute(update(t.mailboxes).where(t.mailboxes.c.id == mailbox).values(account=dict(account)))


def set_mode(tx: Tx, mailbox: int, mode: Mode) -> None:
    """Switch the mailbox to shadow or live."""
    tx.execute(update(t.mailboxes).where(t.mailboxes.c.id == mailbox).values(mode=mode))


def set_paused(tx: Tx, mailbox: int, reason: str | None) -> None:
    """Stop acting on this mailbox, or go on (None)."""
    tx.execute(update(t.mailboxes).where(t.mailboxes.c.id == mailbox).values(paused=reason))


def set_stopped(tx: Tx, mailbox: int, reason: str) -> None:
    """Stop the mailbox, which looks wrong: nothing at all is done until a person resumes it. What an earlier look ran
    into is over, for this one answered."""
    tx.execute(update(t.mailboxes).where(t.mailboxes.c.id == mailbox).values(stopped=reason, trouble=None))


def resume(tx: Tx, mailbox: int, now: datetime) -> None:
    """Go on, as a person says. What stopped us until now does not stop us again."""
    mine = t.mailboxes.c.id == mailbox
    tx.execute(update(t.mailboxes).where(mine, t.mailboxes.c.stopped.is_not(None)).values(stopped=None, vouched=now))
    ended = {"paused": None, "others_moves": 0, "others_moved": None, "restored": None}
    tx.execute(update(t.mailboxes).where(mine).values(evidence_from=now, **ended))


def set_vouched(tx: Tx, mailbox: int, moment: datetime | None) -> None:
    """Since when a person vouches for what the mailbox holds; None: the breakers judge it again."""
    tx.execute(update(t.mailboxes).where(t.mailboxes.c.id == mailbox).values(vouched=moment))


def set_evidence_from(tx: Tx, mailbox: int, moment: datetime) -> None:
    """What was filed before no longer counts for the breakers."""
    tx.execute(update(t.mailboxes).where(t.mailboxes.c.id == mailbox).values(evidence_from=moment))


def set_contents(tx: Tx, mailbox: int, counts: dict[str, int] | None) -> None:
    """How many messages each folder holds."""
    tx.execute(update(t.mailboxes).where(t.mailboxes.c.id == mailbox).values(contents=counts))


def set_server_clock(tx: Tx, mailbox: int, told: dict[str, object]) -> None:
    """What the last arrivals say of the server's clock."""
    tx.execute(update(t.mailboxes).where(t.mailboxes.c.id == mailbox).values(server_clock=told))


def another_moved(tx: Tx, mailbox: int, count: int, now: datetime) -> None:
    """Count moves by a Postroom that this database knows nothing of, as long as one follows the other."""
    mine = t.mailboxes.c.id == mailbox
    recent = case((t.mailboxes.c.others_moved >= now - OTHERS_TOLD, t.mailboxes.c.others_moves), else_=0)
    tx.execute(update(t.mailboxes).where(mine).values(others_moves=recent + count, others_moved=now))


def set_restored(tx: Tx, mailbox: int, moment: datetime) -> None:
    """Note when we noticed that this database is older than what has been seen of the mailbox."""
    tx.execute(update(t.mailboxes).where(t.mailboxes.c.id == mailbox).values(restored=moment))


def set_tags(tx: Tx, mailbox: int, tags: Iterable[str] | None) -> None:
    """Whose changes the look that is being recorded has heard of; None: tags mean nothing in this mailbox."""
    tx.execute(
        update(t.mailboxes).where(t.mailboxes.c.id == mailbox).values(tags=None if tags is None else sorted(tags))
    )


def hurry(tx: Tx, mailbox: int) -> None:
    """Make all new messages due at once."""
    where = (t.messages.c.mailbox_id == mailbox) & (t.messages.c.state == "new")
    tx.execute(update(t.messages).where(where).values(due=t.messages.c.first_seen))


# --- folders


@cache
def _folders() -> Select[Any]:
    return select(t.folders).where(t.folders.c.mailbox_id == bindparam("mailbox")).order_by(t.folders.c.name)


def folders(tx: Tx, mailbox: int) -> list[KnownFolder]:
    """Every folder met so far, by name, those that have since gone missing included."""
    rows = tx.execute(_folders(), {"mailbox": mailbox}).mappings()
    return [
        KnownFolder(
            row["name"],
            row["role"],
            row["object_id"],
            row["epoch"],
            row["missing_since"],
            row["known_as"],
            row["offered"],
            row["why"],
            row["could_be"],
            row["messages"],
        )
        for row in rows
    ]


def save_folders(
    tx: Tx,
    mailbox: int,
    listed: Sequence[Folder],
    guesses: Mapping[str, Guess],
    now: datetime,
    *,
    first: bool = False,
    settled: frozenset[str] = frozenset(),
) -> tuple[list[str], list[str]]:
    """Bring the folders up to date with what the server lists. Returns (new names, names that went missing).

    What is new is offered for a while, except on the `first` look and where the owner has `settled` what it is for.
    """
    lapsed = (t.folders.c.mailbox_id == mailbox) & (t.folders.c.offered < now - OFFERED_FOR)
    tx.execute(update(t.folders).where(lapsed).values(offered=None))
    known = {folder.name: folder for folder in folders(tx, mailbox)}
    here = {folder.name for folder in listed}
    new = [folder for folder in listed if folder.name not in known]
    for folder in new:
        tx.execute(
            insert(t.folders).values(
                mailbox_id=mailbox,
                name=folder.name,
                **_listed(folder, guesses[folder.name]),
                offered=now if guesses[folder.name].could_be and not first and folder.name not in settled else None,
            )
        )
    for folder in listed:
        if folder.name in known:
            _update_folder(
                tx,
                mailbox,
                folder.name,
                missing_since=None,
                **_listed(folder, guesses[folder.name]),
                **({"offered": None} if folder.name in settled else {}),
            )
            if (since := known[folder.name].missing_since) is not None:
                _came_back(tx, mailbox, folder.name, folder.epoch, since)
    missing = [name for name, folder in known.items() if name not in here and folder.missing_since is None]
    for name in missing:
        _update_folder(tx, mailbox, name, missing_since=now)
    return [folder.name for folder in new], missing


def _listed(folder: Folder, guess: Guess) -> dict[str, object]:
    return {
        "role": guess.role,
        "why": guess.why,
        "could_be": guess.could_be,
        "messages": folder.messages,
        "object_id": folder.object_id,
        "epoch": folder.epoch,
    }


def _update_folder(tx: Tx, mailbox: int, name: str, **values: object) -> None:
    where = (t.folders.c.mailbox_id == mailbox) & (t.folders.c.name == name)
    tx.execute(update(t.folders).where(where).values(**values))


def rename_folders(tx: Tx, mailbox: int, names: Mapping[str, str], now: datetime) -> None:
    """All that is known under the old names is known under the new ones from now on; what people did stays history,
    unless it waits for a person's word."""
    since = {folder.name: folder for folder in folders(tx, mailbox)}
    here = t.folders.c.mailbox_id == mailbox
    gone = [name for name in names.values() if name in since and name not in names]
    tx.execute(delete(t.folders).where(here, t.folders.c.name.in_(gone)))
    # What lay in a deleted folder of that name lies there no longer.
    there = and_(t.sightings.c.mailbox_id == mailbox, t.sightings.c.gone.is_(None), t.sightings.c.folder.in_(gone))
    tx.execute(update(t.sightings).where(there).values(gone=now))
    steps = [(old, f"\0{new}") for old, new in names.items()] + [(f"\0{new}", new) for new in names.values()]
    ours = t.actions.c.message_id.in_(select(t.messages.c.id).where(t.messages.c.mailbox_id == mailbox))
    waiting = select(t.batches.c.id).where(t.batches.c.mailbox_id == mailbox, t.batches.c.closed.is_(None))
    asked = t.corrections.c.batch_id.in_(waiting)
    for old, new in steps:  # in two steps, because names may be swapped
        tx.execute(update(t.folders).where(here, t.folders.c.name == old).values(name=new))
        for table in (t.sightings, t.categories, t.batches):
            tx.execute(update(table).where(table.c.mailbox_id == mailbox, table.c.folder == old).values(folder=new))
        for name in ("from_folder", "to_folder"):
            tx.execute(update(t.actions).where(ours, t.actions.c[name] == old).values({name: new}))
            tx.execute(update(t.corrections).where(asked, t.corrections.c[name] == old).values({name: new}))
    for old, new in names.items():
        first = since[old].known_as or old
        _update_folder(tx, mailbox, new, known_as=None if first == new else first)


def set_cursor(tx: Tx, mailbox: int, cursor: str) -> None:
    """Replace the connector's cursor without a look."""
    tx.execute(update(t.mailboxes).where(t.mailboxes.c.id == mailbox).values(cursor=cursor))


def _came_back(tx: Tx, mailbox: int, name: str, epoch: int, since: datetime) -> None:
    """A folder that was missing is there again, with its contents: what lay there lies there."""
    later = t.sightings.alias()
    where = and_(
        t.sightings.c.mailbox_id == mailbox,
        t.sightings.c.folder == name,
        t.sightings.c.epoch == epoch,
        t.sightings.c.gone == since,
        ~select(later.c.id)
        .where(later.c.message_id == t.sightings.c.message_id, later.c.id > t.sightings.c.id)
        .exists(),
    )
    tx.execute(update(t.sightings).where(where).values(gone=None))


# --- categories


def category_names(tx: Tx, mailbox: int) -> dict[str, str]:
    """By uid what people are told of a category: its name, or its folder where others in use are called the same
    ("Clients/Meyer" and "Sales/Meyer")."""
    known = categories(tx, mailbox)
    times = Counter(category.name for category in known if category.paused is None)
    return {category.uid: category.folder if times[category.name] > 1 else category.name for category in known}


def categories(tx: Tx, mailbox: int) -> list[Category]:
    """All categories ever made, oldest first; a paused one says why."""
    rows = tx.execute(_categories(), {"mailbox": mailbox}).mappings()
    return [
        Category(
            row["uid"],
            row["name"],
            row["folder"],
            row["description"],
            row["hides"],
            row["precision"],
            row["paused"],
            row["listed_as"],
            row["tag"],
            row["mode"],
        )
        for row in rows
    ]


def by_folder(tx: Tx, mailbox: int) -> dict[str, Category]:
    """The category that each folder stands for: of several that are called so the one in use."""
    return {one.folder: one for one in sorted(categories(tx, mailbox), key=lambda one: one.paused is None)}


@cache
def _categories() -> Select[Any]:
    mine = t.categories.c.mailbox_id == bindparam("mailbox")
    return select(t.categories).where(mine).order_by(t.categories.c.id)


def acts(tx: Tx, mailbox: int) -> bool:
    """Is mail of it moved or tagged, of all its categories or of some?"""
    return get(tx, mailbox).mode == "live" or any(one.mode == "live" for one in categories(tx, mailbox))


def add_category(tx: Tx, mailbox: int, category: Category, now: datetime) -> Category:
    """Remember a new category, under a fresh uid if it has none."""
    uid = category.uid or "c" + secrets.token_hex(4)
    tx.execute(
        insert(t.categories).values(
            mailbox_id=mailbox,
            uid=uid,
            name=category.name,
            folder=category.folder,
            description=category.description,
            hides=category.hides,
            precision=category.precision,
            listed_as=category.listed_as,
            tag=category.tag,
            created=now,
        )
    )
    return replace(category, uid=uid)


def update_category(tx: Tx, mailbox: int, uid: str, **values: object) -> None:
    """Change a category's name, folder, tag, description, hides, precision, paused or mode."""
    where = (t.categories.c.mailbox_id == mailbox) & (t.categories.c.uid == uid)
    tx.execute(update(t.categories).where(where).values(**values))


# --- codebook


def codebook(tx: Tx, mailbox: int) -> list[tuple[str, str]]:
    """(code, category uid), in the order in which they were given out; the lender's where mailboxes share."""
    rows = tx.execute(
        select(t.codebook.c.code, t.codebook.c.category)
        .where(t.codebook.c.mailbox_id == sharing.teacher(mailbox))
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
