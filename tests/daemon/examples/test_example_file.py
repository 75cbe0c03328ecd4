"""Tables of examples as people have them: whatever saved them, and whatever is wrong with them, told once a kind."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.examples.columns import NAMES, plain
from daemon.examples.dates import read_dates
from daemon.examples.example_file import LARGEST_FILE, FileRefused, read_examples

TABLE = "text,label\nWhere is my card?,cards\nTop up failed,top ups\nMy card is lost,cards\n"
PAIRS = [("Where is my card?", "cards"), ("Top up failed", "top ups"), ("My card is lost", "cards")]


def pairs(path: Path) -> list[tuple[str, str]]:
    return [(example.text.body, example.label) for example in read_examples(path).rows]


def problems(path: Path) -> list[str]:
    with pytest.raises(FileRefused) as refused:
        read_examples(path)
    assert str(refused.value).startswith(f"{path}: nothing was done with it.\n  - ")
    return refused.value.problems


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "examples.csv"


def written(file: Path, content: str | bytes, charset: str = "utf-8") -> Path:
    file.write_bytes(content if isinstance(content, bytes) else content.encode(charset))
    return file


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_every_charset_and_line_end_of_a_spreadsheet_is_read(file: Path, charset: str, ending: str) -> None:
    umlauts = "Text;Kategorie\nWo ist mein Päckchen – für Köln?;Größe\nÜbel;Größe\n".replace("\n", ending)
    assert pairs(written(file, umlauts, charset)) == [("Wo ist mein Päckchen – für Köln?", "Größe"), ("Übel", "Größe")]


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_every_separator_is_found_also_where_texts_hold_another_one(file: Path, delimiter: str) -> None:
    others = "one, two; three | four\tfive".replace(delimiter, "+")
    rows = [f"text{delimiter}label", *(f"{others} {number}{delimiter}a" for number in range(3))]
    assert pairs(written(file, "\n".join(rows))) == [(f"{others} {number}", "a") for number in range(3)]


def test_what_a_spreadsheet_says_of_its_separator_is_heard(file: Path) -> None:
    assert pairs(written(file, "sep=;\r\ntext;label\r\na;b\r\n")) == [("a", "b")]


def test_a_table_of_two_columns_needs_no_names_whichever_is_the_category(file: Path) -> None:
    assert pairs(written(file, TABLE.partition("\n")[2])) == PAIRS
    turned = "".join(f"{label},{text}\n" for text, label in PAIRS)
    found = read_examples(written(file, turned))
    assert [(example.text.body, example.label) for example in found.rows] == PAIRS
    assert found.notes == ("It has no names of columns; the first column was taken for the category.",)


def test_words_alone_are_no_names_of_columns_where_they_come_again(file: Path) -> None:
    assert pairs(written(file, "hello,greeting\nbye,farewell\nhi,greeting\n"))[0] == ("hello", "greeting")


@pytest.mark.parametrize(
    "names",
    [
        "Text,Label",
        "message,category",
        "Nachricht;Kategorie",
        "BODY|intent",
        "texte;catégorie",
        "testo,cartella",
        "tekst,map",
    ],
)
def test_columns_are_known_by_other_names_too(file: Path, names: str) -> None:
    delimiter = next(each for each in ",;|" if each in names)
    assert pairs(written(file, f"{names}\nx{delimiter}y\nz{delimiter}y\n")) == [("x", "y"), ("z", "y")]


def test_no_name_means_two_things() -> None:
    known = [name for names in NAMES.values() for name in names]
    assert sorted(known) == sorted(set(known))
    assert [name for name in known if plain(name) != name] == []


def test_group_date_subject_sender_and_recipient_are_read_and_other_columns_are_left(file: Path) -> None:
    table = (
        "Betreff;Absender;An;Inhalt;Ordner;Datum;Gruppe;Betrag\n"
        "Rechnung;a@x.example;b@x.example;Anbei;Belege;31.12.2025 14:05;g1;119,00\n"
    )
    (example,) = read_examples(written(file, table)).rows
    assert (example.text.subject, example.text.sender, example.text.to) == ("Rechnung", "a@x.example", "b@x.example")
    assert (example.text.body, example.label, example.group) == ("Anbei", "Belege", "g1")
    assert example.date == datetime(2025, 12, 31, 14, 5, tzinfo=UTC)


def test_a_file_of_a_german_spreadsheet(file: Path) -> None:
    """Windows-1252, semicolons, decimal commas, line breaks and doubled quotes within quotes, empty columns."""
    table = (
        "Nr;Text;Kategorie;Datum;Betrag;;\r\n"
        '1;"Die Rechnung über 1.234,56 € ist falsch;\nbitte ""sofort"" prüfen.\n\nGrüße";'
        "Rechnungen;31.12.2025;1.234,56;;\r\n"
        '2;"Größe passt nicht, tauschen?";Umtausch;02.01.2026;0,99;;\r\n'
        ";;;;;;\r\n"
        "3;Paket fehlt;Lieferung;45291,5;12,5;;\r\n"
    )
    first, second, third = read_examples(written(file, table, "cp1252")).rows
    assert first.text.body == 'Die Rechnung über 1.234,56 € ist falsch;\nbitte "sofort" prüfen.\n\nGrüße'
    assert (first.label, second.label, third.label) == ("Rechnungen", "Umtausch", "Lieferung")
    assert (first.row, second.row, third.row) == (2, 3, 5)
    assert [each.date and f"{each.date:%Y-%m-%d %H}" for each in (first, second, third)] == [
        "2025-12-31 00", "2026-01-02 00", "2023-12-31 12",
    ]  # fmt: skip


def test_json_lines_say_the_same_as_csv(file: Path, tmp_path: Path) -> None:
    lines = tmp_path / "examples.jsonl"
    lines.write_text(
        '{"label": "Orders", "text": "12 chairs"}\n\n{"label": "Orders", "subject": "Paper", "from": "a"}\n'
    )
    table = written(file, "Category,Subject,Text,From\nOrders,,12 chairs,\nOrders,Paper,,a\n")
    assert [each.text for each in read_examples(lines).rows] == [each.text for each in read_examples(table).rows]


def test_dates_are_read_as_the_whole_column_means_them() -> None:
    assert [f"{each:%m-%d}" for each in read_dates(["4/5/2026", "13/5/2026"]) if each] == ["05-04", "05-13"]
    assert [f"{each:%m-%d}" for each in read_dates(["4/5/2026", "4/13/2026"]) if each] == ["04-05", "04-13"]
    several = ["2026-03-01T10:00:00Z", "Sun, 01 Mar 2026 10:00:00 +0000", "1.3.26 10:00", "1772359200", "46082.41667"]
    assert {f"{each:%Y-%m-%d %H}" for each in read_dates(several) if each} == {"2026-03-01 10"}
    assert read_dates(["yesterday", "31.2.2026", "", "12"]) == [None] * 4


# --- what is wrong is told once a kind, with its rows


def test_two_hundred_rows_without_a_category_are_one_sentence(file: Path) -> None:
    table = "text,label\n" + "".join(f"text {number},{'' if number % 2 else 'a'}\n" for number in range(400))
    assert problems(written(file, table)) == [
        "rows 3, 5, 7, 9 and 196 more: no category. Write one, or delete these rows."
    ]


def test_every_kind_of_mistake_is_told_at_once(file: Path) -> None:
    table = f"text,label,date\nx,,1.1.2026\n,a,1.1.2026\nx,a,soon\nx,a,1.1.2026,more\nx\nx,{'y' * 10_240},\n"
    assert [each.split(".")[0] for each in problems(written(file, table))] == [
        "row 2: no category",
        "row 3: no text",
        "row 4: a date that cannot be read",
        "row 5: more cells than the 3 columns",
        "row 6: fewer cells than the 3 columns",
        "row 7: a category of more than 200 characters",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b" \r\n\n", "it is empty"),
        (b"text,label\n", "names of its columns and no row below"),
        (b"PK\x03\x04 some workbook", "a workbook or a zip file"),
        (b"\xd0\xcf\x11\xe0 old", "an old Excel workbook"),
        (b"%PDF-1.7", "it is a PDF"),
        (b"\x1f\x8b\x08", "packed with gzip"),
        (bytes(range(256)) * 40, "it holds no text"),
        (random.Random(1).randbytes(10_000), "it holds no text"),
        (b"text,label\na,b\nc\0d,b\n", "line 3 holds a zero byte"),
        ("text,label\na,b\n".encode("utf-16")[:-1], "UTF-16-LE"),
        (b"only one column\nand no other\n", "it has one column"),
        (b"a long sentence of words,b and so,c\nd,e,f\n", "no row of it names its columns"),
    ],
    ids=lambda each: str(each)[:20],
)  # fmt: skip
def test_what_is_no_table_is_called_what_it_is(file: Path, content: bytes, said: str) -> None:
    (problem,) = problems(written(file, content))
    assert said in problem


def test_wrong_names_of_columns_are_told_both_with_what_comes_close(file: Path) -> None:
    first, second = problems(written(file, "kind,words\nOrders,two boxes\n"))
    assert 'no column is called "label"' in first
    assert 'no column is called "text"' in second
    assert 'The first row names "kind", "words": call the column with the category "label".' in first
    (close,) = problems(written(file, "text,lable\ntwo boxes,Orders\n"))
    assert '"lable" comes close' in close


def test_quotes_that_nothing_closes_and_quotes_within_quotes_are_named(file: Path) -> None:
    open_one = problems(written(file, 'text,label\na,b\n"c,b\nd,b\n'))
    assert len(open_one) == 1
    assert open_one[0].startswith('row 3: a quote (") opens a text there that nothing closes')
    inner = problems(written(file, 'text,label\n"a "b" c",d\nx,d\n"e "f" g",d\n'))
    assert inner == ['rows 2 and 4: a quote (") stands within a quoted text. Double it ("").']


def test_a_folder_a_missing_file_and_one_that_is_too_large_are_refused_unread(tmp_path: Path) -> None:
    assert problems(tmp_path) == ["it is a folder. Name the file with the examples."]
    assert problems(tmp_path / "none.csv") == ["there is no such file. Check the path."]
    assert problems(Path("/dev/null")) == ["it is no file. Name the file with the examples."]
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate(2 * 1024**3)
    assert large.stat().st_size > LARGEST_FILE
    assert problems(large)[0].startswith("it has 2,147 MB, and at most 268 MB are read.")


def test_a_file_that_may_not_be_read_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(file, TABLE)
    monkeypatch.setattr(Path, "read_bytes", lambda _: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    assert problems(file) == ["it cannot be read (Permission denied). Check the path and the file's rights."]


def test_bad_json_lines_are_one_sentence_and_so_are_wrong_keys(tmp_path: Path) -> None:
    lines = tmp_path / "examples.jsonl"
    lines.write_text('{"label": "a", "text": "x"}\n[1]\nnonsense\n{"label": null, "text": "x"}\n')
    assert problems(lines) == [
        'rows 2 and 3: no JSON object like {"text": "...", "label": "Orders"} stands there.',
        "row 4: no category. Write one, or delete these rows.",
    ]
    lines.write_text('{"kind": "a", "text": "x"}\n')
    assert 'no column is called "label"' in problems(lines)[0]


def test_texts_of_a_megabyte_are_read_and_cut_with_a_note(file: Path) -> None:
    found = read_examples(written(file, f'text,label\n"{"word " * 200_000}",a\nx,b\n'))
    assert len(found.rows[0].text.body) == 200_000
    assert found.notes == ("Of row 2 the first 200,000 characters are read.",)
