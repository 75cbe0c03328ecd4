"""Mailboxes that share: three inboxes of a department in memory, one real database, one model for all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from connectors.base import MailText
from connectors.in_memory import MemoryConnector
from daemon.cli import postroom
from daemon.mistakes import PostroomError
from daemon.passes import guard
from daemon.passes.desk import Desk
from daemon.passes.folder_list import list_folders
from daemon.passes.mailroom import Mailroom, open_mailroom
from daemon.passes.one_pass import one_pass
from daemon.privacy.forgetting import forget, look_for, memory_of
from daemon.privacy.mailbox_reset import known_of, reset
from daemon.privacy.person import Person
from daemon.report.teaching import overview
from daemon.rules import breakers
from daemon.service.changeover import take_up
from daemon.service.loop import Service
from daemon.settings import Settings
from daemon.store import decisions, learning, mailboxes, sharing, training
from daemon.store.records import Category
from daemon.training.hand_over import write_lessons
from tests.a_model import VERSION, put_model
from tests.fakes import START, Clock

CONFIG = """
state_dir = "{state}"
[[mailbox]]
name = "dept"
mode = "live"
host = "localhost"
tls = "none"
user = "dept@x.example"
credential = "c"
{dept}
[[mailbox]]
name = "sales"
mode = "live"
host = "localhost"
tls = "none"
user = "sales@x.example"
credential = "c"
{sales}
[[mailbox]]
name = "press"
mode = "live"
host = "localhost"
tls = "none"
user = "press@x.example"
credential = "c"
share = "dept"
[sorting]
min_examples = 2
rule_window = "0s"
[training]
window = "00:00-00:00"
"""
LISTED = '[[mailbox.category]]\nname = "Invoices"\n[[mailbox.category]]\nname = "Orders"\nhides = true\n'
FOLDERS = ("INBOX", "Invoices", "Orders")


class Department:
    """Three mailboxes at work. `open` does what a start of the service does."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.config = folder / "postroom.toml"
        self.state = folder / "state"
        self.clock = Clock()
        self.boxes = {
            name: MemoryConnector(folders=FOLDERS, object_ids=False, clock=self.clock)
            for name in ("dept", "sales", "press")
        }
        self._stack = stack

    def open(self, *, dept: str = "", sales: str = 'share = "dept"') -> None:
        self.config.write_text(CONFIG.format(state=self.state, dept=dept, sales=sales))
        self.settings = Settings.load(self.config)
        self.mailroom: Mailroom = self._stack.enter_context(open_mailroom(self.settings, clock=self.clock))
        for name, box in self.boxes.items():
            self.desk(name).connector = box
            take_up(self.mailroom, self.desk(name))
            one_pass(self.desk(name))

    def desk(self, name: str) -> Desk:
        return self.mailroom.desk(name)

    def uids(self, name: str) -> dict[str, str]:
        with self.mailroom.database.read() as tx:
            return {one.folder: one.uid for one in mailboxes.categories(tx, self.desk(name).mailbox_id)}

    def counts(self, name: str) -> dict[str, int]:
        """Lessons that count in this mailbox, by what the mailbox calls the category."""
        with self.mailroom.database.read() as tx:
            box = self.desk(name).mailbox_id
            names = mailboxes.category_names(tx, box)
            return {names[uid]: count for uid, count in learning.lesson_counts(tx, box).items()}

    def own(self, name: str) -> list[str]:
        """The folders of the lessons that are rows of this mailbox."""
        folders = {uid: folder for folder, uid in self.uids(name).items()}
        with self.mailroom.database.read() as tx:
            found = learning.lessons(tx, self.desk(name).mailbox_id, as_filed=True)
            return [folders[lesson.category] for lesson in found]

    def files(self, name: str, folder: str, *subjects: str, body: str = "Please see to it.") -> None:
        """People put new mail into this folder."""
        for subject in subjects:
            mail = self.boxes[name].deliver(MailText(sender="ann@p.example", subject=subject, body=body))
            one_pass(self.desk(name))
            self.clock.advance(minutes=1)
            self.boxes[name].move_by_person(mail.ref, folder)
            one_pass(self.desk(name))
            self.clock.advance(minutes=11)
            one_pass(self.desk(name))

    def folders_of(self, name: str, subject: str) -> list[str]:
        return [one.sighting.ref.folder for one in self.boxes[name].everything() if one.text.subject == subject]

    def command(self, *words: str) -> Any:
        return CliRunner().invoke(postroom, ["--config", str(self.config), *words])


