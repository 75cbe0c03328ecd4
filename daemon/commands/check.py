"""check: does everything that the settings name exist and answer? Changes nothing."""

from __future__ import annotations

import importlib.metadata
import os
import pwd
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import click
from rich.markup import escape

from connectors.base import Capabilities, Connector, Folder
from connectors.connector_kinds import BrokenKind, blamed
from connectors.errors import ConnectorError, FolderMissing
from connectors.mailbox_settings import MailboxSettings
from connectors.sign_in import SignIn
from daemon.commands.common import Context, console, json_option, pass_context, print_json
from daemon.commands.files_checked import attached_files
from daemon.commands.machine_checked import memory, rights, speed
from daemon.commands.server_checked import Seen, certificate, newest_arrival, trial
from daemon.mistakes import ExitCode, PostroomError
from daemon.model import model_folder
from daemon.model.base_file import find_base
from daemon.model.engines.engine import EngineError
from daemon.model.reader_files import cache_of, reader_folder, whole_reader
from daemon.model.term_key import KEY_FILE, TermKey
from daemon.passes.mailroom import connector_for
from daemon.privacy.waiting import waiting_words
from daemon.rules.renames import last_level
from daemon.rules.roles import guess_roles
from daemon.rules.tags import no_tags
from daemon.settings import Settings
from daemon.settings.credentials import Credentials
from daemon.signin.choose import tokens_for
from daemon.signin.token_report import TokenReport, credential_end, report, report_given
from daemon.signin.token_source import TokenSource
from daemon.state import open_files
from daemon.state.lock import holder
from daemon.state.private import open_to, refuse_strange
from daemon.state.state_dir import database_path, refuse_half_restored
from daemon.store.clocks import all_waiting
from daemon.store.examine import cursor_of, examine_database, folder_in_use
from daemon.training import extra

LEAST_FREE_BYTES = 2 * 1024**3
"""A training keeps some 1.2 GB of base, cache and candidate for a model of 135 million parameters."""


@dataclass(frozen=True)
class Finding:
    """One line of the check: what was looked at, whether it is fine, and what was seen."""

    what: str
    fine: bool
    seen: str


@click.command()
@click.option(
    "--try-move", is_flag=True, help="Also move a message of its own between two folders of its own, and remove both."
)
@json_option
@pass_context
def check(context: Context, try_move: bool, as_json: bool) -> None:
    """Log in everywhere, look for every folder, the models and the disk. Every line that is not fine says what to do.

    Changes nothing. Exit code 0 if all is fine, 1 if not. With --try-move it makes two folders, puts a message of its
    own into one, moves it as the service does, compares the clocks, and removes all of it; people's mail is not
    touched, but a mail program may show the folders for a second.
    """
    findings = list(examine(context.settings, context.config, try_move=try_move))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            mark = "[green]fine [/green]" if finding.fine else "[red]WRONG[/red]"
            console.print(mark, escape(f"{finding.what}: {finding.seen}"), soft_wrap=True, markup=True)
    if not all(finding.fine for finding in findings):
        raise SystemExit(ExitCode.TROUBLE)


def examine(settings: Settings, config: Path | None = None, *, try_move: bool = False) -> Iterator[Finding]:
    """All findings, in the order in which somebody would put them right."""
    yield _names()
    yield _guard("state_dir", lambda: _state_dir(settings))
    yield _guard("rights", lambda: rights(config, settings))
    yield _guard("memory", memory)
    yield _guard("old mail", lambda: _old_mail(settings))
    yield _guard("open files", lambda: _open_files(settings))
    yield _guard("base model", lambda: str(find_base(settings.engine.base).path))
    yield _guard("tuning", lambda: _tuning(settings))
    yield from (Finding(*found) for found in attached_files(settings))
    yield _guard("database", lambda: examine_database(database_path(settings)))
    for mailbox in settings.mailboxes:
        yield _guard(f"{mailbox.name} model", partial(_model, settings, mailbox.name))
    if (found := _guard("speed", lambda: speed(settings) or "")).seen:
        yield found
    yield from _servers(settings)
    for mailbox in settings.mailboxes:
        yield from _mailbox(mailbox, settings, try_move=try_move)


