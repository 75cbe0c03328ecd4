"""What to do with one message: values in, a decision with its reason out.

The first of these that applies decides:

    the message is not to be touched
    another copy of it was put back into the inbox
    the owner has a rule for it
    people filed its thread by hand, or it nearly repeats a lesson, and such hints have been right often enough
    another copy of it was decided about
    the model is sure enough, or not

`daemon.passes.decide` gathers what comes in; nobody else composes a decision. The reason is what people read in
`postroom why`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from connectors.base import Mark, Message
from daemon.model.prediction import Prediction, TriedHint
from daemon.rules.addresses import fits_one, in_domains
from daemon.rules.drift import Rest
from daemon.rules.hints import Hint, grounds
from daemon.rules.owner_rules import OwnerRule
from daemon.rules.twins import ASK, Twinned
from daemon.store.records import Category, Correction, DecisionSource, HintKind, KnownSighting, MessageState, Tagging

if TYPE_CHECKING:
    from daemon.settings import SortingSettings

NOT_OURS: Mapping[MessageState, str] = {
    "existing": "it was in the inbox before Postroom looked at it (`sort --backlog`)",
    "sorted": "it has been decided about already",
    "left": "it has been decided about already",
    "elsewhere": "it was in another folder before it came into the inbox",
    "gone": "it left the inbox before its time came",
    "placed": "somebody put it into the inbox; only mail that is delivered there is sorted",
}
"""Why a message in such a state is not sorted, whatever it says."""
HAS_LABEL = "it has a category's label already"
"""At Gmail a message in the inbox may: then a person or a filter has decided."""


HAS_TAG = "it has a category's tag already"
"""Put on by a person, or by a rule of theirs, before our time came."""
HAD_TAG = "somebody has taken a category's tag off"
"""Not one of ours; so the message was looked at, and is left to them."""
DEALT_WITH = "a Postroom has dealt with it before"
"""It carries our keyword, and not by a try of this database that failed: its tag was taken off, or it was put back."""
MAY_HAVE_HAD_TAG = "the database was restored from a backup; since that was made somebody may have taken a tag off"
"""Where mail is tagged nothing else would tell: the message lies where it lay."""


@dataclass(frozen=True)
class Policy:
    """How sure is sure enough. `thresholds`: how sure the model has to be of a category (`Prediction.sure`); None: it
    has too little evidence."""

    categories: Mapping[str, Category]
    thresholds: Mapping[str, float | None]
    model: str | None = None
    newcomers: frozenset[str] = frozenset()
    """Categories that the model was not trained for; all of them without a model."""
    refused: str | None = None
    """The version in use, if it cannot be used."""
    wanted: Mapping[str, float] = field(default_factory=dict)
    """The precision that each category's filings must have. None here: it has too few lessons to file at all."""
    tried: tuple[TriedHint, ...] = ()
    """What became of hints on this mailbox."""
    resting: Mapping[str, Rest] = field(default_factory=dict)
    """Categories that file nothing for now, because their mail suddenly goes elsewhere."""
    twins: Twinned = field(default_factory=Twinned)
    """The folders that mean the same."""


@dataclass(frozen=True)
class Decision:
    """File it under `category`, or leave it (None); always with a reason in plain words."""

    category: str | None
    source: DecisionSource
    reason: str
    best: str | None = None
    probability: float | None = None
    runner_up: str | None = None
    runner_up_probability: float | None = None
    sureness: float | None = None
    """How sure the model is of `best`; None where it states no more than probabilities."""
    hint: HintKind | None = None
    """What a filing by a hint rests on."""


@dataclass(frozen=True)
class DecidedCopy:
    """What was decided about another copy of the same mail, which came directly, by a list or as CC.

    `message`: None for one that no look has recorded yet.
    """

    message: int | None
    decision: Decision
    at: datetime


def hands_off(
    message: Message, sorting: SortingSettings, own_domains: Sequence[str] = (), *, ruled: bool = False
) -> str | None:
    """Why this message is not to be touched, or None.

    `ruled`: the owner has a rule for it, which says more than what kinds of mail are left alone in general.
    """
    flags = {flag.lower() for flag in message.sighting.flags}
    reasons: Sequence[tuple[bool, str]] = (
        (sorting.skip_flagged and "\\flagged" in flags, "somebody flagged it"),
        (sorting.skip_answered and "\\answered" in flags, "somebody answered it"),
        (fits_one(message.senders, sorting.never_senders), "its sender is listed in never_senders"),
    )
    kinds: Sequence[tuple[bool, str]] = (
        (sorting.skip_encrypted and _marked(message, "encrypted"), "it is encrypted"),
        (sorting.skip_calendar and _marked(message, "calendar"), "it is a calendar message"),
        (sorting.skip_bounces and _marked(message, "bounce"), "it is a delivery report"),
        (sorting.skip_internal and is_internal(message, own_domains), "it is mail among colleagues"),
    )
    if not ruled:
        reasons = (*reasons, *kinds)
    return next((reason for applies, reason in reasons if applies), None)


