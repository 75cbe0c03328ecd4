"""What we ship: three packages whose names are ours alone, complete, and light without training."""

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import entry_points, packages_distributions
from pathlib import Path
from typing import Any

import pytest
from uv import find_uv_bin

from daemon.mistakes import ExitCode
from daemon.model.base_file import BaseFile
from tests import ROOT
from tests.imap_fixtures import ImapWorld
from tests.installed_unit import documented
from tests.lessons import office_rows
from tests.servers.hands import make_mail
from tests.service_process import ServiceProcess, eventually
from tests.without import modules_of, plainly_installed, tuning_modules

PACKAGES = ("connectors", "daemon", "trainer")
PARTS = {"pydantic_core": "pydantic", "proxyprotocol": "pymap"}
"""Modules that come with another one, in a distribution that nobody installs alone."""


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy in which another version was built before."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in (*PACKAGES, "tests", "docs"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    left = source / "build" / "lib" / "daemon" / "store" / "migrations" / "versions" / "m9999_of_another_version.py"
    left.parent.mkdir(parents=True)
    left.touch()
    build = [
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(folder),
        str(source),
    ]
    subprocess.run([sys.executable, *build], check=True, capture_output=True)
    return zipfile.ZipFile(next(folder.glob("postroom-*.whl")))


@pytest.mark.parametrize("name", PACKAGES)
def test_nobody_else_claims_our_generic_names(name: str) -> None:
    # python-daemon or Coqui's trainer, installed after us, would overwrite our files without a word from pip.
    assert set(packages_distributions()[name]) == {"postroom"}


