"""What Postroom writes as TOML is what TOML reads, whatever a folder or a mailbox is called."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from daemon.cli import postroom
from daemon.demo.workplace import Account, settings_text
from daemon.settings import Settings
from daemon.settings.toml_lines import key, lines, value

NAMES = [
    "Orders",
    "",
    "two words",
    "a.b",
    '"quoted"',
    "it's",
    "back\\slash",
    "tab\tnew\nline\rreturn",
    "bell\x07 escape\x1b delete\x7f null\x00",
    "Büro & Straße",
    "漢字 😀",
    "[brackets] = # no comment",
    "'''",
    '"""',
]


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_come_back_as_keys_and_as_values(name: str) -> None:
    assert tomllib.loads(f"{key(name)} = {value(name)}") == {name: name}
    assert "\n" not in key(name) + value(name)


VALUES = [True, 0, -7, 1e-7, 0.95, 1e22, [], ["a", "b\n"], [[1], ["x"]], [{"a.b": 1}, 2], date(2026, 3, 1), time(1, 30)]
MOMENT = datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize("given_", [*VALUES, MOMENT, MOMENT.replace(tzinfo=None)])
def test_every_kind_of_value_comes_back(given_: Any) -> None:
    assert tomllib.loads(f"x = {value(given_)}") == {"x": given_}


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = TEXTS | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.datetimes()
TABLES: Any = st.recursive(
    st.dictionaries(TEXTS, SCALARS | st.lists(SCALARS)),
    lambda inner: st.dictionaries(TEXTS, SCALARS | inner | st.lists(inner)),
    max_leaves=12,
)


def without_empty(table: Any) -> Any:
    """A table in which nothing stands has no line of its own."""
    pruned = {
        name: without_empty(part)
        if isinstance(part, dict)
        else [*map(without_empty, part)]
        if is_tables(part)
        else part
        for name, part in table.items()
    }
    return {name: part for name, part in pruned.items() if part != {}}


def is_tables(part: Any) -> bool:
    return isinstance(part, list) and bool(part) and all(isinstance(each, dict) for each in part)


@given(TABLES)
def test_whole_documents_come_back(table: dict[str, Any]) -> None:
    assert without_empty(tomllib.loads("\n".join(lines(table)))) == without_empty(table)


CONFIG = """
state_dir = "{state}"
[[mailbox]]
name = "office"
kind = "imap"
host = "localhost"
tls = "none"
user = 'ann "the boss"\\x'
credential = "c"
own_domains = ["a.example", "b.example"]
[[mailbox.category]]
name = "bell\\u0007"
description = "tab\\tand\\nline"
[mailbox.roles]
"Archive.2019 \\"old\\"" = "neutral"
[[mailbox]]
name = "second"
kind = "imap"
host = "localhost"
tls = "none"
user = "u"
credential = "c"
"""


def test_config_prints_settings_that_can_be_used_again(tmp_path: Path) -> None:
    file = tmp_path / "postroom.toml"
    file.write_text(CONFIG.format(state=tmp_path))
    shown = CliRunner().invoke(postroom, ["--config", str(file), "config"])
    again = tmp_path / "again.toml"
    again.write_text(shown.stdout)
    assert Settings.load(again).effective() == Settings.load(file).effective()
    as_json = json.loads(CliRunner().invoke(postroom, ["--config", str(file), "config", "--json"]).stdout)
    assert tomllib.loads(shown.stdout) == without_empty(
        {name: each for name, each in as_json.items() if name != "file"}
    )


def test_config_is_laid_out_as_people_write_it(tmp_path: Path) -> None:
    file = tmp_path / "postroom.toml"
    file.write_text(CONFIG.format(state=tmp_path))
    shown = CliRunner().invoke(postroom, ["--config", str(file), "config"]).stdout
    assert 'own_domains = ["a.example", "b.example"]\n' in shown
    assert '\n\n[[mailbox.category]]\nname = "bell\\u0007"\n' in shown
    assert '\n\n[mailbox.roles]\n"Archive.2019 \\"old\\"" = "neutral"\n\n[[mailbox]]\n' in shown


def test_a_workplace_may_lie_and_be_called_anything(tmp_path: Path) -> None:
    odd = {name: f"what belongs into {name}" for name in NAMES if name.strip() and "\x00" not in name}
    text = settings_text(
        tmp_path / 'a "quoted" \\ place',
        Account("127.0.0.1", 143, 'user "x"', "secret"),
        odd,
        precision=0.9,
        max_tokens=64,
        time_limit="1h",
        max_per_folder=10,
    )
    read = tomllib.loads(text)
    assert {each["name"]: each["description"] for each in read["mailbox"][0]["category"]} == odd
    assert read["state_dir"] == str(tmp_path / 'a "quoted" \\ place')
    assert read["mailbox"][0]["user"] == 'user "x"'