def forbidding_flags(sorting: SortingSettings) -> frozenset[str]:
    """The flags, in small letters, with which a message is not to be touched: asked again by the move itself, for
    people flag and answer mail while we think about it."""
    chosen = ((sorting.skip_flagged, "\\flagged"), (sorting.skip_answered, "\\answered"))
    return frozenset(flag for applies, flag in chosen if applies)


def is_internal(message: Message, own_domains: Sequence[str]) -> bool:
    """Did it never leave the house? Every sender and every recipient has an address in the office's own domains."""
    everybody = message.senders | message.recipients
    return bool(message.senders) and all(in_domains(address, own_domains) for address in everybody)


def was_put_back(
    state: MessageState,
    places: Sequence[KnownSighting],
    said: Sequence[Correction],
    taggings: Sequence[Tagging],
    tags: Collection[str],
    inbox: str,
) -> bool:
    """Has somebody put this message into the inbox, or back there, or taken a category's tag off it in the inbox?

    All in order of time. `tags`: those in use, in small letters. That it has left the inbox since means nothing: mail
    programs that save a message again delete the old one.
    """
    if any(one.voided is None and one.kind == "rejection" for one in said[-1:]):
        return True
    if not places or places[-1].ref.folder != inbox:
        return False
    earlier = places[:-1]
    moved = any(place.ref.folder != inbox for place in earlier) and all(place.gone is not None for place in earlier)
    tagged = any(one.tags & set(tags) for one in taggings[:-1])
    return state == "placed" or moved or (tagged and not taggings[-1].tags & set(tags))


def _marked(message: Message, mark: Mark) -> bool:
    return mark in message.marks


def not_touched(why: str) -> Decision:
    """Leave it, whatever a model would say."""
    return Decision(None, "rule", f"not touched: {why}")


BY_RULE = " says so"
"""What a reason ends with where a rule of the owner's decided."""


def by_rule(rule: OwnerRule, policy: Policy) -> Decision:
    """What the owner's rule says. Where its category is not to be had the message is left: a rule that says more than
    the model is not replaced by it."""
    wanted = rule.said.category
    if not wanted:
        return Decision(None, "owner", f"left: {rule.called}{BY_RULE}")
    meant = _called(wanted, policy.categories.values())
    places = list(dict.fromkeys(policy.twins.place_of(one.uid) for one in meant))
    if len(places) > 1:
        return Decision(None, "owner", f"left: {rule.called} says {wanted}, and several folders are called so")
    category = policy.categories.get(places[0]) if places else None
    if category is None:
        return Decision(None, "owner", f"left: {rule.called} says {wanted}, and there is no such category")
    if category.paused is not None:
        return Decision(None, "owner", f"left: {rule.called} says {category.name}, which is paused ({category.paused})")
    return Decision(category.uid, "owner", f"{category.name}: {rule.called}{BY_RULE}")


def _called(wanted: str, categories: Iterable[Category]) -> list[Category]:
    """The categories that the settings may mean: by the folder, as it is called or listed, then by the name of one in
    use, then by any name."""
    known = list(categories)
    by_name = [one for one in known if one.name == wanted]
    ways = (
        [one for one in known if one.folder == wanted],
        [one for one in known if one.listed_as == wanted],
        [one for one in by_name if one.paused is None],
    )
    return next((found for found in ways if found), by_name)


def as_it_stands(decision: Decision, state: MessageState) -> Decision:
    """The decision about a message that may be no longer, or never was, ours to sort; then it says both."""
    if state == "new":
        return decision
    reason = f"not touched: {NOT_OURS[state]}; if it came now: {decision.reason}"
    return replace(decision, category=None, source="rule", reason=reason)


