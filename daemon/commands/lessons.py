"""lessons: what there is to learn from, what contradicts itself, and taking one back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from connectors.base import MailText
from daemon.commands.common import (
    Context,
    console,
    json_option,
    local_day,
    mailbox_option,
    nothing_found,
    pass_context,
    print_json,
    table,
)
from daemon.mistakes import PostroomError, WrongName
from daemon.passes.desk import Desk
from daemon.privacy.forgetting import Memory, memories
from daemon.privacy.person import Person
from daemon.report import teaching as known_lessons
from daemon.report.story import iso
from daemon.report.teaching import Side
from daemon.report.twin_folders import ASK
from daemon.store import batches, learning, mailboxes, messages


@click.command()
@click.option("--contradictions", is_flag=True, help="Near-identical mails that people keep in different categories.")
@click.option("--category", metavar="NAME", help="The newest lessons of one category, one by one.")
@click.option("--from", "person", metavar="ADDRESS|@DOMAIN", help="The newest lessons whose mail holds an address.")
@click.option("--limit", default=50, show_default=True, help="With --category and --from: how many.")
@click.option("--void", type=int, metavar="ID", help="Take one lesson back; what it had replaced counts again.")
@mailbox_option
@json_option
@pass_context
def lessons(
    context: Context,
    contradictions: bool,
    category: str | None,
    person: str | None,
    limit: int,
    void: int | None,
    mailbox: str | None,
    as_json: bool,
) -> None:
    """Show what there is to learn from: how many lessons each category has, from where, and what is wrong with them.

    A lesson is one mail that a person filed. `--contradictions` lists pairs of nearly the same mail in different
    categories, as the last training found them, and how many mails lie word for word in two; decide once, and take the
    wrong one back.

    \b
    postroom lessons
    postroom lessons --contradictions
    postroom lessons --from ann@example.org
    postroom lessons --void 4711
    """
    if sum((contradictions, category is not None, person is not None, void is not None)) > 1:
        raise click.UsageError("Say only one of --contradictions, --category, --from and --void.")
    somebody = None if person is None else Person(person)
    with context.mailroom() as mailroom:
        if somebody is not None:
            _show_person(memories(mailroom, mailbox), somebody, limit, as_json)
            return
        desk = context.one(mailroom, mailbox)
        if void is not None:
            _void(desk, void)
        elif contradictions:
            with desk.database.read() as tx:
                pairs = known_lessons.contradictions(tx, desk.mailbox_id)
                same = known_lessons.same_mail(tx, desk.mailbox_id)
            _show_contradictions(pairs, same, as_json)
        elif category is not None:
            _show_category(desk, category, limit, as_json)
        else:
            _show_overview(desk, as_json)


def _void(desk: Desk, lesson: int) -> None:
    with desk.database.begin() as tx:
        if not learning.void_lesson(tx, desk.mailbox_id, lesson, desk.clock()):
            raise PostroomError(
                str(lesson), "there is no such lesson, or it is void.", "See `postroom lessons --category NAME`."
            )
    console.print(f"Lesson {lesson} is deleted and teaches nothing any more. The mail stays where it is.")


def _show_overview(desk: Desk, as_json: bool) -> None:
    points = desk.registry.points(desk.mailbox_id)
    with desk.database.read() as tx:
        found = known_lessons.overview(tx, desk.mailbox_id, points, desk.sorting.min_examples)
    if as_json:
        rows = [
            {
                "category": category.name,
                "folder": category.folder,
                "tag": category.tag,
                "lessons": category.lessons,
                "sources": category.sources,
                "newest": iso(category.newest),
                "trouble": category.trouble,
            }
            for category in found
        ]
        print_json(rows)
        return
    if not found:
        words = "No categories yet. Make folders for what you sort, then `postroom learn --from-folders`."
        console.print(words, soft_wrap=True)
        return
    shown = [
        (
            category.name,
            category.lessons,
            category.sources,
            "" if category.newest is None else local_day(category.newest),
            category.trouble or "can be learnt",
        )
        for category in found
    ]
    table("Lessons", ["category", "lessons", "from", "newest", "remarks"], shown, frozenset({1}))


def _show_contradictions(pairs: list[tuple[Side, Side]], same: list[tuple[str, str, int]], as_json: bool) -> None:
    if as_json:  # for scripts, which may log what they get: no subjects
        print_json({"pairs": [[_side(side) for side in pair] for pair in pairs], "same_mail": same})
        return
    for one, other, number in same:
        lie = "1 mail lies" if number == 1 else f"{number} mails lie"
        words = f'{lie} word for word in both "{one}" and "{other}".'
        console.print(f"{words} `{ASK}` says whether the two may mean the same.", soft_wrap=True)
    if not pairs:
        console.print("The last training found no near-identical mails in different categories.")
        return
    rows: list[tuple[Any, ...]] = []
    for number, pair in enumerate(pairs, start=1):
        for side in pair:
            when = local_day(side.at)
            rows.append((number, side.lesson, when, side.folder or side.category, side.name, side.subject[:40]))
    table("Contradictions", ["pair", "lesson", "when", "folder", "message", "subject"], rows, frozenset({0, 1}))
    console.print("`postroom why MESSAGE` tells more; `postroom lessons --void LESSON` takes the wrong one back.")


def _side(side: Side) -> dict[str, Any]:
    return {
        "lesson": side.lesson,
        "message": side.name,
        "at": iso(side.at),
        "category": side.category,
        "folder": side.folder,
    }


def _show_category(desk: Desk, name: str, limit: int, as_json: bool) -> None:
    with desk.database.read() as tx:
        categories = mailboxes.categories(tx, desk.mailbox_id)
        called = mailboxes.category_names(tx, desk.mailbox_id)
        wanted = next((one for one in categories if name in (called[one.uid], one.folder)), None)
        if wanted is None:
            there = ", ".join(called.values()) or "none yet"
            raise WrongName(name, "there is no such category.", f"There are: {there}.")
        found = learning.newest_lessons(tx, desk.mailbox_id, wanted.uid, limit)
        names = {
            lesson.id: messages.get(tx, lesson.message).identity.message_id
            for lesson in found
            if lesson.message is not None
        }
    if as_json:
        rows = [
            {
                "lesson": lesson.id,
                "message": names.get(lesson.id),
                "at": iso(lesson.at),
                "source": lesson.source,
                "exam": lesson.frozen,
            }
            for lesson in found
        ]
        print_json(rows)
        return
    shown = [
        (
            lesson.id,
            local_day(lesson.at),
            known_lessons.SOURCES.get(lesson.source, lesson.source),
            names.get(lesson.id),
            lesson.text.subject[:40],
        )
        for lesson in found
    ]
    table(
        f"Newest lessons of {called[wanted.uid]}",
        ["lesson", "when", "from", "message", "subject"],
        shown,
        frozenset({0}),
    )


@dataclass(frozen=True)
class _Held:
    """A text that holds somebody's address: a lesson's, or what a bulk move that waits would teach."""

    mailbox: str
    lesson: int | None
    waits_in: str | None
    at: datetime
    category: str | None
    source: str
    place: str
    text: MailText


def _held(memory: Memory, person: Person) -> list[_Held]:
    with memory.database.read() as tx:
        names = mailboxes.category_names(tx, memory.mailbox_id)
        asked = batches.members(tx, memory.mailbox_id)
    found = []
    for member in asked:
        if member.text is not None and (place := person.place(member.text)) is not None:
            category, where = names.get(member.to_category or ""), f"B{member.batch}"
            held = _Held(memory.name, None, where, member.moved, category, "correction", place, member.text)
            found.append(held)
    for lesson in learning.every_lesson(memory.database, memory.mailbox_id, as_filed=True):
        if (place := person.place(lesson.text)) is not None:
            category = names.get(lesson.category)
            found.append(_Held(memory.name, lesson.id, None, lesson.at, category, lesson.source, place, lesson.text))
    return found


def _show_person(known: list[Memory], person: Person, limit: int, as_json: bool) -> None:
    """What `forget` would delete; in JSON, which scripts may log, without subjects and addresses."""
    every = [held for memory in known for held in _held(memory, person)]
    found = sorted(every, key=lambda held: (held.at, held.lesson or 0), reverse=True)[:limit]
    if as_json:
        print_json(
            [
                {
                    "mailbox": held.mailbox,
                    "lesson": held.lesson,
                    "waits_in": held.waits_in,
                    "at": iso(held.at),
                    "category": held.category,
                    "source": held.source,
                    "address_in": held.place,
                }
                for held in found
            ]
        )
        return
    if not found:
        console.print(nothing_found(person), soft_wrap=True)
        return
    rows = [
        (
            held.mailbox,
            held.lesson if held.waits_in is None else f"waits in {held.waits_in}",
            local_day(held.at),
            held.category,
            held.place,
            held.text.sender,
            held.text.subject[:40],
        )
        for held in found
    ]
    heads = ["mailbox", "lesson", "when", "category", "address in", "sender", "subject"]
    table(f"Lessons that hold {person.words}", heads, rows, frozenset({1}))
