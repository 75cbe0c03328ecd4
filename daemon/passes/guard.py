"""Watch over one mailbox and stop when something is wrong. `daemon.rules.breakers` judges; here it is carried out.

check_listing   before folders are recorded   raises LooksWrong: nothing is recorded, nothing is moved
check_changes   before changes are recorded   the same
stop            LooksWrong -> stopped until a person says `postroom resume`
check_overrides after corrections             roll back to the model before, or pause
concerns        what `postroom status` shows about all of it
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import structlog

from connectors.base import Changes, Folder, Watch
from connectors.errors import ActionRefused, FolderMissing
from daemon.mistakes import ExitCode, PostroomError
from daemon.passes.desk import Desk
from daemon.rules import breakers
from daemon.store import decisions, mailboxes, messages, sharing, training
from daemon.store.database import Tx
from daemon.store.records import Filed, Mailbox, Mode

log = structlog.get_logger()

PROBED = 500
"""Messages of a folder that are looked at to know it again."""
MANY_VANISHED = 100
NEXT_STEP = "Nothing was moved or recorded. See what happened; if all is as it should be, say `postroom resume`."
ANOTHER = "all folders have new UIDs, and none of the known messages is among what they hold: another mailbox?"


class LooksWrong(PostroomError):
    """The mailbox is not what it was. Nothing is moved and nothing recorded until a person says so."""

    exit_code = ExitCode.NEEDS_PERSON


def check_listing(desk: Desk, listed: Sequence[Folder]) -> None:
    """Are the folders and what they hold about what they were? Remembers the counts. Raises LooksWrong."""
    here = {folder.name: (folder.object_id, folder.epoch) for folder in listed}
    counted = all(folder.messages is not None for folder in listed)
    counts = {folder.name: folder.messages or 0 for folder in listed} if counted else None
    with desk.database.read() as tx:
        mailbox = mailboxes.get(tx, desk.mailbox_id)
        known = [
            folder
            for folder in mailboxes.folders(tx, desk.mailbox_id)
            if folder.role in ("inbox", "category", "review") and folder.missing_since is None
        ]
        names = [folder.name for folder in known]
        held = {folder: len(uids) for folder, uids in messages.known_uids(tx, desk.mailbox_id, names).items()}
    if mailbox.vouched is None:
        gone = breakers.are_gone({folder.name: (folder.object_id, folder.epoch) for folder in known}, here)
        if gone:
            fact = f"{len(gone)} of {len(known)} folders are gone at once."
            raise _wrong(desk, mailbox, fact)
        if counts is not None and mailbox.contents and breakers.was_emptied(mailbox.contents, counts, names):
            fact = "its folders are empty where there were thousands of messages, and these are nowhere else."
            raise _wrong(desk, mailbox, fact)
        # Before anybody takes the folders for renamed ones: UIDVALIDITYs are seconds, and two owners' may be alike.
        present = [folder for folder in known if folder.name in here]
        renewed = all(folder.epoch != here[folder.name][1] for folder in present)
        if present and renewed and mailbox.cursor is not None and _is_another(desk, held):
            raise _wrong(desk, mailbox, ANOTHER)
    with desk.database.begin() as tx:
        mailboxes.set_contents(tx, desk.mailbox_id, counts)


def check_changes(desk: Desk, mailbox: Mailbox, watch: Watch, changes: Changes) -> None:
    """Would what this look found be too much to be true? `mailbox`: as it was before. Raises LooksWrong."""
    if mailbox.vouched is not None or mailbox.cursor is None:
        return
    vanished = Counter(ref.folder for ref in changes.vanished)
    watched = {watch.inbox, *watch.known} - set(changes.missing)
    restarted = bool(watched) and watched <= set(changes.restarted)
    if not (changes.missing or vanished.total() >= MANY_VANISHED or restarted):
        return
    known = {folder: len(uids) for folder, uids in watch.known.items()}
    if changes.missing or (vanished.total() >= MANY_VANISHED and vanished.total() * 2 >= sum(known.values())):
        listed = desk.connector.folders()
        check_listing(desk, listed)
        uncounted = any(folder.messages is None for folder in listed)
        if uncounted and breakers.vanished_altogether(known, vanished, len(changes.arrived)):
            fact = "nearly all messages left all of its folders at once."
            raise _wrong(desk, mailbox, fact)
    if restarted and _is_another(desk, known):
        raise _wrong(desk, mailbox, ANOTHER)


def _wrong(desk: Desk, mailbox: Mailbox, fact: str) -> LooksWrong:
    """What looks wrong, and which settings may be why. The log has the fact alone, which names nobody."""
    now, was = desk.settings.account(), mailbox.account or {}
    changed = "".join(
        f'In the settings `{key}` is "{now[key]}" now; at the last look that went well it was "{was[key]}". '
        for key in now
        if key in was and now[key] != was[key]
    )
    return LooksWrong(desk.settings.name, fact, changed + NEXT_STEP)


def _is_another(desk: Desk, known: dict[str, int]) -> bool:
    """Look at the newest messages of the folders in which we know most: are ours among them?

    The server's own ids do not count: who copies mail to a new server gets new ones.
    """
    looked_at = found = 0
    folders = sorted(known, key=lambda folder: -known[folder])[:5]
    for folder in folders:
        try:
            newest = desk.connector.newest(folder, PROBED)
        except (FolderMissing, ActionRefused):
            continue
        looked_at += len(newest)
        with desk.database.read() as tx:
            found += sum(bool(messages.copies(tx, desk.mailbox_id, message.identity)) for message in newest)
    return breakers.is_another(sum(known[folder] for folder in folders), looked_at, found)


def stop(desk: Desk, problem: LooksWrong) -> str:
    """Stop this mailbox until a person resumes it. Returns why, for people."""
    why = f"{problem.fact} {problem.next_step}"
    log.error("mailbox-looks-wrong", mailbox=desk.settings.name, problem=problem.fact)
    with desk.database.begin() as tx:
        mailboxes.set_stopped(tx, desk.mailbox_id, why)
    return why


def looked(desk: Desk, before: Mailbox) -> None:
    """A whole look went well: what a person had vouched for `before` it has been recorded, and counts as normal now."""
    account = desk.settings.account()
    if before.vouched is None and before.account == account:
        return
    with desk.database.begin() as tx:
        mailboxes.set_vouched(tx, desk.mailbox_id, None)
        mailboxes.set_account(tx, desk.mailbox_id, account)


# --- overrides


def check_overrides(desk: Desk) -> None:
    """People have overridden something: is it so often that we should go back to the model before, or pause? All who
    share a model are asked about the model; a mailbox pauses by itself."""
    now = desk.clock()
    with desk.database.read() as tx:
        mailbox, from_then_on = mailboxes.get(tx, desk.mailbox_id), now - breakers.USUAL - breakers.RECENT
        filed, live = _filed(tx, desk.mailbox_id, from_then_on), mailboxes.acts(tx, desk.mailbox_id)
        models, together = training.models(tx, desk.mailbox_id), list(filed)
        for other in sharing.group(tx, desk.mailbox_id).keys() - {desk.mailbox_id}:
            together += _filed(tx, other, from_then_on)
        together.sort(key=lambda filing: filing.at)
    current = next((model for model in models if model.state == "current"), None)
    previous = next((model for model in models if model.state == "previous"), None)
    since = mailbox.evidence_from
    if current is not None and previous is not None and current.promoted is not None and desk.sorting.roll_back:
        # Going back to a model is learning, and a bulk move that waits teaches nothing; to pause is not.
        by_model = [filing for filing in together if filing.model is not None and not filing.asked]
        worse = breakers.got_worse(by_model, current.version, current.promoted, now, since)
        if worse is not None and _roll_back(desk, current.version, previous.version, *worse):
            return
    if not live or mailbox.paused is not None or not desk.sorting.pause_on_overrides:
        return
    found = breakers.overridden_unusually(filed, now, 1 - desk.sorting.precision, since)
    if found is not None:
        recent, usual = found
        why = (
            f"people moved {recent} messages that were filed in the last {breakers.RECENT.days} days elsewhere "
            f"({recent.rate:.0%}, before that {usual.rate:.0%}). "
            "`postroom corrections` shows which. Take the model back with `postroom rollback` or the moves with "
            "`postroom undo`, if need be; then `postroom resume`."
        )
        log.error("paused-on-overrides", mailbox=desk.settings.name, overridden=recent.overridden, filed=recent.filed)
        with desk.database.begin() as tx:
            mailboxes.set_paused(tx, desk.mailbox_id, why)


def _filed(tx: Tx, mailbox: int, since: datetime) -> list[Filed]:
    mode: Mode = "live" if mailboxes.acts(tx, mailbox) else "shadow"
    return decisions.filed_since(tx, mailbox, since, mode)


def _roll_back(desk: Desk, bad: str, good: str, mine: breakers.Share, before: breakers.Share) -> bool:
    """False if the model before cannot be used any more: then a person has to see to it."""
    now = desk.clock()
    because = f"people moved {mine} messages that it filed elsewhere ({mine.rate:.0%}; before it {before.rate:.0%})"
    try:
        desk.registry.promote(desk.mailbox_id, good, now, withdraw=because)
    except PostroomError as error:
        log.error("not-rolled-back", mailbox=desk.settings.name, model=bad, problem=str(error))
        return False
    log.error(
        "rolled-back",
        mailbox=desk.settings.name,
        model=good,
        withdrawn=bad,
        overridden=mine.overridden,
        filed=mine.filed,
    )
    with desk.database.begin() as tx:
        for one in sharing.group(tx, desk.mailbox_id):
            mailboxes.set_evidence_from(tx, one, now)
    return True
