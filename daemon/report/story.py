"""What `status` and `why` tell, gathered from the store as plain values.

Agreement counts only what people showed by acting: a message that nobody touched neither agrees nor disagrees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connectors.base import Tag
from daemon.model.prediction import Point
from daemon.report.concerns import nights
from daemon.report.file_words import file_story, files_counted
from daemon.report.open_batches import open_batches, question
from daemon.report.teaching import overview
from daemon.report.twin_folders import question as twins_question
from daemon.report.twin_folders import twin_rows
from daemon.rules.decision import BY_RULE
from daemon.rules.earned import Shown, shown
from daemon.rules.schedule import last_attempt, late_by, next_night, owed
from daemon.settings import Settings
from daemon.settings.zone import office_time
from daemon.state.lock import Holder
from daemon.store import decisions, journal, learning, mailboxes, messages, taggings, training, withheld
from daemon.store.database import Tx
from daemon.store.message_names import short_name
from daemon.store.records import (
    FILERS,
    INTERRUPTED,
    Correction,
    DecisionSource,
    KnownMessage,
    Mailbox,
    StoredDecision,
    Withheld,
)

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Agreement:
    """Decisions of a period and what people did after them. `filed`: acted on, or would have been in shadow."""

    decided: int
    filed: int
    agreed: int
    overridden: int

    def in_words(self, mode: str) -> str:
        """One sentence for people."""
        verb = "Would have filed" if mode == "shadow" else "Filed"
        words = f"{verb} {self.filed} of {self.decided} messages"
        if mode == "shadow":
            return f"{words}; people filed {self.agreed} of these the same way and {self.overridden} another way."
        return f"{words}; people moved {self.overridden} of these elsewhere."


@dataclass(frozen=True)
class Filer:
    """What one source of decisions has filed, or would have in shadow, and what of it people put elsewhere."""

    source: DecisionSource
    filed: int
    overridden: int

    @property
    def name(self) -> str:
        """As people read it."""
        return FILERS[self.source]


def who_filed(made: Sequence[StoredDecision], corrections: Sequence[Correction]) -> list[Filer]:
    """All sources that may file, by the last decision about each message."""
    filed, last_word = _last(made, corrections)
    found = []
    for source in FILERS:
        mine = {message: decision.category for message, decision in filed.items() if decision.source == source}
        words = [(last_word[message], category) for message, category in mine.items() if message in last_word]
        found.append(Filer(source, len(mine), sum(word.to_category != category for word, category in words)))
    return found


def _last(
    made: Sequence[StoredDecision], corrections: Sequence[Correction]
) -> tuple[dict[int, StoredDecision], dict[int, Correction]]:
    """By message, the last decision where that filed it, and the last thing that a person did to it."""
    last_decision = {decision.message: decision for decision in made}
    last_word = {correction.message: correction for correction in corrections if correction.voided is None}
    return {key: decision for key, decision in last_decision.items() if decision.category is not None}, last_word


def rules_told(made: Sequence[StoredDecision], corrections: Sequence[Correction]) -> list[dict[str, Any]]:
    """What the owner's rules filed, or would have in shadow, and what of it people put elsewhere, rule by rule."""
    filed, last_word = _last(made, corrections)
    found: dict[str, list[bool]] = {}
    for message, decision in filed.items():
        if decision.source == "owner":
            word = last_word.get(message)
            overridden = word is not None and word.to_category != decision.category
            found.setdefault(decision.reason.removesuffix(BY_RULE), []).append(overridden)
    return [{"rule": rule, "filed": len(words), "overridden": sum(words)} for rule, words in sorted(found.items())]


def agreement(made: Sequence[StoredDecision], corrections: Sequence[Correction]) -> Agreement:
    """Compare the last decision about each message with the last thing a person did to it."""
    filed, last_word = _last(made, corrections)
    agreed = overridden = 0
    for message, decision in filed.items():
        word = last_word.get(message)
        if word is None:
            continue
        if word.to_category == decision.category:
            agreed += 1
        else:
            overridden += 1
    return Agreement(len({decision.message for decision in made}), len(filed), agreed, overridden)


def mailbox_line(tx: Tx, mailbox: Mailbox, since: datetime) -> dict[str, Any]:
    """What the table of `postroom status` shows of one mailbox: the part of `mailbox_status` that is found quickly."""
    return _line(tx, mailbox, decisions.since(tx, mailbox.id, since), learning.corrections(tx, mailbox.id, since=since))


