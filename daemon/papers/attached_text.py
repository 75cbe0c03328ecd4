"""What a mail's attached text is, from what its files say. Pure; one for training and service.

    readings | e-invoice lines | tallest lines | reading order, each file its share | at most `LONGEST` characters

When it counts, and for which models, is for `daemon.model.as_read` to say.
"""

from __future__ import annotations

from collections.abc import Sequence

from daemon.papers.paper import Reading

LONGEST = 1_200
"""Characters: more taught nothing more, on invented mail."""


def attached_text(readings: Sequence[Reading], most: int = LONGEST) -> str:
    """The text of a mail's files, the most telling first; "" if none says anything.

    Of several files none can take the place of the others: what one does not need is the next one's.
    """
    told = [reading for reading in readings if reading.status == "text"]
    first = [invoice.line for reading in told for invoice in reading.invoices]
    first += [line for reading in told for line in reading.tall]
    lines = list(dict.fromkeys(first))
    left = most - len("\n".join(lines)) - 1
    bodies = [_without(reading.text, set(lines)) for reading in told]
    shares = _shares([len(body) for body in bodies], left - len(bodies))
    lines += [body[:share].rstrip() for body, share in zip(bodies, shares, strict=True)]
    return "\n".join(line for line in lines if line)[:most].rstrip()


def _without(text: str, lines: set[str]) -> str:
    """The text without the lines that stand above it already."""
    return "\n".join(line for line in text.split("\n") if line not in lines)


def _shares(lengths: list[int], whole: int) -> list[int]:
    """How much each gets of the whole: all it needs if that is little, else as much as the other long ones."""
    shares = [0] * len(lengths)
    left = max(0, whole)
    for waiting, (length, number) in enumerate(sorted((length, number) for number, length in enumerate(lengths))):
        shares[number] = min(length, left // (len(lengths) - waiting))
        left -= shares[number]
    return shares
