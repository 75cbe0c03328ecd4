"""The demo: its server, the hand that drags mail, what it prints, and the whole story with the real daemon."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
import tomllib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from imapclient.exceptions import LoginError
from rich.console import Console

from daemon.demo.mail_program import Delivery, MailProgram, differences, digest_of
from daemon.demo.office.writer import categories, write_office
from daemon.demo.server import DemoServer
from daemon.demo.show import LEFT, Arrival, Page, clip, examples, percent, short, tally
from daemon.demo.tour import BATCH, COPIED, HISTORY, OLD_FOLDER, TAKEN_OVER_BY
from daemon.demo.workplace import Account, Workplace, WorkplaceTrouble, is_settled, landed, settings_text
from tests.without import plainly_installed

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def server():
    with DemoServer() as running:
        yield running


@pytest.fixture
def person(server: DemoServer):
    with MailProgram(server.host, server.port, server.user, server.password) as program:
        yield program


# --- server and mail program


def test_server_has_a_new_password_each_time_and_refuses_another(server):
    assert DemoServer().password != server.password
    with pytest.raises(LoginError):
        MailProgram(server.host, server.port, server.user, "wrong")


def test_person_finds_every_message_byte_for_byte_and_moves_it(person):
    mails = write_office(5, 12)
    person.create(categories())
    person.create(categories())  # once more changes nothing
    for mail in mails:
        person.deliver(mail.category, [Delivery(mail.raw, mail.when)], seen=True)
    places = person.contents()
    assert all(places[digest_of(mail.raw)] == mail.category for mail in mails)
    first = digest_of(mails[0].raw)
    assert person.move({first: "INBOX", "no such message": "INBOX"}) == 1
    assert person.contents()[first] == "INBOX"
    assert person.move({first: "INBOX"}) == 0, "it is there already"


def test_a_message_that_is_there_twice_is_noticed(person):
    (mail,) = write_office(6, 1)
    person.deliver("INBOX", [Delivery(mail.raw, NOW)] * 2)
    assert person.multiset()["INBOX"][digest_of(mail.raw)] == 2
    with pytest.raises(ValueError, match="again in INBOX"):
        person.contents()


def test_differences_count_what_is_gone_and_what_is_there_twice():
    assert differences(Counter("aab"), Counter("ab")) == (1, 0)
    assert differences(Counter("ab"), Counter("abb")) == (0, 1)
    assert differences(Counter("ab"), Counter("ac")) == (1, 1)


# --- what a person sees


def arrival(number: int, filed: str | None, belongs: str = "Orders") -> Arrival:
    return Arrival(f"d{number}", f"subject {number}", "a@b.example", belongs, filed, "Orders 0.91, next Quotes 0.05")


def test_tally_counts_filed_right_wrong_and_left():
    counted = tally([arrival(1, "Orders"), arrival(2, "Quotes"), arrival(3, None)])
    assert (counted.messages, counted.filed, counted.right, counted.wrong, counted.left) == (3, 2, 1, 1, 1)


def test_examples_show_wrong_and_left_mail_too_and_keep_the_order():
    arrivals = [arrival(n, "Orders") for n in range(20)] + [arrival(20, "Quotes"), arrival(21, None)]
    chosen = examples(arrivals, 8)
    assert len(chosen) == 8
    assert arrivals[20] in chosen
    assert arrivals[21] in chosen
    assert chosen == sorted(chosen, key=arrivals.index)


def test_clip_and_percent():
    assert clip("one  two\nthree", 9) == "one two…"
    assert clip("short", 9) == "short"
    assert percent(0.876) == "88 %"
    assert percent(None) == "-"


def test_reason_is_shown_without_what_every_line_repeats():
    said = "Orders 0.91, next Quotes 0.05; needs 0.36; model 2026-11-22a"
    assert short(said) == "Orders 0.91, next Quotes 0.05"
    assert (
        short("Orders 0.91, next Quotes 0.05; sure 0.96, needs 0.36; model m")
        == "Orders 0.91, next Quotes 0.05; sure 0.96"
    )


def test_reason_why_mail_is_left_keeps_what_was_needed():
    left = "left: Orders 0.91, next Quotes 0.05; sure 0.86, Orders needs 0.89"
    assert short(left) == left


def test_reason_is_shown_without_dates():
    assert short("Orders: same thread as a mail that was filed by hand on 2026-11-22").endswith("by hand")


def test_page_fits_eighty_columns_without_a_terminal_and_shows_mail_as_it_is():
    out = io.StringIO()
    page = Page(Console(file=out, highlight=False, width=200))
    page.title("Heading", "text " * 60)
    page.step("A step")
    with page.counting("counting", 3) as show:
        show(3)
    assert "   counting: 3 of 3" in out.getvalue()
    with page.training() as feed:
        feed({"stage": "cache", "done": 0, "total": 9, "text": "reading lessons"})
    assert "   reading lessons: 0 of 9" in out.getvalue()
    subject = "[bold]free desks[/bold] " * 4
    page.arrivals([Arrival("d", subject, "a@b.example", "Orders", None, "left: Orders 0.5; needs 0.80")])
    assert "correspondents" not in out.getvalue()
    page.arrivals([Arrival("d", subject, "a@b.example", "Orders", "Bills", "Bills 0.99; needs 0.80", "Hay & Co")])
    assert "1 wrong (1 from correspondents whom the model does not" in " ".join(out.getvalue().split())
    page.before_and_after([("exam", "80 %", "90 %")])
    assert max(map(len, out.getvalue().splitlines())) <= 80
    assert "[bold]free desks" in out.getvalue()
    assert LEFT in out.getvalue()


def test_page_never_breaks_a_command():
    out = io.StringIO()
    Page(Console(file=out, highlight=False)).command(f"postroom --config /{'deep/' * 30}config.toml status")
    assert out.getvalue() == f"   postroom --config /{'deep/' * 30}config.toml status\n"


@pytest.mark.parametrize("begin", [lambda page: page.counting("w", 3), Page.training, lambda page: page.waiting("w")])
def test_page_says_without_a_terminal_that_it_goes_on_where_no_step_comes(begin, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("daemon.report.progress_lines.LINE_EVERY", 0.0)
    out = io.StringIO()
    with begin(Page(Console(file=out, highlight=False))):
        waited = time.monotonic() + 30
        while not out.getvalue():
            assert time.monotonic() < waited
            time.sleep(0.01)
    assert re.fullmatch(r"   (w|starting).*\n", out.getvalue().splitlines(keepends=True)[0])


# --- the workplace


def account(server: DemoServer, password: str | None = None) -> Account:
    return Account(server.host, server.port, server.user, password or server.password)


def quick_settings(folder: Path, account: Account) -> str:
    return settings_text(
        folder / "state", account, categories(), precision=0.8, max_tokens=96, time_limit="60s", max_per_folder=50
    )


def test_settings_load_and_hold_no_secret(tmp_path: Path, server):
    text = quick_settings(tmp_path, account(server))
    assert server.password not in text
    assert tomllib.loads(text)["mailbox"][0]["mode"] == "live"
    place = Workplace(tmp_path, account(server), text)
    secret = place.settings.state_dir / "credentials" / "office-imap"
    assert secret.read_text() == server.password
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert [each.name for each in place.settings.mailboxes[0].categories] == list(categories())


def test_story_is_settled_when_decided_and_every_action_ended():
    done = {"ended": "2026-11-22T09:00:00", "state": "done", "to": "Orders"}
    assert not is_settled({"decisions": [], "actions": []})
    assert not is_settled({"decisions": [{}], "actions": [{"ended": None}]})
    assert is_settled({"decisions": [{}], "actions": [done]})
    assert landed({"decisions": [{}], "actions": [done]}) == "Orders"
    assert landed({"decisions": [{}], "actions": [done | {"state": "failed", "to": None}]}) is None


def test_daemon_that_dies_is_reported_with_its_last_words(tmp_path: Path, server):
    with Workplace(tmp_path, account(server), quick_settings(tmp_path, account(server))) as place:
        place.config.write_text('state_dir = "relative"\n')
        place.start()
        with pytest.raises(WorkplaceTrouble, match="ended with exit code 2"):
            place.wait_for("anything", lambda: None, 60)


def test_waiting_ends_with_words(tmp_path: Path, server):
    place = Workplace(tmp_path, account(server), quick_settings(tmp_path, account(server)))
    with pytest.raises(WorkplaceTrouble, match="the first look: not done after 0 s"):
        place.wait_for("the first look", lambda: None, 0)


# --- the whole story


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_demo_sorts_learns_loses_nothing_and_stays_until_told_to_end(tmp_path: Path):
    """The README's first command, in the plain installation: the last line of the output is the answer; `--keep` lets a
    person try it."""
    answers, story = tmp_path / "answers", tmp_path / "story"
    with answers.open("w") as out, story.open("w") as err:
        demo = subprocess.Popen(
            [sys.executable, "-P", "-c", "from daemon.cli import main; main()", "demo", "--json", "--keep"],
            cwd=tmp_path,
            env={
                **os.environ,
                "TMPDIR": str(tmp_path),
                "POSTROOM_TRAINING__TIME_LIMIT": "10m",
                **plainly_installed(tmp_path),
            },
            stdout=out,
            stderr=err,
        )
    try:
        while "Ctrl-C; everything is removed" not in story.read_text():
            assert demo.poll() is None, story.read_text()[-2000:]
            time.sleep(0.5)
        shown = dict(re.findall(r"^ +(host|port|user|password) +(\S+)", story.read_text(), re.MULTILINE))
        with MailProgram(shown["host"], int(shown["port"]), shown["user"], shown["password"]) as person:
            assert sum(person.multiset().values(), Counter()).total() == HISTORY + COPIED + 2 * BATCH
    finally:
        demo.send_signal(signal.SIGTERM)
    assert demo.wait(60) == 0
    answer = json.loads(answers.read_text().strip().splitlines()[-1])
    assert list(answer) == [
        "sorted",
        "right",
        "left_in_inbox",
        "corrections_seen",
        "exam_before",
        "exam_after",
        "promoted",
        "messages_lost",
        "twins_asked",
    ]
    assert answer["messages_lost"] == 0
    assert answer["sorted"] + answer["left_in_inbox"] == 2 * BATCH
    assert answer["right"] >= 0.7 * answer["sorted"] > 0
    assert answer["corrections_seen"] > 0
    assert answer["twins_asked"] == 1
    asked = " ".join(story.read_text().split())
    assert "Postroom asks (postroom folders --twins):" in asked
    assert f'"{OLD_FOLDER}"' in asked
    assert f'"{TAKEN_OVER_BY}"' in asked
    assert "4 mails lie in both" in asked
    assert 0.5 < answer["exam_after"] <= 1
    commands = [line for line in story.read_text().splitlines() if str(tmp_path) in line]
    assert max(len(line) for line in story.read_text().splitlines() if line not in commands) <= 80
    assert list(tmp_path.glob("postroom-demo-*")) == [], "nothing stays behind"
