"""The whole set: raw mails with papers, labelled, the earlier half to learn from and the later to be judged by.

    a count, a seed, a split | a cell of kind, language and group a mail | words, papers, MIME  ->  [LabelledMail]

Groups: "short", whose body, subject and file name tell nothing; "telling", whose body tells and whose paper fits;
"foreign", whose body tells and whose paper is of another kind. Half of the mails are short, a quarter each the rest.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from benchmarks.invented_papers import bodies
from benchmarks.invented_papers.contents import COVERS, Draw, PaperText, draw, paper
from benchmarks.invented_papers.e_invoices import cii, ubl
from benchmarks.invented_papers.envelopes import Attached, enveloped, safe_name
from benchmarks.invented_papers.layouts import Layout, layouts
from benchmarks.invented_papers.office_files import WRITERS
from benchmarks.invented_papers.parties import Party, companies, people
from benchmarks.invented_papers.pdf_pages import pdf, scanned
from benchmarks.invented_papers.phrase_lists import KINDS, LANGUAGES, PARTS, Language, Part, Split, phrases

Group = Literal["short", "telling", "foreign"]
GROUPS: tuple[Group, ...] = ("short", "telling", "foreign")
CYCLE: tuple[Group, ...] = ("short", "telling", "short", "foreign")
COUNT = 576
STARTS = {"learnt": datetime(2026, 1, 5, 7, tzinfo=UTC), "judged": datetime(2026, 5, 4, 7, tzinfo=UTC)}
DAYS = 117
SENDERS = 8
PRIVATE = {"application": 0.8, "contract": 0.4, "damage": 0.4, "order": 0.15}
"""How often somebody writes for himself and not for a company."""
SCANNERS, PREFIXED, TELLING_NAMES, TELLING_SUBJECTS, LOOSE_FOREIGN = 0.12, 0.15, 0.5, 0.5, 0.3
E_INVOICES, SCANS, SECOND = 0.2, 0.08, 0.08
"""How often an invoice is an electronic one, a PDF a scan with its text, a company's terms a second file."""
FORMATS = (("pdf", 78), ("docx", 8), ("odt", 5), ("xlsx", 4), ("rtf", 3), ("txt", 2))
TABLES = ("invoice", "reminder", "order", "delivery")
"""What somebody may send as a spreadsheet."""


@dataclass(frozen=True)
class LabelledMail:
    """One mail, and what is known of it."""

    raw: bytes
    """RFC 5322, lines ended by CRLF."""
    kind: str
    language: Language
    group: Group
    at: datetime
    paper: str
    """What the attached paper is: a section of the phrase lists, "terms" or "brochure"."""
    format: str
    """The file: pdf, scan, factur-x, ubl, cii, docx, odt, xlsx, rtf or txt."""
    layout: str
    """Of a PDF, else ""."""


