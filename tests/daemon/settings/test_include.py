"""Mailboxes in files of their own: order, mistakes with the file's name, and what stands where one is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.mistakes import SettingsError
from daemon.settings import Settings

BOX = """
[[mailbox]]
name = "{name}"
kind = "imap"
host = "mail.example.org"
user = "{name}@example.org"
credential = "c"
"""


def box(name: str, more: str = "") -> str:
    return BOX.format(name=name) + more + "\n"


@pytest.fixture
def main(tmp_path: Path) -> Path:
    """The settings file, with one mailbox of its own."""
    (tmp_path / "mailboxes.d").mkdir()
    file = tmp_path / "config.toml"
    file.write_text('include = "mailboxes.d/*.toml"\n' + box("office"))
    return file


def write(main: Path, **files: str) -> None:
    for name, text in files.items():
        (main.parent / "mailboxes.d" / f"{name}.toml").write_text(text)


def names(settings: Settings) -> list[str]:
    return [mailbox.name for mailbox in settings.mailboxes]


def problems(main: Path) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        Settings.load(main)
    return refused.value.problems


def test_files_come_after_the_settings_own_in_the_order_of_their_names(main: Path) -> None:
    write(main, b=box("sales"), a=box("hr") + box("law"), c=box("it", "[[mailbox.category]]\nname = 'Bugs'"))
    (main.parent / "mailboxes.d" / ".b.toml").write_text("an editor's")
    (main.parent / "mailboxes.d" / "notes.txt").write_text("no settings")
    settings = Settings.load(main)
    assert names(settings) == ["office", "hr", "law", "sales", "it"]
    assert settings.mailbox_named("it").categories[0].name == "Bugs"
    assert settings.effective()["include"] == "", "they stand among the mailboxes there"


def test_the_pattern_is_relative_to_the_settings_file_wherever_a_command_runs(
    main: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(main, a=box("hr"))
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert names(Settings.load(main)) == ["office", "hr"]
    main.write_text(f'include = "{main.parent}/*.d/a.toml"\n')
    assert names(Settings.load(main)) == ["hr"], "a whole path does, and so do settings without a mailbox of their own"
    main.write_text('include = "*.toml"\n' + box("office"))
    assert names(Settings.load(main)) == ["office"], "the settings do not include themselves"


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("mailbox.d/*.toml", "include: there is no folder {}/mailbox.d. Make it, or correct the path."),
        ("sales.toml", "include: there is no file {}/sales.toml. Correct the path, or remove the line."),
    ],
)
def test_a_pattern_that_can_find_nothing_is_a_mistake(main: Path, pattern: str, words: str) -> None:
    main.write_text(f'include = "{pattern}"\n' + box("office"))
    assert problems(main) == [words.format(main.parent)]


def test_an_empty_folder_is_none_as_long_as_there_is_a_mailbox(main: Path) -> None:
    assert names(Settings.load(main)) == ["office"]
    main.write_text('include = "mailboxes.d/*.toml"\n')
    assert problems(main) == ["[[mailbox]]: there is none. Copy one from config.example.toml and fill it in."]
    main.write_text("include = 7\n" + box("office"))
    assert problems(main) == ["include: must be a valid string, not 7."]


def test_every_mistake_of_every_file_is_said_at_once_with_its_place(main: Path) -> None:
    write(
        main,
        a=box("hr", "port = 99999"),
        b="[[mailbox]\n",
        c=box("law") + "[sorting]\npoll = '9s'\n",
        d="# nothing yet\n",
        e=box("it"),
        f=box("it").replace("mail.", "imap."),
        g=box("office2").replace("office2@", "office@"),
        h=box("x") + box("x"),
        i="mailbox = 7\n",
    )
    (main.parent / "mailboxes.d" / "j.toml").write_bytes(b"\xff")
    (main.parent / "mailboxes.d" / "k.toml").mkdir()
    main.write_text(main.read_text() + "[sorting]\npol = '9s'\n")
    found = problems(main)
    assert found[0].startswith("[sorting] pol: unknown key.")
    by_file = {problem[:1]: problem for problem in (one.removeprefix("mailboxes.d/") for one in found[1:])}
    assert [*by_file] == ["a", "b", "c", "d", "f", "g", "h", "i", "j", "k"], "all but the one without a mistake"
    assert by_file["a"].startswith("a.toml: [[mailbox]] 1 (hr) port: ")
    assert "line 1" in by_file["b"]
    assert by_file["c"] == "c.toml: sorting: only [[mailbox]] may stand in an included file. Write it into config.toml."
    assert "no [[mailbox]] in it" in by_file["d"]
    assert '"it" is used in mailboxes.d/e.toml, too' in by_file["f"]
    assert "is the same inbox as one in config.toml" in by_file["g"]
    assert '"x" is used twice' in by_file["h"]
    assert "byte 0 is not UTF-8" in by_file["j"]
    assert "cannot be read" in by_file["k"]


def test_a_broken_file_keeps_what_it_said_before_and_the_others_count(main: Path) -> None:
    write(main, a=box("hr"), b=box("sales"), c=box("law"))
    before = Settings.load(main)
    write(main, a=box("hr", "port = 99999"), b=box("sales", 'mode = "live"'), d=box("it"))
    (main.parent / "mailboxes.d" / "c.toml").unlink()
    after, broken = Settings.load_rest(main, before)
    assert names(after) == ["office", "hr", "sales", "it"]
    assert [mailbox.mode for mailbox in after.mailboxes] == ["shadow", "shadow", "live", "shadow"]
    [problem] = broken
    assert problem.startswith("mailboxes.d/a.toml: [[mailbox]] 1 (hr) port: ")
    again, still = Settings.load_rest(main, after)
    assert (names(again), still) == (names(after), broken), "however often it is read"
    write(main, a=box("hr", "port = 143"))
    mended, none = Settings.load_rest(main, again)
    assert (names(mended), none) == (names(after), [])


def test_who_only_looks_sees_the_others_where_a_file_is_broken(main: Path) -> None:
    write(main, a="[[mailbox]\n", b=box("sales"))
    settings, [problem] = Settings.load_rest(main)
    assert names(settings) == ["office", "sales"]
    assert problem.startswith("mailboxes.d/a.toml: ")
    main.write_text('include = "mailboxes.d/a.toml"\n')
    with pytest.raises(SettingsError, match=r"mailboxes\.d/a\.toml: "):
        Settings.load_rest(main)


def test_of_two_files_with_one_mailbox_the_one_that_is_new_is_refused(main: Path) -> None:
    write(main, b=box("sales"))
    before = Settings.load(main)
    write(main, a=box("sales", 'mode = "live"'))
    after, [problem] = Settings.load_rest(main, before)
    assert names(after) == ["office", "sales"]
    assert after.mailboxes[1].mode == "shadow", "as it was"
    assert '"sales" is used in mailboxes.d/b.toml, too' in problem
    assert problem.startswith("mailboxes.d/a.toml")
    write(main, a=box("sales"), b=box("hr"))  # it moves from one file to the other
    assert names(Settings.load_rest(main, before)[0]) == ["office", "sales", "hr"]


def test_what_a_broken_file_said_before_and_another_says_now_refuses_the_whole(main: Path) -> None:
    write(main, a=box("sales"))
    before = Settings.load(main)
    write(main, a="[[mailbox]\n", b=box("sales", 'mode = "live"'))
    with pytest.raises(SettingsError, match=r'"sales" is used in mailboxes\.d/a\.toml, too'):
        Settings.load_rest(main, before)


# --- whom a mailbox shares with


def test_what_is_wrong_with_sharing_is_told_at_once_with_its_file(main: Path) -> None:
    main.write_text(main.read_text() + box("copy", 'share = "offise"'))
    write(
        main,
        a=box("alone", 'share = "alone"') + box("chain", 'share = "member"') + box("member", 'share = "office"'),
        b=box("both", 'share = "office"\n[[mailbox.category]]\nname = "Bugs"'),
    )
    assert problems(main) == [
        '[[mailbox]] (copy) share: no mailbox is called "offise". Did you mean "office"?',
        "mailboxes.d/a.toml: [[mailbox]] 1 (alone) share: this is the mailbox itself. Name another one, or remove the "
        "line.",
        'mailboxes.d/b.toml: [[mailbox]] 1 (both) [[category]]: with share the categories are those of "office". List '
        "them there, or remove `share`.",
    ]
    write(main, a=box("chain", 'share = "member"') + box("member", 'share = "office"'), b=box("both"))
    assert problems(main)[1:] == [
        'mailboxes.d/a.toml: [[mailbox]] (chain) share: "member" shares with "office" itself. Name a mailbox that does '
        "not."
    ]


def test_a_member_may_lie_in_another_file_than_its_lender(main: Path) -> None:
    write(main, a=box("sales", 'share = "zoo"\n[mailbox.roles]\n"Old" = "never"'))
    write(main, z=box("zoo", '[[mailbox.category]]\nname = "Bugs"\n[mailbox.roles]\n"Old" = "neutral"\n"X" = "never"'))
    settings = Settings.load(main)
    sales = settings.mailbox_named("sales")
    assert sales.categories == ()
    working = settings.working(sales)
    assert [category.name for category in working.categories] == ["Bugs"]
    assert dict(working.roles) == {"Old": "never", "X": "never"}
    office = settings.mailbox_named("office")
    assert settings.working(office) is office
    assert "category" not in settings.effective()["mailbox"][1] or not settings.effective()["mailbox"][1]["category"]


def test_at_a_reload_a_file_that_shares_with_nobody_concerns_its_own_mailboxes_alone(main: Path) -> None:
    write(main, a=box("sales"), b=box("hr"))
    before = Settings.load(main)
    write(main, a=box("sales", 'share = "ofice"'), b=box("hr", 'share = "office"'))
    fresh, broken = Settings.load_rest(main, before)
    assert broken == [
        'mailboxes.d/a.toml: [[mailbox]] (sales) share: no mailbox is called "ofice". Did you mean "office"?'
    ]
    assert [mailbox.share for mailbox in fresh.mailboxes] == ["", "", "office"]
    write(main, a=box("sales"), c=box("zoo"), b=box("hr", 'share = "zoo"'))
    before = Settings.load(main)
    (main.parent / "mailboxes.d" / "c.toml").unlink()
    with pytest.raises(SettingsError) as refused:
        Settings.load_rest(main, before)
    assert 'mailboxes.d/b.toml: [[mailbox]] (hr) share: no mailbox is called "zoo".' in str(refused.value)
