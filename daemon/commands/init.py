"""init: from a mailbox's address to settings, a secret and the folders' roles, tried before anything is written."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from daemon.commands.asker import Asker
from daemon.commands.common import Context, console, json_option, pass_context, print_json
from daemon.commands.init_questions import free_name, show_host, sign_in, whose_mail
from daemon.commands.init_roles import agree_on_roles, refuse_unknown, said_roles
from daemon.mistakes import PostroomError, SettingsError
from daemon.settings import PLACES, Settings
from daemon.setup.new_mailbox import NewMailbox, Place, find_place, write
from daemon.setup.presets import PRESETS
from daemon.setup.service_files import can_start, start

ENDED = "Ended before it was done: nothing was written."


def _flag(name: str, words: str, **more: Any) -> Callable[..., Any]:
    return click.option(f"--{name}", help=words, **more)


@click.command()
@_flag("preset", "Where the mail is.", type=click.Choice([preset.name for preset in PRESETS]))
@_flag("user", "The mailbox's login name, mostly its address.", metavar="LOGIN")
@_flag("host", "The IMAP server. With it nothing is looked up.", metavar="HOST")
@_flag("port", "Its port; follows from --tls.", type=click.IntRange(1, 65535))
@_flag("tls", "How the connection is encrypted.", type=click.Choice(["implicit", "starttls", "none"]))
@_flag("ca-file", "A private CA's certificate (PEM).", metavar="FILE")
@_flag("fingerprint", "Trust exactly the certificate with this SHA-256.", metavar="SHA256")
@_flag("url", "Request Tracker's address.", metavar="URL")
@_flag("inbox", "The folder or queue whose new mail is sorted.", metavar="NAME")
@_flag("sign-in", "As `sign_in` in the settings.", metavar="WAY")
@_flag("tenant", "Microsoft: the directory's id.", metavar="ID")
@_flag("client-id", "Microsoft: the app's id.", metavar="ID")
@_flag("person", "Who signs in for a shared mailbox.", metavar="ADDRESS")
@_flag("password-file", "A file with the password, token or key alone; - reads standard input.", metavar="FILE")
@_flag("name", "What commands call the mailbox.", metavar="NAME")
@_flag("credential", "The name of the secret; as the mailbox.", metavar="NAME")
@_flag("role", "What a folder is for: FOLDER=ROLE. May be repeated.", metavar="FOLDER=ROLE", multiple=True)
@_flag("state-dir", "Where database and models will lie.", type=click.Path(path_type=Path), metavar="DIR")
@_flag("untried", "Write without signing in: the server is not there yet.", is_flag=True)
@_flag("yes", "Accept the folders' roles and write without being asked.", is_flag=True)
@_flag("start", "Start the service, too; in shadow it moves nothing. Where `install-service` was run.", is_flag=True)
@json_option
@pass_context
def init(context: Context, /, **given: Any) -> None:
    """Write the settings for a mailbox: ask, sign in, show its folders, and keep the secret apart.

    Asks what no flag says, proposes what it can find out, and tries the sign-in. Only at the end it writes: the
    settings, which hold no secret, and the secret in a file of its own with mode 600. Ended before, it leaves nothing
    behind. Where there are settings already, they stay as they are, and the mailbox gets a file that they include.

    To propose a server it asks the name servers about the mailbox's domain, and that domain's own web host for its
    autoconfig file. The password is asked for, and sent, only after you have agreed to the host.

    \b
    postroom init
    postroom init --preset fastmail --user office@example.org
    postroom init --host mail.example.org --user office --password-file /root/secret --role Board=never --yes
    """
    asker = Asker(terminal=sys.stdin.isatty() and not given["as_json"])
    try:
        place = find_place(context.given, given["state_dir"])
        new = _ask(asker, given, place)
        if asker.terminal and not given["yes"]:
            asker.confirm(f"Write {place.file_for(new.name)}")
    except click.Abort:  # Ctrl-C and the end of input, too
        click.echo(f"\n{ENDED}", err=True)
        raise SystemExit(128 + signal.SIGINT) from None
    written = write(new, place)
    if not given["as_json"]:
        _tell(new, place, written)
    started = _start(asker, given, new, place)
    following = list(_next_steps(new, place, started=started))
    if given["as_json"]:
        _print(new, place, written, following)
        return
    console.print("\nNext:")
    for line in following:
        console.print(f"  {line}", soft_wrap=True)


def _ask(asker: Asker, given: Mapping[str, Any], place: Place) -> NewMailbox:
    """All questions and the sign-in; nothing is written. Raises PostroomError, ConnectorError, click.Abort."""
    said = said_roles(given["role"])
    preset, box = whose_mail(asker, given)
    taken = [mailbox.name for mailbox in place.settings.mailboxes] if place.settings is not None else []
    name = asker.text("--name", given["name"], "What commands shall call the mailbox", free_name(box, taken))
    box = {"name": name, "kind": preset.kind, "mode": "shadow", **box}
    by_person = box.get("sign_in") == "microsoft"
    if asker.terminal and given["password_file"] is None:
        show_host(box)
        if preset.name == "imap" and given["host"] is None:
            asker.confirm("Is that right")
    secret = asker.secret("--password-file", given["password_file"], preset.secret, needed=not by_person)
    if secret or not by_person:
        box["credential"] = given["credential"] or name
    if not (asker.terminal or given["yes"]):
        asker.missing.append("--yes")
    asker.refuse_missing("init")
    _refuse_mistakes(box, place)
    if secret:
        place.has_secret(box["credential"], secret)
    if not secret or given["untried"]:
        return NewMailbox({**box, "roles": said}, secret)
    listed, secret = sign_in(asker, box, secret, preset.secret)
    if listed is None:
        return NewMailbox({**box, "roles": said}, secret)
    refuse_unknown(said, listed)
    said, guesses = agree_on_roles(asker, box["inbox"], listed, said, accepted=given["yes"])
    return NewMailbox({**box, "roles": said}, secret, guesses)


def _refuse_mistakes(box: Mapping[str, Any], place: Place) -> None:
    """Before anything is sent: what the service would refuse. Raises SettingsError with all of it."""
    document = place.settings.effective() if place.settings is not None else {"state_dir": str(place.state_dir)}
    mistakes = Settings.mistakes_in({**document, "mailbox": [*document.get("mailbox", []), box]})
    if mistakes:
        raise SettingsError(str(place.file_for(box["name"])), mistakes)


def _start(asker: Asker, given: Mapping[str, Any], new: NewMailbox, place: Place) -> bool:
    """Start the service if that is said; asked only where it can be done. Raises PostroomError: all is written."""
    possible = new.secret != "" and can_start(place.config)
    wanted = given["start"]
    if not wanted and possible and asker.terminal and not given["yes"]:
        with suppress(click.Abort):
            wanted = click.confirm("\nStart the service now, in shadow: it moves nothing", default=True, err=True)
    if not wanted:
        return False
    if not possible:
        fact = "the settings are written, and the service cannot be started by this."
        step = "Run `postroom install-service` as root, and `postroom login` where a person signs in."
        raise PostroomError("--start", fact, step)
    start()
    return True


def _secret_file(new: NewMailbox, place: Place) -> Path | None:
    return place.secret_for(new.box["credential"]) if new.secret else None


def _print(new: NewMailbox, place: Place, written: Path, following: Sequence[str]) -> None:
    secret = _secret_file(new, place)
    folders = [{"name": name, "role": guess.role, "why": guess.why} for name, guess in new.guesses.items()]
    told = {"mailbox": new.name, "settings": str(written), "secret": None if secret is None else str(secret)}
    print_json({**told, "folders": folders, "next": following})


def _tell(new: NewMailbox, place: Place, written: Path) -> None:
    console.print(f"\nWritten: {written}", soft_wrap=True)
    if (secret := _secret_file(new, place)) is not None:
        console.print(f"The secret alone, mode 600: {secret}", soft_wrap=True)


def _next_steps(new: NewMailbox, place: Place, *, started: bool) -> Iterator[str]:
    postroom = "postroom" if place.config in PLACES[1:] else f"postroom --config {place.config}"
    which = f" --mailbox {new.name}" if place.settings is not None and place.settings.mailboxes else ""
    if not new.secret:
        yield f"{postroom} login {new.name}"
    yield f"{postroom} check"
    yield f"{postroom} learn --from-folders{which}"
    if place.config not in PLACES[1:]:
        yield f"{postroom} run"
    elif started:
        yield f"{postroom} status"
    else:
        yield "systemctl enable --now postroom" if place.settings is None else "systemctl restart postroom"
