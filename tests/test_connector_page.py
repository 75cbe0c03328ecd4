"""docs/connectors.md: the package that it shows is built, installed and used as the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

PAGE = (ROOT / "docs" / "connectors.md").read_text(encoding="utf-8")


def block(language: str, containing: str) -> str:
    """The one code block of the page that holds these words."""
    (found,) = [text for text in re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL) if containing in text]
    return str(found)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's package, built and installed by pip."""
    folder = tmp_path_factory.mktemp("shelf")
    source, place = folder / "source", folder / "site"
    source.mkdir()
    (source / "pyproject.toml").write_text(block("toml", "entry-points"))
    (source / "postroom_shelf.py").write_text(block("python", "class ShelfSettings"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", place, source], check=True, capture_output=True, text=True)
    return place


def postroom(site: Path, folder: Path, mailbox: str, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "credentials").mkdir(mode=0o700, exist_ok=True)
    secret = folder / "credentials" / "attic"
    secret.write_text("sesame")
    secret.chmod(0o600)
    (folder / "postroom.toml").write_text(f'state_dir = "{folder / "state"}"\n{mailbox}')
    environment = {**os.environ, "PYTHONPATH": f"{site}:{ROOT}", "CREDENTIALS_DIRECTORY": str(folder / "credentials")}
    command = [sys.executable, "-P", "-m", "daemon.cli", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_commands_use_the_kind_that_the_page_shows(site: Path, tmp_path: Path) -> None:
    mailbox = block("toml", 'kind = "shelf"')
    shown = postroom(site, tmp_path, mailbox, "folders", "--json")
    assert shown.returncode == 0, shown.stderr
    assert '"Invoices"' in shown.stdout
    previewed = postroom(site, tmp_path, mailbox, "preview", "--json")
    assert previewed.returncode == 0, previewed.stderr
    assert '"reason"' in previewed.stdout
    checked = postroom(site, tmp_path, mailbox, "check")
    assert "moves in memory" in checked.stdout, checked.stdout + checked.stderr


def test_a_mistake_in_its_settings_is_told_like_all_others(site: Path, tmp_path: Path) -> None:
    mailbox = block("toml", 'kind = "shelf"').replace("room", "rom")
    told = postroom(site, tmp_path, mailbox, "folders")
    assert told.returncode == 2
    assert "rom" in told.stderr
    assert "room" in told.stderr


def test_without_the_package_the_kind_is_unknown_and_the_known_ones_are_named(tmp_path: Path) -> None:
    told = postroom(tmp_path / "nothing", tmp_path, block("toml", 'kind = "shelf"'), "folders")
    assert told.returncode == 2
    assert "shelf" in told.stderr or "kind" in told.stderr
    assert "request-tracker" in told.stderr
