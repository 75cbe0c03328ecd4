"""`postroom try` as a person types it, on a German spreadsheet's export and the real small base: file to answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.training.trial_order import WAYS
from tests import ROOT

pytestmark = [pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(1200)]
SENTENCES = {
    "Rechnungen": (
        "Die Rechnung {n} über {n},50 € ist doppelt.",
        "Bitte überweisen Sie {n},00 € auf unser Konto.",
        "Mahnung zu Beleg {n}; fällig am {d}.",
    ),
    "Lieferung": (
        "Das Paket {n} ist noch nicht angekommen.",
        "Wann liefern Sie die {n} Stühle?",
        "Sendung {n} kam beschädigt an.",
    ),
    "Größe": (
        "Die Hose {n} ist zu groß; tauschen Sie um?",
        "Passt Größe {d} bei Modell {n}?",
        "Schuhe {n} drücken, eine Nummer größer bitte.",
    ),
}


def german_table(file: Path, count: int = 66) -> Path:
    """Windows-1252, semicolons, decimal commas, quotes and line breaks within texts."""
    lines = ["Nr;Nachricht;Kategorie;Betrag;"]
    for number in range(count):
        category = list(SENTENCES)[number % 3]
        sentences = SENTENCES[category]
        first, second = (
            sentences[(number // 3 + step) % 3].format(n=100 + 37 * number, d=number % 28 + 1) for step in (0, 1)
        )
        lines.append(
            f'{number + 1};"Guten Tag,\n{first}\n""{second}"" sagte man mir.\n\nGrüße {number}";{category};{number},5;'
        )
    file.write_bytes("\r\n".join(lines).encode("cp1252"))
    return file


def test_a_german_spreadsheet_becomes_a_model_that_answers(tmp_path: Path) -> None:
    table, work = german_table(tmp_path / "Anfragen.csv"), tmp_path / "tmp"
    work.mkdir()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("POSTROOM_")}
    command = [sys.executable, "-P", "-m", "daemon.cli", "try", str(table), "--json", "--threads", "1"]
    more = ["--export", str(tmp_path / "model"), "--ask", "Die Rechnung 4711 über 80,00 € ist doppelt."]
    done = subprocess.run(
        [*command, *more],
        cwd=tmp_path,
        env={**environment, "TMPDIR": str(work), "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert [row["way"] for row in told["rows"] if row["found"]] == list(WAYS)
    shares = {row["way"]: row["found"]["right"] / row["found"]["n"] for row in told["rows"]}
    assert shares["served"] >= 0.8
    assert shares["words"] >= 0.8
    assert told["counts"] == {"categories": 3, "learnt": 46, "stop": 10, "judged": 10, "by_time": False}
    assert told["answers"][0]["categories"][0]["category"] == "Rechnungen"
    assert "It was read as Windows-1252, or another old charset, where it is not UTF-8." in told["notes"]
    assert list(work.iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"Anfragen.csv", "model", "tmp"}
    lines = done.stderr.splitlines()
    assert any("left)" in line for line in lines)
    assert all(line.partition(" %")[0].strip().isdigit() for line in lines), "progress and nothing else"
