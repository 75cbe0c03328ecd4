"""backup: all that Postroom remembers, in one file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from daemon.commands.common import Context, console, json_option, pass_context, print_json
from daemon.keeping.take_backup import take_backup
from daemon.mistakes import ExitCode
from daemon.state.private import enclose
from daemon.state.scratch import sweep_scratch


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--no-models", is_flag=True, help="Without models and readers: the next training makes them anew.")
@click.option("--secrets", is_flag=True, help="With the secrets and sign-ins of the state directory, in clear.")
@json_option
@pass_context
def backup(context: Context, file: Path, no_models: bool, secrets: bool, as_json: bool) -> None:
    """Write all that Postroom remembers into one new FILE, also while the service runs.

    The database at one moment, the models in use with what they need, and the settings to read. The file is for its
    owner alone: it holds the text of mail. It has its name only when it is whole and on the disk.

    \b
    postroom backup /var/backups/postroom/monday.tar
    """
    settings = context.settings
    enclose(settings.state_dir)
    sweep_scratch(settings.state_dir)
    taken = take_backup(settings, context.config, file, datetime.now(UTC), models=not no_models, secrets=secrets)
    size = taken.path.stat().st_size
    if as_json:
        print_json(
            {
                "file": str(taken.path),
                "bytes": size,
                "made": taken.manifest.made.isoformat(),
                "mailboxes": list(taken.manifest.mailboxes),
                "models": taken.manifest.models,
                "secrets": taken.manifest.secrets,
                "left_out": list(taken.left_out),
            }
        )
    else:
        what = "without models" if no_models else "with the models in use"
        mailboxes = ", ".join(taken.manifest.mailboxes) or "no mailbox yet"
        console.print(f"{taken.path}: {size / 1024**2:,.1f} MB, {mailboxes}, {what}.", soft_wrap=True)
        if secrets:
            console.print("It holds secrets in clear: whoever reads it can open the mailboxes.", soft_wrap=True)
        for sentence in taken.left_out:
            console.print(f"Left out: {sentence}", soft_wrap=True)
    if taken.left_out:
        raise SystemExit(ExitCode.TROUBLE)
