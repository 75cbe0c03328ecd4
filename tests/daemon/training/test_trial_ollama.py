"""The page that `postroom try --export` writes is followed word for word, with a real Ollama (`make ollama`)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.examples.example_file import read_examples
from daemon.model.base_file import BaseFile
from daemon.training.trial import Wishes, trial
from daemon.training.trial_export import export
from tests import ROOT
from tests.servers.ollama_real import BINARY, RealOllama
from tests.trainer.test_trial_whole import office_table

pytestmark = [pytest.mark.model, pytest.mark.ollama, pytest.mark.timeout(600)]
ASKED = {
    "orders": "Please ship 12 chairs by the 9th, purchase order 77",
    "invoices": "invoice 4711 is due on the 5th, please pay 80 euros to our account",
    "jobs": "my curriculum vitae for vacancy 12, I apply for the position 3 as a clerk",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealOllama]:
    with RealOllama(tmp_path_factory.mktemp("ollama")) as running:
        yield running


@pytest.fixture(scope="module", params=["pooled", "answer"])
def folder(request: pytest.FixtureRequest, tiny_base: BaseFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a trial has exported."""
    place = tmp_path_factory.mktemp(request.param)
    table = office_table(place / "Office Mail.csv")
    wishes = Wishes(base=tiny_base.path, tuning=request.param, threads=1, gguf=True)
    with trial("office", read_examples(table), None, wishes, lambda _: None) as made:
        export(made, table, place / "model")
    return place / "model"


def in_shell(command: str, folder: Path, server: RealOllama) -> str:
    """What a person reads who types this there, with `ollama` and `postroom` on the path."""
    programs = folder.parent / "bin"
    programs.mkdir(exist_ok=True)
    for name, words in {"ollama": f'"{BINARY}"', "postroom": f'"{sys.executable}" -P -m daemon.cli'}.items():
        (programs / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        (programs / name).chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "OLLAMA_HOST": server.host,
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder.parent),
        "no_proxy": "127.0.0.1",
    }
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}{done.stdout[-500:]}"
    return done.stdout


def test_every_command_of_the_page_answers(folder: Path, server: RealOllama) -> None:
    page = (folder / "README.md").read_text("utf-8")
    (script,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (folder / "ask.py").write_text(script)
    commands = re.findall(r"^    ((?:ollama|postroom|python3) .*)$", page, re.MULTILINE)
    assert [command.split()[:2] for command in commands] == [
        ["postroom", "try"], ["ollama", "create"], ["ollama", "run"], ["python3", "ask.py"],
    ]  # fmt: skip
    codes = json.loads((folder / "categories.json").read_text("utf-8"))
    by_postroom, _, by_ollama, by_script = (in_shell(command, folder, server) for command in commands)
    assert sum(name in by_postroom for name in codes.values()) >= 3
    assert by_ollama.strip() in codes, "one code and nothing else"
    assert by_script.splitlines()[0].split("  ")[1] == codes[by_ollama.strip()]
    for category, text in ASKED.items():
        first, *rest = in_shell(f'python3 ask.py "{text}"', folder, server).splitlines()
        chance, said = first.split("  ")
        assert float(chance) >= 1 / len(codes) - 0.01, "of the categories alone"
        assert sum(float(line.split("  ")[0]) for line in (first, *rest)) <= 1.02
        assert codes[in_shell(f'ollama run office-mail "{text}"', folder, server).strip()] == said
        if folder.parent.name.startswith("pooled"):  # tuned at its last position, random weights learn little
            assert said == category
