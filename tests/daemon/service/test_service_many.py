"""The service with more mailboxes than work at once, and with a database that fails: slower, never dead."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import structlog
import tzlocal
from sqlalchemy import update

from connectors.base import LISTENING_S, MailText
from connectors.errors import LoginRefused, Unreachable
from daemon.passes.arrivals import Looked
from daemon.passes.mailroom import Mailroom, leave, open_mailroom
from daemon.passes.one_pass import Pass
from daemon.passes.sort import Sorted
from daemon.report.story import service_status
from daemon.rules.schedule import LONGEST_BACK_OFF, PASS_GRACE, RELOADS_HEEDED
from daemon.service import looks as served
from daemon.service import nights as at_night
from daemon.service.looks import PASSES, TROUBLED, job_of
from daemon.service.loop import Service
from daemon.service.nights import MINDING, NIGHT
from daemon.service.rounds import Round
from daemon.service.triggers import Opening
from daemon.settings import Settings
from daemon.settings.windows import Window
from daemon.store import database as store
from daemon.store import learning, mailboxes, tables, training
from daemon.store.database import StoreError
from daemon.training.hand_over import TrainingOutcome
from daemon.training.places import TrainingBusy, sweep
from tests.daemon.store.test_database import held_by_another
from tests.fakes import START, Clock

AT_ONCE, MAILBOXES = 3, 12
POLL = timedelta(minutes=1)
NOTHING = Pass(0, Looked(), 0, Sorted())


def settings(folder: Path, count: int = MAILBOXES, **sorting: Any) -> Settings:
    box = {"kind": "imap", "host": "localhost", "tls": "none", "user": "u", "credential": "c"}
    return Settings(
        state_dir=folder / "state",
        mailbox=[{**box, "name": f"box{number}"} for number in range(count)],  # type: ignore[call-arg]
        sorting={"passes_at_once": AT_ONCE, **sorting},
    )


class Office:
    """A service on a real database, whose passes and waits do what the test says."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, mailroom: Mailroom) -> None:
        self.clock = Clock()
        self.service = Service(folder / "config.toml", mailroom.settings, clock=self.clock)
        self.mailroom, self.desks = mailroom, mailroom.desks()
        self.plan()
        self.lock = threading.Lock()
        self.now = self.most = self.passes = 0
        self.go_on = threading.Event()
        self.full = threading.Event()
        self.troubled: frozenset[str] = frozenset()
        monkeypatch.setattr(served, "one_pass", self.one_pass)
        for desk in self.desks:
            monkeypatch.setattr(desk.connector, "listen", lambda: None)

    def one_pass(self, desk: Any) -> Pass:
        with self.lock:
            self.now += 1
            self.passes += 1
            self.most = max(self.most, self.now)
            if self.now == AT_ONCE:
                self.full.set()
        assert self.go_on.wait(30)
        with self.lock:
            self.now -= 1
        if desk.settings.name in self.troubled:
            raise Unreachable("box", "The server does not answer.")
        return NOTHING

    def plan(self) -> None:
        """A timetable by the settings as they are now, that nobody has started."""
        self.timetable = self.service._plan(self.mailroom, self.desks)

    def look(self, number: int = 0) -> None:
        """What the scheduler does with one mailbox's job."""
        self.timetable.looks.look(self.desks[number])

    def look_at_all(self) -> None:
        """Start the scheduler, and every mailbox is due at once; no night is."""
        for job in (NIGHT, MINDING):
            self.timetable.scheduler.remove_job(job)
        self.timetable.all_now()
        self.timetable.start()

    def end(self) -> None:
        if self.timetable.scheduler.running:
            self.service.stopping.set()
            self.go_on.set()
            self.timetable.end()

    def is_due(self, last: datetime) -> bool:
        """Is the next training due, if the last one began then?"""
        assert self.service.timetable is not None
        return self.service.timetable.nights.is_due([(last, "kept")])


@pytest.fixture(autouse=True)
def said() -> Iterator[list[Any]]:
    """What is logged."""
    with structlog.testing.capture_logs() as events:
        yield events


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Office]]:
    with ExitStack() as opened:

        def open_(**more: Any) -> Office:
            mailroom = opened.enter_context(open_mailroom(settings(tmp_path, **more), clock=Clock()))
            office = Office(tmp_path, monkeypatch, mailroom)
            opened.callback(office.end)
            return office

        yield open_


@pytest.fixture
def office(make: Callable[..., Office]) -> Office:
    return make()


