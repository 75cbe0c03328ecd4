"""Write the set as files: FOLDER/learnt/KIND/0001.eml, FOLDER/judged/..., and FOLDER/manifest.jsonl."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.invented_papers.mails import COUNT, write


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 when all is written."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.invented_papers", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--count", type=int, default=COUNT, help=f"mails, half of them to learn (default: {COUNT})")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--split", choices=("disjoint", "shared"), default="disjoint", help="of phrases and layouts")
    options = parser.parse_args(arguments)
    rows = []
    for part, mails in write(options.count, options.seed, options.split).items():
        for number, mail in enumerate(mails, 1):
            path = options.out / part / mail.kind / f"{number:04d}.eml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(mail.raw)
            rows.append(
                {"file": str(path.relative_to(options.out)), "part": part, "kind": mail.kind, "language": mail.language}
                | {"group": mail.group, "paper": mail.paper, "format": mail.format, "layout": mail.layout}
            )
    (options.out / "manifest.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    sys.stdout.write(f"{json.dumps({'mails': len(rows)})}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
