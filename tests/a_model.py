"""A model that knows nothing by itself, on a mailbox where threads have always been right: what is needed for real
processes to move mail without a training."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from connectors.base import MailText
from daemon.model import model_folder
from daemon.model.linear import LinearModel, Vocabulary
from daemon.model.model_folder import CodeRow, ModelFolder, ModelMeta
from daemon.model.prediction import Point, TriedHint
from daemon.model.term_key import TermKey
from daemon.store import learning, mailboxes, training
from daemon.store.database import Database
from daemon.store.records import HintKind
from tests.fakes import good_hints

VERSION = "2026-01-01a"
MIN_EXAMPLES = 2
"""What tests/service_process.py sets: nobody waits for fifteen lessons here."""

SEVERAL = (TriedHint(HintKind("thread", "a thread in several folders", "within a day"), "any", "any"),) * 20
"""Here a thread goes on where people put its latest mail, wherever the others lie: these mailboxes have only one."""


def put_model(state: Path, mailbox: str, now: datetime, points: Sequence[Point] = ()) -> None:
    """Into this state directory, in use. Every category gets as many lessons as it needs to file at all."""
    database = Database.open(state / "postroom.sqlite")
    key = TermKey.of(state)
    try:
        with database.begin() as tx:
            box = mailboxes.ensure(tx, mailbox, "imap", "live", now).id
            uids = [category.uid for category in mailboxes.categories(tx, box)]
            codes = [f"Q{chr(ord('A') + number)}" for number in range(len(uids))]
            mailboxes.extend_codebook(tx, box, zip(codes, uids, strict=True))
            for uid in uids:
                for number in range(MIN_EXAMPLES):
                    text = MailText(body=f"lesson {number} of {uid}")
                    learning.teach(tx, box, uid, text, now, source="csv")
            training.add_model(tx, box, VERSION, f"{mailbox}/{VERSION}", now, state="kept", verdict="", exam={})
            training.promote(tx, box, VERSION, now)
    finally:
        database.close()
    folder = state / "models" / mailbox / VERSION
    folder.mkdir(parents=True)
    vocabularies = {part: Vocabulary.of([part], np.ones(1), key)[0] for part in ("words", "characters")}
    nothing = np.zeros((len(uids), 2), np.float32)
    LinearModel(uids, vocabularies, nothing, np.zeros(len(uids), np.float32), 1.0, key).save(ModelFolder(folder).linear)
    rows = tuple(CodeRow(code=code, category=uid) for code, uid in zip(codes, uids, strict=True))
    model_folder.save(
        folder,
        ModelMeta(
            version=VERSION,
            created=now,
            kind="linear",
            codebook=rows,
            categories=tuple(uids),
            blend_weight=0.0,
            term_key=key.check,
            points=tuple(points),
            hints=(*good_hints(), *SEVERAL),
        ),
    )
