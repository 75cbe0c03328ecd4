"""The memory of today's lessons: exact, newest first to stay, and quick however much mails have in common."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime

from connectors.base import MailText
from daemon.model.near_duplicates import LEAST_OVERLAP, NearDuplicates
from daemon.model.near_duplicates import _shingle as shingles

DAY = datetime(2026, 3, 1, tzinfo=UTC)
WORDS = [f"word{number}" for number in range(60)]


def mail(chance: random.Random, length: int, footer: str = "") -> MailText:
    return MailText(body=" ".join(chance.choices(WORDS, k=length)) + footer)


def changed(text: MailText, chance: random.Random) -> MailText:
    words = text.body.split()
    for _ in range(chance.randint(0, 4)):
        words[chance.randrange(len(words))] = chance.choice(WORDS)
    return MailText(body=" ".join(words))


def test_whatever_overlaps_enough_is_found_and_nothing_else() -> None:
    chance = random.Random(1)
    memory = NearDuplicates()
    lessons = [mail(chance, 40) for _ in range(40)]
    for number, text in enumerate(lessons):
        memory.add(number, text, "orders", DAY)
    found = 0
    for _ in range(300):
        asked = changed(chance.choice(lessons), chance)
        wanted = {*shingles(asked)}
        best = max(len(wanted & {*shingles(text)}) / len(wanted | {*shingles(text)}) for text in lessons)
        answer = memory.near(asked)
        assert bool(answer) == (best >= LEAST_OVERLAP)
        if answer:
            assert max(copy.overlap for copy in answer) == best
            assert [copy.lesson for copy in answer] == sorted(copy.lesson for copy in answer)
            found += 1
    assert 30 < found < 290


def test_two_that_send_other_files_are_no_near_copies_though_both_say_please_find_attached() -> None:
    body = "Please find attached the document that we spoke of, kind regards"
    papers = [f"{kind} no. 4711 of March for the house in Mill Lane 3" for kind in ("Invoice", "Damage report")]
    invoice, report = (MailText(body=body, attached_text=f"{paper}\n{paper * 3}") for paper in papers)
    memory = NearDuplicates()
    memory.add(1, invoice, "invoices", DAY)
    assert [copy.lesson for copy in memory.near(invoice)] == [1]
    assert memory.near(report) == []
    assert memory.near(MailText(body=body)) == []


def test_only_the_newest_stay_and_a_common_footer_costs_no_time() -> None:
    chance = random.Random(2)
    footer = " " + " ".join(f"legal{number}" for number in range(150))
    memory = NearDuplicates(capacity=500)
    for number in range(3000):
        memory.add(number, mail(chance, 60, footer), "orders", DAY)
    assert len(memory) == 500
    began = time.process_time()
    assert not any(memory.near(mail(chance, 60, footer)) for _ in range(50))
    assert time.process_time() - began < 5


def test_what_was_taken_back_counts_no_more() -> None:
    chance = random.Random(3)
    memory = NearDuplicates()
    texts = {number: mail(chance, 40) for number in (4, 7, 9)}
    for number, text in texts.items():
        memory.add(number, text, "orders", DAY)
    assert [copy.lesson for copy in memory.near(texts[7])] == [7]
    memory.keep({4, 9})
    assert (len(memory), memory.oldest) == (2, 4)
    assert not memory.near(texts[7])
    assert [copy.lesson for copy in memory.near(texts[9])] == [9]
    memory.keep(())
    assert (memory.oldest, memory.near(texts[9])) == (0, [])
