"""Write down what one look found: messages met for the first time, known ones in a new place, places left.

A message is known again by the ladder of `daemon.store.messages`; of several copies the one that has just left its
place moved. Only what was delivered to the inbox since the last look is new and to be sorted. What a person put there,
what another Postroom moved and what we cannot tell from our own moves is none of our business, and teaches nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from connectors.base import MOVED, Changes, MessageRef, Move, Sighting, is_touched
from daemon.passes import tagging
from daemon.passes.desk import Desk
from daemon.rules.decision import NOT_OURS
from daemon.rules.delivery import ServerClock, was_delivered
from daemon.store import decisions, journal, mailboxes, messages, withheld
from daemon.store.database import Tx
from daemon.store.records import KnownMessage, KnownSighting, Mailbox, MessageState, Withheld

RESTORED = "the database was restored from a backup, and this happened in between"
BY_ANOTHER = "a Postroom that this database does not know moved it"


@dataclass(frozen=True)
class Looked:
    """What one look found. `rematched`: known again in a folder whose UIDs restarted. `others`: moved by a Postroom
    that this database does not know."""

    new: int = 0
    moved: int = 0
    vanished: int = 0
    rematched: int = 0
    others: int = 0
    missing: tuple[str, ...] = ()

    def __add__(self, other: Looked) -> Looked:
        return Looked(
            self.new + other.new,
            self.moved + other.moved,
            self.vanished + other.vanished,
            self.rematched + other.rematched,
            self.others + other.others,
            other.missing,
        )


def record(tx: Tx, desk: Desk, changes: Changes, mailbox: Mailbox, again: Sequence[MessageRef] = ()) -> Looked:
    """Write down one look's changes. `mailbox`: as it was before the look. `again`: what was asked about once more."""
    now = desk.clock()
    late = {ref: withheld.at(tx, desk.mailbox_id, ref) for ref in again}
    _note_withheld(tx, desk, changes, again, _seen_until(desk, mailbox))
    for folder in changes.restarted:
        messages.folder_restarted(tx, desk.mailbox_id, folder, now)
    vanished = messages.mark_gone(tx, desk.mailbox_id, changes.vanished, now)
    since = _seen_until(desk, mailbox)
    tags = tagging.watched(tx, desk)
    clock = ServerClock.load(mailbox.server_clock)
    dated: list[datetime] = []
    new = moved = rematched = others = 0
    for sighting in changes.arrived:
        if tags is not None and sighting.identity.labelled and sighting.ref.folder != desk.settings.inbox:
            continue  # the folder of a label, which the message in the inbox shows as its tag
        if messages.sighting_at(tx, desk.mailbox_id, sighting.ref) is not None:
            continue  # our own move, recorded when it was made; or a look that was repeated
        relisted = sighting.ref.folder in changes.relisted
        known = find_known(tx, desk, sighting) or (_migrated(tx, desk, sighting) if relisted else None)
        if known is None:
            if relisted and sighting.ref.folder != desk.settings.inbox:
                continue  # it lay there before, and nobody watched it
            held = late.get(sighting.ref)
            others += _record_first(tx, desk, sighting, now, mailbox, clock, tags, relisted=relisted, held=held)
            if (
                held is None
                and sighting.ref.folder == desk.settings.inbox
                and (arrived := sighting.at or sighting.arrived) is not None
            ):
                clock = clock.arrived(arrived)
                dated.append(arrived)
            new += 1
            continue
        tagging.record_arrival(tx, desk, known.id, sighting, tags, first=False)
        before = messages.sightings(tx, known.id)[-1]
        if relisted and before.ref.folder == sighting.ref.folder and before.ref.epoch != sighting.ref.epoch:
            # It did not move, its UID is another: whoever put it there did so when we first saw it there.
            messages.rename_sighting(tx, before.id, sighting.ref)
            _leave_if_put_back(tx, desk, known, sighting, now)
            rematched += 1
        else:
            others += _record_moved(tx, desk, known, before, sighting, now, since)
            moved += 1
    if not changes.more:  # else what has left may yet turn up under a new UID
        for message in messages.give_up_new(tx, desk.mailbox_id, desk.settings.inbox):
            decisions.add_remark(tx, message, now, f"not touched: {NOT_OURS['gone']}")
    if dated and since is not None and since <= now and desk.settings.inbox not in changes.relisted:
        clock = clock.looked(max(dated), since, now)
    if dated:
        mailboxes.set_server_clock(tx, desk.mailbox_id, clock.dump())
    if others:
        mailboxes.another_moved(tx, desk.mailbox_id, others, now)
    return Looked(new, moved, vanished, rematched, others, changes.missing)


