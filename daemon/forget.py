"""Forget a person: whatever was learnt from mail that holds the address, and every model that may have learnt from it.

    no training runs | our turn | lessons that hold the address -> deleted, with their messages and what points at these
    | models -> removed | readings -> removed | the database is written anew | train again, without

A model may stay only if it is proved that it never saw such a lesson: all lessons that its training counted are still
there, and none of them holds the address. What was taken back or has grown old in the meantime holds no address any
more, so models from before that go as well. Begun again after a crash it ends what was begun.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from daemon.desk import Desk
from daemon.engines.base import EngineError
from daemon.engines.ollama import Publisher, names_of
from daemon.errors import PostroomError
from daemon.lessons import each_lesson
from daemon.night import no_training
from daemon.person import Person
from daemon.settings import Settings
from daemon.store import deletion, learning, training
from daemon.store.database import StoreError, Tx
from daemon.store.records import ModelRecord


@dataclass(frozen=True)
class Found:
    """What one mailbox holds of a person. `models`: those that may have learnt from it, with their files."""

    lessons: tuple[int, ...]
    messages: tuple[int, ...]
    models: tuple[ModelRecord, ...]

    @property
    def in_use(self) -> str | None:
        """The version in use, if it is one of them."""
        return next((model.version for model in self.models if model.state == "current"), None)


def look_for(desk: Desk, person: Person) -> Found:
    """Changes nothing. Raises PostroomError for the mailbox's own address, which all of its mail holds."""
    user = getattr(desk.settings, "user", "")
    if person.in_words(user) or any(map(person.is_all_of, desk.settings.own_domains)):
        raise PostroomError(
            person.words,
            f'is the own address of "{desk.settings.name}", so every lesson holds it.',
            "To forget everything, stop Postroom and delete its state directory.",
        )
    lessons = [lesson for lesson in each_lesson(desk.database, desk.mailbox_id) if person.place(lesson.text)]
    with desk.database.read() as tx:
        taught = {lesson.message for lesson in lessons if lesson.message is not None}
        known = deletion.with_copies(tx, desk.mailbox_id, taught)
        named = {each for each, name in deletion.names(tx, desk.mailbox_id) if person.in_words(name)}
        ids = tuple(lesson.id for lesson in lessons)
        models = _not_proved_clean(tx, desk.mailbox_id, ids)
    return Found(ids, tuple(sorted(known | named)), tuple(models))


def _not_proved_clean(tx: Tx, mailbox: int, lessons: Sequence[int]) -> list[ModelRecord]:
    runs = training.runs(tx, mailbox, limit=None)
    first = min(lessons, default=None)
    found = []
    for model in training.models(tx, mailbox):
        if model.state == "removed":
            continue
        run = next((run for run in runs if run.started <= model.created), None)
        clean = (
            run is not None
            and (first is None or first > run.newest_lesson)
            and learning.count_up_to(tx, mailbox, run.newest_lesson) == run.lessons
        )
        if not clean:
            found.append(model)
    return found


@dataclass(frozen=True)
class Forgotten:
    """What went. `unfinished`: messages in the middle of a move, whose identity stays until that has ended."""

    found: Found
    unfinished: int = 0
    troubles: tuple[str, ...] = ()
    """What could not be done, in sentences."""


def forget(desk: Desk, settings: Settings, person: Person) -> Forgotten:
    """Delete all of it. If a model was in use, none is afterwards: train. Raises TrainingBusy, StoreError."""
    with no_training(settings.state_dir), desk.turn():
        found = look_for(desk, person)
        with desk.database.begin() as tx:
            learning.delete_lessons(tx, found.lessons)
            unfinished = deletion.forget(tx, desk.mailbox_id, found.messages, person.in_words)
        desk.registry.remove(desk.mailbox_id, found.models)
        shutil.rmtree(settings.state_dir / "training" / "cache" / "lessons" / desk.settings.name, ignore_errors=True)
    troubles = _left_on_server(desk, settings) if found.models else []
    try:
        desk.database.rewrite()
    except StoreError as error:  # overwritten it is in any case; written anew it takes less room as well
        troubles.append(f"The database could not be written anew: {error}")
    return Forgotten(found, unfinished, tuple(troubles))


def _left_on_server(desk: Desk, settings: Settings) -> list[str]:
    """Take the models from Ollama as well; what is left of them there, in a sentence."""
    if settings.engine.kind == "openai":
        return ["The model server still has the removed model in memory: stop it, or restart it after the training."]
    if settings.engine.kind != "ollama":
        return []
    desk.registry.tidy_server(desk.mailbox_id)
    with desk.database.read() as tx:
        serving = any(model.state in ("current", "previous") for model in training.models(tx, desk.mailbox_id))
    try:
        with Publisher(settings.engine.host, timeout=10) as server:
            left = [name for name in server.names() if name.startswith(names_of(desk.settings.name))]
    except EngineError as error:
        return [f"The model server could not be asked to remove its copies: {error}"]
    return [f"The model server still has {', '.join(left)}."] if left and not serving else []
