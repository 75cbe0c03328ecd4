"""Renamed and new folders; copies of one mail; what lies in a folder now, without reading what has left it."""

import sqlalchemy as sa
from alembic import op

from daemon.store import tables

revision = "0003_finding"
down_revision = "0002_breakers"


def upgrade() -> None:
    """Nothing is lost: the new columns begin empty."""
    op.add_column("folders", sa.Column("known_as", sa.Text(), nullable=True))
    op.add_column("folders", sa.Column("why", sa.Text(), nullable=False, server_default=""))
    op.add_column("folders", sa.Column("could_be", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("folders", sa.Column("messages", sa.Integer(), nullable=True))
    op.add_column("folders", sa.Column("offered", tables.Utc(), nullable=True))
    op.add_column("categories", sa.Column("listed_as", sa.Text(), nullable=True))
    op.add_column("messages", sa.Column("origin", sa.Text(), nullable=True))
    op.create_index(op.f("ix_messages_mailbox_id_origin"), "messages", ["mailbox_id", "origin"], unique=False)
    op.create_index(
        op.f("ix_sightings_mailbox_id_gone_folder_uid"),
        "sightings",
        ["mailbox_id", "gone", "folder", "uid"],
        unique=False,
    )
