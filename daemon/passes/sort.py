"""Sort the new messages whose time has come.

    due messages | fetch | hands off? | hints from people | classify | decide | plan | act

In shadow everything happens but the move.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from connectors.base import Action, Message, Move, Tag
from daemon.model.classifier import Classifier, Prediction
from daemon.model.first_guess import FirstGuess, unknown_to
from daemon.model.neighbours import CAPACITY
from daemon.passes.act import act
from daemon.passes.desk import Desk
from daemon.passes.evidence import evidence
from daemon.passes.folder_list import review_folder
from daemon.rules.decision import Decision, Hint, Policy, decide, hands_off
from daemon.rules.thresholds import thresholds
from daemon.store import decisions, journal, learning, mailboxes, messages, training
from daemon.store.database import Tx
from daemon.store.records import Category, KnownMessage, KnownSighting, Mailbox

log = structlog.get_logger()

BATCH = 16
"""Messages fetched and classified together: enough to use a batch, few enough to stop soon."""


NEWEST_LESSONS = 500
"""So many are looked through for first examples of categories that the model does not know."""


@dataclass
class Sorted:
    """What one round of sorting did, by outcome."""

    outcomes: dict[str, int] = field(default_factory=dict)

    def count(self, outcome: str) -> None:
        """One more."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1


def sort(desk: Desk) -> Sorted:
    """Sort what is due, in batches, until nothing is left or somebody says stop."""
    result = Sorted()
    while not desk.stop():
        with desk.database.read() as tx:
            mailbox = mailboxes.find(tx, desk.settings.name)
            assert mailbox is not None
            allowance = _allowance(tx, desk)
            due = messages.due(tx, desk.mailbox_id, desk.settings.inbox, desk.clock(), min(BATCH, allowance))
        if not due:
            break
        if not _sort_batch(desk, mailbox, due, result):
            break
    return result


def _allowance(tx: Tx, desk: Desk) -> int:
    """How many more messages may be moved now: the breaker against a run-away."""
    recent = journal.done_since(tx, desk.mailbox_id, desk.clock() - timedelta(minutes=1))
    return max(0, desk.sorting.max_moves_per_minute - recent)


def _sort_batch(
    desk: Desk, mailbox: Mailbox, due: Sequence[tuple[KnownMessage, KnownSighting]], result: Sorted
) -> bool:
    """Sort one batch. False if the batch was not finished, so that nobody asks for the next one."""
    fetched = {message.sighting.ref: message for message in desk.connector.fetch([place.ref for _, place in due])}
    policy = current_policy(desk)
    predictions = classify(desk, [fetched[place.ref] for _, place in due if place.ref in fetched])
    first_guess = guesser(desk, policy)
    for known, place in due:
        if desk.stop():
            return False
        message = fetched.get(place.ref)
        if message is None:  # gone since the last look, which the next one will tell
            with desk.database.begin() as tx:
                messages.set_state(tx, known.id, "gone")
            result.count("gone")
            continue
        outcome = _sort_one(desk, mailbox, known, place, message, policy, predictions.get(place.ref), first_guess)
        result.count(outcome)
    return True


def classify(desk: Desk, found: Sequence[Message]) -> Mapping[object, Prediction]:
    """What the current model thinks of these messages, by ref; empty without a model."""
    classifier = desk.registry.classifier(desk.mailbox_id)
    wanted = [message for message in found if hands_off(message, desk.sorting, desk.settings.own_domains) is None]
    if classifier is None or not wanted:
        return {}
    teach_neighbours(desk, classifier)
    # Paused categories are not masked out: their mail would go, renormalised and sure of itself, to another folder.
    predictions = classifier.classify([message.text for message in wanted])
    return {message.sighting.ref: prediction for message, prediction in zip(wanted, predictions, strict=True)}


def teach_neighbours(desk: Desk, classifier: Classifier) -> None:
    """What people taught since the model was trained counts from the next mail on, and what they took back no more."""
    if classifier.newest_lesson is None:
        return
    with desk.database.read() as tx:
        state = (classifier.meta.version, *learning.lesson_state(tx, desk.mailbox_id))
        if state == desk.taught:
            return
        fresh = learning.lessons(tx, desk.mailbox_id, after=classifier.newest_lesson, newest=CAPACITY)
        counting = learning.lesson_ids(tx, desk.mailbox_id)
    classifier.learn([(lesson.id, lesson.text, lesson.category) for lesson in fresh], counting)
    desk.taught = state


def current_policy(desk: Desk) -> Policy:
    """The owner's wanted precision, turned into a threshold for each category: by the current model's exam,
    and by what became of the decisions of the last weeks."""
    with desk.database.read() as tx:
        categories = {category.uid: category for category in mailboxes.categories(tx, desk.mailbox_id)}
        lessons = learning.lesson_counts(tx, desk.mailbox_id)
        lately = evidence(tx, desk)
        current = training.current_model(tx, desk.mailbox_id)
    classifier = desk.registry.classifier(desk.mailbox_id)
    if classifier is None:
        refused = None if current is None else current.version
        return Policy(categories, {}, newcomers=frozenset(categories), refused=refused)
    wanted = {uid: _wanted_precision(category, desk) for uid, category in categories.items()}
    found = dict(thresholds(classifier.meta.points, desk.sorting.precision, wanted, lately))
    for uid in categories:
        if lessons.get(uid, 0) < desk.sorting.min_examples:
            found[uid] = None
    newcomers = frozenset(each.uid for each in unknown_to(classifier.meta.categories, categories))
    return Policy(categories, found, classifier.meta.version, newcomers)


