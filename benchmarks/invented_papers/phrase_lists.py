"""The phrases of one language, and the half of them that one part of the set may use."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

T = TypeVar("T")
Language = Literal["de", "en", "fr", "es"]
Part = Literal["learnt", "judged"]
Split = Literal["disjoint", "shared"]

LANGUAGES: tuple[Language, ...] = ("de", "en", "fr", "es")
PARTS: tuple[Part, ...] = ("learnt", "judged")
SECTIONS = {
    "invoice": ("invoice", "reminder"),
    "order": ("order",),
    "application": ("application",),
    "damage": ("damage",),
    "contract": ("termination", "contract"),
    "delivery": ("delivery",),
}
"""Kind of mail -> the kinds of paper that it comes with."""
KINDS = tuple(SECTIONS)
WHOLE = ("months", "forms")
"""Lists that are not cut: there are only twelve months, and both parts have limited companies."""


@dataclass(frozen=True)
class Phrases:
    """What one part of the set may say in one language: `office` for all kinds, `kinds` by section."""

    language: Language
    office: Mapping[str, Any]
    kinds: Mapping[str, Mapping[str, list[str]]]


def phrases(language: Language, part: Part, split: Split, seed: int) -> Phrases:
    """All lists of a language, or the part's half of them. The other part gets the other half."""
    more = _read("telling", language)
    office = {**_read("office", language), "letter_titles": more["letter_titles"]}
    kinds = {
        section: {**lists, "mail": lists["mail"] + more["mail"][section]}
        for section, lists in _read("kinds", language).items()
    }
    if split == "shared":
        return Phrases(language, office, kinds)
    cut = {name: _half(values, part, f"{seed}/{language}/{name}") for name, values in office.items()}
    return Phrases(
        language,
        cut,
        {
            section: {
                name: _half(values, part, f"{seed}/{language}/{section}/{name}") for name, values in lists.items()
            }
            for section, lists in kinds.items()
        },
    )


def half(values: Sequence[T], part: Part, seed: str) -> list[T]:
    """Every second value after a shuffle; both parts together have all."""
    shuffled = list(values)
    random.Random(seed).shuffle(shuffled)
    return shuffled[PARTS.index(part) :: 2]


def _half(values: Any, part: Part, seed: str) -> Any:
    return half(values, part, seed) if isinstance(values, list) and seed.rpartition("/")[2] not in WHOLE else values


@cache
def _read(stem: str, language: Language) -> dict[str, Any]:
    text = Path(__file__).with_name("phrases").joinpath(f"{stem}_{language}.toml").read_text("utf-8")
    return tomllib.loads(text)
