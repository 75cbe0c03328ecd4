"""Stops and roll-backs in the pass: a mailbox in memory, a real database, and a model that says what the test wants."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from connectors.base import MOVED, MailText, MessageRef, Move, Progress
from connectors.in_memory import MemoryConnector
from daemon.mistakes import PostroomError
from daemon.passes.one_pass import Pass, one_pass
from daemon.report import concerns
from daemon.store import journal, mailboxes, messages, training
from daemon.store.records import Mailbox
from tests.daemon.passes.test_pipeline import Office, make_office

__all__ = ["make_office"]


@pytest.fixture
def office(make_office: Callable[..., Office]) -> Office:
    return make_office(sorting={"max_moves_per_minute": 10000})


def mailbox(office: Office) -> Mailbox:
    with office.database.begin() as tx:
        found = mailboxes.find(tx, "office")
    assert found is not None
    return found


def resume(office: Office) -> None:
    with office.database.begin() as tx:
        mailboxes.resume(tx, office.desk.mailbox_id, office.clock())


def known(office: Office) -> dict[str, int]:
    with office.database.begin() as tx:
        uids = messages.known_uids(tx, office.desk.mailbox_id, ["INBOX", "Invoices", "Orders"])
    return {folder: len(found) for folder, found in uids.items()}


def after_a_while(office: Office) -> Pass:
    office.clock.advance(minutes=11)
    return one_pass(office.desk)


def fill(office: Office, count: int) -> None:
    for number in range(25):
        office.deliver(f"puzzle {number}")
    for number in range(count):
        office.box.deliver(MailText(subject=f"old {number}"), folder="Invoices")
    office.settle()


def other_owner(office: Office, count: int) -> MemoryConnector:
    """The same login now leads to somebody else's mailbox: the same folders, other UIDs, other mail."""
    box = MemoryConnector(
        folders=("x", "y", "z", "INBOX", "Invoices", "Orders", "Archive"), object_ids=False, clock=office.clock
    )
    for folder in ("x", "y", "z"):
        box.delete_folder(folder)
    for number in range(count):
        box.deliver(MailText(sender="eve@other.example", subject=f"invoice of another {number}"))
    office.desk.connector = box
    return box


@pytest.mark.parametrize("count", [0, 60])
def test_other_owner_behind_the_same_login_stops_everything_until_a_person_resumes(office: Office, count: int) -> None:
    fill(office, 30)
    before = known(office)
    box = other_owner(office, count)
    done = one_pass(office.desk)
    assert done.paused is not None
    assert "another mailbox?" in done.paused
    for _ in range(3):
        assert after_a_while(office).paused == done.paused
    assert known(office) == before, "nothing was recorded as gone"
    assert office.corrections() == []
    assert len(box.lying_in("INBOX")) == count, "nothing was moved"
    resume(office)
    assert one_pass(office.desk).paused is None
    assert known(office)["INBOX"] == count
    assert after_a_while(office).paused is None
    assert mailbox(office).vouched is None, "from now on it is judged again"


def test_mailbox_that_comes_back_after_a_stop_goes_on_as_if_nothing_had_been(office: Office) -> None:
    fill(office, 30)
    before, mine = known(office), office.desk.connector
    with office.database.begin() as tx:
        mailboxes.looked(tx, office.desk.mailbox_id, office.clock(), trouble="the connection broke")
    other_owner(office, 40)
    assert one_pass(office.desk).paused is not None
    assert mailbox(office).trouble is None, "it answers again, and one thing is told and not two"
    office.desk.connector = mine
    resume(office)
    office.box.move_by_person(office.ref_of("puzzle 7"), "Orders")
    office.settle()
    assert office.corrections() == [("filing", "Orders")]
    assert known(office) == {**before, "INBOX": before["INBOX"] - 1, "Orders": 1}


def half_done(office: Office, subject: str) -> tuple[MessageRef, int]:
    """A mail on its way to Invoices when the process is killed: where it lies, and the journal's entry."""
    office.deliver(subject)
    one_pass(office.desk)
    office.clock.advance(minutes=3)
    with office.database.begin() as tx:
        [(message, place)] = messages.due(tx, office.desk.mailbox_id, "INBOX", office.clock(), 10)
        entry = journal.plan(tx, message.id, place.ref, Move("Invoices"), office.clock(), decision=None, kind="sort")
        journal.note(tx, entry, Progress("moving"))
    return place.ref, entry


