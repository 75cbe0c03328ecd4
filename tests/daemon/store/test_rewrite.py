"""Writing the database anew takes no memory to speak of, and lays nothing down outside of the state directory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

REWRITE = """
import json, os, resource, sys, threading
from pathlib import Path
from daemon.store.database import Database

database = Database.open(Path(sys.argv[1]) / "postroom.sqlite")
with database.begin() as tx:
    tx.exec_driver_sql("CREATE TABLE big (x)")
    for _ in range(1000):
        tx.exec_driver_sql("INSERT INTO big VALUES (?)", (os.urandom(60000).hex(),))
found, ended = set(), threading.Event()

def watch():
    while not ended.is_set():
        for each in os.listdir("/proc/self/fd"):
            try:
                found.add(os.readlink(f"/proc/self/fd/{each}"))
            except OSError:
                pass

def highest():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

watcher = threading.Thread(target=watch)
watcher.start()
before = highest()
database.rewrite()
grown = highest() - before
ended.set()
watcher.join()
with database.read() as tx:
    store = tx.exec_driver_sql("PRAGMA temp_store").scalar()
made = sorted({str(Path(each).parent) for each in found if "etilqs" in each})
print(json.dumps({"grown": grown, "made": made, "store": store}))
"""


def test_a_large_database_is_written_anew_beside_itself_and_not_in_memory(tmp_path: Path) -> None:
    place = tmp_path / "it's a state directory"
    place.mkdir()
    done = subprocess.run(
        [sys.executable, "-P", "-c", REWRITE, str(place)], capture_output=True, text=True, check=True, timeout=300
    )
    told = json.loads(done.stdout)
    assert (place / "postroom.sqlite").stat().st_size > 100e6
    assert told["grown"] < 40, "MB"
    assert told["made"] == [str(place)]
    assert told["store"] == 2, "in memory again, for everything else"
    assert sorted(each.name for each in place.iterdir() if "etilqs" in each.name) == []
