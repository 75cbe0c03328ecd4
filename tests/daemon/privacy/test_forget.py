"""Forgetting a person: whose lessons these are, which models may have learnt from them, and what a crash leaves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from connectors.base import Identity, MailText, MessageRef, Move, Sighting
from connectors.imap import ImapSettings
from daemon.cli import postroom
from daemon.mistakes import ExitCode, PostroomError
from daemon.passes.desk import Desk
from daemon.privacy.forgetting import forget, look_for, memory_of
from daemon.privacy.person import BadAddress, Person
from daemon.settings import Settings
from daemon.store import decisions, journal, learning, mailboxes, messages, training
from daemon.store.database import Database
from daemon.store.records import ReadFile
from daemon.training.hand_over import TrainingOutcome, write_lessons
from daemon.training.places import TrainingBusy, no_training
from daemon.training.registry import Registry
from tests.daemon.report.test_lessons import CONFIG
from tests.fakes import START, Clock
from tests.servers.ollama import OllamaStandIn, StoredModel


@pytest.mark.parametrize(
    ("person", "text", "place"),
    [
        ("ann@x.example", MailText(sender="Ann <Ann@X.example>"), "sender"),
        ("ann@x.example", MailText(to="bob@y.example, ann@x.example"), "recipient"),
        ("ann@x.example", MailText(body="Write to (ann@x.example)."), "text"),
        ("ann@x.example", MailText(body="https://y.example/stop?who=ann%40x.example&all"), "text"),
        ("ann@x.example", MailText(attachments=("ann@x.example.vcf (text/vcard)",)), None),
        ("ann@x.example", MailText(attached_text="Invoice 4711\nto Ann, ann@x.example"), "attached file"),
        ("ann@x.example", MailText(sender="joann@x.example", to="ann@x.example.org", body="ann@x"), None),
        ("@x.example", MailText(sender="bob@mail.x.example"), "sender"),
        ("@x.example", MailText(list_id="<news@x.example>"), "text"),
        ("@x.example", MailText(sender="bob@max.example", body="see www.x.example"), None),
        ("@x.example", MailText(sender="bob@x.example-shop.example"), None),
    ],
)
def test_an_address_is_found_wherever_it_stands_and_nothing_like_it(
    person: str, text: MailText, place: str | None
) -> None:
    assert Person(person).place(text) == place


@pytest.mark.parametrize("words", ["ann", "ann@", "@", "a b@x.example", "Ann <ann@x.example>", ""])
def test_what_is_no_address_is_refused_with_an_example(words: str) -> None:
    with pytest.raises(BadAddress, match="is not an address"):
        Person(words)


class Office:
    """A mailbox with lessons, runs and models; the models' files are there, and nobody opens them."""

    def __init__(self, folder: Path, engine: dict[str, Any] | None = None) -> None:
        self.settings = Settings(state_dir=folder, engine=engine or {})
        self.database = Database.open(folder / "postroom.sqlite")
        self.registry = Registry(self.database, self.settings.engine, folder / "models")
        self.clock = Clock()
        with self.database.begin() as tx:
            self.box = mailboxes.ensure(tx, "office", "imap", "live", START).id
        box: Any = None
        self.desk = Desk(
            ImapSettings(name="office", host="localhost", user="office@own.example", credential="c"),
            self.settings.sorting,
            self.database,
            box,
            self.registry,
            self.box,
            self.clock,
        )

    def teach(self, sender: str, message_id: str, origin: str = "", thread: str | None = None) -> int:
        """A lesson with its message. Returns the message."""
        with self.database.begin() as tx:
            number = messages_in(tx) + 1
            ref = MessageRef("Orders", 1, number)
            seen = Sighting(
                ref, Identity(None, message_id, f"d{number}", origin), references=(thread,) if thread else ()
            )
            message = messages.add(tx, self.box, seen, "elsewhere", START, None)
            messages.add_sighting(tx, self.box, message, ref, START, ours=False, who=sender, judged=True)
            text = MailText(sender=sender, subject=f"no. {number}", body=f"body of {number}")
            learning.teach(
                tx, self.box, "c1", text, START, source="folder", message=message, thread=thread or message_id
            )
        return message

    def train(self, version: str, *, promote: bool = True, clock_put_back: float = 0) -> None:
        """As a night leaves it. `clock_put_back`: hours, while it trains."""
        self.clock.advance(hours=1)
        with self.database.begin() as tx:
            newest, count = learning.lesson_state(tx, self.box)
            run = training.start_run(tx, self.box, self.clock(), count, newest)
        self.clock.advance(minutes=5, hours=-clock_put_back)
        folder = self.registry.models_dir / "office" / version
        folder.mkdir(parents=True)
        (folder / "model.json").write_text("{}")
        with self.database.begin() as tx:
            place = f"office/{version}"
            training.add_model(tx, self.box, version, place, self.clock(), state="kept", verdict="", exam={}, run=run)
            if promote:
                training.promote(tx, self.box, version, self.clock())

    def models(self) -> dict[str, str]:
        with self.database.begin() as tx:
            return {model.version: model.state for model in training.models(tx, self.box)}

    def files(self) -> list[str]:
        return sorted(each.name for each in (self.registry.models_dir / "office").iterdir())

    def concerned(self, person: str) -> list[str]:
        return sorted(model.version for model in look_for(memory_of(self.desk), Person(person)).models)


