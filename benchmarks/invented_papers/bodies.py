"""What stands in a mail itself: words that tell nothing, as offices write them, or words that tell all."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.invented_papers.contents import Draw, section_of
from benchmarks.invented_papers.parties import OFFICE, Party

EMPTY, MOBILE, SIGNED, DISCLAIMERS, GREETED = 0.1, 0.12, 0.85, 0.3, 0.8
FEWEST, MOST = 20, 150
"""Own words of a telling mail, without greeting and signature."""


@dataclass(frozen=True)
class Letter:
    """What a person, or a machine, sends."""

    subject: str
    body: str
    machine: bool = False
    """Sent by the office's own scanner."""


def short(given: Draw, sender: Party) -> Letter:
    """A body that tells nothing; sometimes none at all."""
    office = given.lists.office
    subject = given.one(office["subjects"])
    if given.likely(EMPTY):
        return Letter(subject, "")
    line = _capital(given.one(office["lines"]))
    greeting = f"{given.one(office['greetings'])}\n\n" if given.likely(GREETED) else ""
    if given.likely(MOBILE):
        return Letter(subject, f"{greeting}{line}\n\n{given.one(office['mobile'])}\n")
    closing = f"{given.one(office['closings'])}\n" if given.likely(0.9) else ""
    signed = given.likely(SIGNED)
    return Letter(subject, f"{greeting}{line}\n\n{closing}{signature(given, sender) if signed else sender.first}\n")


def scanner(given: Draw) -> Letter:
    """A scanner's mail."""
    text = given.one(given.lists.office["scanners"])
    return Letter(given.chance.choice(("Scan from MFP-4211", f"Scan_{given.slots['stamp']}", "")), f"{text}\n", True)


def telling(kind: str, given: Draw, sender: Party, subject_tells: bool) -> Letter:
    """A body whose own words, 20 to 150 of them, tell what it is about."""
    office, section = given.lists.office, section_of(kind, given)
    lists = given.lists.kinds[section]
    own = given.some(lists["mail"], 2, 5)
    filler = given.some(office["filler"], 0, 3)
    spare = [given.fill(text) for text in office["filler"] if given.fill(text) not in filler]
    while words([*own, *filler]) < FEWEST:
        filler.append(spare.pop())
    closing = given.one(office["closings"])
    signed = signature(given, sender) if given.likely(SIGNED) else sender.first
    while words([*own, *filler]) > MOST:
        (filler or own).pop()
    paragraphs = [" ".join(map(_capital, own)), *map(_capital, filler)]
    body = "\n\n".join((given.one(office["greetings"]), *paragraphs, f"{closing}\n{signed}\n"))
    return Letter(given.one(lists["titles"] if subject_tells else office["subjects"]), body)


def signature(given: Draw, sender: Party) -> str:
    """Name, company, address, telephone; often with words that no one reads below."""
    office = given.lists.office
    lines = [sender.person]
    if sender.company:
        lines += [sender.position, sender.company] if given.likely(0.5) else [sender.company]
    lines += [sender.street, sender.place, office["phone"].format(phone=sender.phone)]
    if sender.company:
        lines.append(f"www.{sender.address.partition('@')[2]}")
    mark = "-- \n" if given.likely(0.5) else "\n"
    block = mark + "\n".join(lines)
    return block + (f"\n\n{given.one(office['disclaimers'])}" if given.likely(DISCLAIMERS) else "")


def words(texts: list[str]) -> int:
    """How many there are, as a person counts them."""
    return sum(len(text.split()) for text in texts)


def to_office(given: Draw) -> str:
    """The To field."""
    return f"{OFFICE.company} <{OFFICE.address}>" if given.likely(0.5) else OFFICE.address


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
