"""A rehearsal asks in order of date, knows no more than people had said by then, and counts honestly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from click import ClickException
from click.testing import CliRunner

from benchmarks.real_mail import Row, in_all, read_archive
from connectors.base import MailText
from connectors.mail.mime import parse
from daemon.cli import postroom
from daemon.commands.common import console
from daemon.commands.rehearse import show as show_rehearsal
from daemon.demo.office.writer import write_office
from daemon.passes.desk import Desk
from daemon.passes.file_reading import AttachedFiles
from daemon.passes.read_papers import text_with_files
from daemon.rehearsal.archives import BadSource, FilesRead, from_eml_tree, from_manifest
from daemon.rehearsal.back_test import (
    Filings,
    LabelledMail,
    Office,
    RehearsalOptions,
    TooLittleMail,
    Trained,
    Verdict,
    rehearse,
)
from daemon.rehearsal.replay import RehearsedOffice, by_words
from daemon.rules.decision import Policy
from daemon.rules.thresholds import interval
from daemon.settings import Settings, TrainingSettings
from daemon.store import decisions, learning, mailboxes
from daemon.store.database import Tx
from daemon.store.records import FILERS, DecisionSource
from daemon.training.policy import evidence
from tests.fakes import FakeClassifier, FakeRegistry, good_hints
from tests.paper_samples import text_pdf

MORNING = datetime(2026, 1, 5, 8, tzinfo=UTC)


def mail(number: int, folder: str, body: str = "") -> LabelledMail:
    text = MailText(sender="a@b.example", subject=f"number {number}", body=body or f"mail {number}")
    return LabelledMail(folder, text, MORNING + timedelta(hours=number), f"<{number}@b.example>")


class WrittenAnswers(Office):
    """An office that answers from a list (best guess, where it files, who says so; the model) and writes down what it
    was told."""

    def __init__(self, answers: Sequence[tuple[str | None, str | None, *tuple[DecisionSource, ...]]]) -> None:
        self.answers = list(answers)
        self.told: list[str] = []
        self.diary: list[str] = []

    def learn(self, mails: Sequence[LabelledMail]) -> None:
        self.told += [each.text.subject for each in mails]
        self.diary.append(f"learn {len(mails)}")

    def train(self) -> Trained:
        self.diary.append("train")
        return Trained(1.5, "promoted")

    def decide(self, mail: LabelledMail) -> Verdict:
        assert mail.text.subject not in self.told, "the answer was told before the question"
        self.diary.append("ask")
        best, filed, *source = self.answers.pop(0)
        return Verdict(best, filed, 10.0, *source)


def always_a(lessons: Sequence[LabelledMail], questions: Sequence[LabelledMail]) -> list[str]:
    return ["A"] * len(questions)


def test_rehearsal_learns_asks_and_trains_again_in_order_of_date():
    mails = [mail(number, "A") for number in range(10)]
    office = WrittenAnswers([("A", "A")] * 4)
    rehearse(list(reversed(mails)), RehearsalOptions(0.6, 2), office, always_a, 0.95)
    assert office.diary == ["learn 6", "train", "ask", "ask", "learn 2", "train", "ask", "ask", "learn 2"]
    assert office.told == [each.text.subject for each in mails]


def test_what_was_left_or_wrong_is_told_at_once_and_what_was_right_is_not():
    mails = [mail(0, "A"), mail(1, "B"), mail(2, "A"), mail(3, "B"), mail(4, "A")]
    office = WrittenAnswers([("A", "A"), ("A", "A"), ("A", None)])
    rehearse(mails, RehearsalOptions(0.4, 10), office, always_a, 0.95)
    assert office.diary == ["learn 2", "train", "ask", "ask", "learn 1", "ask", "learn 1", "learn 3"]


def test_report_counts_guesses_filings_precision_and_folders_never_seen():
    mails = [mail(0, "A"), mail(1, "A"), mail(2, "A"), mail(3, "B"), mail(4, "B"), mail(5, "C")]
    office = WrittenAnswers([("A", "A"), ("A", "A"), ("B", None), ("B", None)])
    report = rehearse(mails, RehearsalOptions(1 / 3, 3), office, always_a, 0.9)
    assert report.messages == 4
    assert report.accuracy == 0.5  # A right, B called A, B right though left, C never seen
    assert report.filed_share == 0.5
    assert report.filed_precision == 0.5
    assert report.baseline_accuracy == 0.25
    assert report.unseen_folder_share == 0.5  # the first B and the first C
    assert report.wanted_precision == 0.9
    assert report.train_cpu_s == 3.0
    assert report.classify_ms_median == 10.0
    assert [batch.messages for batch in report.batches] == [3, 1]
    assert report.batches[1].filed_precision is None


def test_report_tells_who_filed_how_rightly_and_what_was_left_as_a_newer_folders() -> None:
    mails = [mail(0, "A"), mail(1, "A"), mail(2, "A"), mail(3, "A"), mail(4, "B"), mail(5, "B"), mail(6, "B")]
    office = WrittenAnswers(
        [("A", "A", "memory"), ("A", "A", "model"), ("A", "A", "memory"), ("A", None, "newcomer"), ("B", "B", "thread")]
    )
    report = rehearse(mails, RehearsalOptions(2 / 7, 3), office, always_a, 0.9)
    nothing = {source: Filings(0, 0) for source in FILERS}
    first, second = report.batches
    assert first.who_filed == nothing | {"model": Filings(1, 1), "memory": Filings(2, 1)}
    assert second.who_filed == nothing | {"thread": Filings(1, 1)}
    assert (first.left_as_newer, second.left_as_newer, report.left_as_newer) == (0, 1, 1)
    assert report.who_filed["memory"].precision == 0.5
    assert report.who_filed["copy"].precision is None
    assert report.filed_interval == interval(3, 4)


def test_command_shows_who_filed_in_a_hundred_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    mails = [mail(n, "A") for n in range(1000)]
    office = WrittenAnswers([("A", "A", "memory"), ("A", None, "newcomer")] * 250)
    report = rehearse(mails, RehearsalOptions(0.5, 250), office, always_a, 0.9)
    monkeypatch.setattr(console, "_width", 100)
    with console.capture() as shown:
        show_rehearsal(report)
    lines = shown.get().splitlines()
    whole = next(line for line in lines if line.startswith("all "))
    assert whole.split() == ["all", "-", "-", "250", "of", "250", "-", "-", "250"]
    assert "100.0 % (95 % interval: 98.5 to 100.0 %) of these where people put them" in lines[-1]
    assert all(len(line) <= 100 for line in lines[:-1])
    assert len(lines) == 2 + 2 + 2 + 3 + 1, "no cell is folded"


def test_report_as_json_has_exactly_the_promised_keys():
    office = WrittenAnswers([("A", "A")] * 2)
    report = rehearse([mail(n, "A") for n in range(4)], RehearsalOptions(0.5, 5), office, always_a, 0.95)
    found = json.loads(json.dumps(report.as_json()))
    assert list(found) == [
        "messages",
        "batches",
        "accuracy",
        "filed_share",
        "filed_precision",
        "wanted_precision",
        "baseline_accuracy",
        "unseen_folder_share",
        "train_cpu_s",
        "classify_ms_median",
        "filed_interval",
        "who_filed",
        "left_as_newer",
    ]
    assert found["who_filed"] == {
        "model": {"filed": 2, "right": 2},
        "thread": {"filed": 0, "right": 0},
        "memory": {"filed": 0, "right": 0},
        "copy": {"filed": 0, "right": 0},
        "owner": {"filed": 0, "right": 0},
    }
    assert list(found["batches"][0])[-2:] == ["who_filed", "left_as_newer"]


def test_limit_takes_the_newest_messages():
    office = WrittenAnswers([("A", "A")] * 2)
    rehearse([mail(n, "A") for n in range(9)], RehearsalOptions(0.5, 5, limit=4), office, always_a, 0.95)
    assert office.told == [f"number {n}" for n in (5, 6, 7, 8)]


def test_too_little_mail_is_said_in_words():
    with pytest.raises(TooLittleMail, match="has 1 messages, of which 1 would be learnt"):
        rehearse([mail(0, "A")], RehearsalOptions(0.6, 5), WrittenAnswers([]), always_a, 0.95)


def test_baseline_tells_folders_apart_by_their_words():
    lessons = [mail(n, "Invoices", "please pay the invoice") for n in range(6)]
    lessons += [mail(n, "Deliveries", "the lorry brings pallets") for n in range(6, 12)]
    asked = [mail(20, "", "an invoice to pay, please"), mail(21, "", "pallets on a lorry")]
    assert by_words(lessons, asked) == ["Invoices", "Deliveries"]
    assert by_words(lessons[:6], asked) == ["Invoices", "Invoices"]


# --- sources


def test_eml_tree_gives_folder_text_date_and_thread_of_every_file(tmp_path: Path):
    for number, sample in enumerate(write_office(1, 30)):
        folder = tmp_path / sample.category / "2026"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.eml").write_bytes(sample.raw)
    (tmp_path / "readme.txt").write_text("not in a folder")
    (tmp_path / "Orders" / "undated.eml").write_bytes(b"Subject: no date\r\n\r\nHello")
    mails, undated = from_eml_tree(tmp_path)
    assert len(mails) == 30
    assert undated == 1
    assert {each.folder.partition("/")[2] for each in mails} == {"2026"}
    assert any(each.references for each in mails)


def test_files_in_an_eml_tree_are_read_where_the_settings_say_so(tmp_path: Path):
    letter = EmailMessage()
    letter["From"], letter["Date"] = "ann@example.org", "Mon, 02 Mar 2026 09:00:00 +0000"
    letter.set_content("Please find attached.")
    letter.add_attachment(text_pdf("Rechnung 4711"), "application", "pdf", filename="scan.pdf")
    (tmp_path / "Invoices").mkdir()
    (tmp_path / "Invoices" / "1.eml").write_bytes(letter.as_bytes())
    with closing(AttachedFiles()) as files:
        said = [from_eml_tree(tmp_path, how)[0][0].text.attached_text for how in (None, FilesRead("text", files))]
    assert said == ["", "Rechnung 4711"]


def test_empty_or_missing_tree_says_what_was_expected(tmp_path: Path):
    with pytest.raises(BadSource, match="DIR/FOLDER"):
        from_eml_tree(tmp_path)
    with pytest.raises(BadSource, match="is not a folder"):
        from_eml_tree(tmp_path / "nowhere")


def test_manifest_row_becomes_a_mail_and_a_date_without_zone_is_utc(tmp_path: Path):
    file = tmp_path / "mail.jsonl"
    row = {"folder": "A", "date": "2026-01-05T08:00:00", "from": "x@y.example", "to": "a,\r\n b", "subject": "S"}
    file.write_text(
        json.dumps(row | {"body": "Hello, the desks have come.\n\nOn 3 May 2026, Ann wrote:\n> quoted"}) + "\n\n"
    )
    (found,) = from_manifest(file)
    assert found.at == MORNING
    assert found.text.to == "a, b"
    assert "wrote:" not in found.text.body


def test_every_bad_line_of_a_manifest_is_named_at_once(tmp_path: Path):
    file = tmp_path / "mail.jsonl"
    file.write_text('{"date": "2026-01-05"}\nnot json\n[1]\n{"folder": "A", "date": "yesterday"}\n')
    with pytest.raises(BadSource) as caught:
        from_manifest(file)
    for expected in ('line 1: "folder" is missing', "line 2: ", "line 3: is not a JSON object", "line 4: "):
        assert expected in str(caught.value)


# --- the benchmark on real mail


def test_batches_add_up_and_nothing_filed_has_no_precision():
    rows = [Row(10, 8, 4, 3, 7, 9, 8, "promoted"), Row(30, 20, 0, 0, 30, 15, 14, "kept")]
    assert rows[1].figures()["filed_precision"] is None
    assert in_all(rows).figures() == {
        "messages": 40,
        "accuracy": 0.7,
        "filed_share": 0.1,
        "filed_precision": 0.75,
        "corrections_seen": 37,
        "baseline_accuracy": 0.6,
        "baseline_same_lessons_accuracy": 0.55,
    }


def test_archive_is_read_by_date_with_the_line_ends_of_imap(tmp_path: Path):
    archive = tmp_path / "mail.tar.gz"
    with tarfile.open(archive, "w:gz") as out:
        for number, sample in enumerate(reversed(write_office(2, 5))):
            (tmp_path / "one").write_bytes(sample.raw.replace(b"\r\n", b"\n"))
            out.add(tmp_path / "one", f"owner/{sample.category}/{number}")
    found = read_archive(archive)
    assert [each.raw for each in found] == [sample.raw for sample in write_office(2, 5)]
    assert [each.folder for each in found] == [sample.category for sample in write_office(2, 5)]
    with pytest.raises(ClickException, match="make real-mail DATA=DIR"):
        read_archive(tmp_path / "nowhere")


# --- the real office


@pytest.fixture
def paper_office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RehearsedOffice]:
    """An office whose model says what the first word of the subject tells, and whose categories all need 0.9."""
    model = FakeClassifier({})
    monkeypatch.setattr("daemon.rehearsal.replay.Registry", lambda *_: FakeRegistry(model))

    def policy(tx: Tx, desk: Desk, _: object) -> Policy:
        known = {category.uid: category for category in mailboxes.categories(tx, desk.mailbox_id)}
        uids = {category.name: uid for uid, category in known.items()}
        invoices, orders = uids["Invoices"], uids["Orders"]
        model.answers = {"invoice": {invoices: 0.97, orders: 0.03}, "perhaps": {orders: 0.6, invoices: 0.4}}
        wanted = dict.fromkeys(known, 0.9)
        return Policy(known, wanted, "m1", wanted=wanted, tried=good_hints())

    monkeypatch.setattr("daemon.passes.decide.current_policy", policy)
    with RehearsedOffice(Settings(state_dir=tmp_path)) as office:
        yield office


def outcomes_known(office: RehearsedOffice) -> list[tuple[str, bool]]:
    names = {category.uid: category.name for category in office.categories.values()}
    with office.desk.database.read() as tx:
        return [
            (names[point.predicted], point.correct)
            for point in evidence(tx, office.desk.mailbox_id, office.desk.clock())
        ]


def word(subject: str, folder: str, day: float) -> LabelledMail:
    text = MailText(sender="a@b.example", subject=subject, body=f"number {day}")
    return LabelledMail(folder, text, MORNING + timedelta(days=day), f"<{day}@b.example>")


def put_right(office: RehearsedOffice, mail: LabelledMail) -> Verdict:
    """As the rehearsal does: a person files what was left and moves what was wrong."""
    verdict = office.decide(mail)
    if verdict.filed != mail.folder:
        office.learn([mail])
    return verdict


def test_what_a_person_moves_or_files_is_evidence_at_once_and_what_was_right_a_day_later(
    paper_office: RehearsedOffice,
) -> None:
    paper_office.learn([word("invoice", "Invoices", 0), word("perhaps", "Orders", 1)])
    assert outcomes_known(paper_office) == [], "what was learnt at the start was never decided about"
    assert put_right(paper_office, word("invoice one", "Invoices", 2)).filed == "Invoices"
    assert outcomes_known(paper_office) == []
    assert put_right(paper_office, word("perhaps two", "Orders", 2.5)).filed is None
    assert outcomes_known(paper_office) == [("Orders", True)]
    assert put_right(paper_office, word("invoice three", "Orders", 2.9)).filed == "Invoices"
    assert outcomes_known(paper_office) == [("Invoices", False), ("Orders", True)]
    put_right(paper_office, word("perhaps four", "Invoices", 3.1))
    assert outcomes_known(paper_office)[:1] == [("Orders", False)]
    assert outcomes_known(paper_office)[-1:] == [("Invoices", True)], "the first, which has rested for a day"


def test_learning_what_was_filed_rightly_is_no_correction(paper_office: RehearsedOffice) -> None:
    paper_office.learn([word("invoice", "Invoices", 0), word("perhaps", "Orders", 1)])
    mails = [word("invoice one", "Invoices", 2), word("perhaps two", "Invoices", 2.1)]
    for one in mails:
        put_right(paper_office, one)
    paper_office.learn(mails)  # by the next training all of it lies in folders
    with paper_office.desk.database.read() as tx:
        said = learning.corrections(tx, paper_office.desk.mailbox_id)
    assert [(one.kind, one.from_folder, one.to_folder) for one in said] == [("filing", "INBOX", "Invoices")]


def test_decisions_are_stored_as_the_service_stores_them_on_the_mails_dates(paper_office: RehearsedOffice) -> None:
    paper_office.learn([word("invoice", "Invoices", 0), word("perhaps", "Orders", 1)])
    paper_office.decide(word("invoice one", "Invoices", 5))
    paper_office.decide(replace(word("perhaps", "Orders", 3), references=("<0@b.example>",)))  # its clock was behind
    with paper_office.desk.database.read() as tx:
        made = decisions.since(tx, paper_office.desk.mailbox_id, MORNING)
    names = {category.uid: name for name, category in paper_office.categories.items()}
    assert [(one.source, names[one.category or ""], one.model, one.mode) for one in made] == [
        ("model", "Invoices", "m1", "live"),
        ("thread", "Invoices", "m1", "live"),
    ]
    assert [one.at for one in made] == [MORNING + timedelta(days=5)] * 2
    assert made[0].probability == pytest.approx(0.97)
    assert [one.hint is None for one in made] == [True, False]


def office_mail(count: int) -> list[LabelledMail]:
    """The sample office's mail with what its files say: some says nothing else."""
    found, reads = [], FilesRead("text", AttachedFiles())
    for sample in write_office(4, count):
        parsed = parse(sample.raw, papers=True)
        text = text_with_files(reads, parsed)
        found.append(LabelledMail(sample.category, text, sample.when, parsed.message_id, parsed.references))
    reads.files.close()
    return found


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_real_office_learns_files_and_follows_threads(tmp_path: Path):
    settings = Settings(
        state_dir=tmp_path,
        training=TrainingSettings(threads=2),
        sorting={"precision": 0.8},
        engine={"max_tokens": 96},
    )
    mails = office_mail(170)
    with RehearsedOffice(settings) as office:
        report = rehearse(mails, RehearsalOptions(0.8, 100), office, by_words, 0.8)
        assert report.messages == 34
        assert report.accuracy > 0.5
        assert report.train_cpu_s > 1
        assert report.classify_ms_median > 0
        # Where a person put a reply's thread is heard, whatever its words are.
        told = replace(mails[0], message_id="<told@x.example>", folder="Contracts", at=mails[-1].at)
        ann = MailText(sender="ann@x.example", subject="Lease", body="We end the lease of the showroom.")
        office.learn([replace(told, text=ann)])
        reply = replace(told, message_id="<reply@x.example>", references=("<told@x.example>",))
        office.decide(replace(reply, text=replace(ann, subject="Re: Lease", body="Fine with us.")))
        with office.desk.database.read() as tx:
            made = decisions.since(tx, office.desk.mailbox_id, mails[0].at)
        assert "same thread as a mail that was filed by hand" in made[-1].reason
    assert not any(tmp_path.iterdir()), "the rehearsal leaves nothing in the state directory"


