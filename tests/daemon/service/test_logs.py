"""Logs: the three forms, and what never gets into any of them."""

import ast
import io
import json
import logging
import os
import sqlite3
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from connectors.base import MailText
from connectors.errors import Unreachable
from daemon.service.logs import LEVELS, MAIL_KEYS, choose_format, configure
from daemon.settings import LogSettings
from tests import ROOT

log = structlog.get_logger()


def listen(form: str = "json", level: str = "info", **environ: str) -> io.StringIO:
    stream = io.StringIO()
    configure(LogSettings.model_validate({"format": form, "level": level}), stream, environ)
    return stream


def test_json_is_one_object_a_line_with_its_context() -> None:
    stream = listen()
    with structlog.contextvars.bound_contextvars(mailbox="office", message="INBOX/7/12"):
        log.info("sorted", status="moved", confidence=0.93)
    event = json.loads(stream.getvalue())
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "sorted",
        "level": "info",
        "mailbox": "office",
        "message": "INBOX/7/12",
        "status": "moved",
        "confidence": 0.93,
    }


@pytest.mark.parametrize(
    ("method", "priority"), [("debug", 7), ("info", 6), ("warning", 4), ("error", 3), ("exception", 3), ("critical", 2)]
)
def test_journald_gets_its_priority_and_no_second_clock(method: str, priority: int) -> None:
    stream = listen("journald", "debug")
    try:
        raise Unreachable("mail.example.org", "did not answer.")
    except Unreachable:
        getattr(log, method)("poll failed", folder="Rechnungen 2026")
    (line,) = stream.getvalue().splitlines()
    assert line.startswith(f'<{priority}>event="poll failed" folder="Rechnungen 2026"')
    assert "time" not in line


@pytest.mark.parametrize("form", ["json", "journald", "terminal"])
def test_moments_are_iso_8601_and_durations_are_words(form: str) -> None:
    stream = listen(form)
    log.info(
        "restored", until=datetime(2026, 11, 29, 8, 30, tzinfo=UTC), day=date(2026, 11, 29), took=timedelta(hours=2)
    )
    assert "2026-11-29T08:30:00+00:00" in stream.getvalue()
    assert "2:00:00" in stream.getvalue()
    assert "datetime" not in stream.getvalue()


def test_a_terminal_gets_words_and_colours() -> None:
    stream = listen("terminal")
    log.warning("sorted", status="moved")
    assert "sorted" in stream.getvalue()
    assert "\x1b[" in stream.getvalue()


def test_below_the_level_nothing_is_said() -> None:
    stream = listen(level="warning")
    log.info("sorted")
    assert stream.getvalue() == ""


def test_libraries_are_heard_from_warning_on_in_the_same_form() -> None:
    stream = listen(level="debug")
    logging.getLogger("imapclient").info("what passes through")
    logging.getLogger("imapclient").warning("odd answer %d", 7)
    event = json.loads(stream.getvalue())
    assert (event["event"], event["level"]) == ("odd answer 7", "warning")


def test_every_file_descriptor_decides_for_itself(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        status = os.fstat(file.fileno())
        journal = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert choose_format("auto", file, journal) == "journald"
        assert choose_format("auto", file, {"JOURNAL_STREAM": "8:1"}) == "json"
        assert choose_format("auto", file, {}) == "json"
        assert choose_format("terminal", file, journal) == "terminal"
    controller, terminal = os.openpty()
    with os.fdopen(terminal, "w") as screen:
        assert choose_format("auto", screen, journal) == "terminal"
    os.close(controller)
    assert choose_format("auto", io.StringIO(), journal) == "json"


# -- what never gets in


@pytest.mark.parametrize("form", ["json", "journald", "terminal"])
@pytest.mark.parametrize("key", sorted(MAIL_KEYS))
def test_keys_that_carry_mail_are_withheld(form: str, key: str) -> None:
    stream = listen(form)
    log.info("sorted", status="moved", **{key: "Your salary"})
    assert "salary" not in stream.getvalue()
    assert "moved" in stream.getvalue()
    assert "withheld" in stream.getvalue()


def test_in_tests_a_key_that_carries_mail_raises() -> None:
    listen(POSTROOM_STRICT_LOGS="1")
    with pytest.raises(ValueError, match=r"\['Subject'\] may carry mail"):
        log.info("sorted", Subject="Your salary")


def test_values_that_are_not_plain_are_reduced_to_their_type() -> None:
    stream = listen()
    log.info(
        "sorted",
        message=MailText(subject="Your salary"),
        seen=["a", 1],
        path=Path("/x"),
        nested=[MailText(body="salary")],
    )
    event = json.loads(stream.getvalue())
    assert "salary" not in stream.getvalue()
    assert (event["message"], event["nested"], event["seen"]) == ("<MailText>", "<list>", "a,1")


def test_a_traceback_names_types_and_places_but_quotes_no_mail() -> None:
    stream = listen()
    try:
        try:
            int("Your salary")
        except ValueError as error:
            raise RuntimeError("could not read: Your salary") from error
    except RuntimeError:
        log.exception("pass failed")
        logging.getLogger("library").error("failed", exc_info=True)
    for line in stream.getvalue().splitlines():
        told = json.loads(line)["exception"]
        assert "salary" not in told
        assert told.startswith("RuntimeError: (text withheld")
        assert "because of\nValueError: (text withheld" in told
        assert "test_logs.py:" in told
    assert len(stream.getvalue().splitlines()) == 2


@pytest.mark.parametrize(
    "error",
    [
        Unreachable("mail.example.org", "did not answer."),
        OSError(28, "No space left"),
    ],
)
def test_errors_that_never_quote_mail_are_told_in_full(error: Exception) -> None:
    stream = listen()
    log.error("pass failed", exc_info=error)
    assert str(error) in json.loads(stream.getvalue())["exception"]


def test_what_sqlite_cannot_decode_is_not_quoted() -> None:
    stream = listen()
    log.error("pass failed", exc_info=sqlite3.OperationalError("Could not decode column 'text': 'Your salary'"))
    assert "salary" not in stream.getvalue()


def test_no_log_call_in_the_code_names_a_key_that_carries_mail() -> None:
    found = []
    for file in (ROOT / "daemon").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr
                in {*LEVELS, "exception", "critical", "bind", "bound_contextvars", "bind_contextvars"}
            ):
                found += [f"{file.name}:{node.lineno} {word.arg}" for word in node.keywords if word.arg in MAIL_KEYS]
    assert found == []


def test_a_poll_skipped_because_a_pass_still_runs_is_no_warning() -> None:
    stream = listen()
    scheduler = logging.getLogger("apscheduler.scheduler")
    scheduler.warning("skipped: maximum number of running instances reached")
    scheduler.error("something else")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["something else"]
