"""The text of a large message without its pictures: which parts to ask for, and one message made of what came.

    BODYSTRUCTURE | headers of all parts, texts, the first bytes of files | a message that `mime.parse` reads as usual

Telephones put photographs before the text, so the beginning of such a message is no text at all. What is left out is
the bodies of parts that no model reads; every part keeps its header, by which attachments are named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.imap.sightings import Fetched, as_text, part

MOST_PARTS = 200
DEEPEST = 20
FIRST_BYTES = 1024
"""Of a file: enough to tell what it is."""
MESSAGE_BYTES = 128 * 1024
"""Of a message that is attached: its beginning."""


@dataclass(frozen=True)
class Part:
    """A part as BODYSTRUCTURE tells (RFC 9051 section 7.5.2). `section`: its number, "" for the whole message.
    `boundary`: what stands between its own parts; "" for a part that has none."""

    section: str
    kind: str
    size: int = 0
    boundary: str = ""
    parts: tuple[Part, ...] = ()

    def all(self) -> Iterator[Part]:
        """This one and all below it, in order."""
        yield self
        for inner in self.parts:
            yield from inner.all()


def structure(told: Any) -> Part | None:
    """The parts of a message of several; None for any other, and where the answer makes no sense."""
    try:
        whole = _part(told, "", 0)
    except (ValueError, TypeError, IndexError):
        return None
    return whole if whole.parts and sum(1 for _ in whole.all()) <= MOST_PARTS else None


def _part(told: Any, section: str, depth: int) -> Part:
    if not isinstance(told, tuple) or depth > DEEPEST:
        raise ValueError("no part")
    if not isinstance(told[0], tuple):
        kind = f"{as_text(told[0])}/{as_text(told[1])}".lower()
        return Part(section, kind, told[6] if isinstance(told[6], int) else 0)
    inner = [one for one in told if isinstance(one, tuple)]
    number = next(place for place, one in enumerate(told) if not isinstance(one, tuple))
    parts = [
        _part(one, f"{section}.{place}".lstrip("."), depth + 1) for place, one in enumerate(inner[:number], start=1)
    ]
    values = told[number + 1]
    pairs = {as_text(values[i]).lower(): as_text(values[i + 1]) for i in range(0, len(values) - 1, 2)}
    return Part(section, f"multipart/{as_text(told[number])}".lower(), 0, pairs["boundary"], tuple(parts))


def wanted(whole: Part, most: int) -> dict[str, int]:
    """Section -> bytes of its body to ask for: texts first, `most` in all."""
    leaves = [one for one in whole.all() if not one.parts]
    asked: dict[str, int] = {}
    for one in sorted(leaves, key=lambda leaf: not leaf.kind.startswith("text/")):
        take = min(one.size, _at_most(one.kind), most)
        if take > 0:
            asked[one.section] = take
            most -= take
    return asked


def _at_most(kind: str) -> int:
    if kind.startswith("text/"):
        return 1 << 30
    if kind.startswith("message/"):
        return MESSAGE_BYTES
    return FIRST_BYTES if kind.startswith("application/") else 0


def items(whole: Part, asked: dict[str, int]) -> Sequence[str]:
    """The FETCH items for all that."""
    headers = [f"BODY.PEEK[{one.section}.MIME]" for one in whole.all() if one.section]
    return (*headers, *(f"BODY.PEEK[{section}]<0.{size}>" for section, size in asked.items()))


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
