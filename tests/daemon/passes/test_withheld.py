"""Messages that a server lists and does not give: the rest of the mailbox goes on, and they are told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from connectors.base import MessageRef
from connectors.errors import ActionRefused, Unreachable
from connectors.imap.mailbox import ImapConnector
from daemon.passes.act import MOST_UNCLEAR
from daemon.passes.desk import Desk
from daemon.passes.one_pass import one_pass
from daemon.report.story import mailbox_status, message_story
from daemon.store import journal, learning, mailboxes, messages, withheld
from tests.faults import FaultyLine
from tests.imap_desk import open_desk, pass_time, reasons
from tests.imap_fixtures import ImapWorld

pytestmark = pytest.mark.imap

HEADER = b"BODY.PEEK[HEADER.FIELDS"
BODY = b"BODY.PEEK[]"
Answer = Callable[[bytes, bytes], bytes | None]


def refused(tag: bytes, answer: bytes) -> bytes | None:
    return tag + b" NO [SERVERBUG] Internal error occurred.\r\n"


def not_understood(tag: bytes, answer: bytes) -> bytes | None:
    return tag + b" BAD Error in IMAP command.\r\n"


def hangs_up(tag: bytes, answer: bytes) -> bytes | None:
    return None


def says_bye(tag: bytes, answer: bytes) -> bytes | None:
    return b"* BYE Internal error.\r\n"


def without_it(tag: bytes, answer: bytes) -> bytes | None:
    """OK, and nothing of the one message."""
    parts = re.split(rb"(?m)^(?=\* \d+ FETCH )", answer[: answer.rindex(tag)])
    return b"".join(part for part in parts if b"poison" not in part) + tag + b" OK Fetch completed.\r\n"


REFUSALS = [refused, not_understood, hangs_up, says_bye, without_it]


@pytest.fixture
def ill() -> dict[str, int]:
    """`now`: does the server withhold it? `times`: how often it did."""
    return {"now": 1, "times": 0}


@pytest.fixture
def tampered(
    dovecot_world: ImapWorld, request: pytest.FixtureRequest, ill: dict[str, int]
) -> Iterator[tuple[ImapWorld, FaultyLine]]:
    """A Dovecot that does to what holds "poison" as the parameter says: (item of the command, what it does)."""
    item, does = request.param

    def answers(command: bytes, answer: bytes) -> bytes | None:
        asked = item in command or (item == HEADER and b"BODY.PEEK[HEADER]" in command)
        if not (ill["now"] and asked and b"poison" in answer):
            return answer
        ill["times"] += 1
        return does(command.split()[0], answer)

    with FaultyLine(dovecot_world.server.port, answers=answers) as line:
        dovecot_world.connector = dovecot_world.another(port=line.port)
        yield dovecot_world, line
        dovecot_world.connector.close()


def told(desk: Desk) -> str | None:
    with desk.database.read() as tx:
        status = mailbox_status(tx, mailboxes.get(tx, desk.mailbox_id), desk.clock(), lambda: False)
    words: str | None = status["withheld"]
    return words


@pytest.mark.parametrize("tampered", [(BODY, does) for does in REFUSALS], indirect=True)
def test_a_body_that_is_not_given_costs_itself_alone(
    tampered: tuple[ImapWorld, FaultyLine], ill: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, _ = tampered
    desk = open_desk(world, tmp_path, monkeypatch)
    for subject in ("order 1", "order poison", "order 3"):
        world.deliver(subject, message_id=f"<{subject[6:]}@example.org>")
    pass_time(desk, minutes=6)
    assert world.folders_of("order 1") == world.folders_of("order 3") == [world.second]
    assert world.folders_of("order poison") == ["INBOX"]
    assert "1 message lies there and cannot be read; Postroom tries again later" in (told(desk) or "")
    with desk.database.read() as tx:
        (message,) = messages.named(tx, desk.mailbox_id, "poison@example.org")
        story = message_story(tx, mailboxes.get(tx, desk.mailbox_id), message)
    assert (story["state"], story["withheld"]["tries"]) == ("new", 1)
    times = ill["times"]
    one_pass(desk)
    assert ill["times"] == times <= 4, "it is not asked for again at once"
    ill["now"] = 0
    pass_time(desk, minutes=6)
    assert world.folders_of("order poison") == [world.second]
    assert told(desk) is None


@pytest.mark.parametrize("tampered", [(HEADER, does) for does in REFUSALS], indirect=True)
def test_a_header_that_is_not_given_costs_itself_alone(
    tampered: tuple[ImapWorld, FaultyLine], ill: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, _ = tampered
    desk = open_desk(world, tmp_path, monkeypatch)
    for subject in ("order 1", "order poison", "order 3"):
        world.deliver(subject)
    pass_time(desk, minutes=6)
    assert world.folders_of("order 1") == world.folders_of("order 3") == [world.second]
    assert world.folders_of("order poison") == ["INBOX"]
    assert "(INBOX/" in (told(desk) or "")
    world.deliver("order 4")
    pass_time(desk, minutes=6)
    assert world.folders_of("order 4") == [world.second]
    ill["now"] = 0
    pass_time(desk, minutes=30)
    pass_time(desk, minutes=6)
    assert world.folders_of("order poison") == [world.second], "it was delivered, and only seen late"
    assert told(desk) is None


@pytest.mark.parametrize("tampered", [(BODY, refused), (HEADER, hangs_up)], indirect=True)
def test_what_is_never_given_is_not_tried_for_ever(
    tampered: tuple[ImapWorld, FaultyLine], ill: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, _ = tampered
    desk = open_desk(world, tmp_path, monkeypatch)
    world.deliver("order poison", message_id="<poison@example.org>")
    world.deliver("order 2")
    for _ in range(withheld.MOST_TRIES + 3):
        pass_time(desk, hours=25)
    assert world.folders_of("order 2") == [world.second]
    assert "Postroom does not try any more" in (told(desk) or "")
    if reasons(desk, "<poison@example.org>"):
        assert "the server did not give it in 12 tries" in reasons(desk, "<poison@example.org>")[-1]
    times = ill["times"]
    pass_time(desk, hours=25)
    assert ill["times"] == times <= 4 * withheld.MOST_TRIES


@pytest.mark.parametrize("tampered", [(BODY, hangs_up), (BODY, refused)], indirect=True)
def test_one_bad_message_of_many_is_found_in_a_few_steps(tampered: tuple[ImapWorld, FaultyLine]) -> None:
    world, line = tampered
    for number in range(60):
        world.deliver("order poison" if number == 41 else f"order {number}")
    connector = world.connector
    assert isinstance(connector, ImapConnector)
    refs = [seen.ref for seen in connector.newest("INBOX", 100)]
    assert len(refs) == 60
    found = {message.text.subject for message in connector.fetch(refs)}
    assert len(found) == 59
    assert line.commands.count("LOGIN") <= 6
    bad = next(ref for ref in refs if ref.uid == 42)
    assert list(connector.withheld([bad])) == [bad]
    world.delete("order poison")
    assert not connector.withheld([bad]), "now it is gone, and a SEARCH says so"


def closes(tag: bytes, answer: bytes) -> bytes | None:
    """The folder is not for everybody."""
    return tag + b" NO [NOPERM] Permission denied\r\n"


@pytest.mark.parametrize(
    ("does", "hide"),
    [
        (closes, ()),
        (not_understood, ()),
        (hangs_up, ()),
        (not_understood, ("LIST-STATUS",)),
        (says_bye, ("LIST-STATUS",)),
    ],
)
def test_one_bad_folder_of_many_costs_itself_alone(
    dovecot_world: ImapWorld, does: Answer, hide: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, ill = dovecot_world, {"now": 0}
    for number in range(8):
        world.hands.create(f"Folder {number}")

    def answers(command: bytes, answer: bytes) -> bytes | None:
        opens = re.search(rb'^\S+ (STATUS|EXAMINE|SELECT) "Folder 3"', command)
        return does(command.split()[0], answer) if ill["now"] and opens else answer

    with FaultyLine(world.server.port, answers=answers, hide=hide) as line:
        world.connector = world.another(port=line.port)
        desk = open_desk(world, tmp_path, monkeypatch)
        ill["now"] = 1
        for round_ in range(3):
            world.deliver(f"order {round_}")
            world.deliver(f"note {round_}")
            world.move(f"note {round_}", "Folder 3")
            pass_time(desk, minutes=11)
            assert world.folders_of(f"order {round_}") == [world.second]
        with desk.database.read() as tx:
            status = mailbox_status(tx, mailboxes.get(tx, desk.mailbox_id), desk.clock(), lambda: False)
        assert '1 folder cannot be looked into, and Postroom tries again later. "Folder 3"' in status["unreadable"]
        assert line.commands.count("LOGIN") <= 4, "what breaks the line is left alone for a while"
        with desk.database.read() as tx:
            known = {folder.name: folder for folder in mailboxes.folders(tx, desk.mailbox_id)}
        if does is not closes:
            assert known["Folder 3"].missing_since is None
        ill["now"] = 0
        monkeypatch.setattr("connectors.imap.experience.FIRST_PAUSE_S", 0)
        desk.connector._experience._shunned.clear()  # type: ignore[attr-defined]
        pass_time(desk, minutes=11)
        with desk.database.read() as tx:
            assert mailboxes.get(tx, desk.mailbox_id).unreadable is None
        world.connector.close()


@pytest.mark.parametrize("opens", [b"(STATUS|EXAMINE|SELECT)", b"(EXAMINE|SELECT)"])
def test_a_folder_that_breaks_the_line_at_the_first_look_costs_itself_alone(
    dovecot_world: ImapWorld, opens: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = dovecot_world

    def answers(command: bytes, answer: bytes) -> bytes | None:
        return None if re.search(rb"^\S+ " + opens + b' "?B&', command) else answer

    with FaultyLine(world.server.port, answers=answers, hide=("LIST-STATUS",)) as line:
        world.connector = world.another(port=line.port)
        desk = open_desk(world, tmp_path, monkeypatch)
        world.deliver("order 1")
        pass_time(desk, minutes=6)
        assert world.folders_of("order 1") == [world.second]
        with pytest.raises(ActionRefused, match=world.first):
            desk.connector.newest(world.first, 1)
        there = MessageRef(world.first, 1, 1)
        assert list(desk.connector.fetch([there])) == []
        assert list(desk.connector.withheld([there])) == [there], "nobody can say that it is gone"
        world.connector.close()


def test_a_half_done_move_that_breaks_every_look_for_it_holds_up_nothing(
    dovecot_world: ImapWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, ill = dovecot_world, {"now": 0}

    def answers(command: bytes, answer: bytes) -> bytes | None:
        if b"UID MOVE" in command and ill["now"] == 0:
            ill["now"] = 1
            return None
        return None if ill["now"] and b"UID FETCH" in command and b"BODY" in command else answer

    with FaultyLine(world.server.port, answers=answers) as line:
        world.connector = world.another(port=line.port)
        desk = open_desk(world, tmp_path, monkeypatch)
        world.deliver("order 1", message_id="<1@example.org>")
        for _ in range(MOST_UNCLEAR + 2):
            with suppress(Unreachable):
                pass_time(desk, minutes=6)
        with desk.database.read() as tx:
            assert journal.unfinished(tx, desk.mailbox_id) == []
        one_pass(desk)
        assert len(world.folders_of("order 1")) == 1
        world.connector.close()


@pytest.mark.parametrize("tampered", [(BODY, refused), (BODY, hangs_up)], indirect=True)
def test_a_correction_whose_text_is_not_given_waits_and_the_others_teach(
    tampered: tuple[ImapWorld, FaultyLine], ill: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, _ = tampered
    desk = open_desk(world, tmp_path, monkeypatch)
    for subject in ("note 1", "note poison"):
        world.deliver(subject, message_id=f"<{subject[5:]}@example.org>")
    pass_time(desk, minutes=6)
    for subject in ("note 1", "note poison"):
        world.move(subject, world.first)
    pass_time(desk, minutes=20)

    def taught() -> list[str | None]:
        with desk.database.read() as tx:
            corrections = learning.corrections(tx, desk.mailbox_id)
            return [messages.get(tx, one.message).identity.message_id for one in corrections]

    assert taught() == ["<1@example.org>"]
    times = ill["times"]
    one_pass(desk)
    assert ill["times"] == times
    for _ in range(withheld.MOST_TRIES):
        pass_time(desk, hours=25)
    assert taught() == ["<1@example.org>", "<poison@example.org>"]
    assert "teaches nothing: the server does not give it" in reasons(desk, "<poison@example.org>")
    with desk.database.read() as tx:
        assert len(learning.lessons(tx, desk.mailbox_id)) == 1
    times = ill["times"]
    pass_time(desk, hours=25)
    assert ill["times"] == times
