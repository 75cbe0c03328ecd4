"""What `postroom check` asks of a database that it must not touch: opened read-only, whatever version wrote it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import func, select

from daemon.store import tables as t
from daemon.store.database import DAMAGED, StoreError, current_revision, read_only


def examine_database(database: Path) -> str:
    """What there is, in words: SQLite has read every page and compared every index with its table (some three
    seconds a gigabyte). Raises StoreError."""
    if not database.exists():
        return "none yet"
    with read_only(database) as tx:
        if tx.exec_driver_sql("PRAGMA integrity_check(1)").scalar() != "ok":
            raise StoreError(str(database), *DAMAGED)
    return f"{database.name}, {database.stat().st_size / 1024**2:,.0f} MB"


def cursor_of(database: Path, mailbox: str) -> str | None:
    """What the connector wrote down at the last look: None before there was one. Raises StoreError."""
    if not database.exists():
        return None
    with read_only(database) as tx:
        found: str | None = tx.execute(select(t.mailboxes.c.cursor).where(t.mailboxes.c.name == mailbox)).scalar()
        return found


def folder_in_use(database: Path, mailbox: str) -> str | None:
    """Where the files of a mailbox's model in use lie, below the models' folder: None before there is one. Raises
    StoreError."""
    if not database.exists():
        return None
    wanted = select(t.models.c.folder).join(
        t.mailboxes, func.coalesce(t.mailboxes.c.lender, t.mailboxes.c.id) == t.models.c.mailbox_id
    )
    with read_only(database) as tx:
        mine = wanted.where(t.mailboxes.c.name == mailbox, t.models.c.state == "current")
        found: str | None = tx.execute(mine).scalar()
        return found


def names_and_revision(database: Path) -> tuple[list[str], str | None]:
    """The mailboxes that it knows, and its revision; None: it has no tables yet. Raises StoreError."""
    with read_only(database) as tx:
        revision = current_revision(tx)
        if revision is None:
            return [], None
        return list(tx.execute(select(t.mailboxes.c.name).order_by(t.mailboxes.c.name)).scalars()), revision


def models_in_use(database: Path) -> list[str]:
    """Where the models lie that serve, or served before these, below the models' folder. Raises StoreError."""
    in_use = select(t.models.c.folder).where(t.models.c.state.in_(("current", "previous")))
    with read_only(database) as tx:
        return list(tx.execute(in_use.order_by(t.models.c.folder)).scalars())
