"""The service and all it remembers. Never imports `trainer`: it starts it as a process of its own."""

import os

# Threads of torch and CTranslate2 wait for each other in a loop before they sleep. On cores that other programs use,
# too, they wait for a thread that waits for the core they hold: twice the CPU time and twice the wall time
# (docs/experiments.md). So they sleep early. GNU OpenMP reads this once, when it is first loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
