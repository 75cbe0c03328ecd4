"""What the commands share: settings once a call, the mailbox to work on, tables, JSON, times."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from daemon.mistakes import PostroomError, WrongName
from daemon.privacy.person import Person
from daemon.report.console import PrintableConsole
from daemon.settings import Settings, find_config
from daemon.state.state_dir import open_database
from daemon.store import mailboxes, sharing
from daemon.store.database import Database
from daemon.store.records import Mailbox

if TYPE_CHECKING:
    from daemon.passes.desk import Desk
    from daemon.passes.mailroom import Mailroom


# No markup unless a line asks for it: subjects and folders may hold "[/list]", which would vanish or raise.
console = PrintableConsole(highlight=False, markup=False)
notices = PrintableConsole(stderr=True, highlight=False, markup=False)


class Context:
    """The options before the command. The settings are read when a command first asks for them."""

    def __init__(self, config: Path | None) -> None:
        self.given = config
        """The file that --config names; it may not be there."""

    @functools.cached_property
    def config(self) -> Path:
        """The file that counts."""
        return find_config(self.given).absolute()

    @functools.cached_property
    def settings(self) -> Settings:
        """Raises SettingsError with every mistake."""
        return Settings.load(self.config)

    @contextmanager
    def database(self) -> Iterator[Database]:
        """The database alone, for the time of one command that asks neither mail server nor model."""
        with closing(open_database(self.settings)) as database:
            yield database

    @contextmanager
    def mailroom(self) -> Iterator[Mailroom]:
        """The database and what hangs on it, for the time of one command."""
        from daemon.passes.mailroom import open_mailroom  # every connector and engine

        with open_mailroom(self.settings) as mailroom:
            try:
                yield mailroom
            except KeyboardInterrupt:
                mailroom.break_off()  # whoever ends a command does not wait for a server's farewell
                raise

    def one(self, mailroom: Mailroom, name: str | None) -> Desk:
        """The desk that --mailbox names; without it, the only one there is."""
        names = [mailbox.name for mailbox in self.settings.mailboxes]
        if name is None and len(names) > 1:
            raise WrongName("--mailbox", "there are several mailboxes.", f"Say which: {', '.join(names)}.")
        return mailroom.desk(name or names[0])

    def some(self, mailroom: Mailroom, name: str | None) -> list[Desk]:
        """The desk that --mailbox names; without it, all."""
        return mailroom.desks() if name is None else [mailroom.desk(name)]


pass_context = click.make_pass_decorator(Context)


def mailbox_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--mailbox NAME."""
    return click.option("--mailbox", metavar="NAME", help="Which mailbox, if there are several.")(command)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--json."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON value on standard output, for scripts.")(
        command
    )


def known(desk: Desk) -> Mailbox:
    """The desk's mailbox as the store has it."""
    with desk.database.read() as tx:
        return mailboxes.get(tx, desk.mailbox_id)


def own_model(desk: Desk, what: str) -> None:
    """Raises PostroomError where the models of this mailbox are another's, who alone may change them. `what`: the
    command that does it there."""
    with desk.database.read() as tx:
        lender = sharing.lender_name(tx, desk.mailbox_id)
    if lender is not None:
        fact = f'shares the models of "{lender}", so what changes there changes for all that share them.'
        raise PostroomError(desk.settings.name, fact, f"If that is meant: `postroom {what} --mailbox {lender}`.")


def print_json(value: Any) -> None:
    """One line of JSON."""
    click.echo(json.dumps(value, ensure_ascii=False))


def table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], right: frozenset[int] = frozenset()
) -> None:
    """A table that fits the terminal; columns in `right` hold numbers."""
    table_on(console, title, columns, rows, right)


def table_on(
    where: PrintableConsole, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], right: Set[int]
) -> None:
    """The same, also on standard error: beside questions."""
    where.print(Text(title, style="italic"), soft_wrap=True)  # a table's own title is broken at the table's width
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        shown.add_column(column, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        shown.add_row(*("" if cell is None else str(cell) for cell in row))
    where.print(shown)


def nothing_found(person: Person) -> str:
    """That nothing was found, for a person who may have mistyped the address."""
    wider = "" if person.everybody_at else f" `postroom lessons --from @{person.domain}` looks for all of its domain."
    return f"Nothing holds {person.words}. Is it written as in the mail?{wider}"


def local(moment: datetime | str) -> str:
    """A time, as text in ISO 8601, as a person's calendar and clock show it."""
    return f"{_here(moment):%Y-%m-%d %H:%M}"


def local_day(moment: datetime | str) -> str:
    """The day of it on a person's calendar."""
    return f"{_here(moment):%Y-%m-%d}"


def _here(moment: datetime | str) -> datetime:
    return (datetime.fromisoformat(moment) if isinstance(moment, str) else moment).astimezone()
