"""config: the settings as they count."""

from __future__ import annotations

import click

from daemon.commands.common import Context, json_option, pass_context, print_json
from daemon.settings.toml_lines import lines


@click.command()
@json_option
@pass_context
def config(context: Context, as_json: bool) -> None:
    """The settings as they count now: file, environment and defaults together. Secrets are never among them."""
    effective = context.settings.effective()
    if as_json:
        print_json({"file": str(context.config), **effective})
        return
    click.echo(f"# from {context.config}")
    for line in lines(effective):
        click.echo(line)
