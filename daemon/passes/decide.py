"""From messages to decisions: the one way there, for the service, `preview`, `once --dry-run` and `rehearse`.

    messages | the model in use | one read of the database: policy, lessons, what is known of each | classify
             | daemon.rules.decision, one by one, since two copies of a mail may come together  ->  Decisions

Nothing is written and nothing is moved here: what comes of a decision is `daemon.passes.sort`.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from connectors.base import Message, is_touched
from daemon.model.classifier import Classifier
from daemon.model.memory import State
from daemon.model.prediction import Prediction
from daemon.passes.arrivals import find_known, is_moved_by_us, state_of_unknown
from daemon.passes.desk import Desk
from daemon.rules.decision import (
    DEALT_WITH,
    HAD_TAG,
    HAS_LABEL,
    HAS_TAG,
    MAY_HAVE_HAD_TAG,
    DecidedCopy,
    Decision,
    Policy,
    as_it_stands,
    by_rule,
    decide,
    hands_off,
    not_touched,
    was_put_back,
)
from daemon.rules.delivery import ServerClock
from daemon.rules.hints import Filed, Hint, correspondents, of_copies, of_thread
from daemon.rules.owner_rules import OwnerRule, first_that_fits
from daemon.rules.tags import in_use
from daemon.store import decisions, files_later, journal, learning, mailboxes, messages, taggings
from daemon.store.counting import counting
from daemon.store.database import Tx
from daemon.store.records import NOTHING_TO_FOLLOW, KnownMessage, Lesson, MessageState
from daemon.training.policy import policy_of


@dataclass(frozen=True)
class Asked:
    """A message as fetched, and as the database knows it; None: no look has recorded it yet."""

    message: Message
    known: KnownMessage | None


@dataclass(frozen=True)
class Decisions:
    """A decision for each message that was asked about, in order, and the policy that all of them follow."""

    policy: Policy
    made: tuple[Decision, ...]
    classify_ms: float
    """How long the model took for all of them, in milliseconds."""


@dataclass(frozen=True)
class _Evidence:
    """What the database says about one message. `why_not`: it is not to be touched."""

    state: MessageState
    why_not: str | None
    thread: tuple[Lesson, ...] = ()
    """People's lessons of its thread, the latest last."""
    copy: DecidedCopy | None = None
    put_back: bool = False
    rule: OwnerRule | None = None
    """Of the owner's, that decides about it."""


def as_known(desk: Desk, found: Sequence[Message]) -> list[Asked]:
    """These messages, just fetched, with what the database knows of them. Records nothing."""
    asked = []
    with desk.database.read() as tx:
        for message in found:
            place = messages.sighting_at(tx, desk.mailbox_id, message.sighting.ref)
            known = messages.get(tx, place.message) if place is not None else find_known(tx, desk, message.sighting)
            asked.append(Asked(message, known))
    return asked


def decisions_about(desk: Desk, asked: Sequence[Asked]) -> Decisions:
    """What is to be done with these messages, the earliest first. Raises EngineError while a model server is away."""
    classifier = desk.registry.classifier(desk.mailbox_id)
    with desk.database.read() as tx:
        policy = current_policy(tx, desk, classifier)
        own = policy.twins.without(policy.categories)
        in_use = [one for one in policy.categories.values() if one.paused is None and one.uid in own]
        desk.memory.refresh(MailboxLessons(tx, desk.mailbox_id), classifier, in_use if policy.newcomers else ())
        found = [_evidence(tx, desk, message, policy) for message in asked]
    began = time.perf_counter()
    predictions = _classify(classifier, asked, found)
    took = 1000 * (time.perf_counter() - began)
    made: list[Decision] = []
    copies: dict[str, DecidedCopy] = {}
    for place, (question, about) in enumerate(zip(asked, found, strict=True)):
        decision = _decide(desk, question, about, policy, predictions.get(place), copies)
        made.append(as_it_stands(decision, about.state))
        origin = _origin(question)
        if origin and about.state == "new" and decision.source not in NOTHING_TO_FOLLOW:
            message = None if question.known is None else question.known.id
            copies[origin] = DecidedCopy(message, decision, desk.clock())
    return Decisions(policy, tuple(made), took)


def _decide(
    desk: Desk,
    asked: Asked,
    about: _Evidence,
    policy: Policy,
    prediction: Prediction | None,
    copies: Mapping[str, DecidedCopy],
) -> Decision:
    """The decision about one message. `copies`: what has been decided just now, by origin."""
    if about.why_not is not None:
        return not_touched(about.why_not)
    if about.rule is not None and not about.put_back:
        return by_rule(about.rule, policy)
    text = asked.message.text
    copy = copies.get(_origin(asked))
    if copy is None or (asked.known is not None and copy.message == asked.known.id):
        copy = about.copy
    hint, guess = _hint(desk, asked, about.thread), desk.memory.first_words(text)
    return decide(prediction, hint, policy, guess, copy, put_back=about.put_back)


def _hint(desk: Desk, asked: Asked, thread: Sequence[Lesson]) -> Hint | None:
    """Where people put this mail's thread, or mails nearly like it."""
    text, at = asked.message.text, asked.message.sighting.arrived or desk.clock()
    filed = [Filed(lesson.category, lesson.at, correspondents(lesson.text)) for lesson in thread]
    hint = of_thread(text, at, filed, desk.settings.own_domains)
    return hint if hint is not None else of_copies(at, desk.memory.near(text))


