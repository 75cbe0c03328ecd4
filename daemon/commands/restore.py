"""restore: a backup is brought back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from daemon.commands.common import Context, console, json_option, local, pass_context, print_json
from daemon.keeping.bring_back import bring_back
from daemon.state.kept import KEPT_FOR

NEXT = (
    "Start the service. It finds that the database is older than the mailbox, says `Restored` in `postroom status`, "
    "and learns nothing from what happened in between."
)
NO_MODELS = (
    "The backup holds no models. Where those that the database names do not lie here, mail stays in the inbox until "
    "the next training: `postroom train`."
)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
@pass_context
def restore(context: Context, file: Path, as_json: bool) -> None:
    """Bring back what `backup` wrote into FILE, while no service runs here.

    Every file is compared with its checksum before anything is replaced. What lies here is kept aside for 30 days. The
    settings are not touched: those of then are in the file.

    \b
    systemctl stop postroom
    postroom restore /var/backups/postroom/monday.tar
    systemctl start postroom
    """
    done = bring_back(context.settings.state_dir, file, datetime.now(UTC))
    if as_json:
        print_json(
            {
                "made": done.manifest.made.isoformat(),
                "mailboxes": list(done.mailboxes),
                "models": done.manifest.models,
                "aside": None if done.aside is None else str(done.aside),
            }
        )
        return
    mailboxes = ", ".join(done.mailboxes) or "no mailbox yet"
    console.print(f"Brought back as of {local(done.manifest.made)}: {mailboxes}.", soft_wrap=True)
    if done.aside is not None:
        console.print(
            f"What lay here is in {done.aside} for {KEPT_FOR.days} days; it holds mail's text.", soft_wrap=True
        )
    if not done.manifest.models:
        console.print(NO_MODELS, soft_wrap=True)
    console.print(NEXT, soft_wrap=True)