def _note_withheld(tx: Tx, desk: Desk, changes: Changes, again: Sequence[MessageRef], since: datetime | None) -> None:
    """What the server did not give is tried again later; what it gave at last, or what is gone, is forgotten."""
    withheld.given(tx, desk.mailbox_id, set(again) - changes.withheld.keys())
    for ref, why in changes.withheld.items():
        withheld.note(tx, desk.mailbox_id, ref, why, desk.clock(), since=since)
    withheld.forget_old(tx, desk.mailbox_id, desk.clock())


def _seen_until(desk: Desk, mailbox: Mailbox) -> datetime | None:
    """When the last look that left nothing out began; the database hears of quiet ones now and then only."""
    return desk.seen_until or mailbox.seen_until


def find_known(tx: Tx, desk: Desk, sighting: Sighting) -> KnownMessage | None:
    """The known message that this is, where none is known to lie.

    Best is one that has left every place we knew. One that still lies in *another* folder may have been moved while we
    looked, or copied: `correct` waits until that is clear. One that still lies in this folder is another copy.
    """
    homeless: list[tuple[bool, datetime, int, KnownMessage]] = []
    elsewhere: list[KnownMessage] = []
    for candidate in messages.candidates(tx, desk.mailbox_id, sighting.identity, sighting.arrived):
        places = messages.sightings(tx, candidate.id)
        live = [place for place in places if place.gone is None]
        if not live:
            left = max((place.gone for place in places if place.gone), default=candidate.first_seen)
            homeless.append((candidate.arrived == sighting.arrived, left, candidate.id, candidate))
        elif all(place.ref.folder != sighting.ref.folder for place in live) and not _another(candidate, sighting):
            elsewhere.append(candidate)
    if homeless:
        return max(homeless, key=lambda found: found[:3])[3]
    return elsewhere[0] if elsewhere else None


def _migrated(tx: Tx, desk: Desk, sighting: Sighting) -> KnownMessage | None:
    """The message that lay here before all UIDs restarted, with another id of the server's own: mail was copied to a
    new server. Takes over the new id."""
    for candidate in messages.copies(tx, desk.mailbox_id, sighting.identity, sighting.arrived):
        places = messages.sightings(tx, candidate.id)
        last = places[-1].ref if places else sighting.ref
        here_before = last.folder == sighting.ref.folder and last.epoch != sighting.ref.epoch
        if here_before and all(place.gone is not None for place in places):
            messages.set_object_id(tx, candidate.id, sighting.identity.object_id)
            return candidate
    return None


def _another(candidate: KnownMessage, sighting: Sighting) -> bool:
    """Was this delivered at another moment than the candidate, which lies elsewhere? Then it is a second copy of the
    mail. Moves keep INTERNALDATE. Cyrus' EMAILID is a hash of the content, so it proves nothing here."""
    if candidate.arrived is None or sighting.arrived is None or candidate.arrived == sighting.arrived:
        return False
    object_id = sighting.identity.object_id
    return object_id is None or object_id != candidate.identity.object_id or object_id.startswith("emailid:")


def _record_moved(
    tx: Tx,
    desk: Desk,
    known: KnownMessage,
    before: KnownSighting,
    sighting: Sighting,
    now: datetime,
    since: datetime | None,
) -> bool:
    """A known message in a new place. Was it moved by another Postroom? `since`: when all had been seen last."""
    why = RESTORED if desk.restored else _no_persons_move(tx, known, sighting)
    messages.add_sighting(
        tx,
        desk.mailbox_id,
        known.id,
        sighting.ref,
        now,
        ours=False,
        who=sighting.by,
        judged=why is not None,
        since=since,
        put=sighting.saved or sighting.at,
    )
    renumbered = before.ref.folder == sighting.ref.folder and before.ref.epoch != sighting.ref.epoch
    if known.state == "new" and sighting.ref.folder == desk.settings.inbox and not renumbered:
        _leave(tx, known, now)
    if why is not None:
        decisions.add_remark(tx, known.id, now, f"teaches nothing: {why}")
    return why == BY_ANOTHER


def _leave_if_put_back(tx: Tx, desk: Desk, known: KnownMessage, sighting: Sighting, now: datetime) -> None:
    """Where UIDs restarted, a new message lies where it lay. Does anything say that it was away meanwhile?"""
    if known.state != "new":
        return
    untouched = was_delivered(sighting.arrived, None, saved=sighting.saved)
    if desk.restored or not untouched or _is_moved_by_another(tx, known, sighting):
        _leave(tx, known, now)