def _guard(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, look())
    except (PostroomError, ConnectorError, EngineError, OSError) as error:
        return Finding(what, False, str(error))


def _names() -> Finding:
    """Our import names are common words: another distribution that installs one of them would shadow ours."""
    owners = importlib.metadata.packages_distributions()
    strangers = sorted(
        {owner for name in ("connectors", "daemon", "trainer") for owner in owners.get(name, []) if owner != "postroom"}
    )
    if strangers:
        return Finding(
            "packages", False, f"{', '.join(strangers)} installs the same names. Use a virtual environment of its own."
        )
    return Finding("packages", True, f"postroom {importlib.metadata.version('postroom')}")


def _tuning(settings: Settings) -> str:
    extra.require_for(settings)
    absent = ", ".join(extra.missing())
    return f"is not installed ({absent}), and most mailboxes do not need it" if absent else "installed"


def _state_dir(settings: Settings) -> str:
    place = settings.state_dir
    nearest = next(path for path in (place, *place.parents) if path.exists())
    if not nearest.is_dir():
        raise PostroomError(str(nearest), "is not a folder.", "Correct `state_dir`.")
    if not os.access(nearest, os.W_OK):
        raise PostroomError(str(place), "cannot be written.", "Run as the service's user, or correct its owner.")
    refuse_strange(place)
    refuse_half_restored(place)
    if place.is_dir() and (problem := open_to(place)) is not None:
        raise PostroomError(
            str(place),
            f"holds the text of mail, and {problem}.",
            f"As root, run: chown -R --reference={place} {place}; chmod -R go= {place}",
        )
    if os.geteuid() == 0 and place.is_dir() and (owner := place.stat().st_uid) != 0:
        raise PostroomError(
            str(place),
            f"belongs to {_user(owner)}, and this is root, who may read and write what that user may not.",
            "Run `postroom check` as that user: only then does it say what the service will meet.",
        )
    free = shutil.disk_usage(nearest).free
    if free < LEAST_FREE_BYTES:
        raise PostroomError(str(place), f"only {free / 1024**3:.1f} GB are free.", "Make room: training needs 2 GB.")
    return f"{place}, {free / 1024**3:.0f} GB free"


def _old_mail(settings: Settings) -> str:
    """Is it deleted when it should be?"""
    for name, found in sorted(all_waiting(database_path(settings)).items()):
        if (words := waiting_words(found)) is not None:
            raise PostroomError(name, words)
    return "is deleted when the settings say"


def _open_files(settings: Settings) -> str:
    """May the service hold open what so many mailboxes need?"""
    runs, count = holder(settings.state_dir), len(settings.mailboxes)
    limit, need = open_files.in_force(None if runs is None else runs.process), open_files.needed(count)
    if limit is not None and limit < need:
        raise PostroomError(
            "the service" if runs is not None else "a service that began here",
            f"may hold {limit:,} files open, and {count:,} mailboxes may need {need:,}.",
            f"Write LimitNOFILE={2 * need} by `systemctl edit postroom`, and restart it; without systemd, raise "
            "`ulimit -n` before it starts.",
        )
    return f"{need:,} may be needed, {'any number' if limit is None else f'{limit:,}'} may be open"


def _model(settings: Settings, box: str) -> str:
    """Is this mailbox's model in use whole, with the reader that it needs, and made under the key that lies here?
    Raises EngineError."""
    folder = _in_use(settings, box)
    if folder is None:
        return "none yet: `postroom learn --from-folders` trains the first"
    meta = model_folder.fitting(folder, TermKey.read(settings.state_dir / KEY_FILE))
    if meta.reader:
        whole_reader(reader_folder(cache_of(settings.state_dir), meta.reader))
    return f"{folder.name}, whole"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _servers(settings: Settings) -> Iterator[Finding]:
    """The model server, where the settings name one."""
    serving = settings.engine.serving(Credentials(settings.state_dir).read)
    for what, look in serving.looks():
        yield _guard(what, look)
    own = [mailbox for mailbox in settings.mailboxes if not mailbox.share]
    for mailbox in own if settings.engine.ELSEWHERE else ():
        home, in_use = settings.state_dir / "models" / mailbox.name, partial(_in_use, settings, mailbox.name)
        yield _guard(f"{mailbox.name} model server", partial(serving.look_at, home, in_use, mailbox.name))


