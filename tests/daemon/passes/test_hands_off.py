"""When not to act, on a real server with mail as programs really write it: each is left, and `why` says why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.passes.desk import Desk
from daemon.passes.one_pass import one_pass
from daemon.passes.put_back import undo
from daemon.store import learning
from tests import mail_samples as sample
from tests.fakes import START, Clock
from tests.imap_desk import open_desk, pass_time, reasons
from tests.imap_fixtures import ImapWorld

pytestmark = pytest.mark.imap
RULES = {"never_senders": ["lawyer@elsewhere.example", "@union.example"], "act_after": "2m"}
CALENDAR, BOUNCE = "not touched: it is a calendar message", "not touched: it is a delivery report"
ENCRYPTED, INTERNAL = "not touched: it is encrypted", "not touched: it is mail among colleagues"
NEVER = "not touched: its sender is listed in never_senders"

LEFT = {
    "outlook accepts": (sample.OUTLOOK_ACCEPTS, CALENDAR),
    "google declines": (sample.GOOGLE_DECLINES, CALENDAR),
    "postfix": (sample.POSTFIX_BOUNCE, BOUNCE),
    "exchange": (sample.EXCHANGE_NDR, BOUNCE),
    "qmail": (sample.QMAIL_BOUNCE, BOUNCE),
    "pgp mime": (sample.PGP_MIME, ENCRYPTED),
    "pgp after exchange": (sample.PGP_AFTER_EXCHANGE, ENCRYPTED),
    "pgp inline": (sample.PGP_INLINE, ENCRYPTED),
    "smime": (sample.SMIME_ENCRYPTED, ENCRYPTED),
    "signed and encrypted": (sample.SIGNED_AND_ENCRYPTED, ENCRYPTED),
    "opaquely signed and encrypted": (sample.OPAQUELY_SIGNED_AND_ENCRYPTED, ENCRYPTED),
    "colleague": (sample.plain("Bob <bob@example.org>"), INTERNAL),
    "branch": (sample.plain("bob@north.example.org", "office@example.org, Ann <ANN@Example.org>"), INTERNAL),
    "lawyer": (sample.plain("A. Counsel <Lawyer@elsewhere.example>"), NEVER),
    "union by a list": (sample.plain("list@lists.example", Reply_To="chair@mail.union.example"), NEVER),
}
FILED = {
    "signed": sample.SIGNED_ONLY,
    "web form": sample.plain("website@example.org", Reply_To="customer@elsewhere.example"),
    "colleague to a customer": sample.plain("bob@example.org", Cc="customer@elsewhere.example"),
    "stranger": sample.plain("ann@elsewhere.example"),
}


@pytest.fixture
def desk(dovecot_world: ImapWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    desk = open_desk(dovecot_world, tmp_path, monkeypatch, sorting=RULES)
    yield desk
    desk.database.close()


def put(world: ImapWorld, text: str, name: str, flags: str = "") -> str:
    message_id = f"<{name.replace(' ', '-')}@sample.example>"
    world.hands.put(sample.raw(text, message_id), flags=flags)
    return message_id


def test_mail_that_programs_or_people_wait_for_is_left_and_says_why(desk: Desk, dovecot_world: ImapWorld) -> None:
    expected = {put(dovecot_world, text, name): reason for name, (text, reason) in LEFT.items()}
    expected[put(dovecot_world, FILED["stranger"], "flag", "\\Flagged")] = "not touched: somebody flagged it"
    expected[put(dovecot_world, FILED["stranger"], "answer", "\\Answered")] = "not touched: somebody answered it"
    filed = {put(dovecot_world, text, name) for name, text in FILED.items()}
    pass_time(desk, minutes=3)
    assert {message_id: reasons(desk, message_id) for message_id in expected} == {
        message_id: [reason] for message_id, reason in expected.items()
    }
    assert all("model m1" in reasons(desk, message_id)[0] for message_id in filed)
    places = [each.folder for each in dovecot_world.contents()]
    assert (places.count("INBOX"), places.count("Orders")) == (len(expected), len(FILED))


def test_flag_that_was_set_while_the_mail_waited_counts(desk: Desk, dovecot_world: ImapWorld) -> None:
    message_id = put(dovecot_world, FILED["stranger"], "late")
    one_pass(desk)
    dovecot_world.hands.flag("order of ten tables", "\\Flagged")
    pass_time(desk, minutes=3)
    assert reasons(desk, message_id) == ["not touched: somebody flagged it"]


def test_never_senders_teach_nothing_wherever_people_put_their_mail(desk: Desk, dovecot_world: ImapWorld) -> None:
    message_id = put(dovecot_world, LEFT["lawyer"][0], "lawyer")
    pass_time(desk, minutes=3)
    dovecot_world.move("order of ten tables", "Orders")
    pass_time(desk, minutes=11)
    assert reasons(desk, message_id) == [NEVER, "teaches nothing: its sender is listed in never_senders"]
    assert counts(desk) == (0, 0)


def test_rule_that_moves_mail_as_it_arrives_is_left_alone_and_teaches_nothing(
    desk: Desk, dovecot_world: ImapWorld
) -> None:
    message_id = put_now(dovecot_world)
    one_pass(desk)
    clock(desk).advance(seconds=5)
    dovecot_world.move("order of ten tables", dovecot_world.first)
    pass_time(desk, minutes=11)
    assert reasons(desk, message_id) == [
        "not touched: it left the inbox before its time came",
        "teaches nothing: a rule moved it as soon as it arrived",
    ]
    assert counts(desk) == (0, 0)
    dovecot_world.move("order of ten tables", "INBOX")
    pass_time(desk, minutes=11)
    assert [each.folder for each in dovecot_world.contents()] == ["INBOX"], "put back by a person: left for ever"


def test_quick_person_teaches_all_the_same(desk: Desk, dovecot_world: ImapWorld) -> None:
    put_now(dovecot_world)
    one_pass(desk)
    clock(desk).advance(seconds=45)
    dovecot_world.move("order of ten tables", dovecot_world.first)
    pass_time(desk, minutes=11)
    assert counts(desk) == (1, 1)


def test_what_a_person_put_back_is_respected_for_ever(desk: Desk, dovecot_world: ImapWorld) -> None:
    put(dovecot_world, FILED["stranger"], "back")
    pass_time(desk, minutes=3)
    assert [each.folder for each in dovecot_world.contents()] == ["Orders"]
    dovecot_world.move("order of ten tables", "INBOX")
    for _ in range(3):
        pass_time(desk, days=61)
    assert [each.folder for each in dovecot_world.contents()] == ["INBOX"]
    assert undo(desk, START, None, dry_run=False).back == 0


def put_now(world: ImapWorld) -> str:
    """A mail that arrives now."""
    world.hands.put(sample.raw(FILED["stranger"], "<now@sample.example>"))
    return "<now@sample.example>"


def clock(desk: Desk) -> Clock:
    assert isinstance(desk.clock, Clock)
    return desk.clock


def counts(desk: Desk) -> tuple[Any, Any]:
    """(corrections, lessons)."""
    with desk.database.begin() as tx:
        return len(learning.corrections(tx, desk.mailbox_id)), sum(learning.lesson_counts(tx, desk.mailbox_id).values())


@pytest.mark.parametrize("flag", ["\\Flagged", "\\Answered"])
def test_what_people_flag_or_answer_while_the_model_thinks_stays(
    desk: Desk, dovecot_world: ImapWorld, flag: str
) -> None:
    for name in ("stranger", "signed"):
        put(dovecot_world, FILED[name], name)
    one_pass(desk)
    assert isinstance(desk.clock, Clock)
    desk.clock.advance(minutes=3)
    classifier: Any = desk.registry.classifier(desk.mailbox_id)
    classify = classifier.classify
    [(_, uid, seen), *_] = dovecot_world.look()

    def slowly(texts: Any) -> Any:
        dovecot_world.hands.flag(seen.subject, flag)
        return classify(texts)

    classifier.classify = slowly
    assert one_pass(desk).sorted.outcomes == {"done": 1, "touched": 1}
    assert ("INBOX", uid) in [(folder, at) for folder, at, _ in dovecot_world.look()]
    pass_time(desk, minutes=3)
    assert dovecot_world.folders_of(seen.subject).count("INBOX") == 1
