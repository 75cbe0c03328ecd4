"""The man page postroom(1), made from the commands themselves: what `--help` says, in roff (man(7)).

One page for all commands, so that a search in it finds everything; generators for click write a file for each.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version

import click

EXITS = {
    "0": "fine",
    "1": "trouble",
    "2": "wrong usage or settings",
    "3": "a person must act",
    "4": "no service runs (status alone)",
    "75": "try again later",
    "130": "ended by Ctrl-C; 128 and the signal's number for any other",
}
FILES = {
    "/etc/postroom/config.toml": "the settings",
    "/etc/postroom/credentials/": "the secrets, one a file",
    "/var/lib/postroom/": "database, models, training: the text of mail lies there",
}


def man_page(cli: click.Command) -> str:
    """The whole page, as `man -l` reads it."""
    assert isinstance(cli, click.Group)
    context = click.Context(cli, info_name="postroom")
    lines = [
        f'.TH POSTROOM 1 "" "Postroom {_text(version("postroom"))}"',
        ".SH NAME",
        r"postroom \- sorts a shared mailbox with a small language model, and learns from the mail people move",
        ".SH SYNOPSIS",
        r".B postroom",
        r"[\fB\-\-config\fR \fIFILE\fR] \fICOMMAND\fR [\fIOPTIONS\fR]",
        ".SH DESCRIPTION",
        *_paragraphs(cli.help or ""),
        ".SH OPTIONS",
        *_options(cli, context),
        ".SH COMMANDS",
        *_commands(cli, context),
        ".SH EXIT STATUS",
        *_terms(EXITS),
        ".SH FILES",
        *_terms(FILES),
    ]
    return "\n".join(lines) + "\n"


def _commands(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.commands:
        command = group.commands[name]
        inner = click.Context(command, info_name=name, parent=context)
        usage = " ".join(command.collect_usage_pieces(inner))
        yield f'.SS "{_text(f"{inner.command_path} {usage}")}"'
        yield from _paragraphs(command.help or "")
        yield from _options(command, inner)
        if isinstance(command, click.Group):
            yield from _commands(command, inner)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record is not None and "--help" not in parameter.opts:
            yield ".TP"
            yield f"\\fB{_text(record[0])}\\fR"
            yield _text(record[1])


def _terms(terms: Mapping[str, str]) -> Iterator[str]:
    for term, meaning in terms.items():
        yield from (".TP", f".B {_text(term)}", _text(meaning))


def _paragraphs(text: str) -> Iterator[str]:
    r"""Help's paragraphs; one that begins with \b keeps its lines."""
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        yield ".PP"
        if paragraph.startswith("\b"):
            yield from (".nf", *map(_text, paragraph.removeprefix("\b").strip("\n").splitlines()), ".fi")
        else:
            yield _text(" ".join(paragraph.split()))


def _text(text: str) -> str:
    """A line that roff shows as it is."""
    plain = text.replace("\\", r"\e").replace("-", r"\-").replace('"', r"\(dq")
    return f"\\&{plain}" if plain.startswith((".", "'")) else plain
