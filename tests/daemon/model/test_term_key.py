"""No word and no address in clear in a model, none that can be tried out without the key, and a key that is told."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import Any
from zlib import adler32, crc32

import numpy as np
import pytest
import structlog

from connectors.base import MailText
from daemon.model import model_folder
from daemon.model.base_file import BaseFile
from daemon.model.engines.engine import ModelRefused
from daemon.model.linear import ANALYSERS, words
from daemon.model.neighbours import COLUMNS
from daemon.model.term_key import KEY_BYTES, KEY_FILE, TermKey
from daemon.store import training
from daemon.training.registry import Registry
from tests.daemon.training.test_night import Home, home_in
from tests.lessons import KEY, START, lesson, office_rows, write_job
from trainer.night import run

SECRETS = ("zephyrine", "quillfeather", "xanthippe", "marzipanbrot", "ofenrohr")
MAIL = MailText(
    sender="Zephyrine Quillfeather <zephyrine@quillfeather.example>",
    subject="Marzipanbrot",
    attachments=("ofenrohr.pdf",),
    body="Please pay the invoice of Xanthippe.",
)
LEGAL = "This message is confidential and meant only for the people at Xanthippe and Daughters that it is sent to."


@pytest.fixture(scope="module")
def candidate(tiny_base: BaseFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of many mails and of one that is like no other; every mail ends in one disclaimer."""
    rows = office_rows(120)
    for row in rows:
        row["text"]["body"] += f"\n{LEGAL}"
    rows.append(lesson(999, "invoices", MAIL, START))
    folder = tmp_path_factory.mktemp("words") / "job"
    base = str(tiny_base.path)
    write_job(folder, rows, folder.parent / "cache", base=base, threads=1, max_tokens=64)
    result = run(folder, lambda *_: None)
    assert result.outcome == "candidate", result.verdict
    assert model_folder.load(folder / "candidate").disclaimers
    return folder / "candidate"


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file, and every file in an archive: what anybody who has the folder can read."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.name, path.read_bytes()
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    yield from ((f"{path.name}/{name}", archive.read(name)) for name in archive.namelist())


@pytest.mark.model
def test_no_word_of_a_single_mail_is_in_clear_in_a_model(candidate: Path) -> None:
    seen = dict(contents(candidate))
    assert "linear.npz/terms_words.npy" in seen
    for name, content in seen.items():
        for word in SECRETS:
            for form in (word.encode(), word.encode("utf-16-le"), word.encode("utf-32-le")):
                assert form not in content.lower(), f"{word} in {name}"


@pytest.mark.model
def test_what_a_model_knows_cannot_be_tried_out_without_the_key(candidate: Path) -> None:
    with np.load(candidate / "linear" / "linear.npz") as arrays:
        terms = {part: set(arrays[f"terms_{part}"].tolist()) for part in ANALYSERS}
    with np.load(candidate / "neighbours.npz") as arrays:
        row = arrays["ids"].tolist().index(999)
        start, end = arrays["starts"][row : row + 2]
        columns = set(arrays["columns"][start:end].tolist())
    own = {part: analyse(MAIL) for part, analyse in ANALYSERS.items()}

    def plain(size: int, **more: Any) -> Any:
        return lambda term: int.from_bytes(blake2b(term.encode(), digest_size=size, **more).digest(), "little")

    another = TermKey(bytes(KEY_BYTES))
    guesses = [plain(8), plain(8, key=bytes(KEY_BYTES)), lambda term: crc32(term.encode())]
    guesses += [lambda term: adler32(term.encode()), lambda term: int(another.hashes([term])[0])]
    for guess in guesses:
        assert not any(terms[part] & set(map(guess, own[part])) for part in own)
        hits = [guess(word) % COLUMNS in columns for word in words(MAIL)]
        assert sum(hits) <= 1, "a few of 262,144 columns are hit by chance, not all"
    for part in own:  # with the key all are there: this is no other model
        assert terms[part] >= set(KEY.hashes(own[part]).tolist())
    assert columns == set((KEY.hashes(words(MAIL)) % COLUMNS).tolist())


@pytest.mark.model
def test_a_disclaimer_cannot_be_asked_for_without_the_key(candidate: Path) -> None:
    (found,) = model_folder.load(candidate).disclaimers
    assert found == KEY.checksum(LEGAL.lower())
    assert found != blake2b(LEGAL.lower().encode(), digest_size=8).hexdigest()


