"""Forget a person: whatever was learnt from mail that holds the address, and every model that may have learnt from it.

    no training runs | our turn | lessons that hold the address -> deleted, with their messages and what points at these
    | models, readings, and what is kept of before a migration or a restore -> removed | the database is written anew
    | train again, without

A model may stay only if it is proved that it never saw such a lesson: all lessons that its training counted are still
there, and none of them holds the address. What was taken back or has grown old in the meantime holds no address any
more, so models from before that go as well. Begun again after a crash it ends what was begun.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from daemon.mistakes import PostroomError
from daemon.model.reader_files import cache_of
from daemon.passes.desk import Desk
from daemon.passes.mailroom import Mailroom
from daemon.privacy.person import Person
from daemon.settings import Settings
from daemon.state.kept import forget_kept
from daemon.state.lock import turn
from daemon.store import batches, decisions, deletion, learning, mailboxes, sharing, training
from daemon.store.database import Database, StoreError, Tx
from daemon.store.records import ModelRecord
from daemon.training.order import readings_folder
from daemon.training.places import no_training
from daemon.training.registry import Registry


@dataclass(frozen=True)
class Memory:
    """What Postroom knows of one mailbox, be it in the settings still or not. `user`, `own_domains`: its addresses."""

    name: str
    mailbox_id: int
    database: Database
    registry: Registry
    turn: Callable[[], AbstractContextManager[None]]
    user: str = ""
    own_domains: tuple[str, ...] = ()
    desk: Desk | None = None
    """None: the settings name it no more, so no model can be trained for it."""


def memory_of(desk: Desk) -> Memory:
    """What Postroom knows of a mailbox in the settings."""
    user, own = getattr(desk.settings, "user", ""), tuple(desk.settings.own_domains)
    return Memory(desk.settings.name, desk.mailbox_id, desk.database, desk.registry, desk.turn, user, own, desk)


def memories(mailroom: Mailroom, name: str | None = None) -> list[Memory]:
    """What Postroom knows of every mailbox ever met, or of the one of this name. Raises PostroomError if there was
    none."""
    found = [memory_of(desk) for desk in mailroom.desks()]
    here = {memory.name for memory in found}
    with mailroom.database.read() as tx:
        former = [mailbox for mailbox in mailboxes.everyone(tx) if mailbox.name not in here]
    for mailbox in former:
        its_turn = partial(turn, mailroom.settings.state_dir / "turns" / mailbox.name)
        found.append(Memory(mailbox.name, mailbox.id, mailroom.database, mailroom.registry, its_turn))
    if name is None:
        return found
    of_this_name = [memory for memory in found if memory.name == name]
    return of_this_name or [memory_of(mailroom.desk(name))]  # which says what there is


@dataclass(frozen=True)
class Found:
    """What one mailbox holds of a person. `models`: those that may have learnt from it, with their files."""

    lessons: tuple[int, ...]
    messages: tuple[int, ...]
    models: tuple[ModelRecord, ...]
    waiting: tuple[int, ...] = ()
    """The corrections in bulk moves that wait, which would teach from such mail."""
    none_serves: bool = False
    """There were models and none is in use, though lessons would stay: a training that was cut short never came."""

    @property
    def in_use(self) -> str | None:
        """The version in use, if it is one of them."""
        return next((model.version for model in self.models if model.state == "current"), None)


def refuse_own(memory: Memory, person: Person) -> None:
    """Raises PostroomError for the mailbox's own address, which all of its mail holds."""
    if person.in_words(memory.user) or any(map(person.is_all_of, memory.own_domains)):
        raise PostroomError(
            person.words,
            f'is the own address of "{memory.name}", so every lesson holds it.',
            "To forget everything, stop Postroom and delete its state directory.",
        )


def look_for(memory: Memory, person: Person) -> Found:
    """What this mailbox holds of the person. Changes nothing. Raises PostroomError for the mailbox's own address."""
    refuse_own(memory, person)
    every = learning.every_lesson(memory.database, memory.mailbox_id, as_filed=True)
    lessons = [lesson for lesson in every if person.place(lesson.text)]
    with memory.database.read() as tx:
        asked = batches.members(tx, memory.mailbox_id)
        waiting = [member for member in asked if member.text is not None and person.place(member.text)]
        taught = {lesson.message for lesson in lessons if lesson.message is not None}
        taught |= {member.message for member in waiting}
        known = deletion.with_copies(tx, memory.mailbox_id, taught)
        named = {message for message, name in deletion.names(tx, memory.mailbox_id) if person.in_words(name)}
        ids = tuple(lesson.id for lesson in lessons)
        models = _not_proved_clean(tx, memory.mailbox_id, ids)
        made = {model.state for model in training.models(tx, memory.mailbox_id) if model.promoted is not None}
        stay = learning.lesson_state(tx, memory.mailbox_id)[1] > len(ids)
    none_serves = bool(made) and "current" not in made and stay
    corrections = tuple(member.correction for member in waiting)
    return Found(ids, tuple(sorted(known | named)), tuple(models), corrections, none_serves)


def _not_proved_clean(tx: Tx, mailbox: int, lessons: Sequence[int]) -> list[ModelRecord]:
    runs = {run.id: run for run in training.runs(tx, mailbox, limit=None)}
    first = min(lessons, default=None)
    found = []
    for model in training.models(tx, mailbox):
        if model.state == "removed":
            continue
        run = None if model.run is None else runs.get(model.run)
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
    """What was deleted. `unfinished`: messages in the middle of a move, whose identity stays until that has ended."""

    found: Found
    unfinished: int = 0
    troubles: tuple[str, ...] = ()
    """What could not be done, in sentences."""


def forget(memory: Memory, settings: Settings, person: Person) -> Forgotten:
    """Delete what this mailbox holds of the person. If a model was in use, none is afterwards: train. Raises
    TrainingBusy, StoreError."""
    with no_training(settings.state_dir), memory.turn():
        found = look_for(memory, person)
        with memory.database.begin() as tx:
            learning.delete_lessons(tx, found.lessons)
            batches.forget_texts(tx, found.waiting)
            decisions.forget_files_of(tx, found.messages)  # of those that stay a moment longer
            decisions.forget_files_that(tx, memory.mailbox_id, person.in_words)
            unfinished = deletion.forget(tx, memory.mailbox_id, found.messages, person.in_words)
        memory.registry.remove(memory.mailbox_id, found.models)
        with memory.database.read() as tx:
            trained_as = sharing.teacher_name(tx, memory.mailbox_id)
        shutil.rmtree(readings_folder(cache_of(settings.state_dir), trained_as), ignore_errors=True)
        forget_kept(settings.state_dir)
    troubles = _left_on_server(memory) if found.models else []
    try:
        memory.database.rewrite()
    except StoreError as error:  # overwritten it is in any case; written anew it takes less room as well
        troubles.append(f"The database could not be written anew: {error}")
    return Forgotten(found, unfinished, tuple(troubles))


def _left_on_server(memory: Memory) -> list[str]:
    """Take the models from the server as well; what is left of them there, in a sentence."""
    memory.registry.tidy_server(memory.mailbox_id)
    with memory.database.read() as tx:
        in_use = any(model.state in ("current", "previous") for model in training.models(tx, memory.mailbox_id))
        served_as = sharing.teacher_name(tx, memory.mailbox_id)
    return memory.registry.serving.left_behind(served_as, in_use)
