"""Throw broken files at the reading process and see that none of them costs more than itself.

    python -m tests.fuzz_papers --count 10000 --seed 1 [--pictures]

Small files of every kind are cut, flipped, repeated and spliced; with --pictures those of pages, which are recognised.
Each must get an answer in time, and the process must be the same one at the end. One line of progress every 1,000
files, and at the end one line of JSON. A file is named by its seed and number, which make it again. Exit code 1 if
anything failed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from statistics import median

import click

from connectors.base import Paper
from daemon.papers.paper_reader import PaperReader
from tests import page_pictures
from tests import paper_samples as samples
from tests.servers import tesseract

SEEDS: dict[str, bytes] = {
    "a.pdf": samples.text_pdf("Muster GmbH", "Rechnung Nr. 4711", "Betrag 119,00 EUR"),
    "zugferd.pdf": samples.pdf_with_file("factur-x.xml", samples.cii(), "Rechnung"),
    "locked.pdf": samples.locked_pdf(),
    "a.docx": samples.docx("Sehr geehrte Damen und Herren"),
    "a.xlsx": samples.xlsx("Rechnung", "Stuhl", "Tisch"),
    "a.pptx": samples.pptx("Angebot", "eins", "zwei"),
    "a.odt": samples.open_document("text", "<text:h>Kopf</text:h><text:p>Text</text:p>"),
    "a.rtf": b"{\\rtf1\\ansi{\\fonttbl{\\f0 A;}}\\f0 Gr\\'fc\\'dfe \\u8364? \\par {\\b Ende}}",
    "a.msg": samples.msg("Betreff", "Text", a_pdf=samples.text_pdf("Anhang")),
    "winmail.dat": samples.winmail("Text", "a.pdf", samples.text_pdf("Anhang")),
    "a.eml": samples.eml("Betreff", "Text", "a.pdf", samples.text_pdf("Anhang")),
    "a.zip": samples.archive_of({"a.pdf": samples.text_pdf("Archiv"), "b.xml": samples.ubl()}),
    "signed.p7m": samples.signed(samples.fattura()),
    "ubl.xml": samples.ubl(),
    "fattura.xml": samples.fattura(),
    "a.html": b"<html><body><p style='color:#fff'>a</p><table><tr><td>Rechnung</td></tr></table></body></html>",
    "a.ics": b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Termin\nDESCRIPTION:a\\n b\nEND:VEVENT\nEND:VCALENDAR\n",
    "a.vcf": b"BEGIN:VCARD\nFN:Ann Lee\nORG:Muster;Einkauf\nEND:VCARD\n",
    "a.csv": "Datum;Betrag\n3.5.;119,00 €\n".encode(),
}


def _cut(data: bytes, rng: random.Random) -> bytes:
    start, end = sorted((rng.randint(0, len(data)), rng.randint(0, len(data))))
    return data[:start] + data[end:]


def _flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 20)):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _number(data: bytes, rng: random.Random) -> bytes:
    """Four bytes become a length that nobody has."""
    place = rng.randint(0, len(data))
    return data[:place] + rng.choice((b"\xff" * 4, b"\0" * 4, b"9999", b"\xff\xff\xff\x7f")) + data[place + 4 :]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    start = rng.randint(0, len(data))
    end = min(len(data), start + rng.randint(1, 200))
    return data[:start] + data[start:end] * rng.choice((2, 10, 500)) + data[end:]


def _splice(data: bytes, rng: random.Random) -> bytes:
    other = rng.choice(list(SEEDS.values()))
    return data[: rng.randint(0, len(data))] + other[rng.randint(0, len(other)) :]


MUTATIONS: list[Callable[[bytes, random.Random], bytes]] = [_cut, _flip, _flip, _number, _repeat, _splice]


def pictures() -> dict[str, bytes]:
    """Small pictures of a page of a few words, of every kind that is recognised."""
    page = page_pictures.letter("Rechnung Nr. 4711", "Betrag 119,00 Euro")
    made = {f"a.{kind}": page_pictures.picture(page, kind, scale=0.4) for kind in page_pictures.KINDS}
    return made | {"scan.pdf": page_pictures.scan(page)}


def mutated_paper(seed: int, number: int, seeds: dict[str, bytes] = SEEDS) -> Paper:
    """File `number` of run `seed`: always the same bytes. The kinds take turns."""
    rng = random.Random(f"{seed}/{number}")
    name = list(seeds)[number % len(seeds)]
    data = seeds[name]
    for _ in range(rng.randint(1, 4)):
        data = rng.choice(MUTATIONS)(data, rng)[: 1 << 18]
    return Paper(name, data)


def fuzz(
    count: int, seed: int, say: Callable[[str], None], seeds: dict[str, bytes] = SEEDS, languages: tuple[str, ...] = ()
) -> dict[str, object]:
    """Read `count` mutated files, with languages also their pictures; the figures of the run."""
    failures: list[str] = []
    took: list[float] = []
    statuses: Counter[str] = Counter()
    with PaperReader(languages=languages) as reader:
        sandbox = reader.sandbox()
        assert not languages or (sandbox.ocr and sandbox.ocr.works)
        for number in range(count):
            before, ended = time.perf_counter(), reader.ended
            reading = reader.read(mutated_paper(seed, number, seeds), ocr=bool(languages))
            took.append(time.perf_counter() - before)
            statuses[reading.status] += 1
            if reader.ended > ended or reading.status == "unavailable":
                failures.append(f"file {number}: the reading process ended ({reading.status})")
            if (number + 1) % 1_000 == 0:
                say(f"{number + 1} files, {len(failures)} failures, slowest {max(took):.1f} s")
    for failure in failures[:20]:
        say(failure)
    return {
        "files": count,
        "seed": seed,
        "failures": len(failures),
        "filtered": sandbox.filtered,
        "median_ms": round(median(took) * 1000, 1),
        "slowest_ms": round(max(took) * 1000, 1),
        "statuses": dict(statuses),
        "recognised": reader.pictures,
    }


def main() -> int:
    """Read arguments, fuzz, print the figures as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pictures", action="store_true", help="pictures of pages, by the tesseract of `make servers`")
    arguments = parser.parse_args()

    def say(line: str) -> None:
        click.echo(line, err=True)

    if arguments.pictures:
        os.environ.update(tesseract.environment())
        figures = fuzz(arguments.count, arguments.seed, say, pictures(), ("deu", "eng"))
    else:
        figures = fuzz(arguments.count, arguments.seed, say)
    click.echo(json.dumps(figures))
    return 1 if figures["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