@pytest.fixture
def department(tmp_path: Path) -> Iterator[Department]:
    with ExitStack() as stack:
        yield Department(tmp_path, stack)


# --- categories and folders


@pytest.mark.parametrize("dept", ["", LISTED])
def test_a_member_has_the_lenders_categories_in_folders_of_its_own(department: Department, dept: str) -> None:
    department.boxes["sales"].create_folder("Regions")
    department.boxes["press"].delete_folder("Orders")
    department.open(dept=dept)
    lent = department.uids("dept")
    assert set(lent) == {"Invoices", "Orders"}
    assert department.uids("sales") == lent, "no other folder is a category"
    with department.mailroom.database.read() as tx:
        [invoices, orders] = mailboxes.categories(tx, department.desk("press").mailbox_id)
    assert (invoices.paused, orders.paused) == (None, 'there is no folder "Orders"')
    assert (orders.uid, orders.hides) == (lent["Orders"], bool(dept))
    department.boxes["sales"].rename_folder("Invoices", "Bills")
    list_folders(department.desk("sales"))
    assert department.uids("sales") == {"Bills": lent["Invoices"], "Orders": lent["Orders"]}
    assert department.uids("dept") == lent


def test_a_member_that_is_looked_at_first_waits_for_the_lenders_categories(department: Department) -> None:
    department.config.write_text(CONFIG.format(state=department.state, dept="", sales='share = "dept"'))
    with open_mailroom(Settings.load(department.config), clock=department.clock) as department.mailroom:
        for name in ("sales", "dept", "sales"):
            department.desk(name).connector = department.boxes[name]
            take_up(department.mailroom, department.desk(name))
            one_pass(department.desk(name))
            assert name == "dept" or department.uids("sales") == department.uids("dept")
        assert set(department.uids("sales")) == {"Invoices", "Orders"}


def test_a_folder_stands_for_one_category_though_the_lender_gives_its_name_to_another(department: Department) -> None:
    department.open()
    department.files("sales", "Orders", "tulips")
    last_year = department.uids("dept")["Orders"]
    department.boxes["dept"].rename_folder("Orders", "Orders 2025")
    list_folders(department.desk("dept"))
    department.boxes["dept"].create_folder("Orders")
    list_folders(department.desk("dept"))
    this_year = department.uids("dept")["Orders"]
    department.boxes["press"].rename_folder("Orders", "Sales")
    for name in ("sales", "press"):
        list_folders(department.desk(name))
    invoices = department.uids("dept")["Invoices"]
    assert department.uids("sales") == {"Invoices": invoices, "Orders": this_year, "Orders 2025": last_year}
    assert department.uids("press") == {"Invoices": invoices, "Sales": last_year, "Orders": this_year}
    with department.mailroom.database.read() as tx:
        told = {
            name: {one.name: one.paused for one in mailboxes.categories(tx, department.desk(name).mailbox_id)}
            for name in ("sales", "press")
        }
    assert told["sales"] == {"Invoices": None, "Orders": None, "Orders 2025": 'there is no folder "Orders 2025"'}
    assert told["press"] == {"Invoices": None, "Orders 2025": None, "Orders": 'there is no folder "Orders"'}
    department.files("sales", "Orders", "roses")
    assert department.counts("dept") == {"Orders 2025": 1, "Orders": 1}, "what was taught stays, what is taught is new"


def test_a_folder_that_is_renamed_here_to_anothers_name_stays_what_it_was(department: Department) -> None:
    department.boxes["sales"].delete_folder("Orders")
    department.open()
    lent = department.uids("dept")
    department.files("sales", "Invoices", "tulips")
    department.boxes["sales"].rename_folder("Invoices", "Orders")
    list_folders(department.desk("sales"))
    department.files("sales", "Orders", "roses")
    with department.mailroom.database.read() as tx:
        known = mailboxes.categories(tx, department.desk("sales").mailbox_id)
    assert {one.uid: one.folder for one in known if one.paused is None} == {lent["Invoices"]: "Orders"}
    assert department.counts("dept") == {"Invoices": 2}


# --- lessons and nights


