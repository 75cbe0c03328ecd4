"""The same as tests.fuzz_mime, guided by coverage: what reaches new lines of connectors.mail.mime is mutated further.

    make fuzz-guided RUNS=100000 SEED=1        needs atheris (libFuzzer for Python), which the target installs

Standard output is one JSON object. An input that broke something is kept, and its place is printed.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from daemon.report.progress_lines import LINE_EVERY

LONGEST = 1 << 16
MEMORY_MB = 1024


def child(arguments: list[str]) -> None:
    """libFuzzer's process: never returns."""
    import atheris

    with atheris.instrument_imports(include=["connectors", "tests.fuzz_mime"]):
        from connectors.mail.mime import read_message
        from tests.fuzz_mime import LIMITS, SLOWEST, broken_promise

    seen, told = 0, time.monotonic()

    def one(mail: bytes) -> None:
        # libFuzzer tells of every doubling only, and of new lines: after an hour it is silent for the next.
        nonlocal seen, told
        seen += 1
        if time.monotonic() - told >= LINE_EVERY:
            told = time.monotonic()
            sys.stderr.write(f"{seen} mails\n")
        before = time.perf_counter()
        parsed = read_message(mail, LIMITS)
        took = time.perf_counter() - before
        if took > SLOWEST:
            raise RuntimeError(f"{took:.1f} s")
        if broken := broken_promise(parsed):
            raise RuntimeError(broken)

    atheris.Setup(["fuzz_guided", *arguments], one)
    atheris.Fuzz()


def _escaped(word: bytes) -> str:
    """As libFuzzer's dictionaries want it."""
    return "".join(f"\\x{byte:02x}" for byte in word)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=100_000, help="how many mails (default: 100000)")
    parser.add_argument("--seed", type=int, default=1, help="makes nearly the same mails again (default: 1)")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="where broken inputs are kept")
    arguments = parser.parse_args()
    from tests.fuzz_mime import SEEDS, WORDS

    arguments.keep.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="postroom-fuzz-") as scratch:
        corpus, words = Path(scratch, "corpus"), Path(scratch, "words")
        corpus.mkdir()
        for number, mail in enumerate(SEEDS):
            (corpus / str(number)).write_bytes(mail)
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in WORDS))
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.fuzz_guided", "--child", str(corpus), f"-dict={words}"),
                *(f"-runs={arguments.runs}", f"-seed={arguments.seed}", f"-max_len={LONGEST}"),
                *(f"-rss_limit_mb={MEMORY_MB}", "-timeout=30", f"-artifact_prefix={arguments.keep}/"),
            ],
            stdout=sys.stderr,  # standard output is for the figures
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        last = ""
        assert process.stderr
        for line in process.stderr:
            sys.stderr.write(line)
            last = line if re.match(r"#\d+", line) else last
        code = process.wait()
        found = len(list(corpus.iterdir())) - len(SEEDS)
    covered = re.search(r"cov: (\d+)", last)
    figures = {
        "messages": arguments.runs,
        "seed": arguments.seed,
        "failures": int(code != 0),
        "new_inputs": found,
        "covered": int(covered[1]) if covered else None,
        "seconds": round(time.monotonic() - started),
    }
    sys.stdout.write(json.dumps(figures) + "\n")
    return int(code != 0)


if __name__ == "__main__":
    if "--child" in sys.argv:
        child(sys.argv[sys.argv.index("--child") + 1 :])
    else:
        sys.exit(main())
