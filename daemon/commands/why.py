"""why: everything that is known of one message."""

from __future__ import annotations

import re
from typing import Any

import click
from rich.markup import escape

from daemon.commands.common import Context, console, json_option, known, local, pass_context, print_json, table
from daemon.mistakes import PostroomError
from daemon.report.file_words import files_in_words
from daemon.report.open_batches import ASK
from daemon.report.story import message_story
from daemon.store import withheld
from daemon.store.message_names import meant, place_of
from daemon.store.records import Withheld


@click.command()
@click.argument("message", metavar="MESSAGE")
@json_option
@pass_context
def why(context: Context, message: str, as_json: bool) -> None:
    """Why a message is where it is: everything that Postroom thought, did and saw.

    MESSAGE is the mail's Message-ID header (Thunderbird: View, Headers, All), with or without <>; for Request
    Tracker it is the ticket's number. What logs and tables call a message is understood as well: its short name, a
    place (folder/UIDVALIDITY/UID), the number of a correction or a lesson.

    \b
    postroom why '<4711@example.org>'
    postroom why 3f2a9c01b7de
    postroom why INBOX/1/17
    postroom why correction:17
    """
    stories: list[dict[str, Any]] = []
    names: list[str] = []
    unread: list[Withheld] = []
    with context.mailroom() as mailroom:
        for desk in mailroom.desks():
            box = known(desk)
            with desk.database.read() as tx:
                found = {one.message.id: one for one in meant(tx, box.id, message)}
                stories += [message_story(tx, box, one.message, named=not as_json) for one in found.values()]
                names += [one.name for one in found.values()]
                place = place_of(message)
                held = None if place is None or found else withheld.at(tx, box.id, place)
                unread += [] if held is None else [held]
    if len(set(names)) > 1:
        each = ", ".join(f"`postroom why {name}`" for name in dict.fromkeys(names))
        raise PostroomError(message, f"that may mean {len(set(names))} messages.", f"Say which: {each}.")
    if unread and not as_json:
        for held in unread:
            again = None if held.again is None else local(held.again)
            console.print(_held_back(held.tries, again, held.why), soft_wrap=True)
        return
    if not stories:
        raise PostroomError(message, *_not_found(message))
    if as_json:
        print_json(stories)
        return
    if len(stories) > 1:
        console.print(f"{len(stories)} messages are called so.")
    for story in stories:
        _show_story(story)


def _not_found(said: str) -> tuple[str, str]:
    """The fact and the next step."""
    if re.fullmatch(r"[Bb]\d+", said):
        return "this is a bulk move, of many messages.", f"See `{ASK}`."
    return (
        "Postroom has not seen a message that is called so.",
        "It looks at the inbox and the category folders; older mail was left alone.",
    )


def _show_story(story: dict[str, Any]) -> None:
    name = escape(story["message_id"] or story["message"])
    head = f"[bold]{name}[/bold] in {story['mailbox']}: {story['state']}  ({story['message']} in logs and tables)"
    console.print(head, soft_wrap=True, markup=True)
    events: list[tuple[str, str]] = []
    seen = [(place["seen"], f"seen in {place['folder']}" + _by(place["by"]), place["by"]) for place in story["places"]]
    events += [(at, what) for at, what, by in seen if by != "postroom"]
    events += _left(story["places"])
    events += [(tagging["seen"], _tagged(tagging)) for tagging in story["tags"]]
    events += [(decision["at"], _decided(decision)) for decision in story["decisions"]]
    events += [(action["planned"], _acted(action)) for action in story["actions"]]
    events += [(correction["at"], _corrected(correction)) for correction in story["corrections"]]
    for lesson in story["lessons"]:
        void = f" (void since {local(lesson['voided'])})" if lesson["voided"] else ""
        events.append((lesson["at"], f"lesson {lesson['id']}: {lesson['category']}{void}"))
    events += [(at, what) for at, what, by in seen if by == "postroom"]  # of one second: after it was decided and done
    # By the time itself: an hour of the clock comes twice in autumn.
    table("", ["when", "what"], [(local(at), what) for at, what in sorted(events, key=lambda event: event[0])])
    if held := story["withheld"]:
        again = local(held["again"]) if held["again"] else None
        console.print(_held_back(held["tries"], again, held["why"]), soft_wrap=True)
    elif story["state"] == "new" and not story["decisions"]:
        console.print("Not decided yet: it waits for `act_after`, or sorting is paused (`postroom status`).")


def _held_back(tries: int, again: str | None, why: str) -> str:
    then = "it is not tried any more" if again is None else f"the next try is at {again}"
    number = "1 try" if tries == 1 else f"{tries} tries"
    return f"The server does not give it, in {number}; {then}. {why}"


def _left(places: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """That it lies nowhere any more, as far as we look."""
    if not places or any(place["gone"] is None for place in places):
        return []
    last = max(places, key=lambda place: str(place["gone"]))
    return [(last["gone"], f"left {last['folder']}: deleted, or moved to where Postroom does not look")]


def _by(who: str | None) -> str:
    return f", put there by {who}" if who else ""


def _tagged(tagging: dict[str, Any]) -> str:
    tags = tagging["tags"]
    by = f", by {tagging['by']}" if tagging["by"] else ""
    return (f"tagged {', '.join(tags)}" if tags else "without a category's tag") + by


def _decided(decision: dict[str, Any]) -> str:
    is_remark = decision["source"] == "rule" and decision["best"] is None  # nobody asked a model
    if is_remark:
        return str(decision["reason"])
    return f"decided ({decision['mode']}): {decision['reason']}{files_in_words(decision['files'])}"


def _corrected(correction: dict[str, Any]) -> str:
    kind = correction["kind"]
    for_good = "; Postroom does not touch it again" if kind == "rejection" else ""
    waits = f" (in the bulk move {correction['waits']}, which waits)" if correction["waits"] else ""
    if correction["voided"]:
        waits, for_good = f" (taken back: {local(correction['voided'])}; it teaches nothing)", ""
    return f"a person: {kind}, {correction['from']} -> {correction['to']}{waits}{for_good}"


def _acted(entry: dict[str, Any]) -> str:
    to = f" -> {entry['to']}" if entry["to"] else ""
    if entry["added"] or entry["removed"]:
        to = "".join(f" {sign}{tag}" for sign, what in (("+", "added"), ("-", "removed")) for tag in entry[what])
    what = f"action {entry['state']}"
    if entry["kind"] == "undo":
        what = "put back by undo" if entry["state"] == "done" else f"undo {entry['state']}"
    return f"{what}: {entry['from']}{to} {entry['explanation'] or ''}".rstrip()
