"""The housekeeping benchmark: what an office changes, what is judged, and what its tables say."""

from __future__ import annotations

import io
import json
import tarfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.cut_table import by_change, compared, pooled, table
from benchmarks.cuts import Judged, Task, judge, lend, places, say_they_differ, settings_of, take_back
from benchmarks.dated_mail import BODY_END, COMMIT, FIELD, from_commits, read_archive, shortened
from benchmarks.housekeeping import main
from benchmarks.office_changes import AFTER, BEFORE, KINDS, WHENS, Change, draw, keep_house
from connectors.base import MailText
from daemon.rehearsal.back_test import LabelledMail, Office, Trained, Verdict
from daemon.rehearsal.replay import RehearsedOffice
from daemon.rules.thresholds import interval
from daemon.store import twin_pairs

MORNING = datetime(2024, 1, 5, 8, tzinfo=UTC)
FOLDERS = ("Acme", "Clients/Bolt", "Invoices", "Private", "Team/Ann", "Orders", "Once")


def archive(count: int = 1000) -> list[LabelledMail]:
    """Mail of seven folders in turn, the last of them rare, each from four senders."""
    return [
        letter(number, FOLDERS[number % 6 if number % 100 else 6], f"{number % 4}@x.example") for number in range(count)
    ]


def letter(number: int, folder: str, sender: str = "a@x.example") -> LabelledMail:
    text = MailText(sender=sender, subject=f"number {number}", body=f"This is mail {number}.")
    return LabelledMail(folder, text, MORNING + timedelta(hours=number), f"<{number}@x.example>")


def kept(mails: Sequence[LabelledMail], change: Change, cut: int) -> list[tuple[str, str, bool]]:
    """(subject, folder, asked) of every step."""
    return [(step.mail.text.subject, step.mail.folder, step.asked) for step in keep_house(mails, [change], cut)]


# --- what the office changes


def test_ten_cuts_have_every_kind_of_change_twice_before_at_and_after_them():
    mails = archive()
    drawn = [draw(mails, cut, number, 1) for number, cut in enumerate(places(len(mails), 10))]
    assert Counter((change.kind, change.when) for changes in drawn for change in changes) == {
        (kind, when): 2 for kind in KINDS for when in WHENS
    }
    assert drawn == [draw(mails, cut, number, 1) for number, cut in enumerate(places(len(mails), 10))]
    assert drawn != [draw(mails, cut, number, 2) for number, cut in enumerate(places(len(mails), 10))]


def test_changes_lie_around_their_cut_and_share_no_folder():
    mails, cut = archive(), 600
    for number in range(10):
        changes = draw(mails, cut, number, 3)
        touched = [folder for change in changes for folder in change.folders]
        assert len(touched) == len(set(touched))
        assert "Once" not in touched, "only larger folders are tidied up"
        for change in changes:
            low, high = {"before": (-BEFORE[1], -BEFORE[0]), "at": (0, 0), "after": AFTER}[change.when]
            assert low <= change.at - cut <= high
            assert change.kind == "merge" or not set(change.new) & set(FOLDERS)


def test_new_names_are_such_as_people_give():
    mails = archive()
    names = {
        (change.kind, name) for seed in range(30) for change in draw(mails, 600, seed % 5, seed) for name in change.new
    }
    renamed = {name for kind, name in names if kind == "rename"}
    kinds = ("(", "2024/", "/")
    assert {next(kind for kind in kinds if kind in name.replace("Clients/Bolt", "")) for name in renamed} == set(kinds)
    assert all(name.rpartition("/")[0] in FOLDERS for kind, name in names if kind == "nest")


def test_renamed_folder_keeps_its_old_mail_and_the_last_ones_lie_on_both_sides():
    mails = [letter(number, "Acme" if number % 2 else "Orders") for number in range(40)]
    steps = kept(mails, Change("rename", "before", 20, ("Acme",), ("Plant North (Acme)",), 1), cut=30)
    originals = {subject: folder for subject, folder, asked in steps if asked}
    assert originals["number 19"] == "Acme"
    assert originals["number 21"] == "Plant North (Acme)"
    assert originals["number 22"] == "Orders"
    copies = [(subject, folder) for subject, folder, asked in steps if not asked]
    assert 3 <= len(copies) <= 10
    assert copies[-1] == ("number 19", "Plant North (Acme)")
    assert steps.index(("number 19", "Plant North (Acme)", False)) == steps.index(("number 19", "Acme", True)) + 1


def test_copies_of_a_change_after_the_cut_are_made_at_that_change():
    mails = [letter(number, "Acme") for number in range(40)]
    steps = keep_house(mails, [Change("rename", "after", 25, ("Acme",), ("2024/Acme",), 1)], 10)
    copies = [step for step in steps if not step.asked]
    assert {step.place for step in copies} == {24}
    assert all(step.mail.at >= mails[24].at for step in copies), "nobody knew of them before"


