"""Throw broken mail at connectors.mail.mime and see that it neither fails nor dawdles.

    python -m tests.fuzz_mime --count 100000 --seed 1

Real-looking mails are cut, spliced, repeated and sprinkled with the words that steer a MIME parser, and one in four
carries a bomb (`tests/fuzz_bombs.py`): one small thing, many times. Every result must keep the promises of `Parsed`.
One line of progress every 5,000 mails, and at the end one line of JSON, which names the slowest mails, by the
processor's time, and how they were made. A failing mail is named by its seed and number, which make it again. Exit
code 1 if anything failed.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import resource
import sys
import time
from base64 import encodebytes
from collections.abc import Callable
from datetime import timedelta

import click

from connectors.mail.attached_files import MOST_NAMED, MOST_READ
from connectors.mail.headers import INVISIBLE
from connectors.mail.mime import Limits, Parsed, read_message
from tests.fuzz_bombs import BOMBS, LONGEST
from tests.paper_samples import winmail

LIMITS = Limits()
SLOWEST = 5.0
"""Seconds of the processor for one mail: a machine under load is slow too, but a runaway is slower by far."""
MOST_SLOW = 5
"""How many of the slowest mails are named."""

SEEDS = [
    b"""From: Ann Lee <ann@example.org>
To: office@example.org
Subject: Invoice 4711
Date: Mon, 5 Feb 2024 10:00:00 +0100
Message-ID: <a1@example.org>
References: <a0@example.org> <a00@example.org>
Content-Type: text/plain

Hello,

please pay invoice 4711.

--\x20
Ann Lee

On Mon, 5 Feb 2024, Bob <b@example.org> wrote:
> where is it?
""",
    b"""From: =?utf-8?B?SsO2cmcgTcO8bGxlcg==?= <jm@example.de>
Subject: =?iso-8859-1?Q?R=FCckfrage?= =?iso-8859-1?Q?_zur_Bestellung?=
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="b1"

--b1
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Gr=C3=BC=C3=9Fe aus K=C3=B6ln=
 und mehr
--b1
Content-Type: text/html; charset=utf-8

<html><body><style>.x{display:none}</style><div class=x>geheim</div><table><tr><td>Stuhl</td><td>2</td></tr></table>
<p style="color:#fff">weiss</p><img src=x alt=Bild><ul><li>eins<li>zwei</ul><blockquote type=cite>alt</blockquote>
--b1--
""",
    b"""From: it@example.org
Subject: Fwd: Drucker
Content-Type: multipart/mixed; boundary=outer

preamble
--outer

FYI

-----Original Message-----
From: X
Sent: Monday
To: Y
Subject: Drucker

Der Drucker brennt.
--outer
Content-Type: message/rfc822

From: z@example.org
Subject: innen
Content-Type: multipart/digest; boundary=in

--in

Subject: tief

Text
--in--
--outer
Content-Type: application/pdf; name*0*=utf-8''%e2%82%ac%20; name*1=rates.pdf
Content-Disposition: attachment; filename="rates.pdf"
Content-Transfer-Encoding: base64

JVBERi0xLjQK
--outer--
""",
    b"""From: ann@example.org
Subject: Files
Content-Type: multipart/mixed; boundary=f

--f

