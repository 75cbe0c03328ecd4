"""The words of the sample office, as its TOML files hold them: who writes, how, and about what.

Read once, when this module is imported. A key that a file lacks or that nothing here knows is a TypeError or KeyError.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, NamedTuple


class Firm(NamedTuple):
    """A company that writes to us, with what it is to us: most are several things at once (people.toml)."""

    name: str
    domain: str
    city: str
    roles: str


class Bank(NamedTuple):
    """The parts that a category's mail is made of. `senders`: which firms write it; `files`: what they attach;
    `neighbours`: the categories that a thread may go over to."""

    description: str
    share: float
    senders: str
    neighbours: tuple[str, ...]
    subjects: tuple[str, ...]
    purposes: tuple[str, ...]
    details: tuple[str, ...]
    asides: tuple[str, ...]
    files: tuple[str, ...]


class Language(NamedTuple):
    """What a mail in another language is made of; `purposes` by category, subject and sentence split by `::`."""

    greetings: tuple[str, ...]
    closings: tuple[str, ...]
    sign_offs: tuple[str, ...]
    purposes: dict[str, tuple[str, ...]]


class Newcomer(NamedTuple):
    """A correspondent that the folders have never seen."""

    firm: str
    domain: str
    category: str
    people: tuple[str, ...]
    subjects: tuple[str, ...]
    purposes: tuple[str, ...]
    details: tuple[str, ...]


class Phrases(NamedTuple):
    """How people begin and end a mail, and what they say in between, whatever it is about."""

    greetings: tuple[str, ...]
    openings: tuple[str, ...]
    closings: tuple[str, ...]
    sign_offs: tuple[str, ...]
    disclaimers: tuple[str, ...]
    vague_subjects: tuple[str, ...]
    short_answers: tuple[str, ...]
    asides: tuple[str, ...]
    answers_of_ours: tuple[str, ...]
    forward_notes: tuple[str, ...]
    covers: tuple[str, ...]
    cover_subjects: tuple[str, ...]
    cover_files: tuple[str, ...]


class Things(NamedTuple):
    """What fills the slots of a sentence. `items`: one and several of them."""

    items: tuple[tuple[str, str], ...]
    colours: tuple[str, ...]
    days: tuple[str, ...]
    months: tuple[str, ...]
    hours: tuple[str, ...]


def _read(name: str) -> dict[str, Any]:
    """A file of this folder, its arrays as tuples."""
    table = tomllib.loads((Path(__file__).parent / f"{name}.toml").read_text(encoding="utf-8"))
    frozen: dict[str, Any] = _frozen(table)
    return frozen


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _frozen(part) for key, part in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


_people, _phrases, _abroad = _read("people"), _read("phrases"), _read("abroad")

OFFICE: str = _people["office"]
OFFICE_DOMAIN: str = _people["domain"]
OFFICE_ADDRESS = f"office@{OFFICE_DOMAIN}"
PEOPLE: tuple[str, ...] = _people["people"]
COLLEAGUES: tuple[str, ...] = _people["colleagues"]
JOBS: tuple[str, ...] = _people["jobs"]
POSTS: tuple[str, ...] = _people["posts"]
PRIVATE_DOMAINS: tuple[str, ...] = _people["private_domains"]
FIRMS, GERMAN_FIRMS, FRENCH_FIRMS = (
    tuple(Firm(**firm) for firm in _people["firms"][language]) for language in ("english", "german", "french")
)

THINGS = Things(**_phrases.pop("things"))
PHRASES = Phrases(**_phrases)

CATEGORIES: dict[str, Bank] = {name: Bank(**bank) for name, bank in _read("categories").items()}
"""Folder name -> what its mail is made of."""

GERMAN, FRENCH = Language(**_abroad["german"]), Language(**_abroad["french"])
NEWCOMERS: tuple[Newcomer, ...] = tuple(Newcomer(**newcomer) for newcomer in _read("newcomers")["newcomer"])
