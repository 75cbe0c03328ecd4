"""What stands in one paper, before anybody has drawn it: letterhead, title, references, words, table, small print."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from benchmarks.invented_papers.parties import OFFICE, Party
from benchmarks.invented_papers.phrase_lists import SECTIONS, Phrases

REMINDERS, COVERS, TERMS, LONG_TABLES, UNTITLED = 0.25, 0.1, 0.2, 0.1, 0.2
"""How often an invoice is a reminder, a cover sheet lies on top, terms lie below, a table is long, and a subject line
tells nothing."""


@dataclass(frozen=True)
class Sheet:
    """What belongs together in a paper; each begins a page."""

    title: str
    salutation: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    paragraphs: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    totals: tuple[tuple[str, str], ...] = ()
    after: tuple[str, ...] = ()
    """Paragraphs below the table."""
    sections: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """A heading and its lines, as in a CV."""
    closing: str = ""


@dataclass(frozen=True)
class PaperText:
    """A whole paper. `section` says what it is: a key of the phrase lists, "terms" or "brochure"."""

    section: str
    sender: Party
    addressee: Party
    date: str
    sheets: tuple[Sheet, ...]
    footer: tuple[str, ...]
    page_word: str
    number: str
    at: datetime
    lines: tuple[tuple[str, int, int], ...] = ()
    """What is priced: a name, a number of pieces and cents a piece."""


@dataclass(frozen=True)
class Draw:
    """One mail's chance and the values of its slots."""

    lists: Phrases
    chance: random.Random
    slots: Mapping[str, str]
    at: datetime

    def one(self, values: Sequence[str]) -> str:
        """One phrase, filled."""
        return self.fill(self.chance.choice(values))

    def some(self, values: Sequence[str], low: int, high: int) -> list[str]:
        """Between `low` and `high` different phrases, filled; fewer where the list has fewer."""
        count = min(len(values), self.chance.randint(low, high))
        return [self.fill(text) for text in self.chance.sample(values, count)]

    def fill(self, text: str) -> str:
        """Slots replaced."""
        return text.format_map(self.slots)

    def likely(self, share: float) -> bool:
        """True that often."""
        return self.chance.random() < share


def draw(lists: Phrases, chance: random.Random, at: datetime, others: Sequence[Party]) -> Draw:
    """Names and figures for one mail. `others`: whom it may mention."""
    office, other = lists.office, chance.choice(others)
    born = datetime(chance.randint(1965, 2005), chance.randint(1, 12), chance.randint(1, 28), tzinfo=at.tzinfo)
    slots = {
        "number": _number(chance, at),
        "other": f"{chance.randint(10, 99)}-{chance.randint(1000, 99999)}",
        "customer": str(chance.randint(10000, 79999)),
        "date": day(office, at - timedelta(days=chance.randint(1, 20))),
        "later": day(office, at + timedelta(days=chance.randint(7, 40))),
        "birth": day(office, born),
        "month": office["months"][(at - timedelta(days=20)).month - 1],
        "year": str(at.year),
        "sum": money(office, chance.randint(4000, 480000)),
        "product": chance.choice(office["products"]),
        "job": chance.choice(office["jobs"]),
        "place": chance.choice(office["places"]),
        "person": f"{chance.choice(office['first_names'])} {chance.choice(office['last_names'])}",
        "last": OFFICE.last,
        "company": other.name,
        "phone": other.phone,
        "stamp": f"{at:%Y%m%d}",
        "count": f"{chance.randint(1, 9999):04d}",
        "iban": f"DE{chance.randint(10, 99)} {chance.randint(1000, 9999)} {chance.randint(1000, 9999)} 0000 12",
        "tax": str(chance.randint(100000000, 899999999)),
    }
    return Draw(lists, chance, slots, at)


def day(office: Mapping[str, str], at: datetime) -> str:
    """A date as the language writes it."""
    return office["date"].format(day=at.day, month=at.month, year=at.year, name=office["months"][at.month - 1])