def guesser(desk: Desk, policy: Policy) -> FirstGuess | None:
    """What guesses before a model knows a category; None when the model knows them all."""
    if not policy.newcomers:
        return None
    with desk.database.read() as tx:
        lessons = learning.lessons(tx, desk.mailbox_id, newest=NEWEST_LESSONS)
    in_use = [category for category in policy.categories.values() if category.paused is None]
    return FirstGuess(in_use, lessons)


def _wanted_precision(category: Category, desk: Desk) -> float:
    if category.precision is not None:
        return category.precision
    return desk.sorting.hide_precision if category.hides else desk.sorting.precision


def _sort_one(
    desk: Desk,
    mailbox: Mailbox,
    known: KnownMessage,
    place: KnownSighting,
    message: Message,
    policy: Policy,
    prediction: Prediction | None,
    first_guess: FirstGuess | None,
) -> str:
    """Decide on one message and act on it. Returns the outcome's name."""
    why_not = hands_off(message, desk.sorting, desk.settings.own_domains) or _labelled(desk, known, policy)
    if why_not is not None:
        decision = Decision(None, "rule", f"not touched: {why_not}")
    else:
        hint = find_hint(desk, known, message)
        guessed = first_guess.guess(message.text) if first_guess is not None else None
        same = None if hint is not None else _as_its_copy(desk, known, policy)
        decision = same or decide(prediction, hint, policy, guessed)
    category = policy.categories[decision.category] if decision.category is not None else None
    action = _action(desk, category) if mailbox.mode == "live" else None
    now = desk.clock()
    with desk.database.begin() as tx:
        decision_id = decisions.add(
            tx,
            known.id,
            now,
            category=decision.category,
            best=decision.best,
            probability=decision.probability,
            runner_up=decision.runner_up,
            runner_up_probability=decision.runner_up_probability,
            source=decision.source,
            reason=decision.reason,
            model=policy.model,
            mode=mailbox.mode,
        )
        if action is None:
            messages.set_state(tx, known.id, "sorted" if category is not None else "left")
        else:
            entry = journal.plan(tx, known.id, place.ref, action, now, decision=decision_id, kind="sort")
    outcome = "would-file" if category is not None else "left"
    if action is not None:
        outcome = act(desk, known.id, place, message.sighting.identity, action, entry).status
    log.info(
        "sorted",
        mailbox=desk.settings.name,
        message=known.id,
        status=outcome,
        category=decision.category,
        source=decision.source,
        probability=None if decision.probability is None else round(decision.probability, 3),
        model=policy.model,
    )
    return outcome


def _labelled(desk: Desk, known: KnownMessage, policy: Policy) -> str | None:
    """At Gmail a message in the inbox may have a category's label already: then a person or a filter has decided."""
    if not known.identity.labelled:
        return None
    folders = {category.folder for category in policy.categories.values()}
    with desk.database.read() as tx:
        places = messages.sightings(tx, known.id)
    if any(place.gone is None and place.ref.folder in folders for place in places):
        return "it has a category's label already"
    return None


def _action(desk: Desk, category: Category | None) -> Action | None:
    if category is None:
        with desk.database.read() as tx:
            folder = review_folder(tx, desk)
        return Move(folder) if folder is not None else None
    if desk.settings.act_by == "tag":
        return Tag(add=frozenset({keyword(category.name)}))
    return Move(category.folder)


def keyword(name: str) -> str:
    """A category's name as a tag that every server can keep: letters, digits and "-._" (an atom, RFC 3501). Pure."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._]+", "-", plain).strip("-.") or "category"


def _as_its_copy(desk: Desk, known: KnownMessage, policy: Policy) -> Decision | None:
    """The decision about another copy of the same mail (directly and by a list), if there was one: one mail, one word.

    If a person has put that copy back into the inbox, this one stays there too.
    """
    with desk.database.read() as tx:
        made = decisions.of_copy(tx, known.id)
        said = [] if made is None else learning.corrections(tx, desk.mailbox_id, message=made.message)
    if made is None:
        return None
    if any(each.voided is None and each.kind == "rejection" for each in said[-1:]):
        return Decision(None, "copy", "left: a person put another copy of this mail back into the inbox")
    category = policy.categories.get(made.category) if made.category is not None else None
    if made.category is not None and (category is None or category.paused is not None):
        return None
    words = f"{category.name}: " if category is not None else "left: "
    reason = f"{words}as another copy of this mail, decided on {made.at:%Y-%m-%d}"
    return Decision(
        made.category, "copy", reason, made.best, made.probability, made.runner_up, made.runner_up_probability
    )


def find_hint(desk: Desk, known: KnownMessage, message: Message) -> Hint | None:
    """Where people put this mail's thread, or a mail nearly like it."""
    with desk.database.read() as tx:
        lesson = learning.thread_place(tx, desk.mailbox_id, message.sighting.references, known.thread)
        _refresh_memory(tx, desk)
    if lesson is not None:
        return Hint(lesson.category, "thread", f"same thread as a mail that was filed by hand on {lesson.at:%Y-%m-%d}")
    near = desk.memory.lookup(message.text)
    if near is not None:
        category, overlap = near
        return Hint(category, "memory", f"{overlap:.0%} the same words as a mail that was filed there by hand")
    return None


def _refresh_memory(tx: Tx, desk: Desk) -> None:
    """Bring the memory up to date: append what is new, forget what was voided."""
    state = learning.lesson_state(tx, desk.mailbox_id)
    if state == desk.remembered:
        return
    memory, (known, _) = desk.memory, desk.remembered
    for lesson in learning.lessons(tx, desk.mailbox_id, after=known, newest=memory.capacity):
        memory.add(lesson.id, lesson.text, lesson.category)
    memory.keep(learning.lesson_ids(tx, desk.mailbox_id, since=memory.oldest))
    desk.remembered = state