def write(count: int = COUNT, seed: int = 1, split: Split = "disjoint") -> dict[Part, list[LabelledMail]]:
    """So many mails, half of them in each part, in order of time.

    "disjoint": no phrase, name or layout of one part is in the other. "shared": both draw from the same. Even kinds,
    languages and groups where `count` is a multiple of 192. Raises ValueError for fewer than two.
    """
    if count < 2:
        raise ValueError(f"{count} mails cannot be cut in two parts: ask for 2 or more.")
    return {part: _part(part, count // 2, seed, split) for part in PARTS}


def _part(part: Part, count: int, seed: int, split: Split) -> list[LabelledMail]:
    chance = random.Random(f"{seed}/{part}")
    lists = {language: phrases(language, part, split, seed) for language in LANGUAGES}
    # Those who write are the same for both parts where phrases are shared.
    drawn = random.Random(f"{seed}/{part if split == 'disjoint' else 'all'}/parties")
    firms = {language: companies(lists[language], drawn, SENDERS) for language in LANGUAGES}
    others = {language: people(lists[language], drawn, SENDERS) for language in LANGUAGES}
    drawings = layouts(part, split, seed)
    cells = [(KINDS[place % 6], LANGUAGES[place // 6 % 4], CYCLE[place // 24 % 4]) for place in range(count)]
    chance.shuffle(cells)
    made = []
    for place, (kind, language, group) in enumerate(cells):
        own = random.Random(f"{seed}/{part}/{place}")
        at = STARTS[part] + timedelta(days=DAYS * place / count, minutes=own.randint(0, 600))
        pool = others if own.random() < PRIVATE.get(kind, 0) else firms
        sender = own.choice(pool[language])
        given = draw(lists[language], own, at, firms[language])
        # A foreign paper is half the time somebody else's, as the copy of an invoice in a complaint is.
        writer = own.choice(firms[language]) if group == "foreign" and own.random() < 0.5 else sender
        made.append(_mail(given, kind, group, sender, writer, own.choice(drawings)))
    return sorted(made, key=lambda mail: mail.at)


def _mail(given: Draw, kind: str, group: Group, sender: Party, writer: Party, layout: Layout) -> LabelledMail:
    of = _foreign_kind(kind, given) if group == "foreign" else kind
    text = paper(of, given, writer, cover=COVERS if group == "short" else 0.0)
    ending, form, type_, data = _file(text, given, layout)
    telling = group != "short" and text.section in given.lists.kinds and given.likely(TELLING_NAMES)
    name = _telling_name(text.section, given) if telling else _neutral_name(given, group)
    files = [Attached(safe_name(f"{name}.{ending}"), "application/octet-stream" if given.likely(0.12) else type_, data)]
    if sender.company and given.likely(SECOND):
        terms = pdf(paper("terms", given, sender), layout)
        files.append(Attached(safe_name(f"{_neutral_name(given, group)}.pdf"), "application/pdf", terms))
    if group == "short":
        scanner = len(files) == 1 and form in ("pdf", "scan") and given.likely(SCANNERS)
        letter = bodies.scanner(given) if scanner else bodies.short(given, sender)
    else:
        letter = bodies.telling(kind, given, sender, given.likely(TELLING_SUBJECTS))
    raw = enveloped(letter, files, given, sender)
    return LabelledMail(
        raw, kind, given.lists.language, group, given.at, text.section, form, layout.name if ending == "pdf" else ""
    )


def _foreign_kind(kind: str, given: Draw) -> str:
    """Terms or a brochure at times, else a paper of one of the other kinds."""
    if given.likely(LOOSE_FOREIGN):
        return given.chance.choice(("terms", "brochure"))
    return given.chance.choice([other for other in KINDS if other != kind])


def _file(text: PaperText, given: Draw, layout: Layout) -> tuple[str, str, str, bytes]:
    """The end of its name, what it is, its type and its bytes."""
    if text.section == "invoice" and given.likely(E_INVOICES):
        form = given.chance.choice(("ubl", "cii", "factur-x"))
        if form == "factur-x":
            xml = cii(text, given.lists.language)
            return "pdf", form, "application/pdf", pdf(text, layout, ("factur-x.xml", xml))
        data = ubl(text, given.lists.language) if form == "ubl" else cii(text, given.lists.language)
        return "xml", form, given.chance.choice(("application/xml", "text/xml")), data
    names, weights = zip(*FORMATS, strict=True)
    [form] = given.chance.choices(names, weights)
    if form == "xlsx" and text.section not in TABLES:
        form = "docx"
    if form != "pdf":
        type_, writer = WRITERS[form]
        return form, form, type_, writer(text)
    if given.likely(SCANS):
        return "pdf", "scan", "application/pdf", scanned(text, layout, given.chance)
    return "pdf", "pdf", "application/pdf", pdf(text, layout)


def _neutral_name(given: Draw, group: Group) -> str:
    """As scanners and people in a hurry name files; at times with the letters before a number that offices use."""
    if group == "short" and given.likely(PREFIXED):
        return f"{given.chance.choice(('A', 'B', 'K', 'V', 'X'))}{given.slots['number']}"
    return given.one(given.lists.office["file_names"])


def _telling_name(section: str, given: Draw) -> str:
    return given.one(given.lists.kinds[section]["names"]).removesuffix(".pdf")
