"""Eight ways to lay out an office's paper. Each part of the set has four of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.invented_papers.phrase_lists import Part, Split, half


@dataclass(frozen=True)
class Layout:
    """Sizes in points. Where the head, the title and the references stand, and in which order they are drawn."""

    name: str
    font: tuple[str, str]
    """Plain and bold, of the fonts that every PDF reader has."""
    head: Literal["left", "right", "centre", "bar", "typed"]
    title: Literal["above words", "top right", "above address", "bar", "underlined", "spaced"]
    title_size: int
    fields: Literal["right block", "row", "list", "boxes", "sentence"]
    table: Literal["grid", "lines", "zebra", "typed"]
    foot_first: bool = False
    """The small print is drawn before the words, as by many programs: a reader in drawing order sees it first."""
    size: int = 10
    colour: tuple[float, float, float] = (0, 0, 0)


HELVETICA, TIMES, COURIER = (
    ("Helvetica", "Helvetica-Bold"),
    ("Times-Roman", "Times-Bold"),
    ("Courier", "Courier-Bold"),
)
LAYOUTS = (
    Layout("DIN letter", HELVETICA, "right", "above words", 12, "right block", "lines"),
    Layout("blue bar", HELVETICA, "bar", "bar", 22, "boxes", "zebra", colour=(0.1, 0.25, 0.5)),
    Layout("typewriter", COURIER, "typed", "underlined", 10, "list", "typed"),
    Layout("great word", HELVETICA, "left", "top right", 28, "right block", "grid", foot_first=True),
    Layout("old house", TIMES, "centre", "above words", 14, "row", "grid", size=11),
    Layout("form", HELVETICA, "left", "above address", 18, "boxes", "grid", foot_first=True, size=9),
    Layout("green line", TIMES, "bar", "spaced", 16, "list", "lines", colour=(0.1, 0.4, 0.2)),
    Layout("plain letter", TIMES, "left", "underlined", 13, "sentence", "lines", size=11),
)


def layouts(part: Part, split: Split, seed: int) -> list[Layout]:
    """The part's layouts."""
    return list(LAYOUTS) if split == "shared" else half(LAYOUTS, part, f"{seed}/layouts")
