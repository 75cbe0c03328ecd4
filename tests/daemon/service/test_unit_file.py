"""The systemd unit: accepted by systemd itself, hardened, and in step with the code."""

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.mistakes import ExitCode
from tests import ROOT

UNIT = ROOT / "systemd" / "postroom.service"
# A machine without systemd can run Postroom and its tests; CI has systemd, and there its verdict is never skipped.
with_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None and "CI" not in os.environ, reason="there is no systemd on this machine"
)


def directives() -> dict[str, list[str]]:
    """Every value of every directive of [Service], in order."""
    found: dict[str, list[str]] = {}
    service = UNIT.read_text(encoding="utf-8").split("[Service]")[1].split("[Install]")[0]
    for key, value in re.findall(r"^([A-Za-z]+)=(.*)$", service, flags=re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit as systemd would find it after installation: its program exists."""
    unit = tmp_path / UNIT.name
    unit.write_text(re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={sys.executable}", UNIT.read_text(encoding="utf-8")))
    return unit


@with_systemd
def test_systemd_accepts_the_unit(installed: Path) -> None:
    # --recursive-errors=no: without it an unknown key is only a warning, and the exit code is 0. The man page that the
    # unit names is made at the installation.
    verify = ["systemd-analyze", "verify", "--recursive-errors=no", "--man=no", str(installed)]
    answer = subprocess.run(verify, capture_output=True, text=True, check=False)
    about_us = [line for line in answer.stderr.splitlines() if UNIT.name in line]
    assert (answer.returncode, about_us) == (0, [])


@with_systemd
def test_systemd_refuses_a_misspelt_unit(installed: Path) -> None:
    installed.write_text(installed.read_text().replace("ProtectHome=", "ProtectHom="))
    verify = ["systemd-analyze", "verify", "--recursive-errors=no", str(installed)]
    assert subprocess.run(verify, capture_output=True, check=False).returncode != 0


@with_systemd
def test_systemd_calls_the_unit_safe(installed: Path) -> None:
    judge = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", str(installed)]
    answer = subprocess.run(judge, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout.splitlines()[-1]


def test_every_line_of_the_service_has_its_reason_above() -> None:
    service = UNIT.read_text(encoding="utf-8").split("[Service]\n")[1].split("[Install]")[0]
    for paragraph in filter(None, (part.strip() for part in service.split("\n\n"))):
        assert paragraph.startswith("# "), paragraph


def test_the_watchdog_and_readiness_are_on() -> None:
    service = directives()
    assert service["Type"] == ["notify"]
    assert service["NotifyAccess"] == ["main"]
    assert service["WatchdogSec"] == ["5min"]
    assert service["KillMode"] == ["mixed"]


def test_a_small_system_has_the_programs_that_it_names() -> None:
    """/bin/kill comes with procps, which a small Debian lacks: there every reload failed."""
    service = directives()
    programs = {value.split()[0] for key, values in service.items() if key.startswith("Exec") for value in values}
    assert programs == {"/opt/postroom/venv/bin/postroom", "/bin/sh"}


def test_many_mailboxes_do_not_run_out_of_files() -> None:
    assert directives()["LimitNOFILE"] == ["65536"]


def test_modules_are_never_taken_from_the_working_directory() -> None:
    assert "PYTHONSAFEPATH=1" in directives()["Environment"]


def test_mistakes_of_people_do_not_restart_the_service() -> None:
    codes = {int(code) for code in directives()["RestartPreventExitStatus"][0].split()}
    assert codes == {ExitCode.MISTAKE, ExitCode.NEEDS_PERSON}


def test_secrets_come_by_systemd_under_the_name_that_the_code_looks_for() -> None:
    assert directives()["LoadCredential"] == ["postroom:/etc/postroom/credentials"]
    code = ROOT / "daemon" / "settings" / "credentials.py"
    assert 'f"postroom_{name}"' in code.read_text(encoding="utf-8")


def test_the_state_directory_is_the_default_of_the_settings() -> None:
    from daemon.settings import Settings

    assert str(Settings.model_fields["state_dir"].default) == f"/var/lib/{directives()['StateDirectory'][0]}"


def test_the_unit_is_well_formed_for_other_readers_too() -> None:
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",))
    parser.read_string(UNIT.read_text(encoding="utf-8"))
    assert parser.sections() == ["Unit", "Service", "Install"]