def _in_use(settings: Settings, box: str) -> Path | None:
    found = folder_in_use(database_path(settings), box)
    return None if found is None else settings.state_dir / "models" / found


def _mailbox(mailbox: MailboxSettings, settings: Settings, *, try_move: bool = False) -> Iterator[Finding]:
    own_roles, mailbox = mailbox.roles, settings.working(mailbox)
    credentials = Credentials(settings.state_dir)
    token = None
    if (wanted := mailbox.signs_in()) is not None:
        tokens = tokens_for(wanted, credentials.state_dir, credentials.read)
        try:
            token = _token(wanted, tokens, credentials)
        except (PostroomError, ConnectorError) as error:
            yield Finding(f"{mailbox.name} token", False, str(error))
            return
        if token is not None:
            for problem in token.problems:
                yield Finding(f"{mailbox.name} token", False, problem)
            if not token.problems:
                yield Finding(f"{mailbox.name} token", True, token.words())
        if tokens is not None:
            for fine, seen in credential_end(wanted, tokens):
                yield Finding(f"{mailbox.name} credential", fine, seen)
    try:
        with blamed(mailbox.kind), connector_for(mailbox, credentials) as connector:
            with suppress(PostroomError):  # a database that cannot be read has a finding of its own
                connector.remember(cursor_of(database_path(settings), mailbox.name))
            listed = connector.folders()
            here = [folder.name for folder in listed]
            able = _able(connector)
            yield Finding(f"{mailbox.name} login", True, "; ".join(able.notes if able is not None else ()) or "ok")
            if mailbox.act_by == "tag" and able is not None and not able.tags:
                yield Finding(f"{mailbox.name} tags", False, no_tags(mailbox.why_no_tags))
            elif mailbox.act_by == "tag":
                yield _tags(mailbox, listed)
            if mailbox.inbox in here:
                yield _guard(f"{mailbox.name} reading", partial(_reading, connector, mailbox.inbox))
            yield from _server(mailbox, connector, inbox_is_there=mailbox.inbox in here, try_move=try_move)
            closed = _closed(connector, mailbox, listed)
    except (PostroomError, ConnectorError) as error:
        advice = token.advice(error) if token is not None and isinstance(error, ConnectorError) else ""
        yield Finding(f"{mailbox.name} login", False, "\n".join(filter(None, (str(error), advice))))
        return
    except BrokenKind as error:
        yield Finding(f"{mailbox.name} login", False, str(error))
        return
    if mailbox.share:
        yield Finding(f"{mailbox.name} share", True, f"categories, model and nights of {mailbox.share}")
    needed = mailbox.categories if mailbox.act_by == "move" or mailbox.labels else ()
    roles = {mailbox.inbox: "inbox", **{one.folder: f"category {one.name}" for one in needed}}
    if mailbox.review_folder:
        roles[mailbox.review_folder] = "review folder"
    for folder, role in own_roles.items():  # a misspelt "never" would let Postroom look into the folder meant
        roles.setdefault(folder, f"role {role}")
    for folder, use in roles.items():
        there = folder in here
        seen = closed.pop(folder, "") or ("there" if there else _not_there(folder, here))
        yield Finding(f'{mailbox.name} {use} "{folder}"', seen == "there", seen)
    for folder, seen in closed.items():
        yield Finding(f'{mailbox.name} folder "{folder}"', False, seen)


