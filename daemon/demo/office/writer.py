"""Write the mail of an office that never was: real RFC 5322 messages, labelled as its people file them.

write_office(seed, messages)
    for each message:   category | thread or new | sender | purpose, details, aside | dress (HTML ...) | bytes

Nothing is a template of its category. A mail is assembled from a greeting, an opening, one sentence that decides what
it is about, details, and often an aside about something else; replies lean on their thread and may change its subject;
words are shared between categories on purpose. So no simple rule gets all of it right, while a person would.
The same seed gives the same bytes, and no two bodies are alike.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from daemon.demo.office import prose
from daemon.demo.office.dress import Letter, Quoted, dress
from daemon.demo.office.prose import (
    CATEGORIES,
    COLLEAGUES,
    FRENCH,
    GERMAN,
    NEWCOMERS,
    OFFICE,
    OFFICE_DOMAIN,
    PEOPLE,
    PHRASES,
    THINGS,
    Bank,
    Firm,
    Language,
    Newcomer,
)

FIRST_MORNING = datetime(2026, 3, 2, 7, 30, tzinfo=UTC)

# How often what happens, tuned so that words alone get some 80 to 85 of 100 right
# (tests/daemon/demo/test_office_mail.py).
REPLY_SHARE = 0.22
TOPIC_CHANGE_SHARE = 0.08
FOREIGN_SHARE = 0.045
ASIDE_SHARE = 0.33
VAGUE_SUBJECT_SHARE = 0.16
NEWCOMER_SHARE = 0.42
PAPER_SHARE = 0.14
"""Of the mails that begin a thread: what they are about stands only in the PDF that they bring."""


@dataclass(frozen=True)
class SampleMail:
    """One message of the sample office. `raw` ends lines with CRLF, as RFC 5322 wants them."""

    raw: bytes
    category: str
    """The folder in which the office's people file it."""
    thread: str
    when: datetime
    newcomer: str = ""
    """The new correspondent who wrote it; empty for the mail that the folders know."""
    paper: str = ""
    """The name of the PDF in which alone it says what it is about; empty for all others."""


@dataclass
class _Thread:
    """What a reply needs to know about the mails before it."""

    name: str
    category: str
    subject: str
    sender: tuple[str, str]
    firm: Firm
    message_ids: list[str] = field(default_factory=list)
    last: Quoted | None = None


def categories() -> dict[str, str]:
    """Folder name -> description, as a settings file would carry them."""
    return {name: bank.description for name, bank in CATEGORIES.items()}


def write_office(seed: int, messages: int, newcomers_from: int | None = None) -> list[SampleMail]:
    """`messages` different mails, oldest first. From number `newcomers_from` on, many are of kinds not seen before."""
    writer = _Writer(random.Random(seed), random.Random(f"papers of {seed}"))
    return [writer.write(newcomers_from is not None and n >= newcomers_from) for n in range(messages)]