def messages_in(tx: Any) -> int:
    return int(tx.exec_driver_sql("SELECT coalesce(max(id), 0) FROM messages").scalar())


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.registry.close()
    made.database.close()


def test_lessons_go_with_their_messages_copies_and_references_and_those_of_others_stay(office: Office) -> None:
    office.teach("ann@x.example", "<1@mail.x.example>", origin="same")
    office.teach("list@z.example", "<1@mail.x.example>", origin="same")
    reply = office.teach("bob@y.example", "<2@y.example>", thread="<1@mail.x.example>")
    office.teach("bob@y.example", "<3@x.example>")
    kept = office.settings.state_dir / "kept" / "0001-before-0002.sqlite"
    kept.parent.mkdir()
    kept.write_text("mail of before")
    done = forget(memory_of(office.desk), office.settings, Person("@x.example"))
    assert (len(done.found.lessons), len(done.found.messages), done.unfinished, done.troubles) == (1, 3, 0, ())
    with office.database.begin() as tx:
        left = {row[0]: row[1] for row in tx.exec_driver_sql("SELECT id, thread FROM messages")}
        assert left == {reply: None}, "whose Message-ID holds the domain goes, too"
        threads = {lesson.message: lesson.thread for lesson in learning.lessons(tx, office.box)}
        assert set(threads) == {None, reply}
        assert threads[reply] is None
        assert len(learning.lessons(tx, office.box)) == 2
        assert messages.sightings(tx, reply)[0].who == "bob@y.example"
    files = b"".join(path.read_bytes() for path in office.settings.state_dir.glob("postroom.sqlite*"))
    assert b"x.example" not in files
    assert not kept.exists(), "nobody looks into an old copy, so all of it goes"


def test_what_a_file_said_of_a_person_goes_from_decisions_too(office: Office) -> None:
    about = office.teach("bob@y.example", "<1@y.example>")
    fields = dict.fromkeys(("category", "best", "probability", "runner_up", "runner_up_probability", "model"))
    files = [ReadFile("cv of ann@x.example.pdf", "text", "pdf"), ReadFile("bill.pdf", "text", "pdf")]
    with office.database.begin() as tx:
        more = {"source": "none", "reason": "left", "mode": "live"}
        decisions.add(tx, about, START, **fields, **more, files=files)  # type: ignore[arg-type]
    forget(memory_of(office.desk), office.settings, Person("ann@x.example"))
    with office.database.read() as tx:
        assert [made.files for made in decisions.of_message(tx, about)] == [()]
    assert b"ann@x" not in Path(office.database.place).read_bytes()


def test_a_model_goes_unless_it_is_proved_that_it_learnt_from_none(office: Office) -> None:
    office.teach("bob@y.example", "<1@y.example>")
    office.train("a")
    office.teach("ann@x.example", "<2@x.example>")
    office.train("b")
    assert office.concerned("ann@x.example") == ["b"]
    assert office.concerned("bob@y.example") == ["a", "b"]
    assert office.concerned("nobody@z.example") == []
    with office.database.begin() as tx:  # whoever this was from, nobody can tell any more
        learning.void_lesson(tx, office.box, 1, START)
    office.train("c", promote=False)
    assert office.concerned("nobody@z.example") == ["a", "b"]


def test_a_model_is_known_by_its_training_and_not_by_the_clock(office: Office) -> None:
    office.teach("bob@y.example", "<1@y.example>")
    office.train("a")
    office.teach("ann@x.example", "<2@x.example>")
    office.clock.advance(hours=3)
    office.train("b", clock_put_back=2)
    office.train("c", clock_put_back=9)
    assert office.concerned("ann@x.example") == ["b", "c"]
    with office.database.begin() as tx:
        tx.exec_driver_sql("UPDATE models SET run = NULL WHERE version = 'a'")
    assert office.concerned("ann@x.example") == ["a", "b", "c"], "nobody knows its training: nothing is proved"


