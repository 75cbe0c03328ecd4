"""When each mailbox's clock was last believed, and for how many nights what has grown old has waited since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import insert, inspect, select, update

from daemon.store import tables as t
from daemon.store.database import Tx, read_only


@dataclass(frozen=True)
class Waiting:
    """`believed`: the clock of the last night that deleted. While something waits: for how many `nights` that has been
    told, when last, and why, in words."""

    believed: datetime
    nights: int = 0
    told: datetime | None = None
    why: str | None = None


def waiting(tx: Tx, mailbox: int) -> Waiting:
    """What waits in this mailbox, as its last night left it. One that has had none is believed the clock by which it
    was met first."""
    row = tx.execute(select(t.retention).where(t.retention.c.mailbox_id == mailbox)).one_or_none()
    if row is not None:
        return Waiting(row.believed, row.nights, row.told, row.why)
    met: datetime = tx.execute(select(t.mailboxes.c.created).where(t.mailboxes.c.id == mailbox)).scalar_one()
    return Waiting(met)


def all_waiting(database: Path) -> dict[str, Waiting]:
    """By mailbox, where something waits, read from a database that is not touched. Raises StoreError."""
    if not database.exists():
        return {}
    r = t.retention.c
    wanted = select(t.mailboxes.c.name, r.believed, r.nights, r.told, r.why).join(t.retention).where(r.why.is_not(None))
    with read_only(database) as tx:
        if not inspect(tx).has_table(t.retention.name):  # its first opening was cut short
            return {}
        return {row.name: Waiting(row.believed, row.nights, row.told, row.why) for row in tx.execute(wanted)}


def note(tx: Tx, mailbox: int, found: Waiting) -> None:
    """Remember it for the next night."""
    values = {"believed": found.believed, "nights": found.nights, "told": found.told, "why": found.why}
    if not tx.execute(update(t.retention).where(t.retention.c.mailbox_id == mailbox).values(**values)).rowcount:
        tx.execute(insert(t.retention).values(mailbox_id=mailbox, **values))