def _server(
    mailbox: MailboxSettings, connector: Connector, *, inbox_is_there: bool, try_move: bool
) -> Iterator[Finding]:
    now = datetime.now(UTC)
    looks: list[tuple[str, Callable[[], Iterator[Seen]]]] = [("certificate", lambda: certificate(connector, now))]
    if inbox_is_there:
        looks.append(("clock", lambda: newest_arrival(connector, mailbox.inbox, now)))
    if try_move:
        looks.append(("move", lambda: trial(connector)))
    for what, look in looks:
        try:
            yield from (Finding(f"{mailbox.name} {seen[0]}", *seen[1:]) for seen in look())
        except ConnectorError as error:
            yield Finding(f"{mailbox.name} {what}", False, str(error))


def _closed(connector: Connector, mailbox: MailboxSettings, listed: Sequence[Folder]) -> dict[str, str]:
    """Folders that mail is filed into or learnt from, and that the server does not open: what it says."""
    roles = guess_roles(listed, mailbox.inbox, mailbox.roles, review=mailbox.review_folder)
    named = {one.folder for one in mailbox.categories}
    closed: dict[str, str] = {}
    if all(folder.messages is None for folder in listed):  # as Request Tracker, which counts none
        return closed
    for folder in listed:
        is_used = folder.name in named if named else roles[folder.name].role == "category"
        if not is_used or folder.messages is not None:
            continue
        try:
            connector.newest(folder.name, 1)
        except ConnectorError as error:
            closed[folder.name] = f"there, and cannot be opened. {error.fact} Open it in a mail program."
    return closed


def _tags(mailbox: MailboxSettings, listed: Sequence[Folder]) -> Finding:
    """How mail will be tagged: as the settings list the categories, else as the folders give them."""
    roles = guess_roles(listed, mailbox.inbox, mailbox.roles, review=mailbox.review_folder)
    tags = [one.tag or mailbox.tag_for(one.name, one.folder) for one in mailbox.categories] or [
        mailbox.tag_for(last_level(one.name, one.delimiter) or one.name, one.name)
        for one in listed
        if roles[one.name].role == "category"
    ]
    if not tags:
        fact = 'there are no categories to tag mail with. Write [[mailbox.category]] with name = "Invoices" for each.'
        return Finding(f"{mailbox.name} tags", False, fact)
    lower = [tag.lower() for tag in tags]
    if twice := next((tag for tag in tags if lower.count(tag.lower()) > 1), None):
        fact = f'several folders give the tag "{twice}". List the categories with [[mailbox.category]], by other names.'
        return Finding(f"{mailbox.name} tags", False, fact)
    return Finding(f"{mailbox.name} tags", True, ", ".join(sorted(tags)))


def _reading(connector: Connector, inbox: str) -> str:
    """One message, read as a pass would. Raises ConnectorError."""
    newest = [seen.ref for seen in connector.newest(inbox, 1)]
    if not newest:
        return "nothing lies in the inbox to try it with"
    if not list(connector.fetch(newest)) and (held := connector.withheld(newest)):
        fact = f"the newest message in {inbox} lies there, and the server does not give it. {held[newest[0]]}"
        raise PostroomError(newest[0].key, fact, "Open it in a mail program; if it cannot be read there, delete it.")
    return "the newest message in the inbox can be read"


def _able(connector: Connector) -> Capabilities | None:
    """What the server can do; None without the inbox, which the server is asked about it."""
    try:
        return connector.capabilities()
    except FolderMissing:
        return None


def _not_there(folder: str, here: Sequence[str]) -> str:
    by_small = {name.casefold(): name for name in here}
    close = get_close_matches(folder.casefold(), by_small, 1)
    hint = f' Did you mean "{by_small[close[0]]}"?' if close else ""
    return f"no such folder.{hint} Make it in the mail program, or correct the settings."


def _token(wanted: SignIn, tokens: TokenSource | None, credentials: Credentials) -> TokenReport | None:
    """The token, read; None for a mailbox with a password, or with a token that shows nothing."""
    if tokens is not None:
        return report(wanted, tokens)
    if wanted.by == "password":
        return None
    return report_given(wanted, credentials.read(wanted.credential))