def test_models_in_use_go_with_their_files_pointers_and_readings_and_none_serves(office: Office) -> None:
    office.teach("bob@y.example", "<1@y.example>")
    office.train("a")
    office.teach("ann@x.example", "<2@x.example>")
    office.train("b")
    home = office.registry.models_dir / "office"
    (home / "current").symlink_to("b")
    (home / "current.version").write_text("b\n")
    readings = office.settings.state_dir / "training" / "cache" / "lessons" / "office"
    readings.mkdir(parents=True)
    killed = office.settings.state_dir / "training" / "job-7"
    killed.mkdir()
    done = forget(memory_of(office.desk), office.settings, Person("ann@x.example"))
    assert done.found.in_use == "b"
    assert office.models() == {"a": "previous", "b": "removed"}
    assert office.files() == ["a"]
    assert office.registry.classifier(office.box) is None
    assert not readings.exists()
    assert not killed.exists()
    assert office.concerned("ann@x.example") == []


def test_a_crash_between_lessons_and_models_is_made_good_by_the_next_call(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.teach("ann@x.example", "<1@x.example>")
    office.train("a")

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(office.registry, "remove", crash)
        with pytest.raises(KeyboardInterrupt):
            forget(memory_of(office.desk), office.settings, Person("ann@x.example"))
    assert office.models() == {"a": "current"}
    done = forget(memory_of(office.desk), office.settings, Person("ann@x.example"))
    assert (done.found.lessons, done.found.in_use) == ((), "a")
    assert office.models() == {"a": "removed"}


def test_a_message_in_the_middle_of_a_move_keeps_its_identity_until_that_has_ended(office: Office) -> None:
    message = office.teach("ann@x.example", "<1@x.example>")
    with office.database.begin() as tx:
        ref = messages.sightings(tx, message)[0].ref
        journal.plan(tx, message, ref, Move("Invoices"), START, decision=None, kind="sort")
    done = forget(memory_of(office.desk), office.settings, Person("ann@x.example"))
    assert (len(done.found.lessons), done.unfinished) == (1, 1)
    with office.database.begin() as tx:
        assert learning.lessons(tx, office.box) == []
        assert len(journal.of_message(tx, message)) == 1, "else nobody would end what a crash cut short"


@pytest.mark.parametrize("person", ["office@own.example", "@own.example", "@Own.Example."])
def test_the_mailboxes_own_address_is_refused(office: Office, person: str) -> None:
    with pytest.raises(PostroomError, match='own address of "office"'):
        forget(memory_of(office.desk), office.settings, Person(person))
    assert office.concerned("colleague@own.example") == []


def test_while_a_training_runs_nothing_is_forgotten(office: Office) -> None:
    office.teach("ann@x.example", "<1@x.example>")
    with no_training(office.settings.state_dir), pytest.raises(TrainingBusy):
        forget(memory_of(office.desk), office.settings, Person("ann@x.example"))
    assert len(look_for(memory_of(office.desk), Person("ann@x.example")).lessons) == 1


def test_an_ollama_server_loses_them_too_and_one_that_does_not_answer_is_told(tmp_path: Path) -> None:
    with OllamaStandIn(tmp_path / "ollama") as server:
        office = Office(tmp_path / "state", {"kind": "ollama", "host": f"http://{server.host}"})
        office.teach("ann@x.example", "<1@x.example>")
        office.train("a")
        for name in ("postroom-office:a-123", "postroom-office:current", "somebody:else"):
            server.models[name] = StoredModel(tmp_path, "0", 1)
        done = forget(memory_of(office.desk), office.settings, Person("ann@x.example"))
        assert done.troubles == ()
        assert list(server.models) == ["somebody:else"]
        office.teach("ann@x.example", "<2@x.example>")
        office.train("b")
    [trouble] = forget(memory_of(office.desk), office.settings, Person("ann@x.example")).troubles
    assert "could not be asked to remove its copies" in trouble
    office.database.close()


@pytest.fixture
def ready(office: Office) -> Office:
    """As the command finds it."""
    office.teach("Ann <ann@x.example>", "<1@x.example>")
    office.train("a")
    (office.settings.state_dir / "postroom.toml").write_text(CONFIG.format(state=office.settings.state_dir))
    return office


def command(office: Office, *arguments: str, code: int = 0) -> str:
    config = str(office.settings.state_dir / "postroom.toml")
    done = CliRunner().invoke(postroom, ["--config", config, *arguments])
    assert done.exit_code == code, (done.output, done.exception)
    return done.stdout


def test_lessons_are_found_by_person_and_json_shows_neither_subject_nor_address(ready: Office) -> None:
    [row] = json.loads(command(ready, "lessons", "--from", "ANN@x.example", "--json"))
    assert (row["lesson"], row["address_in"]) == (1, "sender")
    assert "no. 1" not in json.dumps(row)
    assert "no. 1" in command(ready, "lessons", "--from", "@x.example")
    assert json.loads(command(ready, "lessons", "--from", "bob@x.example", "--json")) == []
    command(ready, "lessons", "--from", "@x.example", "--category", "Orders", code=2)


def test_a_dry_run_says_what_would_go_and_changes_nothing(ready: Office) -> None:
    told = command(ready, "forget", "ann@x.example", "--dry-run")
    assert "1 lesson and the identity of 1 message would be deleted" in told
    assert "a is in use: a new one would be trained at once." in told
    assert "Copies and backups of the state directory" in told
    assert ready.models() == {"a": "current"}
    assert len(look_for(memory_of(ready.desk), Person("ann@x.example")).lessons) == 1


def test_without_a_training_it_says_that_no_model_serves(ready: Office) -> None:
    told = command(ready, "forget", "ann@x.example", "--no-train")
    assert "were deleted" in told
    assert "No model is in use until the next training" in told
    assert ready.models() == {"a": "removed"}


def test_a_training_that_fails_afterwards_is_exit_code_1(ready: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> TrainingOutcome:
        return TrainingOutcome("failed", "The disk is full.")

    monkeypatch.setattr("daemon.commands.train_now.train", fail)
    [told] = json.loads(command(ready, "forget", "ann@x.example", "--json", code=1))["mailboxes"]
    assert (told["models"], told["training"]["verdict"]) == (["a"], "The disk is full.")


def test_a_lesson_that_comes_while_the_job_is_written_is_not_in_that_training(office: Office, tmp_path: Path) -> None:
    office.teach("bob@y.example", "<1@y.example>")
    with office.database.begin() as tx:
        newest, _ = learning.lesson_state(tx, office.box)
    office.teach("ann@x.example", "<2@x.example>")
    write_lessons(office.database, office.box, tmp_path / "lessons.jsonl", newest)
    assert "ann@x.example" not in (tmp_path / "lessons.jsonl").read_text()


def test_a_mailbox_that_the_settings_name_no_more_is_searched_and_cleared_too(ready: Office) -> None:
    config = ready.settings.state_dir / "postroom.toml"
    config.write_text(config.read_text().replace('"office"', '"renamed"'))
    [row] = json.loads(command(ready, "lessons", "--from", "ann@x.example", "--json"))
    assert row["mailbox"] == "office"
    told = command(ready, "forget", "ann@x.example")
    assert "renamed: 0 lessons" in told
    assert "office, which the settings name no more: 1 lesson" in told
    assert ready.models() == {"a": "removed"}
    assert command(ready, "lessons", "--from", "ann@x.example", "--mailbox", "office", "--json") == "[]\n"
    command(ready, "forget", "ann@x.example", "--mailbox", "never", code=1)


def test_after_a_training_that_was_cut_short_the_next_call_trains(
    ready: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready.teach("bob@y.example", "<2@y.example>")

    def interrupt(*_: Any, **__: Any) -> TrainingOutcome:
        raise KeyboardInterrupt

    monkeypatch.setattr("daemon.commands.train_now.train", interrupt)
    command(ready, "forget", "ann@x.example", code=130)
    monkeypatch.setattr("daemon.commands.train_now.train", lambda *_, **__: TrainingOutcome("promoted", "Better."))
    assert "a new one would be trained at once" in command(ready, "forget", "ann@x.example", "--dry-run")
    assert "Better." in command(ready, "forget", "ann@x.example")


def test_nothing_found_is_said_with_what_to_try_and_models_that_go_all_the_same_are_explained(ready: Office) -> None:
    for words in (["lessons", "--from", "zoe@y.example"], ["forget", "zoe@y.example", "--dry-run"]):
        told = command(ready, *words)
        assert "Nothing holds zoe@y.example." in told
        assert "`postroom lessons --from @y.example`" in told
    assert "nobody can tell" not in told
    with ready.database.begin() as tx:
        learning.void_lesson(tx, ready.box, 1, START)
    assert "nobody can tell any more whose they were" in command(ready, "forget", "zoe@y.example", "--dry-run")


def test_beside_a_training_the_same_command_may_work_later(ready: Office) -> None:
    state = ready.settings.state_dir
    words = ["--config", str(state / "postroom.toml"), "forget", "ann@x.example"]
    with no_training(state):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "daemon.cli", *words], capture_output=True, text=True, check=False, timeout=60
        )
    assert done.returncode == ExitCode.TRY_AGAIN, done.stderr
    assert "another training is running" in done.stderr
