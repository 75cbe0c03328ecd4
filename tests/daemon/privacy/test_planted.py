"""Words planted in mail, through a whole life of Postroom on a real Dovecot: which file holds which of them, and when.

docs/privacy.md says it, in a table that is read here: every file of the state directory belongs to a row, and holds
nothing of the mail that its row does not name. Temporary folders, the home directory, logs and what commands print for
scripts hold nothing at all. Each process begins with an umask of 0, in a directory that others may enter.
"""

from __future__ import annotations

import base64
import contextlib
import fnmatch
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from daemon.model.base_file import BaseFile
from tests import ROOT
from tests.imap_fixtures import ImapWorld
from tests.lessons import office_rows
from tests.paper_samples import NUMBER, pdf_with_file, ubl
from tests.servers.dovecot import Dovecot
from tests.servers.hands import make_mail
from tests.servers.private import PASSWORD
from tests.service_process import ServiceProcess, eventually
from tests.silent_line import SilentLine

pytestmark = [pytest.mark.imap, pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(900)]

PRIVACY = ROOT / "docs" / "privacy.md"
PEOPLE = ("void", "back", "never", "old", "gone", "plain")
"""Whose lesson is taken back, who is put back into the inbox, listed in never_senders, too old, forgotten; and whose
mail nobody ever files."""
FIELDS = ("name", "address", "recipient", "subject", "word", "file", "paper", "number")
FILES = ("file", "number")
"""Of a file its name, and what an electronic invoice in it says: kept with decisions for a while."""
TEXT, NAMES, MESSAGE_ID, SECRET = "text", "names of files", "Message-IDs", "secrets"


def planted(person: str, what: str) -> str:
    """A word that occurs nowhere else."""
    return f"zq{what}x{person}q"


def mail_of(person: str) -> bytes:
    """One mail with a planted word in every field."""
    boundary = "=-=planted"
    head = make_mail(
        f"Concerning {planted(person, 'subject')}",
        message_id=f"<{planted(person, 'id')}@planted.example>",
    ).split(b"\r\n\r\n")[0]
    kept = [line for line in head.split(b"\r\n") if not re.match(rb"(?i)(from|to|content|mime)", line)]
    sender = f"{planted(person, 'name')} <{planted(person, 'address')}@{person}.example>"
    invoice = ubl().replace(NUMBER.encode(), planted(person, "number").encode())
    assert planted(person, "number").encode() in invoice
    paper = pdf_with_file("factur-x.xml", invoice, f"We owe you {planted(person, 'paper')}")
    body = (
        f"From: {sender}\r\nTo: office@example.com, {planted(person, 'recipient')}@elsewhere.example\r\n"
        f'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n'
        f"--{boundary}\r\nContent-Type: text/plain\r\n\r\nPlease find attached {planted(person, 'word')}.\r\n"
        f"--{boundary}\r\nContent-Type: application/pdf\r\n"
        f'Content-Disposition: attachment; filename="{planted(person, "file")}.pdf"\r\n'
        "Content-Transfer-Encoding: base64\r\n\r\n"
        f"{base64.encodebytes(paper).decode()}\r\n--{boundary}--\r\n"
    )
    return b"\r\n".join(kept) + b"\r\n" + body.encode()


