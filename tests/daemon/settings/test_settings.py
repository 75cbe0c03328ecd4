"""The settings file: what is read, what is refused, and in which words."""

import os
import re
import tomllib
from datetime import UTC, date, datetime, time, timedelta
from importlib.metadata import EntryPoints
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from connectors import connector_kinds
from connectors.imap import ImapSettings
from connectors.mailbox_settings import CategorySettings, OwnSorting, RuleSettings
from connectors.request_tracker import RequestTrackerSettings
from connectors.setting_values import format_duration, parse_duration
from daemon.mistakes import ExitCode, SettingsError, WrongName
from daemon.model.engines.engine_kinds import EmbeddedSettings
from daemon.rules.schedule import latest_window
from daemon.settings import (
    LogSettings,
    Settings,
    SortingSettings,
    TrainingSettings,
    find_config,
)
from daemon.settings.problems import cross_check, in_words
from daemon.settings.windows import Window
from tests import ROOT

EXAMPLE = ROOT / "config.example.toml"
OFFICE = """
[[mailbox]]
name = "office"
host = "mail.example.org"
user = "office@example.org"
credential = "office-imap"
"""
DESK = """
[[mailbox]]
name = "desk"
kind = "request-tracker"
inbox = "General"
url = "https://rt.example.org"
credential = "rt"
"""
A = '[[mailbox.category]]\nname = "A"\n'


