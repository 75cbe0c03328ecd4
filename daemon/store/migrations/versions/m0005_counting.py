"""Lessons are counted by category in every pass: by an index alone, without reading their texts."""

from alembic import op

revision = "0005_counting"
down_revision = "0004_evidence"


def upgrade() -> None:
    """One index more."""
    op.create_index("ix_lessons_mailbox_id_voided_category", "lessons", ["mailbox_id", "voided", "category"])
