"""Settings as lines of TOML: tomli-w writes keys and values, and they are laid out as people write them.

A list stands on one line, and every table of a list under a heading of its own, as in `config.example.toml`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import tomli_w


def key(name: str) -> str:
    """A key as TOML has it, quoted where it must be."""
    return tomli_w.dumps({name: 0}).removesuffix(" = 0\n")


def value(given: Any) -> str:
    """A value on one line. Raises TypeError for what TOML has no form for."""
    if isinstance(given, list | tuple):
        return f"[{', '.join(map(value, given))}]"
    if isinstance(given, Mapping):
        return "{" + ", ".join(f"{key(name)} = {value(part)}" for name, part in given.items()) + "}"
    return tomli_w.dumps({"x": given}).removeprefix("x = ").removesuffix("\n")


def lines(table: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """A table, line by line: its values, then the tables in it under their headings, an empty line before each."""
    inner = {name: part for name, part in table.items() if isinstance(part, Mapping) or _is_tables(part)}
    for name, part in table.items():
        if name not in inner:
            yield f"{key(name)} = {value(part)}"
    for name, part in inner.items():
        place = f"{path}.{key(name)}" if path else key(name)
        if isinstance(part, Mapping):
            if part:
                yield from ("", f"[{place}]", *lines(part, place))
        else:
            for entry in part:
                yield from ("", f"[[{place}]]", *lines(entry, place))


def _is_tables(given: Any) -> bool:
    return isinstance(given, list | tuple) and bool(given) and all(isinstance(entry, Mapping) for entry in given)
