"""Mails that cost time: one small thing, many times, where a parser may look at each more than once.

Each function takes a mail and gives one with a bomb of at most `LONGEST` bytes in the place that its name says. What
is repeated is put together at random from the signs and words that steer the reading of that place.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable

LONGEST = 130_000
ADDRESSED = (
    b"From",
    b"Sender",
    b"Reply-To",
    b"To",
    b"Cc",
    b"Delivered-To",
    b"Return-Path",
    b"Message-ID",
    b"References",
)

_ADDRESS = [b"(", b")", b"<", b">", b'"', b"\\", b",", b";", b":", b"@", b" ", b"a", b"a@b.example", b"=?utf-8?q?a?="]
_WORD = [
    b"=?",
    b"?=",
    b"?",
    b"=",
    b"utf-8",
    b"?q?",
    b"?b?",
    b"_",
    b"=20",
    b"YQ==",
    b"iso-2022-jp",
    b" ",
    b"a",
    b"\x1b$B",
]
_PARAMETER = [
    *(b";", b"=", b'"', b"\\", b"*", b"'", b"%41", b"name", b"filename", b"boundary", b"charset", b"*0", b"*1*", b" "),
    *(b"utf-8''", b"a", b",", b"(", b")", b"\n ", b"/"),
]
_PARTS = [
    *(b"--b1", b"--b1--", b"\n", b"\n\n", b"--", b"-", b" ", b"Content-Type: multipart/mixed; boundary=b1", b"a"),
    *(b"Content-Type: multipart/alternative; boundary=b2", b"--b2", b"Content-Type: message/rfc822", b"From: a"),
    b"Content-Type: text/html",
]
_HTML = [
    *(
        b"<",
        b">",
        b"</",
        b"<div>",
        b"</div>",
        b"<p>",
        b"<b>",
        b"<table><tr><td>",
        b"<blockquote type=cite>",
        b"&",
        b"&#",
    ),
    *(
        b"<!--",
        b"-->",
        b"<![if x]>",
        b"<o:p>",
        b"<span style='color:#fff'>",
        b"<style>.a{color:red}",
        b"</style>",
        b"{",
        b"}",
    ),
    *(
        b" a=b",
        b'"',
        b"'",
        b"&nbsp;",
        b"<br>",
        b"<hr>",
        b"<ul><li>",
        b"x",
        b"\n",
        b" ",
        b"<p class=a>",
        b"<a href=",
        b";",
        b":",
    ),
    *(
        b"<img alt=x>",
        b"<div id=divRplyFwdMsg>",
        b"<div class=gmail_quote>",
        b"@media{",
        b"/*",
        b"*/",
        b"<font color=red>",
    ),
]
_QUOTES = [
    *(
        b"> ",
        b">",
        b"\n",
        b"\n\n",
        b"On 1 May 2024, Ann <a@b.example> wrote:",
        b"From: a",
        b"Sent: Monday",
        b"To: b",
        b" ",
    ),
    *(
        b"Subject: c",
        b"-----Original Message-----",
        b"--",
        b"-- ",
        b"_____",
        b"Von: a",
        b"Am 1.2.2024 schrieb a:",
        b"a",
    ),
    *(
        b"Regards,",
        b"confidential",
        b"2024",
        b"10:00",
        b":",
        b"@",
        b"*",
        b"12/12/2001 10:10 AM",
        b"cc:",
        b"wrote",
        b"x" * 70,
    ),
    *(b"unsubscribe", b"http://", b"\t", b"\xc2\xa0", b"\xe3\x80\x80", b"<mailto:a@b>", b"[cid:a]", b"\xef\xbc\x9a"),
]
_TEXT = [
    *(
        b"begin 644 a\n",
        b"M",
        b"\n",
        b"`\n",
        b"end\n",
        b"=ybegin size=1 name=a\n",
        b"=yend\n",
        b"QUFB",
        b"=",
        b"==\n",
        b"=0A",
    ),
    *(
        b"-----BEGIN PGP MESSAGE-----\n",
        b"-----END PGP MESSAGE-----\n",
        b"-----BEGIN PGP SIGNED MESSAGE-----\n",
        b"\xc3",
        b"a",
    ),
    *(
        b"\xa4",
        b"\xff",
        b"\x1b$B",
        b"\x1b(B",
        b"\x1b$)C",
        b"+AGE-",
        b"~{",
        b"<mailto:",
        b"[cid:",
        b" ",
        b"BEGIN:VCALENDAR\n",
    ),
    *(b"METHOD:REQUEST\n", b"SUMMARY", b";X=", b":", b"ATTENDEE"),
]
_BINARY = [
    *(
        b"\x78\x9f\x3e\x22\x01\x00",
        b"\x01\x03\x90\x06\x00",
        b"\xff\xff\x00\x00",
        b"\x00\x00\x00\x00",
        b"\x02\x01\x09\x10",
    ),
    *(
        b"LZFu",
        b"MELA",
        b"{\\rtf1\\fromhtml1",
        b"{",
        b"}",
        b"\\par",
        b"\\'e4",
        b"\\u9",
        b"{\\*\\htmltag",
        b"\\htmlrtf",
        b"\x00",
    ),
    *(
        b"\x30\x80",
        b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02",
        b"\xa0\x80",
        b"\x24\x80",
        b"\x04\x01a",
        b"\x30\x03",
        b"a",
    ),
]


def _repeated(words: list[bytes], rng: random.Random, most: int = LONGEST) -> bytes:
    """A beginning, one small thing many times, and an end."""
    unit = b"".join(rng.choices(words, k=rng.randint(1, 5)))
    length = min(rng.choice((500, 5_000, 16_000, most)), most)
    around = [b"".join(rng.choices(words, k=rng.randint(0, 4))) for _ in range(2)]
    return around[0] + unit * (length // len(unit)) + around[1]


def _folded(value: bytes, rng: random.Random) -> bytes:
    value = value.replace(b"\n", b" ")
    return b"\n ".join(value[at : at + 76] for at in range(0, len(value), 76)) if rng.random() < 0.5 else value


def address_fields(mail: bytes, rng: random.Random) -> bytes:
    """One field, or all of them, full of brackets, quotes and commas."""
    names = ADDRESSED if rng.random() < 0.5 else rng.sample(ADDRESSED, 1)
    value = _folded(_repeated(_ADDRESS, rng, LONGEST // len(names)), rng)
    return b"".join(name + b": " + value + b"\n" for name in names) + mail


def encoded_words(mail: bytes, rng: random.Random) -> bytes:
    """A subject and a sender of pieces of encoded words."""
    value = _folded(_repeated(_WORD, rng, LONGEST // 2), rng)
    return b"Subject: " + value + b"\nFrom: " + value + b"\n" + mail


def parameters(mail: bytes, rng: random.Random) -> bytes:
    """A structured field of pieces of parameters."""
    value = _folded(_repeated(_PARAMETER, rng), rng)
    name = rng.choice(
        (b"Content-Type: text/html", b"Content-Type: multipart/mixed", b"Content-Disposition: attachment")
    )
    return name + b"; " + value + b"\n" + mail


def fields(mail: bytes, rng: random.Random) -> bytes:
    """A header of very many lines, some of which are none."""
    lines = [
        b"X: a",
        b"stray",
        b" fold",
        b"name=a;",
        b"Content-Type: text/plain;",
        b"  ",
        b"To: a@b",
        b"Received: x;",
        b"a" * 50,
    ]
    unit = b"\n".join(rng.choices(lines, k=rng.randint(1, 5))) + b"\n"
    return unit * (rng.choice((1_000, LONGEST)) // len(unit)) + mail


def boundaries(mail: bytes, rng: random.Random) -> bytes:
    """Boundary lines, and multiparts in multiparts."""
    return b"Content-Type: multipart/mixed; boundary=b1\n\n" + _repeated(_PARTS, rng) + mail[:1_000]


def html(mail: bytes, rng: random.Random) -> bytes:
    """Tags, entities, style rules and comments, open and closed."""
    label = rng.choice((b"html", b"plain"))
    return (
        b"From: a@b.example\nContent-Type: text/" + label + b"\n\n<html><body>" + _repeated(_HTML, rng) + mail[:1_000]
    )


def quotes(mail: bytes, rng: random.Random) -> bytes:
    """What marks quotes, histories, signatures and notices, over and over."""
    return b"From: a@b.example\nSubject: Re: x\nContent-Type: text/plain\n\n" + _repeated(_QUOTES, rng) + mail[:1_000]


def texts(mail: bytes, rng: random.Random) -> bytes:
    """Files, armour and shifts in the midst of a text, in any encoding."""
    kind = rng.choice((b"text/plain; charset=utf-8", b"text/plain; charset=gb2312", b"text/calendar", b"text/plain"))
    way = rng.choice((b"base64", b"quoted-printable", b"uuencode", b"8bit", b""))
    head = b"Content-Type: " + kind + b"\nContent-Transfer-Encoding: " + way + b"\n\n"
    return head + _repeated(_TEXT, rng) + mail[:1_000]


def containers(mail: bytes, rng: random.Random) -> bytes:
    """TNEF, RTF and CMS that are mostly lengths."""
    kind = rng.choice((b"application/ms-tnef", b"application/pkcs7-mime", b"application/octet-stream"))
    start = rng.choice(
        (b"\x78\x9f\x3e\x22\x01\x00", b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80", b"")
    )
    data = base64.encodebytes(start + _repeated(_BINARY, rng, LONGEST * 3 // 4))
    return b"Content-Type: " + kind + b"\nContent-Transfer-Encoding: base64\n\n" + data


BOMBS: list[Callable[[bytes, random.Random], bytes]] = [
    *(address_fields, encoded_words, parameters, fields, boundaries, html, quotes, texts, containers),
]
