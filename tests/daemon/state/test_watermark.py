"""How far a mailbox was seen, beside the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from daemon.state.watermark import Watermark
from tests.service_process import ServiceProcess

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    mark = Watermark(tmp_path / "seen" / "office")
    assert mark.read() is None
    mark.write(NOON)
    assert mark.read() == NOON


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"2026-03-02T12:00:00", b"yesterday", b"2026-03-02T12:"])
def test_what_cannot_be_read_says_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "office").write_bytes(content)
    assert Watermark(tmp_path / "office").read() is None


def test_where_nothing_can_be_written_nothing_fails(tmp_path: Path) -> None:
    (tmp_path / "seen").write_text("a file where a folder should be")
    Watermark(tmp_path / "seen" / "office").write(NOON)
    assert Watermark(tmp_path / "seen" / "office").read() is None


def test_a_person_can_say_that_the_directory_comes_from_a_backup(tmp_path: Path) -> None:
    with ServiceProcess(tmp_path, 1, "nobody") as office:
        office.command("resume", "--restored")
        said = Watermark(office.state / "seen" / "office").read()
        assert said is not None
        assert abs(said - datetime.now(UTC)) < timedelta(minutes=5)
        assert (office.state / "seen").stat().st_mode & 0o077 == 0
