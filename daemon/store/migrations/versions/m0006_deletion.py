"""Deletion is deletion: what teaches nothing any more keeps no text, a message may go and leave its lesson, and a
lesson's number never comes again, so that nobody takes a new lesson for one that was deleted."""

import sqlalchemy as sa
from alembic import op

from daemon.store import tables

revision = "0006_deletion"
down_revision = "0005_counting"

KEPT = "id, mailbox_id, message_id, category, text, fingerprint, thread, at, weight, source, frozen, voided"
INDEXES = {
    "ix_lessons_mailbox_id_voided": ["mailbox_id", "voided"],
    "ix_lessons_mailbox_id_voided_category": ["mailbox_id", "voided", "category"],
    "ix_lessons_message_id": ["message_id"],
    "ix_lessons_mailbox_id_fingerprint": ["mailbox_id", "fingerprint"],
    "ix_lessons_mailbox_id_thread": ["mailbox_id", "thread"],
}


def upgrade() -> None:
    """The table anew, since SQLite can change neither a foreign key nor how numbers are given."""
    op.create_table(
        "lessons_new",
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
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name="fk_lessons_mailbox_id"),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name="fk_lessons_message_id", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_lessons"),
        sqlite_autoincrement=True,
    )
    op.execute(f"INSERT INTO lessons_new ({KEPT}) SELECT {KEPT} FROM lessons")
    op.drop_table("lessons")
    op.rename_table("lessons_new", "lessons")
    for name, columns in INDEXES.items():
        op.create_index(name, "lessons", columns)
    op.execute("UPDATE lessons SET text = '{}', fingerprint = '', thread = NULL WHERE voided IS NOT NULL")
