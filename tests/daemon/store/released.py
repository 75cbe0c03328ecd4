"""The database of every released version, as SQL, and whether today's Postroom still brings it up to date.

    python -m tests.daemon.store.released 0.1.0      writes tests/daemon/store/released/0.1.0.sql, at the release

A file that is there is never written again: it is what offices have on their disks.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import sys
import tempfile
from pathlib import Path

from daemon.store.database import Database
from tests import ROOT
from tests.daemon.store.rows_everywhere import fill

STORED = Path(__file__).with_suffix("")


def versions(changelog: str) -> set[str]:
    """The versions that a change log calls released: "## 0.1.0 (2026-12-24)"."""
    return set(re.findall(r"^## (\d+\.\d+\.\d+) \(\d{4}-\d\d-\d\d\)$", changelog, flags=re.MULTILINE))


def dump(database: Path) -> str:
    """A database as SQL."""
    with contextlib.closing(sqlite3.connect(database)) as raw:
        return "\n".join(raw.iterdump()) + "\n"


def load(sql: str, database: Path) -> None:
    """A database from SQL."""
    with contextlib.closing(sqlite3.connect(database)) as raw:
        raw.executescript(sql)


def of_today(folder: Path) -> Path:
    """A new database with a row in every table at least."""
    database = folder / "postroom.sqlite"
    for name in ("office", "sales"):
        fill(database, name)
    return database


def shape(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every table's columns (name, type, whether it may be empty, key) and indexes, whatever their order."""
    with contextlib.closing(sqlite3.connect(database)) as raw:
        names = [row[0] for row in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {}
        for name in names:
            columns = [(row[1], row[2], row[3], row[5]) for row in raw.execute(f"PRAGMA table_info({name})")]
            indexes = [(row[1], row[2]) for row in raw.execute(f"PRAGMA index_list({name})")]
            found[name] = sorted(columns) + sorted(indexes)
        return found


def counts(database: Path) -> dict[str, int]:
    """How many rows every table has."""
    with contextlib.closing(sqlite3.connect(database)) as raw:
        names = [row[0] for row in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: int(raw.execute(f"SELECT count(*) FROM {name}").fetchone()[0]) for name in names}


def check(sql: str, folder: Path) -> None:
    """Raises AssertionError where the database of then does not become one of today, with all that was in it."""
    database, new = folder / "then.sqlite", folder / "new.sqlite"
    load(sql, database)
    before = counts(database)
    Database.open(database).close()
    Database.open(new).close()
    assert shape(database) == shape(new), "not the tables of today: was a released migration changed?"
    after = counts(database)
    assert {name: count for name, count in before.items() if after.get(name, 0) < count} == {}
    with contextlib.closing(sqlite3.connect(database)) as raw:
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def main(version: str) -> None:
    """Store today's database as that of a version."""
    target = STORED / f"{version}.sql"
    if target.exists():
        sys.exit(f"{target.relative_to(ROOT)} is there: a released database never changes.")
    with tempfile.TemporaryDirectory() as folder:
        target.parent.mkdir(exist_ok=True)
        target.write_text(dump(of_today(Path(folder))), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
