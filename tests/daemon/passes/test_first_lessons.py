"""`learn --from-folders`: the newest mail of every folder, and nothing that we put there ourselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.base import MOVED, MailText, MessageRef
from connectors.imap import ImapSettings
from connectors.in_memory import MemoryConnector
from daemon.passes.desk import Desk
from daemon.passes.first_lessons import FolderLessons, learn_from_folders
from daemon.passes.folder_list import list_folders
from daemon.settings import SortingSettings
from daemon.store import learning, mailboxes, messages
from daemon.store.database import Database
from tests.daemon.passes.test_pipeline import Office, make_office
from tests.fakes import Clock, FakeRegistry
from tests.imap_desk import open_desk, pass_time
from tests.imap_fixtures import ImapWorld

__all__ = ["make_office"]


class CountingBox(MemoryConnector):
    """Remembers how many messages it was asked for."""

    def __init__(self) -> None:
        super().__init__(folders=("INBOX", "Orders"))
        self.asked: list[int] = []

    def newest(self, folder: str, limit: int) -> list:  # type: ignore[type-arg]
        self.asked.append(limit)
        return super().newest(folder, limit)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    settings = ImapSettings(name="office", host="localhost", user="u", credential="c")
    database, clock = Database.open(tmp_path / "postroom.sqlite"), Clock()
    with database.begin() as tx:
        mailbox = mailboxes.ensure(tx, "office", "imap", "live", clock()).id
    desk = Desk(settings, SortingSettings(), database, CountingBox(), FakeRegistry(None), mailbox, clock)  # type: ignore[arg-type]
    list_folders(desk)
    yield desk
    database.close()


def box_of(desk: Desk) -> CountingBox:
    assert isinstance(desk.connector, CountingBox)
    return desk.connector


def filed_by_us(desk: Desk, number: int, *, other_place: bool = False) -> None:
    """A mail in Orders that the database knows as our move, perhaps under an earlier number."""
    seen = box_of(desk).deliver(MailText(subject=f"ours {number}", body="Two of them."), "Orders")
    with desk.database.begin() as tx:
        message = messages.add(tx, desk.mailbox_id, seen, "moved", desk.clock(), None)
        ref = MessageRef("Orders", 1, 9000 + number) if other_place else seen.ref
        messages.add_sighting(tx, desk.mailbox_id, message, ref, desk.clock(), ours=True, who=None, judged=True)


def learnt(desk: Desk, per_folder: int) -> tuple[FolderLessons, list[str]]:
    [found] = learn_from_folders(desk, per_folder=per_folder, max_age=timedelta(days=9999))
    with desk.database.begin() as tx:
        return found, [lesson.text.subject for lesson in learning.lessons(tx, desk.mailbox_id)]


def test_our_own_moves_use_up_nothing_of_a_folder_s_cap(desk: Desk) -> None:
    for number in range(3):
        box_of(desk).deliver(MailText(subject=f"theirs {number}", body="Two of them."), "Orders")
    for number in range(6):
        filed_by_us(desk, number, other_place=number % 2 == 0)
    found, subjects = learnt(desk, per_folder=2)
    assert subjects == ["theirs 1", "theirs 2"]
    assert (found.found, found.learnt) == (2, 2)
    assert box_of(desk).asked == [2, 6, 18]


def test_a_folder_without_moves_of_ours_is_asked_once(desk: Desk) -> None:
    for number in range(5):
        box_of(desk).deliver(MailText(subject=f"theirs {number}", body="Two of them."), "Orders")
    assert learnt(desk, per_folder=2)[1] == ["theirs 3", "theirs 4"]
    assert box_of(desk).asked == [2]


def test_a_folder_that_is_all_ours_is_not_read_to_its_end(desk: Desk) -> None:
    for number in range(30):
        filed_by_us(desk, number)
    assert learnt(desk, per_folder=2) == (FolderLessons("Orders", "Orders", 0, 0, left_out=20), [])
    assert box_of(desk).asked == [2, 6, 18, 20]


@pytest.mark.parametrize("act_by", ["move", "tag"])
def test_a_new_database_takes_nothing_that_a_postroom_did_for_people_s_filing(
    make_office: Callable[..., Office], act_by: str
) -> None:
    """What people did since, and this database knows of, still counts."""
    office = make_office(act_by=act_by)
    where = {"folder": "Orders"} if act_by == "move" else {}
    flags = [MOVED] if act_by == "move" else [MOVED, "Orders"]
    office.deliver("puzzle ours, by the database before", flags=flags, **where)
    office.deliver("puzzle theirs", flags=set(flags) - {MOVED}, **where)
    office.deliver("invoice to be corrected")
    office.settle()
    moved = office.ref_of("invoice to be corrected")
    if act_by == "move":
        assert moved.folder == "Invoices"
        office.box.move_by_person(moved, "Orders")
    else:
        office.box.tag_by_person(moved, ["Orders"], ["Invoices"])
    office.settle()
    assert office.corrections()[0][0] == "correction"
    found = learn_from_folders(office.desk, per_folder=10, max_age=timedelta(days=9999))
    assert sum(place.left_out for place in found) == 1
    assert sum(place.found for place in found) == 2
    with office.database.read() as tx:
        subjects = {lesson.text.subject for lesson in learning.lessons(tx, office.desk.mailbox_id)}
    assert subjects == {"puzzle theirs", "invoice to be corrected"}


@pytest.mark.imap
def test_a_real_folder_that_we_filled_still_teaches_what_people_put_there(
    dovecot_world: ImapWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_desk(dovecot_world, tmp_path, monkeypatch)
    dovecot_world.deliver("parts")
    dovecot_world.move("parts", dovecot_world.second)
    for number in range(3):
        dovecot_world.deliver(f"order {number}")
    pass_time(desk, minutes=5)
    lying = [each.subject for each in dovecot_world.contents() if each.folder == dovecot_world.second]
    assert len(lying) == 4
    learn_from_folders(desk, per_folder=1, max_age=timedelta(days=9999))
    with desk.database.begin() as tx:
        assert [lesson.text.subject for lesson in learning.lessons(tx, desk.mailbox_id)] == ["parts"]
    desk.database.close()


def test_what_a_thread_says_is_where_its_latest_mail_lies_however_folders_were_read(
    make_office: Callable[..., Office],
) -> None:
    """Folders are read one after the other, newest mail first: the last that is taught is the oldest of a thread."""
    office = make_office()
    days = {"Orders": (1, 2), "Invoices": (8, 9)}
    for folder, when in days.items():
        for day in when:
            arrived = office.clock() - timedelta(days=30 - day)
            office.box.deliver(
                MailText(subject=f"Re: the press {day}", body="As said."),
                folder,
                references=["<root@x>"],
                arrived=arrived,
            )
    learn_from_folders(office.desk, per_folder=10, max_age=timedelta(days=9999))
    with office.database.read() as tx:
        found = learning.of_thread(tx, office.desk.mailbox_id, ["<root@x>"], "<root@x>")
    assert [int(lesson.text.subject.split()[-1]) for lesson in found] == [1, 2, 8, 9]
