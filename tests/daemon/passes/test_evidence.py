"""What people let be where we had put it counts for thresholds, and never as a lesson."""

from __future__ import annotations

from daemon.model.prediction import Point
from daemon.passes.one_pass import one_pass
from daemon.training.policy import evidence, tried_hints
from tests.daemon.passes.test_pipeline import Office, make_office, office

__all__ = ["make_office", "office"]  # fixtures


def points(office: Office) -> list[tuple[str, str, bool]]:
    names = {uid: name for name, uid in office.uids.items()} | {"": "nothing"}
    with office.database.begin() as tx:
        return [
            (names[point.category], names[point.predicted], point.correct)
            for point in evidence(tx, office.desk.mailbox_id, office.clock())
        ]


def later(office: Office, **duration: float) -> None:
    office.clock.advance(**duration)
    one_pass(office.desk)


def test_filed_mail_that_was_read_and_left_there_for_a_day_is_evidence_but_no_lesson(office: Office) -> None:
    office.deliver("invoice 1")
    office.settle()
    office.box.flag_by_person(office.ref_of("invoice 1"), "\\Seen")
    later(office, hours=7)
    assert points(office) == []
    later(office, hours=24)
    assert points(office) == [("Invoices", "Invoices", True)]
    assert office.lessons() == []


def test_mail_that_nobody_has_read_proves_nothing(office: Office) -> None:
    office.deliver("invoice 1")
    office.settle()
    later(office, days=3)
    assert points(office) == []


def test_mail_that_was_carried_on_to_the_archive_is_evidence(office: Office) -> None:
    office.deliver("invoice 1")
    office.settle()
    office.box.move_by_person(office.ref_of("invoice 1"), "Archive")
    later(office, days=2)
    assert points(office) == [("Invoices", "Invoices", True)]


def test_mail_that_vanished_with_its_folder_is_none(office: Office) -> None:
    office.deliver("invoice 1")
    office.settle()
    office.box.delete_folder("Invoices")
    later(office, days=2)
    later(office, days=1)
    assert points(office) == []


def test_a_correction_counts_against_it_also_when_the_mail_had_been_confirmed(office: Office) -> None:
    office.deliver("invoice 1")
    office.settle()
    office.box.flag_by_person(office.ref_of("invoice 1"), "\\Seen")
    later(office, days=2)
    office.box.move_by_person(office.ref_of("invoice 1"), "Orders")
    office.settle()
    assert points(office) == [("Orders", "Invoices", False)]


def test_what_a_person_filed_after_we_had_left_it_is_evidence_and_old_evidence_ends(office: Office) -> None:
    office.deliver("puzzle 1")
    office.settle()
    office.box.move_by_person(office.ref_of("puzzle 1"), "Orders")
    office.settle()
    [(truth, _, _)] = points(office)
    assert truth == "Orders"
    later(office, days=61)
    assert points(office) == []


def test_point_of_a_mail_put_back_into_the_inbox_is_wrong(office: Office) -> None:
    office.deliver("order 1")
    office.settle()
    office.box.move_by_person(office.ref_of("order 1"), "INBOX")
    office.settle()
    with office.database.begin() as tx:
        assert evidence(tx, office.desk.mailbox_id, office.clock()) == [Point("", office.uids["Orders"], 0.96, False)]


def test_what_became_of_filings_by_a_thread_is_evidence_of_threads_and_none_of_the_model(office: Office) -> None:
    root = office.deliver("puzzle 1").identity.message_id
    office.settle()
    office.box.move_by_person(office.ref_of("puzzle 1"), "Orders")
    office.settle()
    assert root is not None
    before = points(office)
    for number in (2, 3):
        office.deliver(f"invoice reply {number}", references=(root,))
    office.settle()
    office.box.flag_by_person(office.ref_of("invoice reply 2"), "\\Seen")
    office.box.move_by_person(office.ref_of("invoice reply 3"), "Invoices")
    office.settle()
    later(office, days=2)
    with office.database.begin() as tx:
        hints = tried_hints(tx, office.desk.mailbox_id, office.clock())
    assert [(hint.kind.source, hint.predicted, hint.right) for hint in hints] == [
        ("thread", office.uids["Orders"], False),
        ("thread", office.uids["Orders"], True),
    ]
    assert points(office) == before


def test_what_a_model_stated_is_evidence_of_the_same_kind(office: Office) -> None:
    office.model.sureness = 0.97
    office.deliver("order 1")
    office.settle()
    office.box.move_by_person(office.ref_of("order 1"), "INBOX")
    office.settle()
    with office.database.begin() as tx:
        assert evidence(tx, office.desk.mailbox_id, office.clock()) == [
            Point("", office.uids["Orders"], 0.97, False, stated=True)
        ]
