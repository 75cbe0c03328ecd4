"""Which host is this very machine: one answer, wherever a secret might travel in clear."""

import re

import pytest

from connectors.hosts import is_this_machine
from tests import ROOT

HERE = (
    "localhost", "LOCALHOST", "localhost:143", "http://localhost:11434", "127.0.0.1", "127.8.8.8", "127.0.0.1:11434",
    "http://127.0.0.1", "::1", "[::1]", "[::1]:993", "http://[::1]:8000/v1", "::ffff:127.0.0.1",
)  # fmt: skip
ELSEWHERE = (
    "", "127.0.0.1.example.org", "http://127.0.0.1.example.org:8000", "127.example.com", "localhost.example.org",
    "notlocalhost", "localhost.", "10.0.0.1", "http://10.0.0.5:11434", "0.0.0.0", "::", "::ffff:10.0.0.1", "[::2]:1",
    "2130706433", "0x7f.1", "127.1", "ollama.example.org", "http://localhost@example.org/", "http://example.org/localhost",
    "[", "http://[::1", "//", "http://", "localhost\n.example.org", "１２７.0.0.1",
)  # fmt: skip


@pytest.mark.parametrize("host", HERE)
def test_this_machine(host: str) -> None:
    assert is_this_machine(host)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_another_machine_or_nobody_knows(host: str) -> None:
    assert not is_this_machine(host)


def test_nobody_else_answers_that_question() -> None:
    files = [file for part in ("connectors", "daemon", "trainer") for file in (ROOT / part).rglob("*.py")]
    asking = [file for file in files if re.search(r"is_loopback|startswith\(.127", file.read_text("utf-8"))]
    assert [str(file.relative_to(ROOT)) for file in asking] == ["connectors/hosts.py"]
