"""The tables, as SQLAlchemy Core sees them. Migrations in `migrations/` build them; a test holds the two together.

mailboxes 1-n folders, categories, codebook, messages, lessons, models, training_runs, batches, twins, withheld
mailboxes 1-1 retention
messages  1-n sightings, taggings, decisions, actions, corrections
batches   1-n corrections

UIDs and UIDVALIDITYs are BigInteger: they have 32 bits without a sign (RFC 9051 section 2.3.1.1), Integer has 31.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

REVISION = "0001"
"""The newest migration's. A database of this revision needs none."""


class Unreadable(ValueError):
    """A stored value is not what we stored: the file is damaged. Quotes nothing, for it may be mail."""


def parse_json(stored: str | bytes) -> Any:
    """The value of a JSON column. Raises Unreadable."""
    try:
        return json.loads(stored)
    except ValueError:
        raise Unreadable("a stored JSON value") from None


class Utc(TypeDecorator[datetime]):
    """Aware datetimes in, aware UTC datetimes out; SQLite itself keeps no zone."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Refuses a naive datetime: it would be somebody's local time."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without a zone cannot be stored")
        return value.astimezone(UTC).replace(tzinfo=None)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None]:
        """Makes the stored moment an aware one. Raises Unreadable."""
        plain = self.impl_instance.result_processor(dialect, coltype)

        def aware(stored: Any) -> datetime | None:
            try:
                found: datetime | None = stored if plain is None else plain(stored)
            except (ValueError, TypeError):
                raise Unreadable("a stored moment") from None
            return None if found is None else found.replace(tzinfo=UTC)

        return aware


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _mailbox() -> Column[int]:
    return Column("mailbox_id", ForeignKey("mailboxes.id"), nullable=False)


def _message() -> Column[int]:
    return Column("message_id", ForeignKey("messages.id", ondelete="CASCADE"), nullable=False)


mailboxes = Table(
    "mailboxes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("cursor", Text),  # the connector's own; opaque
    Column("paused", Text),  # why, in words; NULL: not paused
    Column("created", Utc, nullable=False),
    Column("polled", Utc),  # the last look that succeeded
    Column("trouble", Text),  # what the last look ran into; NULL: nothing
    Column("last_arrival", Utc),
    Column("stopped", Text),  # why the mailbox looks wrong; NULL: it does not
    Column("vouched", Utc),  # a person said that the mailbox is as it should be; until the next look has ended
    Column("evidence_from", Utc),  # what was filed before was looked at by a person
    Column("contents", JSON(none_as_null=True)),  # messages by folder at the last listing
    Column("seen_until", Utc),  # when the last look that left nothing out began: what arrived before has been seen
    Column("server_clock", JSON(none_as_null=True)),  # what the last arrivals say of it
    Column("others_moves", Integer, nullable=False, default=0),  # made by a Postroom that this database does not know
    Column("others_moved", Utc),  # when the last of them was seen
    Column("restored", Utc),  # when we noticed that this database is older than what has been seen: from a backup
    Column("tags", JSON(none_as_null=True)),  # whose changes the last look heard of; NULL: of none
    Column("unreadable", JSON(none_as_null=True)),  # folders that the last look could not look into: why
    Column("reread", Integer, nullable=False, default=0),  # how often a lesson got the text of its files later
    Column("account", JSON(none_as_null=True)),  # whose it was at the last look that went well, by the settings' keys
    Column("turns", Text),  # why it has a connection only in turn with others; NULL: it keeps its own
    Column("lender", ForeignKey("mailboxes.id")),  # whose categories and models count here; NULL: its own
)

folders = Table(
    "folders",
    metadata,
    Column("id", Integer, primary_key=True),
    _mailbox(),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("object_id", Text),
    Column("epoch", BigInteger, nullable=False, default=0),
    Column("missing_since", Utc),
    Column("known_as", Text),  # its first name, by which the settings may still call it; NULL: never renamed
    Column("why", Text, nullable=False, default=""),  # it has that role
    Column("could_be", Boolean, nullable=False, default=False),  # a category, by its name
    Column("messages", Integer),  # when it was last listed
    Column("offered", Utc),  # when it appeared, if nobody has said yet what it is for
    UniqueConstraint("mailbox_id", "name"),
)

categories = Table(
    "categories",
    metadata,
    Column("id", Integer, primary_key=True),
    _mailbox(),
    Column("uid", Text, nullable=False),  # stable through renames; what lessons, codes and models refer to
    Column("name", Text, nullable=False),
    Column("folder", Text, nullable=False),
    Column("description", Text, nullable=False, default=""),
    Column("hides", Boolean, nullable=False, default=False),
    Column("precision", Float),
    Column("paused", Text),  # why: its folder is gone, or the owner no longer lists it
    Column("listed_as", Text),  # the folder's name in the settings, which a rename on the server leaves behind
    Column("created", Utc, nullable=False),
    Column("tag", Text),  # how its mail is tagged; NULL: the mailbox is sorted by moving
    Column("mode", Text),  # "shadow" or "live" for this category alone; NULL: as the mailbox
    UniqueConstraint("mailbox_id", "uid"),
)

codebook = Table(
    "codebook",
    metadata,
    Column("id", Integer, primary_key=True),
    _mailbox(),
    Column("position", Integer, nullable=False),
    Column("code", Text, nullable=False),
    Column("category", Text, nullable=False),
    UniqueConstraint("mailbox_id", "position"),
    UniqueConstraint("mailbox_id", "code"),  # never reused
    UniqueConstraint("mailbox_id", "category"),
)

messages = Table(
    "messages",
    metadata,
    Column("id", Integer, primary_key=True),
    _mailbox(),
    Column("object_id", Text),
    Column("rfc_id", Text),  # Message-ID
    Column("digest", Text, nullable=False),
    Column("thread", Text),  # Message-ID of the oldest known ancestor
    Column("arrived", Utc),
    Column("first_seen", Utc, nullable=False),
    Column("state", Text, nullable=False),
    Column("due", Utc),  # when a new message may be sorted
    Column("origin", Text),  # the same for every copy of one mail, however it came
    Index(None, "mailbox_id", "object_id"),
    Index(None, "mailbox_id", "rfc_id"),
    Index(None, "mailbox_id", "digest"),
    Index(None, "mailbox_id", "thread"),
    Index(None, "mailbox_id", "origin"),
    Index(None, "mailbox_id", "state", "due"),
)

sightings = Table(
    "sightings",
    metadata,
    Column("id", Integer, primary_key=True),
    _message(),
    Column("mailbox_id", ForeignKey("mailboxes.id"), nullable=False),
    Column("folder", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("uid", BigInteger, nullable=False),
    Column("seen", Utc, nullable=False),
    Column("gone", Utc),
    Column("ours", Boolean, nullable=False, default=False),  # we put it there
    Column("who", Text),  # who put it there, where the server tells
    Column("judged", Boolean, nullable=False, default=False),  # looked at for a correction
    Column("since", Utc),  # the look before: it was put there no earlier; NULL: nobody had looked
    Column("put", Utc),  # when it was put there, where the server tells
    Index(None, "message_id"),
    Index(None, "mailbox_id", "folder", "epoch", "uid"),
    Index(None, "mailbox_id", "judged", "gone"),
    Index(None, "mailbox_id", "gone", "folder", "uid"),
)

taggings = Table(
    "taggings",
    metadata,
    Column("id", Integer, primary_key=True),
    _message(),
    Column("mailbox_id", ForeignKey("mailboxes.id"), nullable=False),
    Column("tags", JSON, nullable=False),  # the categories' tags that it carries since then, in small letters
    Column("seen", Utc, nullable=False),
    Column("ours", Boolean, nullable=False, default=False),  # by our own doing
    Column("who", Text),  # whose doing, where the server tells
    Column("judged", Boolean, nullable=False, default=False),  # looked at for a correction
    Column("since", Utc),  # when all had been seen last: it changed after that; NULL: nobody knows
    Index(None, "message_id"),
    Index(None, "mailbox_id", "judged"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Integer, primary_key=True),
    _message(),
    Column("at", Utc, nullable=False),
    Column("category", Text),  # NULL: left where it is
    Column("best", Text),  # what the model liked best, filed or not
    Column("probability", Float),
    Column("runner_up", Text),
    Column("runner_up_probability", Float),
    Column("source", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("model", Text),
    Column("mode", Text, nullable=False),
    Column("confirmed", Utc),  # people read the mail where we had put it, and left it there
    Column("hint", JSON(none_as_null=True)),  # what a filing by a hint rests on: source, shape, age
    Column("sureness", Float),  # of `best`; NULL: the model states no more than probabilities
    Column("files", JSON(none_as_null=True)),  # what became of each file of the mail: its name, its kind, its status
    Index(None, "message_id"),
    Index(None, "at"),
)

actions = Table(
    "actions",
    metadata,
    Column("id", Integer, primary_key=True),
    _message(),
    Column("decision_id", ForeignKey("decisions.id", ondelete="SET NULL")),
    Column("kind", Text, nullable=False),
    Column("from_folder", Text, nullable=False),
    Column("from_epoch", BigInteger, nullable=False),
    Column("from_uid", BigInteger, nullable=False),
    Column("target", JSON, nullable=False),
    Column("state", Text, nullable=False),
    Column("progress", JSON, nullable=False),
    Column("to_folder", Text),
    Column("to_epoch", BigInteger),
    Column("to_uid", BigInteger),
    Column("planned", Utc, nullable=False),
    Column("ended", Utc),
    Column("explanation", Text),
    Column("unclear", Integer, nullable=False, default=0),  # how often nobody could tell what had become of it
    Index(None, "message_id"),
    Index(None, "state"),
    Index(None, "ended"),
)

batches = Table(
    "batches",
    metadata,
    Column("id", Integer, primary_key=True),
    _mailbox(),
    Column("opened", Utc, nullable=False),
    Column("folder", Text, nullable=False),  # where all of it was put
    Column("who", Text),  # by whom, where the server tells
    Column("closed", Utc),  # NULL: it waits for a person's word
    Column("outcome", Text),  # accepted, void or taken back
    Column("because", Text),  # in words
    Index(None, "mailbox_id", "closed"),
    sqlite_autoincrement=True,  # people name it by its number
)

corrections = Table(
    "corrections",
    metadata,
    Column("id", Integer, primary_key=True),
    _message(),
    Column("at", Utc, nullable=False),
    Column("kind", Text, nullable=False),
    Column("from_category", Text),
    Column("to_category", Text),
    Column("from_folder", Text),
    Column("to_folder", Text, nullable=False),
    Column("who", Text),
    Column("decision_id", ForeignKey("decisions.id", ondelete="SET NULL")),
    Column("voided", Utc),
    Column("moved", Utc),  # when it was done, as far as is known: `at` is when it had settled
    Column("since", Utc),  # and it was done no earlier; NULL: nobody had looked before
    Column("sighting_id", ForeignKey("sightings.id", ondelete="SET NULL")),  # the place that was judged
    Column("batch_id", ForeignKey("batches.id", ondelete="SET NULL")),  # the bulk move that it was a part of
    Column("text", JSON(none_as_null=True)),  # what it will teach, while its batch waits: MailText's fields
    Index(None, "message_id"),
    Index(None, "at"),
    Index(None, "to_folder", "moved"),
    Index(None, "sighting_id"),
    Index(None, "batch_id"),
)

lessons = Table(
    "lessons",
    metadata,
    Column("id", Integer, primary_key=True),
    _mailbox(),
    Column("message_id", ForeignKey("messages.id", ondelete="SET NULL")),  # NULL: from a file, or its identity has gone
    Column("category", Text, nullable=False),
    Column("text", JSON, nullable=False),  # MailText's fields; {} as soon as it teaches nothing any more
    Column("fingerprint", Text, nullable=False),  # sha256 of the text: the same mail is learnt once; "" without text
    Column("thread", Text),
    Column("at", Utc, nullable=False),
    Column("weight", Float, nullable=False, default=1.0),
    Column("source", Text, nullable=False),
    Column("frozen", Boolean, nullable=False, default=False),
    Column("voided", Utc),
    Column("correction_id", ForeignKey("corrections.id", ondelete="SET NULL")),  # the move that taught it
    Column("replaced_by", Integer),  # the lesson in its place, whose end brings this one back; NULL: none
    Column("papers", Integer, nullable=False, default=0),  # the way in which its files were read; 0: they were not
    Index(None, "mailbox_id", "voided"),
    Index(None, "mailbox_id", "voided", "category"),
    Index(None, "message_id"),
    Index(None, "mailbox_id", "fingerprint"),
    Index(None, "mailbox_id", "thread"),
    Index(None, "correction_id"),
    Index(None, "replaced_by"),
    Index(None, "mailbox_id", "voided", "papers"),
    sqlite_autoincrement=True,  # the number of a deleted lesson never comes again: models know lessons by it
)

retention = Table(
    "retention",
    metadata,
    Column("mailbox_id", ForeignKey("mailboxes.id"), primary_key=True),
    Column("believed", Utc, nullable=False),  # the clock of the last night that deleted what had grown old
    Column("nights", Integer, nullable=False, default=0),  # for so many, what has grown old has waited
    Column("told", Utc),  # the last of them
    Column("why", Text),  # in words; NULL: nothing waits
)

models = Table(
    "models",
    metadata,
    Column("id", Integer, primary_key=True),
    _mailbox(),
    Column("version", Text, nullable=False),
    Column("folder", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created", Utc, nullable=False),
    Column("promoted", Utc),
    Column("verdict", Text, nullable=False),
    Column("exam", JSON, nullable=False),
    Column("withdrawn", Utc),  # taken out of use by itself
    Column("withdrawn_because", Text),
    Column("run", Integer),  # the training that made it; NULL: nobody knows
    UniqueConstraint("mailbox_id", "version"),
)

training_runs = Table(
    "training_runs",
    metadata,
    Column("id", Integer, primary_key=True),
    _mailbox(),
    Column("started", Utc, nullable=False),
    Column("ended", Utc),
    Column("outcome", Text),
    Column("verdict", Text),
    Column("lessons", Integer, nullable=False, default=0),
    Column("newest_lesson", Integer, nullable=False, default=0),
    Column("report", JSON(none_as_null=True)),  # sentences, and pairs of lessons that contradict each other
    Index(None, "mailbox_id", "started"),
)

twins = Table(
    "twins",
    metadata,
    Column("id", Integer, primary_key=True),
    _mailbox(),
    Column("one", Text, nullable=False),  # two categories' uids, in order
    Column("other", Text, nullable=False),
    Column("why", JSON, nullable=False),  # they mean the same: sentences without names, and without a word of mail
    Column("since", Utc, nullable=False),
    Column("lately", Text),  # the one that people put the newest mail of both into, where that is clear
    Column("lately_since", Utc),
    Column("over", Boolean, nullable=False, default=False),  # and it has taken over from the other
    Column("choice", Text),  # a person's: merge, here or differ; NULL: nobody has said anything
    Column("into", Text),  # with merge and here: the category that stays
    Column("chosen", Utc),
    UniqueConstraint("mailbox_id", "one", "other"),
    sqlite_autoincrement=True,  # people name it by its number
)

withheld = Table(
    "withheld",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("mailbox_id", ForeignKey("mailboxes.id"), nullable=False),
    Column("message_id", ForeignKey("messages.id", ondelete="CASCADE")),  # NULL: not even its header came
    Column("folder", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("uid", BigInteger, nullable=False),
    Column("why", Text, nullable=False),
    Column("first", Utc, nullable=False),
    Column("since", Utc),  # the look before the first try; NULL: that was the first look of all
    Column("tries", Integer, nullable=False),
    Column("again", Utc),  # when it is tried again; NULL: never
    Index(None, "message_id"),
    UniqueConstraint("mailbox_id", "folder", "epoch", "uid"),
)
