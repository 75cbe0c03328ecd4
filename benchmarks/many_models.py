"""One model for many mailboxes: trained once on invented mail, and put into each with that mailbox's own categories.

    lessons | a whole night in this process, or the linear model alone | model folder  ->  a copy in every mailbox

Two hundred trainings would measure the training. In service every copy is a model of its own: loaded by itself, asked
by itself, and let go as one of many.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sqlalchemy import update

from benchmarks.whole_night import Row, write_job
from connectors.base import MailText
from daemon.model import model_folder
from daemon.model.model_folder import CodeRow, ModelFolder, ModelMeta
from daemon.model.prediction import Point
from daemon.model.reader_files import cache_of
from daemon.model.term_key import KEY_FILE, TermKey
from daemon.store import learning, mailboxes, tables, training
from daemon.store.database import Database
from daemon.store.records import Category
from daemon.training.order import CANDIDATE
from tests.lessons import lessons_of
from trainer.candidates import choice
from trainer.candidates.tfidf import fit_linear
from trainer.night import run
from trainer.recipe import Recipe

VERSION = "bench"
LESSONS = 40
"""The first of what the model was taught are every mailbox's own."""


class Model:
    """A model of these rows, in a folder of its own. The state directory's key is its own, and so are its readers."""

    def __init__(self, folder: Path, state: Path, rows: Sequence[dict[str, Any]], *, linear: bool) -> None:
        self.folder = folder
        self._texts = [(row["category"], MailText(**{**row["text"], "attachments": ()})) for row in rows]
        self.kinds = sorted({kind for kind, _ in self._texts})
        self._meta = _linear(folder, TermKey.of(state), rows) if linear else _night(folder, state, self._texts)

    @property
    def megabytes(self) -> float:
        """What it is on disk beside model.json."""
        return round(self._meta.size / 1e6, 2)

    def into(self, database: Database, models: Path, name: str, now: datetime) -> None:
        """The mailbox with its categories, its lessons and this model in use."""
        with database.begin() as tx:
            box = mailboxes.ensure(tx, name, "imap", "live", now).id
            for kind in self.kinds:
                # Under the id that the model was taught: mailboxes' ids only need to be unique within each.
                uid = mailboxes.add_category(tx, box, Category("", kind, kind), now).uid
                columns = tables.categories.c
                mine = (columns.mailbox_id == box) & (columns.uid == uid)
                tx.execute(update(tables.categories).where(mine).values(uid=kind))
            mailboxes.extend_codebook(tx, box, [(row.code, row.category) for row in self._meta.codebook])
            for kind, text in self._texts[:LESSONS]:
                learning.teach(tx, box, kind, text, now, source="folder")
            version = self._meta.version
            training.add_model(tx, box, version, f"{name}/{version}", now, state="kept", verdict="", exam={})
            training.promote(tx, box, version, now)
        shutil.copytree(self.folder, models / name / version)


def _linear(folder: Path, key: TermKey, rows: Sequence[dict[str, Any]]) -> ModelMeta:
    """The linear model alone: seconds."""
    lessons = lessons_of(list(rows))
    linear = fit_linear(lessons, key, Recipe())
    linear.model.save(ModelFolder(folder).linear)
    kinds = lessons.categories
    codes = [CodeRow(code=f"Q{chr(ord('A') + number)}", category=kind) for number, kind in enumerate(kinds)]
    points = tuple(
        Point(kinds[truth], kinds[row.argmax()], float(math.exp(row.max())), bool(truth == row.argmax()))
        for truth, row in zip(lessons.labels, linear.answers, strict=True)
        if not math.isnan(float(row[0]))
    )
    meta = ModelMeta(
        version=VERSION,
        created=datetime.now().astimezone(),
        kind="linear",
        codebook=tuple(codes),
        categories=tuple(kinds),
        blend_weight=0.0,
        term_key=key.check,
        points=points,
    )
    return model_folder.save(folder, meta)


def _night(folder: Path, state: Path, texts: Sequence[tuple[str, MailText]]) -> ModelMeta:
    """Both models and the neighbours, by a whole night, whichever of them would win: what most mailboxes have. The
    reader that all share is made where the service looks for it. Some minutes."""
    job = folder.with_name("job")
    job.mkdir()
    TermKey.of(state)
    shutil.copy(state / KEY_FILE, job / KEY_FILE)
    cache = cache_of(state)
    cache.mkdir(parents=True, exist_ok=True)
    rows = [Row(text, kind, None) for kind, text in texts]
    write_job(job, rows, cache, 1, threads=1)
    with patch.object(choice, "best", _both):
        result = run(job, lambda *_: None)
    if result.outcome != "candidate":
        raise RuntimeError(result.verdict)
    (job / CANDIDATE).rename(folder)
    return model_folder.load(folder)


def _both(candidates: Sequence[choice.Candidate], *_: object) -> choice.Candidate:
    """In equal shares: on invented mail one of the two alone would do, and then the other would weigh nothing."""
    linear, language, _blend = candidates
    return choice.Blend.of(language, linear, 0.5)
