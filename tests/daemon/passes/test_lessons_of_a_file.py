"""`learn --from-csv`: every category that the file names is learnt, and what it takes to sort by it is said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from connectors.imap import ImapSettings
from connectors.in_memory import MemoryConnector
from connectors.mailbox_settings import CategorySettings
from daemon.examples.example_file import FileRefused
from daemon.passes.desk import Desk
from daemon.passes.first_lessons import learn_from_csv
from daemon.passes.folder_list import list_folders
from daemon.settings import SortingSettings
from daemon.store import learning, mailboxes
from daemon.store.database import Database
from tests.fakes import Clock, FakeRegistry

TABLE = "text;label\nTwo boxes of paper;Orders\nThe lamp is broken;Complaints\nThree boxes;Orders\n"


@contextmanager
def desk_with(
    place: Path, folders: tuple[str, ...], listed: tuple[str, ...] = (), act_by: str = "move"
) -> Iterator[Desk]:
    """A mailbox that has been listed, with these folders, and categories that the settings list."""
    categories = tuple(CategorySettings(name=name) for name in listed)
    settings = ImapSettings(name="office", host="localhost", user="u", credential="c", category=categories)  # type: ignore[call-arg]
    database, clock = Database.open(place / "postroom.sqlite"), Clock()
    with database.begin() as tx:
        mailbox = mailboxes.ensure(tx, "office", "imap", "live", clock()).id
    box = MemoryConnector("office", ("INBOX", *folders))
    desk = Desk(settings, SortingSettings(), database, box, FakeRegistry(None), mailbox, clock)  # type: ignore[arg-type]
    list_folders(desk)
    yield desk
    database.close()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "examples.csv"
    file.write_text(TABLE)
    return file


def paused(desk: Desk) -> dict[str, str | None]:
    with desk.database.read() as tx:
        return {category.name: category.paused for category in mailboxes.categories(tx, desk.mailbox_id)}


def lessons(desk: Desk) -> dict[str, int]:
    with desk.database.read() as tx:
        names = mailboxes.category_names(tx, desk.mailbox_id)
        return {names[uid]: count for uid, count in learning.lesson_counts(tx, desk.mailbox_id).items()}


def test_a_category_without_a_folder_is_made_learnt_and_waits_for_its_folder(table: Path, tmp_path: Path) -> None:
    with desk_with(tmp_path, ("Orders",)) as desk:
        taught = learn_from_csv(desk, table)
        assert taught.learnt == {"Orders": 2, "Complaints": 1}
        assert taught.made == ("Complaints",)
        assert taught.missing == ('Complaints: make the folder "Complaints" in the mailbox.',)
        assert lessons(desk) == {"Orders": 2, "Complaints": 1}
        assert paused(desk) == {"Orders": None, "Complaints": 'there is no folder "Complaints"'}
        list_folders(desk)
        assert paused(desk)["Complaints"] == 'there is no folder "Complaints"', "the next look says the same"
        assert isinstance(desk.connector, MemoryConnector)
        desk.connector.create_folder("Complaints")
        list_folders(desk)
        assert paused(desk) == {"Orders": None, "Complaints": None}
        assert lessons(desk) == {"Orders": 2, "Complaints": 1}
        again = learn_from_csv(desk, table)
        assert (again.made, again.missing, again.learnt) == ((), (), {"Orders": 0, "Complaints": 0})


def test_where_the_settings_list_categories_the_lines_that_are_missing_are_said(table: Path, tmp_path: Path) -> None:
    with desk_with(tmp_path, ("Orders", "Complaints"), listed=("Orders",)) as desk:
        taught = learn_from_csv(desk, table)
        assert taught.made == ("Complaints",)
        assert taught.missing == ('Complaints: list it: [[mailbox.category]] with name = "Complaints".',)
        assert paused(desk)["Complaints"] is not None
    with desk_with(tmp_path, ("Orders", "Complaints"), listed=("Orders", "Complaints")) as desk:
        assert paused(desk) == {"Orders": None, "Complaints": None}
        assert lessons(desk) == {"Orders": 2, "Complaints": 1}, "the same category, with its lessons"


def test_a_category_that_the_settings_list_and_no_folder_has_is_learnt_and_the_folder_is_asked_for(
    table: Path, tmp_path: Path
) -> None:
    with desk_with(tmp_path, ("Orders",), listed=("Orders", "Complaints")) as desk:
        taught = learn_from_csv(desk, table)
        assert (taught.made, taught.missing) == ((), ('Complaints: make the folder "Complaints" in the mailbox.',))


def test_where_all_folders_lie_below_the_inbox_the_new_one_is_asked_for_there(table: Path, tmp_path: Path) -> None:
    with desk_with(tmp_path, ("INBOX.Orders",)) as desk:
        taught = learn_from_csv(desk, table)
        assert taught.missing == ('Complaints: make the folder "INBOX.Complaints" in the mailbox.',)


def test_a_folder_of_another_role_is_told_as_such(tmp_path: Path) -> None:
    table = tmp_path / "examples.csv"
    table.write_text("text,label\nold mail,Archive\nmore,Orders\n")
    with desk_with(tmp_path, ("Orders", "Archive")) as desk:
        assert learn_from_csv(desk, table).missing == ('Archive: write "Archive" = "category" under [mailbox.roles].',)


def test_one_wrong_row_and_nothing_is_learnt_and_no_category_made(tmp_path: Path) -> None:
    table = tmp_path / "examples.csv"
    table.write_text(f"{TABLE};Jobs\n")
    with desk_with(tmp_path, ("Orders",)) as desk:
        with pytest.raises(FileRefused, match=r"nothing was learnt from it.\n  - row 5: no text"):
            learn_from_csv(desk, table)
        assert paused(desk) == {"Orders": None}
        assert lessons(desk) == {}


def test_a_category_that_is_known_in_another_case_is_that_one(table: Path, tmp_path: Path) -> None:
    table.write_text(TABLE.replace("Orders", "orders"))
    with desk_with(tmp_path, ("Orders",)) as desk:
        taught = learn_from_csv(desk, table)
        assert (taught.learnt, taught.made) == ({"Orders": 2, "Complaints": 1}, ("Complaints",))
        assert '"orders" as "Orders"' in taught.notes[0]
