"""install-service: unit, user, script, man page and completion of this very installation."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

import click

from daemon.commands.common import console, json_option, print_json
from daemon.setup.service_files import SETTINGS, UNIT, Step, installing, refuse_others_than_root


@click.command("install-service")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@json_option
@click.pass_context
def install_service(context: click.Context, dry_run: bool, as_json: bool) -> None:
    """Make a system service of this installation: systemd unit, user, command, man page and completion.

    As root. What is there already and right stays, so it may be run again, and is to be run after an upgrade. It starts
    nothing, and touches neither settings nor mail. `postroom uninstall-service` takes it all away again.

    \b
    /opt/postroom/venv/bin/postroom install-service
    /opt/postroom/venv/bin/postroom install-service --dry-run
    """
    if not dry_run:
        refuse_others_than_root("install-service")
    changed = carry_out(installing(context.find_root().command), dry_run=dry_run, as_json=as_json)
    if as_json or dry_run:
        return
    if not (SETTINGS / "config.toml").exists():
        console.print("\nNext: postroom init")
    elif changed and _runs():
        console.print(f"\nThe service runs as before until: systemctl restart {UNIT.stem}")
    elif not _runs():
        console.print(f"\nNext: systemctl enable --now {UNIT.stem}")


def carry_out(steps: Sequence[Step], *, dry_run: bool, as_json: bool) -> bool:
    """Do what is not done yet, and say it line by line. Was there anything? Raises PostroomError, OSError."""
    told = []
    for step in steps:
        done = step.done()
        if not done and not dry_run:
            step.do()
        word = "there already" if done else "would do" if dry_run else "done"
        told.append({"what": step.what, "outcome": word})
        if not as_json:
            console.print(f"{word:13}  {step.what}", soft_wrap=True)
    if as_json:
        print_json(told)
    return any(one["outcome"] == "done" for one in told)


def _runs() -> bool:
    return subprocess.run(["systemctl", "is-active", "--quiet", UNIT.name], check=False).returncode == 0
