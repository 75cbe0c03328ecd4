"""The parts between boundary lines (RFC 2046 section 5.1.1), as mail programs really write them.

    body, boundary | split | parts, the last of which may have no end

A boundary line is "--", the boundary, perhaps "--", and blanks: a longer boundary that begins like it is another one.
One `bytes.find` after the other, so the time grows with the body only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from connectors.mail.headers import split_headers

# The first line that can only be a boundary: what follows it is a field of a part.
_LOOKS_LIKE = re.compile(
    rb"^--([^\s-][^\n]{0,200}|-{1,60}[^\s-][^\n]{0,140})\n(?=Content-[A-Za-z-]{2,40}:)", re.M | re.I
)
GUESSED_WITHIN = 20_000
LONGEST_PART_HEADER = 4_000


@dataclass(frozen=True)
class _Line:
    """A boundary line: where it begins, where the next line begins, and whether it ends the parts."""

    start: int
    end: int
    closes: bool


@dataclass(frozen=True)
class Piece:
    """One part. `ends`: a boundary line stands below it; else it may be the beginning of a longer one."""

    content: bytes
    ends: bool = True


def split(body: bytes, boundary: bytes, most: int) -> list[Piece]:
    """The parts; without a usable boundary, all is one part. A part without headers begins with the empty line."""
    if not boundary or (b"--" + boundary) not in body:
        boundary = guess_boundary(body) or b""
    if not boundary:
        return [Piece(b"\n" + body, ends=False)]
    body = b"\n" + body
    parts: list[Piece] = []
    begin: int | None = None
    first: int | None = None
    inner = 0
    """How many parts with the same boundary are open inside the current one."""
    for line in _lines(body, boundary):
        first = line.start if first is None else first
        if inner:
            inner -= line.closes
            continue
        if begin is not None:
            if not line.closes and _opens_the_same(body[begin : line.start], boundary):
                inner = 1
                continue
            parts.append(Piece(body[begin : line.start]))
            if len(parts) > most:
                return parts
        begin = None if line.closes else line.end
    if begin is not None and begin < len(body):
        parts.append(Piece(body[begin:], ends=False))
    return parts or [Piece(body[:first])]  # what stands above an end without a beginning


def _lines(body: bytes, boundary: bytes) -> Iterator[_Line]:
    """`body` begins with a line's end."""
    opening = b"\n--" + boundary
    start = body.find(opening)
    while start >= 0:
        after = start + len(opening)
        end = body.find(b"\n", after)
        end = len(body) if end < 0 else end
        rest = body[after : min(end, after + 200)].strip()
        if rest in (b"", b"--"):
            # The end of a boundary line is also the line's end that the next one begins with.
            yield _Line(start, min(end + 1, len(body)), rest == b"--")
        start = body.find(opening, end)


def _opens_the_same(part: bytes, boundary: bytes) -> bool:
    """Is this the header of a multipart with the boundary of the one around it? Then its parts come first."""
    if boundary not in part[:LONGEST_PART_HEADER]:
        return False
    headers, content = split_headers(part)
    own = headers.parameters("content-type")
    return (
        own.value.startswith("multipart/")
        and own.get("boundary").rstrip().encode("utf-8", "replace") == boundary
        and not content.strip()
    )


def guess_boundary(body: bytes) -> bytes | None:
    """The boundary that the body itself shows, where the header names none or another."""
    found = _LOOKS_LIKE.search(body[:GUESSED_WITHIN])
    return found[1].rstrip() if found else None