def money(office: Mapping[str, str], cents: int) -> str:
    """A sum as the language writes it."""
    return office["money"].format(whole=cents // 100, cents=cents % 100)


def paper(kind: str, given: Draw, sender: Party, cover: float = 0.0) -> PaperText:
    """A paper of this kind, or "terms" or "brochure". `cover`: the share that begins with a sheet that says nothing."""
    section = kind if kind in ("terms", "brochure") else section_of(kind, given)
    sheets, lines = SHEETS.get(section, _letter)(section, given)
    if given.likely(cover):
        sheets = [_cover(given), *sheets]
    if section not in ("terms", "brochure", "application") and given.likely(TERMS):
        sheets = [*sheets, *_terms("terms", given)[0]]
    return PaperText(
        section,
        sender,
        OFFICE,
        day(given.lists.office, given.at),
        tuple(sheets),
        tuple(small_print(given, sender)) if sender.company else (),
        given.lists.office["page"],
        given.slots["number"],
        given.at,
        tuple(lines),
    )


def section_of(kind: str, given: Draw) -> str:
    """Which of a kind's papers: an invoice or a reminder, a termination or a contract."""
    first, *rest = SECTIONS[kind]
    share = REMINDERS if kind == "invoice" else 0.5
    return given.chance.choice(rest) if rest and given.likely(share) else first


def small_print(given: Draw, sender: Party) -> list[str]:
    """The small print at the foot of a company's paper."""
    slots = {**given.slots, "person": sender.person, "place": sender.place.partition(" ")[2]}
    return [text.format_map(slots) for text in given.lists.office["footers"]]


Made = tuple[list[Sheet], list[tuple[str, int, int]]]


def _letter(section: str, given: Draw) -> Made:
    """Words, and a table where the kind has one."""
    lists, office = given.lists.kinds[section], given.lists.office
    rows, totals, lines = _table(section, given)
    words = given.some(lists["words"], 2, 4)
    cut = given.chance.randint(0, 1)
    sheet = Sheet(
        given.one(office["letter_titles"] if given.likely(UNTITLED) else lists["titles"]),
        given.one(office["salutations"]) if given.likely(0.7) else "",
        _fields(given.some(lists["fields"], 2, 4)),
        (given.one(lists["opening"]), *words[:cut]),
        tuple(given.chance.choice(lists["columns"]).split("|")) if rows else (),
        tuple(rows),
        tuple(totals),
        tuple(words[cut:]),
        closing=given.one(office["letter_closings"]),
    )
    return [sheet], lines


def _table(
    section: str, given: Draw
) -> tuple[list[tuple[str, ...]], list[tuple[str, str]], list[tuple[str, int, int]]]:
    lists, office, chance = given.lists.kinds[section], given.lists.office, given.chance
    if "columns" not in lists or (section == "damage" and given.likely(0.4)):
        return [], [], []
    count = chance.randint(18, 40) if section != "damage" and given.likely(LONG_TABLES) else chance.randint(1, 6)
    lines = [
        (chance.choice(office["products"]), chance.randint(1, 60), chance.randint(150, 24000)) for _ in range(count)
    ]
    rows: list[tuple[str, ...]]
    if section == "damage":
        rows = [(name, str(chance.randint(2012, 2025)), money(office, cents * 10)) for name, _, cents in lines]
    elif section == "delivery":
        rows = [
            (
                str(place),
                name,
                str(pieces),
                str(pieces - chance.choice((0, 0, 0, 1))),
                chance.choice(("St.", "1", "VE")),
            )
            for place, (name, pieces, _) in enumerate(lines, 1)
        ]
    else:
        rows = [
            (str(place), name, str(pieces), money(office, cents), money(office, pieces * cents))
            for place, (name, pieces, cents) in enumerate(lines, 1)
        ]
    totals: list[tuple[str, str]] = []
    if "totals" in lists:
        net = sum(pieces * cents for _, pieces, cents in lines)
        tax = round(0.2 * net)
        sums = (money(office, net), money(office, tax), money(office, net + tax))
        totals = list(zip(chance.choice(lists["totals"]).split("|"), sums, strict=True))
    return rows, totals, lines


def _application(section: str, given: Draw) -> Made:
    """A letter, mostly with a CV behind it, at times before it, at times alone."""
    lists = given.lists.kinds[section]
    [letter], _ = _letter(section, given)
    headings = given.chance.choice(lists["sections"]).split("|")
    entries = given.some(lists["cv"], 4, 5)
    cut = len(entries) // 2
    parts = (entries[:cut], entries[cut:-1], entries[-1:])
    cv = Sheet(
        given.one(lists["titles"]),
        fields=_fields(given.some(lists["fields"], 3, 4)),
        sections=tuple((heading, tuple(part)) for heading, part in zip(headings, parts, strict=True)),
    )
    ways: tuple[Callable[[], list[Sheet]], ...] = (
        lambda: [letter, cv], lambda: [letter, cv], lambda: [cv, letter], lambda: [letter], lambda: [cv],
    )  # fmt: skip
    return given.chance.choice(ways)(), []


def _terms(_section: str, given: Draw) -> Made:
    office = given.lists.office
    words = [text for _ in range(given.chance.randint(2, 5)) for text in given.some(office["terms"], 3, 4)]
    return [Sheet(given.one(office["terms_titles"]), paragraphs=tuple(words))], []


def _brochure(_section: str, given: Draw) -> Made:
    office = given.lists.office
    return [Sheet(given.one(office["brochure_titles"]), paragraphs=tuple(given.some(office["brochure"], 2, 3)))], []


SHEETS: dict[str, Callable[[str, Draw], Made]] = {
    "application": _application,
    "terms": _terms,
    "brochure": _brochure,
}


def _cover(given: Draw) -> Sheet:
    office = given.lists.office
    return Sheet(given.one(office["cover_titles"]), paragraphs=tuple(given.some(office["cover"], 2, 3)))


def _fields(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    pairs = (text.partition(":") for text in texts)
    return tuple((label.strip(), value.strip()) for label, _, value in pairs)


def _number(chance: random.Random, at: datetime) -> str:
    return chance.choice(
        (
            str(chance.randint(10000, 999999)),
            f"{at.year}-{chance.randint(100, 9999):04d}",
            f"{chance.randint(100, 999)}/{at:%y}",
        )
    )
