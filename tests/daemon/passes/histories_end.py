"""What has to be true of one daemon's database when a random history has ended."""

from __future__ import annotations

from collections import Counter
from typing import Any

from daemon.rules.bulk_moves import MOST_SINGLE
from daemon.store import decisions, journal, learning, mailboxes, messages
from tests.daemon.passes.people import Daemon, Mail, WronglyTaught


def check(history: Any, daemon: Daemon) -> None:
    """Raises WronglyTaught, or AssertionError about anything else."""
    mailbox = daemon.desk.mailbox_id
    with daemon.desk.database.begin() as tx:
        categories = {each.uid: each for each in mailboxes.categories(tx, mailbox)}
        corrections = learning.corrections(tx, mailbox)
        counting = "SELECT correction_id FROM lessons WHERE voided IS NULL AND correction_id IS NOT NULL"
        teaching = set(tx.exec_driver_sql(counting).scalars())
        lessons = learning.lessons(tx, mailbox)
        known = {each.message: messages.get(tx, each.message) for each in corrections}
        decided = decisions.since(tx, mailbox, history.our_clock().replace(year=2000))
        unfinished = journal.unfinished(tx, mailbox)
    assert unfinished == []
    of_uid = {uid: history.first_name(category.folder) for uid, category in categories.items()}
    assert sorted(of_uid.values()) == ["Invoices", "Orders"], "a rename made or lost a category"
    assert all(category.paused is None for category in categories.values())

    made: Counter[str] = Counter()
    speaks: dict[str, bool] = {}
    for correction in corrections:
        subject = history.subject_of[known[correction.message].identity.digest]
        folder = history.first_name(correction.to_folder)
        made[subject] += 1
        speaks[subject] = correction.voided is None and not correction.waits
        if not speaks[subject] and correction.id in teaching:
            raise WronglyTaught(f"{subject} teaches what nobody has confirmed")
        is_a_persons(history, daemon, history.life[subject], folder)
    for subject, count in made.items():
        mail = history.life[subject]
        doubted = bool(history.jumps and mail.last_rule)
        if count > len(mail.acts) + doubted and not any(subject == other for other, _ in daemon.unheard):
            raise WronglyTaught(f"{subject} was corrected {count} times")

    made_of = [each.message for each in decided if each.source != "rule"]  # remarks are not decisions
    for message, count in Counter(made_of).items():
        # What broke off before it was sent is decided anew.
        assert count == 1 or history.cut, f"message {message} was decided {count} times"

    taught: dict[str, list[str]] = {}
    for lesson in lessons:
        taught.setdefault(lesson.text.subject, []).append(of_uid[lesson.category])
    for subject, learnt in taught.items():
        assert len(learnt) == 1
        is_a_persons(history, daemon, history.life[subject], learnt[0])
    for origin, count in Counter(history.life[subject].origin for subject in taught).items():
        assert count == 1, f"{origin} was learnt twice"
    if history.calm:
        the_last_word_counts(history, speaks, taught)


def is_a_persons(history: Any, daemon: Daemon, mail: Mail, folder: str) -> None:
    """Raises WronglyTaught if no person put this mail there, as far as this daemon may know."""
    heard = any(act.folder == folder and daemon.hears(act) for act in mail.acts)
    if mail.last_rule == folder and history.jumps:
        return  # rules are told from people by the clock, in doubt it was a person
    if not heard and (mail.subject, folder) not in daemon.unheard:
        raise WronglyTaught(f"{daemon.name}: nobody moved {mail.subject} to {folder}")


def the_last_word_counts(history: Any, speaks: dict[str, bool], taught: dict[str, list[str]]) -> None:
    """Where a person put a mail last, and it was seen to rest there, it teaches."""
    for subject, mail in history.life.items():
        pieces = history.of(subject)
        if mail.copied or not pieces or mail.last_mover != "person":
            continue
        where = history.where(pieces[0])
        twins = [each for each in history.life.values() if each.origin == mail.origin]
        if where not in ("Invoices", "Orders") or len(twins) > 1 or not speaks.get(subject, True):
            continue
        if any(act.source == where for act in mail.acts[:-1]) and history.most_single < MOST_SINGLE:
            continue  # put back where it was before a bulk move
        if len(mail.seen) >= 2 and mail.seen[-1] == where:
            assert taught.get(subject) == [where], f"{subject}: the last word was {where}"
