"""A backup is whole or not there, tells a damaged file from a whole one, and comes back without a half."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from connectors.base import MailText
from daemon import cli
from daemon.keeping import backup_file, bring_back
from daemon.state.lock import StateLock
from daemon.state.watermark import Watermark
from daemon.store import learning, mailboxes
from daemon.store.database import Database
from daemon.training.places import place_for
from tests.a_model import VERSION, put_model
from tests.daemon.store.test_migration_copy import newer_postroom
from tests.fakes import START

CONFIG = """
state_dir = "{state}"
include = "more/*.toml"
[[mailbox]]
name = "office"
kind = "imap"
host = "localhost"
user = "u"
credential = "c"
"""


@dataclass
class Installation:
    """One state directory with a mailbox, lessons, a model, and a secret; and where its backups go."""

    folder: Path
    name: str = "state"

    def __post_init__(self) -> None:
        self.backups.mkdir(exist_ok=True)
        (self.folder / "more").mkdir(exist_ok=True)
        (self.folder / "more" / "sales.toml").write_text(
            '[[mailbox]]\nname = "sales"\nkind = "imap"\nhost = "localhost"\nuser = "v"\ncredential = "c"\n'
        )
        self.config.write_text(CONFIG.format(state=self.state))

    @property
    def state(self) -> Path:
        return self.folder / self.name

    @property
    def config(self) -> Path:
        return self.folder / f"{self.name.replace('/', '-')}.toml"

    @property
    def backups(self) -> Path:
        return self.folder / "backups"

    @property
    def file(self) -> Path:
        return self.backups / "monday.tar"

    def fill(self) -> None:
        self.state.mkdir()
        put_model(self.state, "office", START)
        self.teach("before")
        secrets = self.state / "credentials"
        secrets.mkdir()
        (secrets / "c").write_text("geheim")
        (secrets / "c").chmod(0o600)
        Watermark(self.state / "seen" / "office").write(START)

    def teach(self, word: str) -> None:
        with contextlib.closing(Database.open(self.state / "postroom.sqlite")) as database, database.begin() as tx:
            box = mailboxes.ensure(tx, "office", "imap", "live", START).id
            learning.teach(tx, box, "c1", MailText(body=f"a mail of {word}"), START, source="csv")

    def words(self) -> list[str]:
        with contextlib.closing(sqlite3.connect(self.state / "postroom.sqlite")) as raw:
            texts = raw.execute("SELECT text FROM lessons WHERE text LIKE '%a mail of%'").fetchall()
        return sorted(json.loads(text)["body"].split()[-1] for (text,) in texts)

    def told(self, *arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(cli.postroom, ["--config", str(self.config), *arguments])
        told, found = done.output, done.exit_code
        if isinstance(done.exception, cli.EXPECTED):
            told, found = f"{told}{done.exception}", cli.exit_code(done.exception)
        elif done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert found == code, told
        return told

    def everything(self) -> dict[str, bytes]:
        """What lies in the state directory, but for locks and folders that are gone when a command ends."""
        files = (path for path in sorted(self.state.rglob("*")) if path.is_file())
        names = {path.relative_to(self.state).as_posix(): path.read_bytes() for path in files}
        return {name: data for name, data in names.items() if not re.search(r"lock|place|-shm$", name)}


@pytest.fixture
def office(tmp_path: Path) -> Installation:
    made = Installation(tmp_path)
    made.fill()
    return made


@pytest.fixture
def empty(office: Installation) -> Installation:
    """Another machine with the same settings."""
    return Installation(office.folder, "other")


def members(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def rewritten(file: Path, change: Callable[[dict[str, bytes]], None], target: Path | None = None) -> None:
    """The same backup with other members."""
    found = members(file)
    change(found)
    with tarfile.open(target or file, "w") as tar:
        for name, data in found.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def test_a_backup_holds_database_model_key_and_settings_and_no_secret(office: Installation) -> None:
    told = office.told("backup", str(office.file))
    assert "monday.tar" in told
    assert "with the models in use" in told
    assert office.file.stat().st_mode & 0o777 == 0o600
    found = members(office.file)
    assert next(iter(found)) == "manifest.json"
    names = set(found)
    assert {"postroom.sqlite", "model.key", "settings/config.toml", "settings/more/sales.toml"} <= names
    assert f"models/office/{VERSION}/model.json" in names
    assert not [name for name in names if name.startswith(("credentials", "seen", "turns", "scratch"))]
    assert b"geheim" not in b"".join(found.values())
    manifest = json.loads(found["manifest.json"])
    assert (manifest["format"], manifest["revision"], manifest["mailboxes"]) == (1, "0001", ["office"])
    assert list((office.state / "scratch").glob("backup-*")) == []
    assert [path.name for path in office.backups.iterdir()] == ["monday.tar"]


def test_it_comes_back_in_an_empty_installation_whose_model_can_be_used(
    office: Installation, empty: Installation
) -> None:
    office.told("backup", str(office.file))
    told = empty.told("restore", str(office.file))
    assert "office" in told
    assert "Start the service" in told
    assert empty.words() == ["before"]
    shown = json.loads(empty.told("status", "--json", "--mailbox", "office", code=4).splitlines()[-1])
    assert shown["mailboxes"][0]["model_trouble"] is None
    assert shown["mailboxes"][0]["model"]["version"] == VERSION
    assert not (empty.state / "kept").exists(), "there was nothing to keep"
    assert not (empty.state / "credentials").exists()
    seen = Watermark(empty.state / "seen" / "office").read()
    assert seen is not None
    assert seen > START, "so the database is known to be older"
    for path in empty.state.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_what_lay_there_is_kept_aside_whole(office: Installation) -> None:
    office.told("backup", str(office.file))
    office.teach("after")
    shown = json.loads(office.told("restore", str(office.file), "--json").splitlines()[-1])
    assert office.words() == ["before"]
    aside = Path(shown["aside"])
    assert aside.parent == office.state / "kept"
    with contextlib.closing(sqlite3.connect(aside / "postroom.sqlite")) as raw:
        assert raw.execute("SELECT count(*) FROM lessons WHERE text LIKE '%after%'").fetchone() == (1,)
    assert (aside / "models" / "office" / VERSION / "model.json").exists()
    assert (aside / "model.key").read_bytes() == (office.state / "model.key").read_bytes()
    assert (office.state / "credentials" / "c").read_text() == "geheim", "the backup holds none, so those stay"


def test_without_models_those_that_lie_there_stay_and_elsewhere_it_is_said(
    office: Installation, empty: Installation
) -> None:
    office.told("backup", "--no-models", str(office.file))
    assert not [name for name in members(office.file) if name.startswith(("models", "training"))]
    assert "The backup holds no models" in office.told("restore", str(office.file))
    shown = json.loads(office.told("status", "--json", "--mailbox", "office", code=4).splitlines()[-1])
    assert shown["mailboxes"][0]["model_trouble"] is None
    empty.told("restore", str(office.file))
    shown = json.loads(empty.told("status", "--json", "--mailbox", "office", code=4).splitlines()[-1])
    assert "there is no model here" in shown["mailboxes"][0]["model_trouble"]


def test_with_secrets_only_where_somebody_asks(office: Installation, empty: Installation) -> None:
    told = office.told("backup", "--secrets", str(office.file))
    assert "secrets in clear" in told
    empty.told("restore", str(office.file))
    secret = empty.state / "credentials" / "c"
    assert (secret.read_text(), secret.stat().st_mode & 0o777) == ("geheim", 0o600)


def test_a_damaged_model_is_left_out_and_told(office: Installation) -> None:
    next((office.state / "models").rglob("*.npz")).write_bytes(b"rubbish")
    told = office.told("backup", str(office.file), code=1)
    assert "Left out: " in told
    assert "postroom.sqlite" in members(office.file), "lessons are worth more than models"


def test_a_backup_is_of_one_moment_while_somebody_writes(office: Installation) -> None:
    """Each transaction teaches two: no backup may hold one of them alone."""
    ends = threading.Event()

    def write() -> None:
        with contextlib.closing(Database.open(office.state / "postroom.sqlite")) as database:
            number = 0
            while not ends.is_set():
                number += 1
                with database.begin() as tx:
                    for half in ("left", "right"):
                        text = MailText(body=f"pair {number} {half}")
                        learning.teach(tx, 1, "c1", text, START, source="csv")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            office.told("backup", str(office.backups / f"{number}.tar"))
    finally:
        ends.set()
        writer.join()
    counts = []
    for number in range(5):
        copy = office.folder / "copy.sqlite"
        copy.write_bytes(members(office.backups / f"{number}.tar")["postroom.sqlite"])
        with contextlib.closing(sqlite3.connect(copy)) as raw:
            counts += raw.execute("SELECT count(*) FROM lessons WHERE text LIKE '%pair%'").fetchone()
    assert [count % 2 for count in counts] == [0] * 5
    assert counts == sorted(counts)
    assert counts[-1] > 0


# --- what is refused


def test_nothing_is_written_over_a_backup_nor_into_the_state_directory_nor_into_no_folder(
    office: Installation,
) -> None:
    office.file.write_text("last week's")
    assert "is there already" in office.told("backup", str(office.file), code=1)
    assert office.file.read_text() == "last week's"
    assert "lies in the state directory" in office.told("backup", str(office.state / "x.tar"), code=1)
    told = office.told("backup", str(office.folder / "nowhere" / "x.tar"), code=1)
    assert "there is no such folder" in told


def test_without_a_database_there_is_nothing_to_back_up(empty: Installation) -> None:
    assert "nothing to back up" in empty.told("backup", str(empty.file), code=1)
    assert list(empty.backups.iterdir()) == []


def test_a_damaged_database_is_not_backed_up_as_if_it_were_whole(office: Installation) -> None:
    with contextlib.closing(sqlite3.connect(office.state / "postroom.sqlite")) as raw:
        raw.execute("PRAGMA journal_mode=DELETE")
    data = bytearray((office.state / "postroom.sqlite").read_bytes())
    for page in range(4096 * 2, len(data) - 4096, 4096 * 3):
        data[page : page + 600] = b"\xa5" * 600
    (office.state / "postroom.sqlite").write_bytes(bytes(data))
    told = office.told("backup", str(office.file), code=1)
    assert "damaged" in told
    assert str(office.state / "postroom.sqlite") in told
    assert list(office.backups.iterdir()) == []


def test_beside_a_service_or_a_training_nothing_is_restored(office: Installation) -> None:
    office.told("backup", str(office.file))
    before = office.everything()
    with StateLock(office.state):
        told = office.told("restore", str(office.file), code=75)
    assert "another Postroom works here" in told
    assert "Stop it first" in told
    with place_for(office.state, "office", 1):
        assert "training is running" in office.told("restore", str(office.file), code=75)
    assert office.everything() == before


def cut_off(file: Path, share: float) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])


def flip(file: Path) -> None:
    """One bit in the middle of the database."""
    data = bytearray(file.read_bytes())
    with tarfile.open(file) as tar:
        member = tar.getmember("postroom.sqlite")
    data[member.offset_data + member.size // 2] ^= 1
    file.write_bytes(bytes(data))


def manifest(file: Path, **values: Any) -> None:
    def change(found: dict[str, bytes]) -> None:
        found["manifest.json"] = json.dumps({**json.loads(found["manifest.json"]), **values}).encode()

    rewritten(file, change)


def with_path_outside(file: Path) -> None:
    def change(found: dict[str, bytes]) -> None:
        head = json.loads(found["manifest.json"])
        name = "models/office/../../../../outside"
        found[name] = b"x"
        head["files"][name] = {"size": 1, "sha256": "0"}
        found["manifest.json"] = json.dumps(head).encode()

    rewritten(file, change)


def with_stranger(file: Path) -> None:
    rewritten(file, lambda found: found.update({"models/office/x/stranger": b"x"}))


def without_last(file: Path) -> None:
    rewritten(file, lambda found: [found.pop(name) for name in list(found)[-1:]])


def foreign(file: Path) -> None:
    file.write_bytes(os.urandom(20_000))


def foreign_tar(file: Path) -> None:
    rewritten(file, lambda found: [found.pop("manifest.json")])


REFUSED: list[tuple[Callable[[Path], None], str]] = [
    (lambda file: cut_off(file, 0.97), "is no whole backup"),
    (lambda file: cut_off(file, 0.5), "is no whole backup"),
    (lambda file: cut_off(file, 0.001), "is no backup"),
    (lambda file: file.write_bytes(b""), "is no backup"),
    (flip, "postroom.sqlite was changed"),
    (without_last, "is missing"),
    (with_stranger, "stranger is not what its list says"),
    (with_path_outside, "which no backup holds"),
    (foreign, "is no backup"),
    (foreign_tar, "is no backup"),
    (lambda file: manifest(file, format=2, postroom="0.9.0"), "made by a newer Postroom (0.9.0)"),
    (lambda file: manifest(file, revision="0999"), "written by a newer Postroom"),
    (lambda file: manifest(file, files="none"), "manifest.json cannot be read"),
    (lambda file: file.unlink(), "cannot be read (No such file"),
]


@pytest.mark.parametrize(("spoil", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_what_is_no_whole_backup_of_ours_is_refused_in_a_sentence_and_changes_nothing(
    office: Installation, spoil: Callable[[Path], None], words: str
) -> None:
    office.told("backup", str(office.file))
    spoil(office.file)
    before = office.everything()
    told = office.told("restore", str(office.file), code=1)
    assert words in told
    assert "Traceback" not in told
    assert office.everything() == before
    assert list((office.state / "scratch").glob("restore-*")) == []


def test_a_backup_of_a_newer_postrooms_database_is_refused(office: Installation, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as changed:
        newer_postroom(tmp_path, changed)
        office.teach("then")
        office.told("backup", str(office.file))
    before = office.everything()
    assert "written by a newer Postroom" in office.told("restore", str(office.file), code=1)
    assert office.everything() == before


def test_a_backup_of_an_older_postroom_is_brought_up_to_date_when_it_is_opened(
    office: Installation, empty: Installation, tmp_path: Path
) -> None:
    office.told("backup", str(office.file))
    with pytest.MonkeyPatch.context() as changed:
        newer_postroom(tmp_path, changed)
        empty.told("restore", str(office.file))
        empty.told("status", code=4)
    assert [path.name for path in (empty.state / "kept").iterdir()] == ["0001-before-0002.sqlite"]


# --- no room


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB. It takes root."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "postroom-test", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def leave(small: Path, free: int) -> None:
    """Fill the disk, but for so many bytes."""
    found = os.statvfs(small)
    (small / "filler").write_bytes(bytes(found.f_bavail * found.f_frsize - free))


def test_a_full_disk_leaves_no_half_backup(office: Installation, small: Path) -> None:
    leave(small, 100_000)
    told = office.told("backup", str(small / "x.tar"), code=1)
    assert "the backup was not made: No space left on device" in told
    assert [path.name for path in small.iterdir()] == ["filler"]


def test_a_full_state_directory_makes_no_backup_either(office: Installation, small: Path) -> None:
    full = Installation(office.folder, "small/state")
    (office.folder / "small").mkdir(exist_ok=True)
    shutil.copytree(office.state, full.state)
    leave(small, 0)
    told = full.told("backup", str(office.file), code=1)
    assert "full" in told or "No space left" in told
    assert list(office.backups.iterdir()) == []


def test_too_little_room_for_a_restore_is_told_before_anything_is_unpacked(
    office: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.told("backup", str(office.file))
    before = office.everything()
    monkeypatch.setattr(bring_back, "LEAST_FREE_BYTES", 1 << 60)
    told = office.told("restore", str(office.file), code=1)
    assert "are free there, and it takes" in told
    assert "Make room there" in told
    assert office.everything() == before


def test_a_disk_that_fills_up_while_it_is_unpacked_changes_nothing(
    office: Installation, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = Installation(office.folder, "small/state")
    office.told("backup", str(office.file))
    monkeypatch.setattr(bring_back, "_refuse_narrow", lambda *_: None)
    leave(small, 200_000)
    told = narrow.told("restore", str(office.file), code=1)
    assert "the backup was not brought back: No space left on device" in told
    assert sorted(path.name for path in (narrow.state / "scratch").iterdir()) == ["lock"]
    assert not (narrow.state / "postroom.sqlite").exists()
    assert not (narrow.state / "restoring").exists()


# --- cut short


def test_a_restore_that_is_cut_short_is_told_by_every_command_and_ended_by_the_next(
    office: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a power cut, after every one of its renames."""
    office.told("backup", str(office.file))
    rename = Path.rename
    cuts = 0
    for allowed in range(100):
        left = [allowed]

        def cut(self: Path, target: Path, left: list[int] = left) -> Path:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            return rename(self, target)

        with monkeypatch.context() as changed:
            changed.setattr(Path, "rename", cut)
            done = CliRunner().invoke(cli.postroom, ["--config", str(office.config), "restore", str(office.file)])
        if done.exit_code == 0:
            break
        assert "a restore was cut short" in office.told("status", code=3)
        assert "a restore was cut short" in office.told("check", code=1)
        cuts += 1
        office.told("restore", str(office.file))
        assert office.words() == ["before"]
        shown = json.loads(office.told("status", "--json", "--mailbox", "office", code=4).splitlines()[-1])
        assert shown["mailboxes"][0]["model_trouble"] is None
    assert cuts > 4


def test_a_backup_that_is_cut_short_has_no_name_and_its_copy_is_swept(
    office: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> Iterator[str]:
        raise KeyboardInterrupt

    with monkeypatch.context() as changed:
        changed.setattr(backup_file, "members", cut)
        CliRunner().invoke(cli.postroom, ["--config", str(office.config), "backup", str(office.file)])
    assert list(office.backups.iterdir()) == []
    assert list((office.state / "scratch").glob("backup-*")) == []


def test_what_changes_while_it_is_written_is_told_and_leaves_no_file(
    office: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = backup_file._add

    def changing(tar: tarfile.TarFile, name: str, size: int, made: Any, file: Any) -> None:
        data = file.read()
        add(tar, name, size, made, io.BytesIO(data[:-1] + b"~" if name == "model.key" else data))

    with monkeypatch.context() as changed:
        changed.setattr(backup_file, "_add", changing)
        told = office.told("backup", str(office.file), code=75)
    assert "what is backed up changed meanwhile" in told
    assert list(office.backups.iterdir()) == []
