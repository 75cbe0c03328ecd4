"""What a restart concludes, whatever was noted and whatever lies there; and what people do meanwhile."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import Identity, MessageRef, Move, Progress, Step, Unfinished
from connectors.errors import ActionRefused, MessageGone, Unexplained
from connectors.imap.move import DELETED
from connectors.imap.recover_move import Facts, move_verdict
from connectors.imap.session import Session
from connectors.imap.sightings import same_content, same_message
from tests.contract import Died, arrive, find, ignore, recover, stop_at_first, where
from tests.imap_fixtures import ImapWorld
from tests.servers.courier import Courier
from tests.servers.dovecot import Dovecot
from tests.servers.hands import make_mail, quoted

REF = MessageRef("INBOX", 1, 7)
COPY = MessageRef("Orders", 2, 9)
OTHER = MessageRef("Orders", 2, 10)


@st.composite
def situations(draw: st.DrawFn) -> tuple[Progress, Facts]:
    """A last note that our own machine can have written, and anything that may lie there."""
    step = draw(st.sampled_from([step for step in get_args(Step) if step != "tagging"]))
    noted = COPY if step in ("copied", "removing") else None
    numbers: dict[str, Any] = {} if step == "planned" else {"target_epoch": 2, "uidnext": 9}
    copies = () if step == "planned" else tuple(draw(st.sampled_from([[], [COPY], [COPY, OTHER], [OTHER]])))
    facts = Facts(
        source=draw(st.sampled_from(["there", "marked", "gone"])),
        copies=copies,
        noted_copy=noted is not None and draw(st.booleans()),
        restarted=draw(st.booleans()),
    )
    return Progress(step, copy=noted, **numbers), facts


@settings(deadline=None)
@given(situations())
def test_an_original_is_removed_only_if_a_copy_is_proved(situation: tuple[Progress, Facts]) -> None:
    progress, facts = situation
    verdict, where_now, why = move_verdict(progress, REF, "Orders", facts)
    assert why
    if verdict == "finish":
        assert facts.source != "gone"
        made = progress.step in ("moving", "copying") and not facts.restarted
        assert facts.noted_copy or (len(facts.copies) == 1 and (made or facts.restarted))
        assert not (facts.restarted and progress.step in ("moving", "copying"))
        assert where_now is not None
        assert where_now.folder == "Orders"
    if verdict == "undone":
        assert (facts.source, where_now) == ("there", REF)
        assert not facts.noted_copy
    if verdict == "done":
        assert facts.source != "there"
        assert where_now is not None
    if verdict == "restore":
        assert (facts.source, where_now) == ("marked", REF)


@settings(deadline=None)
@given(situations())
def test_a_message_that_lies_somewhere_is_never_called_lost(situation: tuple[Progress, Facts]) -> None:
    progress, facts = situation
    _, where_now, _ = move_verdict(progress, REF, "Orders", facts)
    if facts.source == "there" or facts.copies or facts.noted_copy:
        assert where_now is not None


@pytest.mark.imap
def test_a_person_who_moves_the_copy_on_gets_no_second_one_removed(courier_world: ImapWorld) -> None:
    """Killed between copy and removal; the copy is dragged elsewhere; the original stays and is said to stay."""
    _, seen = arrive(courier_world, "Invoice 7")
    notes: list[Progress] = []

    def die_at_removing(progress: Progress) -> None:
        notes.append(progress)
        if progress.step == "removing":
            raise Died

    with pytest.raises(Died):
        courier_world.connector.apply(seen.ref, seen.identity, Move(courier_world.first), die_at_removing)
    copy = notes[-1].copy
    assert copy is not None
    imap = courier_world.hands.imap
    imap.select(quoted(courier_world.first))
    imap.uid("STORE", str(copy.uid), "+FLAGS", "(\\Deleted)")
    imap.uid("EXPUNGE", str(copy.uid))
    courier_world.hands.flag("Invoice 7", "\\Deleted")  # as if the kill had come one command later
    recovered = recover(courier_world, seen, Move(courier_world.first), notes[-1])
    assert (recovered.outcome, recovered.ref) == ("explained", seen.ref)
    assert where(courier_world) == {"Invoice 7": ["INBOX"]}
    assert "\\Deleted" not in find(courier_world, "Invoice 7").flags


@pytest.mark.imap
@pytest.mark.parametrize("step", ["copying", "copied", "removing"])
def test_a_person_who_takes_the_message_while_it_is_copied_has_the_only_one(
    courier_world: ImapWorld, step: Step
) -> None:
    _, seen = arrive(courier_world, "Invoice 7")

    def take_original(progress: Progress) -> None:
        if progress.step == step:
            hands.move_from("INBOX", str(seen.ref.uid), courier_world.second)

    hands = courier_world.hands
    with pytest.raises(MessageGone):
        courier_world.connector.apply(seen.ref, seen.identity, Move(courier_world.first), take_original)
    assert where(courier_world) == {"Invoice 7": [courier_world.second]}


@pytest.mark.imap
def test_a_person_who_is_faster_than_the_removal_itself_has_the_only_one(
    courier_world: ImapWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, seen = arrive(courier_world, "Invoice 7")
    store = Session.store

    def late(session: Session, uid: int, **flags: Any) -> None:
        if flags.get("add") == DELETED and uid == seen.ref.uid and courier_world.folders_of("Invoice 7").count("INBOX"):
            courier_world.hands.move_from("INBOX", str(seen.ref.uid), courier_world.second)
        store(session, uid, **flags)

    monkeypatch.setattr(Session, "store", late)
    with pytest.raises(MessageGone):
        courier_world.connector.apply(seen.ref, seen.identity, Move(courier_world.first), ignore)
    assert where(courier_world) == {"Invoice 7": [courier_world.second]}


@pytest.mark.imap
@pytest.mark.parametrize("died", [True, False], ids=["after a crash", "alive"])
def test_a_folder_that_only_shows_another_is_not_taken_for_a_second_place(
    courier: Courier, courier_world: ImapWorld, died: bool
) -> None:
    """A person deletes the original while we copy; a virtual folder shows our copy. It is the last one."""
    world = courier_world
    world.hands.create("INBOX.Mirror")
    maildir = courier.maildir(world.user)
    shutil.rmtree(maildir / ".Mirror")
    (maildir / ".Mirror").symlink_to(".Orders")
    _, seen = arrive(world, "Invoice 7")
    notes: list[Progress] = []

    def delete_original(progress: Progress) -> None:
        notes.append(progress)
        if progress.step == "removing":
            world.hands.expunge("INBOX", [str(seen.ref.uid)])
            if died:
                raise Died

    with pytest.raises(Died if died else Unexplained):
        world.connector.apply(seen.ref, seen.identity, Move(world.second), delete_original)
    recovered = world.another().recover(Unfinished(seen.ref, seen.identity, Move(world.second), notes[-1]))
    assert recovered.outcome == "explained"
    assert where(world) == {"Invoice 7": sorted(["INBOX.Mirror", world.second])}
    assert "\\Deleted" not in world.connector.newest(world.second, 1)[0].flags


@pytest.mark.imap
@pytest.mark.parametrize("name", ["dovecot_world", "cyrus_world", "courier_world"])
def test_two_daemons_that_move_the_same_message_leave_one(request: pytest.FixtureRequest, name: str) -> None:
    world: ImapWorld = request.getfixturevalue(name)
    _, seen = arrive(world, "Invoice 7")
    other = world.another()

    def other_first(progress: Progress) -> None:
        if progress.step in ("moving", "copied"):
            other.apply(seen.ref, seen.identity, Move(world.second), ignore)

    with pytest.raises(MessageGone):
        world.connector.apply(seen.ref, seen.identity, Move(world.first), other_first)
    assert where(world) == {"Invoice 7": [world.second]}


@pytest.mark.imap
def test_a_twin_that_comes_in_meanwhile_is_not_taken_for_our_copy(courier_world: ImapWorld) -> None:
    """The list's copy and the direct one have the same Message-ID; a person files one while we die over the other."""
    courier_world.deliver("Invoice 7", message_id="<twin@example.org>")
    seen = find(courier_world, "Invoice 7")
    notes: list[Progress] = []
    with pytest.raises(Died):
        courier_world.connector.apply(seen.ref, seen.identity, Move(courier_world.first), stop_at_first(notes))
    raw = b"Received: from lists.example.org\r\n"
    courier_world.hands.put(raw + make_mail("Invoice 7", message_id="<twin@example.org>"), folder=courier_world.first)
    recovered = recover(courier_world, seen, Move(courier_world.first), notes[-1])
    assert (recovered.outcome, recovered.ref) == ("undone", seen.ref)
    assert where(courier_world) == {"Invoice 7": ["INBOX", courier_world.first]}


