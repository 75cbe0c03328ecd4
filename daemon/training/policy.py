"""By what a mailbox's mail is filed just now: thresholds, what rests, what is new, how twins stand.

    the owner's settings | held-out answers of the model in use | what became of the decisions of the last weeks
    ->  the Policy that daemon.rules.decision follows

Without a desk and without a loaded model, so that `postroom status` can tell of it beside the service.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from daemon.model.model_folder import ModelMeta
from daemon.model.prediction import Point, TriedHint
from daemon.rules.decision import Policy
from daemon.rules.drift import resting
from daemon.rules.thresholds import comparable, thresholds
from daemon.rules.twins import Twinned, twinned
from daemon.settings import SortingSettings
from daemon.store import learning, mailboxes, outcomes, training, twin_pairs
from daemon.store.counting import counting
from daemon.store.database import Tx
from daemon.store.records import Category, DecisionSource

# Older filings prove nothing about today's model; and so many points drown what an exam of lessons says.
WITHIN = timedelta(days=60)
MOST = 1000


def policy_of(tx: Tx, mailbox: int, sorting: SortingSettings, meta: ModelMeta | None, now: datetime) -> Policy:
    """The owner's wanted precision, turned into a threshold for each category: by the current model's exam,
    and by what became of the decisions of the last weeks."""
    names = mailboxes.category_names(tx, mailbox)
    categories = {
        category.uid: replace(category, name=names[category.uid]) for category in mailboxes.categories(tx, mailbox)
    }
    twins = twins_of(tx, mailbox)
    if meta is None:
        current = training.current_model(tx, mailbox)
        refused = None if current is None else current.version
        return Policy(categories, {}, newcomers=twins.without(categories), refused=refused, twins=twins)
    wanted = {uid: wanted_precision(category, sorting) for uid, category in categories.items()}
    points, since = twins.points(meta.points), twins.points(evidence(tx, mailbox, now))
    found = dict(thresholds(points, sorting.precision, wanted, since))
    lessons = learning.lesson_counts(tx, mailbox)
    for uid in categories:
        if lessons.get(uid, 0) < sorting.min_examples:
            found[uid] = None
            del wanted[uid]
    new = [uid for uid, category in categories.items() if uid not in meta.categories and category.paused is None]
    newcomers = twins.without(new)
    answers = comparable(twins.points(evidence(tx, mailbox, now, also_newcomers=True)), points)
    rests = resting(reversed(answers), found, newcomers)
    tried = twins.tried((*meta.hints, *tried_hints(tx, mailbox, now)))
    version = meta.version
    return Policy(categories, found, version, newcomers, wanted=wanted, tried=tried, resting=rests, twins=twins)


def twins_of(tx: Tx, mailbox: int) -> Twinned:
    """How the pairs of folders that mean the same stand, as far as both folders are in use."""
    in_use = {one.uid for one in mailboxes.categories(tx, mailbox) if one.paused is None}
    stands = counting(tx, mailbox).by_category()
    pairs = [pair for pair in twin_pairs.pairs(tx, mailbox) if pair.choice is None and {pair.one, pair.other} <= in_use]
    return twinned(pairs, stands)


def wanted_precision(category: Category, sorting: SortingSettings) -> float:
    """How often what this category is given must be right."""
    if category.precision is not None:
        return category.precision
    return sorting.hide_precision if category.hides else sorting.precision


def evidence(tx: Tx, mailbox: int, now: datetime, *, also_newcomers: bool = False) -> list[Point]:
    """Every decision of the model whose outcome is known, the newest first. `also_newcomers`: and its answers to mail
    that was left because it looked like a newer folder's, of which the model could not know."""
    sources: tuple[DecisionSource, ...] = ("model", "newcomer") if also_newcomers else ("model",)
    return [
        Point(
            outcome.truth or "",
            outcome.predicted,
            outcome.probability if outcome.sureness is None else outcome.sureness,
            outcome.truth == outcome.predicted,
            outcome.sureness is not None,
        )
        for outcome in outcomes.known(tx, mailbox, now - WITHIN, MOST, sources)
    ]


def tried_hints(tx: Tx, mailbox: int, now: datetime) -> list[TriedHint]:
    """Every filing by a hint whose outcome is known, the newest first."""
    return [
        TriedHint(outcome.hint, outcome.truth, outcome.predicted)
        for outcome in outcomes.known(tx, mailbox, now - WITHIN, MOST, outcomes.HINTS)
        if outcome.hint is not None
    ]
