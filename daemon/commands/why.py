"""why: everything that is known of one message."""

from __future__ import annotations

from typing import Any

import click
from rich.markup import escape

from daemon.commands.common import Context, console, json_option, known, local, pass_context, print_json, table
from daemon.mistakes import PostroomError
from daemon.report.file_words import files_in_words
from daemon.report.story import message_story
from daemon.store import messages


@click.command()
@click.argument("message_id", metavar="MESSAGE-ID")
@json_option
@pass_context
def why(context: Context, message_id: str, as_json: bool) -> None:
    """Why a message is where it is: everything that Postroom thought, did and saw.

    MESSAGE-ID is the mail's Message-ID header (Thunderbird: View, Headers, All), with or without <>; for Request
    Tracker it is the ticket's number.
    """
    with context.mailroom() as mailroom:
        stories = []
        for desk in mailroom.desks():
            box = known(desk)
            with desk.database.read() as tx:
                for message in messages.named(tx, box.id, message_id):
                    stories.append(message_story(tx, box, message, named=not as_json))
    if not stories:
        raise PostroomError(
            message_id,
            "Postroom has not seen a message with this Message-ID.",
            "It looks at the inbox and the category folders; older mail was left alone.",
        )
    if as_json:
        print_json(stories)
        return
    for story in stories:
        _show_story(story)


def _show_story(story: dict[str, Any]) -> None:
    head = f"[bold]{escape(story['message_id'])}[/bold] in {story['mailbox']}: {story['state']}"
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
        again = f"the next try is at {local(held['again'])}" if held["again"] else "it is not tried any more"
        console.print(f"The server does not give it, in {held['tries']} tries; {again}. {held['why']}", soft_wrap=True)
    elif story["state"] == "new" and not story["decisions"]:
        console.print("Not decided yet: it waits for `act_after`, or sorting is paused (`postroom status`).")


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