@cache
def disguises() -> dict[bytes, tuple[str, str]]:
    """Every form in which a planted word may lie in a file -> (person, what of the mail it is)."""
    words = {planted(person, what): (person, NAMES if what in FILES else TEXT) for person in PEOPLE for what in FIELDS}
    words |= {planted(person, "id"): (person, MESSAGE_ID) for person in PEOPLE}
    words |= {PASSWORD: ("", SECRET)}
    found: dict[bytes, tuple[str, str]] = {}
    for word, meaning in words.items():
        plain = word.encode()
        found[plain] = meaning
        found[word.encode("utf-16-le")] = found[word.encode("utf-16-be")] = meaning
        for shift in range(3):  # base64, whatever stands before and behind the word
            coded = base64.b64encode(b"\0" * shift + plain)
            found[coded[-(-4 * shift // 3) : 4 * (shift + len(plain)) // 3].lower()] = meaning
    return found


def held_by(content: bytes) -> set[tuple[str, str]]:
    """(person, what of the mail) that these bytes hold, in whatever case."""
    small = content.lower()
    return {meaning for form, meaning in disguises().items() if form in small}


def read(path: Path) -> set[tuple[str, str]]:
    """The same of a file, unpacked if it is an archive. What goes while we look holds nothing."""
    try:
        found = held_by(path.read_bytes())
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    found |= held_by(archive.read(name))
    except (FileNotFoundError, zipfile.BadZipFile):
        return set()
    return found


@dataclass(frozen=True)
class Row:
    """One row of the table: which files it speaks of, and what of the mail these may hold."""

    patterns: tuple[str, ...]
    holds: frozenset[str]


def rows() -> list[Row]:
    """The table of docs/privacy.md."""
    found = []
    for line in PRIVACY.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 4 and cells[0] != "what":
            holds = frozenset(word.strip() for word in cells[2].split(",")) - {"nothing"}
            found.append(Row(tuple(re.findall(r"`([^`]+)`", cells[1])), holds))
    return found


@dataclass
class Stage:
    """What was seen at one moment: file -> what it holds, inside the state directory and outside; files of others."""

    name: str
    inside: dict[str, set[tuple[str, str]]]
    outside: dict[str, set[tuple[str, str]]]
    open: list[str]

    def who(self, what: str = TEXT) -> set[str]:
        """Whose mail lies anywhere at all."""
        seen = [*self.inside.values(), *self.outside.values()]
        return {person for each in seen for person, kind in each if kind == what}

    def where(self, person: str, what: str = TEXT) -> set[str]:
        """The files, or the folders below training/ and scratch/, that hold the text of this person's mail."""
        places = {name for name, held in self.inside.items() if (person, what) in held}
        return {re.sub(r"^(training/job|scratch/[a-z-]+)-[^/]*/.*", r"\1", name) for name in places}


@dataclass
class Life:
    """One mailbox, one state directory, and everything that Postroom is asked to do."""

    folder: Path
    service: ServiceProcess
    base: Path
    stages: dict[str, Stage] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)

    def environment(self, **more: str) -> dict[str, str]:
        for name in ("tmp", "home", "out"):
            (self.folder / name).mkdir(exist_ok=True)
        fixed = {
            "TMPDIR": str(self.folder / "tmp"),
            "HOME": str(self.folder / "home"),
            "POSTROOM_ENGINE__BASE": str(self.base),
            "POSTROOM_ENGINE__MAX_TOKENS": "64",
            "POSTROOM_TRAINING__NICE": "0",
        }
        return self.service.environment(**fixed, **more)

    def begin(self, *arguments: str, config: Path | None = None, **environment: str) -> subprocess.Popen[bytes]:
        """Start a command; what it prints is kept and searched like a log."""
        self.service.state.chmod(0o755)  # as systemd-run leaves it without StateDirectoryMode
        out = self.folder / "out" / f"{len(list((self.folder / 'out').glob('*')))}-{arguments[0]}"
        settings = str(config or self.service.config)
        self.environment()
        with out.open("wb") as file:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "daemon.cli", "--config", settings, *arguments],
                env=self.environment(**environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                umask=0,
            )

    def run(self, *arguments: str, fine: tuple[int, ...] = (0,), **environment: str) -> str:
        """Run a command to its end; what it printed."""
        process = self.begin(*arguments, **environment)
        code = process.wait(300)
        out = max((self.folder / "out").iterdir(), key=lambda path: int(path.name.split("-")[0])).read_text()
        assert code in fine, out
        return out

    def ask(self, *arguments: str, **environment: str) -> Any:
        """The JSON that a command prints last."""
        return json.loads(self.run(*arguments, "--json", **environment).splitlines()[-1])

    def look(self, name: str) -> None:
        """Search every file there is."""
        state = self.service.state
        inside = {str(path.relative_to(state)): read(path) for path in state.rglob("*") if path.is_file()}
        places = [self.folder / "tmp", self.folder / "home", self.folder / "out"]
        files = [path for place in places for path in place.rglob("*") if path.is_file()]
        outside = {str(path.relative_to(self.folder)): read(path) for path in [*files, self.service.log]}
        everything = [path for path in (state, *state.rglob("*")) if not path.is_symlink() and path.exists()]
        mine = [path for path in everything if path != state and path.stat().st_mode & 0o077]
        self.stages[name] = Stage(name, inside, outside, sorted(str(path.relative_to(state)) for path in mine))

    def killed(self, process: subprocess.Popen[bytes], when: Callable[[], bool], name: str) -> None:
        """kill -9 as soon as something is so, and what that leaves behind."""
        end = time.monotonic() + 60
        while not when():
            assert time.monotonic() < end, f"{name}: not within 60 s"
            assert process.poll() is None, f"{name}: it ended first"
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        self.look(name)


@pytest.fixture(scope="module")
def life(dovecot: Dovecot, tiny_base: BaseFile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    folder = tmp_path_factory.mktemp("life")
    own = 'own_domains = ["example.com"]'
    with (
        contextlib.closing(ImapWorld(dovecot, "planted")) as world,
        ServiceProcess(folder, dovecot.port, "planted", mailbox=own) as service,
    ):
        service.log.touch()
        lived = Life(folder, service, tiny_base.path)
        first_lessons(lived, world)
        killed_commands(lived, world)
        a_day_of_the_service(lived, world)
        questions(lived)
        deletions(lived)
        yield lived


def first_lessons(life: Life, world: ImapWorld) -> None:
    recent = datetime.now(UTC) - timedelta(days=5)
    for row in office_rows(40, categories=2):
        text = row["text"]
        folder = world.second if row["category"] == "complaints" else world.first
        world.hands.put(make_mail(text["subject"], text["body"]), folder, arrived=recent)
    for person in ("void", "never", "gone"):
        world.hands.put(mail_of(person), world.second, arrived=recent)
    world.hands.put(mail_of("old"), world.second, arrived=recent - timedelta(days=40))
    life.run("check", fine=(1,))
    life.look("checked")
    life.run("learn", "--from-folders", "--no-train")
    life.look("learnt")


def killed_commands(life: Life, world: ImapWorld) -> None:
    state = life.service.state
    training = life.begin("train")
    life.killed(training, lambda: bool(list(state.glob("training/job-*/trainer.log"))), "training killed")
    with SilentLine(world.server.port, silent=True) as line:
        silent = life.folder / "silent.toml"
        silent.write_text(life.service.config.read_text().replace(f"port = {world.server.port}", f"port = {line.port}"))
        dry = life.begin("once", "--dry-run", config=silent)
        life.killed(dry, lambda: bool(list(state.glob("scratch/dry-run-*/postroom.sqlite-wal"))), "dry run killed")
    life.told["trained"] = life.ask("train")
    life.look("trained")


def a_day_of_the_service(life: Life, world: ImapWorld) -> None:
    service = life.service
    start(life)
    eventually(lambda: service.status()["polled"] is not None, "the first look")
    for person in ("back", "plain"):
        world.hands.put(mail_of(person))
    eventually(lambda: len(sorted_of(life)) == 2, "both were decided on")
    subject = f"Concerning {planted('back', 'subject')}"
    world.move(subject, world.second if world.folders_of(subject) != [world.second] else world.first)
    eventually(lambda: service.status()["corrections"] == 1, "the correction was noticed")
    life.look("corrected")
    world.move(subject, "INBOX")
    eventually(lambda: service.status()["corrections"] == 2, "the rejection was noticed")
    service.stop(signal.SIGKILL)
    life.look("service killed")


def sorted_of(life: Life) -> list[str]:
    """The states of the messages that the service has decided on."""
    counted = life.service.status()["messages"]
    return [state for state in ("sorted", "left") for _ in range(counted.get(state, 0))]


def start(life: Life) -> None:
    """The service, with an umask of 0."""
    before = os.umask(0)
    try:
        life.service.heard.clear()
        life.service.start(
            **{
                key: value
                for key, value in life.environment().items()
                if key not in os.environ or os.environ[key] != value
            }
        )
    finally:
        os.umask(before)


def questions(life: Life) -> None:
    for asked in ("status", "corrections", "lessons", "models", "preview", "folders"):
        life.run(asked, "--json", fine=(0, 3, 4))
    life.run("why", f"<{planted('back', 'id')}@planted.example>", "--json")
    life.run("report", "--html", str(life.folder / "out" / "0-report.html"))
    life.run("once", "--dry-run", "--json")
    life.look("asked")


def deletions(life: Life) -> None:
    [lesson] = life.ask("lessons", "--from", f"{planted('void', 'address')}@void.example")
    life.run("lessons", "--void", str(lesson["lesson"]))
    life.look("voided")
    config = life.service.config
    config.write_text(config.read_text().replace("[sorting]", '[sorting]\nnever_senders = ["@never.example"]'))
    start(life)
    life.service.stop()
    life.look("never_senders")
    life.told["aged"] = life.ask("train", POSTROOM_TRAINING__MAX_AGE="30d")
    life.look("aged")
    life.told["dry run"] = life.ask("forget", "@gone.example", "--dry-run")
    life.told["forgotten"] = life.ask("forget", "@gone.example")
    life.look("forgotten")
    life.told["again"] = life.ask("forget", "@gone.example", "--dry-run")


def test_every_file_belongs_to_a_row_of_the_table_and_holds_no_more_than_that_says(life: Life) -> None:
    table = rows()
    assert len(table) > 10
    wrong = []
    for stage in life.stages.values():
        for name, held in stage.inside.items():
            own = [row for row in table if any(fnmatch.fnmatchcase(name, each) for each in row.patterns)]
            allowed = {what for row in own for what in row.holds}
            if not own or (not name.startswith("models/") and {what for _, what in held} - allowed):
                wrong.append((stage.name, name, held))
    assert wrong == []


def test_models_hold_no_word_of_the_mail(life: Life) -> None:
    table = [row for row in rows() if "models/*" in row.patterns]
    assert [row.holds for row in table] == [frozenset()]
    for stage in life.stages.values():
        held = {name: found for name, found in stage.inside.items() if name.startswith("models/") and found}
        assert held == {}, stage.name


def test_nothing_of_the_mail_lies_outside_of_the_state_directory(life: Life) -> None:
    for stage in life.stages.values():
        printed = {(person, MESSAGE_ID) for person in PEOPLE}  # `why` and `preview` name messages by it
        held = {name: found - (printed if name.startswith("out/") else set()) for name, found in stage.outside.items()}
        assert {name: found for name, found in held.items() if found} == {}, stage.name
    assert any(name.startswith("out/") for name in life.stages["asked"].outside)


def test_nobody_else_can_read_a_file_whatever_the_umask(life: Life) -> None:
    for stage in life.stages.values():
        assert stage.open == [], stage.name


@pytest.mark.parametrize(
    ("stage", "person", "places"),
    [
        ("learnt", "void", {"postroom.sqlite"}),
        ("training killed", "void", {"postroom.sqlite", "training/job"}),
        ("dry run killed", "void", {"postroom.sqlite", "scratch/dry-run", "training/job"}),
        ("trained", "void", {"postroom.sqlite"}),
        ("corrected", "back", {"postroom.sqlite"}),
        ("service killed", "back", set()),
        ("asked", "void", {"postroom.sqlite"}),
        ("voided", "void", set()),
        ("voided", "never", {"postroom.sqlite"}),
        ("never_senders", "never", set()),
        ("never_senders", "old", {"postroom.sqlite"}),
        ("aged", "old", set()),
        ("aged", "gone", {"postroom.sqlite"}),
        ("forgotten", "gone", set()),
    ],
)
def test_text_lies_where_it_should_and_is_gone_when_it_should_be(
    life: Life, stage: str, person: str, places: set[str]
) -> None:
    found = life.stages[stage].where(person)
    assert {name.removesuffix("-wal") for name in found if not name.startswith("models/")} == places


def test_mail_that_nobody_filed_is_never_kept(life: Life) -> None:
    assert [stage.name for stage in life.stages.values() if stage.where("plain")] == []


def test_only_names_of_files_are_kept_with_a_decision_and_go_when_its_mail_is_put_back(life: Life) -> None:
    kept, back = life.stages["asked"].where("plain", NAMES), life.stages["service killed"].where("back", NAMES)
    assert {name.removesuffix("-wal") for name in kept} == {"postroom.sqlite"}
    assert back == set()
    assert "back" in life.stages["corrected"].who(NAMES)
    for stage, person in (("voided", "void"), ("never_senders", "never"), ("aged", "old"), ("forgotten", "gone")):
        assert person not in life.stages[stage].who(NAMES), stage


def test_forgetting_takes_the_identity_too_and_what_else_could_tell(life: Life) -> None:
    before, after = life.stages["aged"], life.stages["forgotten"]
    assert "gone" in before.who(MESSAGE_ID)
    assert after.who(MESSAGE_ID) == before.who(MESSAGE_ID) - {"gone"}
    [told], [done] = life.told["dry run"]["mailboxes"], life.told["forgotten"]["mailboxes"]
    assert (done["lessons"], done["messages"]) == (told["lessons"], told["messages"]) == (1, 1)
    assert life.told["trained"]["version"] in done["models"]
    assert done["models"] == told["models"]
    assert done["in_use"] is not None
    assert done["training"]["outcome"] == "promoted", done["training"]
    [left] = life.told["again"]["mailboxes"]
    assert (left["lessons"], left["messages"], left["models"]) == (0, 0, [])
