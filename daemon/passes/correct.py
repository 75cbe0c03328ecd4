"""Find what people moved or tagged, once it has come to rest, and learn from it.

settled sightings | judge | fetch what teaches, read its files | correction and lesson, in one transaction
                                                                 | a bulk move: correction and question (ask_first)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from connectors.base import MessageRef, Role
from daemon.passes import tagging
from daemon.passes.ask_first import BulkMove, Put, let_wait, parts_of_bulk_moves
from daemon.passes.desk import Desk
from daemon.passes.read_papers import ReadMessage, fetch_read
from daemon.passes.tagging import SettledTag
from daemon.rules.addresses import fits_one
from daemon.rules.correction import Judgement, judge, label_means, moved_by_rule
from daemon.store import batches, decisions, learning, mailboxes, messages, taggings, withheld
from daemon.store.database import Tx
from daemon.store.message_names import in_log
from daemon.store.records import Category, KnownMessage, KnownSighting, MessageState, Tagging

log = structlog.get_logger()

COPY_RESTS = timedelta(minutes=15)
"""How long a copy may be the first half of a move: telephones and Outlook copy, and delete the original later."""


@dataclass(frozen=True)
class _Judged:
    message: KnownMessage
    sighting: KnownSighting
    judgement: Judgement | None
    decision: int | None
    tagging: Tagging | None = None
    """Its tags were changed, not its place."""
    tag: str | None = None
    """The tag that it got."""

    def mark(self, tx: Tx) -> None:
        """It has been judged, and is not judged again."""
        if self.tagging is None:
            messages.mark_judged(tx, [self.sighting.id])
        else:
            taggings.mark_judged(tx, self.message.id, self.tagging.id)

    @classmethod
    def of(cls, one: SettledTag) -> _Judged:
        """A judgement about tags."""
        return cls(one.message, one.place, one.judgement, one.decision, one.tagging, one.to)

    @property
    def to(self) -> str:
        """The folder or the tag that it got."""
        return self.tag or self.sighting.ref.folder

    @property
    def put(self) -> Put:
        """As a rule on bulk moves sees it."""
        place = self.sighting
        if self.tagging is not None:
            tags = self.tagging
            return Put(-tags.id, self.to, tags.who, tags.seen, tags.since)
        return Put(place.id, place.ref.folder, place.who, place.put or place.seen, place.put or place.since)


def has_settled(tx: Tx, desk: Desk) -> bool:
    """Is there anything that nobody has judged, and that may be?"""
    before = desk.clock() - desk.sorting.settle
    return bool(messages.unjudged(tx, desk.mailbox_id, before) or tagging.resting(tx, desk))


def correct(desk: Desk) -> int:
    """Record every correction that has settled, where `has_settled` says so. Returns how many there were."""
    with desk.database.begin() as tx:
        judged, copies = _judge_all(tx, desk)
        retagged = [one for one in tagging.settled(tx, desk) if not _untagged_again(tx, desk, one)]
        silent = [case for case in judged if case.judgement is None]
        messages.mark_judged(tx, [case.sighting.id for case in silent])
    _split_copies(desk, copies)
    spoken = [case for case in judged if case.judgement is not None]
    spoken += [_Judged.of(one) for one in retagged]
    texts, given_up = _texts(desk, [case.sighting for case in spoken if case.judgement and case.judgement.teaches])
    spoken = _without_never_senders(desk, spoken, texts)
    # What moved on while we looked is judged in its next place; what the server does not give, when it does.
    known = texts.keys() | given_up
    spoken = [case for case in spoken if case.sighting.ref in known or (case.judgement and not case.judgement.teaches)]
    with desk.database.read() as tx:
        bulk = parts_of_bulk_moves(tx, desk, [case.put for case in spoken], _coming(tx, desk, spoken))
    found = 0
    for case in spoken:
        assert case.judgement is not None
        read = texts.get(case.sighting.ref)
        asks = bulk.get(case.put.key)
        with desk.database.begin() as tx:
            _record(tx, desk, case, case.judgement, read, asks)
            if case.sighting.ref in given_up:
                decisions.add_remark(tx, case.message.id, desk.clock(), "teaches nothing: the server does not give it")
        log.info(
            "corrected",
            mailbox=desk.settings.name,
            **in_log(case.message.identity, case.sighting.ref),
            status=case.judgement.kind,
            category=case.judgement.to_category,
            batch=None if asks is None else asks.batch,
        )
        found += 1
    return found


def _coming(tx: Tx, desk: Desk, settled: Sequence[_Judged]) -> list[Put]:
    """What people moved a moment ago: it is not judged yet, but with what has settled it may be a bulk move."""
    if not settled:
        return []
    known = _Mailbox.of(tx, desk)
    here = {case.sighting.id for case in settled if case.tagging is None}
    tagged = {case.tagging.id for case in settled if case.tagging is not None}
    said = [one.said for one in tagging.resting(tx, desk, settling=True)]
    found = [_Judged.of(one).put for one in said if one is not None and one.tagging.id not in tagged]
    for sighting in messages.unjudged(tx, desk.mailbox_id, desk.clock()):
        places = messages.sightings(tx, sighting.message)
        elsewhere = any(place.gone is None and place.id != sighting.id for place in places)
        if sighting.id in here or elsewhere:
            continue
        case, by_rule = _judge(tx, desk, known, sighting, places)
        if (
            case.judgement is not None
            and not by_rule
            and not _goes_back(tx, desk, sighting.message, sighting.ref.folder)
        ):
            found.append(case.put)
    return found


def _judge_all(tx: Tx, desk: Desk) -> tuple[list[_Judged], list[KnownSighting]]:
    """What has come to rest, and what turned out to be a second copy."""
    mailbox = _Mailbox.of(tx, desk)
    looked = desk.looked or mailboxes.get(tx, desk.mailbox_id).polled
    judged, copies = [], []
    for sighting in messages.unjudged(tx, desk.mailbox_id, desk.clock() - desk.sorting.settle):
        places = messages.sightings(tx, sighting.message)
        known = messages.get(tx, sighting.message)
        if known.identity.labelled:
            meaning = label_means(sighting, places, mailbox.roles)
            if meaning == "nothing":
                messages.mark_judged(tx, [sighting.id])
            if meaning != "judge":
                continue
        elif any(place.gone is None and place.id != sighting.id for place in places):
            came_with_it = sighting.seen == known.first_seen  # a filter's copy, or a list's
            rested = came_with_it or desk.clock() - sighting.seen >= COPY_RESTS
            if looked is not None and sighting.seen < looked and rested:
                copies.append(sighting)
            continue  # its old place may not have been looked at since it moved, or is deleted later
        case, by_rule = _judge(tx, desk, mailbox, sighting, places)
        why_not = "a rule moved it as soon as it arrived" if by_rule else None
        if _goes_back(tx, desk, sighting.message, sighting.ref.folder, withdraw=True):
            why_not = "it was put back where it was before the bulk move"
        if why_not is not None:
            decisions.add_remark(tx, sighting.message, desk.clock(), f"teaches nothing: {why_not}")
            case = replace(case, judgement=None)
        judged.append(case)
    return judged, copies


@dataclass(frozen=True)
class _Mailbox:
    """What the folders are for."""

    roles: Mapping[str, Role]
    by_folder: Mapping[str, Category]

    @classmethod
    def of(cls, tx: Tx, desk: Desk) -> _Mailbox:
        return cls(
            {folder.name: folder.role for folder in mailboxes.folders(tx, desk.mailbox_id)},
            mailboxes.by_folder(tx, desk.mailbox_id),
        )


def _judge(
    tx: Tx, desk: Desk, mailbox: _Mailbox, sighting: KnownSighting, places: Sequence[KnownSighting]
) -> tuple[_Judged, bool]:
    """What this place means, and whether a rule did it."""
    known = messages.get(tx, sighting.message)
    earlier = [place for place in places if place.id < sighting.id]
    made = decisions.of_message(tx, sighting.message)
    decision = made[-1] if made else None
    judgement = judge(sighting, earlier, decision, mailbox.roles, mailbox.by_folder)
    # A rule is done before our time comes: whatever moves later was moved by a person. What was new in the first look
    # after a restore is never ours to sort, so it does not leave as "gone".
    waited = known.state == "gone" or known.first_seen == mailboxes.get(tx, desk.mailbox_id).restored
    by_rule = waited and moved_by_rule(sighting, earlier, known.arrived, desk.sorting.rule_window)
    return _Judged(known, sighting, judgement, decision.id if decision else None), by_rule


def _goes_back(tx: Tx, desk: Desk, message: int, to: str, *, withdraw: bool = False) -> bool:
    """Was it put back where it was before a bulk move that waits, or got the tag that it had? `withdraw`: whatever else
    it got now, it is no part of that any more."""
    back = False
    for member in batches.members(tx, desk.mailbox_id, message=message):
        if member.to_folder == to:
            continue  # the folder's UIDs restarted
        back = back or member.from_folder == to
        if withdraw:
            learning.withdraw(tx, member.correction, desk.clock())
    return back


def _untagged_again(tx: Tx, desk: Desk, one: SettledTag) -> bool:
    """Did it get back what it had before it was tagged together with many others? Then it says nothing."""
    back = _goes_back(tx, desk, one.message.id, one.to, withdraw=True)
    if back:
        why = "teaches nothing: its tags are as they were before many were changed at once"
        decisions.add_remark(tx, one.message.id, desk.clock(), why)
        taggings.mark_judged(tx, one.message.id, one.tagging.id)
    return back


def _split_copies(desk: Desk, copies: list[KnownSighting]) -> None:
    """Make a message of its own of every second copy: one that rests in two places was copied by a person, not moved.
    Nobody asked us to sort it.

    Its identity is read anew: a list's copy differs from the direct one in more than its place, and with the other's
    identity it would be taken for that one as soon as the UIDs of both folders restart.
    """
    texts, given_up = _texts(desk, copies, files=False)  # who they are is all that is asked
    found = {ref: read.message.sighting.identity for ref, read in texts.items()}
    for sighting in copies:
        if sighting.ref in given_up:
            with desk.database.begin() as tx:
                messages.mark_judged(tx, [sighting.id])
        if (identity := found.get(sighting.ref)) is None:
            continue  # it moved on while we looked
        state: MessageState = "existing" if sighting.ref.folder == desk.settings.inbox else "elsewhere"
        with desk.database.begin() as tx:
            original = messages.get(tx, sighting.message)
            copy = messages.copy_of(tx, desk.mailbox_id, original.id, identity, state, desk.clock())
            messages.adopt(tx, sighting.id, copy)
            if original.state == "new" and sighting.seen != original.first_seen:
                messages.set_state(tx, original.id, "left")
                why = f'not touched: somebody copied it to "{sighting.ref.folder}"'
                decisions.add_remark(tx, original.id, desk.clock(), why)


def _texts(
    desk: Desk, places: list[KnownSighting], *, files: bool = True
) -> tuple[dict[MessageRef, ReadMessage], frozenset[MessageRef]]:
    """What lies there, with its files read or not, and which of it the server has not given so often that nobody asks
    any more."""
    if not places:
        return {}, frozenset()
    now, mailbox = desk.clock(), desk.mailbox_id
    with desk.database.read() as tx:
        held = {place.ref: row for place in places if (row := withheld.at(tx, mailbox, place.ref)) is not None}
    refs = [place.ref for place in places if place.ref not in held or held[place.ref].is_due(now)]
    found: dict[MessageRef, ReadMessage] = {}
    if refs:
        fetched = fetch_read(desk, refs, learning=True) if files else map(ReadMessage, desk.connector.fetch(refs))
        found = {read.message.sighting.ref: read for read in fetched}
    lacking = [ref for ref in refs if ref not in found]
    not_given = desk.connector.withheld(lacking) if lacking else {}
    if not_given or held.keys() & set(refs):
        of = {place.ref: place.message for place in places}
        with desk.database.begin() as tx:
            withheld.given(tx, mailbox, held.keys() & set(refs) - not_given.keys())
            for ref, why in not_given.items():
                held[ref] = withheld.note(tx, mailbox, ref, why, now, message=of[ref])
    return found, frozenset(ref for ref, row in held.items() if row.again is None and ref not in found)


def _without_never_senders(desk: Desk, spoken: list[_Judged], texts: Mapping[MessageRef, ReadMessage]) -> list[_Judged]:
    """These without mail from `never_senders`, which teaches nothing, wherever people put it."""
    kept = []
    for case in spoken:
        read = texts.get(case.sighting.ref)
        if read is None or not fits_one(read.message.senders, desk.sorting.never_senders):
            kept.append(case)
            continue
        with desk.database.begin() as tx:
            case.mark(tx)
            decisions.add_remark(
                tx, case.message.id, desk.clock(), "teaches nothing: its sender is listed in never_senders"
            )
    return kept


def _record(
    tx: Tx, desk: Desk, case: _Judged, judgement: Judgement, read: ReadMessage | None, bulk: BulkMove | None
) -> None:
    now, text = desk.clock(), None if read is None else read.message.text
    correction = learning.add_correction(
        tx,
        case.message.id,
        now,
        judgement.kind,
        from_category=judgement.from_category,
        to_category=judgement.to_category,
        from_folder=judgement.from_folder,
        to_folder=case.to,
        who=case.sighting.who if case.tagging is None else case.tagging.who,
        decision=case.decision,
        moved=case.put.moved,
        since=case.put.since,
        sighting=case.sighting.id if case.tagging is None else None,
    )
    if bulk is not None:
        batches.put_into(tx, let_wait(tx, desk, bulk), correction, text if judgement.teaches else None)
    elif judgement.teaches is not None and read is not None and text is not None:
        learning.teach(
            tx,
            desk.mailbox_id,
            judgement.teaches,
            text,
            now,
            source="correction",
            message=case.message.id,
            thread=case.message.thread,
            correction=correction,
            papers=read.papers,
        )
    elif judgement.kind == "rejection":
        learning.void_lessons_of(tx, case.message.id, now)
    case.mark(tx)
