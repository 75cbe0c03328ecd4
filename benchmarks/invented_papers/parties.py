"""Who writes: companies and people, with addresses, drawn from the lists of one language and one part."""

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass

from benchmarks.invented_papers.phrase_lists import Phrases


@dataclass(frozen=True)
class Party:
    """One side of a letter. `company` is "" for somebody who writes for himself."""

    company: str
    first: str
    last: str
    street: str
    place: str
    phone: str
    address: str
    """The mail address."""
    position: str

    @property
    def person(self) -> str:
        """First name and last name."""
        return f"{self.first} {self.last}"

    @property
    def name(self) -> str:
        """As a letterhead has it."""
        return self.company or self.person


OFFICE = Party(
    "Nordhafen Handel GmbH", "Marion", "Evers", "Speicherweg 12", "24103 Kiel", "0431 5550170",
    "office@nordhafen-handel.example", "Büro",
)  # fmt: skip
"""Who receives all the mail."""


def companies(lists: Phrases, chance: random.Random, count: int) -> list[Party]:
    """So many companies, no two of one name."""
    found: dict[str, Party] = {}
    office = lists.office
    while len(found) < count:
        owner, branch = chance.choice(office["last_names"]), chance.choice(office["branches"])
        domain = f"{plain(owner)}-{plain(branch)}.example"
        found.setdefault(domain, _party(lists, chance, f"{owner} {branch} {chance.choice(office['forms'])}", domain))
    return list(found.values())


def people(lists: Phrases, chance: random.Random, count: int) -> list[Party]:
    """So many people who write for themselves."""
    return [_party(lists, chance, "", chance.choice(("mail.example", "post.example"))) for _ in range(count)]


def _party(lists: Phrases, chance: random.Random, company: str, domain: str) -> Party:
    office = lists.office
    first, last = chance.choice(office["first_names"]), chance.choice(office["last_names"])
    local = chance.choice(("{0}.{1}", "{1}", "{0[0]}{1}")).format(plain(first), plain(last))
    if company and chance.random() < 0.4:
        local = chance.choice(("info", "office", "mail", "post"))
    number = chance.randint(1, 180)
    street = chance.choice(office["streets"])
    return Party(
        company,
        first,
        last,
        f"{street} {number}" if lists.language != "fr" else f"{number}, {street}",
        f"{chance.randint(10000, 98999)} {chance.choice(office['places'])}",
        f"0{chance.randint(200, 899)} {chance.randint(100000, 9999999)}",
        f"{local}@{domain}",
        chance.choice(office["positions"]),
    )


def plain(name: str) -> str:
    """A name as domains and file names have it: small ASCII letters."""
    decomposed = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return "".join(letter for letter in decomposed.lower().replace(" ", "-") if letter.isalnum() or letter == "-")
