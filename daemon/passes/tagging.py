"""Tags in a pass: which are watched, what was seen of them, what we did, what has come to rest.

    watched | news of the look, beside what is known | recorded with the look's cursor | settled, judged

All of it is nothing where mail is moved (`act_by`). A tag means something while the message lies in the inbox; in a
category's folder the folder says it, and elsewhere nobody looks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connectors.base import MOVED, Sighting, Tag, Tagged, is_touched
from connectors.errors import ActionRefused, FolderMissing
from daemon.passes.desk import Desk
from daemon.rules.correction import Judgement
from daemon.rules.tags import in_use, judge_tags, tagged_by_rule
from daemon.store import decisions, journal, mailboxes, messages, taggings
from daemon.store.database import Tx
from daemon.store.records import Category, KnownMessage, KnownSighting, Mailbox, Tagging

READ_EVERY = timedelta(minutes=5)
"""How often all tags are read where the server does not tell which changed: half of the usual `settle`."""
BY_RULE = "teaches nothing: a rule tagged it as soon as it arrived"
BY_ANOTHER = "teaches nothing: a Postroom that this database does not know tagged it"


@dataclass(frozen=True)
class TagNews:
    """The tags of one message are others than we knew. `judged`: nobody's word, so it need not be judged."""

    message: int
    tags: frozenset[str]
    who: str | None
    judged: bool
    by_another: bool = False
    """By a Postroom that this database does not know."""


@dataclass(frozen=True)
class RestingTags:
    """Tags that have come to rest, and what they mean. `place`: in the inbox; None: the message has left it."""

    message: KnownMessage
    place: KnownSighting | None
    tagging: Tagging
    judgement: Judgement | None
    decision: int | None
    to: str
    by_rule: bool

    @property
    def said(self) -> SettledTag | None:
        """What a person said by them; None: nothing."""
        if self.place is None or self.judgement is None or self.by_rule:
            return None
        return SettledTag(self.message, self.place, self.tagging, self.judgement, self.decision, self.to)


@dataclass(frozen=True)
class SettledTag:
    """A judgement about tags that have come to rest. `to`: the tag, or the inbox where the last one was taken off."""

    message: KnownMessage
    place: KnownSighting
    tagging: Tagging
    judgement: Judgement
    decision: int | None
    to: str


def watched(tx: Tx, desk: Desk) -> frozenset[str] | None:
    """The tags whose changes mean something, in small letters; None where mail is moved."""
    if desk.settings.act_by != "tag":
        return None
    return frozenset(in_use(mailboxes.categories(tx, desk.mailbox_id)))


def unheard(mailbox: Mailbox, tags: frozenset[str] | None) -> frozenset[str]:
    """Those of the watched tags whose changes the last look did not hear of: how they stand now is where we begin."""
    return (tags or frozenset()) - frozenset(mailbox.tags or ())


def wants_all(desk: Desk, mailbox: Mailbox, tags: frozenset[str] | None) -> bool:
    """Is it time to read the tags of all that lies in the inbox?"""
    if not tags:
        return False
    due = desk.tags_read is None or abs(desk.clock() - desk.tags_read) >= min(READ_EVERY, desk.sorting.settle / 2)
    return bool(unheard(mailbox, tags)) or (not desk.tells_tags and due)


def news_of(desk: Desk, mailbox: Mailbox, tags: frozenset[str] | None, found: Sequence[Tagged]) -> list[TagNews]:
    """What the look found out about the tags of known messages. `mailbox`: as it was before the look."""
    if not tags or not found:
        return []
    news = []
    fresh = unheard(mailbox, tags)
    with desk.database.read() as tx:
        known = taggings.standing(tx, desk.mailbox_id, [one.ref for one in found])
        for one in found:
            if one.ref not in known:
                continue
            message, before = known[one.ref]
            now, had = _of(one.tags, tags), frozenset() if before is None else before.tags & tags
            if now != had:
                old = (now ^ had) <= fresh and (before is None or before.judged)
                old = old or desk.restored  # since the backup, by whomever
                another = not old and _by_another(tx, message, one.tags)
                news.append(TagNews(message, now, one.by, one.by_program or old or another, another))
    return news


def record(tx: Tx, desk: Desk, mailbox: Mailbox, news: Sequence[TagNews]) -> None:
    """Write down what was found. `mailbox`: as it was before the look."""
    since = (desk.seen_until or mailbox.seen_until) if desk.tells_tags else desk.tags_read
    for one in news:
        taggings.add(
            tx,
            desk.mailbox_id,
            one.message,
            one.tags,
            desk.clock(),
            ours=False,
            who=one.who,
            judged=one.judged,
            since=since,
        )
        if one.by_another:
            decisions.add_remark(tx, one.message, desk.clock(), BY_ANOTHER)
    if others := sum(one.by_another for one in news):
        mailboxes.another_moved(tx, desk.mailbox_id, others, desk.clock())


