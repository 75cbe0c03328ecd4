"""Forget all of one mailbox and begin anew, as if Postroom had never met it. The mail stays as it is.

    no service, no training | every row of it in the database | its models, also on a model server, and its readings
    | how far it was seen | the database is written anew

Cut short, it is called again: whatever is left of the mailbox goes then. Backups, and what is kept of before a
migration or a restore, hold it still.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from daemon.mistakes import PostroomError
from daemon.model.reader_files import cache_of
from daemon.settings import Settings
from daemon.state.lock import StateLock
from daemon.state.watermark import Watermark
from daemon.store import journal, mailboxes, sharing, training
from daemon.store.database import Database, StoreError
from daemon.store.one_mailbox import delete_mailbox, rows_of
from daemon.training.order import readings_folder
from daemon.training.places import no_training
from daemon.training.registry import Registry


@dataclass(frozen=True)
class Known:
    """What is known of one mailbox. `open_actions`: of so many moves nobody knows yet how they ended."""

    name: str
    rows: dict[str, int]
    models: tuple[str, ...]
    open_actions: int


def known_of(database: Database, name: str) -> Known:
    """What would go. Raises PostroomError: nothing is known of a mailbox of this name."""
    with database.read() as tx:
        box = mailboxes.find(tx, name)
        if box is None:
            there = ", ".join(other.name for other in mailboxes.everyone(tx)) or "none"
            raise PostroomError(name, "nothing is known of a mailbox of this name.", f"Known are: {there}.")
        own = [] if sharing.lender_of(tx, box.id) is not None else training.models(tx, box.id)
        models = tuple(model.version for model in own if model.state != "removed")
        return Known(name, rows_of(tx, box.id), models, len(journal.unfinished(tx, box.id)))


def reset(database: Database, registry: Registry, settings: Settings, name: str) -> tuple[Known, list[str]]:
    """Forget it. Returns what went, and what could not be done, in sentences.

    Raises AlreadyRunning beside a service, TrainingBusy beside a training, StoreError.
    """
    state_dir = settings.state_dir
    with StateLock(state_dir), no_training(state_dir):
        found = known_of(database, name)
        with database.read() as tx:
            box = mailboxes.find(tx, name)
            assert box is not None
            lender = sharing.lender_name(tx, box.id)
        with database.begin() as tx:
            sharing.part(tx, box.id)
            models = training.models(tx, box.id)
        registry.remove(box.id, [model for model in models if model.state != "removed"])
        registry.tidy_server(box.id)
        troubles = registry.serving.left_behind(name, False)
        if lender is not None:
            troubles.append(
                f'The models of "{lender}" have learnt from its mail, too, and stay until `keep_models` are newer.'
            )
        for folder in (registry.models_dir / name, readings_folder(cache_of(state_dir), name)):
            shutil.rmtree(folder, ignore_errors=True)
        Watermark(state_dir / "seen" / name).forget()
        with database.begin() as tx:  # last: until then the same command finds what is left
            delete_mailbox(tx, box.id)
    try:
        database.rewrite()
    except StoreError as error:  # overwritten it is in any case
        troubles.append(f"The database could not be written anew: {error}")
    return found, troubles
