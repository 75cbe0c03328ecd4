"""What hints are worth on this mailbox: every newer lesson is asked what its thread and its near copies said before it.

lessons in order of time | the thread's lessons so far, the near copies so far | daemon.rules.hints, as in service
->  tried hints, which the daemon judges a new hint by

Asked of the lessons as people made them, before near copies are merged: those are what hints are about.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

from connectors.base import MailText
from daemon.model.as_read import as_read
from daemon.model.near_duplicates import NearCopy, NearDuplicates
from daemon.model.prediction import TriedHint
from daemon.rules.hints import Filed, correspondents, of_copies, of_thread
from daemon.training.order import Lesson
from trainer.recipe import Hints

MOST_TEXTS = 64
"""So many texts that come again and again, as of machines, are looked up once: one has thousands of copies."""


def tried_hints(lessons: Sequence[Lesson], own_domains: Sequence[str], recipe: Hints) -> tuple[TriedHint, ...]:
    """The hints about the newest lessons, in order of time. Deterministic."""
    ordered = sorted(lessons, key=lambda lesson: (lesson.when, lesson.id))
    first = max(0, len(ordered) - recipe.most)
    places = {lesson.id: place for place, lesson in enumerate(ordered)}
    memory = NearDuplicates()
    for lesson in ordered:
        memory.add(lesson.id, lesson.text, lesson.category, lesson.when)

    @lru_cache(MOST_TEXTS)
    def near(text: MailText) -> list[NearCopy]:
        return memory.near(text)

    threads: dict[str, list[Filed]] = defaultdict(list)
    found = []
    for place, lesson in enumerate(ordered):
        thread = threads[lesson.thread] if lesson.thread is not None else []
        if place >= first:
            # The same words are hardly two mails: a hint of the thread is what service would ask first.
            hint = of_thread(lesson.text, lesson.when, thread, own_domains)
            if hint is None:
                shown = as_read(lesson.text)
                copies = near(MailText(subject=shown.subject, body=shown.body))
                hint = of_copies(lesson.when, [copy for copy in copies if places[copy.lesson] < place])
            if hint is not None:
                found.append(TriedHint(hint.kind, lesson.category, hint.category))
        if lesson.thread is not None:
            thread.append(Filed(lesson.category, lesson.when, correspondents(lesson.text)))
            del thread[: -recipe.of_a_thread]
    return tuple(found)