def decide(
    prediction: Prediction | None,
    hint: Hint | None,
    policy: Policy,
    guess: Prediction | None = None,
    copy: DecidedCopy | None = None,
    *,
    put_back: bool = False,
) -> Decision:
    """Leave it if another copy was `put_back`; else file by what people did with its like where such hints are right
    often enough, else as its other copy, else by the model where it is sure enough, else leave it.

    A hint that may not file alone still objects: what people did with a mail's like is not decided against.

    `guess` is by names, descriptions and first examples alone (daemon.model.first_guess): it is told, never acted on.
    """
    if put_back:  # of this very mail somebody has said so; a hint is about others
        return Decision(None, "rule", "left: a person put another copy of this mail back into the inbox")
    said = [] if hint is None else [hint.category]
    said += [] if prediction is None else [prediction.ranking[0][0]]
    decision = _decide(policy.twins.joined(prediction), hint, policy, guess, copy)
    reason = "; ".join([decision.reason, *_counting(said, decision, policy)])
    return replace(decision, reason=reason)


def _counting(said: Sequence[str], decision: Decision, policy: Policy) -> list[str]:
    """Which folder's mail was meant, where another stands in its place: else nobody could explain the one told."""
    if decision.hint is not None:  # its mail may lie in any folder that counts as this one
        said = [*said, *(old for old, place in policy.twins.counts_as.items() if place == decision.category)]
    places = {uid: policy.twins.place_of(uid) for uid in said}
    return [
        f"{_name(uid, policy)} counts as {_name(place, policy)} ({ASK})"
        for uid, place in places.items()
        if place != uid and _name(place, policy) in decision.reason
    ]


def _decide(
    prediction: Prediction | None,
    hint: Hint | None,
    policy: Policy,
    guess: Prediction | None,
    copy: DecidedCopy | None,
) -> Decision:
    """The same, with the answers of twins added up."""
    if hint is not None:
        hint = replace(hint, category=policy.twins.place_of(hint.category))
        if (against := _twins(hint.category, policy)) is not None:
            return Decision(None, "none", f"left: {hint.reason}, but {against}", *_figures(prediction))
    category = policy.categories.get(hint.category) if hint is not None else None
    if hint is None or category is None or category.paused is not None:
        return _without_hint(prediction, policy, guess, copy)
    wanted = policy.wanted.get(hint.category)
    found = grounds(hint, policy.tried, wanted if wanted is not None else 1.0)
    rest = policy.resting.get(hint.category)
    if found.enough and wanted is not None and rest is None:
        words = f"{category.name}: {hint.reason}; {found.words}, {wanted:.0%} wanted"
        return Decision(hint.category, hint.kind.source, words, *_figures(prediction), hint=hint.kind)
    why = "too few lessons" if wanted is None else f"{found.words}, {wanted:.0%} wanted"
    if rest is not None:
        why = at_rest(rest, category, policy)
    return _beside(hint, category, why, _without_hint(prediction, policy, guess, copy))


def _beside(hint: Hint, category: Category, why: str, decision: Decision) -> Decision:
    """The decision beside a hint that may not file: what that says, why it is not enough, and no filing against it."""
    if decision.category == hint.category:
        return decision
    said = f"{hint.reason}, in {category.name}; that is not enough to file by ({why})"
    against = "left, because two folders are possible: " if decision.category is not None else ""
    return replace(decision, category=None, reason=f"{against}{decision.reason}; {said}")


def _without_hint(
    prediction: Prediction | None, policy: Policy, guess: Prediction | None, copy: DecidedCopy | None
) -> Decision:
    if copy is not None and (same := _as_its_copy(copy, policy)) is not None:
        return same
    if prediction is None:
        return _without_model(guess, policy)
    if (twins := _twins(prediction.ranking[0][0], policy)) is not None:  # nor is that evidence of how sure it may be
        said = f"left: {_in_words(prediction, policy)}; {twins}"
        return Decision(None, "none", said, *_figures(prediction))
    decision = _by_model(prediction, policy)
    if prediction.newcomer in policy.newcomers:
        # Nor is it evidence of how sure the model may be: it could not have known that folder.
        said = decision.reason if decision.category is None else f"left: {_in_words(prediction, policy)}"
        decision = replace(decision, category=None, source="newcomer")
        more = f"more like mail that people put into {_name(prediction.newcomer, policy)}"
    elif decision.category is None and guess is not None and guess.best in policy.newcomers:
        said, more = decision.reason, f"perhaps {_name(guess.best, policy)}"
    else:
        return decision
    return replace(decision, reason=f"{said}; {more}, which this model does not know yet")


