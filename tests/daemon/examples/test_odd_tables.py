"""Tables as programs and people make them that were refused, or cut wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.examples import example_file
from daemon.examples.dates import read_dates
from daemon.examples.example_file import FileRefused, read_examples
from daemon.examples.label_spelling import one_spelling, seen, tidied

AB = [("hello", "a"), ("bye", "b"), ("hi", "a")]


def read(path: Path, content: str) -> list[tuple[str, str]]:
    path.write_text(content, "utf-8", newline="")
    return [(example.text.body, example.label) for example in read_examples(path).rows]


def notes(path: Path, content: str) -> tuple[str, ...]:
    read(path, content)
    return read_examples(path).notes


def problems(path: Path, content: str) -> list[str]:
    path.write_text(content, "utf-8", newline="")
    with pytest.raises(FileRefused) as refused:
        read_examples(path)
    return refused.value.problems


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "examples.csv"


# --- names of columns


@pytest.mark.parametrize(
    "names",
    [
        ",text,label",
        'id,text,label,,"What did you want to tell us about your visit last week, please?"',
        "note,text,label,note",
        ",subject,category",
    ],
)
def test_a_column_without_a_name_a_long_one_or_one_twice_hides_no_other(file: Path, names: str) -> None:
    width = names.replace("week, please", "").count(",") + 1
    place = 2 if names.startswith(("id", "note")) or width == 3 else 1
    assert place == 2
    rows = "".join(f"{number},{text},{label}{',x' * (width - 3)}\n" for number, (text, label) in enumerate(AB))
    file.write_text(f"{names}\n{rows}")
    found = read_examples(file).rows
    assert [(example.text.body or example.text.subject, example.label) for example in found] == AB


def test_two_columns_for_one_thing_are_told(file: Path) -> None:
    assert problems(file, "Text,label,text\nhello,a,x\n") == [
        '2 columns are called "Text", and one can be the text. Call the others otherwise.'
    ]


def test_titles_above_the_names_are_left_out_and_told(file: Path) -> None:
    table = "Answers of our visitors;;\n;;\nText;Kategorie;Preis\nhello;a;1,5\nbye;b;2,5\nhi;a;0\n"
    assert read(file, table) == AB
    assert notes(file, table) == ("The names of the columns stand in row 3; what is above was left out.",)


def test_names_that_come_again_are_no_example(file: Path) -> None:
    assert problems(file, "text,label\nhello,a\ntext,label\nbye,b\n") == [
        "row 3: the names of the columns once more. Delete these rows."
    ]


# --- separators


@pytest.mark.parametrize(
    "table",
    [
        "hello, you\ta\nbye, you\tb\nfoo, bar\ta\n",
        "hello; you,a\nbye; you,b\nfoo; bar,a\n",
        "hello, you|a\nbye, you|b\nfoo, bar|a\n",
    ],
)
def test_a_mark_that_every_text_holds_does_not_cut(file: Path, table: str) -> None:
    assert [(text[-3:], label) for text, label in read(file, table)] == [("you", "a"), ("you", "b"), ("bar", "a")]


def test_a_first_text_of_many_pages_hides_no_separator(file: Path) -> None:
    found = read(file, f'"{"page, " * 20_000}",a\nbye,b\nhi,a\n')
    assert [label for _, label in found] == ["a", "b", "a"]


@pytest.mark.parametrize("said", ['"sep=;"\r\n', "sep=\t\n", "SEP=;\r"])
def test_what_is_said_of_the_separator_is_heard_also_in_quotes(file: Path, said: str) -> None:
    mark = "\t" if "\t" in said else ";"
    assert read(file, f"{said}text{mark}label\nx, y{mark}a\n") == [("x, y", "a")]


@pytest.mark.parametrize("said", ["sep=\r\n", 'sep="\n', "sep=\n"])
def test_what_cannot_separate_is_not_heard(file: Path, said: str) -> None:
    assert read(file, f"{said}text,label\nhello,a\nbye,b\nhi,a\n") == AB


# --- JSON


def test_json_lines_may_hold_every_line_end_of_unicode_within_a_text(file: Path) -> None:
    lines = '{"text": "a\u2028b", "label": "x"}\r\n{"text": "c\x85d", "label": "y"}\r{"text": "e", "label": "y"}\n'
    assert read(file.with_suffix(".jsonl"), lines) == [("a\u2028b", "x"), ("c\x85d", "y"), ("e", "y")]


def test_a_list_of_objects_is_read_too(file: Path) -> None:
    listed = '[\n {"text": "hello",\n  "label": "a"},\n {"text": "bye", "label": "b"}, {"text": "hi", "label": "a"}]\n'
    assert read(file, listed) == AB
    assert read(file.with_suffix(".json"), listed.replace("\n", " ")) == AB


def test_a_text_that_begins_with_a_brace_makes_no_json_of_a_table(file: Path) -> None:
    assert read(file, "{name} wrote,a\n{name} left,b\n{name} came,a\n")[0] == ("{name} wrote", "a")


def test_half_a_character_of_json_cannot_stop_what_writes_it_down(file: Path) -> None:
    table = '{"text": "a\\ud800", "label": "x\\udc00", "group": "\\ud800g"}\n{"text": "b", "label": "y"}\n'
    file.write_text(table)
    first = read_examples(file).rows[0]
    assert (first.label, first.group) == ("x", "g")
    f"{first.label}{first.group}{first.text.body}".encode()


# --- what else is in files


def test_line_ends_of_databases_within_cells_are_text(file: Path) -> None:
    assert len(read(file, "text,label\nhe\x0bl\x0blo\x1d\x1d,a\nb\x0bye\x0b,b\n")) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"BZh91AY", "bzip2"),
        (b"\xfd7zXZ\0\0", "xz"),
        (b"\x28\xb5\x2f\xfd\0", "zstd"),
        (b"PAR1\x15", "Parquet"),
        (b"{\\rtf1 text, label}", "RTF"),
    ],
)
def test_packed_files_and_documents_are_called_what_they_are(file: Path, content: bytes, said: str) -> None:
    file.write_bytes(content)
    with pytest.raises(FileRefused, match=said):
        read_examples(file)


def test_too_little_memory_is_a_sentence(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(example_file, "_table", short)
    assert problems(file, "text,label\nhello,a\n") == [
        "there is not enough memory to read it. Close other programs, or cut it down."
    ]


# --- how categories are spelt


def test_a_category_is_one_however_its_case_spaces_and_accents_are_kept(file: Path) -> None:
    table = "text,label\n1,Größe\n2,Größe\n3,Gro\u0308ße\n4,größe\n5, GRÖSSE \n6,Grö\u200bße\n7,Andere\n"
    assert [label for _, label in read(file, table)] == ["Größe"] * 6 + ["Andere"]
    assert notes(file, table) == (
        "Of rows 5, 6 and 7 the category was read as another one that differs only in case, spaces or what is not "
        'seen: "größe" as "Größe".',
    )


def test_a_spelling_that_is_known_counts_more_than_how_often_it_stands_there() -> None:
    labels = ["orders", "orders", "Orders", "new"]
    assert one_spelling(labels)["Orders"] == "orders"
    assert one_spelling(labels, ["Orders"]) == {"orders": "Orders", "Orders": "Orders", "new": "new"}
    assert one_spelling(labels, ["Orders", "orders"]) == {label: label for label in labels}


def test_what_steers_a_terminal_is_in_no_category(file: Path) -> None:
    (label,) = {label for _, label in read(file, 'text,label\nhello,"\x1b]0;x\x07re\x9bd"\n')}
    assert label == "]0;xred"
    assert tidied(" a \n b ") == "a b"


def test_what_nobody_sees_is_no_category_and_no_text(file: Path) -> None:
    assert seen("\u200b\u202e\x07") == ""
    assert problems(file, "text,label\nhello,\u200b\n\u2060\u200d,a\n") == [
        "row 2: no category. Write one, or delete these rows.",
        "row 3: no text. Write one, or delete these rows.",
    ]


# --- dates


@pytest.mark.parametrize(
    "written",
    [
        *("12/31/2025 2:05 PM", "12/31/2025 02:05:00 pm", "Dec 31, 2025 2:05 p.m.", "December 31st, 2025, 14:05"),
        *("31-Dec-2025 14:05", "31 Dec 25 14:05", "31. Dezember 2025 14:05 Uhr", "31 décembre 2025 14:05"),
        *("Mi., 31.12.2025 14:05", "31 dic 2025 14:05", "2025-12-31 14:05:00 UTC", "20251231T1405", "202512311405"),
    ],
)
def test_a_date_may_be_written_as_any_office_writes_it(written: str) -> None:
    (found,) = read_dates([written])
    assert found is not None
    assert f"{found:%Y-%m-%d %H:%M}" == "2025-12-31 14:05"


@pytest.mark.parametrize(
    "written",
    ["31.2.2025", "Feb 31, 2025", "0000-00-00", "31 Foo 2025", "14:05", "20251340", "13/13/2025", "-1", "1e9"],
)
def test_what_stands_in_no_calendar_is_no_date(written: str) -> None:
    assert read_dates([written]) == [None]


def test_noon_and_midnight_are_told_apart() -> None:
    assert [f"{each:%H:%M}" for each in read_dates(["1/31/2026 12:00 AM", "1/31/2026 12:30 PM"]) if each] == [
        "00:00", "12:30",
    ]  # fmt: skip
