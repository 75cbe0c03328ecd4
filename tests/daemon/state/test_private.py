"""The state directory is its owner's alone, whatever the umask and whoever opened it before."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.base import MailText
from daemon.commands.check import examine
from daemon.mistakes import PostroomError
from daemon.passes.mailroom import open_mailroom
from daemon.settings import Settings
from daemon.state import private
from daemon.state.private import callers_umask, close_umask, enclose, open_to
from daemon.store import learning, mailboxes
from daemon.store.database import Database, copy_database
from tests import ROOT
from tests.daemon.report.test_lessons import CONFIG
from tests.fakes import START
from tests.servers.private import private_folder


@pytest.fixture
def generous() -> Iterator[None]:
    """An umask that closes nothing."""
    before = os.umask(0)
    yield
    os.umask(before)


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("generous")
def test_the_database_and_its_log_are_private_from_their_first_byte(tmp_path: Path) -> None:
    path = tmp_path / "postroom.sqlite"
    database = Database.open(path)
    with database.begin() as tx:
        box = mailboxes.ensure(tx, "office", "imap", "shadow", START).id
        learning.teach(tx, box, "c1", MailText(body="secret"), START, source="csv")
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["postroom.sqlite", "postroom.sqlite-shm", "postroom.sqlite-wal"]
    assert {rights(file) for file in files} == {0o600}
    copy_database(path, tmp_path / "copy.sqlite")
    assert rights(tmp_path / "copy.sqlite") == 0o600
    database.close()


@pytest.mark.usefixtures("generous")
def test_what_lies_there_already_is_closed_before_anything_is_opened_and_open_secrets_stay_refused(
    tmp_path: Path,
) -> None:
    state, elsewhere = tmp_path / "state", tmp_path / "elsewhere"
    elsewhere.touch()
    for name in ("postroom.sqlite-wal", "models/office/a/model.json", "training/job-3/lessons.jsonl", "credentials/x"):
        (state / name).parent.mkdir(parents=True, exist_ok=True)
        (state / name).touch()
    (state / "models" / "office" / "current").symlink_to(elsewhere)
    with open_mailroom(Settings(state_dir=state)):
        open_ones = [path for path in state.rglob("*") if not path.is_symlink() and rights(path) & 0o077]
        assert rights(state) == 0o700
    assert open_ones == [state / "credentials" / "x"]
    assert rights(elsewhere) == 0o666, "links are not followed"


@pytest.mark.usefixtures("generous")
def test_check_says_who_can_look_in_and_changes_nothing(tmp_path: Path) -> None:
    state = tmp_path / "state"
    settings = Settings(state_dir=state)

    def finding() -> str:
        [found] = [each for each in examine(settings) if each.what == "state_dir"]
        return found.seen if not found.fine else "fine"

    enclose(state)
    (state / "models").mkdir(mode=0o700)
    assert finding() == "fine"
    state.chmod(0o755)
    assert f"{state} may be entered by other users (mode 0755)" in finding()
    assert f"chmod -R go= {state}" in finding()
    assert rights(state) == 0o755
    state.chmod(0o700)
    (state / "postroom.sqlite").touch()
    assert "postroom.sqlite may be read or written by other users (mode 0666)" in finding()
    enclose(state)
    assert finding() == "fine"


@pytest.mark.usefixtures("generous")
@pytest.mark.parametrize("words", [["status"], ["once"], ["once", "--dry-run"], ["forget", "ann@x.example"], ["run"]])
def test_a_directory_that_is_not_ours_is_refused_by_every_command_and_nothing_in_it_changes(
    tmp_path: Path, words: list[str]
) -> None:
    state = tmp_path / "lib"
    (state / "postroom").mkdir(parents=True)
    (state / "www").mkdir()
    (state / "www" / "index.html").touch()
    before = {path: path.stat().st_mode for path in (state, *state.rglob("*"))}
    config = tmp_path / "postroom.toml"
    config.write_text(CONFIG.format(state=state))
    command = [sys.executable, "-P", "-m", "daemon.cli", "--config", str(config), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2, done.stderr
    assert f'{state}: is not empty and not Postroom\'s: it holds "postroom"' in done.stderr.replace("\n", " ")
    assert f'perhaps "{state / "postroom"}"' in done.stderr.replace("\n", " ")
    assert {path: path.stat().st_mode for path in (state, *state.rglob("*"))} == before
    [found] = [each for each in examine(Settings(state_dir=state)) if each.what == "state_dir"]
    assert "is not empty and not Postroom's" in found.seen, "and no chmod -R is advised"


@pytest.mark.usefixtures("generous")
def test_beside_ours_what_others_have_put_there_keeps_its_rights_and_a_file_with_two_names_as_well(
    tmp_path: Path,
) -> None:
    state, elsewhere = tmp_path / "state", tmp_path / "base.gguf"
    elsewhere.touch()
    for name in ("postroom.sqlite", "notes/for all.txt", "bases/own.gguf", "training/notes/x"):
        (state / name).parent.mkdir(parents=True, exist_ok=True)
        (state / name).touch()
    (state / "bases" / "base.gguf").hardlink_to(elsewhere)
    enclose(state)
    still_open = sorted(str(path.relative_to(state)) for path in state.rglob("*") if rights(path) & 0o077)
    assert still_open == ["bases/base.gguf", "notes", "notes/for all.txt"]
    assert rights(state) == 0o700
    assert rights(elsewhere) == 0o666
    assert open_to(state) is None


@pytest.mark.parametrize(
    "names", [[], ["lost+found"], [".cache", ".bashrc"], ["bases"], ["postroom.toml"], ["other", "credentials"]]
)
def test_a_directory_that_is_new_or_prepared_is_taken(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).mkdir()
    enclose(tmp_path)
    assert rights(tmp_path) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_that_root_left_there_is_told(tmp_path: Path) -> None:
    enclose(tmp_path)
    (tmp_path / "postroom.lock").touch(mode=0o600)
    os.chown(tmp_path / "postroom.lock", 65534, 65534)
    assert "postroom.lock belongs to another user (uid 65534)" in str(open_to(tmp_path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_file_that_root_left_there_stops_nobody_and_a_directory_that_is_not_ours_does() -> None:
    place = private_folder("postroom-private-")
    ours, theirs = place / "ours", place / "theirs"
    for state in (ours, theirs):
        (state / "models").mkdir(parents=True)
        (state / "models" / "model.json").touch()
        state.chmod(0o755)
    os.chown(ours, 65534, 65534)
    os.seteuid(65534)
    try:
        enclose(ours)
        with pytest.raises(PostroomError, match="cannot be made private"):
            enclose(theirs)
    finally:
        os.seteuid(0)
    assert rights(ours) == 0o700
    assert "by other users" in str(open_to(ours)), "`postroom check` names it"
    shutil.rmtree(place)


def test_what_a_person_asks_for_elsewhere_has_the_rights_that_they_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private, "_callers", None)
    before = os.umask(0o022)
    try:
        close_umask()
        (tmp_path / "ours").touch()
        with callers_umask():
            (tmp_path / "theirs").touch()
        (tmp_path / "ours again").touch()
    finally:
        os.umask(before)
    modes = [rights(tmp_path / name) for name in ("ours", "theirs", "ours again")]
    assert modes == [0o600, 0o644, 0o600]


def test_systemd_is_told_to_keep_the_directory_closed_by_the_unit_and_by_the_wrapper() -> None:
    assert "--property=StateDirectoryMode=0700" in (ROOT / "systemd" / "postroom.sh").read_text("utf-8")
    assert "\nStateDirectoryMode=0700\n" in (ROOT / "systemd" / "postroom.service").read_text("utf-8")


def test_every_command_closes_its_umask_and_a_report_stays_readable(tmp_path: Path) -> None:
    config = tmp_path / "postroom.toml"
    config.write_text(CONFIG.format(state=tmp_path / "state"))
    page = tmp_path / "page.html"
    for words in (["report", "--html", str(page)], ["forget", "ann@x.example", "--no-train"]):
        command = [sys.executable, "-P", "-m", "daemon.cli", "--config", str(config), *words]
        subprocess.run(command, check=True, capture_output=True, umask=0o022)
    assert rights(page) == 0o644
    made = [tmp_path / "state", *(tmp_path / "state").rglob("*")]
    assert tmp_path / "state" / "training" / "lock" in made
    assert [path for path in made if rights(path) & 0o077] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_is_told_that_it_proves_nothing_for_another_user(tmp_path: Path) -> None:
    enclose(tmp_path)
    settings = Settings(state_dir=tmp_path)
    [found] = [each for each in examine(settings) if each.what == "state_dir"]
    assert found.fine
    os.chown(tmp_path, 65534, 65534)
    [found] = [each for each in examine(settings) if each.what == "state_dir"]
    assert not found.fine
    assert "and this is root" in found.seen
    assert "Run `postroom check` as that user" in found.seen
