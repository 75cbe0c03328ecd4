"""When the clock was last believed, so that a wrong one deletes nothing."""

import sqlalchemy as sa
from alembic import op

from daemon.store import tables

revision = "0007_retention"
down_revision = "0006_deletion"


def upgrade() -> None:
    """A row a mailbox: the newest moment that it knows is the one to begin with."""
    op.create_table(
        "retention",
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("believed", tables.Utc(), nullable=False),
        sa.Column("nights", sa.Integer(), nullable=False),
        sa.Column("told", tables.Utc(), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name="fk_retention_mailbox_id"),
        sa.PrimaryKeyConstraint("mailbox_id", name="pk_retention"),
    )
    op.execute(
        "INSERT INTO retention (mailbox_id, believed, nights) SELECT id, coalesce(polled, created), 0 FROM mailboxes"
    )