def test_what_people_teach_in_one_counts_in_all_and_stays_a_row_of_that_one(
    department: Department, tmp_path: Path
) -> None:
    department.open()
    department.files("sales", "Orders", "tulips")
    department.files("press", "Invoices", "roses")
    for name in department.boxes:
        assert department.counts(name) == {"Orders": 1, "Invoices": 1}
    assert {name: department.own(name) for name in department.boxes} == {
        "dept": [],
        "sales": ["Orders"],
        "press": ["Invoices"],
    }
    dept = department.desk("dept").mailbox_id
    write_lessons(department.mailroom.database, dept, tmp_path / "lessons")
    assert [json.loads(row)["text"]["subject"] for row in (tmp_path / "lessons").read_text().splitlines()] == [
        "tulips",
        "roses",
    ]
    with department.mailroom.database.read() as tx:
        assert training.fresh_lessons(tx, dept) == 2
        told = overview(tx, department.desk("sales").mailbox_id, (), 2)
        assert [(one.name, one.sources) for one in told] == [
            ("Invoices", "1 of mailboxes that share"),
            ("Orders", "1 people's moves"),
        ]
        assert [one.id for one in learning.lessons(tx, dept, as_filed=True)] == []


def test_a_night_trains_for_the_lender_alone_and_deletes_for_all(
    department: Department, monkeypatch: pytest.MonkeyPatch
) -> None:
    department.open()
    department.files("sales", "Orders", "tulips")
    department.clock.advance(days=1)
    service = Service(department.config, department.settings, clock=department.clock)
    nights = service._plan(department.mailroom, department.mailroom.desks()).nights
    trained: list[str] = []
    monkeypatch.setattr(nights, "_train", lambda desk: trained.append(desk.settings.name))
    nights.train_all()
    assert trained == ["dept"]
    department.clock.advance(days=366)
    for _ in range(20):  # a leap of the clock is not believed at once
        department.clock.advance(days=1)
        nights.train_all()
    assert department.own("sales") == []


def test_a_member_decides_by_the_lenders_model_and_learns_from_all_at_once(department: Department) -> None:
    department.open()
    put_model(department.state, "dept", department.clock())
    for name in department.boxes:
        found = department.mailroom.registry.classifier(department.desk(name).mailbox_id)
        assert found is not None
        assert found.meta.version == VERSION
    text = "We would like to order two hundred yellow tulips for the garden party in the old town hall on Friday"
    department.files("sales", "Orders", "tulips", body=text)
    department.boxes["press"].deliver(MailText(sender="bob@q.example", subject="tulips", body=text))
    one_pass(department.desk("press"))
    department.clock.advance(minutes=3)
    one_pass(department.desk("press"))
    assert department.folders_of("press", "tulips") == ["Orders"]
    with department.mailroom.database.read() as tx:
        box = department.desk("press").mailbox_id
        [decision] = decisions.since(tx, box, START)
    assert (decision.source, decision.model) == ("memory", VERSION)
    assert "a mail that was filed by hand" in decision.reason
    for word in ("sales", "ann@p.example", "tulips", "INBOX"):
        assert word not in decision.reason, "nothing is told of another mailbox's mail"


def test_overrides_in_all_take_the_model_back_and_a_pause_is_one_mailboxs_own(
    department: Department, monkeypatch: pytest.MonkeyPatch
) -> None:
    department.open()
    put_model(department.state, "dept", department.clock())
    box = department.desk("dept").mailbox_id
    with department.mailroom.database.begin() as tx:
        training.add_model(tx, box, "newer", f"dept/{VERSION}", department.clock(), state="kept", verdict="", exam={})
        training.promote(tx, box, "newer", department.clock())
    for name in ("sales", "press"):
        department.files(name, "Orders", f"{name} one", f"{name} two")
        uids = department.uids(name)
        with department.mailroom.database.begin() as tx:
            for correction in learning.corrections(tx, department.desk(name).mailbox_id):
                decisions.add(tx, correction.message, department.clock(), **_filed_into(uids["Invoices"]))
    asked: list[tuple[int, int]] = []

    def got_worse(filed: Sequence[Any], current: str, *_: Any) -> tuple[breakers.Share, breakers.Share]:
        asked.append((len(filed), sum(one.overridden for one in filed)))
        return breakers.Share(4, 4), breakers.Share(0, 40)

    def unusually(filed: Sequence[Any], *_: Any) -> None:
        asked.append((len(filed), sum(one.overridden for one in filed)))

    monkeypatch.setattr(breakers, "got_worse", got_worse)
    monkeypatch.setattr(breakers, "overridden_unusually", unusually)
    guard.check_overrides(department.desk("press"))
    assert asked == [(4, 4)], "all that was filed by the model that they share"
    with department.mailroom.database.read() as tx:
        assert [model.state for model in training.models(tx, box)] == ["rejected", "current"]
        assert all(mailboxes.get(tx, one).evidence_from is not None for one in sharing.group(tx, box))
    guard.check_overrides(department.desk("press"))
    assert asked[1:] == [(2, 2)], "whether to pause is asked of its own alone"


