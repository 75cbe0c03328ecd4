"""uninstall-service: what install-service put on the machine, taken away."""

from __future__ import annotations

import sys

import click

from daemon.commands.common import console, json_option
from daemon.commands.install_service import carry_out
from daemon.mistakes import PostroomError
from daemon.setup.service_files import SETTINGS, STATE, refuse_others_than_root, removing


@click.command("uninstall-service")
@click.option(
    "--delete-data", is_flag=True, help="Also settings, secrets, lessons, models, and the user. Never a mail."
)
@click.option("--yes", is_flag=True, help="With --delete-data: do not ask.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@json_option
def uninstall_service(delete_data: bool, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Stop the service and take away its unit, command, man page and completion; settings and lessons stay.

    As root. The mail stays where it is, and so does the program itself: remove its folder when you want.

    \b
    postroom uninstall-service
    postroom uninstall-service --delete-data
    """
    if not dry_run:
        refuse_others_than_root("uninstall-service")
        if delete_data and not yes:
            _agree()
    carry_out(removing(data=delete_data), dry_run=dry_run, as_json=as_json)
    if not (as_json or dry_run):
        kept = "" if delete_data else f" {SETTINGS} and {STATE} are kept: lessons hold the text of mail."
        console.print(f"\nThe program itself lies in {sys.prefix}.{kept}", soft_wrap=True)


def _agree() -> None:
    """Raises PostroomError where nobody can be asked, click.Abort for a no."""
    if not sys.stdin.isatty():
        fact = "this is no terminal, so nobody can be asked."
        raise PostroomError("uninstall-service --delete-data", fact, "Say --yes if it is meant.")
    click.confirm(f"Delete {SETTINGS} and {STATE}, with all lessons and models", abort=True, err=True)
