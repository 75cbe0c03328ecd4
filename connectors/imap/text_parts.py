"""The text of a large message without its pictures: which parts to ask for, and one message made of what came.

    BODYSTRUCTURE | headers of all parts, texts, the first bytes of files | a message that `mime.parse` reads as usual

Telephones put photographs before the text, so the beginning of such a message is no text at all. What is left out is
the bodies of parts that no model reads; every part keeps its header, by which attachments are named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from connectors.imap.sightings import Fetched, as_text, part

MOST_PARTS = 200
DEEPEST = 20
FIRST_BYTES = 1024
"""Of a file: enough to tell what it is."""
MESSAGE_BYTES = 128 * 1024
"""Of a message that is attached: its beginning."""
TNEF_TYPES = ("application/ms-tnef", "application/vnd.ms-tnef", "application/x-tnef")
"""Files that hold the text of the mail, and the names of its other files: what is left is theirs."""


@dataclass(frozen=True)
class Part:
    """A part as BODYSTRUCTURE tells (RFC 9051 section 7.5.2). `section`: its number, "" for the whole message.
    `boundary`: what stands between its own parts; "" for a part that has none."""

    section: str
    kind: str
    size: int = 0
    boundary: str = ""
    parts: tuple[Part, ...] = ()
    header: bytes = b""
    """What BODYSTRUCTURE tells of it, as the lines of a header."""
    inside: Part | None = None
    """What the message that it is consists of, if the server tells."""

    def all(self) -> Iterator[Part]:
        """This one and all below it, in order."""
        yield self
        for inner in self.parts:
            yield from inner.all()

    def leaves(self) -> Iterator[Part]:
        """What is made of no others, here and in the messages inside, in order."""
        if self.inside is not None:
            yield from self.inside.leaves()
        elif not self.parts:
            yield self
        for inner in self.parts:
            yield from inner.leaves()


def structure(told: Any) -> Part | None:
    """The parts of a message of several, and of one that is a scan; None for any other, whose beginning is its text,
    and where the answer makes no sense."""
    try:
        whole = _part(told, "", 0)
    except (ValueError, TypeError, LookupError):
        return None
    if whole.kind == "application/pdf" or whole.kind.startswith("image/"):
        return replace(whole, section="1")
    return whole if whole.parts and sum(1 for _ in whole.all()) <= MOST_PARTS else None


def _part(told: Any, section: str, depth: int) -> Part:
    if not isinstance(told, tuple) or depth > DEEPEST:
        raise ValueError("no part")
    if not isinstance(told[0], tuple):
        kind = f"{as_text(told[0])}/{as_text(told[1])}".lower()
        size = told[6] if isinstance(told[6], int) else 0
        inside = _inside(told, section, depth) if kind in ("message/rfc822", "message/global") else None
        return Part(section, kind, size, header=_header(kind, told), inside=inside)
    inner = [one for one in told if isinstance(one, tuple)]
    number = next(place for place, one in enumerate(told) if not isinstance(one, tuple))
    parts = [
        _part(one, f"{section}.{place}".lstrip("."), depth + 1) for place, one in enumerate(inner[:number], start=1)
    ]
    boundary = _pairs(told[number + 1])["boundary"]
    return Part(section, f"multipart/{as_text(told[number])}".lower(), 0, boundary, tuple(parts))


def _pairs(values: Any) -> dict[str, str]:
    """The parameters of a field; NIL has none."""
    values = values or ()
    return {as_text(values[i]).lower(): as_text(values[i + 1]) for i in range(0, len(values) - 1, 2)}


def _inside(told: tuple[Any, ...], section: str, depth: int) -> Part | None:
    """The parts of a message in a message have its number in front, and its only part is its first."""
    try:
        is_multipart = isinstance(told[8][0], tuple)
        return _part(told[8], section if is_multipart else f"{section}.1", depth + 1)
    except (ValueError, TypeError, LookupError):
        return None


def _header(kind: str, told: tuple[Any, ...]) -> bytes:
    """Type, encoding and disposition (RFC 9051 section 7.5.2: where this stands depends on the type)."""
    lines = [f"Content-Type: {kind}{_parameters(told[2])}"]
    if isinstance(told[5], bytes):
        lines.append(f"Content-Transfer-Encoding: {as_text(told[5])}")
    place = 9 if kind.startswith("text/") else 11 if kind in ("message/rfc822", "message/global") else 8
    disposition = told[place] if len(told) > place else None
    if isinstance(disposition, tuple) and len(disposition) == 2:
        lines.append(f"Content-Disposition: {as_text(disposition[0])}{_parameters(disposition[1])}")
    if isinstance(told[3], bytes):
        lines.append(f"Content-ID: {as_text(told[3])}")
    return "\n".join(" ".join(line.split()) for line in lines).encode("utf-8", "surrogateescape") + b"\n\n"


def _parameters(values: Any) -> str:
    pairs = _pairs(values) if isinstance(values, tuple) else {}
    quoted = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in pairs.items()}
    return "".join(
        f'; {name}="{value}"' if "*" not in name else f"; {name}={pairs[name]}" for name, value in quoted.items()
    )


def wanted(whole: Part, most: int) -> dict[str, int]:
    """Section -> bytes of its body to ask for: texts first, `most` in all."""
    leaves = [one for one in whole.all() if not one.parts]
    asked: dict[str, int] = {}
    for one in sorted(leaves, key=lambda leaf: (leaf.kind in TNEF_TYPES, not leaf.kind.startswith("text/"))):
        take = min(one.size, _at_most(one.kind), most)
        if take > 0:
            asked[one.section] = take
            most -= take
    return asked


def _at_most(kind: str) -> int:
    if kind.startswith("text/") or kind in TNEF_TYPES:
        return 1 << 30
    if kind.startswith("message/"):
        return MESSAGE_BYTES
    return FIRST_BYTES


def items(whole: Part, asked: dict[str, int]) -> Iterator[Sequence[str]]:
    """The FETCH items for all that, for two commands: asked for both at once, James gives headers only (seen). A
    message that is no multipart has one part, whose header is the message's."""
    if whole.parts:
        yield [f"BODY.PEEK[{one.section}.MIME]" for one in whole.all() if one.section]
    if asked:
        yield [f"BODY.PEEK[{section}]<0.{size}>" for section, size in asked.items()]


def is_cut(whole: Part, asked: dict[str, int]) -> bool:
    """Is a text longer than what is asked for?"""
    return any(one.kind.startswith("text/") and one.size > asked.get(one.section, 0) for one in whole.all())


def rebuilt(whole: Part, header: bytes, fetched: Fetched) -> bytes:
    """The message, made of its header and of what came of its parts."""
    pieces: list[bytes] = [header.rstrip(b"\r\n"), b"\r\n\r\n"]
    _write(whole, fetched, pieces)
    return b"".join(pieces)


def _write(one: Part, fetched: Fetched, pieces: list[bytes]) -> None:
    if not one.parts:
        pieces.append(part(fetched, f"BODY[{one.section}]".encode()) or b"")
        return
    line = b"--" + one.boundary.encode("utf-8", "replace")
    for inner in one.parts:
        mime = part(fetched, f"BODY[{inner.section}.MIME]".encode()) or b""
        pieces += [b"\r\n", line, b"\r\n", mime.rstrip(b"\r\n"), b"\r\n\r\n" if mime.strip() else b"\r\n"]
        _write(inner, fetched, pieces)
    pieces += [b"\r\n", line, b"--\r\n"]
