"""The benchmark command: rows in any of its shapes, one JSON object out, strangers counted apart."""

import json

import pytest

from benchmarks.whole_night import main, read_rows, row_of
from tests.lessons import office_rows
from tests.tiny_models import save_folder, tiny_qwen3


def test_rows_may_be_texts_or_mails():
    assert row_of({"text": "hello", "label": "a"}).text.body == "hello"
    mail = row_of(
        {"subject": "s", "body": "b", "from": "x@y.example", "folder": "f", "date": "2026-01-01T00:00:00+00:00"}
    )
    assert (mail.text.subject, mail.text.sender, mail.label) == ("s", "x@y.example", "f")
    assert row_of({"text": "t", "label": "oos"}).label is None


def test_a_row_without_a_text_is_named_by_its_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a", "label": "b"}\n{"label": "b"}\n')
    with pytest.raises(ValueError, match="line 2"):
        read_rows(path)
    assert main(["--train", str(path), "--test", str(path)]) == 2


@pytest.mark.model
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_the_command_measures_every_candidate(tmp_path, capsys):
    base = save_folder(tiny_qwen3(layers=6), tmp_path / "base")
    rows = [{"text": row["text"]["body"], "label": row["category"]} for row in office_rows(90)]
    train, test = tmp_path / "train.jsonl", tmp_path / "test.jsonl"
    train.write_text("".join(json.dumps(row) + "\n" for row in rows[:70]))
    strange = {"text": "zzz qqq", "label": None}
    test.write_text("".join(json.dumps(row) + "\n" for row in [*rows[70:], strange]))
    arguments = ["--train", str(train), "--test", str(test), "--base", str(base), "--threads", "1", "--json"]
    assert main([*arguments, "--seeds", "1,2"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["mean"]["accuracy"] > 0.5
    assert [run["seed"] for run in found["runs"]] == [1, 2]
    assert all(run["strangers"] == 1 and run["n"] == 20 for run in found["runs"])