def _line(
    tx: Tx, mailbox: Mailbox, made: Sequence[StoredDecision], corrections: Sequence[Correction]
) -> dict[str, Any]:
    counted, current = agreement(made, corrections), training.current_model(tx, mailbox.id)
    return {
        "name": mailbox.name,
        "kind": mailbox.kind,
        "mode": mailbox.mode,
        "paused": mailbox.paused,
        "trouble": mailbox.trouble,
        "polled": iso(mailbox.polled),
        "last_arrival": iso(mailbox.last_arrival),
        "decided": counted.decided,
        "filed": counted.filed,
        "agreed": counted.agreed,
        "overridden": counted.overridden,
        "sentence": counted.in_words(mailbox.mode),
        "bulk_moves": [
            {"batch": found.name, "messages": found.batch.members, "words": question(found)}
            for found in open_batches(tx, mailbox.id)
        ],
        "twins": None if mailbox.lender else twins_question(twin_rows(tx, mailbox.id)),
        "model": None if current is None else {"version": current.version, "verdict": current.verdict},
        "unreadable": unreadable_words(mailbox.unreadable or {}),
        "withheld": withheld_words(withheld.all_of(tx, mailbox.id)),
        "turns": mailbox.turns,
    }


def mailbox_status(
    tx: Tx,
    mailbox: Mailbox,
    since: datetime,
    at_work: Callable[[], bool],
    points: Sequence[Point] = (),
    least: int = 0,
    rests: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Everything that `postroom status` shows about one mailbox, ready for JSON.

    `at_work`: does a training work now? `points`: held-out answers of the model in use.
    `least`: lessons that a category needs before it may file. `rests`: by a category's name, why it files nothing now.
    """
    made = decisions.since(tx, mailbox.id, since)
    corrections = learning.corrections(tx, mailbox.id, since=since)
    runs = training.runs(tx, mailbox.id, limit=1)
    categories = overview(tx, mailbox.id, points, least)
    modes = {category.mode or mailbox.mode for category in categories}
    by_mode = {mode: shown(decisions.filed_since(tx, mailbox.id, since, mode)) for mode in modes}
    return {
        **_line(tx, mailbox, made, corrections),
        "messages": messages.counts(tx, mailbox.id),
        "categories": [
            {
                "name": category.name,
                "folder": category.folder,
                "tag": category.tag,
                "lessons": category.lessons,
                "paused": category.paused,
                "trouble": category.trouble,
                "rests": (rests or {}).get(category.name),
                "mode": category.mode or mailbox.mode,
                "filed": was.would,
                "agreed": was.agreed,
                "overridden": was.overridden,
            }
            for category in categories
            for was in [by_mode[category.mode or mailbox.mode].get(category.uid, Shown())]
        ],
        "folders_new": [
            {"name": folder.name, "since": iso(folder.offered), "role": folder.role}
            for folder in mailboxes.folders(tx, mailbox.id)
            if folder.offered is not None and folder.missing_since is None
        ],
        "since": iso(since),
        "who_filed": {
            filer.source: {"filed": filer.filed, "overridden": filer.overridden}
            for filer in who_filed(made, corrections)
        },
        "rules": rules_told(made, corrections),
        "files": files_counted(file for decision in made for file in decision.files),
        "corrections": sum(1 for correction in corrections if correction.voided is None),
        "training": None
        if not runs
        else {
            "started": iso(runs[0].started),
            "ended": iso(runs[0].ended),
            **({"outcome": runs[0].outcome, "verdict": runs[0].verdict} if runs[0].outcome else _unended(at_work)),
        },
        "unfinished": len(journal.unfinished(tx, mailbox.id)),
    }


def service_status(
    tx: Tx, mailbox: Mailbox, settings: Settings, now: datetime, holder: Holder | None, working: bool, usable: bool
) -> dict[str, Any]:
    """What `postroom status` shows of the service's work on one mailbox: is it behind, is something wrong with its
    nights?

    `holder`: who runs, None if nobody does. `working`: does a training work now?
    `usable`: is there a model in use that can be used?
    """
    here = office_time(now)
    trouble = nights(tx, mailbox, settings.training, now, at_work=working, usable=usable)
    since = None if holder is None else holder.since
    late = (
        None
        if since is None or mailbox.trouble
        else late_by(now, mailbox.polled, since, settings.sorting_of(mailbox.name).poll)
    )
    runs = [(run.started, run.outcome) for run in training.runs(tx, mailbox.id, training.RUNS_JUDGED, until=now)]
    up_since = min(since or now, now)  # the lock may have been taken while the clock was ahead
    due = now if owed(runs) else next_night(here, settings.training.window, last_attempt(runs), up_since)
    return {
        "late": None if late is None else f"no look for {late // MINUTE} minutes, though the service runs.",
        "training_trouble": None
        if trouble is None
        else {"kind": trouble.kind, "since": iso(trouble.since), "words": trouble.words},
        "next_training": {
            "at": iso(due),
            "due": due <= here,
            "new_lessons": training.fresh_lessons(tx, mailbox.id, usable),
            "wanted": settings.training.min_corrections,
        },
    }


def _unended(at_work: Callable[[], bool]) -> dict[str, Any]:
    """What became of a training whose end was not written down."""
    if at_work():
        return {"outcome": "running", "verdict": None}
    return {"outcome": "interrupted", "verdict": INTERRUPTED}


def message_story(tx: Tx, mailbox: Mailbox, message: KnownMessage, *, named: bool = True) -> dict[str, Any]:
    """All that Postroom knows about one message: where it was, what was decided and done, what people did. Not `named`:
    without the names of its files, and what invoices among them say."""
    names = mailboxes.category_names(tx, mailbox.id)
    return {
        "mailbox": mailbox.name,
        "message": short_name(message.identity),
        "message_id": message.identity.message_id or message.identity.object_id,
        "state": message.state,
        "arrived": iso(message.arrived),
        "first_seen": iso(message.first_seen),
        "places": [
            {
                "folder": place.ref.folder,
                "uid": place.ref.uid,
                "seen": iso(place.seen),
                "gone": iso(place.gone),
                "by": "postroom" if place.ours else place.who,
            }
            for place in messages.sightings(tx, message.id)
        ],
        "tags": [
            {
                "tags": sorted(tagging.tags),
                "seen": iso(tagging.seen),
                "by": "postroom" if tagging.ours else tagging.who,
            }
            for tagging in taggings.of_message(tx, message.id)
        ],
        "decisions": [
            {
                "at": iso(decision.at),
                "category": _name(names, decision.category),
                "best": _name(names, decision.best),
                "probability": decision.probability,
                "runner_up": _name(names, decision.runner_up),
                "runner_up_probability": decision.runner_up_probability,
                "sureness": decision.sureness,
                "source": decision.source,
                "reason": decision.reason,
                "model": decision.model,
                "mode": decision.mode,
                "files": [file_story(file, named=named) for file in decision.files],
            }
            for decision in decisions.of_message(tx, message.id)
        ],
        "actions": [
            {
                "planned": iso(entry.planned),
                "ended": iso(entry.ended),
                "kind": entry.kind,
                "state": entry.state,
                "from": entry.ref.folder,
                "to": entry.landed.folder if entry.landed else None,
                "added": sorted(entry.action.add) if isinstance(entry.action, Tag) else [],
                "removed": sorted(entry.action.remove) if isinstance(entry.action, Tag) else [],
                "explanation": entry.explanation,
            }
            for entry in journal.of_message(tx, message.id)
        ],
        "withheld": _withheld(withheld.of_message(tx, message.id)),
        "lessons": [
            {
                "id": lesson.id,
                "at": iso(lesson.at),
                "category": _name(names, lesson.category),
                "source": lesson.source,
                "voided": iso(lesson.voided),
            }
            for lesson in learning.lessons_of(tx, message.id)
        ],
        "corrections": [
            {
                "id": correction.id,
                "at": iso(correction.at),
                "kind": correction.kind,
                "from": correction.from_folder,
                "to": correction.to_folder,
                "who": correction.who,
                "voided": iso(correction.voided),
                "waits": f"B{correction.batch}" if correction.waits else None,
            }
            for correction in learning.corrections(tx, mailbox.id, message=message.id)
        ],
    }


def _withheld(held: Withheld | None) -> dict[str, Any] | None:
    if held is None:
        return None
    return {"first": iso(held.first), "tries": held.tries, "again": iso(held.again), "why": held.why}


def unreadable_words(folders: Mapping[str, str]) -> str | None:
    """In words, if there are folders that cannot be looked into."""
    if not folders:
        return None
    name, why = sorted(folders.items())[0]
    number = "1 folder" if len(folders) == 1 else f"{len(folders)} folders"
    return f'{number} cannot be looked into, and Postroom tries again later. "{name}": {why}'


def withheld_words(held: Sequence[Withheld]) -> str | None:
    """In words, if there is mail that the server does not give."""
    if not held:
        return None
    number = "1 message lies" if len(held) == 1 else f"{len(held)} messages lie"
    given_up = sum(one.again is None for one in held)
    rest = {0: "Postroom tries again later", len(held): "Postroom does not try any more"}
    tried = rest.get(given_up, f"Postroom tries again later, and {given_up} of them no more")
    last = held[-1]
    where = f"{last.ref.key}, {last.tries} {'try' if last.tries == 1 else 'tries'}"
    return f"{number} there and cannot be read; {tried}. The latest ({where}): {last.why}"


def _name(names: dict[str, str], uid: str | None) -> str | None:
    return None if uid is None else names.get(uid, "a removed category")


def iso(moment: datetime | None) -> str | None:
    """The moment in ISO 8601, to the second; None for none."""
    return None if moment is None else moment.isoformat(timespec="seconds")
