"""Kinds of mailbox: one table of ours, entry points of others, and what a broken package costs."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from connectors.connector_kinds import (
    GROUP,
    KINDS,
    BrokenKind,
    UnknownKind,
    connector_of,
    known_kinds,
    mailbox_from,
    settings_of,
)
from connectors.errors import NeedsPerson
from connectors.mailbox_settings import Access, MailboxSettings
from connectors.unusable import UnusableMailbox
from daemon.commands import check
from daemon.mistakes import ExitCode, SettingsError
from daemon.settings import Settings
from tests import ROOT

MODULE = '''
"""A helpdesk that fits on a shelf."""
from collections.abc import Iterator, Mapping
from typing import Any, Literal
from connectors.mailbox_settings import Access, MailboxSettings
from connectors.setting_values import Span, Text

class TinySettings(MailboxSettings):
    kind: Literal["tiny"] = "tiny"
    shelf: Text
    patience: Span = "30s"

    def connector(self, access: Access):
        from connectors.base import MailText
        from connectors.in_memory import MemoryConnector
        assert access.secret() == "sesame"
        box = MemoryConnector(self.name, (self.inbox, "Invoices", "Orders"))
        for number in range(3):
            box.deliver(MailText(sender="ann@example.org", subject=f"Invoice {number}", body="Please pay."))
        return box

    @classmethod
    def mistakes(cls, box: Mapping[str, Any]) -> Iterator[str]:
        if box.get("shelf") == box.get("inbox", "INBOX"):
            yield "shelf: is the inbox itself. Name another one."
'''
TINY = '[[mailbox]]\nname = "desk"\nkind = "tiny"\nshelf = "A"\ncredential = "desk"\n'
OFFICE = '[[mailbox]]\nname = "office"\nhost = "127.0.0.1"\nuser = "o"\ncredential = "o"\n'
ACCESS = Access(lambda: "sesame")
POSTROOM = (sys.executable, "-P", "-c", "from daemon.cli import main; main()")


def install(place: Path, module: str = MODULE, kind: str = "tiny", name: str = "postroom-tiny") -> Path:
    """A distribution as pip leaves it: one module, and metadata with its entry point."""
    importable = name.replace("-", "_")
    place.mkdir(exist_ok=True)
    (place / f"{importable}.py").write_text(module)
    info = place / f"{importable}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{kind} = {importable}:TinySettings\n")
    return place


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process finds distributions for the length of one test."""
    place = tmp_path / "site"
    place.mkdir()
    monkeypatch.syspath_prepend(str(place))
    for name in [name for name in sys.modules if name.startswith("postroom_")]:
        monkeypatch.delitem(sys.modules, name)
    return place


def settings(folder: Path, text: str) -> Settings:
    file = folder / "postroom.toml"
    file.write_text(f'state_dir = "{folder / "state"}"\n{text}')
    return Settings.load(file)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings(folder, text)
    return caught.value.problems


# -- ours


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_ours_is_what_the_table_says(kind: str) -> None:
    found = settings_of(kind)
    assert issubclass(found, MailboxSettings)
    assert found.model_fields["kind"].default == kind


def test_the_example_file_has_a_mailbox_of_every_kind_of_ours() -> None:
    text = "\n".join(line.removeprefix("#") for line in (ROOT / "config.example.toml").read_text("utf-8").splitlines())
    assert {kind for kind in KINDS if f'\nkind = "{kind}"\n' in text} == set(KINDS)
    tomllib.loads((ROOT / "config.example.toml").read_text("utf-8"))


