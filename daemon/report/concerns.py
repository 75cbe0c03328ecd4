"""What stopped by itself or is missed in one mailbox, in words: silence, nights without a model, a model taken back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from daemon.rules import breakers
from daemon.rules.night_trouble import NightTrouble, night_trouble
from daemon.settings import TrainingSettings
from daemon.settings.zone import office_time
from daemon.store import mailboxes, messages, training
from daemon.store.database import Tx
from daemon.store.records import Mailbox


def silence(tx: Tx, mailbox: Mailbox, now: datetime) -> str | None:
    """In words, if no mail has come for unusually long."""
    arrivals = messages.arrivals_since(tx, mailbox.id, now - breakers.RHYTHM)
    local = now.astimezone().tzinfo
    quiet = None if mailbox.trouble else breakers.unusual_silence(arrivals, now, local)
    if quiet is None:
        return None
    hours = quiet // timedelta(hours=1)
    return (
        f"no new mail for {hours} hours, unusually long for this mailbox. "
        "Send yourself a test mail; look at the mail server and at its forwarding."
    )


def nights(
    tx: Tx, mailbox: Mailbox, settings: TrainingSettings, now: datetime, *, at_work: bool, usable: bool
) -> NightTrouble | None:
    """What is wrong with this mailbox's trainings; None while all is well, or where they are another's, whose model it
    shares. `at_work`: does one work now?

    `usable`: is there a model in use that can be used?
    """
    if mailbox.lender is not None:
        return None
    return night_trouble(
        training.runs(tx, mailbox.id, limit=training.RUNS_JUDGED, until=now),
        settings.window,
        office_time(now),
        known_since=mailbox.created,
        fresh=training.fresh_lessons(tx, mailbox.id, usable),
        wanted=settings.min_corrections,
        at_work=at_work,
    )


def another(mailbox: Mailbox, now: datetime) -> str | None:
    """In words, if a Postroom that this database does not know has lately moved mail here."""
    if mailbox.others_moved is None or now - mailbox.others_moved > mailboxes.OTHERS_TOLD:
        return None
    messages = "1 message was" if mailbox.others_moves == 1 else f"{mailbox.others_moves} messages were"
    return (
        f"{messages} moved by a Postroom that this database knows nothing of, the last on "
        f"{office_time(mailbox.others_moved):%Y-%m-%d %H:%M}. They teach nothing. If a second one sorts this mailbox, "
        "stop one of the two; if the database was restored from a backup, all is well. `postroom resume` ends this "
        "notice."
    )


def restored(mailbox: Mailbox, now: datetime) -> str | None:
    """In words, if the database was lately found to be a restored backup."""
    if mailbox.restored is None or now - mailbox.restored > mailboxes.OTHERS_TOLD:
        return None
    return (
        f"on {office_time(mailbox.restored):%Y-%m-%d %H:%M} the database turned out to be older than what had been "
        "seen of this mailbox: it was restored from a backup. What happened in between teaches nothing, and what came "
        "to the inbox is left there. `postroom resume` ends this notice."
    )


def concerns(tx: Tx, mailbox: Mailbox, now: datetime) -> dict[str, Any]:
    """What stopped by itself, for `postroom status`: stopped, another, restored, silence, rolled_back; or None."""
    models = training.models(tx, mailbox.id)
    current = next((model for model in models if model.state == "current"), None)
    taken_back = training.withdrawn_model(models)
    return {
        "stopped": mailbox.stopped,
        "another": another(mailbox, now),
        "restored": restored(mailbox, now),
        "silence": silence(tx, mailbox, now),
        "rolled_back": None
        if taken_back is None or current is None
        else f"from {taken_back.version} to {current.version}: {taken_back.withdrawn_because}.",
    }