def _classify(
    classifier: Classifier | None, asked: Sequence[Asked], found: Sequence[_Evidence]
) -> dict[int, Prediction]:
    """What the model thinks of those that may be touched, by their place in the row; nothing without a model."""
    wanted = [place for place, about in enumerate(found) if about.why_not is None]
    if classifier is None or not wanted:
        return {}
    # Paused categories are not masked out: their mail would go, renormalised and sure of itself, to another folder.
    predictions = classifier.classify([asked[place].message.text for place in wanted])
    return dict(zip(wanted, predictions, strict=True))


# --- what the database knows


@dataclass(frozen=True)
class MailboxLessons:
    """One mailbox's lessons, as the memory asks for them."""

    tx: Tx
    mailbox: int

    def state(self) -> State:
        stands = counting(self.tx, self.mailbox)
        taught, said_later = learning.lesson_state(self.tx, self.mailbox), files_later.reread(self.tx, self.mailbox)
        return (*taught, stands if stands.pairs else None, said_later)

    def newest(self, count: int, after: int = 0) -> list[Lesson]:
        return learning.lessons(self.tx, self.mailbox, after=after, newest=count)

    def counting(self, since: int) -> Collection[int]:
        return learning.lesson_ids(self.tx, self.mailbox, since=since)


def current_policy(tx: Tx, desk: Desk, classifier: Classifier | None) -> Policy:
    """What the owner's settings, the model in use and what people did mean for this mailbox just now."""
    return policy_of(tx, desk.mailbox_id, desk.sorting, None if classifier is None else classifier.meta, desk.clock())


def _evidence(tx: Tx, desk: Desk, asked: Asked, policy: Policy) -> _Evidence:
    message, known = asked.message, asked.known
    state = known.state if known is not None else _state_of_unknown(tx, desk, message)
    rule = first_that_fits(message, desk.settings.rules)
    why_not = hands_off(message, desk.sorting, desk.settings.own_domains, ruled=rule is not None)
    if why_not is None and known is not None and _is_labelled(tx, known, policy):
        why_not = HAS_LABEL
    if why_not is None:
        why_not = _is_tagged(tx, asked, policy)
    if why_not is None and known is not None and state == "new":
        why_not = _is_dealt_with(tx, desk, message, known)
    if why_not is not None:
        return _Evidence(state, why_not)
    references = message.sighting.references
    thread = known.thread if known is not None else next(iter(references), message.sighting.identity.message_id)
    lessons = learning.of_thread(tx, desk.mailbox_id, references, thread)
    put_back = _is_copy_put_back(tx, desk, asked, policy)
    return _Evidence(state, None, tuple(lessons), _copy(tx, desk, asked), put_back, rule)


def _state_of_unknown(tx: Tx, desk: Desk, message: Message) -> MessageState:
    """The state that the next look would give to a message which none has recorded yet."""
    mailbox = mailboxes.get(tx, desk.mailbox_id)
    return state_of_unknown(desk, message.sighting, mailbox, ServerClock.load(mailbox.server_clock))


def _is_labelled(tx: Tx, known: KnownMessage, policy: Policy) -> bool:
    if not known.identity.labelled:
        return False
    folders = {category.folder for category in policy.categories.values()}
    return any(place.gone is None and place.ref.folder in folders for place in messages.sightings(tx, known.id))


def _is_tagged(tx: Tx, asked: Asked, policy: Policy) -> str | None:
    """Has somebody else decided by a tag? Where mail is moved, tags say nothing."""
    tags = in_use(policy.categories.values())
    if not tags:
        return None
    if is_touched(asked.message.sighting.flags, tags):
        return HAS_TAG
    stands = taggings.last(tx, asked.known.id) if asked.known is not None else None
    return HAD_TAG if stands is not None and not stands.ours else None


def _is_dealt_with(tx: Tx, desk: Desk, message: Message, known: KnownMessage) -> str | None:
    """Has a Postroom acted on it that this database knows nothing of: another, or this one after the backup from which
    the database was restored?"""
    restored = mailboxes.get(tx, desk.mailbox_id).restored
    tries = [one for one in journal.of_message(tx, known.id) if one.state != "done"]
    if is_moved_by_us(message.sighting) and not any(restored is None or one.planned > restored for one in tries):
        return DEALT_WITH
    tagging_since = desk.settings.act_by == "tag" and restored is not None and known.first_seen < restored
    return MAY_HAVE_HAD_TAG if tagging_since else None


def _origin(asked: Asked) -> str:
    """What all copies of one mail share; "": nothing tells."""
    identity = asked.known.identity if asked.known is not None else asked.message.sighting.identity
    return identity.origin


def _copy(tx: Tx, desk: Desk, asked: Asked) -> DecidedCopy | None:
    origin = _origin(asked)
    if not origin:
        return None
    made = decisions.of_copy(tx, desk.mailbox_id, origin, None if asked.known is None else asked.known.id)
    if made is None:
        return None
    figures = (made.best, made.probability, made.runner_up, made.runner_up_probability)
    decision = Decision(made.category, made.source, made.reason, *figures, sureness=made.sureness, hint=made.hint)
    return DecidedCopy(made.message, decision, made.at)


def _is_copy_put_back(tx: Tx, desk: Desk, asked: Asked, policy: Policy) -> bool:
    """Has somebody put another copy of this mail back into the inbox? Or this very mail, which a mail program has saved
    again since: to the server that is another message."""
    origin = _origin(asked)
    if not origin:
        return False
    tags = in_use(policy.categories.values()).keys()
    return any(
        was_put_back(
            copy.state,
            messages.sightings(tx, copy.id),
            learning.corrections(tx, desk.mailbox_id, message=copy.id),
            taggings.of_message(tx, copy.id),
            tags,
            desk.settings.inbox,
        )
        for copy in messages.of_origin(tx, desk.mailbox_id, origin)
        if asked.known is None or copy.id != asked.known.id
    )
