"""A short life of the real service on a real Dovecot: `python -m tests.life_at_home FOLDER BASE` writes
FOLDER/life.json.

    folders with mail | learn | the service starts, trains at its hour and promotes | new mail is sorted by the model
    | the service stops

For whoever watches it from outside (tests/daemon/service/test_no_network.py), so it runs as a process of its own.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.lessons import PARTS
from tests.servers.dovecot import Dovecot
from tests.servers.hands import Hands, make_mail
from tests.service_process import ServiceProcess, eventually

EACH = 12
LONGEST_TRAINING_S = 600


def main(folder: Path, base: str) -> int:
    """One life, on this base model. Raises AssertionError where it does not go as it should."""
    with Dovecot() as server, ServiceProcess(folder, server.port, "home") as service:
        hands = Hands(server.port, "home")
        for name, sentences in PARTS.items():
            hands.create(name.title())
            for number in range(EACH):
                words = sentences[number % len(sentences)].format(n=100 + 37 * number, d=number + 1)
                hands.put(make_mail(f"{words[:20]} {number}", f"Dear all,\n{words}.\nKind regards"), name.title())
        service.command("learn", "--from-folders", "--no-train")
        now = datetime.now().astimezone()
        window = f"{now - timedelta(hours=2):%H:%M}-{now + timedelta(hours=2):%H:%M}"
        night = {"POSTROOM_TRAINING__WINDOW": window, "POSTROOM_TRAINING__MIN_CORRECTIONS": "1"}
        service.start(POSTROOM_ENGINE__BASE=base, **night)

        def outcome() -> Any:
            return (service.status()["training"] or {}).get("outcome")

        eventually(lambda: outcome() not in (None, "running"), "the end of the training", LONGEST_TRAINING_S)
        trained = outcome()
        hands.put(make_mail("purchase order 7", "please ship 12 chairs by the 9th", message_id="<new@example.org>"))
        eventually(lambda: bool({"left", "sorted"} & {*service.status()["messages"]}), "the new mail's decision", 120)
        [story] = service.ask("why", "new@example.org")
        assert service.stop() == 0
        told = {"port": server.port, "training": trained, "model": story["decisions"][0]["model"]}
        (folder / "life.json").write_text(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