def test_only_so_many_passes_work_at_once_and_all_get_their_turn(office: Office) -> None:
    office.look_at_all()
    assert office.full.wait(30)
    begun = [round_ for round_ in office.service.rounds.values() if round_.working]
    assert len(begun) == AT_ONCE, "who waits for a turn has not begun"
    office.go_on.set()
    wait_for(lambda: all(round_.looked for round_ in office.service.rounds.values()))
    assert (office.passes, office.most) == (MAILBOXES, AT_ONCE)


def test_a_connector_that_would_end_the_process_costs_its_own_mailbox(
    office: Office, monkeypatch: pytest.MonkeyPatch, said: list[Any]
) -> None:
    """Another package's code may do anything: in a pass, while it listens, and as it is left."""

    def bye(*_: object) -> Any:
        raise SystemExit("bye")

    monkeypatch.setattr(served, "one_pass", bye)
    office.look()
    round_ = office.service.rounds["box0"]
    assert (round_.failures, round_.working) == (1, False)
    with office.mailroom.database.read() as tx:
        assert mailboxes.get(tx, office.desks[0].mailbox_id).trouble == "An unexpected error; see the log."
    monkeypatch.setattr(office.desks[1].connector, "listen", bye)
    monkeypatch.setattr(office.desks[2].connector, "heard", bye)
    office.go_on.set()
    monkeypatch.setattr(served, "one_pass", office.one_pass)
    office.look(1)
    here, there = socket.socketpair()
    with here, there:
        monkeypatch.setattr(office.desks[2].connector, "listen", here.fileno)
        office.look(2)
        assert office.service.rounds["box2"].broken == 1
    monkeypatch.setattr(office.desks[3].connector, "close", bye)
    leave(office.desks[3])
    assert [event["event"] for event in said if event["event"] == "bug"] == ["bug"] * 4


def test_whether_the_nights_go_well_is_asked_more_rarely_than_whether_mail_came(office: Office) -> None:
    """It costs as much as a poll: with both at the same pace it was half of what a quiet mailbox costs."""
    assert 5 * office.mailroom.settings.sorting.poll <= at_night.MIND_EVERY


def test_a_night_that_begins_just_as_the_service_ends_does_not_hold_up_its_end(office: Office) -> None:
    nights = office.timetable.nights
    nights.end()
    late = threading.Thread(target=nights.train_all, daemon=True)
    late.start()
    late.join(10)
    assert not late.is_alive()