def test_copy_is_a_message_of_its_own_and_a_lesson_of_its_own():
    mails = [letter(number, "Acme" if number % 2 else "Orders") for number in range(40)]
    steps = keep_house(mails, [Change("copy", "at", 20, ("Acme", "Orders"), (), 1)], 20)
    assert [step.mail for step in steps if step.asked] == mails, "the person files the originals as ever"
    copies = [step for step in steps if not step.asked]
    assert 0 < len(copies) < 10
    for step in copies:
        original = mails[step.place]
        assert (original.folder, step.mail.folder, step.mail.message_id) == ("Acme", "Orders", None)
        assert step.mail.text != original.text
        assert step.mail.text.body.strip() == original.text.body


def test_split_and_nesting_go_by_sender_and_merged_folders_into_one():
    senders = ["a@x.example", "a@x.example", "b@x.example", "c@x.example", "d@x.example"]
    mails = [letter(number, "Acme", senders[number % 5]) for number in range(40)]
    split = keep_house(mails, [Change("split", "at", 20, ("Acme",), ("Acme North", "Acme South"), 1)], 20)
    after = {(step.mail.text.sender, step.mail.folder) for step in split if step.place >= 20}
    assert {folder for _, folder in after} == {"Acme North", "Acme South"}
    assert len(after) == 4, "no sender writes to both"
    assert {step.mail.folder for step in split if step.place < 20} == {"Acme"}
    beside = keep_house(mails, [Change("split", "at", 20, ("Acme",), ("Acme North",), 1)], 20)
    assert {step.mail.folder for step in beside if step.place >= 20} == {"Acme", "Acme North"}
    nested = keep_house(mails, [Change("nest", "at", 20, ("Acme",), ("Acme/Ann",), 1)], 20)
    assert {step.mail.folder for step in nested if step.place >= 20} == {"Acme", "Acme/Ann"}
    # b answers a, and a answers b: each thread goes where its first mail went.
    threads = [replace(mails[20], references=()), replace(mails[22], references=("<20@x.example>",)), mails[23]]
    threads += [replace(mails[25], references=("<24@x.example>", "<23@x.example>")), *mails[26:40]]
    answered = keep_house(threads, [Change("nest", "at", 0, ("Acme",), ("Acme/Ann",), 1)], 0)
    assert [step.mail.folder for step in answered[:4]] == ["Acme/Ann", "Acme/Ann", "Acme", "Acme"]
    two = [replace(mail, folder=("Acme", "Orders")[mail.at.hour % 2]) for mail in mails]
    merged = keep_house(two, [Change("merge", "at", 20, ("Acme", "Orders"), ("Orders",), 1)], 20)
    assert {step.mail.folder for step in merged if step.place >= 20} == {"Orders"}
    assert {step.mail.folder for step in merged if step.place < 20} == {"Acme", "Orders"}


# --- cuts


def test_cuts_lie_evenly_over_the_later_part_and_never_in_one_mail():
    assert places(1000, 3) == [400, 600, 800]
    assert len(set(places(620, 20))) == 20
    with pytest.raises(ValueError, match="too few: 200 are to be judged"):
        places(300, 1)
    with pytest.raises(ValueError, match="too few for 10 cuts"):
        places(335, 10)


class PaperOffice(Office):
    """Files everything where its diary's answers say, and writes down what it was told."""

    def __init__(self, settings: Any = None) -> None:
        self.settings = settings
        self.told: list[tuple[str, str]] = []
        self.asked: list[str] = []

    def __enter__(self) -> PaperOffice:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def learn(self, mails: Sequence[LabelledMail]) -> None:
        self.told += [(mail.text.subject, mail.folder) for mail in mails]

    def train(self) -> Trained:
        return Trained(0.0, "promoted")

    def decide(self, mail: LabelledMail) -> Verdict:
        self.asked.append(mail.text.subject)
        number = int(mail.text.subject.split()[1])
        if number % 4 == 3:
            return Verdict("Acme", None, 1.0, "newcomer")
        return Verdict("Acme", "Acme", 1.0, "memory" if number % 4 == 2 else "model")


def test_person_puts_right_at_once_and_copies_are_learnt_but_never_asked_about():
    mails = [letter(number, "Acme" if number % 2 else "Orders") for number in range(12)]
    steps = keep_house(mails, [Change("copy", "at", 6, ("Acme", "Orders"), (), 2)], 6)
    copied = [step.mail.text.subject for step in steps if not step.asked]
    assert copied
    office = PaperOffice()
    judged = Judged.of(judge(office, steps, 6, 4))
    assert office.asked == [f"number {number}" for number in range(6, 10)]
    assert office.told[:6] == [(f"number {number}", mails[number].folder) for number in range(6)]
    later = office.told[6:]
    assert [(subject, folder) for subject, folder in later if subject not in copied or folder == "Acme"] == [
        ("number 6", "Orders"),
        ("number 7", "Acme"),
        ("number 8", "Orders"),
    ], "9 was filed rightly"
    assert {(subject, "Orders") for subject in copied if int(subject.split()[1]) < 10} <= set(later)
    assert judged == Judged(4, 3, 1, 2, {"memory": (1, 0), "model": (2, 1)}, 1)


