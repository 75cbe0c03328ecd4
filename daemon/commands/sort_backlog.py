"""sort: mail that lay in the inbox before Postroom came is sorted after all."""

from __future__ import annotations

from datetime import datetime

import click

from daemon.commands.common import Context, console, json_option, local, mailbox_option, pass_context, print_json
from daemon.commands.progress import counting_bar
from daemon.mistakes import PostroomError
from daemon.passes import backlog
from daemon.passes.desk import Desk
from daemon.passes.put_back import moment
from daemon.report.story import iso
from daemon.service import logs
from daemon.store import mailboxes


@click.command("sort")
@click.option("--backlog", "since", metavar="SINCE", help="What arrived since: 30d, 2026-11-01 or 2026-11-01T09:00.")
@click.option("--limit", default=500, show_default=True, type=click.IntRange(1), help="The newest so many messages.")
@click.option("--dry-run", is_flag=True, help="Change nothing: say what would go where.")
@click.option("--stop", is_flag=True, help="Leave what was asked for and has not been sorted yet.")
@mailbox_option
@json_option
@pass_context
def sort_backlog(
    context: Context, since: str | None, limit: int, dry_run: bool, stop: bool, mailbox: str | None, as_json: bool
) -> None:
    """Sort mail that lay in the inbox before Postroom came: a few messages a minute, beside what arrives.

    The service does it, by the same rules as everything else; a shadow mailbox only decides. Mail that people have put
    into the inbox since stays there. `--stop` ends it at any time.

    \b
    postroom sort --backlog 30d --dry-run
    postroom sort --backlog 30d
    postroom sort --stop
    """
    if (since is None) == (not stop) or (stop and dry_run):
        raise click.UsageError("Say --backlog SINCE, perhaps with --dry-run, or --stop alone.")
    logs.configure(context.settings.log.model_copy(update={"level": "warning"}))
    with context.mailroom() as mailroom:
        desk = context.one(mailroom, mailbox)
        if since is None:
            _stop(desk, as_json=as_json)
            return
        when = moment(since, desk.clock(), "--backlog")
        _refuse_before_the_first_look(desk)
        if dry_run:
            _tell(desk, when, limit, as_json=as_json)
        else:
            _ask(desk, when, limit, as_json=as_json)


def _refuse_before_the_first_look(desk: Desk) -> None:
    with desk.database.read() as tx:
        if mailboxes.get(tx, desk.mailbox_id).cursor is None:
            step = "Start the service, or call `postroom once`, and try again."
            raise PostroomError(desk.settings.name, "nobody has looked into the inbox yet.", step)


def _stop(desk: Desk, *, as_json: bool) -> None:
    left = backlog.take_back(desk)
    if as_json:
        print_json({"left": left})
    else:
        console.print(f"{desk.settings.name}: {_many(left)} of the backlog will stay where they are.", soft_wrap=True)


def _ask(desk: Desk, when: datetime, limit: int, *, as_json: bool) -> None:
    asked = backlog.ask(desk, when, limit)
    if as_json:
        print_json({"messages": asked.messages, "more": asked.more, "until": iso(asked.until)})
    elif asked.until is None:
        console.print(f"{desk.settings.name}: nothing that lay there before has arrived since {local(when)}.")
    else:
        ends = f"by {local(asked.until)}, while the service runs"
        console.print(f"{desk.settings.name}: {_many(asked.messages)} will be sorted {ends}.", soft_wrap=True)
        _tell_more(asked.more)


def _tell(desk: Desk, when: datetime, limit: int, *, as_json: bool) -> None:
    with counting_bar(as_json, "looking at") as show:
        told, more = backlog.would(desk, when, limit, show)
    stay = told.pop("", 0)
    if as_json:
        print_json({"would_file": dict(told), "stay": stay, "more": more})
        return
    parts = [f"{count} to {name}" for name, count in told.most_common()]
    stays = "1 stays" if stay == 1 else f"{stay} stay"
    console.print(f"{_many(told.total() + stay)}: {', '.join([*parts, stays])}.", soft_wrap=True)
    _tell_more(more)


def _tell_more(more: int) -> None:
    if more:
        console.print(f"{more} more are left for another time (`--limit`).", soft_wrap=True)


def _many(count: int) -> str:
    return f"{count} message{'' if count == 1 else 's'}"