@pytest.mark.slow
def test_the_wheel_holds_exactly_our_packages(wheel: zipfile.ZipFile) -> None:
    top = {name.split("/")[0] for name in wheel.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == set(PACKAGES)


@pytest.mark.slow
def test_the_wheel_leaves_no_module_no_migration_and_no_data_out(wheel: zipfile.ZipFile) -> None:
    ours = {
        str(Path(folder, name).relative_to(ROOT))
        for package in PACKAGES
        for folder, _, names in os.walk(ROOT / package, followlinks=True)  # systemd/ is a part of daemon/setup
        for name in names
        if "__pycache__" not in Path(folder).parts
    }
    shipped = {name for name in wheel.namelist() if not name.split("/")[0].endswith(".dist-info")}
    assert shipped == ours
    assert any("/migrations/versions/" in name for name in shipped)
    assert sum(name.startswith("daemon/demo/office/") and name.endswith(".toml") for name in shipped) >= 5


@pytest.mark.slow
def test_the_wheel_carries_its_licence(wheel: zipfile.ZipFile) -> None:
    (name,) = [name for name in wheel.namelist() if name.endswith("/licenses/LICENSE")]
    text = wheel.read(name).decode()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_plain_installation_trains_and_needs_nothing_that_tunes(project: dict[str, Any]) -> None:
    names = {re.split(r"[<>=~!\[ ]", line)[0] for line in project["dependencies"]}
    heavy = {"torch", "transformers", "peft", "accelerate", "safetensors"}
    assert not names & heavy
    assert {"gguf", "scikit-learn", "scipy"} <= names
    tuned_with = {re.split(r"[<>=~!\[ ]", line)[0] for line in project["optional-dependencies"]["tune"]}
    assert heavy <= tuned_with


def test_the_command_that_is_written_down_asks_for_a_torch_for_cpus_on_a_plain_server(
    project: dict[str, Any], tmp_path: Path
) -> None:
    (torch,) = [line for line in project["optional-dependencies"]["tune"] if line.startswith("torch")]
    [line] = [line for line in documented("Tuning by gradient") if "[tune]" in line]
    uv, *options = line.partition(" --python ")[0].split()
    assert uv == "/opt/postroom/venv/bin/uv"
    assert "torch-backend" in line
    venv.create(tmp_path / "venv", with_pip=False)
    asked = ["--offline", "--dry-run", "--verbose", "--python", str(tmp_path / "venv"), torch]
    told = subprocess.run([find_uv_bin(), *options, *asked], capture_output=True, text=True)
    if Path("/proc/driver/nvidia/version").exists():
        pytest.skip("this machine has a graphics card, so it gets another build")
    assert "/cpu/torch/" in told.stderr


def test_torch_is_pinned_to_one_version(project: dict[str, Any]) -> None:
    (torch,) = [line for line in project["optional-dependencies"]["tune"] if line.startswith("torch")]
    assert re.fullmatch(r"torch==\d+\.\d+\.\d+", torch)


def test_python_daemon_is_never_a_dependency(project: dict[str, Any]) -> None:
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    assert not [line for line in lines if line.startswith(("python-daemon", "daemon", "trainer", "connectors"))]


def test_the_supported_versions_of_python_are_named(project: dict[str, Any]) -> None:
    assert project["requires-python"] == ">=3.11"
    named = {line.rsplit(" ", 1)[1] for line in project["classifiers"] if "Python :: 3." in line}
    assert named == {"3.11", "3.12", "3.13"}


def test_the_command_postroom_leads_to_our_command_line() -> None:
    (script,) = entry_points(group="console_scripts", name="postroom")
    assert script.value == "daemon.cli:main"
    assert callable(script.load())


@pytest.mark.parametrize("name", PACKAGES)
def test_no_test_folder_hides_a_package(name: str) -> None:
    # tests/daemon is `tests.daemon`. Were tests/ itself on the path, it would be `daemon` for all of us.
    assert Path(str(importlib.import_module(name).__file__)).parent == ROOT / name
    assert str(ROOT / "tests") not in sys.path
    asked = f"import {name}; print({name}.__file__)"
    told = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    assert Path(told.stdout.strip()).parent == ROOT / name


def imports_of(folder: str) -> set[str]:
    """The top-level modules that a package imports, anywhere in it."""
    found: set[str] = set()
    for file in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(str(node.module).split(".")[0])
    return {PARTS.get(name, name) for name in found - set(sys.stdlib_module_names) - set(PACKAGES)}


def test_what_the_service_imports_is_declared(project: dict[str, Any]) -> None:
    installed = modules_of(project["dependencies"])
    assert imports_of("connectors") - installed == set()
    assert imports_of("daemon") - installed - modules_of(project["optional-dependencies"]["demo"]) == set()


def test_what_the_trainer_imports_is_declared(project: dict[str, Any]) -> None:
    # Unsloth lives in an environment of its own, which `make unsloth` makes; only its worker imports it.
    elsewhere = {"unsloth"}
    declared = modules_of(project["dependencies"] + project["optional-dependencies"]["tune"])
    assert imports_of("trainer") - elsewhere - declared == set()


def test_no_dependency_is_installed_for_nothing(project: dict[str, Any]) -> None:
    used = imports_of("connectors") | imports_of("daemon") | imports_of("trainer")
    needed_by_others = {"accelerate"}  # peft and transformers place weights with it
    for line in project["dependencies"] + project["optional-dependencies"]["tune"]:
        assert modules_of([line]) & (used | needed_by_others), line


@pytest.mark.parametrize(("package", "others"), [("connectors", {"daemon", "trainer"}), ("daemon", {"trainer"})])
def test_imports_go_one_way(package: str, others: set[str]) -> None:
    for file in (ROOT / package).rglob("*.py"):
        found = re.findall(r"^\s*(?:from|import) (\w+)", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert not set(found) & others, file


@pytest.fixture
def untuned(tmp_path: Path) -> dict[str, str]:
    """An environment whose Python has nothing of the extra `tune`, and says on standard error who wanted it."""
    assert {"torch", "transformers", "peft", "safetensors"} <= tuning_modules()
    return plainly_installed(tmp_path)


@pytest.mark.imap
@pytest.mark.model
@pytest.mark.slow
def test_the_plain_installation_learns_a_night_and_serves(
    untuned: dict[str, str],
    dovecot_world: ImapWorld,
    tiny_base: BaseFile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A night makes a language model, the service files mail by it, and nothing of the service as much as asks for what
    only tuning needs."""
    monkeypatch.setenv("PYTHONPATH", untuned["PYTHONPATH"])  # for the trainer that `learn` starts
    engine = f'[engine]\nbase = "{tiny_base.path}"\nmax_tokens = 64\nthreads = 1\n'
    with ServiceProcess(
        tmp_path, dovecot_world.server.port, dovecot_world.user, sorting=f"precision = 0.6\n{engine}"
    ) as service:
        for number, row in enumerate(office_rows(40)):
            folder = dovecot_world.first if row["category"] == "invoices" else dovecot_world.second
            text = row["text"]
            dovecot_world.hands.put(
                make_mail(text["subject"], text["body"], message_id=f"<{number}@x.example>"), folder
            )
        service.command("learn", "--from-folders")
        [made] = service.ask("models")
        assert "language model" in made["verdict"], made
        service.start()
        eventually(lambda: service.status()["polled"] is not None, "the first look")
        dovecot_world.hands.put(
            make_mail("please pay", "please pay 912 euros to our account; a reminder of bill 77", message_id="<q@x>")
        )
        eventually(lambda: '"decisions": [{' in service.command("why", "q@x", "--json", fine=(0, 1)).stdout, "decided")
        [decision] = service.ask("why", "q@x")[0]["decisions"]
        assert decision["source"] == "model", decision
        assert "WANTED" not in service.log.read_text()


def test_without_the_extra_what_tunes_says_what_to_install(untuned: dict[str, str], tmp_path: Path) -> None:
    """Before any work: `try`, and whatever asks for tuning or for a server's form of a model by its settings."""
    rows = "".join(f"question {number} about {label},{label}\n" for number in range(20) for label in ("tea", "milk"))
    (tmp_path / "some.csv").write_text(f"text,label\n{rows}", encoding="utf-8")
    rehearse = ["rehearse", "--manifest", str(tmp_path / "none.jsonl")]
    absent = "needs torch, transformers, peft, which are not installed"
    asked: tuple[tuple[list[str], dict[str, str], str], ...] = (
        (["try", str(tmp_path / "some.csv")], {}, f"trying it by several ways {absent}"),
        (rehearse, {"TRAINING__TUNING": "answer"}, f'"answer" {absent}'),
        (rehearse, {"ENGINE__KIND": "ollama"}, f'writing a model for "ollama" {absent}'),
    )
    for words, settings, said in asked:
        environ = {**os.environ, **untuned, **{f"POSTROOM_{key}": value for key, value in settings.items()}}
        command = [sys.executable, "-m", "daemon.cli", *words]
        told = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
        assert told.returncode == ExitCode.TROUBLE, told.stderr
        assert said in told.stderr
        assert "--python /opt/postroom/venv '/opt/postroom[tune]'" in told.stderr
        assert "Traceback" not in told.stderr
