"""The first tables."""

import sqlalchemy as sa
from alembic import op

from daemon.store import tables

revision = (
    "0001"  # not 0001_first: so the unreleased Postroom called the first of eight, which were folded into this one
)
down_revision = None


def upgrade() -> None:
    """Everything that Postroom remembers, empty."""
    op.create_table(
        "mailboxes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("paused", sa.Text(), nullable=True),
        sa.Column("created", tables.Utc(), nullable=False),
        sa.Column("polled", tables.Utc(), nullable=True),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.Column("last_arrival", tables.Utc(), nullable=True),
        sa.Column("stopped", sa.Text(), nullable=True),
        sa.Column("vouched", tables.Utc(), nullable=True),
        sa.Column("evidence_from", tables.Utc(), nullable=True),
        sa.Column("contents", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("seen_until", tables.Utc(), nullable=True),
        sa.Column("server_clock", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("others_moves", sa.Integer(), nullable=False),
        sa.Column("others_moved", tables.Utc(), nullable=True),
        sa.Column("restored", tables.Utc(), nullable=True),
        sa.Column("tags", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("unreadable", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("reread", sa.Integer(), nullable=False),
        sa.Column("account", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("turns", sa.Text(), nullable=True),
        sa.Column("lender", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["lender"], ["mailboxes.id"], name=op.f("fk_mailboxes_lender")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailboxes")),
        sa.UniqueConstraint("name", name=op.f("uq_mailboxes_name")),
    )
    op.create_table(
        "categories",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("hides", sa.Boolean(), nullable=False),
        sa.Column("precision", sa.Float(), nullable=True),
        sa.Column("paused", sa.Text(), nullable=True),
        sa.Column("listed_as", sa.Text(), nullable=True),
        sa.Column("created", tables.Utc(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=True),
        sa.Column("mode", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_categories_mailbox_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_categories")),
        sa.UniqueConstraint("mailbox_id", "uid", name=op.f("uq_categories_mailbox_id_uid")),
    )
    op.create_table(
        "codebook",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_codebook_mailbox_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_codebook")),
        sa.UniqueConstraint("mailbox_id", "category", name=op.f("uq_codebook_mailbox_id_category")),
        sa.UniqueConstraint("mailbox_id", "code", name=op.f("uq_codebook_mailbox_id_code")),
        sa.UniqueConstraint("mailbox_id", "position", name=op.f("uq_codebook_mailbox_id_position")),
    )
    op.create_table(
        "folders",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("missing_since", tables.Utc(), nullable=True),
        sa.Column("known_as", sa.Text(), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("could_be", sa.Boolean(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=True),
        sa.Column("offered", tables.Utc(), nullable=True),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_folders_mailbox_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_folders")),
        sa.UniqueConstraint("mailbox_id", "name", name=op.f("uq_folders_mailbox_id_name")),
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=True),
        sa.Column("rfc_id", sa.Text(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("thread", sa.Text(), nullable=True),
        sa.Column("arrived", tables.Utc(), nullable=True),
        sa.Column("first_seen", tables.Utc(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due", tables.Utc(), nullable=True),
        sa.Column("origin", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_messages_mailbox_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
    )
    op.create_index(op.f("ix_messages_mailbox_id_digest"), "messages", ["mailbox_id", "digest"], unique=False)
    op.create_index(op.f("ix_messages_mailbox_id_object_id"), "messages", ["mailbox_id", "object_id"], unique=False)
    op.create_index(op.f("ix_messages_mailbox_id_origin"), "messages", ["mailbox_id", "origin"], unique=False)
    op.create_index(op.f("ix_messages_mailbox_id_rfc_id"), "messages", ["mailbox_id", "rfc_id"], unique=False)
    op.create_index(op.f("ix_messages_mailbox_id_state_due"), "messages", ["mailbox_id", "state", "due"], unique=False)
    op.create_index(op.f("ix_messages_mailbox_id_thread"), "messages", ["mailbox_id", "thread"], unique=False)
    op.create_table(
        "models",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created", tables.Utc(), nullable=False),
        sa.Column("promoted", tables.Utc(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("exam", sa.JSON(), nullable=False),
        sa.Column("withdrawn", tables.Utc(), nullable=True),
        sa.Column("withdrawn_because", sa.Text(), nullable=True),
        sa.Column("run", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_models_mailbox_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
        sa.UniqueConstraint("mailbox_id", "version", name=op.f("uq_models_mailbox_id_version")),
    )
    op.create_table(
        "retention",
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("believed", tables.Utc(), nullable=False),
        sa.Column("nights", sa.Integer(), nullable=False),
        sa.Column("told", tables.Utc(), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_retention_mailbox_id")),
        sa.PrimaryKeyConstraint("mailbox_id", name=op.f("pk_retention")),
    )
    op.create_table(
        "training_runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("started", tables.Utc(), nullable=False),
        sa.Column("ended", tables.Utc(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("lessons", sa.Integer(), nullable=False),
        sa.Column("newest_lesson", sa.Integer(), nullable=False),
        sa.Column("report", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_training_runs_mailbox_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_runs")),
    )
    op.create_index(
        op.f("ix_training_runs_mailbox_id_started"), "training_runs", ["mailbox_id", "started"], unique=False
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("at", tables.Utc(), nullable=False),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("best", sa.Text(), nullable=True),
        sa.Column("probability", sa.Float(), nullable=True),
        sa.Column("runner_up", sa.Text(), nullable=True),
        sa.Column("runner_up_probability", sa.Float(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("confirmed", tables.Utc(), nullable=True),
        sa.Column("hint", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("sureness", sa.Float(), nullable=True),
        sa.Column("files", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_decisions_message_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
    )
    op.create_index(op.f("ix_decisions_at"), "decisions", ["at"], unique=False)
    op.create_index(op.f("ix_decisions_message_id"), "decisions", ["message_id"], unique=False)
    op.create_table(
        "lessons",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Integer(), nullable=True),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("text", sa.JSON(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("thread", sa.Text(), nullable=True),
        sa.Column("at", tables.Utc(), nullable=False),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("frozen", sa.Boolean(), nullable=False),
        sa.Column("voided", tables.Utc(), nullable=True),
        sa.Column("correction_id", sa.Integer(), nullable=True),
        sa.Column("replaced_by", sa.Integer(), nullable=True),
        sa.Column("papers", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["correction_id"], ["corrections.id"], name=op.f("fk_lessons_correction_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_lessons_mailbox_id")),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_lessons_message_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lessons")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_lessons_correction_id"), "lessons", ["correction_id"], unique=False)
    op.create_index(op.f("ix_lessons_replaced_by"), "lessons", ["replaced_by"], unique=False)
    op.create_index(op.f("ix_lessons_mailbox_id_fingerprint"), "lessons", ["mailbox_id", "fingerprint"], unique=False)
    op.create_index(op.f("ix_lessons_mailbox_id_thread"), "lessons", ["mailbox_id", "thread"], unique=False)
    op.create_index(op.f("ix_lessons_mailbox_id_voided"), "lessons", ["mailbox_id", "voided"], unique=False)
    op.create_index(
        op.f("ix_lessons_mailbox_id_voided_category"), "lessons", ["mailbox_id", "voided", "category"], unique=False
    )
    op.create_index(
        op.f("ix_lessons_mailbox_id_voided_papers"), "lessons", ["mailbox_id", "voided", "papers"], unique=False
    )
    op.create_index(op.f("ix_lessons_message_id"), "lessons", ["message_id"], unique=False)
    op.create_table(
        "sightings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("seen", tables.Utc(), nullable=False),
        sa.Column("gone", tables.Utc(), nullable=True),
        sa.Column("ours", sa.Boolean(), nullable=False),
        sa.Column("who", sa.Text(), nullable=True),
        sa.Column("judged", sa.Boolean(), nullable=False),
        sa.Column("since", tables.Utc(), nullable=True),
        sa.Column("put", tables.Utc(), nullable=True),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_sightings_mailbox_id")),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_sightings_message_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sightings")),
    )
    op.create_index(
        op.f("ix_sightings_mailbox_id_folder_epoch_uid"),
        "sightings",
        ["mailbox_id", "folder", "epoch", "uid"],
        unique=False,
    )
    op.create_index(
        op.f("ix_sightings_mailbox_id_gone_folder_uid"),
        "sightings",
        ["mailbox_id", "gone", "folder", "uid"],
        unique=False,
    )
    op.create_index(
        op.f("ix_sightings_mailbox_id_judged_gone"), "sightings", ["mailbox_id", "judged", "gone"], unique=False
    )
    op.create_index(op.f("ix_sightings_message_id"), "sightings", ["message_id"], unique=False)
    op.create_table(
        "taggings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("seen", tables.Utc(), nullable=False),
        sa.Column("ours", sa.Boolean(), nullable=False),
        sa.Column("who", sa.Text(), nullable=True),
        sa.Column("judged", sa.Boolean(), nullable=False),
        sa.Column("since", tables.Utc(), nullable=True),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_taggings_mailbox_id")),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_taggings_message_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_taggings")),
    )
    op.create_index(op.f("ix_taggings_mailbox_id_judged"), "taggings", ["mailbox_id", "judged"], unique=False)
    op.create_index(op.f("ix_taggings_message_id"), "taggings", ["message_id"], unique=False)
    op.create_table(
        "actions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("decision_id", sa.Integer(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("from_folder", sa.Text(), nullable=False),
        sa.Column("from_epoch", sa.BigInteger(), nullable=False),
        sa.Column("from_uid", sa.BigInteger(), nullable=False),
        sa.Column("target", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=False),
        sa.Column("to_folder", sa.Text(), nullable=True),
        sa.Column("to_epoch", sa.BigInteger(), nullable=True),
        sa.Column("to_uid", sa.BigInteger(), nullable=True),
        sa.Column("planned", tables.Utc(), nullable=False),
        sa.Column("ended", tables.Utc(), nullable=True),
        sa.Column("explanation", sa.Text(), nullable=True),
        sa.Column("unclear", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.id"], name=op.f("fk_actions_decision_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_actions_message_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_actions")),
    )
    op.create_index(op.f("ix_actions_ended"), "actions", ["ended"], unique=False)
    op.create_index(op.f("ix_actions_message_id"), "actions", ["message_id"], unique=False)
    op.create_index(op.f("ix_actions_state"), "actions", ["state"], unique=False)
    op.create_table(
        "batches",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("opened", tables.Utc(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=True),
        sa.Column("closed", tables.Utc(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("because", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_batches_mailbox_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_batches_mailbox_id_closed"), "batches", ["mailbox_id", "closed"], unique=False)
    op.create_table(
        "corrections",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("at", tables.Utc(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("from_category", sa.Text(), nullable=True),
        sa.Column("to_category", sa.Text(), nullable=True),
        sa.Column("from_folder", sa.Text(), nullable=True),
        sa.Column("to_folder", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=True),
        sa.Column("decision_id", sa.Integer(), nullable=True),
        sa.Column("voided", tables.Utc(), nullable=True),
        sa.Column("moved", tables.Utc(), nullable=True),
        sa.Column("since", tables.Utc(), nullable=True),
        sa.Column("sighting_id", sa.Integer(), nullable=True),
        sa.Column("batch_id", sa.Integer(), nullable=True),
        sa.Column("text", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batches.id"], name=op.f("fk_corrections_batch_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.id"], name=op.f("fk_corrections_decision_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_corrections_message_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["sighting_id"], ["sightings.id"], name=op.f("fk_corrections_sighting_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
    )
    op.create_index(op.f("ix_corrections_to_folder_moved"), "corrections", ["to_folder", "moved"], unique=False)
    op.create_index(op.f("ix_corrections_sighting_id"), "corrections", ["sighting_id"], unique=False)
    op.create_index(op.f("ix_corrections_batch_id"), "corrections", ["batch_id"], unique=False)
    op.create_index(op.f("ix_corrections_at"), "corrections", ["at"], unique=False)
    op.create_index(op.f("ix_corrections_message_id"), "corrections", ["message_id"], unique=False)
    op.create_table(
        "twins",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("one", sa.Text(), nullable=False),
        sa.Column("other", sa.Text(), nullable=False),
        sa.Column("why", sa.JSON(), nullable=False),
        sa.Column("since", tables.Utc(), nullable=False),
        sa.Column("lately", sa.Text(), nullable=True),
        sa.Column("lately_since", tables.Utc(), nullable=True),
        sa.Column("over", sa.Boolean(), nullable=False),
        sa.Column("choice", sa.Text(), nullable=True),
        sa.Column("into", sa.Text(), nullable=True),
        sa.Column("chosen", tables.Utc(), nullable=True),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_twins_mailbox_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_twins")),
        sa.UniqueConstraint("mailbox_id", "one", "other", name=op.f("uq_twins_mailbox_id_one_other")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "withheld",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Integer(), nullable=True),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("first", tables.Utc(), nullable=False),
        sa.Column("since", tables.Utc(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("again", tables.Utc(), nullable=True),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_withheld_mailbox_id")),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_withheld_message_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_withheld")),
        sa.UniqueConstraint(
            "mailbox_id", "folder", "epoch", "uid", name=op.f("uq_withheld_mailbox_id_folder_epoch_uid")
        ),
    )
    op.create_index(op.f("ix_withheld_message_id"), "withheld", ["message_id"], unique=False)
