"""Attached files are read inside the shipped unit as it is, and what reads them can do nothing there."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import ROOT
from tests.installed_unit import InstalledPostroom
from tests.page_pictures import letter, picture
from tests.sandbox_tries import TRIES
from tests.servers import tesseract
from tests.servers.systemd import PrivateSystemd

pytestmark = [pytest.mark.imap, pytest.mark.slow, pytest.mark.timeout(900)]

DROP_IN = """[Service]
Type=oneshot
WatchdogSec=0
Restart=no
ExecStart=
ExecStart=/opt/postroom/venv/bin/python -P /opt/sandbox_tries.py /opt/page.png
Environment=LD_LIBRARY_PATH=/opt/tesseract/lib TESSDATA_PREFIX=/opt/tesseract/languages
"""


@pytest.fixture(scope="module")
def postroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InstalledPostroom]:
    nothing = tmp_path_factory.mktemp("base") / "none.gguf"
    nothing.write_bytes(b"")
    with PrivateSystemd() as machine:
        yield InstalledPostroom(machine, 1, Path(nothing))


def test_inside_the_shipped_unit_files_are_read_and_from_within_everything_is_refused(
    postroom: InstalledPostroom,
) -> None:
    tries = (ROOT / "tests" / "sandbox_tries.py").read_text("utf-8")
    postroom.shell("cat > /opt/sandbox_tries.py && chmod 644 /opt/sandbox_tries.py", given=tries)
    page = b64encode(picture(letter())).decode()
    postroom.shell("base64 -d > /opt/page.png && chmod 644 /opt/page.png", given=page)
    # Where the unit may look; a machine with Debian's packages needs none of it.
    where = tesseract.environment()
    postroom.shell(f"mkdir /opt/tesseract && cp -rL {where['LD_LIBRARY_PATH']} /opt/tesseract/lib")
    postroom.shell(f"cp -rL {where['TESSDATA_PREFIX']} /opt/tesseract/languages && chmod -R a+rX /opt/tesseract")
    postroom.begin("nobody", "00:00-00:00")
    postroom.shell("mkdir -p /etc/systemd/system/postroom.service.d")
    postroom.shell("cat > /etc/systemd/system/postroom.service.d/tries.conf && systemctl daemon-reload", given=DROP_IN)
    postroom.machine.run("systemctl", "start", "postroom", fine=None)
    lines = [line for line in postroom.log().splitlines() if line.startswith("{")]
    assert lines, postroom.log()
    found = json.loads(lines[-1])
    assert found["sandbox"] == [True, True, ""], "seccomp by prctl is allowed in there"
    assert found["read"] == {"a.txt": "text", "a.html": "text", "empty.txt": "none"}
    assert found["ocr"] == [True, ["deu", "eng"], ""]
    [[status, ocr, text]] = found["seen"]
    assert (status, ocr) == ("text", True)
    assert "Rechnung Nr. 4711" in text
    assert found["tried"] == {"filter": "", **dict.fromkeys(TRIES, "EPERM"), "more memory": "ENOMEM"}
    assert found["ends"]["abort"] == [0, "crashed"]
    assert found["unfiltered"]["connect"] == "EMFILE"
