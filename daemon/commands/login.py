"""login: a person signs in to Microsoft 365 or Google for a mailbox, and sees at once whether it opens."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, cast

import click
from rich.markup import escape

from connectors.errors import ConnectorError, LoginRefused
from connectors.mailbox_settings import MailboxSettings
from connectors.sign_in import SignIn
from daemon.commands.common import Context, console, notices, pass_context
from daemon.mistakes import ExitCode, PostroomError, WrongName
from daemon.passes.mailroom import connector_for
from daemon.settings import Settings
from daemon.settings.credentials import Credentials
from daemon.signin.choose import tokens_for
from daemon.signin.loopback import listen, wait_for_address
from daemon.signin.token_report import TokenReport, report
from daemon.state.private import enclose

if TYPE_CHECKING:  # loaded with the first use: see `daemon.signin.choose`
    from daemon.signin.google import GoogleTokens
    from daemon.signin.microsoft import DeviceCode, MicrosoftTokens

BROWSER_SECONDS = 15 * 60


@click.command()
@click.argument("mailbox", required=False)
@pass_context
def login(context: Context, mailbox: str | None) -> None:
    """Sign in to Microsoft 365 or Google for MAILBOX, once, and test whether it opens.

    Shows an address to open in a browser on any machine. What comes of it is kept in the state directory, for the
    service's user alone, and renewed by itself from then on. Changes nothing in the mailbox.

    \b
    postroom login office
    """
    settings = context.settings
    box, wanted = _chosen(settings, mailbox)
    enclose(settings.state_dir)
    credentials = Credentials(settings.state_dir)
    tokens = tokens_for(wanted, settings.state_dir, credentials.read)
    token: TokenReport | None = None
    if tokens is None:
        said = f'{box.name} signs in with the secret in the credential "{box.credential}": nothing to do here.'
        console.print(said, soft_wrap=True)
    else:
        if tokens.as_app:
            said = f'{box.name}: the app signs in by itself with the credential "{box.credential}".'
            console.print(said, soft_wrap=True)
        elif wanted.by == "microsoft":
            _by_code(wanted, cast("MicrosoftTokens", tokens))
        else:
            _by_browser(wanted, cast("GoogleTokens", tokens))
        token = report(wanted, tokens)
        for problem in token.problems:
            console.print("[red]WRONG[/red] the token:", escape(problem), soft_wrap=True, markup=True)
    _try(box, wanted, credentials, token)
    if token is not None and token.problems:
        raise SystemExit(ExitCode.NEEDS_PERSON)
    if token is not None:
        console.print("If the service waits for this sign-in, tell it: systemctl reload postroom", soft_wrap=True)


def _chosen(settings: Settings, name: str | None) -> tuple[MailboxSettings, SignIn]:
    if name is None:
        waiting = [(box, wanted) for box in settings.mailboxes if (wanted := box.signs_in()) is not None]
        waiting = [(box, wanted) for box, wanted in waiting if wanted.by in ("microsoft", "google")] or waiting
        if len(waiting) != 1:
            names = ", ".join(box.name for box, _ in waiting) or "none with IMAP"
            raise WrongName("login", "which mailbox?", f"Run `postroom login MAILBOX`. There are: {names}.")
        return waiting[0]
    box = settings.mailbox_named(name)
    wanted = box.signs_in()
    if wanted is None:
        raise PostroomError(name, "a helpdesk signs in with its credential.", "`postroom check` tests it.")
    return box, wanted


def _by_code(wanted: SignIn, tokens: MicrosoftTokens) -> None:
    code = tokens.begin()
    minutes = max(code.seconds // 60, 1)
    console.print(f"Sign in for the mailbox {wanted.mailbox}:\n", soft_wrap=True)
    console.print(f"  1. In a browser, on any machine, open   [bold]{code.address}[/bold]", soft_wrap=True, markup=True)
    console.print(f"  2. Type this code                       [bold]{code.code}[/bold]", soft_wrap=True, markup=True)
    console.print(f"  3. Sign in as                           {tokens.wanted.person}\n", soft_wrap=True)
    console.print(f"The code is good for {minutes} minutes. Give it to nobody: it opens the mailbox.", soft_wrap=True)
    _wait(tokens, code)


def _wait(tokens: MicrosoftTokens, code: DeviceCode) -> None:
    end = time.monotonic() + code.seconds
    with notices.status("Waiting for the sign-in ...") as status:
        while True:
            time.sleep(code.interval)
            if tokens.finish(code):
                return
            left = max(end - time.monotonic(), 0)
            status.update(f"Waiting for the sign-in ... {left // 60:.0f}:{left % 60:02.0f} left")


def _by_browser(wanted: SignIn, tokens: GoogleTokens) -> None:
    with listen() as listener:
        begun = tokens.begin(listener.getsockname()[1])
        console.print(f"Sign in for the mailbox {wanted.mailbox}. In a browser, open\n", soft_wrap=True)
        click.echo(f"  {begun.address}\n")  # unwrapped, so that it can be copied whole
        console.print(f"and sign in as {wanted.user}. Tick the box for mail.\n", soft_wrap=True)
        console.print(
            "A browser on this machine comes back by itself. On another one it ends at a page that cannot be shown: "
            f"copy that page's address (it begins with {begun.redirect}), paste it here, and press Enter.",
            soft_wrap=True,
        )
        came_back = wait_for_address(listener, sys.stdin, BROWSER_SECONDS)
    if came_back is None:
        raise LoginRefused(wanted.mailbox, "Nobody signed in.", f"Run `postroom login {wanted.mailbox}` again.")
    tokens.finish(begun, came_back)


def _try(box: MailboxSettings, wanted: SignIn, credentials: Credentials, token: TokenReport | None) -> None:
    """Log in to the mail server. Raises what that raises, once the missing right was named."""
    try:
        with connector_for(box, credentials) as connector:
            connector.capabilities()
            folders = connector.folders()
    except ConnectorError as error:
        advice = token.advice(error) if token is not None else ""
        if advice:
            console.print(advice, soft_wrap=True)
        raise
    opened = escape(f"{wanted.host} opens the mailbox of {wanted.user}, {len(folders)} folders.")
    console.print("[green]It works:[/green]", opened, soft_wrap=True, markup=True)
