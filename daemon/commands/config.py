"""config: the settings as they count."""

from __future__ import annotations

from typing import Any

import click

from daemon.commands.common import Context, console, json_option, pass_context, print_json


@click.command()
@json_option
@pass_context
def config(context: Context, as_json: bool) -> None:
    """The settings as they count now: file, environment and defaults together. Secrets are never among them."""
    effective = context.settings.effective()
    if as_json:
        print_json({"file": str(context.config), **effective})
        return
    console.print(f"# from {context.config}", highlight=False)
    _show_table(effective, "")


def _show_table(values: dict[str, Any], path: str) -> None:
    """TOML, as the file would say it."""
    for key, value in values.items():
        if not isinstance(value, dict | list) or (
            isinstance(value, list) and not any(isinstance(v, dict) for v in value)
        ):
            click.echo(f"{_key(key)} = {_toml(value)}")
    for key, value in values.items():
        name = f"{path}.{_key(key)}" if path else _key(key)
        if isinstance(value, dict) and value:
            click.echo(f"\n[{name}]")
            _show_table(value, name)
        elif isinstance(value, list) and any(isinstance(table, dict) for table in value):
            for table in value:
                click.echo(f"\n[[{name}]]")
                _show_table(table, name)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else _toml(key)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    return str(value)
