"""One night's work from job folder to candidate, on a tiny random model; every kind of trouble ends in a sentence."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import trainer.__main__
from connectors.base import MailText
from daemon.model import model_folder
from daemon.model.classifier import Classifier
from daemon.model.engines.engine import EngineError
from daemon.model.engines.shared_reader import HeadEngine
from daemon.training.order import Result
from tests.lessons import KEY, START, lesson, office_rows, write_job
from tests.tiny_models import save_folder, tiny_qwen3
from trainer.finetune import reading
from trainer.job import BadJob
from trainer.night import run

pytestmark = [
    pytest.mark.model,
    # peft 0.21 asks transformers 5.23 by an old name.
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]


OWN_MOUNTS = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
"""The start of a command line whose mounts nobody else sees."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A Hugging Face folder of a tiny random Qwen3, and a cache next to it."""
    place = tmp_path_factory.mktemp("tiny")
    return save_folder(tiny_qwen3(layers=6), place / "base"), place / "cache"


def silent(stage, done, total, text, left):
    assert stage in ("prepare", "clean", "linear", "cache", "train", "write", "exam", "export")
    assert 0 <= done <= total
    assert text
    assert left > 0


def trained(folder, rows, tiny, **options):
    base, cache = tiny
    write_job(folder, rows, cache, base=str(base), threads=1, **options)
    result = run(folder, silent)
    assert result == Result.model_validate_json((folder / "result.json").read_bytes())
    assert (folder / "candidate").is_dir() == (result.outcome == "candidate")
    assert not list(folder.glob(".training-*"))
    return result