RIGHTS = """
mail_plugins = acl
plugin {
  acl = vfile
}
protocol imap {
  mail_plugins = acl imap_acl
  imap_capability = IMAP4rev1 UIDPLUS NAMESPACE CHILDREN ACL
}
"""


@pytest.mark.imap
@pytest.mark.parametrize("rights", ["lrsai", "lrsait", "lrsaie"])
def test_a_folder_that_lets_nothing_be_removed_is_left_with_one_message(user: str, rights: str) -> None:
    """By COPY and EXPUNGE, without the right to mark (t), to expunge (e), or both: no copy stays behind."""
    with Dovecot(extra=RIGHTS) as server:
        world = ImapWorld(server, user)
        world.deliver("Invoice 7")
        world.hands.move("Invoice 7", world.second)
        (seen,) = world.connector.newest(world.second, 5)
        before = list(world.contents())
        assert world.hands.imap._simple_command("SETACL", f'"{world.second}"', "owner", rights)[0] == "OK"
        world.connector.close()  # Dovecot remembers rights as long as a connection
        with pytest.raises(ActionRefused):
            world.connector.apply(seen.ref, seen.identity, Move(world.first), ignore)
        assert list(world.contents()) == before
        world.close()


@pytest.mark.imap
@pytest.mark.parametrize("move", [True, False])
def test_flags_that_the_target_may_not_be_given_keep_the_message_where_it_is(user: str, move: bool) -> None:
    """RFC 4314 section 4: without the rights s (\\Seen) and w (the others) servers copy without them, and say OK."""
    with Dovecot(extra=RIGHTS.replace("UIDPLUS", "UIDPLUS MOVE") if move else RIGHTS) as server:
        world = ImapWorld(server, user)
        for subject, flags in (("plain", ""), ("read", "\\Seen"), ("marked", "\\Flagged $work")):
            world.hands.put(make_mail(subject), flags=flags)

        def lands(subject: str, rights: str) -> str:
            assert world.hands.imap._simple_command("SETACL", f'"{world.second}"', "owner", rights)[0] == "OK"
            world.connector.close()  # Dovecot remembers rights as long as a connection
            seen = find(world, subject)
            before = list(world.contents())
            try:
                world.connector.apply(seen.ref, seen.identity, Move(world.second), ignore)
            except ActionRefused as refused:
                assert list(world.contents()) == before
                return refused.fact
            content = {lying.subject: lying.content for lying in before}
            assert {lying.subject: lying.content for lying in world.contents()} == content
            return world.hands.find(subject)[0]

        assert lands("plain", "lria") == world.second
        assert lands("read", "lriwa").endswith("would lose \\Seen.")
        assert lands("read", "lrisa") == world.second
        assert lands("marked", "lrisa").endswith("would lose $work, \\Flagged.")
        assert lands("marked", "lriswa") == world.second
        world.close()