def _leave(tx: Tx, known: KnownMessage, now: datetime) -> None:
    """Somebody put it into the inbox: it is none of ours to sort."""
    messages.set_state(tx, known.id, "placed")
    decisions.add_remark(tx, known.id, now, f"not touched: {NOT_OURS['placed']}")


def _is_moved_by_another(tx: Tx, known: KnownMessage, sighting: Sighting) -> bool:
    """Does it bear our keyword, and no try of ours is known to have put it on? What bore it when it was met first was
    moved before; a try that ended where it began may have left it."""
    if known.state in ("elsewhere", "placed") or not is_moved_by_us(sighting):
        return False
    tries = journal.of_message(tx, known.id)
    return not any(one.state == "done" or one.landed is not None for one in tries)


def _no_persons_move(tx: Tx, known: KnownMessage, sighting: Sighting) -> str | None:
    """Why nobody can say that a person put the message here; None: as far as we know, a person did."""
    actions = journal.of_message(tx, known.id)
    ends = ("failed", "explained", "sent")  # sent: nobody could tell yet what became of it
    lost = [action for action in actions if action.state in ends and action.landed is None]
    if any(action.action == Move(sighting.ref.folder) for action in lost):
        return "perhaps our own move, of which we never learnt how it ended"
    return BY_ANOTHER if _is_moved_by_another(tx, known, sighting) else None


def _record_first(
    tx: Tx,
    desk: Desk,
    sighting: Sighting,
    now: datetime,
    mailbox: Mailbox,
    clock: ServerClock,
    tags: frozenset[str] | None,
    *,
    relisted: bool,
    held: Withheld | None = None,
) -> bool:
    """A message met for the first time. Was it moved by another Postroom, since we know this mailbox? `held`: the
    server did not give it when it came."""
    state = state_of_unknown(desk, sighting, mailbox, clock, relisted=relisted, held=held)
    due = now + desk.sorting.act_after if state == "new" else None
    message = messages.add(tx, desk.mailbox_id, sighting, state, now, due)
    since = _seen_until(desk, mailbox)
    messages.add_sighting(
        tx, desk.mailbox_id, message, sighting.ref, now, ours=False, who=sighting.by, judged=True, since=since
    )
    tagging.record_arrival(tx, desk, message, sighting, tags, first=True)
    if state == "placed":
        decisions.add_remark(tx, message, now, f"not touched: {NOT_OURS['placed']}")
    elif desk.restored and sighting.ref.folder == desk.settings.inbox:
        decisions.add_remark(tx, message, now, f"not touched: {RESTORED}")
    since_we_came = sighting.arrived is not None and sighting.arrived > mailbox.created
    return not desk.restored and since_we_came and is_moved_by_us(sighting)


def is_moved_by_us(sighting: Sighting) -> bool:
    """Does it carry the keyword that Postroom leaves on what it moves?"""
    return is_touched(sighting.flags, (MOVED.lower(),))


def state_of_unknown(
    desk: Desk,
    sighting: Sighting,
    mailbox: Mailbox,
    clock: ServerClock,
    *,
    relisted: bool = False,
    held: Withheld | None = None,
) -> MessageState:
    """The state of a message that nobody has recorded yet. `mailbox`: as it was before the look that found it.
    `clock`: what has arrived before it says of the server's."""
    if sighting.ref.folder != desk.settings.inbox:
        return "elsewhere"
    if mailbox.cursor is None and is_moved_by_us(sighting):
        return "placed"
    if mailbox.cursor is None or (held is not None and held.since is None):
        return "new" if desk.settings.sort_existing else "existing"
    if desk.restored:  # decided about already, as likely as not, or put back
        return "existing"
    since = _seen_until(desk, mailbox) if held is None else held.since
    if held is not None:
        clock = ServerClock()  # what came after it says nothing about it
    if relisted and since is None:
        return "existing"
    arrived = sighting.at or sighting.arrived
    delivered = was_delivered(arrived, since, clock, sighting.saved)
    if delivered and sighting.by is None and not is_moved_by_us(sighting):
        return "new"
    return "existing" if relisted else "placed"  # all UIDs restarted, and the inbox holds more than we ever looked at


def record_young(tx: Tx, desk: Desk, young: Iterable[Sighting], now: datetime) -> None:
    """Write down, at the first look, what came to other folders a moment ago: in the inbox it would look delivered."""
    for sighting in young:
        if messages.sighting_at(tx, desk.mailbox_id, sighting.ref) is None:
            message = messages.add(tx, desk.mailbox_id, sighting, "elsewhere", now, None)
            messages.add_sighting(
                tx, desk.mailbox_id, message, sighting.ref, now, ours=False, who=sighting.by, judged=True
            )
