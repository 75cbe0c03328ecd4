"""Whatever breaks, and whenever: nothing is lost, nothing is twice, nothing has changed, and the restart knows.

Every command of every path, on three real servers, with every way in which a line can fail, and with SIGKILL.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from connectors.base import Recovered, Sighting
from connectors.errors import ConnectorError
from tests.contract import Lying
from tests.faults import KILLS, MOMENTS, SETTLE_SECONDS, Fault, FaultyLine, Journal, Workers, move_here, restart, run
from tests.imap_fixtures import ImapWorld
from tests.servers.hands import make_mail

pytestmark = [pytest.mark.imap, pytest.mark.slow]

SUBJECT = "Invoice 7"


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers() as started:
        yield started


@pytest.fixture(params=["dovecot", "cyrus", "courier"])
def office(request: pytest.FixtureRequest) -> Office:
    world = request.getfixturevalue(f"{request.param}_world")
    return Office.furnished(world)


@dataclass
class Office:
    """A mailbox with all that makes moving hard: a flagged mail, its twin, and mail that others marked as deleted."""

    world: ImapWorld
    before: Sequence[tuple[str, str]]
    place: tuple[str, str]
    """Folder and UID of the mail, as people see it."""

    @classmethod
    def furnished(cls, world: ImapWorld) -> Office:
        hands = world.hands
        hands.put(make_mail("Somebody's mail", message_id="<twin@example.org>"), flags="\\Deleted")
        hands.put(make_mail(SUBJECT, message_id="<twin@example.org>"), flags="\\Seen \\Flagged $work")
        hands.put(make_mail("Reply", message_id="<twin@example.org>"))
        hands.put(make_mail("Marked", message_id=None), folder=world.first, flags="\\Deleted")
        return cls(world, cls.survey(world.contents()), hands.find(SUBJECT))

    @staticmethod
    def survey(contents: Sequence[Lying]) -> list[tuple[str, str]]:
        """What must never change, wherever it lies."""
        return sorted((lying.subject, lying.content) for lying in contents)

    def seen(self) -> Sighting:
        """The mail in the inbox, brought back there if it was moved."""
        folder, uid = self.place
        if folder != self.world.inbox:
            self.world.hands.move_from(folder, uid, self.world.inbox)
            return self.world.connector.newest(self.world.inbox, 1)[0]
        (found,) = [s for s in self.world.connector.newest(self.world.inbox, 50) if s.ref.uid == int(uid)]
        return found

    def check(self, seen: Sighting, journal: Journal, recovered: Recovered, what: str) -> None:
        """Nothing lost, nothing twice, nothing changed, and the restart knows where the message is."""
        found = self.world.look()
        assert self.survey([lying for _, _, lying in found]) == self.before, what
        (self.place,) = [(folder, uid) for folder, uid, lying in found if lying.subject == SUBJECT]
        folder, uid = self.place
        assert recovered.outcome in ("done", "finished", "undone"), (what, journal, recovered)
        assert recovered.ref is not None
        assert (recovered.ref.folder, str(recovered.ref.uid)) == (folder, uid), (what, journal, recovered)
        if journal.result is not None:
            assert journal.result == recovered.ref, what


def test_every_command_of_a_move_may_fail_in_every_way(office: Office, workers: Workers) -> None:
    world, target = office.world, office.world.first
    with FaultyLine(world.server.port) as line:
        journal = move_here(line.port, world.user, office.seen(), target)
        commands = line.commands
    assert journal.result is not None
    office.place = world.hands.find(SUBJECT)
    assert ("UID MOVE" in commands) != ("UID EXPUNGE" in commands)
    faults = [Fault(n + 1, moment) for n in range(len(commands)) for moment in MOMENTS]
    faults += [Fault(n + 1, moment, kill=True) for n in range(len(commands)) for moment in KILLS]
    outcomes = set()
    for fault in faults:
        seen = office.seen()
        journal = run(workers, world.server.port, world.user, seen, target, fault)
        settle = SETTLE_SECONDS if fault.moment == "race" else 0.0
        recovered = restart(world.server.port, world.user, seen, target, journal, settle)
        office.check(seen, journal, recovered, f"{fault} at {commands[fault.command - 1]}")
        outcomes.add(recovered.outcome)
    assert {"done", "undone"} <= outcomes


def test_every_command_of_a_restart_may_fail_in_every_way(office: Office, workers: Workers) -> None:
    world, target = office.world, office.world.first
    with FaultyLine(world.server.port) as line:
        move_here(line.port, world.user, office.seen(), target)
        commands = line.commands
    office.place = world.hands.find(SUBJECT)
    # Where most is at stake: the message is on its way, or lies at both places.
    last = max(n for n, command in enumerate(commands) if command in ("UID MOVE", "UID COPY", "UID STORE")) + 1
    for first in {last, commands.index("UID COPY") + 1 if "UID COPY" in commands else last}:
        number = 0
        while True:
            number += 1
            for moment in ("before", "after", "answer"):
                seen = office.seen()
                journal = run(workers, world.server.port, world.user, seen, target, Fault(first, "after"))
                with FaultyLine(world.server.port, Fault(number, moment)) as line:
                    try:
                        recovered = restart(line.port, world.user, seen, target, journal, 0.0)
                    except ConnectorError:
                        recovered = restart(world.server.port, world.user, seen, target, journal, 0.0)
                office.check(seen, journal, recovered, f"{moment} at command {number} of the restart")
            if not line.struck:
                break


def test_either_change_of_a_label_may_fail_in_every_way(gmail_world: ImapWorld, workers: Workers) -> None:
    office, target = Office.furnished(gmail_world), gmail_world.first
    port, user = gmail_world.server.port, gmail_world.user
    with FaultyLine(port) as line:
        move_here(line.port, user, office.seen(), target)
        commands = line.commands
    office.place = gmail_world.hands.find(SUBJECT)
    assert not {"UID MOVE", "UID COPY", "UID EXPUNGE"} & set(commands)
    outcomes = []
    for number in [n + 1 for n, command in enumerate(commands) if command == "UID STORE"]:
        for moment in ("before", "in", "after", "answer", "corrupt"):
            seen = office.seen()
            journal = run(workers, port, user, seen, target, Fault(number, moment))
            recovered = restart(port, user, seen, target, journal, 0.0)
            office.check(seen, journal, recovered, f"{moment} at {commands[number - 1]} {number}")
            outcomes.append(recovered.outcome)
    keyword, new_label, old_label = outcomes[:5], outcomes[5:10], outcomes[10:]
    assert keyword == ["undone"] * 5
    assert new_label == ["undone", "undone", "finished", "finished", "finished"]
    assert old_label == ["finished", "finished", "done", "done", "done"]
