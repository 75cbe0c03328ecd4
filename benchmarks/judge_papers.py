"""Is a mail known by what its papers say? `make bench-judge-papers COUNT=576 SEEDS=1,2,3 OUT=FILE.json`.

    invented mail (benchmarks.invented_papers), a seed | read in one way or the other | the trainer learns the earlier
    half | the served model answers the later half  ->  one table, the ways side by side; one JSON object

Ways: "names", a mail's own words and its files' names; "text", and what the files say, as the service reads it. Without
a language model, unless `--language` says otherwise, a training takes seconds. Phrases, names and layouts that are
learnt are never judged, unless `--split shared`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.cuts import NO_TIME
from benchmarks.invented_papers.mails import COUNT, GROUPS, LabelledMail, write
from benchmarks.invented_papers.phrase_lists import KINDS, LANGUAGES
from benchmarks.whole_night import Row, filed, write_job
from connectors.base import MailText
from connectors.mail.mime import parse
from daemon.model import model_folder
from daemon.model.as_read import LAYOUT, as_taught
from daemon.model.classifier import Classifier
from daemon.model.term_key import TermKey
from daemon.passes.file_reading import AttachedFiles
from daemon.passes.read_papers import text_with_files
from daemon.rehearsal.archives import FilesRead
from daemon.rules.thresholds import interval
from daemon.training.order import CANDIDATE
from trainer.evaluate import paired_chance
from trainer.night import run

WANTED = 0.95


def names_only(raw: bytes) -> MailText:
    """A mail's words and its files' names and types."""
    return parse(raw).text


def with_files(raw: bytes) -> MailText:
    """The same, and what its files say where its own words are few: as the service reads them."""
    return text_with_files(_READS, parse(raw, papers=True))


_READS = FilesRead("text", AttachedFiles())
WAYS: dict[str, tuple[Callable[[bytes], MailText], int]] = {"names": (names_only, 0), "text": (with_files, LAYOUT)}
"""How a mail is read, to learn from and to be judged; and the layout in which the model is taught files."""


@dataclass(frozen=True)
class Answer:
    """One judged mail, and what the model said."""

    seed: int
    kind: str
    language: str
    group: str
    paper: str
    format: str
    best: str | None
    filed: bool

    @property
    def right(self) -> bool:
        """The best guess is the kind."""
        return self.best == self.kind


def answers(
    learnt: Sequence[LabelledMail], judged: Sequence[LabelledMail], way: str, seed: int, options: argparse.Namespace
) -> list[Answer]:
    """Train on the one, ask about the other. Raises RuntimeError where no model came out."""
    read, layout = WAYS[way]
    limit = {} if options.language else {"time_limit_s": NO_TIME.total_seconds()}
    with tempfile.TemporaryDirectory(prefix="postroom-judge-") as name:
        folder = Path(name)
        rows = [Row(read(mail.raw), mail.kind, mail.at.isoformat()) for mail in learnt]
        write_job(
            folder,
            rows,
            options.cache,
            seed,
            threads=options.threads,
            wanted_precision=WANTED,
            attached=layout,
            **limit,
        )
        result = run(folder, _quiet)
        if result.outcome != "candidate":
            raise RuntimeError(f"{way}, seed {seed}: no model came out ({result.verdict}).")
        made, key = folder / CANDIDATE, TermKey.of(folder)
        meta = model_folder.load(made)
        texts = [as_taught(read(mail.raw), frozenset(meta.disclaimers), key, meta.attached) for mail in judged]
        with Classifier.load(made, key, threads=options.threads, readers=options.cache) as classifier:
            said = classifier.classify(texts)
        return [
            Answer(
                seed, mail.kind, mail.language, mail.group, mail.paper, mail.format, prediction.best, files
            )
            for mail, prediction, files in zip(judged, said, filed(said, meta, WANTED), strict=True)
        ]  # fmt: skip


def figures(found: Sequence[Answer]) -> dict[str, Any]:
    """Shares in all, with Wilson's interval at 95 %, by group, language, kind and file; what is filed, and rightly."""
    took = [answer for answer in found if answer.filed]
    return {
        "judged": len(found),
        "right": _share(found),
        "filed_share": len(took) / len(found) if found else None,
        "precision": _share(took),
        "groups": {group: _part(found, "group", group) for group in GROUPS},
        "languages": {language: _part(found, "language", language) for language in LANGUAGES},
        "kinds": {kind: _part(found, "kind", kind) for kind in KINDS},
        "short_by_file": {
            form: _share([answer for answer in found if answer.group == "short" and answer.format == form])
            for form in sorted({answer.format for answer in found})
        },
        "seeds": {
            seed: _share([answer for answer in found if answer.seed == seed])
            for seed in sorted({answer.seed for answer in found})
        },
    }