@pytest.fixture(autouse=True)
def _no_overrides(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in list(os.environ):
        if variable.startswith("POSTROOM_"):
            monkeypatch.delenv(variable)


@pytest.fixture(autouse=True)
def _no_packages_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed beside Postroom, for instance by somebody who writes a connector, changes no sentence here."""
    monkeypatch.setattr(connector_kinds, "entry_points", lambda group: EntryPoints())


def load(folder: Path, text: str) -> Settings:
    file = folder / "config.toml"
    file.write_text(text, encoding="utf-8")
    return Settings.load(file)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(folder, text)
    return caught.value.problems


def test_a_mailbox_may_be_sorted_otherwise_than_the_rest(tmp_path: Path) -> None:
    own = (
        f'{DESK}[mailbox.sorting]\nattachments = "names"\nact_after = "0s"\nskip_flagged = false\nnever_senders = []\n'
    )
    rest = '[sorting]\nattachments = "ocr"\nocr_languages = ["fra", "chi_sim"]\nnever_senders = ["@x.example"]'
    found = load(tmp_path, f"{OFFICE}{own}{rest}")
    assert found.sorting.ocr_languages == ("fra", "chi_sim")
    for name in ("office", "rehearsal"):
        assert found.sorting_of(name) == found.sorting
    desk = {"attachments": "names", "act_after": timedelta(), "skip_flagged": False, "never_senders": ()}
    assert found.sorting_of("desk") == found.sorting.model_copy(update=desk)


def test_a_mailbox_may_have_every_key_of_sorting_for_itself_and_none_of_the_machines() -> None:
    machines = {"passes_at_once", "ocr_languages"}
    defaults = {key: value for key, value in SortingSettings() if key not in machines}
    assert list(OwnSorting.model_fields) == list(defaults)
    assert OwnSorting().said() == {}
    assert OwnSorting(**defaults).said() == defaults
    for key in defaults:
        for wrong in (-1, "maybe", [3]):
            assert is_refused(SortingSettings, {key: wrong}) == is_refused(OwnSorting, {key: wrong}), (key, wrong)


def test_rules_are_checked_with_the_mailbox_that_they_stand_in(tmp_path: Path) -> None:
    rules = """
[[mailbox.category]]
name = "Orders"
folder = "In/Orders"
[[mailbox.rule]]
from = ["@shop.example"]
category = "Oders"
[[mailbox.rule]]
category = "In/Orders"
[[mailbox.rule]]
from = ["shop"]
subject = "news"
category = ""
"""
    unknown, empty, no_address = sorted(problems(tmp_path, OFFICE + rules))
    place = "[[mailbox]] 1 (office) [[rule]]"
    assert unknown == f'{place} 1 category: "Oders" is no category of this mailbox. Did you mean "Orders"?'
    assert empty == f"{place} 2: says nothing about which mail it is for. Write from, to, list_id or subject."
    assert no_address.startswith(f'{place} 3 from 0: "shop" is neither an address nor a domain')


def is_refused(model: type[BaseModel], values: dict[str, Any]) -> bool:
    try:
        model(**values)
    except ValidationError:
        return True
    return False


def test_mistakes_in_a_mailboxs_own_sorting_are_told_with_their_place(tmp_path: Path) -> None:
    wrong = f'{OFFICE}precision = 0.9\n[mailbox.sorting]\nprecision = 97\npasses_at_once = 3\nact_after = "soon"'
    vague, machine, high, misplaced = sorted(problems(tmp_path, wrong))
    assert misplaced.startswith("[[mailbox]] 1 (office) precision: unknown key here. It belongs under [sorting], under")
    assert high.endswith("Write 0.97 for 97 %.")
    assert machine == "[[mailbox]] 1 (office) [sorting] passes_at_once: unknown key here. It belongs under [sorting]."
    assert vague.startswith('[[mailbox]] 1 (office) [sorting] act_after: "soon" is not a duration')


def test_mistakes_about_files_are_told_in_words(tmp_path: Path) -> None:
    own = f'{OFFICE}[mailbox.sorting]\nattachments = "all"\n'
    wrong = f'{own}[sorting]\nattachments = "txt"\nocr_languages = ["german", "deu"]'
    mailbox, sorting, language = problems(tmp_path, wrong)
    assert mailbox.startswith(
        '[[mailbox]] 1 (office) [sorting] attachments: "all" is not one of "names", "text", "ocr".'
    )
    assert sorting.startswith('[sorting] attachments: "txt" is not one of "names", "text", "ocr". Did you mean "text"?')
    assert language.startswith('[sorting] ocr_languages 0: "german" is no language of tesseract\'s. Write "deu"')
    [only] = problems(tmp_path, f'{OFFICE}[sorting]\nocr_languages = ["de"]')
    assert only.startswith('[sorting] ocr_languages 0: "de" is no language')
    [empty] = problems(tmp_path, f"{OFFICE}[sorting]\nocr_languages = []")
    assert empty == '[sorting] ocr_languages: is empty. Write ocr_languages = ["..."], or remove the line.'


# -- the example file


def all_switched_on() -> str:
    """The example with every switched-off setting switched on: "#key" but not "# prose"."""
    return re.sub(r"^#(?=[a-z\[])", "", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_the_example_loads_as_it_is() -> None:
    settings = Settings.load(EXAMPLE)
    assert [mailbox.name for mailbox in settings.mailboxes] == ["office"]
    assert settings.mailboxes[0].roles == {"Archive/2019": "neutral", "Board": "never"}


def test_the_example_loads_with_everything_switched_on(tmp_path: Path) -> None:
    settings = load(tmp_path, all_switched_on())
    assert [mailbox.kind for mailbox in settings.mailboxes] == ["imap", "request-tracker"]


@pytest.mark.parametrize(
    ("model", "place"),
    [
        (Settings, []),
        (SortingSettings, ["sorting"]),
        (EmbeddedSettings, ["engine"]),
        (TrainingSettings, ["training"]),
        (LogSettings, ["log"]),
        (ImapSettings, ["mailbox", 0]),
        (RequestTrackerSettings, ["mailbox", 1]),
        (CategorySettings, ["mailbox", 0, "category", 0]),
        (RuleSettings, ["mailbox", 0, "rule", 0]),
    ],
)
def test_the_example_shows_every_key(model: type[BaseModel], place: list[str | int]) -> None:
    table: Any = tomllib.loads(all_switched_on())
    for step in place:
        table = table[step]
    known = {field.alias or name for name, field in model.model_fields.items()}
    explained_before = {"category", "roles", "sorting", "rule"} if model is RequestTrackerSettings else set()
    assert set(table) == known - explained_before


def test_the_values_in_the_example_are_the_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path, all_switched_on())
    for section in ("state_dir", "sorting", "engine", "training", "alarm", "metrics", "log"):
        assert getattr(settings, section) == Settings.model_fields[section].default, section
    # A credential is left out only where a person signs in.
    invented = {"categories", "roles", "credential", "sorting", "rules"}
    for mailbox in settings.mailboxes:
        assert mailbox.model_dump(exclude=invented) == only_required(mailbox).model_dump(exclude=invented)
    for category in settings.mailboxes[0].categories:
        invented = {"description", "precision", "hides"}
        assert category.model_dump(exclude=invented) == only_required(category).model_dump(exclude=invented)


def only_required(model: BaseModel) -> BaseModel:
    """The same with every key left out that may be left out."""
    required = {name: getattr(model, name) for name, field in type(model).model_fields.items() if field.is_required()}
    return type(model)(**required)


def test_every_key_of_the_example_is_explained_above_it() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    mute = [line for above, line in pairwise(lines) if re.match(r"#?[a-z_]+ = ", line) and not above.strip()]
    assert mute == []


# -- what is read


def test_little_is_needed_and_the_rest_is_sensible(tmp_path: Path) -> None:
    settings = load(tmp_path, OFFICE)
    office = settings.mailboxes[0]
    assert isinstance(office, ImapSettings)
    assert (office.mode, office.inbox, office.tls, office.port) == ("shadow", "INBOX", "implicit", 993)
    assert settings.sorting.poll == timedelta(seconds=60)
    assert settings.training.window == Window(time(1), time(5))
    assert settings.engine.base is None
    assert settings.state_dir == Path("/var/lib/postroom")


def test_the_port_follows_the_encryption_unless_it_is_given(tmp_path: Path) -> None:
    assert load(tmp_path, OFFICE + 'tls = "starttls"').mailboxes[0].port == 143  # type: ignore[attr-defined]
    assert load(tmp_path, OFFICE + 'tls = "starttls"\nport = 1430').mailboxes[0].port == 1430  # type: ignore[attr-defined]


def test_a_category_without_a_folder_lies_in_the_folder_of_its_name(tmp_path: Path) -> None:
    settings = load(tmp_path, OFFICE + '[[mailbox.category]]\nname = "Orders"')
    assert settings.mailboxes[0].categories[0].folder == "Orders"


@pytest.mark.parametrize(
    ("variable", "given", "said"),
    [
        ("TRAINING__WINDOW", "01:00", '"01:00" is not a time window; write 01:00-05:00 or 22:00-04:00.'),
        ("SORTING__NEVER_SENDERS", "a@b.c", 'must be a list. Write never_senders = ["...", "..."].'),
        ("SORTING__NEVER_SENDERS", '["a@"]', '"a@" is neither an address nor a domain; write "ann@example.org" or'),
        ("TRAINING", "x", "must be a table of its own"),
        ("STATE_DIR", "x", '"x" is not a whole path; begin it with "/".'),
    ],
)
def test_an_override_that_makes_no_sense_is_told_by_its_name(
    variable: str, given: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"POSTROOM_{variable}", given)
    [problem] = problems(tmp_path, OFFICE)
    assert problem.startswith(f"$POSTROOM_{variable}: {said}")


def test_windows_and_lists_can_be_overridden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTROOM_TRAINING__WINDOW", "02:00-03:00")
    monkeypatch.setenv("POSTROOM_SORTING__NEVER_SENDERS", '["ann@example.org"]')
    settings = load(tmp_path, OFFICE)
    assert (str(settings.training.window), settings.sorting.never_senders) == ("02:00-03:00", ("ann@example.org",))


def test_the_environment_overrides_one_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTROOM_SORTING__POLL", "5s")
    settings = load(tmp_path, OFFICE + '[sorting]\npoll = "9m"\nsettle = "1m"')
    assert settings.sorting.poll == timedelta(seconds=5)
    assert settings.sorting.settle == timedelta(minutes=1)


def test_variables_of_other_programs_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILBOX", "/var/mail/somebody")
    monkeypatch.setenv("STATE_DIR", "/nowhere")
    monkeypatch.setenv("POSTROOM_CONFIG", "/etc/postroom/config.toml")
    settings = load(tmp_path, OFFICE)
    assert settings.mailboxes[0].name == "office"
    assert settings.state_dir == Path("/var/lib/postroom")


def test_settings_do_not_change_after_loading(tmp_path: Path) -> None:
    settings = load(tmp_path, OFFICE)
    with pytest.raises(ValueError, match="frozen"):
        settings.sorting.precision = 0.5


def test_effective_settings_show_every_key_that_has_a_value(tmp_path: Path) -> None:
    shown = load(tmp_path, all_switched_on()).effective()
    example = tomllib.loads(all_switched_on())
    assert {name: set(shown[name]) for name in ("sorting", "engine", "training", "log")} == {
        name: set(example[name]) for name in ("sorting", "engine", "training", "log")
    }
    assert set(shown["mailbox"][0]) == set(example["mailbox"][0])


def test_effective_settings_can_be_loaded_again(tmp_path: Path) -> None:
    settings = load(tmp_path, all_switched_on())
    assert Settings(**settings.effective()) == settings


def test_a_mailbox_is_found_by_name_and_a_slip_is_helped(tmp_path: Path) -> None:
    settings = load(tmp_path, OFFICE)
    assert settings.mailbox_named("office") is settings.mailboxes[0]
    with pytest.raises(WrongName, match=re.escape('offcie: no mailbox has this name. Did you mean "office"?')) as wrong:
        settings.mailbox_named("offcie")
    assert wrong.value.exit_code == ExitCode.MISTAKE, "as every wrong command line"


# -- which file


def test_a_named_file_counts_before_all_others(tmp_path: Path) -> None:
    named, other = tmp_path / "named.toml", tmp_path / "other.toml"
    named.touch()
    other.touch()
    assert find_config(named, {"POSTROOM_CONFIG": str(other)}, tmp_path) == named
    assert find_config(None, {"POSTROOM_CONFIG": str(other)}, tmp_path) == other


def test_the_working_directory_is_looked_at_when_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "postroom.toml").touch()
    assert find_config(None, {}, tmp_path) == tmp_path / "postroom.toml"


def test_a_named_file_that_is_missing_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file") as caught:
        find_config(tmp_path / "gone.toml", {}, tmp_path)
    assert caught.value.exit_code == ExitCode.MISTAKE


# -- what is refused


def test_ten_mistakes_are_told_at_once_each_with_its_place(tmp_path: Path) -> None:
    text = """
state_dir = "var"
[[mailbox]]
name = "office"
hosst = "x"
pasword = "hunter2"
tls = "ssl"
mode = "liv"
credential = "hunter 2"
[[mailbox.category]]
nam = "x"
[mailbox.roles]
"Archive/2019" = "neutrl"
[sorting]
poll = "5x"
precision = 1.5
hide_precision = 99
skip_flaged = true
[trainin]
"""
    found = problems(tmp_path, text)
    assert 'state_dir: "var" is not a whole path; begin it with "/".' in found
    assert '[[mailbox]] 1 (office) hosst: unknown key. Did you mean "host"?' in found
    assert '[[mailbox]] 1 (office) host: missing. Write host = "...".' in found
    assert '[[mailbox]] 1 (office) mode: "liv" is not one of "shadow", "live". Did you mean "live"?' in found
    assert '[[mailbox]] 1 (office) [[category]] 1 nam: unknown key. Did you mean "name"?' in found
    assert any(line.startswith('[[mailbox]] 1 (office) [roles] "Archive/2019": "neutrl" is not') for line in found)
    assert '[sorting] poll: "5x" is not a duration; write 90s, 5m, 2h or 180d.' in found
    assert "[sorting] precision: must be less than or equal to 0.999, not 1.5." in found
    assert "[sorting] hide_precision: must be less than or equal to 0.999, not 99. Write 0.99 for 99 %." in found
    assert '[sorting] skip_flaged: unknown key. Did you mean "skip_flagged"?' in found
    assert 'trainin: unknown key. Did you mean "training"?' in found
    assert any(
        line.startswith('[[mailbox]] 1 (office) pasword: unknown key. Did you mean "credential"?') for line in found
    )
    assert len(found) >= 10


def test_a_key_in_the_wrong_table_is_told_where_it_belongs(tmp_path: Path) -> None:
    """TOML gives every key to the table above it, so this is easily done."""
    text = """
state_dir = "/var/lib/postroom"
[[mailbox]]
name = "office"
kind = "imap"
user = "office"
credential = "office-imap"
poll = "1m"
[[mailbox.category]]
name = "Invoices"
port = 993
[log]
hides = true
"""
    found = problems(tmp_path, text)
    homes = "under [sorting] or under [mailbox.sorting]"
    assert f"[[mailbox]] 1 (office) poll: unknown key here. It belongs {homes}." in found
    assert (
        "[[mailbox]] 1 (office) [[category]] 1 port: unknown key here. "
        "It belongs under [[mailbox]], above its other tables." in found
    )
    assert "[log] hides: unknown key here. It belongs under [[mailbox.category]]." in found


def test_a_key_of_another_kind_of_mailbox_is_told_whose_it_is(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, DESK + 'tls = "none"')
    assert found == '[[mailbox]] 1 (desk) tls: unknown key here. It belongs to kind = "imap".'
    (found,) = problems(tmp_path, OFFICE + 'tag_field = "Topic"')
    assert found == '[[mailbox]] 1 (office) tag_field: unknown key here. It belongs to kind = "request-tracker".'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f'engine = "ollama"\n{OFFICE}', "[engine]: must be a table of its own: a line with its name in brackets"),
        (f'log = "info"\n{OFFICE}', "[log]: must be a table of its own: a line with its name in brackets"),
        ('[mailbox]\nname = "office"', "mailbox: must be a table of its own. Write [[mailbox]] and its keys below it."),
        ('mailbox = ["office"]', "[[mailbox]] 1: must be a table of its own. Write [[mailbox]] and its keys below it."),
    ],
)
def test_a_value_in_the_place_of_a_table_is_told_how_that_table_is_written(
    tmp_path: Path, text: str, words: str
) -> None:
    assert any(found.startswith(words) for found in problems(tmp_path, text))


@pytest.mark.parametrize("key", ["password", "token", "secret", "pass", "api_key", "Password"])
def test_a_secret_in_the_file_is_refused_with_the_way_to_do_it_and_never_repeated(tmp_path: Path, key: str) -> None:
    found = problems(tmp_path, OFFICE + f'{key} = "hunter2"')
    assert len(found) == 1
    assert 'Write credential = "NAME"' in found[0]
    assert "hunter2" not in found[0]


@pytest.mark.parametrize(
    "text",
    [
        OFFICE.replace("office-imap", "hunter2 is my password!"),
        OFFICE + 'passwort = ["hunter2"]',
        '[mailbox]\npassword = "hunter2"',
        'mailbox = ["hunter2"]',
        DESK.replace("https://", "https://bot:hunter2@"),
    ],
)
def test_no_message_repeats_what_may_be_a_secret(tmp_path: Path, text: str) -> None:
    found = problems(tmp_path, text)
    assert found
    assert "hunter2" not in "\n".join(found)


def test_the_message_begins_with_the_file_and_the_count(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, OFFICE + "prot = 993")
    first, second = str(caught.value).splitlines()
    assert first == f"{tmp_path / 'config.toml'}: 1 problem"
    assert second == '  - [[mailbox]] 1 (office) prot: unknown key. Did you mean "port"?'


def test_broken_toml_is_told_with_line_and_column(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, "state_dir = \n")
    assert "line 1, column" in found


def test_a_file_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(b'state_dir = "\xff"')
    with pytest.raises(SettingsError, match="not UTF-8"):
        Settings.load(file)


def test_a_file_without_a_mailbox_is_refused(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, '[log]\nlevel = "debug"')
    assert found.startswith("[[mailbox]]: there is none.")


def test_two_mailboxes_of_one_name_are_refused(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, OFFICE + OFFICE)
    assert '"office" is used twice' in found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("", ""),
        ('host = "Mail.example.org."', 'host = "mail.EXAMPLE.org"'),
        ('host = "localhost"', 'host = "127.0.0.1"'),
        ('tls = "starttls"', ""),
        ('port = 993\nuser = "Info"', 'user = "info"\ninbox = "inbox"'),
    ],
)
def test_one_account_under_two_names_is_refused(tmp_path: Path, one: str, other: str) -> None:
    (found,) = problems(tmp_path, changed("office", one) + changed("second", other))
    assert found.startswith("[[mailbox]] 2 (second): is the same inbox as [[mailbox]] 1 (office).")


@pytest.mark.parametrize(
    "difference", ['user = "other"', 'host = "mail.example.com"', "port = 1143", 'inbox = "Support"']
)
def test_two_inboxes_that_differ_are_two_mailboxes(tmp_path: Path, difference: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(changed("office", "") + changed("second", difference))
    assert [box.name for box in Settings.load(file).mailboxes] == ["office", "second"]


def test_one_queue_under_two_names_and_users_is_refused(tmp_path: Path) -> None:
    queue = '[[mailbox]]\nname = "{}"\nkind = "request-tracker"\nurl = "https://rt.example.org{}"\ninbox = "Info"\n'
    more = 'credential = "c"\nuser = "{}"\n'
    (found,) = problems(tmp_path, (queue + more).format("a", "", "bot") + (queue + more).format("b", "/", "bot2"))
    assert "is the same inbox as [[mailbox]] 1 (a)" in found


def changed(name: str, lines: str) -> str:
    """A mailbox with these lines in place of its own."""
    keys = {"name": f'"{name}"', "host": '"mail.example.org"', "user": '"info"', "credential": '"c"'}
    keys.update(line.split(" = ", 1) for line in lines.splitlines())
    return "[[mailbox]]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (A + A + 'folder = "B"', 'name: "A" is used twice'),
        (A + A.replace("A", "B") + 'folder = "A"', 'folder: "A" is used twice'),
        (A + 'folder = "INBOX"', "is the inbox itself"),
        ('review_folder = "INBOX"', "is the inbox itself"),
        (A + 'folder = "Inbox"', '"Inbox" is the inbox itself'),
        ('inbox = "inbox"\nreview_folder = "INBOX"', "is the inbox itself"),
        ('review_folder = "A"\n' + A, "is a category's folder"),
    ],
)
def test_folders_that_contradict_each_other_are_refused(tmp_path: Path, lines: str, words: str) -> None:
    (found,) = problems(tmp_path, OFFICE + lines)
    assert words in found


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('[training]\ntuning = "answer"\nbackend = "unsloth"', "unsloth_python: name the python"),
        ('[training]\nbackend = "unsloth"\nunsloth_python = "/opt/u/python"', 'write tuning = "answer" too'),
        ('[engine]\nkind = "ollama"\n[training]\ntuning = "answer"', 'needs kind = "embedded"'),
    ],
)
def test_ways_to_train_that_do_not_go_together_are_refused(tmp_path: Path, lines: str, words: str) -> None:
    (found,) = problems(tmp_path, OFFICE + lines)
    assert words in found


def test_a_password_never_travels_in_clear_to_another_machine(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, OFFICE + 'tls = "none"')
    assert "readable to another machine" in found
    here = load(tmp_path, OFFICE.replace("mail.example.org", "127.0.0.1") + 'tls = "none"')
    assert here.mailboxes[0].port == 143  # type: ignore[attr-defined]


def test_a_fingerprint_is_taken_as_openssl_prints_it(tmp_path: Path) -> None:
    printed = "sha256 Fingerprint=" + ":".join(["AB"] * 32)
    [mailbox] = load(tmp_path, OFFICE + f'fingerprint = "{printed}"').mailboxes
    assert mailbox.fingerprint == "ab" * 32  # type: ignore[attr-defined]


def test_the_inbox_has_no_case_and_other_folders_do(tmp_path: Path) -> None:
    lines = 'inbox = "Inbox"\n[mailbox.roles]\n"inbox" = "never"\n"inbox/a" = "never"\n'
    [mailbox] = load(tmp_path, OFFICE + lines).mailboxes
    assert (mailbox.inbox, set(mailbox.roles)) == ("INBOX", {"INBOX", "inbox/a"})


def test_a_tagged_helpdesk_needs_a_field(tmp_path: Path) -> None:
    text = DESK + 'act_by = "tag"'
    (found,) = problems(tmp_path, text)
    assert found.startswith("[[mailbox]] 1 (desk) tag_field:")
    assert load(tmp_path, text + '\ntag_field = "Topic"').mailboxes[0].inbox == "General"


TAGGED = 'act_by = "tag"\n'


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (A.replace('"A"', '"Büro"') + A.replace('"A"', '"buro"'), '"Büro" and "buro" give the same tag, "buro"'),
        (A.replace('"A"', '"请求"') + A.replace('"A"', '"订单"'), "Give one of them a `tag` of its own"),
        (A + 'tag = "$label1"\n' + A.replace('"A"', '"B"') + 'tag = "$LABEL1"', '"A" and "B" give the same tag'),
        (A + 'tag = "two words"', '"two words" cannot be a keyword'),
        (A + 'tag = "\\\\Seen"', "cannot be a keyword"),
        *(
            (A + f'tag = "{word}"', f'"{word}" is set by mail programs')
            for word in ("Seen", "Junk", "$junk", "NotJunk")
        ),
        (A + 'tag = "$Postroom"', '"$Postroom" is Postroom\'s own mark. Write another word'),
        (A.replace('"A"', '"Junk"'), '[[category]] name: "Junk" would be its tag, which is set by mail programs'),
    ],
)
def test_tags_that_mail_could_not_be_told_by_are_refused(tmp_path: Path, lines: str, words: str) -> None:
    (found,) = problems(tmp_path, OFFICE + TAGGED + lines)
    assert words in found


def test_tagged_categories_are_names_and_each_world_spells_them(tmp_path: Path) -> None:
    names = "".join(A.replace('"A"', f'"{name}"') for name in ("Büro & Post", "Orders")) + 'tag = "$label1"'
    [office] = load(tmp_path, OFFICE + TAGGED + names).mailboxes
    assert [office.tag_for(one.name, one.folder) for one in office.categories] == ["Buro-Post", "Orders"]
    gmail = OFFICE.replace("mail.example.org", "imap.gmail.com") + TAGGED
    assert load(tmp_path, gmail + A).mailboxes[0].tag_for("Büro & Post", "Work/Büro & Post") == "Work/Büro & Post"
    assert "Write it as `folder`" in problems(tmp_path, gmail + A + 'tag = "X"')[0]
    [desk] = load(tmp_path, DESK + TAGGED + 'tag_field = "Labels"').mailboxes
    assert desk.tag_for("Büro & Post", "Büro & Post") == "Büro & Post"


def test_an_unknown_kind_is_told_with_the_kinds_there_are(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, OFFICE + 'kind = "request-traker"')
    assert found.startswith('[[mailbox]] 1 (office) kind: "request-traker" is not one of "imap", "request-tracker".')


def test_a_wrong_kind_hides_no_other_mistake_of_its_mailbox(tmp_path: Path) -> None:
    boxes = [
        'kind = "IMAP"\nhost = "a"\nuser = "u"\ncredential = "c"\nport = 0',
        'kind = "rt"\nurl = "office"\ninbox = "General"',
    ]
    text = "\n".join(f'[[mailbox]]\nname = "box{number}"\n{box}' for number, box in enumerate(boxes))
    found = problems(tmp_path, f'{text}\n[sorting]\npoll = "0s"')
    assert [each.split(": ")[0] for each in found] == [
        "[[mailbox]] 1 (box0) kind",
        "[[mailbox]] 2 (box1) kind",
        "[sorting] poll",
        "[[mailbox]] 1 (box0) port",
        "[[mailbox]] 2 (box1) credential",
        "[[mailbox]] 2 (box1) url",
    ]


def test_a_wrong_override_is_told_by_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTROOM_SORTING__MIN_EXAMPLES", "many")
    monkeypatch.setenv("POSTROOM_ENGIN__KIND", "ollama")
    found = problems(tmp_path, OFFICE)
    assert any(line.startswith("$POSTROOM_SORTING__MIN_EXAMPLES: must be a valid integer") for line in found)
    assert '$POSTROOM_ENGIN__KIND: there is no such section to override. Did you mean "ENGINE"?' in found


keys = st.sampled_from(
    ["mailbox", "sorting", "log", "state_dir", "name", "kind", "host", "category", "roles", "poll", "tls", "url"]
)
scalars = st.none() | st.booleans() | st.integers(-9, 99999) | st.text("imap/-é\0", max_size=4)
tables = st.dictionaries(keys, scalars | st.lists(scalars, max_size=2), max_size=4)


@given(st.dictionaries(keys, scalars | tables | st.lists(scalars | tables, max_size=2), max_size=4))
@settings_of_hypothesis(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_shape_of_file_is_settings_or_sentences(document: dict[str, Any]) -> None:
    cross_check(document)
    try:
        Settings(**document)
    except ValidationError as error:
        told = in_words(error, document, Settings, {})
        assert told
        assert all(": " in sentence for sentence in told)


# -- durations and windows


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("2h", 7200), ("180d", 15552000), ("1h30m", 5400), ("0.5s", 0.5), ("0s", 0)],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "5x", "m5", "-5m", "5m!", "1e3s", "9" * 30 + "d"])
def test_what_is_no_duration_is_refused_with_the_right_spelling(text: str) -> None:
    with pytest.raises(ValueError, match="write 90s, 5m"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**12))
def test_a_duration_survives_being_written(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("window", "moment", "inside"),
    [
        ("01:00-05:00", time(1), True),
        ("01:00-05:00", time(4, 59), True),
        ("01:00-05:00", time(5), False),
        ("01:00-05:00", time(0, 59), False),
        ("22:00-04:00", time(23), True),
        ("22:00-04:00", time(3, 59), True),
        ("22:00-04:00", time(4), False),
        ("22:00-04:00", time(12), False),
        ("20:00-24:00", time(23, 59), True),
        ("20:00-24:00", time(0), False),
        ("00:00-00:00", time(12), True),
    ],
)
def test_a_window_contains_what_it_says_even_across_midnight(window: str, moment: time, inside: bool) -> None:
    now = datetime.combine(date(2026, 3, 2), moment, UTC)
    opened, closed = latest_window(now, Window.parse(window))
    assert (opened <= now < closed) is inside


@pytest.mark.parametrize("text", ["", "1-5", "25:00-05:00", "01:60-05:00", "01:00", "24:00-05:00", "01:00-24:01"])
def test_what_is_no_window_is_refused_with_the_right_spelling(text: str) -> None:
    with pytest.raises(ValueError, match="write 01:00-05:00"):
        Window.parse(text)


@pytest.mark.parametrize("rule", ["union", "Ann Lee <ann@example.org>", "*@union.example", "ann@"])
def test_sender_rules_that_would_never_fit_are_refused(tmp_path: Path, rule: str) -> None:
    [problem] = problems(tmp_path, f'{OFFICE}\n[sorting]\nnever_senders = ["{rule}"]\n')
    assert "neither an address nor a domain" in problem


def test_as_many_passes_as_mailboxes_may_work_at_once_but_not_none(tmp_path: Path) -> None:
    assert load(tmp_path, OFFICE).sorting.passes_at_once == 8
    assert load(tmp_path, f"{OFFICE}\n[sorting]\npasses_at_once = 1\n").sorting.passes_at_once == 1
    for wrong in ("0", "257", '"many"'):
        [problem] = problems(tmp_path, f"{OFFICE}\n[sorting]\npasses_at_once = {wrong}\n")
        assert problem.startswith("[sorting] passes_at_once: ")
    assert load(tmp_path, OFFICE).training.at_once == 4
    for wrong in ("0", "257", '"many"', "1.5"):
        [problem] = problems(tmp_path, f"{OFFICE}\n[training]\nat_once = {wrong}\n")
        assert problem.startswith("[training] at_once: ")


# -- the engine


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('kind = "openai"\nhost = "http://gpu.example.org:8000"', "mail and API key readable to another machine"),
        ('kind = "openai"\nhost = "http://127.0.0.1.example.org:8000"', "mail and API key readable to another machine"),
        ('kind = "openai"\nhost = "https://me:secret@gpu.example.org"', "holds a user or a secret"),
        ('kind = "ollama"\nquantization = "int8"', '"int8" is not for kind = "ollama"'),
        ('quantization = "q8_0"', 'Write one of "auto", "int8", "int8_float32", "float32"'),
        ('kind = "openai"\nquantization = "q4_K_M"', '"q4_K_M" is not for kind = "openai"'),
        ('api_key = "x"', "[engine] api_key"),
    ],
)
def test_a_wrong_engine_is_said_so(tmp_path: Path, lines: str, words: str) -> None:
    found = problems(tmp_path, f"{OFFICE}\n[engine]\n{lines}\n")
    assert words in found[0]
    assert "me:secret" not in found[0]


def test_each_kind_of_engine_has_its_own_port(tmp_path: Path) -> None:
    assert load(tmp_path, f'{OFFICE}\n[engine]\nkind = "openai"').engine.host == "http://127.0.0.1:8000"
    assert load(tmp_path, f'{OFFICE}\n[engine]\nkind = "ollama"').engine.host == "http://127.0.0.1:11434"
    settings = load(tmp_path, f'{OFFICE}\n[engine]\nkind = "openai"\nhost = "https://gpu.example.org/v1/"')
    assert settings.engine.host == "https://gpu.example.org"
