"""Stops by ourselves: a mailbox that looks wrong, what a person has vouched for, a model that was taken back."""

import sqlalchemy as sa
from alembic import op

from daemon.store import tables

revision = "0002_breakers"
down_revision = "0001_first"


def upgrade() -> None:
    """All of it empty: nothing is stopped, and nothing is known about the past."""
    op.add_column("mailboxes", sa.Column("stopped", sa.Text(), nullable=True))
    op.add_column("mailboxes", sa.Column("vouched", tables.Utc(), nullable=True))
    op.add_column("mailboxes", sa.Column("evidence_from", tables.Utc(), nullable=True))
    op.add_column("mailboxes", sa.Column("contents", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("models", sa.Column("withdrawn", tables.Utc(), nullable=True))
    op.add_column("models", sa.Column("withdrawn_because", sa.Text(), nullable=True))