def _filed_into(category: str) -> dict[str, Any]:
    none = {"probability": None, "runner_up": None, "runner_up_probability": None}
    made = {"category": category, "source": "model", "reason": "sure", "model": "newer", "mode": "live"}
    return {**none, **made, "best": category}


# --- forgetting


def trained(department: Department) -> None:
    """A model that learnt from all there is."""
    put_model(department.state, "dept", department.clock())
    box = department.desk("dept").mailbox_id
    with department.mailroom.database.begin() as tx:
        newest, count = learning.lesson_state(tx, box)
        run = training.start_run(tx, box, department.clock(), count, newest)
        training.end_run(tx, run, department.clock(), "promoted", "")
        tx.exec_driver_sql("UPDATE models SET run = ?", (run,))


def test_of_a_model_that_is_made_while_its_group_changes_nothing_is_proved(department: Department) -> None:
    department.open(sales="")
    department.files("dept", "Orders", "tulips")
    box = department.desk("dept").mailbox_id
    with department.mailroom.database.begin() as tx:
        newest, count = learning.lesson_state(tx, box)
        run = training.start_run(tx, box, department.clock(), count, newest)
    department.open()
    put_model(department.state, "dept", department.clock())
    with department.mailroom.database.begin() as tx:
        training.end_run(tx, run, department.clock(), "promoted", "")
        tx.exec_driver_sql("UPDATE models SET run = ?", (run,))
    assert found_of(department, "dept", "nobody@z.example") == [VERSION]
    told = json.loads(department.command("privacy-report", "--json").stdout)["mailboxes"]
    assert {box["name"]: [model["lessons"] for model in box["models"]] for box in told} == {
        "dept": [None],
        "press": [None],
        "sales": [None],
    }, "nobody knows any more from how many it was made, and mail of all may be in it"


def found_of(department: Department, name: str, person: str) -> list[str]:
    return [model.version for model in look_for(memory_of(department.desk(name)), Person(person)).models]


def test_who_is_forgotten_in_one_mailbox_goes_from_the_model_of_all(department: Department) -> None:
    department.open()
    department.files("sales", "Orders", "tulips")
    trained(department)
    assert found_of(department, "press", "nobody@z.example") == [], "it is proved that it never saw such mail"
    assert found_of(department, "sales", "ann@p.example") == [VERSION]
    forget(memory_of(department.desk("sales")), department.settings, Person("ann@p.example"))
    assert department.own("sales") == []
    assert department.mailroom.registry.classifier(department.desk("press").mailbox_id) is None
    assert not (department.state / "models" / "dept" / VERSION).exists()


def test_of_a_model_whose_group_has_changed_nothing_is_proved(department: Department) -> None:
    department.open()
    department.files("sales", "Orders", "tulips")
    trained(department)
    department.open(sales="")
    assert found_of(department, "dept", "ann@p.example") == [VERSION], "what it learnt lies in another mailbox now"


# --- beginning and ending


def test_who_begins_to_share_keeps_lessons_and_gives_its_model_up(department: Department) -> None:
    department.boxes["sales"].create_folder("Regions")
    department.open(sales="")
    department.files("sales", "Orders", "tulips")
    department.files("sales", "Regions", "north")
    put_model(department.state, "sales", department.clock())
    before = department.uids("sales")
    assert before["Orders"] != department.uids("dept")["Orders"]
    model = department.state / "models" / "sales" / VERSION
    assert model.exists()
    department.open()
    assert department.uids("sales") == {**department.uids("dept"), "Regions": before["Regions"]}
    assert sorted(set(department.own("sales"))) == ["Invoices", "Orders", "Regions"]
    counted = department.counts("dept")
    assert set(counted) == {"Orders", "Invoices"}, "of Regions the lender knows nothing"
    with department.mailroom.database.read() as tx:
        box = department.desk("sales").mailbox_id
        [filed, _] = learning.corrections(tx, box)
        assert filed.to_category == department.uids("dept")["Orders"]
        assert mailboxes.codebook(tx, box) == []
        assert training.models(tx, box) == []
    assert not model.exists()


