"""demo: the whole of Postroom on sample mail, on this machine, in a few minutes."""

from __future__ import annotations

import click

from daemon.commands.common import json_option


@click.command()
@click.option("--keep", is_flag=True, help="Leave server and service running, for a mail program of your own.")
@click.option("--seed", default=1, show_default=True, help="Another seed makes other mail.")
@json_option
def demo(keep: bool, seed: int, as_json: bool) -> None:
    """See it work: a mail server, an office's sample mail, the real service, a person who corrects it, a better model.

    Takes some minutes. Everything happens on this machine, in a folder that is removed at the end.
    With --json the last line is one JSON object.
    """
    from daemon.demo.tour import run_demo  # the demo's mail server is an extra

    raise SystemExit(run_demo(json=as_json, keep=keep, seed=seed))
