"""What the servers in Java share: the program and the jars that `fetch_java.sh` laid down."""

from __future__ import annotations

from pathlib import Path

from tests.servers.private import SERVERS

GENTLE = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.net.preferIPv4Stack=true")
"""Two small servers on a small machine: a quick start is worth more than speed."""


def java() -> tuple[str, Path]:
    """The java program, and the folder with the jars. Tests never skip: what is missing is a failure."""
    folder = SERVERS / "java"
    if not (folder / "complete").exists():
        raise FileNotFoundError(f"{folder} is missing. Run `make servers` first.")
    return str(folder / "java"), folder