class _Writer:
    """Writes one mail after the other and remembers threads and bodies."""

    def __init__(self, rng: random.Random, papers: random.Random) -> None:
        self.rng = rng
        self.papers = papers
        self.now = FIRST_MORNING
        self.count = 0
        self.threads: list[_Thread] = []
        self.bodies: set[str] = set()

    def write(self, newcomers_around: bool) -> SampleMail:
        """The next mail of the stream."""
        self.count += 1
        self.now += timedelta(minutes=self.rng.randint(20, 230))
        while True:
            letter, category, thread, newcomer = self._letter(newcomers_around)
            # Numbers and names alone don't make two mails different.
            body = re.sub(r"\W+|\d+", "", "\n".join([*letter.paper, letter.body]).lower())
            if body not in self.bodies:
                break
        self.bodies.add(body)
        thread.category = category
        thread.message_ids.append(letter.message_id)
        thread.last = Quoted(letter.sender, letter.body, self.now)
        paper = letter.attachments[0] if letter.paper else ""
        if thread not in self.threads:
            self.threads = [*self.threads[-39:], thread]
        return SampleMail(dress(letter, self.rng), category, thread.name, self.now, newcomer, paper)

    def _letter(self, newcomers_around: bool) -> tuple[Letter, str, _Thread, str]:
        draw = self.rng.random()
        if newcomers_around and draw < NEWCOMER_SHARE:
            newcomer = self.rng.choice(NEWCOMERS)
            thread, body = self._from_newcomer(newcomer)
            return self._letter_of(thread, thread.subject, body, ()), newcomer.category, thread, newcomer.firm
        if self.threads and self.rng.random() < REPLY_SHARE:
            answerable = [t for t in self.threads if t.category != "Newsletters" and len(t.message_ids) < 4]
            if answerable:
                return self._reply(self.rng.choice(answerable))
        category = self.rng.choices(list(CATEGORIES), [bank.share for bank in CATEGORIES.values()])[0]
        bank = CATEGORIES[category]
        if self.rng.random() < FOREIGN_SHARE:
            thread, body = self._from_abroad(category)
            return self._letter_of(thread, thread.subject, body, bank.files), category, thread, ""
        thread = self._new_thread(category, bank)
        letter = self._letter_of(thread, thread.subject, self._body(category, bank, thread), bank.files)
        if category != "Newsletters" and self.papers.random() < PAPER_SHARE:
            letter = self._on_paper(letter, thread)
        return letter, category, thread, ""

    def _on_paper(self, letter: Letter, thread: _Thread) -> Letter:
        """The same as a PDF, below a mail that says nothing: from the office's own machine, or "as discussed"."""
        rng = self.papers
        slots = self._slots(thread.firm, rng)
        thread.subject = self._say(PHRASES.cover_subjects, slots, rng)
        cover = self._say(PHRASES.covers, slots, rng)
        heading = f"{thread.firm.name}, {thread.firm.city}"
        return replace(
            letter,
            subject=thread.subject,
            body=f"{cover}\n\n{self._say(PHRASES.sign_offs, slots, rng)}\n{thread.sender[0]}",
            attachments=(self._say(PHRASES.cover_files, slots, rng),),
            paper=(heading, f"{self.now:%d %B %Y}", "", letter.subject, "", *letter.body.splitlines()),
        )

    def _reply(self, thread: _Thread) -> tuple[Letter, str, _Thread, str]:
        """An answer in a thread: mostly on the same topic, sometimes on what came of it."""
        category = thread.category
        newcomer = next((new for new in NEWCOMERS if new.firm == thread.firm.name), None)
        if newcomer is None and self.rng.random() < TOPIC_CHANGE_SHARE:
            category = self.rng.choice(CATEGORIES[category].neighbours)
        bank = CATEGORIES[category]
        slots = self._slots(thread.firm)
        parts = [self._say(PHRASES.greetings, slots)]
        if category == thread.category and self.rng.random() < 0.5:
            parts.append(self._say(PHRASES.short_answers, slots))
            parts += self._perhaps(0.6, newcomer.details if newcomer else bank.details, slots)
        else:
            parts.append(self._say(newcomer.purposes if newcomer else bank.purposes, slots))
        parts += self._perhaps(0.4, PHRASES.closings, slots)
        parts.append(self._say(PHRASES.sign_offs, slots) + "\n" + thread.sender[0])
        subject = "Re: " + thread.subject.removeprefix("Re: ")
        letter = self._letter_of(thread, subject, "\n\n".join(parts), bank.files)
        return letter, category, thread, newcomer.firm if newcomer else ""

    def _body(self, category: str, bank: Bank, thread: _Thread) -> str:
        """Greeting, opening, purpose, details, aside, closing, signature: each may be missing but the purpose."""
        rng = self.rng
        slots = self._slots(thread.firm)
        core = [self._say(bank.purposes, slots)]
        if rng.random() < 0.55:
            core.append(self._say(bank.details, slots))
        if category == "Newsletters" or rng.random() < 0.3:
            core.append(self._say(bank.purposes, self._slots(thread.firm)))
        elif rng.random() < 0.15:  # a detail from another desk: "payment within 30 days" in a quote
            core.append(self._say(CATEGORIES[rng.choice(CATEGORIES[category].neighbours)].details, slots))
        if rng.random() < ASIDE_SHARE and category != "Newsletters":
            core.append(self._aside(category, slots))
        if rng.random() < 0.15 and len(core) > 1:  # some people come to the point last
            core.reverse()
        opening = self._perhaps(0.6, PHRASES.openings, slots)
        text = " ".join(opening + core) if rng.random() < 0.5 else "\n\n".join(opening + core)
        parts = [*self._perhaps(0.9, PHRASES.greetings, slots), text, *self._perhaps(0.6, PHRASES.closings, slots)]
        return "\n\n".join([*parts, self._signature(thread, slots)])

    def _aside(self, category: str, slots: dict[str, str]) -> str:
        other = self.rng.choice([name for name in CATEGORIES if name != category])
        lead = self.rng.choice(PHRASES.asides)
        return f"{lead} {self._say(CATEGORIES[other].asides, slots)}".rstrip("?.") + "."

    def _from_newcomer(self, newcomer: Newcomer) -> tuple[_Thread, str]:
        firm = Firm(newcomer.firm, newcomer.domain, self.rng.choice(prose.FIRMS).city, "")
        slots = self._slots(firm)
        name = self.rng.choice(newcomer.people)
        sender = (name, f"{name.split()[0].lower()}@{newcomer.domain}")
        thread = self._thread(newcomer.category, self._say(newcomer.subjects, slots), sender, firm)
        parts = [*self._perhaps(0.7, PHRASES.greetings, slots), self._say(newcomer.purposes, slots)]
        parts += self._perhaps(0.6, newcomer.details, slots) + self._perhaps(0.4, PHRASES.closings, slots)
        return thread, "\n\n".join([*parts, self._say(PHRASES.sign_offs, slots) + "\n" + name + "\n" + newcomer.firm])

    def _from_abroad(self, category: str) -> tuple[_Thread, str]:
        german = self.rng.random() < 0.6
        language: Language = GERMAN if german else FRENCH
        firm = self.rng.choice(prose.GERMAN_FIRMS if german else prose.FRENCH_FIRMS)
        slots = self._slots(firm)
        subject, _, sentence = self._say(language.purposes[category], slots).partition("::")
        sender = self._person_of(firm, category)
        parts = [self._say(language.greetings, slots), sentence.strip(), *self._perhaps(0.7, language.closings, slots)]
        body = "\n\n".join([*parts, self._say(language.sign_offs, slots) + "\n" + sender[0] + "\n" + firm.name])
        return self._thread(category, subject.strip(), sender, firm), body

    def _new_thread(self, category: str, bank: Bank) -> _Thread:
        role = self.rng.choice(bank.senders)
        firm = self.rng.choice([f for f in prose.FIRMS if role in f.roles] or prose.FIRMS)
        if role == "o":  # a colleague
            name = self.rng.choice(COLLEAGUES)
            sender, firm = (
                (name, f"{name.split()[0].lower()}@{OFFICE_DOMAIN}"),
                Firm(OFFICE, OFFICE_DOMAIN, "Leeds", "o"),
            )
        elif role == "." or self.rng.random() < 0.06:  # a private person
            name = self.rng.choice(PEOPLE)
            sender = (name, f"{_address(name)}@{self.rng.choice(prose.PRIVATE_DOMAINS)}")
        elif category == "Newsletters":
            sender = (firm.name, f"{self.rng.choice(('news', 'hello', 'info', 'office'))}@{firm.domain}")
        else:
            sender = self._person_of(firm, category)
        vague = category != "Newsletters" and self.rng.random() < VAGUE_SUBJECT_SHARE
        subject = self._say(PHRASES.vague_subjects if vague else bank.subjects, self._slots(firm))
        return self._thread(category, subject, sender, firm)

    def _thread(self, category: str, subject: str, sender: tuple[str, str], firm: Firm) -> _Thread:
        return _Thread(f"thread-{self.count:04d}", category, subject, sender, firm)

    def _person_of(self, firm: Firm, category: str) -> tuple[str, str]:
        """One of a firm's three people that write to us. Each has a desk, and mostly writes about what lies on it."""
        first = sum(map(ord, firm.name)) % len(PEOPLE)
        desk = list(CATEGORIES).index(category) % 3 if self.rng.random() < 0.9 else self.rng.randrange(3)
        name = PEOPLE[(first + 7 * desk) % len(PEOPLE)]
        return name, f"{_address(name)}@{firm.domain}"

    def _signature(self, thread: _Thread, slots: dict[str, str]) -> str:
        rng, name = self.rng, thread.sender[0]
        sign_off = self._say(PHRASES.sign_offs, slots)
        if rng.random() < 0.3:
            return f"{sign_off}\n{name.split()[0]}"
        full = f"{sign_off}\n{name}"
        if rng.random() < 0.6:
            desk = f"{rng.choice(prose.JOBS)} | {thread.firm.name}\n{slots['phone']} | {thread.firm.domain}"
            full += f"\n\n-- \n{name}\n{desk}"
        if rng.random() < 0.3:
            full += "\n\n" + self._say(PHRASES.disclaimers, slots)
        return full

    def _letter_of(self, thread: _Thread, subject: str, body: str, files: Sequence[str]) -> Letter:
        rng = self.rng
        slots = self._slots(thread.firm)
        attachments = (
            tuple({self._say(files, slots) for _ in range(rng.choice((1, 1, 2)))})
            if files and rng.random() < 0.35
            else ()
        )
        return Letter(
            sender=thread.sender,
            subject=subject,
            body=body,
            when=self.now,
            message_id=f"<{self.count:05d}.{rng.getrandbits(40):010x}@{thread.sender[1].partition('@')[2]}>",
            references=tuple(thread.message_ids),
            quoted=thread.last,
            attachments=tuple(sorted(attachments)),
            bulk=thread.category == "Newsletters",
        )

    def _perhaps(self, share: float, bank: Sequence[str], slots: dict[str, str]) -> list[str]:
        return [self._say(bank, slots)] if self.rng.random() < share else []

    def _say(self, bank: Sequence[str], slots: dict[str, str], rng: random.Random | None = None) -> str:
        """One line of a bank with its choices made and its slots filled."""
        rng = rng or self.rng
        line = rng.choice(bank)
        chosen = re.sub(r"\[([^\[\]]*)\]", lambda found: rng.choice(found[1].split("|")), line)
        text = re.sub(r" +([.,;?!:])", r"\1", chosen.format_map(slots))
        return text.replace(". ;", ";").replace("?.", "?").strip()

    def _slots(self, firm: Firm, rng: random.Random | None = None) -> dict[str, str]:
        rng = rng or self.rng
        item, items = rng.choice(THINGS.items)
        colour, colour2 = rng.sample(THINGS.colours, 2)
        day, day2 = rng.sample(THINGS.days, 2)
        date = (self.now + timedelta(days=rng.randint(2, 40))).date()
        return {
            "item": item,
            "items": items,
            "colour": colour,
            "colour2": colour2,
            "day": day,
            "day2": day2,
            "date": rng.choice((f"{date:%d %B}", f"{date:%d.%m.%Y}", f"{date.day} {date:%B}", f"{date:%d/%m}")),
            "month": rng.choice(THINGS.months),
            "n": str(rng.randint(3, 60)),
            "n2": str(rng.randint(2, 9)),
            "hour": rng.choice(THINGS.hours),
            "clock": str(rng.randint(9, 16)),
            "number": str(rng.randint(11, 9989)),
            "amount": rng.choice(("{:,.2f} EUR", "£{:,.2f}", "GBP {:,.0f}", "{:,.0f} pounds")).format(
                rng.uniform(60, 9000)
            ),
            "order": f"{rng.choice(('PO', 'AF', 'No.', 'B'))}-{rng.randint(10000, 99999)}",
            "invoice": f"{rng.choice(('INV', 'RE', 'R', 'F'))}-{rng.randint(10000, 99999)}",
            "reference": f"{rng.choice('ABCDKMRT')}{rng.randint(100, 999)}/{rng.randint(10, 99)}",
            "phone": f"01632 960{rng.randint(100, 999)}",  # a range kept free for fiction
            "person": rng.choice(PEOPLE),
            "surname": rng.choice(PEOPLE).split()[-1],
            "colleague": rng.choice(COLLEAGUES),
            "post": rng.choice(prose.POSTS),
            "firm": firm.name,
            "city": rng.choice(prose.FIRMS).city if rng.random() < 0.5 else firm.city,
        }


_FOLDED = str.maketrans("øåéíü ", "oaeiu.")


def _address(name: str) -> str:
    """The local part of a person's address: "soren.lund"."""
    return name.lower().translate(_FOLDED)