def test_command_wants_exactly_one_source(tmp_path: Path):
    result = CliRunner().invoke(postroom, ["rehearse"])
    assert result.exit_code == 2
    assert "Say one of --eml-tree" in result.output


def test_command_names_a_manifest_that_is_not_there(tmp_path: Path):
    command = [sys.executable, "-P", "-c", "from daemon.cli import main; main()", "rehearse", "--manifest", "no.jsonl"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "no.jsonl: cannot be read" in result.stderr


@pytest.mark.model
@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGHUP])
def test_an_ended_rehearsal_leaves_no_mail_behind(ended_by: signal.Signals, tmp_path: Path):
    rows = [
        {"folder": each.folder, "date": each.at.isoformat(), "from": each.text.sender, "body": each.text.body}
        for each in office_mail(60)
    ]
    manifest = tmp_path / "mail.jsonl"
    manifest.write_text("\n".join(map(json.dumps, rows)))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-m", "daemon.cli", "rehearse", "--manifest", str(manifest)]
    # Under `nohup` the tests themselves would hand down that SIGHUP is ignored, and the command respects that.
    before = signal.signal(ended_by, signal.SIG_DFL)
    process = subprocess.Popen(command, env={**os.environ, "TMPDIR": str(scratch)}, stderr=subprocess.PIPE)
    signal.signal(ended_by, before)
    with process:
        deadline = time.monotonic() + 60
        while not list(scratch.glob("postroom-rehearsal-*/training/job-*/lessons.jsonl")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(ended_by)
        assert process.wait(30) == 128 + ended_by
    assert list(scratch.glob("postroom-*")) == []
    deadline = time.monotonic() + 60  # a trainer that had not begun looks for its starter when it begins
    while [each for each in Path("/proc").glob("[0-9]*/cmdline") if str(scratch).encode() in _read(each)]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # it has ended since
        return b""
