"""`postroom try` on what it cannot use: every mistake at once, before anything is trained, and nothing left behind."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console
from rich.progress import Task, TaskID

from daemon.cli import postroom
from daemon.commands.try_progress import STILL, TrialLines, trial_progress
from daemon.examples.example_file import FileRefused
from daemon.report.progress_lines import LeftColumn, time_in_words

GOOD = "text,label\n" + "".join(f"text {row} of {'ab'[row % 2]},{'ab'[row % 2]}\n" for row in range(40))


@pytest.fixture(autouse=True)
def nothing_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.commands.try_file.trial", lambda *_: pytest.fail("it was paid for"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    place = tmp_path / "in"
    place.mkdir()
    return place / "examples.csv"


def tried(*words: str | Path) -> Result:
    return CliRunner().invoke(postroom, ["try", *map(str, words)])


def refused(*words: str | Path) -> list[str]:
    """The mistakes that it tells."""
    before = set(Path(tempfile.gettempdir()).glob("postroom-try-*"))
    error = tried(*words).exception
    assert isinstance(error, FileRefused), error
    assert error.exit_code == 2
    assert set(Path(tempfile.gettempdir()).glob("postroom-try-*")) <= before
    assert str(error).startswith(f"{words[0]}: it was not tried.\n  - ")
    return error.problems


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("text,label\nx,a\ny,a\n", 'all its rows are of one category, "a"'),
        (
            "text,label\n" + "".join(f"text {row},label {row}\n" for row in range(30)),
            "each of its 30 rows has a cat",
        ),
        (
            "text,label\n" + "".join(f"text {row},label {row % 1000}\n" for row in range(2000)),
            'it has 1,000 categories, and a model answers with 500 at most. Join some: the largest are "label 0"',
        ),
        ("text,label\nx,a\ny,a\nz,b\n", "only one category has more than one text"),
        ("text,label\nx,\ny,a\n", "row 2: no category"),
        ("", "it is empty"),
        ("text,label\n", "names of its columns and no row below"),
    ],
    ids=lambda each: each[:24],
)
def test_what_cannot_be_tried_is_told_in_one_sentence(file: Path, table: str, said: str) -> None:
    file.write_text(table)
    (problem,) = refused(file)
    assert said in problem


def test_every_mistake_in_both_files_and_the_target_is_told_at_once(file: Path, tmp_path: Path) -> None:
    file.write_text("text,label\nx,\ny,a\n,b\n")
    test = file.with_name("test.csv")
    test.write_text("text,label\nx\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "other").touch()
    unsloth = ["--backend", "unsloth", "--unsloth-python", tmp_path / "none"]
    problems = refused(file, "--test", test, "--export", tmp_path / "full", *unsloth)
    assert problems == [
        f"{file}: row 2: no category. Write one, or delete these rows.",
        f"{file}: row 4: no text. Write one, or delete these rows.",
        f"{test}: row 2: fewer cells than the 2 columns. Perhaps a line end within a text is not in quotes.",
        f"--export {tmp_path / 'full'}: holds other files already. Name a new folder, or an empty one.",
        f"--backend unsloth: {tmp_path / 'none'} is not there. `make unsloth` makes it; --unsloth-python names one "
        "that lies elsewhere.",
    ]


def test_categories_that_only_the_test_has_are_named_with_their_rows(file: Path) -> None:
    file.write_text(GOOD)
    test = file.with_name("test.csv")
    test.write_text("text,label\nx,a\ny,c\nz,d\nw,c\n")
    assert refused(file, "--test", test) == [
        f'{test}: rows 3, 4 and 5: a category that the examples do not teach ("c" and "d"). Correct it, or delete '
        "these rows."
    ]


def test_categories_of_the_test_may_be_in_another_case(file: Path) -> None:
    file.write_text(GOOD)
    test = file.with_name("test.csv")
    test.write_text("text,label\nx,A\ny,c\n")
    assert refused(file, "--test", test)[0].startswith(
        f'{test}: row 3: a category that the examples do not teach ("c").'
    )


def test_a_place_that_cannot_be_written_to_is_told_before_anything_is_trained(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(GOOD)
    assert refused(file, "--export", file) == [f"--export {file}: is no folder. Name a new one."]
    assert "is no folder. Name another place." in refused(file, "--export", file / "below")[0]
    monkeypatch.setattr("os.access", lambda *_: False)
    (problem,) = refused(file, "--export", tmp_path / "new" / "model")
    assert problem == (
        f"--export {tmp_path / 'new' / 'model'}: nothing may be written in {tmp_path}. Name another folder, or correct "
        "its rights."
    )
    assert not (tmp_path / "new").exists()


def test_a_base_that_is_not_there_is_told_before_anything_is_trained(file: Path) -> None:
    file.write_text(GOOD)
    assert "there is no base model" in str(tried(file, "--base", file.with_name("none.gguf")).exception)


def test_a_folder_is_asked_only_if_a_trial_made_it(tmp_path: Path) -> None:
    assert refused(tmp_path) == ["it is a folder. Name the file with the examples."]
    (tmp_path / "model").mkdir()
    assert refused(tmp_path)[0].endswith("an exported model, not a file of examples. Say what to ask it: --ask TEXT.")
    assert "there is no model of `postroom try --export` in it" in str(tried(tmp_path, "--ask", "x").exception)


# --- progress without a terminal


def test_lines_come_at_every_step_and_before_ten_seconds_of_silence() -> None:
    clock, said = [0.0], list[str]()
    lines = TrialLines(said.append, lambda: clock[0])
    lines.show({"stage": "a", "done": 0, "total": 1000, "text": "first", "left": 300})
    assert said == ["  0 %  first (0 s, 5 min left)"]
    for _ in range(30):
        clock[0] += 1
        lines.beat()
    assert len(said) == 1 + 30 // STILL
    assert said[-1] == "  0 %  first (25 s, 5 min left)"
    lines.show({"stage": "a", "done": 10, "total": 1000, "text": "first, on", "left": 270})
    assert len(said) == 4, "just said"
    lines.show({"stage": "b", "done": 500, "total": 1000, "text": "second", "left": 200})
    assert said[-1] == " 50 %  second (30 s, 3 min left)"
    clock[0] += 500
    lines.beat()
    assert said[-1] == " 50 %  second (9 min, 5 s left)", "it goes on"


def test_on_a_terminal_the_estimate_goes_down_between_two_steps_and_fits_eighty_columns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = io.StringIO()
    terminal = Console(file=out, force_terminal=True, width=80, height=24, color_system=None)
    monkeypatch.setattr("daemon.commands.try_progress.notices", terminal)
    with trial_progress() as show:
        show({"done": 10, "text": "asking the language model as it will serve", "left": 5000})
    assert "asking the language model as… " in out.getvalue()
    assert "1 h 23 min left 0:00:0" in out.getvalue()
    task = Task(TaskID(1), "", 1000, 10, _get_time=lambda: 130.0, fields={"left": 300, "heard": 10.0})
    assert LeftColumn().render(task).plain == "3 min left"


def test_a_guess_is_told_no_more_exactly_than_it_is() -> None:
    assert [time_in_words(seconds) for seconds in (0, 43, 89, 95, 3599, 4800)] == [
        "0 s", "45 s", "90 s", "2 min", "1 h 0 min", "1 h 20 min",
    ]  # fmt: skip