def test_only_the_kinds_in_the_settings_are_loaded(tmp_path: Path) -> None:
    site = install(tmp_path / "site", "raise RuntimeError('nobody asked for me')")
    (tmp_path / "postroom.toml").write_text(OFFICE)
    script = f"""
import sys
from pathlib import Path
from daemon.settings import Settings
Settings.load(Path({str(tmp_path / "postroom.toml")!r}))
print(sorted({{"connectors.imap", "connectors.request_tracker", "postroom_tiny"}} & set(sys.modules)))
heavy = {{"imapclient", "httpx", "connectors.imap.mailbox", "connectors.in_memory", "numpy", "ollama", "ctranslate2"}}
print(sorted(heavy & set(sys.modules)))
"""
    environ = {**os.environ, "PYTHONPATH": f"{site}:{ROOT}"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environ, cwd=tmp_path)
    assert done.stdout.splitlines() == ["['connectors.imap']", "[]"], done.stderr


def test_a_connector_knows_nothing_of_the_daemon() -> None:
    for path in (ROOT / "connectors").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not {name.split(".")[0] for name in names} & {"daemon", "trainer"}, path


# -- others'


def test_another_packages_kind_works_with_every_command(tmp_path: Path) -> None:
    site = install(tmp_path / "site")
    state = tmp_path / "state"
    (state / "credentials").mkdir(parents=True)
    (state / "credentials" / "desk").write_text("sesame\n")
    (state / "credentials" / "desk").chmod(0o600)
    for folder in (state, state / "credentials"):
        folder.chmod(0o700)
    (tmp_path / "postroom.toml").write_text(f'state_dir = "{state}"\n{TINY}')

    def postroom(*arguments: str, code: int = 0) -> str:
        environ = {**os.environ, "PYTHONPATH": f"{site}:{ROOT}", "POSTROOM_CONFIG": str(tmp_path / "postroom.toml")}
        done = subprocess.run(
            [*POSTROOM, *arguments], capture_output=True, text=True, env=environ, cwd=tmp_path, check=False
        )
        assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    (login,) = [line for line in json.loads(postroom("check", "--json")) if line["what"] == "desk login"]
    assert login["fine"]
    assert json.loads(postroom("once", "--json"))["mailboxes"][0]["mailbox"] == "desk"
    assert all(folder in postroom("folders") for folder in ("INBOX", "Invoices", "Orders"))
    assert "desk" in postroom("status", code=ExitCode.NOT_RUNNING)
    told = postroom("config")
    shown = tomllib.loads(told[told.index("state_dir") :])["mailbox"][0]
    assert (shown["kind"], shown["shelf"], shown["patience"]) == ("tiny", "A", "30s")


def test_mistakes_in_another_kinds_mailbox_are_told_as_ours_are(site: Path, tmp_path: Path) -> None:
    install(site)
    (box,) = settings(tmp_path, TINY).mailboxes
    assert box.kind == "tiny"
    assert Settings(**settings(tmp_path, TINY).effective()).mailboxes == (box,)
    wrong = TINY.replace('shelf = "A"', 'shelv = "A"\npatience = "5x"')
    assert problems(tmp_path, wrong) == [
        '[[mailbox]] 1 (desk) shelf: missing. Write shelf = "...".',
        '[[mailbox]] 1 (desk) patience: "5x" is not a duration; write 90s, 5m, 2h or 180d.',
        '[[mailbox]] 1 (desk) shelv: unknown key. Did you mean "shelf"?',
    ]
    assert problems(tmp_path, TINY.replace('"A"', '"INBOX"')) == [
        "[[mailbox]] 1 (desk) shelf: is the inbox itself. Name another one."
    ]


def test_an_unknown_kind_is_told_with_others_kinds_too(site: Path, tmp_path: Path) -> None:
    install(site)
    assert known_kinds() == ["imap", "request-tracker", "tiny"]
    (found,) = problems(tmp_path, TINY.replace('"tiny"', '"tinny"'))
    assert found == (
        '[[mailbox]] 1 (desk) kind: "tinny" is not one of "imap", "request-tracker", "tiny". Did you mean "tiny"?'
    )
    with pytest.raises(UnknownKind):
        settings_of("tinny")


def test_nobody_replaces_a_kind_of_ours(site: Path) -> None:
    install(site, kind="imap")
    assert settings_of("imap").__module__ == "connectors.imap"