@pytest.mark.imap
def test_recovering_when_the_target_was_deleted_says_where_the_message_is(dovecot_world: ImapWorld) -> None:
    _, seen = arrive(dovecot_world, "Invoice 7")
    notes: list[Progress] = []
    with pytest.raises(Died):
        dovecot_world.connector.apply(seen.ref, seen.identity, Move(dovecot_world.first), stop_at_first(notes))
    dovecot_world.hands.remove(dovecot_world.first)
    recovered = recover(dovecot_world, seen, Move(dovecot_world.first), notes[-1])
    assert (recovered.outcome, recovered.ref) == ("undone", seen.ref)


@pytest.mark.imap
def test_an_undone_move_waits_for_a_command_that_may_still_be_on_its_way(dovecot_world: ImapWorld) -> None:
    """The look comes too early, the server moves the message, the second look finds it."""
    _, seen = arrive(dovecot_world, "Invoice 7")
    notes: list[Progress] = []
    with pytest.raises(Died):
        dovecot_world.connector.apply(seen.ref, seen.identity, Move(dovecot_world.first), stop_at_first(notes))
    connector = dovecot_world.another()

    def late() -> None:
        dovecot_world.move("Invoice 7", dovecot_world.first)

    connector._settle = late  # type: ignore[method-assign]
    recovered = connector.recover(Unfinished(seen.ref, seen.identity, Move(dovecot_world.first), notes[-1]))
    assert recovered.outcome == "done"
    assert recovered.ref is not None
    assert recovered.ref.folder == dovecot_world.first


def test_the_servers_own_id_decides_and_then_the_content() -> None:
    one = Identity("emailid:M1", "<a@example.org>", "1" * 64)
    assert same_content(one, replace(one, digest="2" * 64))
    assert not same_message(one, replace(one, object_id="emailid:M2"))
    unnamed = replace(one, object_id=None)
    assert same_message(one, unnamed)
    assert same_message(unnamed, replace(unnamed, digest="2" * 64))  # a server that only estimates sizes
    assert not same_content(unnamed, replace(unnamed, digest="2" * 64))  # but never to find it elsewhere
    assert not same_message(replace(unnamed, message_id=None), replace(unnamed, message_id=None, digest="2" * 64))
