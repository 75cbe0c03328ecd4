"""What a training reported stays with it, and what people left where we had put it counts as evidence."""

import sqlalchemy as sa
from alembic import op

from daemon.store import tables

revision = "0004_evidence"
down_revision = "0003_finding"


def upgrade() -> None:
    """Two columns, empty for what is past."""
    op.add_column("training_runs", sa.Column("report", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("decisions", sa.Column("confirmed", tables.Utc(), nullable=True))
