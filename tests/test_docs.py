"""The documents say what is there: what they name exists, and no command, option or make target is left out."""

import re
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from daemon.cli import postroom
from tests import ROOT

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def commands(group: click.Group, path: str = "") -> dict[str, click.Command]:
    """Every command by what a person types after `postroom`, groups included."""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        found[f"{path}{name}"] = command
        if isinstance(command, click.Group):
            found |= commands(command, f"{path}{name} ")
    return found


COMMANDS = commands(postroom)


def test_the_readme_begins_with_what_it_is_what_it_never_does_and_the_two_commands() -> None:
    first = "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:30])
    for words in ("sorts an office's shared inbox", "It will never", "    make demo\n", "    make test"):
        assert words in first


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_named_exists(page: Path) -> None:
    named = re.findall(
        r"`((?:connectors|daemon|trainer|tests|systemd|docs|benchmarks)/[\w./-]*)`", page.read_text("utf-8")
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_in_the_documents(name: str) -> None:
    assert f"postroom {name}" in TEXT


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_is_in_the_documents(name: str) -> None:
    options = [option for parameter in COMMANDS[name].params for option in parameter.opts if option.startswith("--")]
    assert [option for option in options if option not in TEXT] == []


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_that_teaches(name: str) -> None:
    command = COMMANDS[name]
    assert len(command.help or "") > 25
    undescribed = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
    assert undescribed == []


def test_the_documents_name_no_command_that_does_not_exist() -> None:
    named = set(re.findall(r"(?:`|^    )postroom ([a-z][a-z-]*)", TEXT, flags=re.MULTILINE))
    assert named - set(COMMANDS) == set()


def test_no_message_of_ours_names_a_command_that_does_not_exist() -> None:
    sources = [path for name in ("connectors", "daemon", "trainer") for path in (ROOT / name).rglob("*.py")]
    named = {
        word for path in sources for word in re.findall(r"`postroom ([a-z][a-z-]*)", path.read_text(encoding="utf-8"))
    }
    assert named - set(COMMANDS) == set()


def test_the_documents_name_no_make_target_that_does_not_exist() -> None:
    named = set(re.findall(r"(?:`|^    )make ([a-z-]+)", TEXT, flags=re.MULTILINE))
    assert named - set(re.findall(r"^([a-z-]+):", MAKEFILE, flags=re.MULTILINE)) == set()


def test_every_make_target_is_announced_by_help() -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, flags=re.MULTILINE)) - {"help"}
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert targets == set(re.findall(r"^  make ([a-z-]+) +\S", shown, flags=re.MULTILINE))


def test_every_command_stands_under_a_heading_of_help() -> None:
    shown = CliRunner().invoke(postroom, ["--help"], prog_name="postroom").output.partition("--help ")[2]
    assert set(postroom.commands) == set(re.findall(r"^  ([a-z-]+)  +[A-Z]", shown, flags=re.MULTILINE))
    assert "..." not in shown


def test_every_setting_named_in_the_documents_exists() -> None:
    example = (ROOT / "config.example.toml").read_text(encoding="utf-8")
    assigned = set(re.findall(r"`([a-z_]+) = ", TEXT))
    assert [key for key in sorted(assigned) if not re.search(rf"^#?{key} = ", example, flags=re.MULTILINE)] == []