def test_a_person_may_answer_what_the_training_asked_about_twin_folders(tmp_path: Path):
    with RehearsedOffice(settings_of(tmp_path, language=False, threads=1)) as office:
        office.learn([letter(0, "Acme"), letter(1, "Orders")])
        uids = sorted(category.uid for category in office.categories.values())
        with office.desk.database.begin() as tx:
            box, now = office.desk.mailbox_id, office.desk.clock()
            twin_pairs.save(tx, box, (uids[0], uids[1]), ["the same name"], (None, None, False), now)
        say_they_differ(office.desk)
        with office.desk.database.read() as tx:
            assert [pair.choice for pair in twin_pairs.pairs(tx, box)] == ["differ"]


def test_readings_of_one_office_are_lent_to_the_next_and_none_is_lost(tmp_path: Path):
    pool, first, second = tmp_path / "pool", tmp_path / "first", tmp_path / "second"
    lend(pool, first)
    for office, keys in ((first, ["a", "b"]), (second, ["b", "c"])):
        office.mkdir(exist_ok=True)
        with (office / "readings-1.npz").open("wb") as file:
            np.savez(file, keys=np.array(keys), rows=np.array([[ord(key)] for key in keys]))
        take_back(office, pool)
    lend(pool, tmp_path / "third")
    with np.load(tmp_path / "third" / "readings-1.npz") as arrays:
        assert dict(zip(arrays["keys"].tolist(), arrays["rows"][:, 0].tolist(), strict=True)) == {
            key: ord(key) for key in "abc"
        }


def test_without_a_language_model_a_training_has_no_time_to_read(tmp_path: Path):
    from trainer.recipe import Recipe

    assert settings_of(tmp_path, True, 1).training.time_limit.total_seconds() > 600
    assert settings_of(tmp_path, False, 1).training.time_limit.total_seconds() < Recipe().reserved_s


# --- archives


def commit(number: int, files: str, subject: str = "mend it") -> str:
    fields = (f"{number:040d}", "Ann <ann@x.example>", str(1_700_000_000 - number), subject, "Because it was broken.")
    return f"{COMMIT}{FIELD.join(fields)}{BODY_END}\n\n{files}\n"


def test_commits_are_mail_of_the_folder_in_which_they_changed_the_most():
    log = "".join(commit(number, "docs/a.md\nsrc/x/a.py\nsrc/y.py") for number in range(20))
    log += "".join(commit(number, "docs/a.md\nREADME") for number in range(20, 45))
    log += commit(50, "rare/a.py") + commit(51, "")
    found = from_commits(log)
    assert Counter(mail.folder for mail in found) == {"src": 20, "docs": 25}
    assert found[0].text == MailText(sender="Ann <ann@x.example>", subject="mend it", body="Because it was broken.")
    assert found[0].at == datetime.fromtimestamp(1_700_000_000, UTC)


def test_folder_that_holds_most_commits_is_told_apart_by_those_within():
    log = "".join(commit(number, f"lib/{('core', 'web')[number % 2]}/deep/a.py") for number in range(80))
    log += "".join(commit(number, "doc/a/b.md") for number in range(80, 100))
    assert Counter(mail.folder for mail in from_commits(log)) == {"lib/core": 40, "lib/web": 40, "doc": 20}


def test_short_mail_keeps_neither_sender_nor_thread():
    mail = replace(letter(1, "Acme"), references=("<0@x.example>",))
    short = shortened(mail, 7)
    assert (short.text, short.message_id, short.references) == (MailText(subject="number 1", body="This is"), None, ())
    assert (short.folder, short.at) == (mail.folder, mail.at)


def test_list_archive_gives_clean_fields_and_the_thread_of_the_headers(tmp_path: Path):
    row = {"folder": "ilug", "received": "2002-01-05T08:00:00+00:00", "from": "a@x.example", "file": "mail/ilug/1.eml"}
    rows = [row | {"subject_clean": "Hello", "body_clean": "Clean."}]
    rows.append(rows[0] | {"folder": "_unsorted", "file": "mail/none.eml"})
    eml = "Message-ID: <2@x.example>\nIn-Reply-To: <1@x.example>\nSubject: [ilug] Hello\n\nIn-Reply-To: <9@x.example>"
    with tarfile.open(tmp_path / "spamassassin_folders.tar.gz", "w:gz") as out:
        for name, text in (("manifest.jsonl", "\n".join(map(json.dumps, rows))), ("mail/ilug/1.eml", eml)):
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(text.encode())
            out.addfile(member, io.BytesIO(text.encode()))
    [found] = read_archive("sa", tmp_path)
    assert (found.folder, found.text) == ("ilug", MailText(sender="a@x.example", subject="Hello", body="Clean."))
    assert (found.message_id, found.references) == ("<2@x.example>", ("<1@x.example>",))
    with pytest.raises(ValueError, match="no archive spam"):
        read_archive("spam", tmp_path)