def test_a_half_done_move_waits_until_the_mailbox_is_ours_again(office: Office) -> None:
    """Killed in a move; the store comes up empty, then the real one comes back: the move was nobody's but ours."""
    fill(office, 30)
    ref, entry = half_done(office, "invoice 1")
    mine = office.desk.connector
    office.box.move_by_person(ref, "Invoices")  # by us: the answer never came
    office.desk.folders_listed = None
    other_owner(office, 0)
    assert one_pass(office.desk).paused is not None
    with office.database.begin() as tx:
        assert [open_.id for open_ in journal.unfinished(tx, office.desk.mailbox_id)] == [entry]
    office.desk.connector = mine
    resume(office)
    office.settle()
    office.settle()
    assert office.corrections() == []
    assert office.lessons() == []


@pytest.mark.parametrize("marked", [True, False])
def test_our_move_whose_end_we_never_learnt_teaches_nothing_wherever_it_shows_up(office: Office, marked: bool) -> None:
    """A mailbox too small for the guard to tell: recovery found the message nowhere."""
    ref, _ = half_done(office, "invoice 1")
    away = office.box.move_by_person(ref, "Archive")
    one_pass(office.desk)
    if marked:
        office.box.flag_by_person(away, MOVED)
    office.box.move_by_person(away, "Invoices")
    office.settle()
    office.settle()
    assert office.corrections() == []
    with office.database.read() as tx:
        assert mailboxes.get(tx, office.desk.mailbox_id).others_moves == 0


def test_migration_that_renews_all_uids_and_keeps_the_mail_goes_on(office: Office) -> None:
    fill(office, 30)
    before = known(office)
    for folder in ("INBOX", "Invoices", "Orders"):
        office.box.restart_uids(folder)
    done = one_pass(office.desk)
    assert done.paused is None
    assert done.looked.rematched == sum(before.values())
    assert known(office) == before