See below.
begin 644 notes.csv
#83MB
`
end
--f
Content-Type: application/octet-stream; name="winmail.dat"
Content-Transfer-Encoding: base64

%b
--f
Content-Type: text/xml; name="invoice.xml"
Content-Disposition: attachment

<Invoice/>
--f
Content-Type: image/jpeg; name="scan.jpg"
Content-Transfer-Encoding: quoted-printable

=FF=D8=FF
--f--
"""
    % encodebytes(winmail("See the file.", "offer.pdf", b"%PDF-1.7")),
    b"""Return-Path: <>
From: MAILER-DAEMON@example.org
Subject: Undelivered
Auto-Submitted: auto-replied
Content-Type: multipart/report; report-type=delivery-status; boundary=r

--r

It bounced.
--r
Content-Type: message/delivery-status

Reporting-MTA: dns; x

--r
Content-Type: text/rfc822-headers

Subject: x
--r--
""",
    b"""From: a@example.org
Subject: Termin
Content-Type: multipart/mixed; boundary=c

--c
Content-Type: text/calendar; method=REQUEST; charset=utf-8

BEGIN:VCALENDAR
METHOD:REQUEST
BEGIN:VEVENT
SUMMARY:Besprechung
DESCRIPTION:Langer
  Text\\, gefaltet
END:VEVENT
END:VCALENDAR
--c--
""",
    b"""From: p@example.org
Subject: secret
Content-Type: multipart/signed; boundary=s; protocol="application/pgp-signature"

--s
Content-Type: text/plain

-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

Hi
-----BEGIN PGP SIGNATURE-----

abc
-----END PGP SIGNATURE-----
--s
Content-Type: application/pgp-signature

abc
--s--
""",
    "From: Zoë <zoe@example.nl>\r\nSubject: Łódź 日本\r\nContent-Type: text/html\r\n\r\n<p>日本語 Zażółć".encode(),
]

# One word a line, written with Python's escapes: what steers a MIME parser, an HTML parser or the search for quotes.
_STEERING = r"""
Content-Type:\x20
multipart/mixed; boundary=
multipart/
message/rfc822\n\n
text/html
text/calendar
Content-Transfer-Encoding: base64\n
Content-Transfer-Encoding: quoted-printable\n
Content-Disposition: attachment; filename=
; charset=
utf-7
punycode
idna
unicode_escape
rot13
zlib
utf-16
\x22
boundary=""\n
=?utf-8?B?
=?x?q?
?=
filename*0*=
name*=utf-8''%ff
(((((((((
<<<
@
,
\x00
\xff\xfe
--b1
--outer
--
\n\n
\r
\n\x20
>
> >\x20
--\x20\n
________________________________________
-----Original Message-----\n
From: a\nTo: b\nSubject: c\n
On 1 Jan 2024 at 10:00, x@y wrote:\n
Forwarded by x on 01/02/03 04:05 PM\n
<div style='font-size:0;color:#fff'>
<table><tr><td>
<blockquote type=cite>
<!--
&#xd800;
&#0;
</
<style>{{{
\xe2\x80\x8b
\xed\xa0\x80
\xf3\xa0\x81\x81
\xee\x80\x80
Date: Fri, 31 Feb 99999 99:99 +9999\n
-----BEGIN PGP MESSAGE-----
Message-ID: <
References: <a@b> <
\x1b$B
"""
WORDS = [line.encode("latin-1").decode("unicode_escape").encode("latin-1") for line in _STEERING.split("\n") if line]


def _cut(mail: bytes, rng: random.Random) -> bytes:
    start, end = sorted((rng.randint(0, len(mail)), rng.randint(0, len(mail))))
    return mail[:start] + mail[end:]


def _flip(mail: bytes, rng: random.Random) -> bytes:
    changed = bytearray(mail)
    for _ in range(rng.randint(1, 20)):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _sprinkle(mail: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.randint(1, 6)):
        place = rng.randint(0, len(mail))
        mail = mail[:place] + rng.choice(WORDS) + mail[place:]
    return mail


def _repeat(mail: bytes, rng: random.Random) -> bytes:
    start = rng.randint(0, len(mail))
    end = min(len(mail), start + rng.randint(1, 80))
    times = rng.choice((2, 3, 10, 50, 500))
    return mail[:start] + mail[start:end] * times + mail[end:]


def _splice(mail: bytes, rng: random.Random) -> bytes:
    other = rng.choice(SEEDS)
    return mail[: rng.randint(0, len(mail))] + other[rng.randint(0, len(other)) :]


def _shuffle(mail: bytes, rng: random.Random) -> bytes:
    lines = mail.split(b"\n")
    for _ in range(rng.randint(1, 5)):
        one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        lines[one], lines[other] = lines[other], lines[one]
    return b"\n".join(lines)


MUTATIONS: list[Callable[[bytes, random.Random], bytes]] = [
    _cut,
    _flip,
    _sprinkle,
    _sprinkle,
    _repeat,
    _splice,
    _shuffle,
]


def made_mail(seed: int, number: int) -> tuple[bytes, list[str]]:
    """Mail `number` of run `seed`, always the same bytes, at most twice `LONGEST`; and how it was made."""
    rng = random.Random(f"{seed}/{number}")
    mail = rng.choice(SEEDS)
    ways: list[str] = []
    for _ in range(rng.randint(1, 5)):
        mutation = rng.choice(MUTATIONS)
        mail = mutation(mail, rng)[: 1 << 16]
        ways.append(mutation.__name__.strip("_"))
    if rng.random() < 0.25:
        bomb = rng.choice(BOMBS)
        mail = bomb(mail, rng)[: 2 * LONGEST]
        ways.append(bomb.__name__)
    return mail, ways


def mutated_mail(seed: int, number: int) -> bytes:
    """The bytes of `made_mail`."""
    return made_mail(seed, number)[0]


def broken_promise(parsed: Parsed) -> str | None:
    """What `parsed` does that it must never do; None if all is well."""
    text = parsed.text
    lines = (text.sender, text.to, text.list_id, text.subject, *text.attachments)
    if any(INVISIBLE.search(part) for part in (*lines, text.body)):
        return "invisible characters in the text"
    if any(line != " ".join(line.split()) for line in lines):
        return "a header or an attachment's name has more than one line"
    if len(text.body) > LIMITS.text_characters:
        return "the body is longer than the limit"
    if any(not (name.startswith("<") and name.endswith(">")) for name in parsed.references):
        return "a reference without brackets"
    if sum(not paper.lacking for paper in parsed.papers) > MOST_READ or len(parsed.papers) > 2 * MOST_NAMED:
        return "too many files"
    if any(bool(paper.data) == bool(paper.lacking) for paper in parsed.papers):
        return "a file that is neither there nor lacking"
    if any(paper.name != " ".join(paper.name.split()) or not paper.name for paper in parsed.papers):
        return "a file's name has more than one line, or none"
    if parsed.date is not None and parsed.date.utcoffset() != timedelta(0):
        return "a date that is not in UTC"
    return None


def fuzz(count: int, seed: int, say: Callable[[str], None]) -> dict[str, object]:
    """Parse `count` mutated mails; the figures of the run."""
    failures: list[str] = []
    slowest: list[tuple[float, int]] = []
    empty, started = 0, time.process_time()
    for number in range(count):
        mail = mutated_mail(seed, number)
        before = time.process_time()
        try:
            # Without the safety net of `parse`, which would hide what is looked for here.
            parsed = read_message(mail, LIMITS, papers=True, pictures=True)
        except Exception as error:
            failures.append(f"mail {number}: {type(error).__name__}: {error}")
            continue
        took = time.process_time() - before
        heapq.heappush(slowest, (took, number))
        if len(slowest) > MOST_SLOW:
            heapq.heappop(slowest)
        if took > SLOWEST:
            failures.append(f"mail {number}: {took:.1f} s")
        if broken := broken_promise(parsed):
            failures.append(f"mail {number}: {broken}")
        empty += not parsed.text.body
        if (number + 1) % 5_000 == 0:
            worst, at = max(slowest)
            ways = ", ".join(made_mail(seed, at)[1])
            say(f"{number + 1} mails, {len(failures)} failures, slowest {worst * 1000:.0f} ms: mail {at} ({ways})")
    for failure in failures[:20]:
        say(failure)
    return {
        "messages": count,
        "seed": seed,
        "failures": len(failures),
        "mean_ms": round((time.process_time() - started) * 1000 / max(count, 1), 3),
        "slowest_ms": round(max(slowest)[0] * 1000, 1) if slowest else 0.0,
        "slowest": [
            {"ms": round(took * 1000, 1), "number": number, "ways": made_mail(seed, number)[1]}
            for took, number in sorted(slowest, reverse=True)
        ],
        "empty_share": round(empty / max(count, 1), 4),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz connectors.mail.mime with mutated mail.")
    parser.add_argument("--count", type=int, default=100_000, help="how many mails (default: 100000)")
    parser.add_argument("--seed", type=int, default=1, help="makes the same mails again (default: 1)")
    arguments = parser.parse_args()

    figures = fuzz(arguments.count, arguments.seed, lambda line: click.echo(line, err=True))
    click.echo(json.dumps(figures))
    return 1 if figures["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