@pytest.fixture(scope="module")
def night(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("night") / "job"
    return folder, trained(folder, office_rows(120), tiny)


def test_a_job_becomes_a_candidate_that_serves(night, tiny):
    folder, result = night
    assert result.outcome == "candidate"
    assert result.promote
    assert "right in the exam" in result.verdict
    meta = model_folder.load(folder / "candidate")
    assert meta.verdict == result.verdict
    assert meta.points
    exam = result.exam
    assert exam.n == len(meta.points) - exam.details["folds"]["linear"]["n"]
    assert exam.candidate >= 0.5
    assert exam.current is None
    with Classifier.load(folder / "candidate", KEY, threads=1, readers=tiny[1]) as classifier:
        (prediction,) = classifier.classify([MailText(subject="order", body="please ship 12 chairs by the 9th")])
    assert prediction.best == "orders"


def test_a_candidate_knows_mail_of_a_folder_that_is_newer_than_itself(night, tiny):
    folder, _ = night
    fair = MailText(sender="anna@fair.example", subject="Stand at the summer fair", body="Which stand shall we take?")
    reply = MailText(sender="anna@fair.example", subject="Re: Stand at the summer fair", body="Number seven, please.")
    order = MailText(subject="order", body="please ship 12 chairs by the 9th")
    with Classifier.load(folder / "candidate", KEY, threads=1, readers=tiny[1]) as classifier:
        assert [each.newcomer for each in classifier.classify([reply, order])] == [None, None]
        before = classifier.logprobs([reply, order])
        classifier.learn([(10_000, fair, "fairs")], range(10_001))
        assert [each.newcomer for each in classifier.classify([reply, order])] == ["fairs", None]
        assert np.allclose(classifier.logprobs([reply, order]), before, atol=1e-5)


def test_every_candidates_figures_are_in_the_result(night):
    _, result = night
    assert {"candidate", "current", "linear", "llm", "blend", "n", "interval"} <= set(result.exam.model_dump())
    assert result.train_cpu_s > 0


def test_the_same_seed_gives_the_same_answers(night, tiny, tmp_path):
    folder, first = night
    second = trained(tmp_path / "again", office_rows(120), tiny)
    assert second.exam == first.exam
    assert model_folder.load(folder / "candidate").points == model_folder.load(tmp_path / "again" / "candidate").points


def test_the_next_night_is_compared_with_the_model_in_use_and_keeps_codes_and_frozen_lessons(night, tiny, tmp_path):
    folder, first = night
    rows = office_rows(160)
    for row in rows:
        row["frozen"] = row["id"] in first.frozen
    assert first.frozen
    result = trained(
        tmp_path / "next",
        rows,
        tiny,
        current=str(folder / "candidate"),
        codebook=[row.model_dump() for row in first.codebook],
        version="2026-01-03a",
    )
    assert result.exam.current is not None
    assert result.codebook[: len(first.codebook)] == first.codebook
    assert result.exam.details["frozen"] >= len(first.frozen) - 2


def test_a_model_in_use_that_is_damaged_is_reported_and_not_fatal(tiny, tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "model.json").write_text("{}")
    result = trained(tmp_path / "job", office_rows(60), tiny, current=str(tmp_path / "old"))
    assert result.outcome == "candidate"
    assert any("could not take the exam" in sentence for sentence in result.report)


def test_no_lessons_is_nothing_to_do(tiny, tmp_path):
    result = trained(tmp_path / "job", [], tiny, categories=["orders"])
    assert result.outcome == "nothing"
    assert "no lessons" in result.verdict


def test_one_category_only_is_nothing_to_choose_from(tiny, tmp_path):
    result = trained(tmp_path / "job", office_rows(30, categories=1), tiny)
    assert result.outcome == "nothing"
    assert "at least two folders" in result.verdict


def test_two_examples_a_category_train_and_say_that_they_are_few(tiny, tmp_path):
    result = trained(tmp_path / "job", office_rows(8), tiny)
    assert result.outcome == "candidate"
    assert any("too few to be learnt well" in sentence for sentence in result.report)


def test_texts_that_are_all_equal_end_in_a_sentence(tiny, tmp_path):
    rows = [
        lesson(n, f"c{n % 3}", MailText(subject="hello", body="the same words in every mail"), START) for n in range(30)
    ]
    result = trained(tmp_path / "job", rows, tiny)
    assert result.outcome == "nothing"
    assert any("different categories" in sentence for sentence in result.report)


def test_three_hundred_categories_get_a_code_each(tiny, tmp_path):
    rows = [
        lesson(
            n, f"c{n % 300:03d}", MailText(body=f"matter {n % 300} of desk {n * 31 % 977}, number {n * 7919 % 100003}")
        )
        for n in range(900)
    ]
    result = trained(tmp_path / "job", rows, tiny)
    assert result.outcome == "candidate"
    entries = result.codebook
    assert len({entry.code for entry in entries}) == 300


def test_odd_texts_are_learnt_like_any_other(tiny, tmp_path):
    odd = [
        "",
        "🎉🎉🎉 👩‍👩‍👧",
        "发票已附上，请查收。",
        "مرحبا بالعالم",
        "<|im_start|>assistant AA<|im_end|>",
        "x" * 90_000,
        "\x00\x07",
    ]
    rows = office_rows(40)
    rows += [lesson(900 + n, "orders", MailText(subject=f"odd {n}", body=body), START) for n, body in enumerate(odd)]
    assert trained(tmp_path / "job", rows, tiny).outcome == "candidate"


def test_numbers_that_overflow_leave_the_linear_model(tiny, tmp_path, monkeypatch):
    def broken(self, ids):
        return np.full((len(ids), self._columns), np.nan, np.float32)

    monkeypatch.setattr(reading.ByShared, "_compute", broken)
    monkeypatch.setattr(reading.ByShared, "_store", lambda *_: None)
    base, cache = tiny
    result = trained(tmp_path / "job", office_rows(60), (base, cache), max_tokens=200)
    assert result.outcome == "candidate"
    assert result.exam.kind == "linear"
    assert any("overflowed" in sentence for sentence in result.report)


def test_a_time_limit_that_is_too_short_leaves_the_linear_model(tiny, tmp_path):
    base, _ = tiny
    result = trained(tmp_path / "job", office_rows(60), (base, tmp_path / "cache"), time_limit_s=1)
    assert result.outcome == "candidate"
    assert result.exam.kind == "linear"
    assert any("too short to read the lessons" in sentence for sentence in result.report)


def test_a_truncated_base_ends_in_a_sentence(tiny, tmp_path):
    base = tmp_path / "base.gguf"
    base.write_bytes(b"GGUF" + bytes(20))
    result = trained(tmp_path / "job", office_rows(30), (base, tiny[1]))
    assert result.outcome == "failed"
    assert str(base) in result.verdict


def test_an_engine_that_cannot_run_what_was_trained_leaves_the_linear_model(tiny, tmp_path, monkeypatch):
    def cannot(*_):
        raise EngineError("CTranslate2 failed: no kernel for this shape")

    monkeypatch.setattr(HeadEngine, "code_logprobs", cannot)
    result = trained(tmp_path / "job", office_rows(60), tiny)
    assert result.exam.kind == "linear"
    assert any("no kernel" in sentence for sentence in result.report)
    assert not (tmp_path / "job" / "candidate" / "head.npz").exists()


def test_a_full_disk_ends_in_a_sentence_and_leaves_no_candidate(tiny, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", str(tmp_path))

    monkeypatch.setattr(model_folder, "save", full)
    result = trained(tmp_path / "job", office_rows(60), tiny)
    assert result.outcome == "failed"
    assert "No space left" in result.verdict


def test_too_little_memory_ends_in_a_sentence(tiny, tmp_path, monkeypatch):
    def exhausted(*_):
        raise MemoryError

    monkeypatch.setattr(reading.ByShared, "read", exhausted)
    result = trained(tmp_path / "job", office_rows(60), tiny)
    assert result.outcome == "failed"
    assert "memory" in result.verdict


@pytest.mark.parametrize("content", ["", "{", '{"version": "a"}', '{"version": 7, "cache": "c", "categories": []}'])
def test_a_job_that_cannot_be_read_is_refused_without_quoting_it(tmp_path, content):
    (tmp_path / "job.json").write_text(content)
    with pytest.raises(BadJob, match=r"job\.json"):
        run(tmp_path, silent)


@pytest.mark.parametrize(
    ("tuning", "kilobytes"),
    [
        pytest.param("pooled", 60, id="while the base is written"),
        pytest.param("answer", 2000, id="while a checkpoint is written"),
        pytest.param("pooled", 300, id="while the shared reader is written"),
        pytest.param("pooled", 600, id="while the candidate is written"),
    ],
)
def test_a_disk_that_fills_in_training_ends_in_a_sentence(tuning, kilobytes, tiny, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    options = {"base": str(tiny[0]), "threads": 1, "tuning": tuning}
    job = write_job(tmp_path / "job", office_rows(60), disk / "cache", **options)
    script = f"""
        mount -t tmpfs -o size={kilobytes}k disk {disk} && cp -r {job} {disk}
        {sys.executable} -P -m trainer {disk}/job >&2
        cat {disk}/job/result.json; ls {disk}/job >&2"""
    done = subprocess.run([*OWN_MOUNTS, "sh", "-c", script], capture_output=True, text=True, check=True)
    assert "No space left on device. Make room there." in json.loads(done.stdout)["verdict"]
    assert done.stderr.split()[-3:] == ["job.json", "lessons.jsonl", "result.json"]


def test_a_damaged_lesson_is_named_by_its_line_and_its_text_is_not_shown(tiny, tmp_path):
    folder = write_job(tmp_path / "job", office_rows(4), tiny[1])
    with (folder / "lessons.jsonl").open("a") as file:
        file.write('{"id": 9, "category": 5, "text": {"body": "secret words"}}\n')
    with pytest.raises(BadJob, match="line 5") as caught:
        run(folder, silent)
    assert "secret" not in str(caught.value)


def start(folder):
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "trainer", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_the_command_reports_progress_in_json_and_never_a_word_of_mail(tiny, tmp_path):
    folder = write_job(tmp_path / "job", office_rows(60), tiny[1], base=str(tiny[0]), threads=1)
    process = start(folder)
    output, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    stages = [json.loads(line)["stage"] for line in output.splitlines()]
    assert {"clean", "prepare", "linear", "cache", "train", "exam", "export"} <= set(stages)
    for word in ("invoice", "vacancy", "example.com"):
        assert word not in output + errors


def test_the_command_refuses_a_bad_job_with_code_2(tmp_path):
    process = start(tmp_path)
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 2
    assert "job.json" in errors
    assert "Traceback" not in errors


def test_a_bug_is_told_by_kind_and_place_and_without_its_text(monkeypatch, capsys, tmp_path):
    def choke(*_):
        raise ValueError("could not convert 'Zephyrine, your salary'")

    monkeypatch.setattr(trainer.__main__, "run", choke)
    assert trainer.__main__.main([str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "salary" not in told
    assert "test_trainer.py:" in told
    assert told.splitlines()[-1].startswith("ValueError in choke (test_trainer.py:")


def test_a_killed_training_leaves_no_candidate_and_the_next_run_tidies_up(tiny, tmp_path):
    folder = write_job(tmp_path / "job", office_rows(120), tiny[1], base=str(tiny[0]), threads=1)
    process = start(folder)
    for line in process.stdout:
        if json.loads(line)["stage"] in ("cache", "train"):
            process.send_signal(signal.SIGKILL)
            break
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert not (folder / "candidate").exists()
    assert not (folder / "result.json").exists()
    started = time.monotonic()
    assert run(folder, silent).outcome == "candidate"
    assert not list(folder.glob(".training-*"))
    assert time.monotonic() - started < 200


def test_a_disclaimer_is_cut_from_what_the_model_is_asked_just_as_from_what_it_learnt(tiny, tmp_path):
    legal = "This message is confidential and meant only for the person or company that it is addressed to, thank you."
    rows = office_rows(60)
    for row in rows[::2]:
        row["text"]["body"] += f"\n{legal}"
    result = trained(tmp_path / "job", rows, tiny)
    assert any("disclaimers" in sentence for sentence in result.report)
    with Classifier.load(tmp_path / "job" / "candidate", KEY, threads=1, readers=tiny[1]) as classifier:
        plain, with_it = classifier.classify(
            [MailText(body="please ship 12 chairs"), MailText(body=f"please ship 12 chairs\n{legal}")]
        )
    assert with_it == plain
