"""run: the service."""

from __future__ import annotations

import signal
import threading

import click

from daemon.commands.common import Context, pass_context
from daemon.service import logs
from daemon.service.loop import Service


@click.command()
@pass_context
def run(context: Context) -> None:
    """Run the service: look at every mailbox on schedule, train at night.

    This is what systemd starts. It stops on TERM after the message in hand, and reads the settings again on HUP:
    mailboxes that did not change go on as if nothing had happened.
    A new mailbox starts in shadow: everything happens but the moves. See `postroom live`.
    """
    asked = threading.Event()
    signal.signal(signal.SIGHUP, lambda *_: asked.set())  # before the settings are read: they may change meanwhile
    settings = context.settings
    logs.configure(settings.log)
    raise SystemExit(Service(context.config, settings, asked=asked).run())