def _part(found: Sequence[Answer], by: str, value: str) -> dict[str, Any]:
    part = [answer for answer in found if getattr(answer, by) == value]
    took = [answer for answer in part if answer.filed]
    return {
        "right": _share(part),
        "filed_share": len(took) / len(part) if part else None,
        "precision": _share(took),
    }


def _share(part: Sequence[Answer]) -> dict[str, Any]:
    right = sum(answer.right for answer in part)
    low, high = interval(right, len(part))
    return {"n": len(part), "share": right / len(part) if part else None, "low": low, "high": high}


def against(found: Sequence[Answer], first: Sequence[Answer]) -> dict[str, dict[str, Any]]:
    """By group: of the same mails, how many are right only here and only in the first way, and how likely by chance."""
    told = {}
    for group in GROUPS:
        here, there = ([answer.right for answer in said if answer.group == group] for said in (found, first))
        pairs = list(zip(here, there, strict=True))
        told[group] = {
            "only_here": pairs.count((True, False)),
            "only_there": pairs.count((False, True)),
            "by_chance": paired_chance(here, there),
        }
    return told


def table(found: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    """A line a figure, a column a way: per cent, the interval, and how many it is of."""
    line = f"{{:<26}}{'{:>26}' * len(found)}"
    yield line.format("right, per cent", *found)
    yield line.format("all", *(_cell(way["right"]) for way in found.values()))
    for by, title in (("groups", "{}"), ("languages", "  {}"), ("kinds", "    {}")):
        for name in next(iter(found.values()))[by]:
            yield line.format(title.format(name), *(_cell(way[by][name]["right"]) for way in found.values()))
    yield line.format("filed", *(_percent(way["filed_share"]) for way in found.values()))
    yield line.format("  of these right", *(_cell(way["precision"]) for way in found.values()))
    for group in GROUPS:
        yield line.format(
            f"  {group}: filed", *(_percent(way["groups"][group]["filed_share"]) for way in found.values())
        )
        yield line.format("    of these right", *(_cell(way["groups"][group]["precision"]) for way in found.values()))
    for group in GROUPS if len(found) > 1 else ():
        yield line.format(
            f"{group}: right only so",
            "",
            *(_gained(way["against"][group]) for way in found.values() if "against" in way),
        )


def _cell(share: Mapping[str, Any]) -> str:
    if not share["n"]:
        return "-"
    return f"{_percent(share['share'])} ({_percent(share['low'])}-{_percent(share['high'])}) of {share['n']}"


def _gained(pair: Mapping[str, Any]) -> str:
    return f"{pair['only_here']}, lost {pair['only_there']} (p {pair['by_chance']:.2g})"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def _quiet(*_: object) -> None:
    """No progress: there are many short trainings."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 with a table on stdout, and one JSON object on its last line. 1 where a training failed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.judge_papers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--count", type=int, default=COUNT, help=f"mails a seed, half to learn (default: {COUNT})")
    parser.add_argument("--seeds", default="1,2,3", help="a set and a training each (default: 1,2,3)")
    parser.add_argument("--split", choices=("disjoint", "shared"), default="disjoint", help="of phrases and layouts")
    parser.add_argument("--ways", default=",".join(WAYS), help=f"how mail is read (default: {','.join(WAYS)})")
    parser.add_argument("--language", action="store_true", help="train the language model, too: minutes a training")
    parser.add_argument("--out", type=Path, help="JSON file for all figures and answers, written after each training")
    parser.add_argument("--cache", type=Path, default=Path(".bench-cache"), help="prepared base and readings")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args(arguments)
    ways = options.ways.split(",")
    if wrong := [way for way in ways if way not in WAYS]:
        parser.error(f"there is no way {wrong[0]}: say {' or '.join(WAYS)}")
    found: dict[str, list[Answer]] = {way: [] for way in ways}
    for seed in map(int, options.seeds.split(",")):
        mails = write(options.count, seed, options.split)
        for way in ways:
            try:
                found[way] += answers(mails["learnt"], mails["judged"], way, seed, options)
            except RuntimeError as error:
                sys.stderr.write(f"{error}\n")
                return 1
            sys.stderr.write(f"seed {seed}, {way}: {_percent(figures(found[way])['seeds'][seed]['share'])} % right\n")
            _write(options.out, found)
    shown = {way: figures(said) for way, said in found.items()}
    for way in ways[1:]:
        shown[way]["against"] = against(found[way], found[ways[0]])
    sys.stdout.writelines(f"{line}\n" for line in table(shown))
    sys.stdout.write(json.dumps(shown) + "\n")
    return 0


def _write(out: Path | None, found: Mapping[str, Sequence[Answer]]) -> None:
    if out is not None:
        told = {way: {"figures": figures(said), "answers": list(map(asdict, said))} for way, said in found.items()}
        out.write_text(json.dumps(told, indent=1), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