def record_arrival(
    tx: Tx, desk: Desk, message: int, sighting: Sighting, tags: frozenset[str] | None, *, first: bool
) -> None:
    """Write down which of these tags a message brought into the inbox. `first`: it is met for the first time, so a rule
    of the server set them, or somebody before our time."""
    if not tags or sighting.ref.folder != desk.settings.inbox:
        return
    before = None if first else taggings.last(tx, message)
    now = _of(sighting.flags, tags)
    if now != (frozenset() if before is None else before.tags & tags):
        taggings.add(
            tx, desk.mailbox_id, message, now, desk.clock(), ours=False, who=None, judged=first or desk.restored
        )


def record_ours(tx: Tx, desk: Desk, message: int, action: Tag) -> None:
    """Write down what we did to a message's tags."""
    before = taggings.last(tx, message)
    add, remove = ({tag.lower() for tag in words} for words in (action.add, action.remove))
    now = ((before.tags if before is not None else frozenset()) | add) - remove
    taggings.add(tx, desk.mailbox_id, message, now, desk.clock(), ours=True, who=None, judged=True)


def resting(tx: Tx, desk: Desk, *, settling: bool = False) -> list[RestingTags]:
    """Tags that have come to rest, without those of which nobody can tell yet what they mean. Changes nothing.

    `settling`: and those that have not rested long enough.
    """
    stand = taggings.unjudged(tx, desk.mailbox_id, desk.clock() - (timedelta() if settling else desk.sorting.settle))
    if not stand:
        return []
    by_tag = in_use(mailboxes.categories(tx, desk.mailbox_id)) if desk.settings.act_by == "tag" else {}
    inbox = desk.settings.inbox
    found = []
    for now in stand:
        places = messages.sightings(tx, now.message)
        place = next((one for one in places if one.gone is None and one.ref.folder == inbox), None)
        earlier = [one for one in taggings.of_message(tx, now.message) if one.id < now.id]
        made = decisions.of_message(tx, now.message)
        said = None if place is None else judge_tags(now, earlier, made[-1] if made else None, by_tag, inbox)
        if said == "wait":
            continue
        known = messages.get(tx, now.message)
        window = desk.sorting.rule_window
        by_rule = said is not None and tagged_by_rule(now, earlier, known.first_seen, known.arrived, window)
        to = next((by_tag[tag].tag for tag in sorted(now.tags) if tag in by_tag), None) or inbox
        found.append(RestingTags(known, place, now, said, made[-1].id if made else None, to, by_rule))
    return found


def settled(tx: Tx, desk: Desk) -> list[SettledTag]:
    """What people said by tags that have come to rest. What says nothing is noted as judged."""
    found = []
    for one in resting(tx, desk):
        if (said := one.said) is not None:
            found.append(said)
            continue
        if one.by_rule:
            decisions.add_remark(tx, one.message.id, desk.clock(), BY_RULE)
        taggings.mark_judged(tx, one.message.id, one.tagging.id)
    return found


def tagged_mail(desk: Desk, category: Category, limit: int) -> list[Sighting]:
    """The newest mail that carries this category's tag and no other's, wherever we may look, newest first.

    Raises ConnectorError.
    """
    assert category.tag is not None
    with desk.database.read() as tx:
        known = mailboxes.folders(tx, desk.mailbox_id)
        others = in_use(mailboxes.categories(tx, desk.mailbox_id)).keys() - {category.tag.lower()}
    found: dict[str, Sighting] = {}
    for folder in known:
        if folder.role == "never" or folder.missing_since is not None:
            continue
        with contextlib.suppress(FolderMissing, ActionRefused):  # gone since, or not ours to look into
            for seen in desk.connector.tagged_by_people(folder.name, category.tag, limit):
                if not others & {flag.lower() for flag in seen.flags}:
                    found.setdefault(seen.identity.digest, seen)
    beginning = datetime.min.replace(tzinfo=UTC)
    return sorted(found.values(), key=lambda seen: seen.arrived or beginning, reverse=True)[:limit]


def is_ours(tx: Tx, desk: Desk, sighting: Sighting) -> bool:
    """Did we tag this mail, and nobody has changed it since? It may have been carried on to the archive."""
    known = messages.sighting_at(tx, desk.mailbox_id, sighting.ref)
    ids = [known.message] if known is not None else []
    ids += [one.id for one in messages.candidates(tx, desk.mailbox_id, sighting.identity)] if known is None else []
    return any((stands := taggings.last(tx, message)) is not None and stands.ours for message in ids)


def _by_another(tx: Tx, message: int, flags: Iterable[str]) -> bool:
    """Does it carry Postroom's keyword, though this database has done nothing to it? Then a second Postroom tagged it,
    or this one before its database was restored."""
    done = (action.state == "done" for action in journal.of_message(tx, message))
    return is_touched(flags, (MOVED.lower(),)) and not any(done)


def _of(carried: Iterable[str], tags: frozenset[str]) -> frozenset[str]:
    return frozenset(tag.lower() for tag in carried) & tags
