"""What we ship: three packages whose names are ours alone, complete, and light without training."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import entry_points, packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("connectors", "daemon", "trainer")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy: the tree's own build/ may hold files of an older version."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in (*PACKAGES, "tests", "systemd", "docs"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
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
def test_the_wheel_leaves_no_module_and_no_migration_out(wheel: zipfile.ZipFile) -> None:
    ours = {
        str(file.relative_to(ROOT))
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    shipped = {name for name in wheel.namelist() if not name.split("/")[0].endswith(".dist-info")}
    assert shipped == ours
    assert any("/migrations/versions/" in name for name in shipped)


@pytest.mark.slow
def test_the_wheel_carries_its_licence(wheel: zipfile.ZipFile) -> None:
    (name,) = [name for name in wheel.namelist() if name.endswith("/licenses/LICENSE")]
    text = wheel.read(name).decode()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_daemon_alone_needs_nothing_that_trains(project: dict[str, Any]) -> None:
    names = {re.split(r"[<>=~!\[ ]", line)[0] for line in project["dependencies"]}
    heavy = {"torch", "transformers", "peft", "accelerate", "gguf", "safetensors"}
    assert not names & heavy
    trained_with = {re.split(r"[<>=~!\[ ]", line)[0] for line in project["optional-dependencies"]["train"]}
    assert {"torch", "transformers", "peft", "gguf", "safetensors"} <= trained_with


def test_torch_is_pinned_to_one_version(project: dict[str, Any]) -> None:
    (torch,) = [line for line in project["optional-dependencies"]["train"] if line.startswith("torch")]
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


def test_no_test_folder_hides_a_package() -> None:
    # A folder tests/daemon with an __init__.py can become the module `daemon`; flat files cannot.
    assert not [name for name in PACKAGES if (ROOT / "tests" / name).exists()]