# --- tables


def result(cut: int, filed: int, right: int, **more: Any) -> dict[str, Any]:
    task = Task("lokay", "plain", cut, 10, 1)
    counts = {"at": 100 * cut, "messages": 200, "filed": filed, "right": right, "best": 150, "newcomer": 3}
    return {**task.__dict__, **counts, "who": {"model": [filed, right]}, "changes": [], **more}


def test_cuts_are_pooled_and_mail_that_two_of_them_judged_counts_once():
    rows = [result(0, 100, 95), result(1, 100, 85), result(2, 50, 10)]
    found = pooled(rows)
    assert (found.cuts, found.messages, found.filed, found.right, found.newcomer) == (3, 600, 250, 190, 9)
    assert found.precision == 0.76
    assert found.worst == 0.85, "50 filed say too little"
    assert found.interval == interval(round(190 * 400 / 600), round(250 * 400 / 600))
    assert pooled([result(0, 0, 0)]).precision is None


def test_table_has_a_line_a_cut_and_one_for_all_and_fits_its_columns():
    rows = [result(0, 100, 95), result(1, 100, 85, who={"model": [60, 60], "thread": [40, 25]})]
    lines = table(rows)
    assert [line.split()[2] for line in lines[1:]] == ["1", "2", "all"]
    assert lines[-1].split()[3:6] == ["400", "200", "90.0"]
    assert "155/160" in lines[-1]
    assert "25/40" in lines[-1]
    assert len({len(line) for line in lines}) == 1


def test_before_and_after_are_compared_on_the_cuts_that_both_have():
    before = [result(0, 100, 80), result(1, 100, 10)]
    after = [result(0, 90, 90), result(5, 100, 0)]
    [_, line] = compared(before, after)
    assert line.split()[:2] == ["lokay", "plain"]
    assert "80.0 > 100.0" in line
    assert "50.0 > 45.0" in line


def test_wrong_filings_are_told_by_change():
    rows = [result(0, 9, 9, changes=[["nest", "at", 10, 4, 1]]), result(1, 9, 9, changes=[["nest", "at", 5, 4, 3]])]
    assert by_change(rows)[1].split() == ["lokay", "nest", "at", "15", "8", "50.0"]
    assert by_change([result(0, 1, 1)]) == []


# --- the command


def test_command_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any):
    offices: list[PaperOffice] = []

    def open_office(settings: Any) -> PaperOffice:
        offices.append(PaperOffice(settings))
        return offices[-1]

    monkeypatch.setattr("benchmarks.cuts.RehearsedOffice", open_office)
    monkeypatch.setattr("benchmarks.cuts.prepare", lambda cache: None)
    place = tmp_path / "enron_lokay"
    place.mkdir()
    rows = [
        {"folder": mail.folder, "date": mail.at.isoformat(), "from": mail.text.sender, "subject": mail.text.subject}
        for mail in archive(500)
    ]
    (place / "lokay-m.manifest.jsonl").write_text("\n".join(map(json.dumps, rows)))
    out = tmp_path / "out.jsonl"
    options = [
        "--data",
        str(tmp_path),
        "--archive",
        "lokay",
        "--cuts",
        "2",
        "--cache",
        str(tmp_path),
        "--out",
        str(out),
    ]
    options.append("--no-language")
    assert main([*options, "--only", "plain", "--cut", "2"]) == 0
    assert [json.loads(line)["cut"] for line in out.read_text().splitlines()] == [1]
    assert main([*options, "--only", "plain"]) == 0
    assert len(offices) == 2
    whole = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert whole["lokay -l, plain"]["messages"] == 400
    lines = out.read_text().splitlines()
    out.write_text(f"{lines[0]}\n{lines[1][:40]}")  # killed in the middle of a line
    assert main(options) == 0
    assert len(offices) == 2 + 3, "one was there already"
    assert main(options) == 0
    assert len(offices) == 5
    capsys.readouterr()
    assert main([*options, "--compare", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "lokay -l" in shown
    assert " housekeeping " in shown


def test_command_says_what_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--data", str(tmp_path), "--cache", str(tmp_path), "--archive", "spam"]) == 2
    assert "no archive spam" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--cut", "11"])
    assert "there is no cut 11 of 10." in capsys.readouterr().err