class Wire:
    """A line to each mailbox at which the server may call."""

    def __init__(self, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ends = [socket.socketpair() for _ in office.desks]
        self.listened = [0] * len(self.ends)
        for number, desk in enumerate(office.desks):
            monkeypatch.setattr(desk.connector, "listen", partial(self.listen, number))
            monkeypatch.setattr(desk.connector, "heard", partial(self.heard, number))

    def listen(self, number: int) -> int:
        self.listened[number] += 1
        return self.ends[number][0].fileno()

    def heard(self, number: int) -> bool:
        try:
            said = self.ends[number][0].recv(100, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        if not said:
            raise Unreachable(f"box{number}", "The connection broke.")
        return b"news" in said

    def call(self, number: int, word: bytes) -> None:
        self.ends[number][1].sendall(word)

    def close(self) -> None:
        for end in chain(*self.ends):
            end.close()


@pytest.fixture
def wire(office: Office, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    office.go_on.set()
    wire = Wire(office, monkeypatch)
    yield wire
    office.end()
    wire.close()


def test_one_thread_listens_for_all_mailboxes_and_no_turn_or_connection_is_held(office: Office, wire: Wire) -> None:
    before = threading.active_count()
    office.look_at_all()
    wait_for(lambda: wire.listened == [1] * MAILBOXES)
    assert office.mailroom.database._engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    turns = [office.timetable.looks.at_work.acquire(timeout=10) for _ in range(AT_ONCE)]
    assert turns == [True] * AT_ONCE
    office.timetable.looks.at_work.release(AT_ONCE)
    scheduler, ears = 1, 1
    assert threading.active_count() - before <= scheduler + AT_ONCE + ears < MAILBOXES


def test_news_of_one_mailbox_are_looked_at_at_once_and_nobody_else_is(office: Office, wire: Wire) -> None:
    office.look_at_all()
    wait_for(lambda: wire.listened == [1] * MAILBOXES)
    wire.call(4, b"still here")
    wire.call(5, b"news")
    wait_for(lambda: wire.listened[5] == 2)
    assert wire.listened == [1] * 5 + [2] + [1] * (MAILBOXES - 6)


def test_news_that_came_with_the_answer_are_not_left_for_the_next_poll(office: Office, wire: Wire) -> None:
    """The connection has read them, so that no selector shows them."""
    wire.call(0, b"news")
    office.look_at_all()
    wait_for(lambda: wire.listened[0] == 2)


def test_who_hangs_up_while_we_listen_is_looked_at_later_and_later(office: Office, wire: Wire) -> None:
    """Every look at it goes well, and every time it hangs up at the IDLE: that must not become a storm of logins."""
    waits = []
    wire.ends[0][1].close()
    for _ in range(5):
        office.look()
        waits.append((job(office, 0).next_run_time - datetime.now(UTC)).total_seconds())
    for number, wait in enumerate(waits[:3]):
        assert 0.7 * 5 * 2**number <= wait <= 1.25 * 5 * 2**number
    assert waits[4] <= POLL.total_seconds() + 1, "a poll comes in any case"
    assert office.service.rounds["box0"].failures == 0


def test_a_listening_is_begun_anew_before_servers_and_routers_forget_it(
    make: Callable[..., Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    office = make(poll=timedelta(hours=1))
    office.go_on.set()
    planned = datetime.now(UTC) + timedelta(hours=1)
    for number in range(2):
        job(office, number).modify(next_run_time=planned)
    office.look(1)
    assert job(office, 1).next_run_time == planned, "its server cannot call"
    wire = Wire(office, monkeypatch)
    office.look()
    assert job(office, 0).next_run_time <= datetime.now(UTC) + timedelta(seconds=LISTENING_S)
    office.timetable.looks.end()
    wire.close()


def test_a_server_that_lets_everybody_wait_leaves_turns_for_the_others_though_nothing_fails(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "SLOW_S", 0.0)
    office.go_on.set()
    office.look()
    assert job(office, 0).executor == TROUBLED
    monkeypatch.setattr(served, "SLOW_S", 20.0)
    office.look()
    assert job(office, 0).executor == PASSES


def job(office: Office, number: int) -> Any:
    """What the scheduler knows of a mailbox."""
    return office.timetable.scheduler.get_job(job_of(office.desks[number]))


def test_mailboxes_in_trouble_leave_room_for_the_others(make: Callable[..., Office]) -> None:
    office = make()
    office.go_on.set()
    names = [desk.settings.name for desk in office.desks]
    office.troubled = frozenset(names[:-1])
    for number in range(MAILBOXES):
        office.look(number)
    assert [job(office, number).executor for number in range(MAILBOXES)] == [TROUBLED] * (MAILBOXES - 1) + [PASSES]
    office.go_on.clear()
    well = job(office, MAILBOXES - 1)
    well.modify(next_run_time=None)
    office.look_at_all()
    wait_for(lambda: office.now == AT_ONCE // 2)
    well.modify(next_run_time=datetime.now(UTC))
    wait_for(lambda: office.service.rounds[names[-1]].working)
    assert office.now <= 1 + AT_ONCE // 2
    office.go_on.set()
    wait_for(lambda: office.passes == 2 * MAILBOXES)


def test_those_in_trouble_and_the_others_together_are_no_more_than_work_at_once(make: Callable[..., Office]) -> None:
    office = make()
    office.go_on.set()
    names = [desk.settings.name for desk in office.desks]
    office.troubled = frozenset(names[: MAILBOXES // 2])
    for number in range(MAILBOXES):
        office.look(number)
    office.go_on.clear()
    office.full.clear()
    office.look_at_all()
    assert office.full.wait(30)
    time.sleep(0.2)
    assert office.now == AT_ONCE
    office.go_on.set()
    wait_for(lambda: office.passes == 2 * MAILBOXES)
    assert office.most == AT_ONCE


def test_who_is_in_trouble_is_looked_at_later_and_later(make: Callable[..., Office]) -> None:
    office = make(poll=timedelta(seconds=60))
    office.go_on.set()
    office.troubled = frozenset({"box0"})
    for times in (1, 2, 4, 8):
        office.look()
        wait = (job(office, 0).next_run_time - datetime.now(UTC)).total_seconds()
        assert 0.7 * 60 * times <= wait <= 1.25 * 60 * times
    office.troubled = frozenset()
    office.look()
    assert job(office, 0).executor == PASSES


def test_how_often_it_failed_is_told_by_status_and_the_log(office: Office, said: list[Any]) -> None:
    office.go_on.set()
    office.troubled = frozenset({"box0"})
    for _ in range(3):
        office.look()
    assert [event["times"] for event in said if event["event"] == "trouble"] == [1, 2, 3]
    with office.mailroom.database.read() as tx:
        trouble = mailboxes.get(tx, office.desks[0].mailbox_id).trouble
    assert trouble is not None
    assert trouble.endswith("3 times in a row by now.")


def test_all_that_are_refused_at_once_come_back_at_different_moments(make: Callable[..., Office]) -> None:
    office = make(count=40, poll=timedelta(seconds=60))
    office.go_on.set()
    office.troubled = frozenset(desk.settings.name for desk in office.desks)
    for number in range(40):
        office.look(number)
    waits = sorted((job(office, number).next_run_time - datetime.now(UTC)).total_seconds() for number in range(40))
    assert waits[-1] - waits[0] > 10


def test_who_needs_a_person_is_left_alone_also_when_the_clock_jumps(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "one_pass", lambda _: (_ for _ in ()).throw(LoginRefused("box0", "No.")))
    office.look()
    assert job(office, 0).next_run_time is None
    office.service._awake(office.clock() + timedelta(days=700))
    assert job(office, 0).next_run_time is None


@pytest.mark.parametrize("ahead", [timedelta(days=700), timedelta(minutes=2)])
def test_a_clock_that_is_put_back_holds_up_no_mailbox_and_no_night(office: Office, ahead: timedelta) -> None:
    """What was planned while it was ahead would come as much too late as it was ahead, and nobody would tell."""
    for planned in office.timetable.scheduler.get_jobs():
        planned.modify(next_run_time=datetime.now(UTC) + ahead)
    office.service.awake_since = office.clock()
    office.service._awake(office.clock() + ahead)
    assert all(planned.next_run_time <= datetime.now(UTC) for planned in office.timetable.scheduler.get_jobs())


def test_what_was_planned_by_a_clock_that_was_ahead_a_moment_is_done_when_it_is_due(office: Office) -> None:
    """Nobody has seen that clock: both signs of life lie in the right time."""
    planned = office.timetable.scheduler.get_jobs()
    for each in planned:
        each.modify(next_run_time=datetime.now(UTC) + timedelta(days=400))
    office.service.rounds["box1"].needs_person = "The password is wrong."
    job(office, 1).modify(next_run_time=None)
    for round_ in office.service.rounds.values():
        round_.due = time.monotonic() - 10
    office.service.rounds["box2"].due = time.monotonic() + 10
    office.timetable.catch_up()
    late = [each.id for each in planned if each.next_run_time and each.next_run_time > datetime.now(UTC)]
    assert late == [job_of(office.desks[2])]
    assert job(office, 1).next_run_time is None


def test_a_clock_that_was_decades_behind_costs_no_more_than_one_look(office: Office) -> None:
    """A machine without a clock of its own begins in 1970 and hears the time later. The scheduler asks for every firing
    that was missed before it takes the last."""
    for planned in office.timetable.scheduler.get_jobs():
        began = time.perf_counter()
        missed = planned._get_run_times(planned.next_run_time + timedelta(days=20_000))
        assert len(missed) == 1
        assert time.perf_counter() - began < 1


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("not within 30 s")


def silent(*rounds: Round, grace: timedelta = PASS_GRACE) -> None:
    """They have given no sign of life for twice as long as one may."""
    for round_ in rounds:
        round_.alive -= 2 * grace.total_seconds()


def test_one_pass_that_hangs_costs_its_own_mailbox_and_is_told(office: Office, said: list[Any]) -> None:
    office.look_at_all()
    assert office.full.wait(30)
    hanging, *_ = [name for name, round_ in office.service.rounds.items() if round_.working]
    silent(office.service.rounds[hanging])
    for _ in range(2):
        office.timetable.looks.mind_hanging()
    assert office.service._healthy(office.mailroom)
    assert f"trouble with {hanging}" in office.service._status()
    told = [event["problem"] for event in said if event["event"] == "hangs"]
    assert len(told) == 1
    assert hanging in told[0]
    with office.mailroom.database.read() as tx:
        (box,) = [box for box in mailboxes.everyone(tx) if box.name == hanging]
    assert box.trouble == told[0]
    office.go_on.set()


def test_a_service_in_which_nothing_is_done_any_more_is_not_healthy_whatever_the_reason(
    office: Office, said: list[Any]
) -> None:
    service, rounds = office.service, office.service.rounds.values()
    assert service._healthy(office.mailroom), "nothing has begun yet, but the service has just started"
    silent(*rounds)
    for _ in range(2):
        assert not service._healthy(office.mailroom)
    assert [event["event"] for event in said if event["event"] == "stuck"] == ["stuck"]
    assert "nothing has been done in any mailbox for 20 minutes" in service._status()
    office.go_on.set()
    office.look()
    assert service._healthy(office.mailroom)
    assert "nothing has been done" not in service._status()


def test_passes_that_hold_all_turns_and_hang_are_not_healthy(office: Office) -> None:
    office.look_at_all()
    assert office.full.wait(30)
    silent(*office.service.rounds.values())
    assert not office.service._healthy(office.mailroom)
    office.go_on.set()


def test_mailboxes_that_wait_for_a_person_or_as_the_back_off_says_are_no_reason_to_restart(office: Office) -> None:
    first, *others = office.service.rounds.values()
    for round_ in others:
        round_.needs_person = "The password is wrong."
    first.failures = 9
    silent(*office.service.rounds.values())
    assert office.service._healthy(office.mailroom)
    silent(first, grace=LONGEST_BACK_OFF)
    assert not office.service._healthy(office.mailroom)
    first.needs_person = "The password is wrong."
    assert office.service._healthy(office.mailroom)


def test_a_long_pass_that_handles_messages_gives_signs_of_life(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    round_ = office.service.rounds["box0"]

    def one_pass(desk: Any) -> Pass:
        silent(*office.service.rounds.values())
        assert not office.service._healthy(office.mailroom)
        desk.stop()
        assert office.service._healthy(office.mailroom)
        return NOTHING

    monkeypatch.setattr(served, "one_pass", one_pass)
    office.look()
    assert round_.looked, "the pass asserts"


def test_who_waits_for_a_turn_when_the_service_stops_does_not_begin(office: Office) -> None:
    office.look_at_all()
    assert office.full.wait(30)
    office.end()
    assert office.passes == AT_ONCE


FAILURES = [StoreError("postroom.sqlite", "the disk is full."), RuntimeError("anything")]


@pytest.mark.parametrize("failure", FAILURES, ids=["worded", "not worded"])
def test_a_database_that_fails_ends_neither_service_nor_job(
    office: Office, monkeypatch: pytest.MonkeyPatch, failure: Exception, said: list[Any]
) -> None:
    def fail(*_: Any) -> Any:
        raise failure

    for name in ("read", "begin"):
        monkeypatch.setattr(office.mailroom.database, name, fail)
    desk = office.desks[0]
    office.go_on.set()
    assert office.service._healthy(office.mailroom) is False
    office.timetable.nights.train_all()
    asked_again = office.timetable.scheduler.get_job(NIGHT).next_run_time - datetime.now(UTC)
    assert timedelta() < asked_again <= at_night.AGAIN, "perhaps somebody is due"
    office.timetable.nights.mind_all()
    office.look()  # the pass works, and asking about silence fails
    office.troubled = frozenset({desk.settings.name})
    office.look()  # it fails, and noting that fails
    assert office.service.rounds[desk.settings.name].failures == 1
    monkeypatch.setattr(served, "one_pass", fail)
    office.look()
    assert office.service.rounds[desk.settings.name].failures == 2
    told = [event["event"] for event in said if event["log_level"] in ("warning", "error")]
    assert set(told) == ({"trouble"} if isinstance(failure, StoreError) else {"trouble", "bug"})


def test_a_night_that_the_machine_slept_through_is_made_up_for(office: Office, said: list[Any]) -> None:
    """Also by a service that was there all the time: only the machine was not."""
    service, clock = office.service, office.clock
    window = service.settings.training.window
    clock.now = datetime.combine(START.date(), window.start).astimezone() - timedelta(hours=3)
    last_night = clock() - timedelta(hours=21)
    seen = service.awake_since = clock()
    for _ in range(12 * 60):  # twelve hours awake, through the night and beyond it
        clock.advance(minutes=1)
        seen = service._awake(seen)
    assert not office.is_due(last_night), "whoever was awake had a window, and had its reasons"
    clock.now = service.awake_since
    seen = clock()
    clock.advance(hours=12)
    service._awake(seen)
    assert office.is_due(last_night)
    assert [event["event"] for event in said] == ["slept"]


def test_the_status_line_calls_fine_only_what_is(office: Office) -> None:
    service, rounds = office.service, office.service.rounds
    names = list(rounds)
    assert service._status() == f"0 of {MAILBOXES} mailboxes fine; {MAILBOXES} not looked at yet"
    for round_ in rounds.values():
        round_.looked = True
    assert service._status() == f"{MAILBOXES} of {MAILBOXES} mailboxes fine"
    rounds[names[0]].failures = 1
    rounds[names[1]].held = True
    rounds[names[2]].silent = True
    rounds[names[3]].training = "the training failed. The disk is full."
    told = service._status()
    assert told.startswith(f"{MAILBOXES - 4} of {MAILBOXES} mailboxes fine")
    assert f"trouble with {names[0]}" in told
    assert f"nothing is sorted in {names[1]}" in told
    assert f"no mail comes in {names[2]}" in told
    assert f"training {names[3]}: the training failed. The disk is full." in told


def test_a_paused_mailbox_is_held_until_a_pass_finds_that_it_goes_on(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [Pass(0, Looked(), 0, Sorted(), "paused by a person"), NOTHING]
    monkeypatch.setattr(served, "one_pass", lambda _: found.pop(0))
    office.look()
    assert "nothing is sorted in" in office.service._status()
    office.look()
    assert "nothing is sorted in" not in office.service._status()


def test_settings_that_a_reload_refuses_are_told_until_they_can_be_used(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = office.service
    service._reload()  # there is no such file
    assert "the settings as they are now were refused" in service._status()
    monkeypatch.setattr("daemon.service.loop.logs.configure", lambda _: None)
    monkeypatch.setattr(Settings, "load_rest", lambda *_: (service.settings, []))
    service._reload()
    assert "refused" not in service._status()


def test_a_start_or_reload_waits_for_no_other_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "BUSY_TIMEOUT_S", 0.2)
    chosen = settings(tmp_path)
    (chosen.state_dir / "training").mkdir(parents=True)
    for _ in range(2):
        with open_mailroom(chosen) as mailroom, ExitStack() as beside:
            desks = mailroom.desks()
            beside.enter_context(held_by_another(Path(mailroom.database.place)))
            sweep(mailroom.database, chosen.state_dir, START)
            with open_mailroom(chosen) as again:
                assert [desk.mailbox_id for desk in again.desks()] == [desk.mailbox_id for desk in desks]


def test_first_polls_are_spread_over_the_interval_but_a_few_begin_at_once(make: Callable[..., Office]) -> None:
    office = make(poll=timedelta(seconds=60))
    before = datetime.now(UTC)
    office.plan()
    first = [(job(office, number).next_run_time - before).total_seconds() for number in range(MAILBOXES)]
    assert [round(seconds) for seconds in first] == [0] * AT_ONCE + [5 * n for n in range(AT_ONCE, MAILBOXES)]


def test_the_night_begins_with_who_has_waited_longest(
    office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    night = datetime(2026, 3, 10, 2, tzinfo=UTC).astimezone()
    office.clock.now = night.replace(hour=2)
    days = {0: 2, 1: 5, 2: 1, 3: 9}  # the others were never trained
    with office.mailroom.database.begin() as tx:
        for number, ago in days.items():
            box = office.desks[number].mailbox_id
            run = training.start_run(tx, box, office.clock() - timedelta(days=ago), 1, 1)
            training.end_run(tx, run, office.clock(), "kept", "")
    order: list[str] = []
    monkeypatch.setattr(office.timetable.nights, "_train", lambda desk: order.append(desk.settings.name))
    office.timetable.nights.train_all()
    assert order == [*(f"box{n}" for n in range(4, MAILBOXES)), "box3", "box1", "box0", "box2"]


def note_run(office: Office, started: datetime, outcome: str = "kept", number: int = 0) -> None:
    """A training that is over."""
    with office.mailroom.database.begin() as tx:
        run = training.start_run(tx, office.desks[number].mailbox_id, started, 1, 1)
        training.end_run(tx, run, started, outcome, "Something was the matter.")


def trained_in_a_night(office: Office, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    trained: list[str] = []
    monkeypatch.setattr(office.timetable.nights, "_train", lambda desk: trained.append(desk.settings.name))
    office.timetable.nights.train_all()
    return trained


def test_a_clock_that_was_years_ahead_once_ends_no_training(
    make: Callable[..., Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    office = make(count=1)
    office.clock.now = datetime(2026, 3, 10, 2, tzinfo=UTC).astimezone().replace(hour=2)
    for _ in range(3):
        note_run(office, office.clock() + timedelta(days=700))
    assert trained_in_a_night(office, monkeypatch) == ["box0"]
    note_run(office, office.clock())
    assert trained_in_a_night(office, monkeypatch) == [], "tonight's is done"

    def told() -> dict[str, Any]:
        with office.mailroom.database.read() as tx:
            (box,) = mailboxes.everyone(tx)
            return service_status(tx, box, office.service.settings, office.clock(), None, working=False, usable=True)

    office.clock.advance(days=1)
    assert told()["next_training"]["due"]
    office.clock.advance(hours=10)
    with office.mailroom.database.begin() as tx:
        tx.execute(update(tables.mailboxes).values(created=START - timedelta(days=100)))
        for number in range(6):
            learning.teach(tx, office.desks[0].mailbox_id, "c1", MailText(subject=f"{number}"), START, source="csv")
    assert told()["training_trouble"]["kind"] == "missed", "the runs of years to come are no excuse"


def test_a_service_that_started_while_the_clock_was_ahead_trains_in_its_windows_only(office: Office) -> None:
    service, clock = office.service, office.clock
    clock.now = datetime(2026, 3, 10, 12, tzinfo=UTC).astimezone().replace(hour=12)
    service.awake_since = clock() + timedelta(days=700)
    service._awake(clock() + timedelta(days=700))
    clock.advance(days=1)
    assert not office.is_due(clock() - timedelta(days=1)), "it was awake in last night's window"


def test_a_reload_is_no_sleep_and_its_moved_window_is_neither_due_nor_missed(
    make: Callable[..., Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    office = make(count=1)
    service, clock = office.service, office.clock
    clock.now = datetime(2026, 3, 10, 0, tzinfo=UTC).astimezone().replace(hour=0)
    service.reloading.set()
    service._run_until_change()
    clock.advance(hours=12)
    window = Window.parse("03:00-04:00")
    service.settings = service.settings.model_copy(
        update={"training": service.settings.training.model_copy(update={"window": window})}
    )
    service._run_until_change()
    assert not office.is_due(clock() - timedelta(hours=11))


def test_a_training_that_a_reload_put_off_begins_at_once_wherever_its_window_is(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.clock.now = datetime(2026, 3, 10, 12, tzinfo=UTC).astimezone().replace(hour=12)
    office.service.awake_since = office.clock() - timedelta(days=1)
    for _ in range(RELOADS_HEEDED - 1):
        note_run(office, office.clock() - timedelta(hours=8), "reloaded", number=1)
        assert trained_in_a_night(office, monkeypatch) == ["box1"]
    note_run(office, office.clock() - timedelta(hours=8), "reloaded", number=1)
    assert trained_in_a_night(office, monkeypatch) == [], "a program reloads again and again"
    note_run(office, office.clock(), "failed", number=1)
    assert trained_in_a_night(office, monkeypatch) == []


def put_into_use(office: Office, version: str) -> None:
    """A model in use, of whose files nothing is there."""
    with office.mailroom.database.begin() as tx:
        box = office.desks[0].mailbox_id
        training.add_model(tx, box, version, f"box0/{version}", START, state="kept", verdict="", exam={})
        training.promote(tx, box, version, START)


def test_a_mailbox_whose_model_is_refused_or_gone_trains_whatever_is_new(
    make: Callable[..., Office], monkeypatch: pytest.MonkeyPatch, said: list[Any]
) -> None:
    office = make(count=1)
    trained: list[int] = []

    def train(*args: Any, **_: Any) -> TrainingOutcome:
        trained.append(args[3])
        return TrainingOutcome("kept", "")

    monkeypatch.setattr(at_night, "train", train)
    desk = office.desks[0]
    with office.mailroom.database.begin() as tx:
        for number in range(5):
            learning.teach(tx, desk.mailbox_id, "c1", MailText(subject=f"{number}"), START, source="csv")
        run = training.start_run(tx, desk.mailbox_id, START, 5, 5)
        training.end_run(tx, run, START, "kept", "No better than guessing.")
    office.timetable.nights._train(desk)
    assert trained == [], "no model was ever in use: these lessons make none"
    put_into_use(office, "v1")
    office.timetable.nights._train(desk)
    assert trained == [desk.mailbox_id]
    with office.mailroom.database.begin() as tx:
        training.mark_removed(tx, desk.mailbox_id, "v1")
    office.timetable.nights._train(desk)
    assert trained == [desk.mailbox_id] * 2, "`forget --no-train` said so"
    monkeypatch.setattr(type(office.mailroom.registry), "in_use", lambda *_, **__: (True, None))
    office.timetable.nights._train(desk)
    assert trained == [desk.mailbox_id] * 2


def test_a_model_that_cannot_be_used_is_told_in_the_status_line(make: Callable[..., Office]) -> None:
    office = make(count=1)
    office.service.rounds["box0"].looked = True
    put_into_use(office, "v1")
    office.timetable.nights.mind(office.desks[0])
    assert office.service._status() == "0 of 1 mailboxes fine; the model of box0 cannot be used: see postroom status"


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's time zone."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        tzlocal.reload_localzone()
        yield
    time.tzset()
    tzlocal.reload_localzone()


@pytest.mark.usefixtures("in_berlin")
@pytest.mark.parametrize("changes", [datetime(2026, 3, 29, 12, tzinfo=UTC), datetime(2026, 10, 25, 12, tzinfo=UTC)])
def test_the_service_has_one_window_a_night_also_when_the_clock_changes(office: Office, changes: datetime) -> None:
    service, clock = office.service, office.clock
    for window in ("01:00-05:00", "02:00-03:00"):
        chosen = service.settings.training.model_copy(update={"window": Window.parse(window)})
        service.settings = service.settings.model_copy(update={"training": chosen})
        office.plan()
        clock.now = changes - timedelta(days=1)
        last = service.awake_since = clock()
        begun = []
        while clock() < changes:
            clock.advance(minutes=10)
            if office.is_due(last):
                last = clock()
                begun.append(last)
        assert len(begun) == 1, (window, begun)


@pytest.mark.usefixtures("in_berlin")
@pytest.mark.parametrize("changes", [datetime(2026, 3, 29, 12, tzinfo=UTC), datetime(2026, 10, 25, 12, tzinfo=UTC)])
@pytest.mark.parametrize("opens", ["01:00", "02:00", "02:30", "03:00", "23:00"])
def test_the_night_fires_once_when_the_window_opens_also_when_the_clock_changes(changes: datetime, opens: str) -> None:
    opening, now = Opening(Window.parse(f"{opens}-05:00")), changes - timedelta(days=2)
    fired: list[datetime] = []
    while (now := opening.get_next_fire_time(now, now)) < changes + timedelta(days=2):
        fired.append(now)
    days = [moment.astimezone(tzlocal.get_localzone()).date() for moment in fired]
    assert len(days) == len(set(days)) == 4
    shown = {f"{moment.astimezone(tzlocal.get_localzone()):%H:%M}" for moment in fired}
    assert shown in ({opens}, {opens, "03:00"}, {opens, "03:30"}), "an hour that is left out comes right after it"


def test_a_training_that_another_held_up_is_tried_again_within_the_window(
    make: Callable[..., Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    office = make(count=1)
    office.clock.now = datetime(2026, 3, 10, 2, tzinfo=UTC).astimezone().replace(hour=2)
    nights, night = office.timetable.nights, office.timetable.scheduler.get_job(NIGHT)

    def busy(_desk: Any) -> None:
        raise TrainingBusy("training", "Another training is at work.")

    monkeypatch.setattr(nights, "_train", busy)
    nights.train_all()
    assert timedelta() < night.next_run_time - datetime.now(UTC) <= at_night.AGAIN
    monkeypatch.setattr(nights, "_train", lambda _desk: note_run(office, office.clock()))
    night.modify(next_run_time=datetime.now(UTC) + timedelta(days=1))
    nights.train_all()
    assert night.next_run_time - datetime.now(UTC) > timedelta(hours=23), "nobody is due any more"


def test_a_mailbox_is_looked_at_as_its_own_settings_say(tmp_path: Path) -> None:
    dump = settings(tmp_path, 2).model_dump(by_alias=True)
    dump["mailbox"][1]["sorting"] = {"poll": "2h", "precision": 0.99, "act_after": "0s"}
    made = Settings(**dump)
    with open_mailroom(made, clock=Clock()) as mailroom:
        usual, own = mailroom.desks()
        service = Service(tmp_path / "config.toml", made, clock=Clock())
        timetable = service._plan(mailroom, [usual, own])
        assert usual.sorting == made.sorting
        assert own.sorting == made.sorting.model_copy(
            update={"poll": timedelta(hours=2), "precision": 0.99, "act_after": timedelta()}
        )
        every = [timetable.scheduler.get_job(job_of(desk)).trigger.interval for desk in (usual, own)]
        assert every == [timedelta(minutes=1), timedelta(hours=2)]
        in_an_hour = time.monotonic() + 3600
        assert [service.rounds[desk.settings.name].overdue(in_an_hour) for desk in (usual, own)] == [True, False]


def test_who_is_broken_off_at_the_end_may_have_left_by_then(office: Office) -> None:
    for desk in office.desks:  # as the thread does that waits for farewells
        desk.connector.break_off = partial(office.mailroom.forget, desk)  # type: ignore[method-assign]
    office.mailroom.break_off()
    assert office.mailroom._desks == {}