BROKEN = {
    "an import that fails": ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
    "code for another Python": ("class TinySettings(", "SyntaxError"),
    "an exit": ("raise SystemExit('bye')", "SystemExit: bye"),
    "no such class": ("", "AttributeError"),
    "something else": ("TinySettings = 7", "is no subclass of MailboxSettings"),
    "another name": (MODULE.replace('"tiny"', '"small"'), 'does not say kind: Literal["tiny"] = "tiny"'),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_package_costs_its_own_mailbox_and_is_named(what: str, site: Path, tmp_path: Path) -> None:
    module, fact = BROKEN[what]
    install(site, module)
    office, desk = settings(tmp_path, OFFICE + TINY + "[[mailbox.category]]\nname = 'Bills'\n").mailboxes
    assert office.kind == "imap"
    assert (desk.name, desk.categories[0].name) == ("desk", "Bills")
    assert desk.connector(ACCESS).close() is None
    with pytest.raises(NeedsPerson) as caught:
        desk.connector(ACCESS).folders()
    assert str(caught.value).startswith(
        'desk: the kind "tiny" comes from the package postroom-tiny 1.2, which cannot be'
    )
    assert fact in str(caught.value)
    assert problems(tmp_path, OFFICE + TINY.replace('"desk"', '"not a name"', 1))[0].startswith("[[mailbox]] 2")


TOLD = "postroom-tiny 1.2, which cannot be used"
AT_ITS_SETTINGS = {
    "how it signs in": ("    def signs_in(self):\n        raise KeyError('oops')", "KeyError: 'oops'"),
    "an exit there": ("    def signs_in(self):\n        raise SystemExit(7)", "SystemExit: 7"),
    "another sign-in": ("    def signs_in(self):\n        return 'imap'", "signs_in() gives str"),
    "its word on tags": ("    @property\n    def why_no_tags(self):\n        return self.nothing", "AttributeError"),
    "an exit while it checks": (
        "    def model_post_init(self, _):\n        raise SystemExit('bye')",
        "SystemExit: bye",
    ),
    "a key of ours": ("    mode: int = 7", "TinySettings gives mode another meaning"),
}


@pytest.mark.parametrize("what", AT_ITS_SETTINGS)
def test_settings_that_break_when_they_are_asked_cost_their_own_mailbox(what: str, site: Path, tmp_path: Path) -> None:
    more, fact = AT_ITS_SETTINGS[what]
    install(site, MODULE.replace("    shelf: Text", f"    shelf: Text\n{more}"))
    office, desk = settings(tmp_path, OFFICE + TINY).mailboxes
    assert office.kind == "imap"
    assert desk.signs_in() is None
    with pytest.raises(NeedsPerson) as caught:
        connector_of(desk, ACCESS).capabilities()
    assert TOLD in str(caught.value)
    assert fact in str(caught.value)


@pytest.mark.parametrize(
    ("body", "fact"),
    [("return None", "connector() gives NoneType, which is no Connector"), ("raise SystemExit('bye')", "SystemExit")],
)
def test_what_is_no_connector_costs_its_own_mailbox(body: str, fact: str, site: Path, tmp_path: Path) -> None:
    install(site, MODULE.replace("from connectors.base import MailText", body))
    (desk,) = settings(tmp_path, TINY).mailboxes
    with pytest.raises(NeedsPerson) as caught:
        connector_of(desk, ACCESS).capabilities()
    assert TOLD in str(caught.value)
    assert fact in str(caught.value)


@pytest.mark.parametrize("body", ["raise SystemExit('bye')", "return [1, 2]", "return None"])
def test_mistakes_that_are_none_stop_nobody(body: str, site: Path, tmp_path: Path) -> None:
    install(
        site, MODULE.replace('if box.get("shelf")', f"{body}\n        if box.get('shelf')").replace("yield", "pass;")
    )
    assert [box.name for box in settings(tmp_path, OFFICE + TINY).mailboxes] == ["office", "desk"]


@pytest.mark.parametrize("method", ["folders", "close"])
def test_check_names_the_package_whose_connector_raises_anything(method: str, site: Path, tmp_path: Path) -> None:
    raising = f"        def {method}(*_): raise SystemExit('bye')\n        box.{method} = {method}\n        return box"
    install(site, MODULE.replace("        return box", raising))
    made = settings(tmp_path, TINY)
    (tmp_path / "state" / "credentials").mkdir(parents=True, mode=0o700)
    secret = tmp_path / "state" / "credentials" / "desk"
    secret.write_text("sesame\n")
    secret.chmod(0o600)
    found = {finding.what: finding for finding in check._mailbox(made.mailboxes[0], made, try_move=False)}
    assert not found["desk login"].fine
    assert TOLD in found["desk login"].seen


def test_a_package_that_breaks_later_costs_its_own_mailbox_too(site: Path, tmp_path: Path) -> None:
    install(site, MODULE.replace("from connectors.base import", "import no_such_library; from connectors.base import"))
    (desk,) = settings(tmp_path, TINY).mailboxes
    with pytest.raises(NeedsPerson, match=r"postroom-tiny 1\.2.*no_such_library"):
        connector_of(desk, ACCESS).capabilities()
    install(site, MODULE.replace("if box.get", "box.no_such_name\n        if box.get"), "two", "postroom-two")
    settings(tmp_path, TINY)


def test_a_bug_of_ours_is_no_broken_package(monkeypatch: pytest.MonkeyPatch) -> None:
    box = mailbox_from({"name": "office", "host": "h", "user": "u", "credential": "c"})

    def wrong(*_: object) -> None:
        raise AssertionError("a bug")

    monkeypatch.setattr(type(box), "connector", wrong)
    with pytest.raises(AssertionError, match="a bug"):
        connector_of(box, ACCESS)


def test_two_packages_that_bring_one_kind_are_both_named(site: Path, tmp_path: Path) -> None:
    install(site)
    install(site, name="postroom-other")
    with pytest.raises(BrokenKind, match=r"postroom-other 1\.2 and postroom-tiny 1\.2 both bring"):
        settings_of("tiny")
    assert isinstance(settings(tmp_path, TINY).mailboxes[0], UnusableMailbox)


def test_a_service_with_a_broken_package_sorts_the_other_mailboxes(tmp_path: Path) -> None:
    site = install(tmp_path / "site")
    install(site, "import no_such_library", "shelf", "postroom-shelf")
    state = tmp_path / "state"
    (state / "credentials").mkdir(parents=True)
    (state / "credentials" / "desk").write_text("sesame\n")
    (state / "credentials" / "desk").chmod(0o600)
    broken = '[[mailbox]]\nname = "stock"\nkind = "shelf"\ncredential = "x"\nboards = 3\n'
    (tmp_path / "postroom.toml").write_text(f'state_dir = "{state}"\n{broken}{TINY}')
    environ = {**os.environ, "PYTHONPATH": f"{site}:{ROOT}", "POSTROOM_CONFIG": str(tmp_path / "postroom.toml")}

    def postroom(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [*POSTROOM, *arguments], capture_output=True, text=True, env=environ, cwd=tmp_path, check=False
        )
        return done.returncode, done.stdout + done.stderr

    code, told = postroom("check")
    assert code == 1
    assert 'WRONG stock login: stock: the kind "shelf" comes from the package postroom-shelf 1.2' in told
    assert "fine  desk login" in told

    with subprocess.Popen([*POSTROOM, "run"], stderr=subprocess.PIPE, text=True, env=environ, cwd=tmp_path) as service:
        try:
            told_events = (json.loads(line) for line in service.stderr or ())
            seen: dict[str, Any] = {}
            for event in told_events:
                seen[event["event"]] = event
                if {"needs-person", "pass"} <= set(seen):
                    break
        finally:
            service.terminate()
    assert seen["needs-person"]["mailbox"] == "stock"
    assert "postroom-shelf 1.2" in seen["needs-person"]["problem"]
    assert "Trouble: stock" in postroom("status")[1]