def test_folders_that_are_empty_where_there_were_thousands_stop_everything(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.rules.breakers.THOUSANDS", 80)
    monkeypatch.setattr("daemon.passes.guard.MANY_VANISHED", 20)
    fill(office, 60)
    before = known(office)
    for message in office.box.everything():
        office.box.delete_by_person(message.sighting.ref)
    done = one_pass(office.desk)
    assert done.paused is not None
    assert "empty where there were thousands" in done.paused
    assert known(office) == before
    resume(office)
    assert after_a_while(office).paused is None
    assert known(office) == {"INBOX": 0, "Invoices": 0, "Orders": 0}


def test_inbox_that_is_emptied_into_the_archive_every_evening_is_no_alarm(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.rules.breakers.THOUSANDS", 80)
    monkeypatch.setattr("daemon.passes.guard.MANY_VANISHED", 20)
    for _evening in range(2):
        fill(office, 60)
        for folder in ("INBOX", "Invoices"):
            for message in office.box.lying_in(folder):
                office.box.move_by_person(message.sighting.ref, "Archive")
        assert one_pass(office.desk).paused is None
        assert after_a_while(office).paused is None


def test_most_folders_gone_at_once_stop_everything_and_no_category_is_paused(office: Office) -> None:
    for name in ("Offers", "Complaints"):
        office.box.create_folder(name)
    after_a_while(office)
    for name in ("Offers", "Complaints", "Invoices"):
        office.box.delete_folder(name)
    assert "3 of 5 folders are gone" in (after_a_while(office).paused or "")
    with office.database.begin() as tx:
        assert [each.paused for each in mailboxes.categories(tx, office.desk.mailbox_id)] == [None] * 4
    resume(office)
    assert after_a_while(office).paused is None


def test_first_start_is_no_alarm_however_empty(make_office: Callable[..., Office]) -> None:
    office = make_office(already_there="one mail")
    assert one_pass(office.desk).paused is None
    assert mailbox(office).stopped is None


# --- overrides


def override(office: Office, numbers: range, kind: str, wrong: int) -> None:
    """So many are filed, and people move the first few of them elsewhere."""
    for number in numbers:
        office.deliver(f"invoice {kind} {number}")
    office.settle()
    for number in list(numbers)[:wrong]:
        office.box.move_by_person(office.ref_of(f"invoice {kind} {number}"), "Orders")
    office.settle()


def test_people_who_override_unusually_often_pause_the_mailbox_until_it_is_resumed(office: Office) -> None:
    override(office, range(30), "early", 1)
    assert mailbox(office).paused is None
    office.clock.advance(days=10)
    override(office, range(30), "late", 12)
    paused = mailbox(office).paused
    assert paused is not None
    assert "people moved 12 of 30 messages" in paused
    assert "`postroom resume`" in paused
    office.deliver("invoice waits")
    office.settle()
    assert office.folder_of("invoice waits") == ["INBOX"]
    resume(office)
    office.settle()
    assert office.folder_of("invoice waits") == ["Invoices"]
    office.box.move_by_person(office.ref_of("invoice late 20"), "Orders")
    office.settle()
    assert mailbox(office).paused is None, "the evidence that a person has seen does not count again"
    override(office, range(40), "worse", 25)
    assert mailbox(office).paused is not None


def test_pause_on_overrides_can_be_switched_off(make_office: Callable[..., Office]) -> None:
    office = make_office(sorting={"max_moves_per_minute": 10000, "pause_on_overrides": False})
    override(office, range(30), "any", 30)
    assert mailbox(office).paused is None


class Registry:
    """Says which model is in use, as the real one does, and loads none."""

    def __init__(self, office: Office) -> None:
        self.office, self.model, self.broken = office, office.model, False

    def classifier(self, mailbox: int) -> Any:
        return self.model

    def promote(self, mailbox: int, version: str, now: Any, *, withdraw: str | None = None) -> None:
        if self.broken:
            raise PostroomError(version, "its files are damaged.")
        with self.office.database.begin() as tx:
            training.promote(tx, mailbox, version, now)
            if withdraw is not None:
                training.withdraw(tx, mailbox, now, withdraw)


def two_models(office: Office, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """m1 filed well for ten days, then m2 was promoted and files badly."""
    registry: Any = Registry(office)
    office.desk.registry = registry
    box = office.desk.mailbox_id
    with office.database.begin() as tx:
        for version in ("m1", "m2"):
            training.add_model(
                tx, box, version, f"office/{version}", office.clock(), state="kept", verdict="Promoted.", exam={}
            )
        training.promote(tx, box, "m1", office.clock())
    override(office, range(40), "before", 1)
    office.clock.advance(days=10)
    with office.database.begin() as tx:
        training.promote(tx, box, "m2", office.clock())
    import daemon.passes.decide

    ask = daemon.passes.decide.current_policy

    def by_m2(*asked: Any) -> Any:
        policy = ask(*asked)
        return type(policy)(policy.categories, policy.thresholds, "m2")

    monkeypatch.setattr("daemon.passes.decide.current_policy", by_m2)
    return registry  # type: ignore[no-any-return]


def states(office: Office) -> dict[str, str]:
    with office.database.begin() as tx:
        return {model.version: model.state for model in training.models(tx, office.desk.mailbox_id)}


def test_model_that_people_override_far_more_than_the_one_before_is_rolled_back(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_models(office, monkeypatch)
    override(office, range(30), "after", 12)
    assert states(office) == {"m1": "current", "m2": "rejected"}
    assert mailbox(office).paused is None, "the model is to blame, and it is gone"
    box_now = mailbox(office)
    with office.database.begin() as tx:
        told = concerns.concerns(tx, box_now, office.clock())
        rival = training.withdrawn_model(training.models(tx, office.desk.mailbox_id))
    assert told["rolled_back"].startswith("from m2 to m1: people moved ")
    assert rival is not None
    assert rival.version == "m2"
    # One that beats it ends the matter.
    with office.database.begin() as tx:
        box, now = office.desk.mailbox_id, office.clock() + timedelta(days=1)
        training.add_model(tx, box, "m3", "office/m3", now, state="kept", verdict="", exam={})
        training.promote(tx, box, "m3", now)
        assert training.withdrawn_model(training.models(tx, box)) is None


def test_if_the_model_before_cannot_be_used_the_mailbox_is_paused(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_models(office, monkeypatch).broken = True
    override(office, range(30), "after", 12)
    assert states(office) == {"m1": "previous", "m2": "current"}
    assert mailbox(office).paused is not None
