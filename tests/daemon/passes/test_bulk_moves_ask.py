"""Many messages dragged in one go teach nothing until a person confirms it, and nothing of it is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connectors.base import Identity, MailText, MessageRef, Sighting
from daemon.model.memory import LessonMemory
from daemon.passes import correct
from daemon.passes.ask_first import BY_ITSELF
from daemon.passes.first_lessons import learn_from_folders
from daemon.passes.one_pass import one_pass
from daemon.rules.bulk_moves import A_WEEK
from daemon.store import batches, decisions, learning, mailboxes, messages, outcomes, training
from daemon.store.records import Batch
from tests.daemon.passes.test_pipeline import Office, make_office
from tests.fakes import START

__all__ = ["make_office"]

MANY = 40
WORDS = (
    "Dear all, please find the minutes of our meeting about the new roof, the old fence and the garden below. We shall "
    "meet again in two weeks, as always in the hall behind the church, and talk about the bench at the pond."
)


@pytest.fixture
def office(make_office: Callable[..., Office]) -> Office:
    return make_office(sorting={"max_moves_per_minute": 10000})


def arrive(office: Office, count: int = MANY, name: str = "note", words: str = WORDS) -> list[str]:
    """So many nearly equal mails come, and Postroom has decided about them. Returns their subjects."""
    subjects = [f"{name} {number}" for number in range(count)]
    for subject in subjects:
        office.box.deliver(MailText(sender="ann@example.org", subject=subject, body=f"{words} {subject}"))
    one_pass(office.desk)
    office.clock.advance(minutes=3)
    one_pass(office.desk)
    return subjects


def drag(office: Office, subjects: list[str], folder: str) -> None:
    for subject in subjects:
        office.box.move_by_person(office.ref_of(subject), folder)


def follows(office: Office) -> str:
    """Where the next mail lands that nearly repeats them."""
    subject = f"again {len(office.box.everything())}"
    office.box.deliver(MailText(sender="ann@example.org", subject=subject, body=f"{WORDS} {subject}"))
    one_pass(office.desk)
    office.clock.advance(minutes=3)
    one_pass(office.desk)
    [folder] = office.folder_of(subject)
    return folder


def waiting(office: Office, *, every: bool = False) -> list[Batch]:
    with office.database.read() as tx:
        return batches.batches(tx, office.desk.mailbox_id, waiting=not every)


def tell(office: Office, folder: str, what: Callable[[int], dict[str, Any]]) -> None:
    """Let the server tell more of what lies there."""
    lying = office.box._places[folder].messages
    for number, (uid, message) in enumerate(lying.items()):
        lying[uid] = replace(message, sighting=replace(message.sighting, **what(number)))


def answer(office: Office, how: Any, batch: int = 1) -> Any:
    with office.database.begin() as tx:
        return how(tx, office.desk.mailbox_id, batch, office.clock(), "a person said so")


def moments(office: Office) -> set[Any]:
    with office.database.read() as tx:
        return {lesson.at for lesson in learning.lessons(tx, office.desk.mailbox_id)}


def test_forty_dragged_at_once_teach_nothing_and_no_near_copy_follows_until_they_are_accepted(office: Office) -> None:
    subjects = arrive(office)
    drag(office, subjects, "Invoices")
    one_pass(office.desk)
    moved = office.clock.now
    office.clock.advance(minutes=11)
    one_pass(office.desk)
    assert office.corrections() == [("filing", "Invoices")] * MANY, "what people did is recorded"
    assert office.lessons() == []
    [batch] = waiting(office)
    assert (batch.folder, batch.sources, batch.lying) == ("Invoices", {"INBOX": MANY}, MANY)
    assert batch.category == office.uids["Invoices"]
    assert follows(office) == "INBOX"

    assert answer(office, batches.accept) == MANY
    assert office.lessons() == ["Invoices"] * MANY
    assert moments(office) == {moved}, "as old as the moves"
    assert waiting(office) == []
    assert answer(office, batches.accept) is None
    assert follows(office) == "Invoices"


def test_void_leaves_what_was_known_as_if_nobody_had_dragged_anything(office: Office) -> None:
    subjects = arrive(office)
    for subject in subjects:  # one by one, with time for each
        drag(office, [subject], "Orders")
        office.settle()
    assert office.lessons() == ["Orders"] * MANY
    before = moments(office)
    drag(office, subjects, "Invoices")
    office.settle()
    assert office.lessons() == ["Orders"] * MANY, "until somebody says so, nothing is taken back either"
    assert answer(office, batches.void) == MANY
    assert office.lessons() == ["Orders"] * MANY
    assert moments(office) == before
    with office.database.read() as tx:
        said = learning.corrections(tx, office.desk.mailbox_id)[MANY:]
    assert all(correction.voided for correction in said)
    assert follows(office) == "Orders"


def test_one_lesson_of_an_accepted_bulk_move_taken_back_brings_back_the_one_before(office: Office) -> None:
    subjects = arrive(office)
    drag(office, subjects[:3], "Orders")
    office.settle()
    drag(office, subjects, "Invoices")
    office.settle()
    answer(office, batches.accept)
    assert office.lessons() == ["Invoices"] * MANY
    with office.database.begin() as tx:
        said = learning.corrections(tx, office.desk.mailbox_id)
        assert learning.void_correction(tx, office.desk.mailbox_id, said[3].id, office.clock())
    assert sorted(office.lessons()) == ["Invoices"] * (MANY - 1) + ["Orders"]


def test_twenty_five_teach_at_once(office: Office) -> None:
    drag(office, arrive(office, 25), "Invoices")
    office.settle()
    assert office.lessons() == ["Invoices"] * 25
    assert waiting(office) == []


def test_a_slow_client_teaches_nothing_at_any_moment(office: Office) -> None:
    subjects = arrive(office)
    for at in range(0, MANY, 4):
        drag(office, subjects[at : at + 4], "Invoices")
        one_pass(office.desk)
        assert office.lessons() == []
        office.clock.advance(minutes=1)
    for _ in range(15):
        one_pass(office.desk)
        assert office.lessons() == []
        office.clock.advance(minutes=1)
    [batch] = waiting(office)
    assert batch.members == MANY


def test_what_taught_before_the_rest_came_waits_too(make_office: Callable[..., Office]) -> None:
    office = make_office(sorting={"settle": timedelta(seconds=30), "max_moves_per_minute": 10000})
    subjects = arrive(office)
    drag(office, subjects[:1], "Orders")
    office.settle()
    assert office.lessons() == ["Orders"]
    for at in range(0, MANY, 4):
        drag(office, subjects[at : at + 4], "Invoices")
        one_pass(office.desk)
        office.clock.advance(minutes=1)
        one_pass(office.desk)
        if at == 8:
            assert office.lessons() == ["Invoices"] * 12, "twelve are nothing unusual"
    assert office.lessons() == ["Orders"], "and the lesson that the first had replaced is back"
    [batch] = waiting(office)
    assert batch.members == MANY
    assert answer(office, batches.accept) == MANY
    assert office.lessons() == ["Invoices"] * MANY


def test_people_who_take_their_time_teach(office: Office) -> None:
    for subject in arrive(office):
        drag(office, [subject], "Invoices")
        one_pass(office.desk)
        office.clock.advance(minutes=1)
    office.settle()
    assert office.lessons() == ["Invoices"] * MANY
    assert waiting(office) == []


def test_a_days_work_seen_in_one_look_teaches_where_such_days_are_usual_and_asks_where_not(office: Office) -> None:
    for day in range(3):  # people file some three an hour, ten hours long, and Postroom looks on
        for subject in arrive(office, 30, f"day{day}", words=""):
            drag(office, [subject], "Invoices")
            one_pass(office.desk)
            office.clock.advance(minutes=20)
        office.clock.advance(hours=14)
    office.settle()
    subjects = arrive(office, 40, "unseen", words="")
    office.clock.advance(hours=10)  # nobody looks while they work
    drag(office, subjects, "Invoices")
    office.settle()
    assert len(office.lessons()) == 3 * 30 + 40
    assert waiting(office) == []

    subjects = arrive(office, 40, "other", words="")
    office.clock.advance(hours=10)
    drag(office, subjects, "Orders")
    office.settle()
    assert len(office.lessons()) == 3 * 30 + 40
    assert [batch.folder for batch in waiting(office)] == ["Orders"], "nobody ever put so many there"


def test_what_is_found_in_many_folders_and_dragged_into_one_is_one_question(office: Office) -> None:
    subjects = arrive(office)
    drag(office, subjects[:20], "Orders")
    office.settle()
    assert office.lessons() == ["Orders"] * 20
    drag(office, subjects, "Invoices")
    office.settle()
    [batch] = waiting(office)
    assert batch.sources == {"Orders": 20, "INBOX": 20}


def test_many_put_back_into_the_inbox_take_back_nothing_until_it_is_confirmed(office: Office) -> None:
    subjects = arrive(office)
    for half in (subjects[:20], subjects[20:]):
        drag(office, half, "Orders")
        office.settle()
    drag(office, subjects, "INBOX")
    office.settle()
    [batch] = waiting(office)
    assert (batch.folder, batch.category, batch.sources) == ("INBOX", None, {"Orders": MANY})
    assert office.lessons() == ["Orders"] * MANY
    assert answer(office, batches.accept) == MANY
    assert office.lessons() == []


def test_dragged_back_in_one_go_nothing_is_asked_any_more_and_nothing_is_taught(office: Office) -> None:
    subjects = arrive(office)
    drag(office, subjects[:20], "Orders")
    office.settle()
    before = moments(office)
    drag(office, subjects, "Invoices")
    office.settle()
    assert len(waiting(office)) == 1
    drag(office, subjects[:20], "Orders")
    drag(office, subjects[20:], "INBOX")
    office.settle()
    assert waiting(office) == []
    assert [batch.outcome for batch in waiting(office, every=True)] == ["taken back"]
    assert office.lessons() == ["Orders"] * 20
    assert moments(office) == before


def test_a_slip_that_is_taken_back_before_it_counts_asks_nothing(office: Office) -> None:
    subjects = arrive(office)
    drag(office, subjects, "Invoices")
    one_pass(office.desk)
    office.clock.advance(minutes=1)
    drag(office, subjects, "INBOX")
    office.settle()
    assert office.corrections() == []
    assert waiting(office, every=True) == []


def test_what_is_moved_on_leaves_the_question_and_speaks_for_itself(office: Office) -> None:
    subjects = arrive(office)
    drag(office, subjects, "Invoices")
    office.settle()
    drag(office, subjects[:2], "Orders")
    office.settle()
    [batch] = waiting(office)
    assert batch.members == MANY - 2
    assert office.lessons() == ["Orders"] * 2
    answer(office, batches.accept)
    assert sorted(office.lessons()) == ["Invoices"] * (MANY - 2) + ["Orders"] * 2


def test_a_kill_in_the_middle_and_a_restart_change_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    subjects = arrive(office)
    drag(office, subjects, "Invoices")
    one_pass(office.desk)
    office.clock.advance(minutes=11)
    done: list[int] = []
    record = correct._record

    def killed(*arguments: Any) -> None:
        if len(done) == 12:
            raise KeyboardInterrupt
        done.append(1)
        record(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(correct, "_record", killed)
        with pytest.raises(KeyboardInterrupt):
            one_pass(office.desk)
    assert [batch.members for batch in waiting(office)] == [12]
    assert office.lessons() == []
    office.desk = replace(office.desk, memory=LessonMemory(), looked=None, folders_listed=None, believed=None)
    one_pass(office.desk)
    assert [batch.members for batch in waiting(office)] == [MANY]
    assert office.lessons() == []
    answer(office, batches.accept)
    assert len(office.lessons()) == MANY


# --- believed without a word


def agreeing_mail(office: Office, folder: str, count: int = 3) -> None:
    drag(office, arrive(office, count, f"later{folder}"), folder)
    office.settle()


def test_a_bulk_move_that_stood_a_week_with_new_mail_agreeing_is_believed(office: Office) -> None:
    drag(office, arrive(office), "Invoices")
    office.settle()
    agreeing_mail(office, "Invoices")
    office.clock.advance(days=6)
    one_pass(office.desk)
    assert len(waiting(office)) == 1, "not yet a week"
    office.clock.advance(days=1)
    one_pass(office.desk)
    assert waiting(office) == []
    assert office.lessons() == ["Invoices"] * (MANY + 3)
    [batch] = waiting(office, every=True)
    assert (batch.outcome, batch.because) == ("accepted", BY_ITSELF)


@pytest.mark.parametrize("what", ["nothing new", "other mail", "new mail contradicts", "it was moved on"])
def test_without_new_mail_that_agrees_it_goes_on_waiting(office: Office, what: str) -> None:
    subjects = arrive(office)
    drag(office, subjects, "Invoices")
    office.settle()
    if what == "other mail":
        for number in range(3):
            office.box.deliver(MailText(sender="eve@other.example", subject=f"roof {number}", body="Buy now"))
        one_pass(office.desk)
        drag(office, [f"roof {number}" for number in range(3)], "Invoices")
        office.settle()
    if what in ("new mail contradicts", "it was moved on"):
        agreeing_mail(office, "Invoices")
    if what == "new mail contradicts":
        agreeing_mail(office, "Orders", 1)
    if what == "it was moved on":
        drag(office, subjects[:10], "Archive")
    office.clock.advance(days=8)
    one_pass(office.desk)
    office.clock.advance(hours=7)
    one_pass(office.desk)
    assert office.clock.now - START > A_WEEK
    assert len(waiting(office)) == 1


# --- what else listens to corrections


def test_thresholds_do_not_hear_of_it_and_a_model_is_not_taken_back_but_sorting_pauses(office: Office) -> None:
    box = office.desk.mailbox_id
    with office.database.begin() as tx:
        for version in ("m0", "m1"):
            training.add_model(tx, box, version, version, START, state="kept", verdict="", exam={})
            training.promote(tx, box, version, START - timedelta(days=20 if version == "m0" else 1))
        sighting = Sighting(MessageRef("Orders", 1, 1), Identity(None, "<old@x>", "old"))
        message = messages.add(tx, box, sighting, "sorted", START, None)
        messages.add_sighting(tx, box, message, sighting.ref, START, ours=True, who=None, judged=True)
        for day in range(2, 20):
            for _ in range(5):
                values = {"category": office.uids["Orders"], "best": None, "probability": None, "runner_up": None}
                more = {"runner_up_probability": None, "source": "model", "reason": "", "model": "m0", "mode": "live"}
                decisions.add(tx, message, START - timedelta(days=day), **values, **more)
    subjects = arrive(office, MANY, "order")
    assert {office.folder_of(subject)[0] for subject in subjects} == {"Orders"}
    drag(office, subjects, "INBOX")
    one_pass(office.desk)
    office.clock.advance(minutes=11)
    assert one_pass(office.desk).paused is not None, "people put back all that was filed: that is no time to go on"
    with office.database.read() as tx:
        current = training.current_model(tx, box)
        assert current is not None
        assert current.version == "m1"
        assert outcomes.known(tx, box, START - timedelta(days=1), 100) == []
    answer(office, batches.accept)
    with office.database.read() as tx:
        assert len(outcomes.known(tx, box, START - timedelta(days=1), 100)) == MANY


def test_learning_from_folders_does_not_answer_for_the_person(office: Office) -> None:
    drag(office, arrive(office), "Invoices")
    office.settle()
    learn_from_folders(office.desk, per_folder=100, max_age=timedelta(days=365))
    assert office.lessons() == []
    answer(office, batches.void)
    learn_from_folders(office.desk, per_folder=100, max_age=timedelta(days=365))
    assert office.lessons() == []
    with office.database.read() as tx:
        assert mailboxes.get(tx, office.desk.mailbox_id).paused is None


def test_what_waits_follows_its_folder_through_a_rename(office: Office) -> None:
    subjects = arrive(office)
    drag(office, subjects, "Invoices")
    office.settle()
    office.box.rename_folder("Invoices", "Bills")
    office.settle()
    [batch] = waiting(office)
    assert (batch.folder, batch.lying) == ("Bills", MANY)
    office.box.restart_uids("Bills")
    office.settle()
    assert [batch.members for batch in waiting(office)] == [MANY]
    drag(office, subjects, "INBOX")
    office.settle()
    assert waiting(office) == []
    assert office.lessons() == []


@pytest.mark.parametrize("apart", [timedelta(minutes=15), timedelta(seconds=1)])
def test_where_the_server_dates_moves_a_late_look_needs_no_guess(office: Office, apart: timedelta) -> None:
    subjects = arrive(office)
    began = office.clock.now
    office.clock.advance(hours=12)
    drag(office, subjects, "Orders")
    tell(office, "Orders", lambda number: {"saved": began + number * apart})
    office.settle()
    if apart > timedelta(minutes=1):
        assert office.lessons() == ["Orders"] * MANY
    else:
        assert [batch.members for batch in waiting(office)] == [MANY]


def test_colleagues_at_work_are_no_bulk_move_where_the_server_tells_who_it_was(office: Office) -> None:
    drag(office, arrive(office), "Orders")
    tell(office, "Orders", lambda number: {"by": f"person {number % 2}"})
    office.settle()
    assert office.lessons() == ["Orders"] * MANY
    drag(office, arrive(office, name="more", words=""), "Invoices")
    tell(office, "Invoices", lambda _number: {"by": "person 1"})
    office.settle()
    assert [(batch.members, batch.who) for batch in waiting(office)] == [(MANY, "person 1")]
