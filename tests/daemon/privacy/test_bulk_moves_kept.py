"""What a bulk move would teach is mail's text like any lesson's: it is found, forgotten, and ends by itself."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from connectors.base import Identity, MailText, MessageRef, Move, Sighting
from daemon.commands.lessons import _show_person
from daemon.privacy.forgetting import forget, memory_of
from daemon.privacy.person import Person
from daemon.privacy.retention import hold
from daemon.rules.bulk_moves import PATIENCE
from daemon.settings import SortingSettings
from daemon.store import batches, clocks, journal, learning, messages
from daemon.training.never_senders import void_never_senders
from tests.daemon.privacy.test_forget import Office, office
from tests.fakes import START

__all__ = ["office"]


def bulk_move(of: Office, *senders: str) -> int:
    """One mail of each was moved in one go. Returns the batch."""
    with of.database.begin() as tx:
        batch = batches.open_batch(tx, of.box, "Orders", "eve@x.example", START)
        for number, sender in enumerate(senders, 1):
            sighting = Sighting(
                MessageRef("Orders", 1, number), Identity(None, f"<b{number}@own.example>", f"b{number}")
            )
            message = messages.add(tx, of.box, sighting, "left", START, None)
            messages.add_sighting(tx, of.box, message, sighting.ref, START, ours=False, who=None, judged=True)
            more = {"from_category": None, "to_category": "c1", "from_folder": "INBOX", "to_folder": "Orders"}
            made = learning.add_correction(tx, message, START, "filing", **more, who=None, decision=None, moved=START)
            batches.put_into(tx, batch, made, MailText(sender=sender, subject="zqwaits", body=f"zqbody{number}"))
    return batch


def holds(of: Office, word: str) -> bool:
    return any(word.encode() in path.read_bytes() for path in of.settings.state_dir.glob("postroom.sqlite*"))


def members(of: Office) -> list[int]:
    with of.database.read() as tx:
        return [batch.members for batch in batches.batches(tx, of.box)]


def test_forget_finds_what_waits_and_deletes_it_and_its_message(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    bulk_move(office, "Ann <ann@x.example>", "Bob <bob@y.example>", "Ann <ann@x.example>")
    _show_person([memory_of(office.desk)], Person("ann@x.example"), 50, True)
    told: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert [(held["lesson"], held["waits_in"], held["address_in"]) for held in told] == [(None, "B1", "sender")] * 2
    _show_person([memory_of(office.desk)], Person("ann@x.example"), 50, False)
    assert "waits in" in capsys.readouterr().out
    done = forget(memory_of(office.desk), office.settings, Person("@x.example"))
    assert len(done.found.messages) == 2
    assert members(office) == [1]
    assert not holds(office, "ann@x.example")
    assert not holds(office, "eve@x.example"), "who moved it"
    assert not holds(office, "zqbody3")
    assert holds(office, "zqbody2")
    with office.database.begin() as tx:
        assert batches.accept(tx, office.box, 1, START, "") == 1
        assert [lesson.text.body for lesson in learning.lessons(tx, office.box)] == ["zqbody2"]


def test_what_is_forgotten_in_the_middle_of_a_move_keeps_no_text(office: Office) -> None:
    bulk_move(office, "Ann <ann@x.example>")
    with office.database.begin() as tx:
        [member] = batches.members(tx, office.box)
        journal.plan(tx, member.message, MessageRef("Orders", 1, 1), Move("x"), START, decision=None, kind="sort")
    done = forget(memory_of(office.desk), office.settings, Person("@x.example"))
    assert done.unfinished == 1
    assert not holds(office, "zqbody1")


@pytest.mark.parametrize("end", [batches.accept, batches.void])
def test_no_text_waits_any_more_after_an_answer(office: Office, end: Any) -> None:
    bulk_move(office, "Ann <ann@x.example>")
    with office.database.begin() as tx:
        end(tx, office.box, 1, START, "")
        assert tx.exec_driver_sql("SELECT count(*) FROM corrections WHERE text IS NOT NULL").scalar() == 0
    assert holds(office, "zqbody1") is (end is batches.accept)


def test_a_bulk_move_without_an_answer_is_void_after_its_time_unless_the_clock_has_leapt(office: Office) -> None:
    bulk_move(office, "Ann <ann@x.example>")
    nights = [START + timedelta(days=day) for day in range(0, PATIENCE.days + 2, 20)]
    with office.database.begin() as tx:
        clocks.note(tx, office.box, clocks.Waiting(START))
    hold(office.database, office.box, office.settings, START + PATIENCE + timedelta(days=3))
    assert members(office) == [1], "this clock is not believed at once"
    for night in [*nights, START + PATIENCE + timedelta(hours=1)]:
        assert members(office) == [1]
        hold(office.database, office.box, office.settings, night)
    assert members(office) == []
    assert not holds(office, "zqbody1")
    with office.database.read() as tx:
        [batch] = batches.batches(tx, office.box, waiting=False)
    assert (batch.outcome, batch.because) == ("void", "nobody said for 60 days that it was meant")


def test_senders_that_are_never_learnt_from_leave_the_bulk_move(office: Office) -> None:
    bulk_move(office, "Ann <ann@x.example>", "Bob <bob@y.example>")
    void_never_senders(office.database, office.box, SortingSettings(never_senders=("@x.example",)), START)
    assert members(office) == [1]
    assert not holds(office, "zqbody1")


def test_a_bulk_move_whose_messages_are_forgotten_asks_nothing_any_more(office: Office) -> None:
    bulk_move(office, "Ann <ann@x.example>")
    forget(memory_of(office.desk), office.settings, Person("@x.example"))
    assert members(office) == []
    hold(office.database, office.box, office.settings, START + timedelta(days=1))
    with office.database.read() as tx:
        [batch] = batches.batches(tx, office.box, waiting=False)
    assert batch.closed is not None