def test_who_ends_sharing_keeps_what_it_taught_and_the_others_hear_of_it_no_more(department: Department) -> None:
    department.open()
    department.files("sales", "Orders", "tulips")
    department.files("dept", "Invoices", "roses")
    department.open(sales="")
    assert department.counts("sales") == {"Orders": 1}
    assert department.counts("dept") == {"Invoices": 1}
    assert set(department.uids("sales")) == {"Invoices", "Orders"}
    department.open()
    assert department.counts("dept") == {"Invoices": 1, "Orders": 1}, "and again"


def test_a_reset_member_takes_nothing_of_the_lenders_with_it_and_a_reset_lender_frees_the_others(
    department: Department,
) -> None:
    department.open()
    department.files("sales", "Orders", "tulips")
    put_model(department.state, "dept", department.clock())
    mailroom = department.mailroom
    assert known_of(mailroom.database, "sales").models == ()
    _, told = reset(mailroom.database, mailroom.registry, department.settings, "sales")
    assert 'The models of "dept" have learnt from its mail, too' in told[0]
    assert (department.state / "models" / "dept" / VERSION).exists()
    assert known_of(mailroom.database, "dept").models == (VERSION,)
    reset(mailroom.database, mailroom.registry, department.settings, "dept")
    with mailroom.database.read() as tx:
        assert sharing.lender_name(tx, department.desk("press").mailbox_id) is None
    department.open()
    assert department.uids("press") == department.uids("dept")


# --- words


def test_commands_say_whose_model_it_is_and_refuse_to_change_it_for_all(department: Department) -> None:
    department.open()
    put_model(department.state, "dept", department.clock())
    for words in (["rollback"], ["promote", VERSION], ["train", "--compare-labels"]):
        refused = department.command(*words, "--mailbox", "sales")
        assert isinstance(refused.exception, PostroomError)
        assert 'shares the models of "dept"' in str(refused.exception)
        assert f"`postroom {' '.join(words)} --mailbox dept`" in str(refused.exception)
    assert 'sales shares the models of "dept".' in department.command("models", "--mailbox", "sales").stdout
    told = department.command("status", "--mailbox", "sales").stdout
    assert f"Model: {VERSION}, shared: categories, model and nights are those of dept" in " ".join(told.split())
    [shown] = json.loads(department.command("status", "--mailbox", "sales", "--json").stdout)["mailboxes"]
    assert (shown["shares"], shown["training_trouble"]) == ("dept", None)
    page = department.state / "page.html"
    assert department.command("report", "--html", str(page), "--mailbox", "sales").exit_code == 0
    assert "Shares categories and model of dept" in page.read_text()


def test_to_learn_in_a_member_first_says_where_to_begin(
    department: Department, monkeypatch: pytest.MonkeyPatch
) -> None:
    department.config.write_text(CONFIG.format(state=department.state, dept="", sales='share = "dept"'))
    monkeypatch.setattr("daemon.passes.mailroom.connector_for", lambda *_: department.boxes["sales"])
    refused = department.command("learn", "--from-folders", "--mailbox", "sales")
    assert 'has the categories of "dept", and there are none yet' in str(refused.exception)
    assert "`postroom learn --from-folders --mailbox dept`" in str(refused.exception)


def test_new_categories_of_a_file_are_the_lenders_to_make(department: Department, tmp_path: Path) -> None:
    department.open()
    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\nplease send it,Parcels\nwhere is it,Parcels\n")
    from daemon.passes.first_lessons import learn_from_csv

    with pytest.raises(Exception, match='has the categories of "dept", and these are new: Parcels'):
        learn_from_csv(department.desk("sales"), rows)


def test_a_category_takes_its_uid_and_gives_none_away(department: Department) -> None:
    department.open()
    with department.mailroom.database.begin() as tx:
        box = department.desk("press").mailbox_id
        assert mailboxes.add_category(tx, box, Category("c1", "a", "a"), START + timedelta(1)).uid == "c1"