def _twins(uid: str, policy: Policy) -> str | None:
    """Why nothing is filed there because of a folder that means the same, in words; None: nothing speaks against it."""
    return policy.twins.why_left(uid, {known: category.name for known, category in policy.categories.items()})


def _as_its_copy(copy: DecidedCopy, policy: Policy) -> Decision | None:
    """The decision about the other copy: one mail gets one decision."""
    made = copy.decision
    if made.category is not None:
        made = replace(made, category=policy.twins.place_of(made.category))
    category = policy.categories.get(made.category) if made.category is not None else None
    if made.category is not None and (category is None or category.paused is not None or _twins(category.uid, policy)):
        return None
    words = f"{category.name}: " if category is not None else "left: "
    return replace(made, source="copy", reason=f"{words}as another copy of this mail, decided on {copy.at:%Y-%m-%d}")


def _without_model(guess: Prediction | None, policy: Policy) -> Decision:
    why = "there is no trained model yet"
    if policy.refused is not None:
        why = f"the model in use, {policy.refused}, cannot be used (`postroom status` says why)"
    if guess is None:
        return Decision(None, "none", f"left: {why}")
    said = _in_words(guess, policy)
    reason = f"left: {why}; by names and descriptions alone {said}"
    return Decision(None, "none", reason, *_figures(guess))


def _by_model(prediction: Prediction, policy: Policy) -> Decision:
    best, _ = prediction.ranking[0]
    said = _in_words(prediction, policy)
    figures = _figures(prediction)
    category = policy.categories.get(best)
    if category is None or category.paused is not None:
        why = "is no longer in use" if category is None else f"is paused ({category.paused})"
        return Decision(None, "model", f"left: {said}; {_name(best, policy)} {why}", *figures)
    if (rest := policy.resting.get(best)) is not None:
        return Decision(None, "model", f"left: {said}; {at_rest(rest, category, policy)}", *figures)
    threshold = policy.thresholds.get(best)
    if threshold is None:
        return Decision(None, "model", f"left: {said}; {category.name} has too little evidence yet", *figures)
    sure = prediction.sure
    and_ = ";" if prediction.sureness is None else ","  # what is needed stands beside the number that needs it
    if sure < threshold:
        # "1.00, needs 1.00" would puzzle whoever asks why it was left.
        digits = next((count for count in (2, 3, 4) if f"{sure:.{count}f}" != f"{threshold:.{count}f}"), 5)
        said = _in_words(prediction, policy, digits)
        return Decision(None, "model", f"left: {said}{and_} {category.name} needs {threshold:.{digits}f}", *figures)
    return Decision(best, "model", f"{said}{and_} needs {threshold:.2f}; model {policy.model}", *figures)


def at_rest(rest: Rest, category: Category, policy: Policy) -> str:
    """Why this category files nothing now, in words. Two right answers in a row end every rest (daemon.rules.drift)."""
    where = (
        f"into {_name(rest.new, policy)}, which this model does not know yet" if rest.new is not None else "elsewhere"
    )
    asked = f"{rest.wrong} of the last {rest.asked} such mails" if rest.asked > 1 else "the last such mail"
    name = category.name
    return (
        f"{name} rests, so nothing is filed there for now: people put {asked} {where}; "
        f"two in a row that people put into {name} end that"
    )


def all_at_rest(policy: Policy) -> dict[str, str]:
    """By the name of a category in use, why it files nothing for now; nothing of those that do not rest."""
    found = ((policy.categories.get(uid), rest) for uid, rest in policy.resting.items())
    return {one.name: at_rest(rest, one, policy) for one, rest in found if one is not None and one.paused is None}


def _figures(
    prediction: Prediction | None,
) -> tuple[str | None, float | None, str | None, float | None, float | None]:
    if prediction is None:
        return None, None, None, None, None
    runner_up = prediction.runner_up or (None, None)
    return *prediction.ranking[0], *runner_up, prediction.sureness


def _in_words(prediction: Prediction, policy: Policy, digits: int = 2) -> str:
    best, probability = prediction.ranking[0]
    words = f"{_name(best, policy)} {probability:.{digits if prediction.sureness is None else 2}f}"
    if len(prediction.ranking) > 1:
        second, less = prediction.ranking[1]
        words += f", next {_name(second, policy)} {less:.2f}"
    if prediction.sureness is not None:
        words += f"; sure {prediction.sureness:.{digits}f}"
    return words


def _name(uid: str, policy: Policy) -> str:
    category = policy.categories.get(uid)
    return category.name if category is not None else "a removed category"