@pytest.mark.model
def test_the_order_of_terms_tells_nothing_of_the_alphabet(candidate: Path) -> None:
    with np.load(candidate / "linear" / "linear.npz") as arrays:
        for part in ANALYSERS:
            assert (np.diff(arrays[f"terms_{part}"]) > 0).all()


def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with ThreadPoolExecutor(8) as pool:
            keys = list(pool.map(lambda _: TermKey.of(tmp_path / "state"), range(32)))
    finally:
        os.umask(before)
    assert len({key.check for key in keys}) == 1
    path = tmp_path / "state" / KEY_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(path.read_bytes()) == KEY_BYTES
    assert [each.name for each in path.parent.iterdir()] == [KEY_FILE]
    assert TermKey.of(tmp_path / "state").hashes(["a"]) == keys[0].hashes(["a"])
    assert TermKey.of(tmp_path / "other").check != keys[0].check


def test_a_key_that_is_lost_damaged_or_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="can't be read"):
        TermKey.read(tmp_path / KEY_FILE)
    (tmp_path / KEY_FILE).write_bytes(b"half")
    with pytest.raises(ModelRefused, match=r"4 bytes instead of 32.*backup, or remove it"):
        TermKey.of(tmp_path)
    with pytest.raises(ModelRefused, match="can't be written"):
        TermKey.of(tmp_path / KEY_FILE)


def test_terms_that_are_no_text_have_hashes_too() -> None:
    assert len(KEY.hashes(["", "\ud800", "漢字 😀"])) == 3
    assert len(KEY.hashes([])) == 0
    assert len(KEY.checksum("")) == 16


@pytest.fixture
def home(tmp_path: Path, tiny_base: BaseFile) -> Iterator[Home]:
    yield from home_in(tmp_path / "here", tiny_base)


@pytest.mark.model
def test_a_state_directory_works_elsewhere_and_its_models_without_the_key_are_refused_in_words(
    home: Home, tmp_path: Path
) -> None:
    home.teach(120)
    assert home.train().outcome == "promoted"
    state = home.settings.state_dir
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(state, elsewhere)
    moved = Registry(home.database, home.settings.engine, elsewhere / "models")
    classifier = moved.classifier(home.mailbox)
    assert classifier is not None
    assert classifier.classify([MailText(body="please pay 12 euros to our account")])[0].ranking
    moved.close()

    (elsewhere / KEY_FILE).unlink()
    keyless = Registry(home.database, home.settings.engine, elsewhere / "models")
    with structlog.testing.capture_logs() as told:
        assert keyless.classifier(home.mailbox) is None
    assert "hashed under another key than the one in this state directory (model.key)" in str(told)

    # With the key gone for good, the next training makes a model under a new one and says why none was compared.
    (state / KEY_FILE).unlink()
    home.registry = Registry(home.database, home.settings.engine, state / "models")
    again = home.train()
    assert again.outcome == "promoted", again.verdict
    assert any("could not take the exam" in sentence and KEY_FILE in sentence for sentence in again.report)
    assert home.registry.classifier(home.mailbox) is not None


@pytest.mark.model
def test_a_damaged_key_ends_the_night_in_a_sentence(home: Home) -> None:
    home.teach(40)
    (home.settings.state_dir / KEY_FILE).write_bytes(b"half")
    outcome = home.train()
    assert outcome.outcome == "failed"
    assert "4 bytes instead of 32" in outcome.verdict
    with home.database.begin() as tx:
        assert [run.outcome for run in training.runs(tx, home.mailbox)] == ["failed"]


@pytest.mark.model
def test_a_key_that_comes_back_is_used_at_the_next_look_and_its_loss_is_logged_once(home: Home) -> None:
    home.teach(40)
    assert home.train().outcome == "promoted"
    path = home.settings.state_dir / KEY_FILE
    ours = path.read_bytes()
    assert home.registry.in_use(home.mailbox)[0]
    path.unlink()
    home.registry.close()
    trouble = home.registry.in_use(home.mailbox)[1]
    assert trouble is not None
    assert "the key of the models' words can't be read" in trouble
    assert not path.exists(), "who only asks makes no other"
    with structlog.testing.capture_logs() as told:
        for _ in range(3):
            assert home.registry.classifier(home.mailbox) is None
    assert [line["event"] for line in told] == ["model-refused"]
    assert "hashed under another key" in str(home.registry.in_use(home.mailbox)[1])
    assert not home.registry.in_use(home.mailbox)[0]
    path.write_bytes(ours)
    assert home.registry.classifier(home.mailbox) is not None
    assert home.registry.in_use(home.mailbox)[1] is None
