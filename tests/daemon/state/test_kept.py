"""What is kept of before a migration or a restore goes after a month, and at once where somebody is forgotten."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from daemon.state.kept import KEPT_FOR, forget_kept, new_place, sweep_kept
from tests.fakes import START


def kept_copy(state: Path, name: str) -> Path:
    path = state / "kept" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mail")
    os.utime(path, (START.timestamp(), START.timestamp()))
    return path


def test_it_goes_after_a_month(tmp_path: Path) -> None:
    assert sweep_kept(tmp_path, START) == []
    copy = kept_copy(tmp_path, "0001-before-0002.sqlite")
    place = new_place(tmp_path, START + timedelta(days=1))
    assert sweep_kept(tmp_path, START + KEPT_FOR) == []
    assert sweep_kept(tmp_path, START + KEPT_FOR + timedelta(hours=1)) == [copy.name]
    assert place.is_dir()
    assert sweep_kept(tmp_path, START + KEPT_FOR + timedelta(days=2)) == [place.name]


def test_all_of_it_goes_where_somebody_is_forgotten_and_a_link_is_not_followed(tmp_path: Path) -> None:
    state, precious = tmp_path / "state", tmp_path / "precious"
    state.mkdir()
    precious.mkdir()
    (precious / "file").touch()
    kept_copy(state, "0001-before-0002.sqlite")
    (new_place(state, START) / "postroom.sqlite").write_text("mail")
    (state / "kept" / "link").symlink_to(precious)
    assert forget_kept(state) == 3
    assert list((state / "kept").iterdir()) == []
    assert (precious / "file").exists()
