"""Which settings a service can go over to while it works."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daemon.service.changeover import in_place
from daemon.settings import Settings

BOX = {"kind": "imap", "name": "office", "host": "localhost", "tls": "none", "user": "u", "credential": "c"}


def settings(folder: Path, **more: Any) -> Settings:
    return Settings(state_dir=folder, **{"mailbox": [BOX], **more})


@pytest.mark.parametrize(
    ("more", "stays"),
    [
        ({"mailbox": [BOX, {**BOX, "name": "other", "user": "v"}]}, True),
        ({"mailbox": [{**BOX, "sorting": {"poll": "5m"}}]}, True),
        ({"log": {"level": "debug"}}, True),
        ({"include": "more/*.toml"}, True),
        ({"sorting": {"poll": "5m"}}, False),
        ({"training": {"threads": 1}}, False),
        ({"engine": {"kind": "embedded", "threads": 1}}, False),
        ({"alarm": {"command": ["/bin/true"]}}, False),
        ({"metrics": {"file": "/tmp/x.prom"}}, False),
        ({"mailbox": [{**BOX, "sorting": {"attachments": "ocr"}}]}, False),
    ],
)
def test_what_concerns_all_mailboxes_opens_everything_anew(tmp_path: Path, more: dict[str, Any], stays: bool) -> None:
    assert in_place(settings(tmp_path), settings(tmp_path, **more)) is stays
